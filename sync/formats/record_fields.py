"""The field table of authority records: one place for what a field may hold, in the log and in files that people write.

In the log every time is an integer of UTC milliseconds. In a file a person writes RFC 3339; an integer is taken too;
digits finer than milliseconds are cut off. A permit's ``end`` and a certificate's ``ends`` and ``review_due`` are the
*last valid second*; ``end_ms`` gives the first instant after it. A bare date is a whole day in the site's time
(UTC+08:00): as an end it means 23:59:59 of that day, so that the record lapses at 00:00 of the next one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from sync.formats.errors import FormatError

LAST_SECOND_MS = 1_000
"""From the last valid second to the first instant that is not valid any more."""

SITE_TIME = timezone(timedelta(hours=8))
"""China Standard Time, the time zone of dates written without one."""

EARLIEST_MS = 0
LATEST_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last instant that RFC 3339 can write."""

_IDENTIFIER = re.compile(r"[!-~]{1,128}")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
# RFC 3339 section 5.6 date-time; a leap second is not accepted, because the log's milliseconds cannot hold one.
_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,3})[0-9]*)?"
    r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))"
)
_WANTED = "2026-11-27 or 2026-11-27T08:00:00+08:00"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - one style with SITE_TIME


def end_ms(last_ms: int) -> int:
    """The first instant that is not valid any more, where ``last_ms`` lies in the last valid second."""
    return last_ms - last_ms % LAST_SECOND_MS + LAST_SECOND_MS


class FieldType(Protocol):
    """What one field may hold."""

    def checked(self, value: Any, place: str, written: bool) -> Any:
        """The value as the log holds it; ``written`` says that it comes from a person's file. Raises FormatError."""
        ...

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the value as a person's file holds it."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """Any text without control characters, at most ``longest`` characters."""

    longest: int = 256

    def checked(self, value: Any, place: str, written: bool) -> str:
        """See ``FieldType.checked``."""
        if not isinstance(value, str) or len(value) > self.longest or not value.isprintable():
            raise FormatError(f"must be printable text of at most {self.longest} characters", place=place)
        return value

    def schema(self) -> dict[str, Any]:
        """See ``FieldType.schema``."""
        return {"type": "string", "maxLength": self.longest}


@dataclass(frozen=True, slots=True)
class Identifier:
    """A stable id: 1 to ``longest`` visible ASCII characters, no space."""

    longest: int = 64

    def checked(self, value: Any, place: str, written: bool) -> str:
        """See ``FieldType.checked``."""
        if not isinstance(value, str) or len(value) > self.longest or not _IDENTIFIER.fullmatch(value):
            raise FormatError(f"must be 1 to {self.longest} visible ASCII characters without space", place=place)
        return value

    def schema(self) -> dict[str, Any]:
        """See ``FieldType.schema``."""
        return {"type": "string", "minLength": 1, "maxLength": self.longest, "pattern": "^[!-~]+$"}


@dataclass(frozen=True, slots=True)
class Hexadecimal:
    """``least`` to ``most`` bytes in lower-case hexadecimal."""

    least: int
    most: int

    def checked(self, value: Any, place: str, written: bool) -> str:
        """See ``FieldType.checked``."""
        if not isinstance(value, str) or not re.fullmatch(r"(?:[0-9a-f]{2})+", value):
            raise FormatError("must be lower-case hexadecimal", place=place)
        if not self.least <= len(value) // 2 <= self.most:
            raise FormatError(f"must be {self.least} to {self.most} bytes in hexadecimal", place=place)
        return value

    def schema(self) -> dict[str, Any]:
        """See ``FieldType.schema``."""
        return {"type": "string", "pattern": f"^([0-9a-f]{{2}}){{{self.least},{self.most}}}$"}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in [least, most]."""

    least: int
    most: int

    def checked(self, value: Any, place: str, written: bool) -> int:
        """See ``FieldType.checked``."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            raise FormatError(f"must be a whole number, {self.least} to {self.most}", place=place)
        return value

    def schema(self) -> dict[str, Any]:
        """See ``FieldType.schema``."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def checked(self, value: Any, place: str, written: bool) -> bool:
        """See ``FieldType.checked``."""
        if not isinstance(value, bool):
            raise FormatError("must be true or false", place=place)
        return value

    def schema(self) -> dict[str, Any]:
        """See ``FieldType.schema``."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def checked(self, value: Any, place: str, written: bool) -> str:
        """See ``FieldType.checked``."""
        if not isinstance(value, str) or value not in self.words:
            raise FormatError(f"must be one of {', '.join(self.words)}", place=place)
        return value

    def schema(self) -> dict[str, Any]:
        """See ``FieldType.schema``."""
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Instant:
    """UTC milliseconds in the log. ``day_end``: a bare date is its last second; else its first."""

    day_end: bool = False

    def checked(self, value: Any, place: str, written: bool) -> int:
        """See ``FieldType.checked``."""
        if written and isinstance(value, str):
            return instant_ms(value, place, self.day_end)
        if not isinstance(value, int) or isinstance(value, bool) or not EARLIEST_MS <= value <= LATEST_MS:
            wanted = f"an RFC 3339 date or date-time such as {_WANTED}" if written else "UTC milliseconds"
            raise FormatError(f"must be {wanted}", place=place)
        return value

    def schema(self) -> dict[str, Any]:
        """See ``FieldType.schema``."""
        return {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "string", "format": "date"},
                {"type": "integer", "minimum": EARLIEST_MS, "maximum": LATEST_MS},
            ]
        }


@dataclass(frozen=True, slots=True)
class ListOf:
    """``least`` to ``most`` values of one type, none twice."""

    item: FieldType
    least: int = 0
    most: int = 256

    def checked(self, value: Any, place: str, written: bool) -> list[Any]:
        """See ``FieldType.checked``."""
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            raise FormatError(f"must be a list of {self.least} to {self.most}", place=place)
        items = [self.item.checked(item, f"{place}[{number}]", written) for number, item in enumerate(value)]
        if len(set(items)) != len(items):
            raise FormatError("names the same value twice", place=place)
        return items

    def schema(self) -> dict[str, Any]:
        """See ``FieldType.schema``."""
        bounds = {"minItems": self.least, "maxItems": self.most, "uniqueItems": True}
        return {"type": "array", "items": self.item.schema(), **bounds}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record. An optional field may be left out or be null. ``words`` say what it means."""

    type: FieldType
    required: bool = True
    words: str = ""


Table = Mapping[str, Field]


def instant_ms(text: str, place: str, day_end: bool) -> int:
    """UTC milliseconds of an RFC 3339 date-time, or of a date in the site's time. Raises FormatError."""
    try:
        if (found := _DATE.fullmatch(text)) is not None:
            value = _date_ms(found, day_end)
        elif (found := _DATE_TIME.fullmatch(text)) is not None:
            value = _date_time_ms(found)
        else:
            raise FormatError(f"{text[:40]!r} is no RFC 3339 date or date-time; write {_WANTED}", place=place)
    except FormatError:
        raise
    except (ValueError, OverflowError) as error:
        raise FormatError(f"{text[:40]!r} is no date of the calendar: {error}", place=place) from None
    if not EARLIEST_MS <= value <= LATEST_MS:
        raise FormatError(f"{text[:40]!r} is before 1970 or after 9999 in UTC", place=place)
    return value


def _date_ms(found: re.Match[str], day_end: bool) -> int:
    year, month, day = (int(part) for part in found.groups())
    start = datetime(year, month, day, tzinfo=SITE_TIME)
    return _milliseconds(start) + (24 * 3_600_000 - LAST_SECOND_MS if day_end else 0)


def _date_time_ms(found: re.Match[str]) -> int:
    year, month, day, hour, minute, second = (int(found[number]) for number in range(1, 7))
    offset = timedelta(0)
    if found[9] is not None:
        if int(found[10]) > 23 or int(found[11]) > 59:
            raise ValueError("offset out of range")
        offset = timedelta(hours=int(found[10]), minutes=int(found[11])) * (1 if found[9] == "+" else -1)
    at = datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset))
    return _milliseconds(at) + int((found[7] or "0").ljust(3, "0"))


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def checked_record(table: Table, value: Any, place: str, written: bool) -> dict[str, Any]:
    """``value`` with exactly the table's fields, each checked; an absent optional field stays absent.

    Raises FormatError naming the field.
    """
    if not isinstance(value, dict):
        raise FormatError("must be an object", place=place)
    for name in value:
        if name not in table:
            raise FormatError(f"unknown field; known: {', '.join(sorted(table))}", place=f"{place}.{name}")
    record: dict[str, Any] = {}
    for name, field in table.items():
        given = value.get(name)
        if given is not None:
            record[name] = field.type.checked(given, f"{place}.{name}", written)
        elif field.required:
            raise FormatError("missing", place=f"{place}.{name}")
    return record


def table_schema(table: Table) -> dict[str, Any]:
    """JSON Schema of an object with the table's fields, as a person's file holds it."""
    properties = {name: _field_schema(field) for name, field in table.items()}
    required = [name for name, field in table.items() if field.required]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _field_schema(field: Field) -> dict[str, Any]:
    schema = field.type.schema() if field.required else {"anyOf": [field.type.schema(), {"type": "null"}]}
    return {**schema, "description": field.words} if field.words else schema
