"""What the running gateway says of itself, in words: for a technician, an operator, or whoever is called at night."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edge.app.said_words import said_lines
from edge.app.wording import NOTHING, Language, instant, reason_words, seconds
from edge.core.permits import STATUS_ISSUED, STATUS_NOT_ISSUED, STATUS_SUSPENDED, STATUS_WORKING

SIMULATED = "SIMULATED · 模拟：no real hardware behind this gateway / 本网关背后没有真实硬件"

_TEXT: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "head": "{gateway} at {site} · clock {source} {doubt}",
        "unbounded": "unbounded",
        "door": "door {door}: {phase}{fault}{shown}",
        "fault": " FAULT {fault}",
        "shown": " · last shown {age}: {code} {zh} / {en}",
        "rules": "rules in area {area}: {packs}",
        "lost": "rule pack {lost} in area {area} CANNOT BE USED: nobody enters on it; see `permitgate rules list`",
        "siren": "SIREN of area {area} is sounding",
        "headcount": "area {area}: {inside} in, {unknown} unknown, {entering} entering{most}",
        "most": ", at most {most}",
        "full": ", FULL",
        "inside": "  inside: {people}",
        "unknown": " unknown",
        "channel": "channel {channel}: {figure} {quality} ({age})",
        "overdue": "instrument {device}: {check} missing or OVERDUE: see `permitgate instrument list`",
        "reader": "reader {reader} LOST: {why}",
        "locked": "AREA {area} is LOCKED DOWN by {by} since {since}, entry {entry}: {why}",
        "forced": "door {door} was FORCED at {since}, entry {entry}: see `permitgate door acknowledge`",
        "resting": "reader {reader} RESTS for {left} yet: too many bad badges; {refused} taps refused since",
        "freeze": "FROZEN {scope} by {by}: {why} (freeze {freeze}; only HQ can release it)",
        "override": "OVERRIDE {override} of {subject} by {owner} until {until}{over}, for {permits}: {why}",
        "over": ", PAST ITS TIME",
        "no_permits": "no permit",
        "waits": "permit {permit}: HQ closed it; it stays OPEN here until override {overrides} is lifted",
        "close_waits": "CLOSE REFUSED while an override lives",
        "permit": "permit {permit}: type {type} in {areas}{marks}",
        "running": "running",
        "paused": "PAUSED",
        "by_hand": "{device} CONFIRMED BY HAND by {by}",
        "held": "FROZEN {freeze}",
        "trip": "TRIPPED {code} {words} ({interlock})",
        "window": "  from {start} until {end}, at HQ: {status}",
        "people": "  workers {workers}; guardians {guardians}",
        "sampled": "  sample point {point}: {age}, by {by}, entry {entry}",
        "unsampled": "  sample point {point}: {code}, {words}",
        "typed": "  sample point {point}: TYPED BY HAND, never counted: {figures} (by {by}, entry {entry})",
        "journal": "journal: {durable} entries, {rest} not yet acknowledged by HQ",
        "damaged": "journal DAMAGED or cut short: entry is refused; see `permitgate journal verify`",
        "link": "HQ: {state} for {since}{why}",
        "refused": "REFUSED between here and HQ: {why}",
        "authority": "authority: {size} operations, last word {age}{fresh}",
        "fresh": " (fresh)",
        "child": "child {name}: {state}, {restarts} restarts",
        "waiting": "{rest} of {durable} entries not yet acknowledged",
        "never": "never",
        "ago": "{age} ago",
        "up": "up",
        "down": "DOWN",
    },
    "zh": {
        "head": "{site} 厂区网关 {gateway} · 时钟 {source} {doubt}",
        "unbounded": "无上界",
        "door": "门 {door}：{phase}{fault}{shown}",
        "fault": " 故障 FAULT {fault}",
        "shown": " · 最近显示（{age}）：{code} {zh} / {en}",
        "rules": "区域 {area} 现行规则：{packs}",
        "lost": "区域 {area} 的规则包 {lost} 不可用 CANNOT BE USED：不得凭此进入；请运行 `permitgate rules list`",
        "siren": "区域 {area} 警笛 SIREN 正在鸣响",
        "headcount": "区域 {area}：在内 {inside}，不明 {unknown}，进入中 {entering}{most}",
        "most": "，至多 {most}",
        "full": "，已满 FULL",
        "inside": "  在内：{people}",
        "unknown": " 不明 unknown",
        "channel": "通道 {channel}：{figure} {quality}（{age}）",
        "overdue": "检测仪 {device}：{check} 缺少或已过期 OVERDUE：请运行 `permitgate instrument list`",
        "reader": "读卡器 {reader} 失联 LOST：{why}",
        "locked": "区域 {area} 已封锁 LOCKED DOWN，{by}，自 {since}，第 {entry} 条：{why}",
        "forced": "门 {door} 曾被强行打开 FORCED（{since}，第 {entry} 条），须确认：`permitgate door acknowledge`",
        "resting": "读卡器 {reader} 暂停 RESTS，还有 {left}：无效工牌过多；其间 {refused} 次刷卡未受理",
        "freeze": "已冻结 FROZEN {scope}，{by}：{why}（冻结编号 {freeze}，须总部解除）",
        "override": "旁路 OVERRIDE {override}：{subject}，责任人 {owner}，至 {until}{over}，用于 {permits}：{why}",
        "over": "，已超时 PAST ITS TIME",
        "no_permits": "无作业票",
        "waits": "作业票 {permit}：总部已关闭；旁路 {overrides} 解除前本处保持打开 OPEN",
        "close_waits": "旁路未解除，关闭被拒 CLOSE REFUSED",
        "permit": "作业票 {permit}：类型 {type}，区域 {areas}{marks}",
        "running": "作业中",
        "paused": "暂停中 PAUSED",
        "by_hand": "{device} 人工确认 BY HAND（{by}）",
        "held": "已冻结 FROZEN {freeze}",
        "trip": "已跳闸 TRIPPED {code} {words}（{interlock}）",
        "window": "  {start} 至 {end}，总部状态：{status}",
        "people": "  作业人员 {workers}；监护人 {guardians}",
        "sampled": "  取样点 {point}：{age}，{by}，第 {entry} 条",
        "unsampled": "  取样点 {point}：{code}，{words}",
        "typed": "  取样点 {point}：人工填写，不作依据：{figures}（{by}，第 {entry} 条）",
        "journal": "日志：{durable} 条，其中 {rest} 条总部尚未确认",
        "damaged": "日志损坏或缺失 DAMAGED：禁止进入 entry is refused；请运行 `permitgate journal verify`",
        "link": "总部：{state}，已 {since}{why}",
        "refused": "与总部之间有内容被拒绝（REFUSED）：{why}",
        "authority": "总部数据：{size} 条，最近消息 {age}{fresh}",
        "fresh": "（及时）",
        "child": "子进程 {name}：{state}，重启 {restarts} 次",
        "waiting": "{durable} 条记录中 {rest} 条尚未确认",
        "never": "从未",
        "ago": "{age} 前",
        "up": "正常",
        "down": "中断 DOWN",
    },
}

_STATUSES: Mapping[int, tuple[str, str]] = {
    STATUS_NOT_ISSUED: ("not issued yet", "尚未签发"),
    STATUS_ISSUED: ("issued", "已签发"),
    STATUS_WORKING: ("being worked", "作业中"),
    STATUS_SUSPENDED: ("suspended", "已暂停"),
}
_OVER = ("over", "已结束")


def status_lines(found: Mapping[str, Any], language: Language) -> list[str]:
    """Everything that ``status`` answers, what needs somebody before what does not."""
    text, clock = _TEXT[language], found["clock"]
    doubt = text["unbounded"] if clock["hi_ms"] is None else f"±{(clock['hi_ms'] - clock['lo_ms']) // 2} ms"
    lines = [text["head"].format(gateway=found["gateway"], site=found["site"], source=clock["source"], doubt=doubt)]
    if found["journal"]["behind_signed"]:
        lines.append(text["damaged"])
    lines += [text["siren"].format(area=area) for area, sounding in found["sirens"].items() if sounding]
    lost = ((each["area"], ", ".join(each["lost"])) for each in found["rules"] if each["lost"])
    lines += [text["lost"].format(area=area, lost=names) for area, names in lost]
    lines += lockdown_lines(found["lockdowns"], language)
    lines += [text["freeze"].format(**each) for each in found["freezes"]]
    lines += override_lines(found["overrides"], language) + list(_waiting_lines(found, language))
    lines += [text["reader"].format(reader=reader, why=why) for reader, why in found["readers"]["lost"].items()]
    lines += people_lines(found["people"], language)
    lines += [text["forced"].format(**each, since=instant(each["since_ms"])) for each in found["forced"]]
    lines += [text["resting"].format(**each, left=seconds(each["left_ms"])) for each in found["resting"]]
    lines += _door_lines(found, language)
    for channel, each in found["readings"].items():
        age = _ago(each["age_ms"], language)
        lines.append(text["channel"].format(channel=channel, figure=each["figure"], quality=each["quality"], age=age))
    overdue = [each for each in found["instruments"] if each["overdue"]]
    lines += [text["overdue"].format(device=each["device"], check=each["check"]) for each in overdue]
    lines += [permit_line(permit, language) for permit in found["permits"]]
    packs = ((each["area"], ", ".join(each["packs"]) or NOTHING) for each in found["rules"])
    lines += [text["rules"].format(area=area, packs=names) for area, names in packs]
    journal = found["journal"]
    lines.append(text["journal"].format(durable=journal["durable"], rest=journal["durable"] - journal["acked"]))
    lines += _hq_lines(found, language)
    if found["link"]["refused"]:
        lines.append(text["refused"].format(why=found["link"]["refused"]))
    for name, each in found["children"].items():
        state = text["up"] if each["alive"] else text["down"]
        lines.append(text["child"].format(name=name, state=state, restarts=each["restarts"]))
    return lines


def _door_lines(found: Mapping[str, Any], language: Language) -> Iterator[str]:
    text = _TEXT[language]
    for door, each in found["doors"].items():
        fault = text["fault"].format(fault=each["fault"]) if each["fault"] else ""
        last = found["shown"].get(door)
        shown = ""
        if last is not None:
            age = _ago(last["age_ms"], language)
            shown = text["shown"].format(age=age, code=last["reason"], zh=last["zh"], en=last["en"])
        yield text["door"].format(door=door, phase=each["phase"], fault=fault, shown=shown)


def people_lines(areas: Sequence[Mapping[str, Any]], language: Language) -> list[str]:
    """How many are inside, of each area that has people or a limit."""
    text, lines = _TEXT[language], []
    for each in areas:
        total = each["inside"] + each["unknown"] + each["entering"]
        most = "" if each["most"] is None else text["most"].format(most=each["most"])
        full = text["full"] if each["most"] is not None and total >= each["most"] else ""
        if total or most:
            lines.append(text["headcount"].format(**{**each, "most": most + full}))
    return lines


def inside_lines(permit: Mapping[str, Any], language: Language) -> list[str]:
    """Who went in on a permit and is in, or may be."""
    text = _TEXT[language]
    named = [
        f"{each['worker']} ({each['area']}){text['unknown'] if each['state'] == 'unknown' else ''}"
        for each in permit["inside"]
    ]
    return [text["inside"].format(people=", ".join(named))] if named else []


def permit_line(permit: Mapping[str, Any], language: Language) -> str:
    """A permit and what holds it, on one line."""
    text, trip = _TEXT[language], permit["trip"]
    marks = [text["running"]] if permit["running"] else []
    marks += [text["paused"]] if permit["paused"] else []
    marks += [text["held"].format(freeze=freeze) for freeze in permit["frozen"]]
    marks += [text["by_hand"].format(**each) for each in permit["by_hand"] if each["left_ms"]]
    if trip is not None:
        words = reason_words(trip["reason"], language)
        marks.append(text["trip"].format(code=trip["reason"], words=words, interlock=trip["interlock"]))
    marks += [text["close_waits"]] if permit["close_waits"] else []
    return text["permit"].format(
        permit=permit["permit"],
        type=permit["type"],
        areas=", ".join(permit["areas"]),
        marks="".join(f"; {mark}" for mark in marks),
    )


def permit_lines(permit: Mapping[str, Any], language: Language) -> list[str]:
    """A permit with its window, its state at HQ, its people, what HQ says of the work and its sample points."""
    text = _TEXT[language]
    status = _STATUSES.get(permit["hq_status"], _OVER)[language == "zh"]
    window = {"start": instant(permit["not_before_ms"]), "end": instant(permit["ends_ms"]), "status": status}
    people = {name: ", ".join(permit[name]) for name in ("workers", "guardians")}
    said = (f"  {each}" for each in said_lines(permit["said"], permit["confirmed"], language))
    lines = [permit_line(permit, language), text["window"].format(**window), text["people"].format(**people), *said]
    overrides = (f"  {line}" for line in override_lines(permit["overrides"], language))
    lockdowns = (f"  {line}" for line in lockdown_lines(permit["lockdowns"], language))
    return [*lines, *inside_lines(permit, language), *point_lines(permit, language), *overrides, *lockdowns]


def override_lines(overrides: Sequence[Mapping[str, Any]], language: Language) -> list[str]:
    """Overrides that live: of what, by whom, until when, for which permits, why."""
    text = _TEXT[language]
    return [
        text["override"].format(
            override=each["override"],
            subject=each["device"] or each["protection"],
            owner=each["owner"],
            until=instant(each["until_ms"]),
            over=text["over"] if each["over"] else "",
            permits=", ".join(each["permits"]) or text["no_permits"],
            why=each["why"],
        )
        for each in overrides
    ]


def lockdown_lines(lockdowns: Sequence[Mapping[str, Any]], language: Language) -> list[str]:
    """Areas that are locked down: whose, since when, why."""
    text = _TEXT[language]
    return [text["locked"].format(**{**each, "since": instant(each["since_ms"])}) for each in lockdowns]


def _waiting_lines(found: Mapping[str, Any], language: Language) -> Iterator[str]:
    """Permits that HQ closed and that stay open here, each with what it waits for."""
    for permit in found["closing"]:
        held = ", ".join(each["override"] for each in found["overrides"] if permit in each["permits"])
        yield _TEXT[language]["waits"].format(permit=permit, overrides=held)


def point_lines(permit: Mapping[str, Any], language: Language) -> Iterator[str]:
    """The sample points of a permit, and what a person typed there."""
    for each in permit["points"]:
        yield _point_line(each, language)
        typed = each["typed"]
        if typed is not None:
            figures = ", ".join(f"{name} {figure}" for name, figure in sorted(typed["figures"].items()))
            yield _TEXT[language]["typed"].format(**{**typed, "point": each["point"], "figures": figures})


def _point_line(each: Mapping[str, Any], language: Language) -> str:
    """A sample point: when it was sampled, or why its sample is none to begin work with."""
    text, code = _TEXT[language], each["reason"]
    if code is not None:
        return text["unsampled"].format(point=each["point"], code=code, words=reason_words(code, language))
    return text["sampled"].format(**{**each, "age": _ago(each["age_ms"], language)})


def sync_lines(found: Mapping[str, Any], language: Language) -> list[str]:
    """How the link is, what waits for HQ, and how old HQ's word is."""
    journal = found["journal"]
    rest = journal["durable"] - journal["acked"]
    link, authority = _hq_lines(found, language)
    return [link, _TEXT[language]["waiting"].format(rest=rest, durable=journal["durable"]), authority]


def _hq_lines(found: Mapping[str, Any], language: Language) -> tuple[str, str]:
    text, link, authority = _TEXT[language], found["link"], found["authority"]
    state = text.get(link["state"], link["state"])
    why = f": {link['why']}" if link["why"] else ""
    age = _ago(authority["age_ms"], language)
    fresh = text["fresh"] if authority["fresh"] else ""
    return (
        text["link"].format(state=state, since=f"{link['since_s']} s", why=why),
        text["authority"].format(size=authority["size"], age=age, fresh=fresh),
    )


def _ago(age_ms: int | None, language: Language) -> str:
    text = _TEXT[language]
    return text["never"] if age_ms is None else text["ago"].format(age=f"{age_ms / 1000:.1f} s")
