"""Tables of a rule pack by which is judged what HQ says of the work itself: the grades of work at height."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from edge.config_table import Table
from edge.config_wording import listed
from edge.core.heights import GRADES, HeightRow
from edge.core.rules import PermitType
from edge.rules import fields

_GRADES = {each: each for each in GRADES}
_HEIGHT_M_MAX = 1_000
_CM = 100


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
