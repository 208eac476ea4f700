"""The ``[calendar]`` table: when hot work is managed one grade up."""

import re
from datetime import date
from typing import Any, Final

from edge.config_table import Table
from edge.core.upgrades import Calendar

_DAY: Final[dict[str, Any]] = {"pattern": re.compile(r"\d{4}-\d{2}-\d{2}"), "form": 'a day such as "2026-10-01"'}
_SPAN: Final[dict[str, Any]] = {
    "pattern": re.compile(r"\d{4}-\d{2}-\d{2}/\d{4}-\d{2}-\d{2}"),
    "form": 'first and last day, such as "2026-03-01/2026-03-15"',
}
_NIGHT: Final[dict[str, Any]] = {
    "pattern": re.compile(r"|([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d"),
    "form": 'hours in China such as "20:00-06:00", "" for none',
}
_EPOCH = date(1970, 1, 1)
_DAYS_MOST = 1_000


def read_calendar(table: Table, simulate: bool) -> Calendar:
    """The site's calendar. A simulated site has none unless it is written; a real one has nights and rest days."""
    night = table.getstring("night", **_NIGHT, default="" if simulate else "20:00-06:00")
    spans = table.getlist("major_events", **_SPAN, count_min=0, count_max=_DAYS_MOST, default=())
    return Calendar(
        night=_minutes(night),
        rest_days=table.getbool("rest_days", default=not simulate),
        working_days=_days(table, "working_days"),
        holidays=_days(table, "holidays"),
        major_events=tuple(found for span in spans if (found := _span(table, span)) is not None),
    )


def _minutes(night: str) -> tuple[int, int] | None:
    if not night:
        return None
    begins, ends = (int(each[:2]) * 60 + int(each[3:]) for each in night.split("-"))
    return begins, ends


def _days(table: Table, key: str) -> frozenset[int]:
    written = table.getlist(key, **_DAY, count_min=0, count_max=_DAYS_MOST, default=())
    return frozenset(day for text in written if (day := _day(table, key, text)) is not None)


def _span(table: Table, text: str) -> tuple[int, int] | None:
    first, last = (_day(table, "major_events", each) for each in text.split("/"))
    if first is None or last is None:
        return None
    if last < first:
        table.refuse("major_events", f"{text!r} ends before it begins; give {_SPAN['form']}")
    return first, last


def _day(table: Table, key: str, text: str) -> int | None:
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        table.refuse(key, f"{text!r} is no day of the calendar; give {_DAY['form']}")
        return None
