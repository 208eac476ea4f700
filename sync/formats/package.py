"""A package of log entries on its way: one canonical JSON header line, then a tlog-tiles entry bundle.

    {"end":182989,"n":256,"org":"pg.example.org/gw/s014-2/1","start":182733,"v":1}\\n
    uint16 length, entry, uint16 length, entry, ...

`end` is exclusive. A package proves nothing by itself: the receiver compares roots with a signed checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sync.formats import canonical
from sync.formats.errors import FormatError
from sync.formats.merkle import MAX_SIZE
from sync.formats.note import check_name
from sync.formats.tiles import decode_bundle, encode_bundle

MAX_ENTRIES = 256
"""Most entries in a package."""

MAX_PACKAGE_BYTES = 262_144
"""Largest package, header included."""

_MAX_HEADER_BYTES = 512


@dataclass(frozen=True, slots=True)
class Package:
    """Entries [start, end) of the log `origin`, as bytes."""

    origin: str
    start: int
    end: int
    entries: tuple[bytes, ...]


def encode(origin: str, start: int, entries: Sequence[bytes]) -> bytes:
    """The package of `entries`, the first at index `start`; FormatError when empty or over a limit."""
    check_name(origin, "package origin")
    if not 0 <= start <= canonical.MAX_INTEGER - len(entries):
        raise FormatError(f"{start}, allowed 0 to 2^53-1", "package start")
    if not 1 <= len(entries) <= MAX_ENTRIES:
        raise FormatError(f"{len(entries)} entries, allowed 1 to {MAX_ENTRIES}", "package")
    _check_entry_sizes(entries)
    data = _header(origin, start, len(entries)) + encode_bundle(entries)
    if len(data) > MAX_PACKAGE_BYTES:
        raise FormatError(f"{len(data)} bytes, allowed at most {MAX_PACKAGE_BYTES}", "package")
    return data


def fitting(entries: Sequence[bytes]) -> int:
    """How many of the first `entries` one package takes: at least 1 when there is one, at most 256."""
    room = MAX_PACKAGE_BYTES - _MAX_HEADER_BYTES
    for count, entry in enumerate(entries[:MAX_ENTRIES]):
        room -= 2 + len(entry)
        if room < 0:
            return count
    return min(len(entries), MAX_ENTRIES)


def decode(data: bytes) -> Package:
    """The package of `data`; FormatError unless every byte of it is as `encode` writes it."""
    if len(data) > MAX_PACKAGE_BYTES:
        raise FormatError(f"{len(data)} bytes, allowed at most {MAX_PACKAGE_BYTES}", "package")
    end_of_header = data.find(b"\n", 0, _MAX_HEADER_BYTES)
    if end_of_header < 0:
        raise FormatError(f"no header line in the first {_MAX_HEADER_BYTES} bytes", "package")
    header = canonical.decode(data[:end_of_header])
    origin, start, count = header.get("org"), header.get("start"), header.get("n")
    if type(origin) is not str or type(start) is not int or type(count) is not int:
        raise FormatError("allowed end, n, org, start, v", "package header")
    if start < 0 or not 1 <= count <= MAX_ENTRIES or start > MAX_SIZE - count:
        raise FormatError(f"start {start}, n {count}; allowed 0 and up, 1 to {MAX_ENTRIES}", "package header")
    check_name(origin, "package origin")
    if data[: end_of_header + 1] != _header(origin, start, count):
        raise FormatError("members other than end = start + n, n, org, start, v = 1", "package header")
    entries = decode_bundle(data[end_of_header + 1 :])
    if len(entries) != count:
        raise FormatError(f"{len(entries)} entries, the header says {count}", "package")
    _check_entry_sizes(entries)
    return Package(origin, start, start + count, entries)


def _header(origin: str, start: int, count: int) -> bytes:
    header: dict[str, canonical.Json] = {"end": start + count, "n": count, "org": origin, "start": start, "v": 1}
    return canonical.encode(header, bytes_max=_MAX_HEADER_BYTES - 1) + b"\n"


def _check_entry_sizes(entries: Sequence[bytes]) -> None:
    for place, entry in enumerate(entries):
        if not 1 <= len(entry) <= canonical.MAX_ENTRY_BYTES:
            raise FormatError(f"{len(entry)} bytes, allowed 1 to {canonical.MAX_ENTRY_BYTES}", f"package entry {place}")
