"""Journal entries in words: what each kind means, and what its body says."""

from collections.abc import Mapping
from typing import Any

from edge.app.said_words import CONFIRMATIONS
from edge.app.wording import LANGUAGES, NOTHING, Language, figure, instant, limits, reason_words, seconds
from edge.core.reasons import Words
from edge.ports.stores import GapWhy

KINDS: Mapping[str, Words] = {
    "access.decided": Words("刷卡判定", "a tap was decided"),
    "access.refused": Words("数据更新中，刷卡未判定", "a tap was refused while records moved"),
    "access.released": Words("已为进入开锁", "the lock was released for entry"),
    "access.withdrawn": Words("准许被撤回，门未开", "a grant was withdrawn, nothing opened"),
    "access.taken": Words("有人通过", "somebody passed"),
    "access.not_taken": Words("开锁后无人通过", "a release ended and nobody passed"),
    "actuators.back": Words("执行器进程已恢复", "the actuators' process is back"),
    "actuators.lost": Words(
        "执行器进程失联，门已自行落锁", "the actuators' process was lost, doors lock by themselves"
    ),
    "approver.present": Words("审批人到场", "the approver is on site"),
    "area.locked_down": Words("区域已封锁，只出不进", "an area was locked down: exit only"),
    "area.released": Words("区域封锁已解除", "a lock-down of an area was ended"),
    "authority.applied": Words("总部数据已生效", "HQ's word was applied"),
    "authority.behind": Words("总部数据比已采信的旧，未采信", "HQ's word was older than what is believed"),
    "certificate.lapsed": Words("作业人员的证书已到期，已报警", "a certificate of somebody at work has ended: alarm"),
    "clock.anchored": Words("时间已校准", "a better source of time was taken"),
    "clock.stepped": Words("系统时钟跳变（判定不受影响）", "the machine's clock jumped (no decision uses it)"),
    "door.acknowledged": Words("强行开门报警已确认", "somebody acknowledged that a door was forced"),
    "door.fault": Words("门故障", "a door fault"),
    "door.fault_clear": Words("门故障恢复", "a door fault ended"),
    "door.forced": Words("门被强行打开", "a door was forced"),
    "door.forced_clear": Words("强行打开的门已关", "a forced door was shut"),
    "door.held": Words("门长时间未关", "a door was held open"),
    "door.held_clear": Words("长时间未关的门已关", "a held door was shut"),
    "door.opened_in_fire": Words("火警中开门", "a door was opened during fire"),
    "exit.requested": Words("按下出门按钮", "the exit button was pressed"),
    "exit.tapped": Words("出口刷卡", "a tap on the exit side"),
    "fire.cleared": Words("火警解除", "the fire signal ended"),
    "fire.signalled": Words("火警", "a fire signal"),
    "gateway.started": Words("网关启动", "the gateway started"),
    "guardian.absent": Words("监护人离岗，作业无人监护，已报警", "the guardian of running work is gone: alarm"),
    "guardian.present": Words("监护人到位", "a guardian is present"),
    "hold.frozen": Words("已冻结", "a freeze was made here"),
    "hq.refused": Words("总部发来的数据被拒绝", "something from HQ was refused"),
    "hq.rollback": Words("总部的记录比已确认的少，正在重发", "HQ holds less than it acknowledged: it is fed again"),
    "inbox.full": Words("控制器过载，部分输入被拒", "the controller was flooded, inputs were refused"),
    "instrument.checked": Words("检测仪检查已登记", "a check of an instrument was recorded"),
    "instrument.said": Words("检测仪自身的校准状态", "what an instrument itself says of its calibration"),
    "integrity.checked": Words("日志完整性检查通过", "the journal was checked, all as written"),
    "integrity.failed": Words("日志完整性检查未通过", "the journal's check found something"),
    "link.down": Words("与总部断开", "the link to HQ went down"),
    "link.up": Words("与总部连通", "the link to HQ came up"),
    "log.genesis": Words("日志开始", "the journal began"),
    "log.heartbeat": Words("心跳，网关在运行", "heartbeat: the gateway is alive"),
    "operator.refused": Words("人员操作被拒绝", "a person's act was refused"),
    "override.expired": Words("旁路超时未解除", "an override is past its time and was not lifted"),
    "override.lifted": Words("旁路已解除", "an override was lifted"),
    "override.made": Words("已做旁路", "an override was made: a protection is out of action"),
    "model.own": Words("使用现场自编的设备型号文件", "a register map that the site wrote itself is in use"),
    "muster.listed": Words("火警时的在场人员清单", "who was inside when fire was signalled"),
    "permit.begun": Words("作业开始", "work on a permit began"),
    "permit.close_refused": Words(
        "总部已关闭作业票，但旁路未解除，本处不予关闭",
        "HQ closed a permit; an override made for it lives, so it stays open here",
    ),
    "permit.closed": Words("作业票关闭", "a permit was closed"),
    "permit.confirmed": Words("监护人已确认", "a guardian confirmed something before work"),
    "permit.degraded": Words(
        "降级：检测仪无应答，监护人人工确认", "degraded: the guardian stands in for a silent instrument"
    ),
    "permit.degraded_over": Words(
        "检测仪已恢复应答，人工确认结束", "an instrument answers again, the confirmation by hand ended"
    ),
    "permit.noted": Words("人工填写的数值，不作依据", "values typed by hand, never counted"),
    "permit.overdue": Words("作业超时未结束", "running work reached its end and was not closed"),
    "permit.paused": Words("作业暂停", "work was paused"),
    "permit.record_missed": Words("读数记录逾期", "a record of the readings is overdue"),
    "permit.recorded": Words("读数已记录", "the readings were recorded"),
    "permit.resumed": Words("作业恢复", "work was resumed"),
    "permit.retested": Words("跳闸后复测", "a re-test after a trip"),
    "permit.sampled": Words("取样点气体取样", "gas was sampled at a point"),
    "permit.trip_released": Words("跳闸已解除", "a trip was lifted"),
    "permit.too_near": Words(
        "附近有相互影响的作业同时进行，距离不足", "running work is too near to other work that runs"
    ),
    "permit.tripped": Words("作业跳闸，禁止进入", "a running permit tripped, entry is shut"),
    "person.overstayed": Words(
        "作业票或工牌到时，人员仍在区域内，已报警", "somebody is inside past the end of their permit or badge: alarm"
    ),
    "reader.back": Words("读卡器恢复", "a reader is back"),
    "reader.lost": Words("读卡器失联", "a reader was lost"),
    "reader.rested": Words("读卡器暂停结束", "a reader's rest is over"),
    "reader.resting": Words("无效工牌过多，读卡器暂停", "too many bad badges: a reader rests"),
    "rules.applied": Words("总部发布的规则版本已采用", "a version of a rule pack that HQ published was taken"),
    "rules.refused": Words("总部发布的规则版本不可用", "a version of a rule pack that HQ published cannot be used"),
    "rules.revoked": Words("总部撤销了规则版本", "HQ revoked a version of a rule pack"),
    "telemetry.deleted": Words(
        "已删除超过保存期限的读数封存文件（总部已副署）",
        "sealed files of readings past their time were deleted, HQ has cosigned their entries",
    ),
    "telemetry.gap": Words("部分时段没有读数", "a time without stored readings"),
    "telemetry.sealed": Words("一批原始读数已封存", "a batch of raw readings was sealed"),
    "telemetry.thinned": Words(
        "已清理较早读数的副本，封存文件保留", "old readings were thinned, their sealed files stay"
    ),
}
"""Every kind of entry that this version writes."""

_LABELS: Mapping[str, Words] = {
    "action": Words("操作", "act"),
    "age_ms": Words("读数距今", "age of the reading"),
    "alarms": Words("报警代码（AQ 3064.2-2025 A.4）", "alarm codes (AQ 3064.2-2025 A.4)"),
    "alarm": Words("报警代码（AQ 3064.2-2025 A.4）", "alarm code (AQ 3064.2-2025 A.4)"),
    "area": Words("区域", "area"),
    "areas": Words("区域", "areas"),
    "authority_size": Words("总部数据条数", "operations of HQ known"),
    "bad_badges": Words("无效工牌数", "bad badges"),
    "badge": Words("工牌", "badge"),
    "before_ms": Words("早于", "before"),
    "believed": Words("已采信条数", "believed"),
    "by": Words("操作人", "by"),
    "by_hand": Words("人工确认", "confirmed by hand"),
    "cause": Words("原因", "cause"),
    "check": Words("检查", "check"),
    "condition": Words("条件", "condition"),
    "counted": Words("作为依据", "counted"),
    "count": Words("数量", "count"),
    "decision": Words("判定", "decision"),
    "degraded": Words("降级", "degraded"),
    "device": Words("设备", "device"),
    "distance_cm": Words("距离（cm）", "distance, cm"),
    "done_ms": Words("检查时间", "done"),
    "certified_until_ms": Words("证书有效至", "certified until"),
    "door": Words("门", "door"),
    "ended_ms": Words("到期时间", "ended"),
    "ends_ms": Words("结束时间", "end"),
    "entry": Words("所依据的记录", "rests on entry"),
    "exit": Words("外出", "leaving"),
    "findings": Words("问题", "findings"),
    "first_boottime_ms": Words("起始读数（开机后）", "first reading, after boot"),
    "first_ms": Words("最早读数", "first reading"),
    "from": Words("自此日起施行", "in force from"),
    "fresh_ms": Words("总部数据时间", "HQ's freshness mark"),
    "forced": Words("强行开门记录", "forced at entry"),
    "freeze": Words("冻结编号", "freeze"),
    "freezes": Words("冻结", "freezes"),
    "gateway": Words("网关", "gateway"),
    "holes": Words("间断处数", "holes"),
    "instrument_says": Words("检测仪自身所示", "the instrument itself says"),
    "interlock": Words("联锁", "interlock"),
    "lasts_ms": Words("至多历时", "lasts at most"),
    "last_boottime_ms": Words("末次读数（开机后）", "last reading, after boot"),
    "last_ms": Words("最晚读数", "last reading"),
    "locked_down_at": Words("封锁记录", "locked down at entry"),
    "lost": Words("曾采用而现不可用，不得凭此进入", "was taken before: nobody enters on it now"),
    "operation": Words("总部数据第几条", "operation of HQ"),
    "pack": Words("规则包", "rule pack"),
    "limit_cm": Words("须超过（cm）", "must be more than, cm"),
    "other": Words("另一作业票", "other permit"),
    "override": Words("旁路编号", "override"),
    "overrides": Words("旁路编号", "overrides"),
    "latched": Words("须有人确认", "stands until acknowledged"),
    "left_ms": Words("校准剩余", "calibration holds for"),
    "owner": Words("旁路责任人", "owner"),
    "packs": Words("规则包", "rule packs"),
    "passed": Words("合格", "passed"),
    "pause": Words("暂停记录", "pause entry"),
    "people": Words("在场人员", "people inside"),
    "period_ms": Words("记录间隔", "period"),
    "permit": Words("作业票", "permit"),
    "phase": Words("门状态", "door then"),
    "permit_type": Words("作业类型", "permit type"),
    "permit_version": Words("作业票版本", "permit version"),
    "permits": Words("作业票", "permits"),
    "protection": Words("被旁路的保护", "protection overridden"),
    "point": Words("取样点", "sample point"),
    "quality": Words("读数质量", "quality"),
    "reader": Words("读卡器", "reader"),
    "readings": Words("读数", "readings"),
    "refused": Words("其间未受理的刷卡数", "taps refused meanwhile"),
    "releases": Words("解除的冻结", "freezes released"),
    "retest": Words("复测记录", "re-test entry"),
    "review": Words("须复审", "to be reviewed"),
    "root": Words("根散列", "root"),
    "rule": Words("规则", "rule"),
    "scope": Words("范围", "scope"),
    "sha256": Words("文本散列 SHA-256", "SHA-256 of its text"),
    "site": Words("厂区", "site"),
    "seen": Words("门磁可见", "the contact is heard"),
    "shared": Words("多人一次开门", "one opening for several"),
    "size": Words("条数", "size"),
    "source": Words("来源", "source"),
    "speaks": Words("现行版本", "what holds now"),
    "rules": Words("规则", "rules"),
    "silent_ms": Words("已无应答", "silent for"),
    "stands_ms": Words("最长有效", "counts at most"),
    "state": Words("状态", "state"),
    "step_ms": Words("跳变", "step"),
    "subject": Words("对象", "subject"),
    "took_over_from": Words("交班监护人", "took over from"),
    "trip": Words("跳闸记录", "trip entry"),
    "typed": Words("人工填写", "typed by hand"),
    "uncertainty_ms": Words("误差", "doubt"),
    "until": Words("至此日止", "in force until"),
    "until_ms": Words("截止时间", "until"),
    "utc_ms": Words("时间", "time"),
    "version": Words("版本", "version"),
    "what": Words("内容", "what"),
    "why": Words("理由", "why"),
    "worker": Words("人员", "worker"),
}

WHAT: Mapping[str, Words] = {
    GapWhy.NOT_POLLED.value: Words("总线未轮询", "the bus did not poll"),
    GapWhy.QUEUE_FULL.value: Words("来不及写盘，读数被丢弃", "the disk did not keep up, readings were dropped"),
    GapWhy.REFUSED.value: Words("读数无法保存", "readings that cannot be stored"),
    GapWhy.RESTART.value: Words("网关未在运行", "the gateway was not running"),
    "files": Words("封存文件", "sealed files"),
    "rows": Words("数据库中的读数副本", "rows in the database"),
    **CONFIRMATIONS,
}
"""What a code in the field ``what`` of an entry says."""

_FIGURE = frozenset({"steps", "resolution", "unit", "highest_good", "lowest_good"})
_DURATIONS = frozenset(
    {"age_ms", "lasts_ms", "left_ms", "period_ms", "silent_ms", "stands_ms", "step_ms", "uncertainty_ms"}
)
_READ = frozenset({"interlock", "steps", "resolution", "unit"})
_QUIET = frozenset({"simulated", "question", "reason", "reasons", "failing", "conditions"})

_LINES: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "head": "entry {seq}: {kind}, {words}",
        "at": "at {at}, give or take {doubt} (source {source})",
        "no_time": "time unknown then; {boottime} after boot {boot}",
        "permit": "permit {permit}, its entry number {number}",
        "actor": "person: {actor}",
        "simulated": "SIMULATED: no real hardware behind this entry",
        "reason": "reason {code}: {words}",
        "figure": "reading: {figure}, allowed {limits}",
        "evidence": "file {media}, {size} bytes, sha256 {digest}",
        "yes": "yes",
        "no": "no",
    },
    "zh": {
        "head": "第 {seq} 条：{kind}，{words}",
        "at": "时间 {at}，误差 ±{doubt}（来源 {source}）",
        "no_time": "当时时间未知；启动 {boot} 后 {boottime}",
        "permit": "作业票 {permit}，其第 {number} 条",
        "actor": "人员：{actor}",
        "simulated": "模拟：本条记录背后没有真实硬件",
        "reason": "原因 {code}：{words}",
        "figure": "读数：{figure}，允许 {limits}",
        "evidence": "文件 {media}，{size} 字节，sha256 {digest}",
        "yes": "是",
        "no": "否",
    },
}


def kind_words(kind: str, language: Language) -> str:
    """What a kind of entry means; the kind itself if this version does not know it."""
    words = KINDS.get(kind)
    if words is None:
        return kind
    return words.zh if language == "zh" else words.en


def head_lines(leaf: Mapping[str, Any], language: Language) -> list[str]:
    """Number, kind, time and permit of an entry."""
    text = _LINES[language]
    stamp = leaf["t"]
    lines = [text["head"].format(seq=leaf["seq"], kind=leaf["typ"], words=kind_words(leaf["typ"], language))]
    if stamp["w"] is None:
        lines.append("  " + text["no_time"].format(boottime=seconds(stamp["m"]), boot=stamp["b"]))
    else:
        doubt = NOTHING if stamp["u"] is None else f"{stamp['u']} ms"
        lines.append("  " + text["at"].format(at=instant(stamp["w"]), doubt=doubt, source=stamp["q"]))
    if "pid" in leaf:
        lines.append("  " + text["permit"].format(permit=leaf["pid"], number=leaf["pn"]))
    if "act" in leaf:
        lines.append("  " + text["actor"].format(actor=leaf["act"].get("id", NOTHING)))
    if leaf["body"].get("simulated") is True:
        lines.append("  " + text["simulated"])
    return lines


def body_lines(leaf: Mapping[str, Any], language: Language) -> list[str]:
    """The rest of an entry: reasons in words, the reading with its limit, every other field by its name."""
    text, body = _LINES[language], leaf["body"]
    codes = [body["reason"]] if isinstance(body.get("reason"), str) else []
    codes += [code for code in body.get("reasons", ()) if isinstance(code, str) and code not in codes]
    lines = [text["reason"].format(code=code, words=reason_words(code, language)) for code in codes]
    if body.keys() >= _FIGURE:
        resolution, unit = body["resolution"], body["unit"]
        allowed = limits(body["lowest_good"], body["highest_good"], resolution, unit)
        lines.append(text["figure"].format(figure=figure(body["steps"], resolution, unit), limits=allowed))
    for name, value in body.items():
        if name not in _FIGURE and name not in _QUIET and value not in (None, [], ""):
            lines.append(f"{_label(name, language)}: {_value(name, value, language)}")
    for blob in leaf.get("blob", ()):
        digest = str(blob["h"]).removeprefix("sha256:")
        lines.append(text["evidence"].format(media=blob["mt"], size=blob["n"], digest=digest))
    return ["  " + line for line in lines]


def entry_lines(leaf: Mapping[str, Any], language: Language) -> list[str]:
    """An entry in words, whatever its kind."""
    return head_lines(leaf, language) + body_lines(leaf, language)


def summary(leaf: Mapping[str, Any]) -> str:
    """An entry on one line, in both languages, for a list."""
    body = leaf["body"]
    named = [
        str(body[name])
        for name in ("decision", "reason", "door", "worker", "subject", "what", "pack")
        if body.get(name)
    ]
    words = " / ".join(kind_words(leaf["typ"], language) for language in LANGUAGES)
    permit = f" [{leaf['pid']}]" if "pid" in leaf else ""
    return f"{leaf['seq']:>8}  {instant(leaf['t']['w'])}  {leaf['typ']}{permit}  {words}  {' '.join(named)}".rstrip()


def _label(name: str, language: Language) -> str:
    words = _LABELS.get(name)
    if words is None:
        return name
    return words.zh if language == "zh" else words.en


def what_words(code: str, language: Language) -> str:
    """What a code in the field ``what`` says; the text itself if it is none."""
    words = WHAT.get(code)
    if words is None:
        return code
    return words.zh if language == "zh" else words.en


def _value(name: str, value: Any, language: Language) -> str:
    if isinstance(value, bool):
        return _LINES[language]["yes" if value else "no"]
    if name == "what" and isinstance(value, str):
        return what_words(value, language)
    if name.endswith("boottime_ms") or name in _DURATIONS:
        return seconds(value)
    if name.endswith("_ms") and isinstance(value, int):
        return instant(value)
    if name == "findings" and isinstance(value, list):
        return "; ".join(map(str, value))
    if isinstance(value, list):
        return ", ".join(_value("", each, language) for each in value)
    if isinstance(value, Mapping) and value.keys() == _READ:
        return f"{value['interlock']} {figure(value['steps'], value['resolution'], value['unit'])}"
    if isinstance(value, Mapping):
        return " ".join(f"{key}={_value(key, each, language)}" for key, each in value.items())
    return str(value)
