"""The fields of a rule pack's tables: ids, words, days, exact decimals. What is wrong is noted with its line."""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Final, TypeVar

from edge.config_table import REQUIRED, Required, Table
from edge.core.confirmations import MISSING

Default = TypeVar("Default")

UNITS: Final = {each: each for each in ("%LEL", "%vol", "ppm", "mg/m3", "m/s")}
MARKS: Final = {each: each for each in ("V", "V2", "U", "D")}
UNITS_OF: Final = {
    "combustible": ("%LEL", "%vol"),
    "oxygen": ("%vol",),
    "toxic": ("mg/m3", "ppm"),
    "wind_speed": ("m/s",),
}
"""Each quantity that a rule may be about, and the units that its limit may have."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
_ID_FORM = "1 to 48 of a-z 0-9 -, beginning with a letter or digit"
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,300}")
_TEXT_FORM = "1 to 300 characters on one line"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY_FORM = 'a day such as "2026-05-01", which begins at 00:00 in China'
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_DECIMAL_FORM = 'an exact decimal in quotes, such as "0.5"'
_TYPE = re.compile(r"[0-9]{2}")
_TYPE_FORM = "a code of AQ 3064.2-2025 table A.2, such as 02"
_ALARM = re.compile("01|02|03|04|05|10|20|30|31|40|41|42|43|50|51|52|60|61|62|70|80|90")
_ALARM_FORM = "an alarm code of AQ 3064.2-2025 table A.4"
_CONFIRM = re.compile("|".join(MISSING))
_CONFIRM_FORM = f"one of {', '.join(MISSING)}"
TRADE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
TRADE_FORM: Final = "a trade as certificates name it, such as welding"
_NO_DAY = date(1970, 1, 1)


def identity(table: Table, key: str = "id") -> str:
    """The id of a pack, rule, gas."""
    return table.getstring(key, pattern=_ID, form=_ID_FORM)


def optional_identity(table: Table, key: str) -> str | None:
    """An id, None where it is not written."""
    return table.getstring(key, pattern=_ID, form=_ID_FORM, default=None)


def text(table: Table, key: str, default: str | Required = REQUIRED) -> str:
    """A text on one line."""
    return table.getstring(key, pattern=_TEXT, form=_TEXT_FORM, default=default)


def mark(table: Table, key: str = "mark") -> str:
    """How the figure was read: V, V2, U or D."""
    return table.getchoice(key, MARKS)


def permit_type(table: Table) -> str:
    """The code of a permit type."""
    return table.getstring("code", pattern=_TYPE, form=_TYPE_FORM)


def permit_types(table: Table) -> frozenset[str]:
    """The codes of the permit types that something is about."""
    return frozenset(table.getlist("permit_types", pattern=_TYPE, form=_TYPE_FORM, count_min=1, count_max=32))


def some_permit_types(table: Table, key: str) -> frozenset[str]:
    """The codes of permit types under another key, none where it is not written."""
    return frozenset(table.getlist(key, pattern=_TYPE, form=_TYPE_FORM, count_min=1, count_max=32, default=()))


def manual(table: Table) -> frozenset[str]:
    """The codes of the permit types for which a person may stand in for a silent instrument; none if not written."""
    return frozenset(table.getlist("manual", pattern=_TYPE, form=_TYPE_FORM, count_min=1, count_max=32, default=()))


def quantities(table: Table) -> frozenset[str]:
    """Measured quantities, at least one."""
    form, known = f"one of: {', '.join(UNITS_OF)}", re.compile("|".join(UNITS_OF))
    return frozenset(table.getlist("quantities", pattern=known, form=form, count_min=1, count_max=len(UNITS_OF)))


def alarm(table: Table) -> str | None:
    """An alarm code of the standard, None where none fits."""
    return table.getstring("alarm", pattern=_ALARM, form=_ALARM_FORM, default=None)


def confirmations(table: Table) -> tuple[str, ...]:
    """What must be confirmed before work of a type, nothing where it is not written."""
    most = len(MISSING)
    return table.getlist("confirm", pattern=_CONFIRM, form=_CONFIRM_FORM, count_min=0, count_max=most, default=())


def day(table: Table, key: str) -> date:
    """A day of the calendar."""
    return _parsed(table, key, (_DAY, _DAY_FORM), date.fromisoformat, REQUIRED) or _NO_DAY


def optional_day(table: Table, key: str) -> date | None:
    """A day of the calendar, None where it is not written."""
    return _parsed(table, key, (_DAY, _DAY_FORM), date.fromisoformat, None)


def decimal(table: Table, key: str) -> Decimal:
    """An exact decimal, not negative."""
    return _parsed(table, key, (_DECIMAL, _DECIMAL_FORM), Decimal, REQUIRED) or Decimal(0)


def optional_decimal(table: Table, key: str) -> Decimal | None:
    """An exact decimal, None where it is not written."""
    return _parsed(table, key, (_DECIMAL, _DECIMAL_FORM), Decimal, None)


def decimals(table: Table, key: str) -> tuple[Decimal, ...]:
    """Exact decimals, none where the key is not written."""
    found = table.getlist(key, pattern=_DECIMAL, form=_DECIMAL_FORM, count_min=1, count_max=8, default=())
    return tuple(map(Decimal, found))


def dates(table: Table) -> tuple[date, date | None]:
    """``from``, and ``until`` if it is written, which is after it."""
    since, until = day(table, "from"), optional_day(table, "until")
    if table.good("from", "until") and until is not None and until <= since:
        table.refuse("until", f"{until} is not after from = {since}; give the first day on which it holds no more")
    return since, until


def _parsed(
    table: Table,
    key: str,
    written: "tuple[re.Pattern[str], str]",
    parse: Callable[[str], Default],
    default: Required | None,
) -> Default | None:
    pattern, form = written
    found = table.getstring(key, pattern=pattern, form=form, default=default)
    if not found or not table.good(key):
        return None
    try:
        return parse(found)
    except ValueError:
        table.refuse(key, f"{found} is no {form.split(' such', maxsplit=1)[0].removeprefix('a ')}; give {form}")
    return None
