"""Tables of a rule pack by which is judged what HQ says of the work itself: grades of work at height, distances."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from edge.config_table import Table
from edge.config_wording import listed
from edge.core.distances import ACTIVITIES, DistanceRule
from edge.core.heights import GRADES, HeightRow
from edge.core.rules import PermitType
from edge.rules import fields

_GRADES = {each: each for each in GRADES}
_HEIGHT_M_MAX = 1_000
_CM = 100
_ACTIVITY = re.compile("|".join(ACTIVITIES))
_ACTIVITY_FORM = f"one of {', '.join(ACTIVITIES)}"


def with_heights(root: Table, types: Sequence[tuple[PermitType, Table]]) -> list[tuple[PermitType, Table]]:
    """The permit types, those of work at height with the rows of ``[[height_grade]]``. Notes what is wrong in them."""
    tables = root.tables("height_grade", count_min=0, count_max=16)
    rows = tuple(_row(table, place == 0, place == len(tables) - 1) for place, table in enumerate(tables))
    known = {each.code for each, _ in types}
    for row, table in zip(rows, tables, strict=True):
        _check_row(row, known, table)
    for (held, first), (following, second) in pairwise(zip(rows, tables, strict=True)):
        _check_order(held, first, following, second)
    return [(replace(each, heights=rows) if each.code in GRADES else each, table) for each, table in types]


def _row(table: Table, first: bool, last: bool) -> HeightRow:
    """The first row begins with its own height, each other just above that of the row before; the last has no end."""
    return HeightRow(
        row=fields.identity(table),
        from_cm=_centimetres(table, "from") if first else _centimetres(table, "above") + 1,
        up_to_cm=None if last else _centimetres(table, "up_to"),
        class_a=table.getchoice("class_a", _GRADES),
        class_b=table.getchoice("class_b", _GRADES),
        clause=fields.text(table, "clause"),
        mark=fields.mark(table),
    )


def _centimetres(table: Table, key: str) -> int:
    metres = fields.decimal(table, key)
    whole = metres * _CM
    if table.good(key) and (whole != int(whole) or not 0 < metres <= _HEIGHT_M_MAX):
        table.refuse(key, f"{metres} cannot be used; give metres above 0 and up to {_HEIGHT_M_MAX}, to the centimetre")
    return int(whole)


def _check_row(row: HeightRow, known: set[str], table: Table) -> None:
    for key, grade in (("class_a", row.class_a), ("class_b", row.class_b)):
        if table.good(key) and grade not in known:
            table.refuse(key, f"{grade} is no [[permit_type]] of this pack; one of: {listed(sorted(known))}")
    if table.good("class_a", "class_b") and row.class_b < row.class_a:
        table.refuse("class_b", f"{row.class_b} is lower than class_a = {row.class_a}; a hazard never lowers a grade")
    if row.up_to_cm is not None and table.good("up_to") and row.up_to_cm < row.from_cm:
        table.refuse("up_to", "is not above where this row begins; give a greater height")


def _check_order(held: HeightRow, first: Table, row: HeightRow, table: Table) -> None:
    if row.row == held.row and table.good("id"):
        table.refuse("id", f"{row.row!r} is used already at line {first.line('id')}; give each its own")
    if held.up_to_cm is not None and first.good("up_to") and table.good("above") and row.from_cm != held.up_to_cm + 1:
        table.refuse(
            "above", f"leaves a gap or overlaps: the row before ends at {held.up_to_cm} cm; begin just above it"
        )
    if row.class_a < held.class_a and table.good("class_a") and first.good("class_a"):
        table.refuse("class_a", f"{row.class_a} is lower than {held.class_a} of the row before; higher is never laxer")


def read_distances(root: Table, known: set[str]) -> tuple[DistanceRule, ...]:
    """``[[distance]]``: what keeps away from what. ``known`` are the pack's permit types."""
    tables = root.tables("distance", count_min=0, count_max=64)
    rules = tuple(map(_distance, tables))
    first: dict[str, int] = {}
    for rule, table in zip(rules, tables, strict=True):
        _check_distance(rule, known, table)
        if rule.rule in first and table.good("id"):
            table.refuse("id", f"{rule.rule!r} is used already at line {first[rule.rule]}; give each its own")
        first.setdefault(rule.rule, table.line("id"))
    return rules


def _distance(table: Table) -> DistanceRule:
    same_space = fields.some_permit_types(table, "same_space")
    return DistanceRule(
        rule=fields.identity(table),
        clause=fields.text(table, "clause"),
        mark=fields.mark(table),
        permit_types=fields.permit_types(table),
        other_types=fields.some_permit_types(table, "other_types"),
        activities=frozenset(
            table.getlist(
                "activities", pattern=_ACTIVITY, form=_ACTIVITY_FORM, count_min=1, count_max=len(ACTIVITIES), default=()
            )
        ),
        limit_cm=None if same_space else _centimetres(table, "distance_m"),
        same_space=same_space,
        where_ex=table.getbool("where_ex", default=False),
        words_zh=fields.text(table, "words_zh"),
        words_en=fields.text(table, "words_en"),
    )


def _check_distance(rule: DistanceRule, known: set[str], table: Table) -> None:
    if not rule.other_types and not rule.activities and table.good("other_types", "activities"):
        table.refuse("activities", "missing, and other_types too: nothing to keep away from; give one of them")
    for key, types in (
        ("permit_types", rule.permit_types),
        ("other_types", rule.other_types),
        ("same_space", rule.same_space),
    ):
        unknown = sorted(types - known)
        if unknown and table.good(key):
            table.refuse(
                key, f"{', '.join(unknown)} is no [[permit_type]] of this pack; one of: {listed(sorted(known))}"
            )
