"""Rules as people read them: limits with their sign, days, marks, counts, in Chinese and English side by side."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from fractions import Fraction
from typing import Any

from edge.core.distances import DistanceRule
from edge.core.gases import Gas
from edge.core.heights import HeightRow, metres
from edge.core.interlocks import measured_by
from edge.core.published import RulesWord, Verdict
from edge.core.rules import PermitType, Rule, RulePack, Trade, Unjudged

_HOUR_MS = 3_600_000
MARKS = ("V", "V2", "U", "D")
MARK_WORDS: Mapping[str, tuple[str, str]] = {
    "V": ("已核对原文", "read in the text"),
    "V2": ("二手来源", "secondary source"),
    "U": ("未核对", "unverified"),
    "D": ("本项目设定", "this project's own"),
}


def limit_text(rule: Rule) -> str:
    """The limit as a figure, such as ``< 8.0 m/s``; one that each gas has for itself by the name of its table."""
    sign = {("highest", True): "<=", ("highest", False): "<", ("lowest", True): ">=", ("lowest", False): ">"}
    figure = "GBZ 2.1" if rule.limit is None else str(rule.limit)
    return f"{sign[rule.bound, rule.inclusive]} {figure} {rule.unit}"


def days(since: date, until: date | None) -> str:
    """From when, and until when if that is set; days begin at 00:00 in China."""
    return f"{since} –" if until is None else f"{since} – {until}"


def counts(marked: Iterable[str]) -> dict[str, int]:
    """How many of each mark."""
    found = Counter(marked)
    return {mark: found[mark] for mark in MARKS}


def counts_text(found: Mapping[str, int]) -> str:
    """The counts on one line, without those that are zero."""
    named = ((count, mark, *MARK_WORDS[mark]) for mark, count in found.items() if count)
    return ", ".join(f"{count} {mark} ({zh} / {en})" for count, mark, zh, en in named) or "0"


def validity_text(each: PermitType) -> str:
    """The longest time of a permit type."""
    if each.validity_ms is None:
        return "标准未设定有效期 / no time set by the standard"
    hours = each.validity_ms // _HOUR_MS
    return f"最长 {hours} h / at most {hours} h"


def rule_lines(rule: Rule) -> list[str]:
    """One rule of a pack."""
    lines = [f"  {rule.rule}: {measured_by(rule)} {limit_text(rule)}  -> {rule.code.value}"]
    lines.append(f"    {rule.words_zh} / {rule.words_en}")
    wheres = (("open_air", rule.open_air), ("where_fitted", rule.where_fitted), ("where_ex", rule.where_ex))
    where = [word for word, holds in wheres if holds]
    classes = [f"LEL >= {rule.gas_lel_from} %vol"] if rule.gas_lel_from is not None else []
    classes += [f"LEL < {rule.gas_lel_below} %vol"] if rule.gas_lel_below is not None else []
    by_hand = [f"人工确认 / by hand: {', '.join(sorted(rule.manual))}"] if rule.manual else []
    notes = [*classes, *where, *by_hand, *([f"AQ 3064.2-2025 A.4: {rule.alarm}"] if rule.alarm else [])]
    types = ", ".join(sorted(rule.permit_types))
    lines.append(f"    {rule.clause} [{rule.mark}]; {days(rule.since, rule.until)}; {types}")
    return [*lines, *([f"    {'; '.join(notes)}"] if notes else [])]


def type_lines(each: PermitType) -> list[str]:
    """One permit type of a pack: its name, longest time and source."""
    return [
        f"  {each.code} {each.name_zh} / {each.name_en}: {validity_text(each)}",
        f"    {each.clause} [{each.mark}]",
    ]


def trade_line(each: Trade) -> str:
    """One trade of a pack."""
    return f"  {each.trade}: {each.name_zh} / {each.name_en}"


def unjudged_lines(each: Unjudged) -> list[str]:
    """One demand that people keep."""
    alarm = f"; AQ 3064.2-2025 A.4: {each.alarm}" if each.alarm else ""
    types = ", ".join(sorted(each.permit_types))
    return [
        f"  {each.demand}: {each.words_zh} / {each.words_en}",
        f"    {each.clause} [{each.mark}]; {types}{alarm}",
    ]


def source_text(name: str, operations: Mapping[str, int | None]) -> str:
    """Who a version is of: this program, or HQ, with the entry of its log."""
    if name not in operations:
        return "随程序提供 / ships with the program"
    operation = operations[name]
    if operation is None:
        return "总部发布 / published by HQ"
    return f"总部发布，其数据第 {operation} 条 / published by HQ, operation {operation} of its log"


_VERDICTS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.APPLIED: ("已采用", "taken"),
    Verdict.REFUSED: ("不可用，未采用", "REFUSED, does not speak"),
    Verdict.LOST: ("曾采用而现不可用，不得凭此进入", "was taken and cannot be used now: NOBODY ENTERS on it"),
    Verdict.REVOKED: ("已撤销", "REVOKED"),
}


_KEPT = ("已收存，本网关无区域使用", "kept; no area of this gateway names it")


def word_lines(word: RulesWord, named: bool) -> list[str]:
    """What became of a version that HQ published, with every finding; ``named``: an area names its pack."""
    zh, en = _VERDICTS[word.verdict] if named or word.verdict is not Verdict.APPLIED else _KEPT
    where = "" if word.operation is None else f" [{word.operation}]"
    return [f"{word.name}{where}: {zh} / {en}", *(f"  {each}" for each in word.findings)]


def height_rows(pack: RulePack) -> tuple[HeightRow, ...]:
    """The table that grades work at height, each row once."""
    return tuple(dict.fromkeys(row for each in pack.permit_types.values() for row in each.heights))


def distance_lines(each: DistanceRule) -> list[str]:
    """What keeps away from what, and how far."""
    first, second = sorted(each.permit_types), [*sorted(each.other_types), *sorted(each.activities)]
    far = f"same_space {', '.join(sorted(each.same_space))}" if each.limit_cm is None else f"> {metres(each.limit_cm)}"
    where = " (where_ex)" if each.where_ex else ""
    return [
        f"  {each.rule}: {', '.join(first)} – {', '.join(second)}: {far}{where}",
        f"    {each.words_zh} / {each.words_en}",
        f"    {each.clause} [{each.mark}]",
    ]


def gas_line(gas: Gas) -> str:
    """One gas with its figures."""
    figures = [f"LEL {', '.join(map(str, gas.lel_vol))} %vol"] if gas.lel_vol else []
    figures += [f"M {gas.molar_mass} g/mol"] if gas.molar_mass is not None else []
    named = (("MAC", gas.maximum), ("PC-STEL", gas.short), ("PC-TWA", gas.average))
    figures += [f"{name} {figure} mg/m3" for name, figure in named if figure is not None]
    return f"  {gas.gas} {gas.name_zh} / {gas.name_en}: {'; '.join(figures)}; {gas.clause} [{gas.mark}]"


def exact(value: Fraction) -> str:
    """A fraction as a decimal where it is one, else as it is with four digits; for reading, never for judging."""
    scaled = value * 10_000
    whole = scaled.numerator // scaled.denominator
    text = f"{whole // 10_000}.{whole % 10_000:04}".rstrip("0").rstrip(".")
    return text if scaled.denominator == 1 else f"{text}…"


def rule_json(rule: Rule) -> dict[str, Any]:
    """A rule for machines; figures are texts, as exact as in the pack."""
    return {
        "id": rule.rule,
        "clause": rule.clause,
        "mark": rule.mark,
        "from": str(rule.since),
        "until": _text(rule.until),
        "permit_types": sorted(rule.permit_types),
        "quantity": rule.quantity,
        "limit": _text(rule.limit),
        "limit_of_gas": rule.limit is None,
        "unit": rule.unit,
        "bound": rule.bound,
        "inclusive": rule.inclusive,
        "code": rule.code.value,
        "alarm": rule.alarm,
        "gas": rule.gas,
        "gas_lel_from": _text(rule.gas_lel_from),
        "gas_lel_below": _text(rule.gas_lel_below),
        "where_fitted": rule.where_fitted,
        "open_air": rule.open_air,
        "where_ex": rule.where_ex,
        "manual": sorted(rule.manual),
        "zh": rule.words_zh,
        "en": rule.words_en,
    }


def type_json(each: PermitType) -> dict[str, Any]:
    """A permit type for machines."""
    return {
        "code": each.code,
        "zh": each.name_zh,
        "en": each.name_en,
        "certificates": list(each.certificates),
        "guardian": each.guardian,
        "harness": each.harness,
        "one_blind": each.one_blind,
        "confirm": list(each.confirm),
        "validity_ms": each.validity_ms,
        "break_ms": each.break_ms,
        "daily_analysis": each.daily_analysis,
        "sample_ms": each.sample_ms,
        "record_ms": each.record_ms,
        "approver_zh": each.approver_zh,
        "approver_en": each.approver_en,
        "clause": each.clause,
        "mark": each.mark,
    }


def trade_json(each: Trade) -> dict[str, Any]:
    """A trade for machines."""
    return {"id": each.trade, "zh": each.name_zh, "en": each.name_en}


def height_json(row: HeightRow) -> dict[str, Any]:
    """A row of the table that grades work at height, for machines; heights in whole centimetres, both included."""
    return {
        "id": row.row,
        "from_cm": row.from_cm,
        "up_to_cm": row.up_to_cm,
        "class_a": row.class_a,
        "class_b": row.class_b,
        "clause": row.clause,
        "mark": row.mark,
    }


def distance_json(each: DistanceRule) -> dict[str, Any]:
    """What keeps away from what, for machines."""
    return {
        "id": each.rule,
        "clause": each.clause,
        "mark": each.mark,
        "permit_types": sorted(each.permit_types),
        "other_types": sorted(each.other_types),
        "activities": sorted(each.activities),
        "limit_cm": each.limit_cm,
        "same_space": sorted(each.same_space),
        "where_ex": each.where_ex,
        "zh": each.words_zh,
        "en": each.words_en,
    }


def unjudged_json(each: Unjudged) -> dict[str, Any]:
    """A demand that people keep, for machines."""
    return {
        "id": each.demand,
        "clause": each.clause,
        "mark": each.mark,
        "permit_types": sorted(each.permit_types),
        "alarm": each.alarm,
        "zh": each.words_zh,
        "en": each.words_en,
    }


def gas_json(gas: Gas) -> dict[str, Any]:
    """A gas for machines."""
    return {
        "id": gas.gas,
        "zh": gas.name_zh,
        "en": gas.name_en,
        "lel_vol": list(map(str, gas.lel_vol)),
        "molar_mass": _text(gas.molar_mass),
        "mac": _text(gas.maximum),
        "stel": _text(gas.short),
        "twa": _text(gas.average),
        "clause": gas.clause,
        "mark": gas.mark,
    }


def pack_json(pack: RulePack) -> dict[str, Any]:
    """A whole version for machines."""
    return {
        "pack": pack.pack,
        "version": pack.version,
        "zh": pack.title_zh,
        "en": pack.title_en,
        "from": str(pack.since),
        "until": _text(pack.until),
        "molar_volume": str(pack.molar_volume),
        "molar_volume_mark": pack.molar_volume_mark,
        "permit_types": [type_json(each) for each in pack.permit_types.values()],
        "trades": [trade_json(each) for each in pack.trades],
        "rules": [rule_json(each) for each in pack.rules],
        "distances": [distance_json(each) for each in pack.distances],
        "height_grades": [height_json(each) for each in height_rows(pack)],
        "gases": [gas_json(each) for each in pack.gases.values()],
        "not_judged": [unjudged_json(each) for each in pack.unjudged],
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)
