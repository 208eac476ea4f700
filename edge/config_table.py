"""Typed, bounded reading of a TOML file: every value is checked where it is read, and all findings come at once.

A getter records the key that it read; what was never read is unknown and is a finding. A getter that finds something
wrong notes it and gives a stand-in, so that reading goes on: call ``Findings.raise_if_any`` before using any value.
Generic: the file's meaning belongs to the caller.
"""

import codecs
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, TypeVar

from edge.config_lines import KeyPath, locate
from edge.config_wording import did_you_mean, kind_of, listed, one_line, shown, shown_key
from edge.ports.errors import ConfigurationError

SIZE_BYTES_MAX = 262_144
"""Far above any real file; bounds what a wrong path can cost."""

__all__ = [
    "REQUIRED",
    "Findings",
    "Required",
    "Table",
    "did_you_mean",
    "listed",
    "path_is_plain",
    "read_file",
    "read_table",
]

FINDINGS_MAX = 200
"""More than anyone reads at once."""

_PLACES_MAX = 30
_PLACE_IN_MESSAGE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")

_REMEDIES = {
    "Invalid value": "; text goes in quotes, numbers without a unit, true and false in small letters",
    "Cannot overwrite a value": "; this key is there already, further up in the same table: give it once",
    "Cannot declare": "; this table is there already: write it once, or [[area]], [[door]] … for one of several",
    "Illegal character '\\n'": "; a closing quote is missing on this line",
    "Invalid statement": "; a line is  key = value,  [table]  or  # comment",
    "Expected '=' after a key": "; a line is  key = value,  [table]  or  # comment",
}
"""What to do about the parser's commonest findings, by how they begin."""

Default = TypeVar("Default")
Choice = TypeVar("Choice")


class Required:
    """The type of ``REQUIRED``."""


REQUIRED: Final = Required()
"""As a getter's default: the key must be there."""


class Findings:
    """Everything found wrong with one file, as ``file:line: key: what``."""

    def __init__(self, file: str) -> None:
        self.file = file.replace("\n", "?")
        self._found: list[tuple[int, str]] = []

    def add(self, line: int, place: str, what: str) -> None:
        """Note one finding; ``what`` says what is wrong, what is allowed and what to do, on one line."""
        self._found.append((line, f"{self.file}:{line}: {place}: {what}"))

    def raise_if_any(self) -> None:
        """Raise ConfigurationError with every finding in the order of the file, if there is one."""
        if not self._found:
            return
        texts = [text for _, text in sorted(self._found, key=lambda each: each[0])]
        rest = len(texts) - FINDINGS_MAX
        if rest > 0:
            texts[FINDINGS_MAX:] = [f"{self.file}:1: file: {rest} more findings; mend those above first"]
        raise ConfigurationError(texts)


class Table:
    """One table of the file and which of its keys were read."""

    def __init__(
        self, values: Mapping[str, Any], path: KeyPath, lines: Mapping[KeyPath, int], findings: Findings | None
    ) -> None:
        self.findings = findings
        self._values = values
        self._path = path
        self._lines = lines
        self._read: list[str] = []
        self._bad: set[str] = set()
        self._inner: list[Table] = []

    # ---- places and findings

    def line(self, key: str | None = None) -> int:
        """The line of ``key``, or of the table itself where the key is not written."""
        path = self._path if key is None else (*self._path, key)
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def good(self, *keys: str) -> bool:
        """Whether these keys were read without a finding, so that comparing them with others makes sense."""
        return self.findings is not None and not self._bad.intersection(keys)

    def written(self, key: str) -> bool:
        """Whether the file gives ``key`` here."""
        return key in self._values

    def refuse(self, key: str, what: str) -> None:
        """Note that the value of ``key`` cannot be used. A table that stands in for a missing one stays silent."""
        self._bad.add(key)
        if self.findings is not None:
            self.findings.add(self.line(key), self._place(key), what)

    def say_no_more(self) -> None:
        """Stay silent about the rest of this table: what it may hold depends on a value that was refused."""
        self.findings = None

    def known_keys(self) -> set[tuple[str, str]]:
        """Every (table name, key) that was asked for here and below, written or not."""
        name = ".".join(part for part in self._path if isinstance(part, str))
        known = {(name, key) for key in self._read}
        return known.union(*(inner.known_keys() for inner in self._inner))

    def finish(self) -> None:
        """Note every key, here and in the tables read from here, that nothing asked for."""
        for key in self._values:
            if key not in self._read:
                self.refuse(key, f"unknown key{did_you_mean(key, self._read)}; allowed here: {listed(self._read)}")
        for inner in self._inner:
            inner.finish()

    def _place(self, key: str) -> str:
        parts: list[str] = []
        for part in (*self._path, key):
            if isinstance(part, int):
                identity = self._values.get("id")
                parts[-1] += f"[{shown_key(identity) if isinstance(identity, str) and identity else part + 1}]"
            else:
                parts.append(shown_key(part))
        return ".".join(parts)

    def _take(self, key: str, default: Default | Required, allowed: str = "") -> tuple[bool, Any]:
        """Whether there is a value to check, and it, or else the default. Notes a key that must be there and is not."""
        if key not in self._read:
            self._read.append(key)
        if key in self._values:
            return True, self._values[key]
        if isinstance(default, Required):
            self.refuse(key, f"missing; give {allowed}")
        return False, default

    # ---- tables within

    def table(self, key: str, *, optional: bool = False) -> "Table":
        """The table ``[key]``. If it is missing or no table, one that gives only stand-ins or defaults, silently."""
        present, value = self._take(key, None)
        if not present and optional:
            return self._within({}, (*self._path, key), self.findings)
        if isinstance(value, dict):
            return self._within(value, (*self._path, key), self.findings)
        what = f"must be a table, written [{key}], not {kind_of(value)}" if present else f"missing; add a table [{key}]"
        self.refuse(key, what)
        return self._within({}, (*self._path, key), None)

    def tables(self, key: str, *, count_min: int, count_max: int) -> "tuple[Table, ...]":
        """The tables ``[[key]]`` in the order of the file."""
        present, value = self._take(key, None)
        entries = value if present else []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            self.refuse(key, f"must be tables, each written [[{key}]], not {kind_of(value)}")
            return ()
        if not count_min <= len(entries) <= count_max:
            have = f"{len(entries)} tables" if entries else "missing; there is no table"
            self.refuse(key, f"{have} [[{key}]]; give {count_min} to {count_max}")
        path = (*self._path, key)
        return tuple(self._within(entry, (*path, index), self.findings) for index, entry in enumerate(entries))

    def _within(self, values: Mapping[str, Any], path: KeyPath, findings: Findings | None) -> "Table":
        inner = Table(values, path, self._lines, findings)
        self._inner.append(inner)
        return inner

    # ---- values

    def getint(
        self, key: str, *, minimum: int, maximum: int, unit: str = "", default: Default | Required = REQUIRED
    ) -> int | Default:
        """A whole number from ``minimum`` to ``maximum``, both included; ``unit`` is for the message."""
        allowed = f"a whole number from {minimum} to {maximum}{unit and ' ' + unit}"
        present, value = self._take(key, default, allowed)
        if not present:
            return minimum if isinstance(value, Required) else value
        if type(value) is not int:
            self.refuse(key, f"must be {allowed}, not {kind_of(value)}")
        elif not minimum <= value <= maximum:
            self.refuse(key, f"{shown(value)} is out of range; give {allowed}")
        else:
            return value
        return minimum

    def getmilliseconds(
        self, key: str, *, minimum_ms: int, maximum_ms: int, default_ms: int | Required = REQUIRED, why: str = ""
    ) -> int:
        """Seconds, whole or with up to three decimals, as exact milliseconds; ``why`` explains the bounds."""
        allowed = f"seconds from {_seconds(minimum_ms)} to {_seconds(maximum_ms)}{why and f' ({why})'}"
        present, value = self._take(key, default_ms, allowed)
        if not present:
            return minimum_ms if isinstance(value, Required) else int(value)
        if type(value) is not int and not isinstance(value, Decimal):
            self.refuse(key, f"must be {allowed}, not {kind_of(value)}")
            return minimum_ms
        # Compared as seconds: a product could overflow or be rounded, a comparison of decimals is exact.
        lowest, highest = Decimal(minimum_ms) / 1000, Decimal(maximum_ms) / 1000
        if (isinstance(value, Decimal) and not value.is_finite()) or not lowest <= value <= highest:
            self.refuse(key, f"{shown(value)} s is out of range; give {allowed}")
        elif (milliseconds := _whole_milliseconds(Decimal(value))) is None:
            self.refuse(key, f"{shown(value)} s is finer than a millisecond; give {allowed}, at most 3 decimals")
        else:
            return milliseconds
        return minimum_ms

    def getbool(self, key: str, *, default: bool | Required = REQUIRED) -> bool:
        """``true`` or ``false``."""
        present, value = self._take(key, default, "true or false, without quotes")
        if present and not isinstance(value, bool):
            self.refuse(key, f"must be true or false, without quotes, not {kind_of(value)}")
        return value is True

    def getchoice(
        self, key: str, choices: Mapping[Any, Choice], *, default: Default | Required = REQUIRED
    ) -> Choice | Default:
        """The value that ``choices`` gives for what is written; its keys are texts or whole numbers."""
        present, value = self._take(key, default, f"one of: {listed(choices)}")
        standing_in = next(iter(choices.values()))
        if not present:
            return standing_in if isinstance(value, Required) else value
        for allowed, meaning in choices.items():
            if type(value) is type(allowed) and value == allowed:
                return meaning
        hint = did_you_mean(value, choices) if isinstance(value, str) else ""
        self.refuse(key, f"{shown(value)} is unknown{hint}; one of: {listed(choices)}")
        return standing_in

    def getstring(
        self, key: str, *, pattern: "re.Pattern[str]", form: str, default: Default | Required = REQUIRED
    ) -> str | Default:
        """Text that matches ``pattern`` as a whole; ``form`` says in words what that is."""
        present, value = self._take(key, default, f"text in quotes: {form}")
        if not present:
            return "" if isinstance(value, Required) else value
        if not isinstance(value, str):
            self.refuse(key, f"must be text in quotes ({form}), not {kind_of(value)}")
        elif pattern.fullmatch(value) is None:
            self.refuse(key, f"{shown(value)} cannot be used; give {form}")
        else:
            return value
        return ""

    def getlist(
        self,
        key: str,
        *,
        pattern: "re.Pattern[str]",
        form: str,
        count_min: int,
        count_max: int,
        default: tuple[str, ...] | Required = REQUIRED,
    ) -> tuple[str, ...]:
        """Texts in brackets, each of which matches ``pattern``, none twice."""
        allowed = f"{count_min} to {count_max} texts in brackets, each {form}"
        present, value = self._take(key, default, allowed)
        if not present:
            return () if isinstance(value, Required) else tuple(value)
        if not isinstance(value, list):
            self.refuse(key, f"must be {allowed}, not {kind_of(value)}")
        elif not count_min <= len(value) <= count_max:
            self.refuse(key, f"{len(value)} entries; give {allowed}")
        elif wrong := [item for item in value if not isinstance(item, str) or pattern.fullmatch(item) is None]:
            self.refuse(key, f"{shown(wrong[0])} cannot be used; give {allowed}")
        elif len(set(value)) < len(value):
            self.refuse(key, "the same text twice; give each once")
        else:
            return tuple(value)
        return ()

    def getpath(self, key: str, *, length_max: int = 4096, default: Default | Required = REQUIRED) -> Path | Default:
        """An absolute path of at most ``length_max`` bytes, without ``..``; whether it exists is not asked."""
        form = f"an absolute path of at most {length_max} bytes, without '..'"
        present, value = self._take(key, default, f"text in quotes: {form}")
        if not present:
            return Path("/") if isinstance(value, Required) else value
        if not isinstance(value, str):
            self.refuse(key, f"must be text in quotes ({form}), not {kind_of(value)}")
        elif not path_is_plain(value, length_max):
            self.refuse(key, f"{shown(value)} cannot be used; give {form}")
        else:
            return Path(value)
        return Path("/")


def read_table(data: bytes, file: str) -> Table:
    """The whole document. Raises ConfigurationError, with the line, if it is no TOML in UTF-8."""
    findings = Findings(file)
    try:
        text = _decoded(data).replace("\r\n", "\n")
        values = tomllib.loads(text, parse_float=_decimal)
        return Table(values, (), locate(text), findings)
    except tomllib.TOMLDecodeError as error:
        _add_syntax_finding(findings, str(error), data)
    except RecursionError:
        findings.add(1, "file", "brackets are nested too deep; write the values flat")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        findings.add(line, "file", f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8")
    except ValueError as error:
        # Numbers and dates that have the right form and no value, such as 2026-02-30: tomllib names no place for them.
        findings.add(1, "file", f"a value cannot be read ({one_line(str(error))}); look for odd numbers and dates")
    findings.raise_if_any()
    raise AssertionError("unreachable: a finding was added")


def read_file(path: Path) -> Table:
    """The document in that file. Raises ConfigurationError if it cannot be read or is no TOML."""
    findings = Findings(str(path))
    try:
        with path.open("rb") as stream:
            return read_table(stream.read(SIZE_BYTES_MAX + 1), str(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        findings.add(1, "file", f"cannot be read: {reason}; name an existing file that this user may read")
    findings.raise_if_any()
    raise AssertionError("unreachable: a finding was added")


def path_is_plain(text: str, length_max: int) -> bool:
    """Whether ``text`` is an absolute path without ``..`` or control characters, of at most ``length_max`` bytes."""
    fits = len(text.encode()) <= length_max and text.isprintable()
    return fits and text.startswith("/") and ".." not in text.split("/")


def _decoded(data: bytes) -> str:
    if len(data) > SIZE_BYTES_MAX:
        raise tomllib.TOMLDecodeError(f"larger than {SIZE_BYTES_MAX} bytes; is this the right file?")
    # Editors on other systems put a byte order mark before UTF-8.
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")


def _decimal(text: str) -> Decimal:
    """A TOML float, exactly. What no decimal can hold becomes NaN, which every getter refuses with its line."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


def _add_syntax_finding(findings: Findings, message: str, data: bytes) -> None:
    place = _PLACE_IN_MESSAGE.search(message)
    what = one_line(message[: place.start()] if place else message)
    remedy = next((each for start, each in _REMEDIES.items() if what.startswith(start)), "")
    if place is None:
        findings.add(1, "file", what)
    elif place.group(1) is None:
        findings.add(max(1, data.rstrip(b"\n").count(b"\n") + 1), "end of file", f"not TOML: {what}{remedy}")
    else:
        findings.add(int(place.group(1)), f"column {place.group(2)}", f"not TOML: {what}{remedy}")


def _whole_milliseconds(seconds: Decimal) -> int | None:
    """Exact, or None; the number of decimals is bounded before any power of ten is computed."""
    if not seconds:
        return 0
    exponent = seconds.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_PLACES_MAX:
        return None
    numerator, denominator = seconds.as_integer_ratio()
    whole, rest = divmod(numerator * 1000, denominator)
    return whole if rest == 0 else None


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:g}" if milliseconds % 1000 else str(milliseconds // 1000)
