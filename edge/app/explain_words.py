"""An explanation in words for an inspector: per condition the clause, the limit, the instrument, the reading."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from edge.app.explanation import ExplainedArea, ExplainedCondition
from edge.app.rules_words import MARK_WORDS, exact, limit_text
from edge.app.said_words import failing_line, judged_lines, said_lines
from edge.app.wording import NOTHING, Language, figure, instant, limits, reason_words, seconds
from edge.core.facts import Permit
from edge.core.interlocks import measured_by, rule_name
from edge.core.readings import Quality
from edge.core.rules import PermitType, Rule, RulePack, Trade
from edge.core.said import spoken

_CHINA_MS = 8 * 3_600_000
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000

_QUANTITIES: Mapping[str, str] = {
    "combustible": "可燃气体",
    "oxygen": "氧含量",
    "toxic": "有毒气体",
    "wind_speed": "风速",
}
_QUALITIES: Mapping[str, str] = {
    Quality.GOOD.value: "正常",
    Quality.STALE.value: "无新读数",
    Quality.COMM_FAIL.value: "通信失败",
    Quality.DECODE_FAIL.value: "数据无法识别",
    Quality.DEVICE_FAULT.value: "仪器故障",
    Quality.WARMING_UP.value: "预热中",
    Quality.INHIBITED.value: "被抑制或标定中",
    Quality.OUT_OF_RANGE.value: "超量程",
    Quality.NEVER_READ.value: "尚无读数",
}

NO_PACKS: Mapping[str, int | None] = {}

_TEXT: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "head": "permit {permit}, type {type}",
        "window": "  from {start} until {end}, that second included",
        "area": "area {area}, {ex}: rule packs {packs}",
        "ex": "explosive",
        "not_ex": "not explosive",
        "of_hq": " (published by HQ, operation {operation} of its log)",
        "kept": " (work runs, and keeps those it began under)",
        "nobody": "  no pack that holds here now knows this type: nobody enters on this permit",
        "type": "  {name}: {clause} [{mark}]",
        "longest": "  holds {hours} h at most: until {end}, that second included",
        "no_longest": "  no longest time is asked for: until {end}, that second included",
        "break": "  after a break of over {minutes} min: a passing re-test before work goes on (alarm 03)",
        "any_break": "  after any break: a passing re-test before work goes on (alarm 03)",
        "daily": "  a new analysis on each further day (alarm 04)",
        "record": "  readings recorded every {minutes} min (alarm 05)",
        "sample": "  a passing sample at each point that the permit names, at most {minutes} min old (alarms 01, 02)",
        "approver": "  approved by {approver}, at the place (alarm 30)",
        "condition": "  {words}",
        "source": "    {clause} [{mark}: {how}], rule {rule}, in force since {since}{until}",
        "until": " until {until}",
        "limit": "    limit {limit}; here {here}, by {channel} ({model}), steps of {resolution}",
        "basis": "    basis: {gas}, {figures}; exactly {exact} {unit}; {clause} [{mark}]",
        "lel": "explosive limits {figures} %vol",
        "mass": "{limit} {figure} mg/m3, {mass} g/mol, {volume} L/mol",
        "manual": "    while it does not answer: only on the guardian's word, with a photo [D]",
        "decides": "    decides on this channel",
        "stricter": "    stricter here: {rules}",
        "now": "    now {figure}, {quality}, {age} old: {verdict}",
        "no_reading": "    now: no reading, {why}",
        "passes": "passes",
        "missing": "  NOT MEASURED, so nobody enters: {what}: {words}; {clause} [{mark}], rule {rule}",
        "unfitted": "  not measured here, so it asks nothing: {what}: {words}; {clause} [{mark}], rule {rule}",
        "people": "  not judged here, kept by people:",
        "unjudged": "    - {words}; {clause} [{mark}]",
        "who": "  people: {who}",
        "and": ", ",
        "trade": "a certificate in {trades}",
        "named": "{name} ({id})",
        "guardian": "a guardian at the place",
        "harness": "a harness, confirmed by the guardian",
        "distance": "  {words}; {clause} [{mark}], rule {rule}",
        "later": "  {pack} holds from {since}",
        "elsewhere": "area {area} is not one of this gateway",
        "no_daemon": "the gateway does not answer",
        "not_watched": "the gateway does not watch this permit",
        "time": "judged at {lo}, to within {doubt}, by the time of {source}",
        "own_clock": "this machine's clock",
        "hq": "HQ",
        "ntp": "a time server",
        "rtc": "the hardware clock",
        "est": "an estimate",
        "none": "nobody",
        "guessed": "whether this work began under earlier versions is not known while the gateway does not run",
    },
    "zh": {
        "head": "作业票 {permit}，类型 {type}",
        "window": "  时段 {start} 至 {end}（含）",
        "area": "区域 {area}（{ex}）：规则包 {packs}",
        "ex": "防爆区",
        "not_ex": "非防爆区",
        "of_hq": "（总部发布，其数据第 {operation} 条）",
        "kept": "（作业中，沿用开始时的版本）",
        "nobody": "  本区域现行规则包不含该类型：凭此票不得进入",
        "type": "  {name}：{clause} [{mark}]",
        "longest": "  最长有效期 {hours} h：至 {end}（含）止",
        "no_longest": "  不要求最长有效期：至 {end}（含）止",
        "break": "  中断超过 {minutes} min：恢复作业前须复测合格（报警 03）",
        "any_break": "  任何中断：恢复作业前须复测合格（报警 03）",
        "daily": "  跨日作业每日须重新分析（报警 04）",
        "record": "  每 {minutes} min 记录一次读数（报警 05）",
        "sample": "  作业票列有取样点时：每点取样合格，至作业开始不超过 {minutes} min（报警 01、02）",
        "approver": "  审批：{approver}，须到现场（报警 30）",
        "condition": "  {words}",
        "source": "    {clause} [{mark}：{how}]，规则 {rule}，自 {since} 起施行{until}",
        "until": "，至 {until} 止",
        "limit": "    限值 {limit}；本处 {here}，由 {channel}（{model}）测量，分辨力 {resolution}",
        "basis": "    依据：{gas}，{figures}；精确值 {exact} {unit}；{clause} [{mark}]",
        "lel": "爆炸下限 {figures} %vol",
        "mass": "{limit} {figure} mg/m3，{mass} g/mol，{volume} L/mol",
        "manual": "    检测仪无应答时：仅凭监护人确认并附照片 [D]",
        "decides": "    该通道以此为准",
        "stricter": "    本处更严：{rules}",
        "now": "    当前 {figure}，{quality}，距今 {age}：{verdict}",
        "no_reading": "    当前：无读数，{why}",
        "passes": "合格",
        "missing": "  未测量，故不得进入：{what}：{words}；{clause} [{mark}]，规则 {rule}",
        "unfitted": "  本处未测量，不作要求：{what}：{words}；{clause} [{mark}]，规则 {rule}",
        "people": "  本机不判定、由人保证：",
        "unjudged": "    - {words}；{clause} [{mark}]",
        "who": "  人员：{who}",
        "and": "、",
        "trade": "持证（{trades}）",
        "named": "{name} {id}",
        "guardian": "监护人在场",
        "harness": "安全带由监护人确认",
        "distance": "  {words}；{clause} [{mark}]，规则 {rule}",
        "later": "  {pack} 自 {since} 起施行",
        "elsewhere": "区域 {area} 不属于本网关",
        "no_daemon": "网关未应答",
        "not_watched": "网关未监视此作业票",
        "time": "判定时间 {lo}，误差 {doubt} 以内，时间来源：{source}",
        "own_clock": "本机时钟",
        "hq": "总部",
        "ntp": "时间服务器",
        "rtc": "硬件时钟",
        "est": "推算",
        "none": "无",
        "guessed": "网关未运行，无法得知该作业是否在较早版本下开始",
    },
}


def local(time_ms: int | None) -> str:
    """A UTC time in ms as the clock of a site shows it, to the second."""
    if time_ms is None:
        return NOTHING
    return instant(time_ms + _CHINA_MS).partition(".")[0] + "+08:00"


def _last(end_ms: int) -> str:
    """The last second that an exclusive end still allows."""
    return local(end_ms - 1_000)


def head_lines(permit: Permit, confirmed: tuple[str, ...], language: Language) -> list[str]:
    """The permit itself, and what was confirmed on site."""
    text = _TEXT[language]
    window = text["window"].format(start=local(permit.not_before_ms), end=_last(permit.not_after_ms))
    said = (f"  {each}" for each in said_lines(spoken(permit.said), confirmed, language))
    return [text["head"].format(permit=permit.permit, type=permit.permit_type), window, *said]


def time_line(clock: Mapping[str, Any], language: Language) -> str:
    """When this is true. ``source`` None: the gateway did not say, it is this machine's clock."""
    text = _TEXT[language]
    source = text["own_clock" if clock["source"] is None else clock["source"]]
    doubt = None if clock["hi_ms"] is None else clock["hi_ms"] - clock["lo_ms"]
    return text["time"].format(lo=local(clock["lo_ms"]), doubt=seconds(doubt), source=source)


def note(name: str, language: Language, **fields: str) -> str:
    """One of the sentences around the areas."""
    return _TEXT[language][name].format(**fields)


def area_lines(
    each: ExplainedArea,
    models: Mapping[str, str],
    running: tuple[bool, bool],
    language: Language,
    hq_packs: Mapping[str, int | None] = NO_PACKS,
) -> list[str]:
    """One area; ``models`` gives the instrument of each device, ``running``: the daemon answers, the work runs;
    ``hq_packs``: the versions that HQ published, each with the operation of its log."""
    text = _TEXT[language]
    answers, begun = running
    packs = ", ".join(_pack_name(pack.name, hq_packs, text) for pack in each.packs) or NOTHING
    ex = text["ex" if each.ex else "not_ex"]
    lines = [text["area"].format(area=each.area, ex=ex, packs=packs) + (text["kept"] if begun else "")]
    lines += [text["nobody"]] if each.permit_type is None else _type_lines(each, each.permit_type, language)
    lines += [failing_line(reason, detail, language) for reason, detail in each.facts]
    for name, rule in each.distances:
        fields = {"clause": rule.clause, "mark": rule.mark, "rule": name}
        lines.append(text["distance"].format(words=_words(rule, language), **fields))
    for condition in each.conditions:
        lines += _condition_lines(condition, models, answers, language)
    lines += [_unmeasured("missing", pair, language) for pair in each.missing]
    lines += [_unmeasured("unfitted", pair, language) for pair in each.unfitted]
    lines += [text["people"]] if each.unjudged else []
    for _, demand in each.unjudged:
        fields = {"clause": demand.clause, "mark": demand.mark}
        lines.append(text["unjudged"].format(words=_words(demand, language), **fields))
    begins = ((_pack_name(edition.name, hq_packs, text), local(edition.validity.since_ms)) for edition in each.later)
    return [*lines, *(text["later"].format(pack=name, since=since) for name, since in begins)]


def _pack_name(name: str, hq_packs: Mapping[str, int | None], text: Mapping[str, str]) -> str:
    if name not in hq_packs:
        return name
    operation = hq_packs[name]
    return name + text["of_hq"].format(operation=NOTHING if operation is None else operation)


def _type_lines(each: ExplainedArea, known: PermitType, language: Language) -> list[str]:
    text = _TEXT[language]
    name = f"{known.code} {known.name_zh if language == 'zh' else known.name_en}"
    key = "no_longest" if known.validity_ms is None else "longest"
    hours = (known.validity_ms or 0) // _HOUR_MS
    return [
        text["type"].format(name=name, clause=known.clause, mark=known.mark),
        text[key].format(hours=hours, end=_last(each.ends_ms)),
        *demand_lines(known, [trade for pack in each.packs for trade in pack.trades], language),
    ]


def demand_lines(known: PermitType, trades: Iterable[Trade], language: Language) -> list[str]:
    """What a permit type demands besides readings, line by line; ``trades`` gives words to those that it holds."""
    text = _TEXT[language]
    return [
        *_time_lines(known, text),
        *_people_line(known, {each.trade: each for each in trades}, language),
        text["approver"].format(approver=known.approver_zh if language == "zh" else known.approver_en),
        *judged_lines(known, language),
    ]


def _time_lines(known: PermitType, text: Mapping[str, str]) -> Iterator[str]:
    """The breaks, days, samples and records of work of that type."""
    if known.break_ms is not None:
        yield text["break" if known.break_ms else "any_break"].format(minutes=known.break_ms // _MINUTE_MS)
    if known.daily_analysis:
        yield text["daily"]
    if known.sample_ms is not None:
        yield text["sample"].format(minutes=known.sample_ms // _MINUTE_MS)
    if known.record_ms is not None:
        yield text["record"].format(minutes=known.record_ms // _MINUTE_MS)


def _people_line(known: PermitType, trades: Mapping[str, Trade], language: Language) -> Iterator[str]:
    """Whom the door asks for."""
    text = _TEXT[language]
    named = " / ".join(_trade_name(trades.get(each), each, language) for each in known.certificates)
    who = [text["trade"].format(trades=named)] if named else []
    who += [text[name] for name, asked in (("guardian", known.guardian), ("harness", known.harness)) if asked]
    if who:
        yield text["who"].format(who=text["and"].join(who))


def _trade_name(trade: Trade | None, named: str, language: Language) -> str:
    """A trade in words and by its id; by its id alone where no pack gives it words."""
    if trade is None:
        return named
    name = trade.name_zh if language == "zh" else trade.name_en
    return name if name == named else _TEXT[language]["named"].format(name=name, id=named)


def _condition_lines(
    each: ExplainedCondition, models: Mapping[str, str], answers: bool, language: Language
) -> list[str]:
    text, interlock, rule = _TEXT[language], each.interlock, each.rule
    here = limits(interlock.lowest_good, interlock.highest_good, interlock.resolution, interlock.unit)
    limit = text["limit"].format(
        limit=_limit(each),
        here=here,
        channel=f"{interlock.device}.{interlock.channel}",
        model=models.get(interlock.device, NOTHING),
        resolution=f"{interlock.resolution} {interlock.unit}",
    )
    lines = [text["condition"].format(words=_words(rule, language)), _source(each, language), limit]
    lines += _basis(each, language)
    lines.append(text["stricter"].format(rules=", ".join(each.stricter)) if each.stricter else text["decides"])
    lines += [text["manual"]] if interlock.manual else []
    return [*lines, _reading_line(each, answers, language)]


def _limit(each: ExplainedCondition) -> str:
    """The limit as the standard prints it; of one that each gas has for itself, this gas's."""
    own = each.gas.occupational() if each.gas is not None and each.rule.limit is None else None
    if own is None:
        return limit_text(each.rule)
    return f"{limit_text(replace(each.rule, limit=own[1]))} (GBZ 2.1 {own[0]})"


def _source(each: ExplainedCondition, language: Language) -> str:
    text, rule = _TEXT[language], each.rule
    return text["source"].format(
        clause=rule.clause,
        mark=rule.mark,
        how=MARK_WORDS[rule.mark][0 if language == "zh" else 1],
        rule=each.interlock.rule,
        since=rule.since,
        until="" if rule.until is None else text["until"].format(until=rule.until),
    )


def _basis(each: ExplainedCondition, language: Language) -> list[str]:
    """How the limit came into the channel's unit, if it did; and which of the gas's own limits it is."""
    text, gas, rule = _TEXT[language], each.gas, each.rule
    if gas is None or (rule.limit is not None and rule.unit == each.interlock.unit):
        return []
    own = gas.occupational() if rule.limit is None else None
    if own is None:
        figures = text["lel"].format(figures=", ".join(map(str, gas.lel_vol)))
    else:
        volume = f"{each.pack.molar_volume} [{each.pack.molar_volume_mark}]"
        figures = text["mass"].format(limit=own[0], figure=own[1], mass=gas.molar_mass, volume=volume)
    name = gas.name_zh if language == "zh" else gas.name_en
    fields = {"gas": name, "figures": figures, "clause": gas.clause, "mark": gas.mark}
    return [text["basis"].format(exact=exact(each.here), unit=each.interlock.unit, **fields)]


def _reading_line(each: ExplainedCondition, answers: bool, language: Language) -> str:
    text, reading, interlock = _TEXT[language], each.reading, each.interlock
    if reading is None:
        return text["no_reading"].format(why=text["not_watched" if answers else "no_daemon"])
    code = reading["reason"]
    return text["now"].format(
        figure=figure(reading["steps"], interlock.resolution, interlock.unit),
        quality=_QUALITIES.get(reading["quality"], reading["quality"]) if language == "zh" else reading["quality"],
        age=seconds(reading["age_ms"]),
        verdict=text["passes"] if code is None else f"{code}, {reason_words(code, language)}",
    )


def _what(pack: RulePack, rule: Rule, language: Language) -> str:
    """What a rule needs measured."""
    if language == "en":
        return measured_by(rule)
    gas = None if rule.gas is None else pack.gases.get(rule.gas)
    return _QUANTITIES.get(rule.quantity, rule.quantity) + ("" if gas is None else f"（{gas.name_zh}）")


def _unmeasured(key: str, pair: tuple[RulePack, Rule], language: Language) -> str:
    pack, rule = pair
    fields = {"clause": rule.clause, "mark": rule.mark, "rule": rule_name(pack, rule)}
    return _TEXT[language][key].format(what=_what(pack, rule, language), words=_words(rule, language), **fields)


def _words(each: Any, language: Language) -> str:
    return str(each.words_zh if language == "zh" else each.words_en)
