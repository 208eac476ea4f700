"""The sealed file of a batch of readings: written once, named by its hash in the journal, readable by a stranger.

Version 2 is UTF-8 JSON lines under gzip (``zcat``), column by column. First line: ``boot``, ``channels``, ``count``,
``device``, ``first_ms``, ``last_ms``, ``v``. Second line: ``[taken_at_ms…]`` of the first block and then the
difference to the one before, and ``[[place, offset_ms]…]``: from that place on UTC is ``taken_at_ms`` plus the offset,
null: unknown. Then one line a channel, in the order of ``channels``: its steps, null where there is no data, and
``[[place, count, quality]…]`` of those that are not good. ``taken_at_ms`` is CLOCK_BOOTTIME of that boot, ``first_ms``
and ``last_ms`` the earliest and latest UTC or null. A stored block that turned out damaged is there too, all its
qualities ``damaged``.

Version 1, which is still read, is not compressed and has one line a block after the same first line:
``[taken_at_ms, wall_ms, [steps…]]`` with a fourth item, the qualities, if not all are good.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import Any

import orjson

from edge.ports.errors import DamagedError
from edge.storage.telemetry_rows import unpack

DAMAGED = "damaged"
"""In a sealed file: the quality of a block whose row was no longer what was written."""

MEDIA_TYPE = "application/gzip"
VERSION = 2

_GOOD = "good"
_GZIP = b"\x1f\x8b"
_GZIP_BITS = 31
_TEXT_BYTES_MAX = 16 * 1024 * 1024
"""No batch of ours is near it; what unpacks to more was not written here."""

Row = tuple[int, int, int | None, bytes]
"""Number, taken_at_ms, wall_ms, packed steps."""


@dataclass(frozen=True, slots=True)
class Heading:
    """Whose readings these are: device, its channels, and the boot that ``taken_at_ms`` counts from."""

    device: str
    channels: tuple[str, ...]
    boot_id: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings column by column. ``wall_ms`` UTC or None; ``steps`` and ``qualities`` one list a channel."""

    heading: Heading
    taken_at_ms: list[int]
    wall_ms: list[int | None]
    steps: list[list[int | None]]
    qualities: list[list[str]]


def columns_of(heading: Heading, rows: Sequence[Row]) -> Columns:
    """Stored rows as columns; a damaged row is no data."""
    width = len(heading.channels)
    steps: list[tuple[int | None, ...]] = []
    qualities: list[tuple[str, ...]] = []
    good, damaged = (_GOOD,) * width, (DAMAGED,) * width
    for row in rows:
        try:
            found, said = unpack(row[3], width)
        except DamagedError:
            steps.append((None,) * width)
            qualities.append(damaged)
            continue
        steps.append(found)
        qualities.append(tuple(each.value for each in said) if None in found else good)
    return Columns(
        heading,
        [row[1] for row in rows],
        [row[2] for row in rows],
        [list(column) for column in zip(*steps, strict=True)],
        [list(column) for column in zip(*qualities, strict=True)],
    )


def span(columns: Columns) -> tuple[int | None, int | None]:
    """The earliest and the latest UTC ms among them, None: never known."""
    walls = [wall for wall in columns.wall_ms if wall is not None]
    return (min(walls), max(walls)) if walls else (None, None)


def sealed_pieces(columns: Columns) -> Iterator[bytes]:
    """The bytes of the sealed file, piece by piece."""
    packer = zlib.compressobj(wbits=_GZIP_BITS)
    for line in _lines(columns):
        yield packer.compress(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    yield packer.flush()


def _lines(columns: Columns) -> Iterator[Any]:
    heading, taken = columns.heading, columns.taken_at_ms
    first_ms, last_ms = span(columns)
    yield {
        "boot": heading.boot_id,
        "channels": heading.channels,
        "count": len(taken),
        "device": heading.device,
        "first_ms": first_ms,
        "last_ms": last_ms,
        "v": VERSION,
    }
    offsets = [None if wall is None else wall - at for at, wall in zip(taken, columns.wall_ms, strict=True)]
    yield [
        [*taken[:1], *(after - before for before, after in pairwise(taken))],
        [[place, offset] for place, _, offset in _runs(offsets)],
    ]
    for steps, qualities in zip(columns.steps, columns.qualities, strict=True):
        yield [steps, [list(run) for run in _runs(qualities) if run[2] != _GOOD]]


def _runs(values: Iterable[Any]) -> Iterator[tuple[int, int, Any]]:
    """(place, count, value) of each run of equal values."""
    place = 0
    for value, run in groupby(values):
        count = sum(1 for _ in run)
        yield place, count, value
        place += count


def read_sealed(data: bytes) -> Columns:
    """A sealed file of either version back. Raises DamagedError for bytes that were not written as one."""
    try:
        text = _unpacked(data) if data.startswith(_GZIP) else data
        # One call for all lines: no text of JSON holds a line's end as such.
        head, *lines = orjson.loads(b"[%b]" % text.strip().replace(b"\n", b","))
        heading = _heading(head)
        columns = _first_version(heading, lines) if head["v"] == 1 else _second_version(heading, lines, head["v"])
        lengths = {len(columns.wall_ms), *map(len, columns.steps), *map(len, columns.qualities), head["count"]}
        if lengths != {len(columns.taken_at_ms)} or len(columns.steps) != len(heading.channels):
            raise ValueError("its columns differ in length")
    except (ValueError, KeyError, TypeError, IndexError, zlib.error) as error:
        raise DamagedError(f"sealed readings cannot be read: {error}") from None
    return columns


def _heading(head: Any) -> Heading:
    texts = [head["device"], head["boot"], *head["channels"]]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("its first line names device, boot or channels by no text")
    return Heading(texts[0], tuple(texts[2:]), texts[1])


def _unpacked(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=_GZIP_BITS)
    text = unpacker.decompress(data, _TEXT_BYTES_MAX)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("it is not one whole gzip member")
    return text


def _first_version(heading: Heading, lines: Sequence[Any]) -> Columns:
    good = [_GOOD] * len(heading.channels)
    qualities = [line[3] if len(line) > 3 else good for line in lines]
    return Columns(
        heading,
        [line[0] for line in lines],
        [line[1] for line in lines],
        [list(column) for column in zip(*(line[2] for line in lines), strict=True)],
        [list(column) for column in zip(*qualities, strict=True)],
    )


def _second_version(heading: Heading, lines: Sequence[Any], version: object) -> Columns:
    if version != VERSION:
        raise ValueError(f"version {version!r}, known are 1 and {VERSION}")
    (differences, offsets), *channels = lines
    taken = list(accumulate(differences))
    walls: list[int | None] = []
    for (start, offset), (end, _) in pairwise([*offsets, [len(taken), None]]):
        walls += [None if offset is None else at + offset for at in taken[start:end]]
    columns = Columns(heading, taken, walls, [], [])
    good = [_GOOD] * len(taken)
    for steps, runs in channels:
        qualities = [*good] if runs else good
        for place, count, quality in runs:
            qualities[place : place + count] = [quality] * count
        columns.steps.append(steps)
        columns.qualities.append(qualities)
    return columns
