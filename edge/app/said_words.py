"""What HQ says of the work itself, in words, and how it is judged."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edge.app.wording import Language, reason_words
from edge.core.confirmations import Confirmation
from edge.core.heights import HeightRow, grade_name, metres
from edge.core.reasons import Reason, Words
from edge.core.rules import PermitType

FACTORS: Mapping[str, Words] = {
    "strong_gust": Words("阵风五级（8.0 m/s）以上", "gusts of level 5 (8.0 m/s) and above"),
    "cold": Words("平均气温不高于 5 ℃", "mean temperature 5 °C or lower"),
    "cold_water": Words("接触不高于 12 ℃ 的冷水", "contact with water of 12 °C or colder"),
    "slippery": Words("有冰、雪、霜、油、水等易滑物", "ice, snow, oil or water underfoot"),
    "poor_light": Words("光线不足", "poor light"),
    "live_parts": Words("与带电体距离小于规定值", "live parts nearer than allowed"),
    "unsteady_footing": Words("摆动或立足面小于 500 mm", "swaying ground or a foothold under 500 mm"),
    "bad_air": Words("有毒气体或氧含量低于 19.5 %", "toxic gas, or oxygen under 19.5 %"),
    "rescue": Words("抢险救援", "a disaster or a rescue"),
}
"""The hazard factors of work at height, by their words in a record."""

OPERATIONS: Mapping[str, Words] = {
    "insert": Words("装（堵）盲板", "a blind goes in"),
    "remove": Words("拆（抽）盲板", "a blind comes out"),
}
"""What is done with a blind, by its words in a record."""

CONFIRMATIONS: Mapping[str, Words] = {
    Confirmation.HARNESS.value: Words("安全带已系", "the harness is worn"),
    Confirmation.BRIEFING.value: Words("安全交底", "briefing"),
    Confirmation.RISK_ANALYSIS.value: Words("风险分析", "risk analysis"),
    Confirmation.MEASURES.value: Words("安全措施", "safety measures"),
}
"""What people confirm before work, by its words in records and entries."""

ACTIVITIES: Mapping[str, Words] = {
    "venting": Words("排放可燃气体", "flammable gas is vented"),
    "draining": Words("排放可燃液体", "flammable liquid is drained"),
    "painting": Words("刷漆、喷漆或溶剂清洗", "painting, or cleaning with solvents"),
    "dust_sweeping": Words("清扫可燃粉尘", "combustible dust is swept"),
}
"""What work does to other work near it, by its words in a record."""

_TEXT: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "height": "height {height}",
        "factors": "hazard factors: {factors}",
        "blinds": "blinds: {blinds}",
        "operations": "operations: {operations}",
        "pipe": "pipe {pipe}",
        "one_blind": "  one permit is one blind and one operation, alone on its pipe (alarm 20)",
        "confirmed": "confirmed by HQ: {confirmed}",
        "here": "confirmed on site: {confirmed}",
        "confirm": "  before work confirmed by HQ or the guardian (alarms 70, 80, 90): {confirm}",
        "position": "position: {east} east, {north} north",
        "activities": "activities: {activities}",
        "none": "none",
        "row": "  height {reach}: {class_a}, with a hazard factor {class_b}; {clause} [{mark}]",
        "up_to": "{first} to {last}",
        "above": "{first} and above",
        "failing": "  NOT ENOUGH: {code}{detail}: {words}",
    },
    "zh": {
        "height": "作业高度 {height}",
        "factors": "危险因素：{factors}",
        "blinds": "盲板：{blinds}",
        "operations": "作业：{operations}",
        "pipe": "管道 {pipe}",
        "one_blind": "  一票一板一作业，同一管道只许一票（报警 20）",
        "confirmed": "总部已确认：{confirmed}",
        "here": "现场已确认：{confirmed}",
        "confirm": "  作业前须由总部或监护人确认（报警 70、80、90）：{confirm}",
        "position": "位置：东 {east}，北 {north}",
        "activities": "影响周围的活动：{activities}",
        "none": "无",
        "row": "  高度 {reach}：{class_a}，有危险因素时 {class_b}；{clause} [{mark}]",
        "up_to": "{first} 至 {last}",
        "above": "{first} 及以上",
        "failing": "  不足：{code}{detail}：{words}",
    },
}


def said_lines(said: Mapping[str, Any], here: Sequence[str], language: Language) -> list[str]:
    """What HQ says (``edge.core.said.spoken``), a line for each thing, and what was confirmed ``here``."""
    confirmed = _TEXT[language]["here"].format(confirmed=_listed(here, CONFIRMATIONS, language))
    return [*_said(said, language), *([confirmed] if here else [])]


def _said(said: Mapping[str, Any], language: Language) -> Iterator[str]:
    text = _TEXT[language]
    if "height_cm" in said:
        yield text["height"].format(height=metres(said["height_cm"]))
    if "factors" in said:
        yield text["factors"].format(factors=_listed(said["factors"], FACTORS, language))

    if "blinds" in said:
        yield text["blinds"].format(blinds=", ".join(said["blinds"]) or text["none"])
    if "operations" in said:
        yield text["operations"].format(operations=_listed(said["operations"], OPERATIONS, language))
    if "pipe" in said:
        yield text["pipe"].format(pipe=said["pipe"])
    if {"east_cm", "north_cm"} <= said.keys():
        yield text["position"].format(east=metres(said["east_cm"]), north=metres(said["north_cm"]))
    if "activities" in said:
        yield text["activities"].format(activities=_listed(said["activities"], ACTIVITIES, language))
    if "confirmed" in said:
        yield text["confirmed"].format(confirmed=_listed(said["confirmed"], CONFIRMATIONS, language))


def _listed(codes: Sequence[str], words: Mapping[str, Words], language: Language) -> str:
    """The codes with their words; a code that this version does not know stands alone."""
    known = (f"{code} ({_in(words[code], language)})" if code in words else code for code in codes)
    return ", ".join(known) or _TEXT[language]["none"]


def _in(words: Words, language: Language) -> str:
    return words.zh if language == "zh" else words.en


def judged_lines(known: PermitType, language: Language) -> Iterator[str]:
    """What of it a permit type is judged by."""
    yield from (row_line(row, language) for row in known.heights)
    if known.one_blind:
        yield _TEXT[language]["one_blind"]
    if known.confirm:
        yield _TEXT[language]["confirm"].format(confirm=_named(known.confirm, language))


def _named(confirmations: tuple[str, ...], language: Language) -> str:
    words = [CONFIRMATIONS[each] for each in confirmations]
    return "、".join(each.zh for each in words) if language == "zh" else ", ".join(each.en for each in words)


def row_line(row: HeightRow, language: Language) -> str:
    """One row of the table that grades work at height."""
    text = _TEXT[language]
    first = metres(row.from_cm)
    reach = text["above"] if row.up_to_cm is None else text["up_to"].format(first=first, last=metres(row.up_to_cm))
    return text["row"].format(
        reach=reach.format(first=first),
        class_a=grade_name(row.class_a),
        class_b=grade_name(row.class_b),
        clause=row.clause,
        mark=row.mark,
    )


def failing_line(reason: Reason, detail: str | None, language: Language) -> str:
    """Why what HQ says is not enough."""
    code = reason.value
    about = f" [{detail}]" if detail else ""
    return _TEXT[language]["failing"].format(code=code, detail=about, words=reason_words(code, language))
