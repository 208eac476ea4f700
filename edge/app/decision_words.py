"""One decision in words: what was asked, what it rested on, every reason."""

from collections.abc import Mapping, Sequence
from typing import Any

from edge.app.said_words import said_lines
from edge.app.wording import NOTHING, Language, figure, instant, limits, reason_words, seconds
from edge.core.clock import ClockInterval
from edge.core.distances import distance_text
from edge.core.instruments import CheckAge, overdue
from edge.core.interlocks import Condition, judge
from edge.core.overrides import Bearing
from edge.core.question import Decision, Failing, Outcome, PermitSlice, Question
from edge.core.rules import PermitType
from edge.core.said import spoken
from edge.core.samples import PointAge

_OUTCOMES: Mapping[Language, Mapping[Outcome, str]] = {
    "en": {
        Outcome.GRANTED: "GRANTED",
        Outcome.DENIED: "DENIED",
        Outcome.REVIEW: "FOR REVIEW (opens nothing)",
        Outcome.NOTED: "NOTED (opens nothing)",
    },
    "zh": {
        Outcome.GRANTED: "准许",
        Outcome.DENIED: "拒绝",
        Outcome.REVIEW: "须复审（不开门）",
        Outcome.NOTED: "已记录（不开门）",
    },
}

_TEXT: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "answer": "{outcome}: {code}, {words}",
        "place": "door {door} into area {area}, reader {reader}",
        "worker": "worker {worker}{revoked}",
        "no_worker": "worker: nobody on the roster",
        "badge": "badge {token} of key {key}, good from {start} until {end}, areas {areas}",
        "no_badge": "badge: its token is not believed",
        "certificate": "certificate {id}: {trade}, {status}, until {end}{revoked}",
        "revoked": ", REVOKED",
        "permit": "permit {id}, type {type}, version {version}, status {status}, from {start} until {end}{marks}",
        "longest": ", its type ends it at {longest}",
        "granted_by": ", GRANTS",
        "running": ", running",
        "frozen": ", FROZEN",
        "tripped": ", TRIPPED",
        "paused": ", PAUSED",
        "guardian": "guardian's last tap: {age} (at most {limit} ago); harness confirmed: {harness}",
        "approver": "approver {approver}: {seen}",
        "seen_here": "tapped here",
        "seen_by_hq": "shown to HQ to be in area {area}",
        "unseen": "not seen at the place",
        "near": "must keep away: {permit}, {distance}, rule {rule}",
        "override": "override {override} of {subject}, owner {owner}, until {until}: {standing}",
        "relied": "what it measures is demanded here and does not count",
        "past": "PAST ITS TIME, not lifted",
        "lives": "lives",
        "by_hand": "{device} CONFIRMED BY HAND by {by}, {age} ago (at most {allowed}), entry {entry}",
        "points": "sample points: {points}",
        "point": "{point} {age} (at most {allowed})",
        "never": "never",
        "ago": "{age} ago",
        "reason": "{code}{about}: {words}",
        "reasons": "every reason:",
        "conditions": "conditions:",
        "condition": "{channel}: {figure}, allowed {limits}, {quality}, {age} old (at most {stale}): {verdict}",
        "rule": "rule {rule}, {clause}",
        "good": "good",
        "missing": "no channel measures {quantity}",
        "check": "{device}, {check}: {age} old (at most {allowed}): {verdict}",
        "unchecked": "{device}, {check}: no record: {verdict}",
        "says_due": ", the instrument itself says so",
        "bump": "bump test",
        "calibration": "calibration",
        "verification": "verification",
        "clock": "clock: between {lo} and {hi}, source {source}",
        "unbounded": "no upper bound",
        "authority": "HQ's word: {size} operations, {age} old (at most {normal}, work already begun {begun})",
        "packs": "rule packs: {packs}",
        "people": "others in the area: {inside} in, {unknown} unknown, {entering} entering{most}",
        "most": ", at most {most} people",
        "holds": "holds: {holds}",
        "site": "site frozen",
        "area": "area frozen",
        "person": "worker frozen",
        "fire": "fire",
        "fault": "door fault",
        "slow": "journal slow",
        "locked": "area locked down by {by}, entry {entry}: {why}",
        "erased": "its question was erased: only what the entry itself holds can be shown",
    },
    "zh": {
        "answer": "{outcome}：{code}，{words}",
        "place": "门 {door}，通往区域 {area}，读卡器 {reader}",
        "worker": "人员 {worker}{revoked}",
        "no_worker": "人员：不在名册",
        "badge": "工牌 {token}，密钥 {key}，有效期 {start} 至 {end}，区域 {areas}",
        "no_badge": "工牌：其电子许可不可信",
        "certificate": "证书 {id}：{trade}，{status}，有效至 {end}{revoked}",
        "revoked": "，已撤销",
        "permit": "作业票 {id}，类型 {type}，版本 {version}，状态 {status}，{start} 至 {end}{marks}",
        "longest": "，按其类型至 {longest} 止",
        "granted_by": "，据此准许",
        "running": "，作业中",
        "frozen": "，已冻结",
        "tripped": "，已跳闸",
        "paused": "，暂停中",
        "guardian": "监护人最近刷卡：{age}（至多 {limit} 前）；安全带确认：{harness}",
        "approver": "审批人 {approver}：{seen}",
        "seen_here": "已在此刷卡",
        "seen_by_hq": "总部确认其在区域 {area}",
        "unseen": "未见到场",
        "near": "须保持距离：{permit}，{distance}，规则 {rule}",
        "override": "旁路 {override}：{subject}，责任人 {owner}，至 {until}：{standing}",
        "relied": "此处需要其读数，旁路期间不计",
        "past": "已超时，未解除",
        "lives": "有效",
        "by_hand": "{device} 人工确认：{by}，{age} 前（至多 {allowed}），第 {entry} 条",
        "points": "取样点：{points}",
        "point": "{point} {age}（至多 {allowed}）",
        "never": "从未",
        "ago": "{age} 前",
        "reason": "{code}{about}：{words}",
        "reasons": "全部原因：",
        "conditions": "条件：",
        "condition": "{channel}：{figure}，允许 {limits}，{quality}，距今 {age}（至多 {stale}）：{verdict}",
        "rule": "规则 {rule}，{clause}",
        "good": "合格",
        "missing": "没有通道测量 {quantity}",
        "check": "{device}，{check}：距今 {age}（至多 {allowed}）：{verdict}",
        "unchecked": "{device}，{check}：无登记：{verdict}",
        "says_due": "，检测仪自身显示到期",
        "bump": "通气测试",
        "calibration": "校准",
        "verification": "检定",
        "clock": "时间：{lo} 至 {hi} 之间，来源 {source}",
        "unbounded": "无上界",
        "authority": "总部数据：{size} 条，距今 {age}（至多 {normal}，已开始的作业 {begun}）",
        "packs": "规则包：{packs}",
        "people": "区域内其他人员：在内 {inside}，不明 {unknown}，进入中 {entering}{most}",
        "most": "，至多 {most} 人",
        "holds": "限制：{holds}",
        "site": "厂区冻结",
        "area": "区域冻结",
        "person": "人员冻结",
        "fire": "火警",
        "fault": "门故障",
        "slow": "记录缓慢",
        "locked": "区域封锁（{by}，第 {entry} 条）：{why}",
        "erased": "其判定依据已删除：只能显示记录本身的内容",
    },
}


def decision_lines(question: Question, decision: Decision, language: Language) -> list[str]:
    """The answer first, then whom, where, why, and on what grounds."""
    text = _TEXT[language]
    lines = [_answer(decision, language), text["place"].format(**_place(question))]
    lines += _person_lines(question, language)
    for each in question.permits:
        lines += _permit_lines(question, each, decision, language)
    if decision.failing:
        lines += [text["reasons"], *(f"  {_reason(each, language)}" for each in decision.failing)]
    lines += _condition_lines(question, language)
    lines += _ground_lines(question, language)
    return ["  " + line for line in lines]


def erased_lines(body: Mapping[str, Any], language: Language) -> list[str]:
    """What can still be said of a decision whose question was erased."""
    text = _TEXT[language]
    outcomes = _OUTCOMES[language]
    outcome = outcomes[Outcome(body["decision"])]
    code = str(body["reason"])
    lines = [text["erased"], text["answer"].format(outcome=outcome, code=code, words=reason_words(code, language))]
    lines.append(text["place"].format(door=body["door"], area=body["area"], reader=body["reader"]))
    if body["worker"] is not None:
        lines.append(text["worker"].format(worker=body["worker"], revoked=""))
    for name, permit, detail in body["failing"]:
        about = _about(permit, detail)
        lines.append("  " + text["reason"].format(code=name, about=about, words=reason_words(name, language)))
    for each in body["conditions"]:
        lines.append(f"  {each['interlock']}: {figure(each['steps'], each['resolution'], each['unit'])}")
    lines.append(text["packs"].format(packs=", ".join(body["packs"]) or NOTHING))
    return ["  " + line for line in lines]


def _answer(decision: Decision, language: Language) -> str:
    code = decision.primary.value
    outcome = _OUTCOMES[language][decision.outcome]
    return _TEXT[language]["answer"].format(outcome=outcome, code=code, words=reason_words(code, language))


def _place(question: Question) -> dict[str, str]:
    return {"door": question.tap.door, "area": question.area, "reader": question.tap.reader}


def _person_lines(question: Question, language: Language) -> list[str]:
    text, facts = _TEXT[language], question.facts
    token = facts.token.token
    if token is None:
        return [text["no_badge"]]
    start, end = instant(token.not_before_ms), instant(token.not_after_ms)
    areas = ", ".join(token.areas)
    lines = [text["badge"].format(token=token.token_id, key=token.key_id, start=start, end=end, areas=areas)]
    if facts.worker is None:
        return [text["no_worker"], *lines]
    lines.insert(0, text["worker"].format(worker=facts.worker.worker, revoked=_if(facts.worker.revoked, text)))
    for each in facts.certificates:
        end = instant(min(each.ends_ms, each.review_due_ms or each.ends_ms))
        fields = {"id": each.certificate, "trade": each.trade, "status": each.status, "end": end}
        lines.append(text["certificate"].format(**fields, revoked=_if(each.revoked, text)))
    return lines


def _if(revoked: bool, text: Mapping[str, str]) -> str:
    return text["revoked"] if revoked else ""


def _permit_lines(question: Question, each: PermitSlice, decision: Decision, language: Language) -> list[str]:
    text, permit = _TEXT[language], each.permit
    marks = {
        "longest": each.ends_ms < permit.not_after_ms,
        "granted_by": decision.permit == permit.permit,
        "running": each.begun,
        "frozen": each.frozen,
        "tripped": each.tripped,
        "paused": each.paused,
        "revoked": permit.revoked,
    }
    line = text["permit"].format(
        id=permit.permit,
        type=_type_name(permit.permit_type, each.permit_type, language),
        version=permit.version,
        status=permit.status,
        start=instant(permit.not_before_ms),
        end=instant(permit.not_after_ms),
        marks="".join(text[name] for name, marked in marks.items() if marked).format(longest=instant(each.ends_ms)),
    )
    guardian, harness = (
        text["never"] if age_ms is None else text["ago"].format(age=seconds(age_ms))
        for age_ms in (each.guardian_age_ms, each.harness_age_ms)
    )
    limit = seconds(question.limits.guardian_ms)
    said = said_lines(spoken(permit.said), each.confirmed, language)
    near = [
        text["near"].format(permit=one.permit, distance=distance_text(permit.said, one), rule=one.rule)
        for one in each.near
    ]
    watched = text["guardian"].format(age=guardian, limit=limit, harness=harness)
    approver = [] if permit.approver is None else [_approver(each, text)]
    overrides = [_override(bears, text) for bears in each.overrides]
    lines = [line, *(f"  {one}" for one in (watched, *approver, *said, *near, *overrides))]
    for person in each.by_hand:
        ages = {"age": seconds(person.age_ms), "allowed": seconds(person.allowed_ms)}
        words = text["by_hand"].format(device=person.device, by=person.by, entry=person.entry, **ages)
        lines.append("  " + words)
    points = ", ".join(_point(point, text) for point in each.points)
    return [*lines, "  " + text["points"].format(points=points)] if points else lines


def _approver(each: PermitSlice, text: Mapping[str, str]) -> str:
    permit = each.permit
    by_hq = "seen_by_hq" if permit.approved_in in permit.areas else "unseen"
    seen = text["seen_here" if each.approver_seen else by_hq].format(area=permit.approved_in)
    return text["approver"].format(approver=permit.approver, seen=seen)


def _override(each: Bearing, text: Mapping[str, str]) -> str:
    standing = "past" if each.over else "relied" if each.relied else "lives"
    named = {"override": each.override, "subject": each.subject, "owner": each.owner}
    return text["override"].format(**named, until=instant(each.until_ms), standing=text[standing])


def _point(point: PointAge, text: Mapping[str, str]) -> str:
    age = text["never"] if point.age_ms is None else text["ago"].format(age=seconds(point.age_ms))
    return text["point"].format(point=point.point, age=age, allowed=seconds(point.allowed_ms))


def _type_name(code: str, known: PermitType | None, language: Language) -> str:
    if known is None:
        return code
    return f"{code} ({known.name_zh if language == 'zh' else known.name_en})"


def _reason(failing: Failing, language: Language) -> str:
    code = failing.reason.value
    about = _about(failing.permit, failing.detail)
    return _TEXT[language]["reason"].format(code=code, about=about, words=reason_words(code, language))


def _about(permit: str | None, detail: str | None) -> str:
    named = [each for each in (permit, detail) if each]
    return f" [{', '.join(named)}]" if named else ""


def _condition_lines(question: Question, language: Language) -> list[str]:
    """Each condition of each permit of this area, once: permits of one type share theirs."""
    text = _TEXT[language]
    here = [each for each in question.permits if question.area in each.permit.areas]
    conditions = dict.fromkeys(judge(measured) for each in here for measured in each.measured)
    missing = dict.fromkeys(quantity for each in here for quantity in each.missing)
    if not conditions and not missing:
        return []
    lines = [text["conditions"]]
    for condition in conditions:
        lines += _condition(condition, language)
    checks = dict.fromkeys(age for each in here for age in each.checks)
    lines += [f"  {_check(age, language)}" for age in checks]
    return lines + [f"  {text['missing'].format(quantity=quantity)}" for quantity in missing]


def _check(age: CheckAge, language: Language) -> str:
    text = _TEXT[language]
    reason = next((reason for reason, _ in overdue((age,))), None)
    verdict = text["good"] if reason is None else f"{reason.value}, {reason_words(reason.value, language)}"
    verdict += text["says_due"] if age.says_due else ""
    return text["unchecked" if age.age_ms is None else "check"].format(
        device=age.device,
        check=text[age.check.value],
        age=seconds(age.age_ms),
        allowed=seconds(age.allowed_ms),
        verdict=verdict,
    )


def _condition(condition: Condition, language: Language) -> list[str]:
    text, measured = _TEXT[language], condition.measured
    interlock = measured.interlock
    code = None if condition.reason is None else condition.reason.value
    line = text["condition"].format(
        channel=f"{interlock.device}.{interlock.channel}",
        figure=figure(measured.steps, interlock.resolution, interlock.unit),
        limits=limits(interlock.lowest_good, interlock.highest_good, interlock.resolution, interlock.unit),
        quality=measured.quality.value,
        age=seconds(measured.age_ms),
        stale=seconds(interlock.stale_ms),
        verdict=text["good"] if code is None else f"{code}, {reason_words(code, language)}",
    )
    return [f"  {line}", f"    {text['rule'].format(rule=interlock.rule, clause=interlock.clause)}"]


def _ground_lines(question: Question, language: Language) -> list[str]:
    """Clock, HQ's word, holds and rule packs."""
    text, clock, limited = _TEXT[language], question.clock, question.limits
    upper = text["unbounded"] if clock.hi_ms is None else instant(clock.hi_ms)
    lines = [text["clock"].format(lo=instant(clock.lo_ms), hi=upper, source=clock.source.value)]
    lines.append(
        text["authority"].format(
            size=question.facts.authority_size,
            age=seconds(_authority_age_ms(question.facts.fresh_at_ms, clock)),
            normal=seconds(limited.offline_normal_ms),
            begun=seconds(limited.offline_begun_ms),
        )
    )
    people = question.people
    if people is not None and (people.total or people.most is not None):
        most = "" if people.most is None else text["most"].format(most=people.most)
        counts = {"inside": people.inside, "unknown": people.unknown, "entering": people.entering}
        lines.append(text["people"].format(**counts, most=most))
    holds = _holds(question, text)
    if holds:
        lines.append(text["holds"].format(holds=", ".join(holds)))
    return [*lines, text["packs"].format(packs=", ".join(question.packs) or NOTHING)]


def _authority_age_ms(fresh_at_ms: int | None, clock: ClockInterval) -> int | None:
    return None if fresh_at_ms is None or clock.hi_ms is None else clock.hi_ms - fresh_at_ms


def _holds(question: Question, text: Mapping[str, str]) -> Sequence[str]:
    standing = {
        "site": question.site_frozen,
        "area": question.area_frozen,
        "person": question.worker_frozen,
        "fire": question.fire,
        "fault": question.door_fault,
        "slow": question.journal_slow,
    }
    locked = question.locked_down
    lockdown = [] if locked is None else [text["locked"].format(by=locked.by, entry=locked.entry, why=locked.why)]
    return [*lockdown, *(text[name] for name, holds in standing.items() if holds)]
