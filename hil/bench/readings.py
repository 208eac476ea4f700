"""A year of readings: how long the curve of one permit takes, and how many bytes a reading takes.

The year is a list of every sealed file that a site of 32 channels at 1 Hz makes, written in bulk and kept. The files
themselves are made for the works that are asked about: what lies beside them in the folder is never opened. They are
put together by the hour, as a gateway does at night, but for some works, which are of a day that goes on.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby, product
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import orjson

from edge.app.curves import Span, read_curves
from edge.core.entries import Entry, Json, Stamp
from edge.core.readings import BlockRead, MonotonicMs, Quality, UtcMs
from edge.host.system_clock import monotonic_us
from edge.storage.blobs import BlobStore
from edge.storage.hour_files import HourFiles, hour_of
from edge.storage.journal_reader import JournalReader
from edge.storage.sealed import MEDIA_TYPE, Columns, Heading, sealed_pieces
from edge.storage.telemetry import TelemetryWriter
from edge.storage.telemetry_reader import TelemetryReader
from hil.bench.caches import START_MS
from hil.bench.journals import open_journal
from hil.bench.rows import Row, median, spread

_LAYOUT = 2
_DEVICES = tuple(f"gas-{number}" for number in range(1, 5))
_CHANNELS = ("lel", "o2", "co", "h2s", "wind", "gust", "temperature", "humidity")
_POLL_MS = 1_000
_BLOCKS = 60
"""Blocks in a file: a minute, as a gateway seals by default."""

_YEAR_BATCHES = 365 * 24 * 60
_BATCH_MS = _BLOCKS * _POLL_MS
_WORK_BATCHES = 8 * 60
"""Eight hours: the longest that hot work of the highest grade may go on (GB 30871-2022)."""

_WORKS = 12
_LOOSE_EACH = 3
"""Each third work is not put together yet."""

_WHOLE = (0, 4, 8)
"""The works whose curve is also read for all devices: of different devices, put together by the hour but for one."""

_PASSES = 5
"""What else runs on the machine can spoil a pass and can make none better: each work counts by its quietest."""

_MINUTES = 10
"""How many minutes of readings are stored to see how many bytes they take."""

_GAPS_A_DAY = 10
_SEED = 20_261_128


@dataclass(frozen=True, slots=True)
class _Year:
    """Where the year lies, and at which minute of it each work begins."""

    folder: Path
    works: tuple[int, ...]


def curve_ms(folder: Path) -> Row:
    """One permit's curve: eight hours, all eight channels of its area's instrument, out of a year of 32 channels."""
    year = _year(folder)
    ours: list[int] = []
    bare: list[int] = []
    whole: list[int] = []
    with (
        closing(JournalReader(year.folder / "journal.db")) as journal,
        closing(TelemetryReader(year.folder / "telemetry.db")) as telemetry,
        TemporaryDirectory(dir=folder) as name,
        closing(_bare_rows(Path(name) / "bare.db")) as connection,
    ):
        blobs = BlobStore(year.folder / "blobs")
        for number, minute in enumerate(year.works):
            device = _DEVICES[number % len(_DEVICES)]
            polls, everything = {device: _POLL_MS}, dict.fromkeys(_DEVICES, _POLL_MS)
            for_this = [
                (_bare_select(connection), _timed(journal, telemetry, blobs, polls, minute)) for _ in range(_PASSES)
            ]
            bare.append(min(each[0] for each in for_this))
            ours.append(min(each[1] for each in for_this))
            if number in _WHOLE:
                whole.append(min(_timed(journal, telemetry, blobs, everything, minute) for _ in range(_PASSES)))
    detail = {
        "curve": spread(ours),
        "by_the_hour_ms": round(median([each for number, each in enumerate(ours) if not _is_loose(number)]) / 1000, 1),
        "by_the_minute_ms": round(median([each for number, each in enumerate(ours) if _is_loose(number)]) / 1000, 1),
        "all_32_channels_ms": round(median(whole) / 1000, 1),
        "readings": _WORK_BATCHES * _BLOCKS * len(_CHANNELS),
        "sealed_files_read": _WORK_BATCHES,
        "sealed_files_in_the_year": _YEAR_BATCHES * len(_DEVICES),
        "read_from": "sealed files, each against its hash; they are in the page cache",
    }
    value = max(ours) / 1000
    named = "one bare SELECT of as many rows, each with all channels as one blob"
    return Row("curve_ms", value, "ms", named, median(bare) / 1000, "ms", 200, detail=detail)


def _is_loose(number: int) -> bool:
    return number % _LOOSE_EACH == _LOOSE_EACH - 1


def _timed(
    journal: JournalReader, telemetry: TelemetryReader, blobs: BlobStore, polls: dict[str, int], minute: int
) -> int:
    """Microseconds for the curves of one work; it must be whole."""
    from_ms = START_MS + minute * _BATCH_MS
    entry = minute * _GAPS_A_DAY // 1_440
    span = Span(from_ms, from_ms + _WORK_BATCHES * _BATCH_MS, entry)
    began = monotonic_us()
    found = read_curves(journal, telemetry, blobs, polls, span)
    took_us = monotonic_us() - began
    for told in found:
        if told.curve.troubles or told.gaps or told.curve.sealed != _WORK_BATCHES * _BLOCKS:
            raise AssertionError(f"{told.curve.device}: {told.curve.sealed} readings, {told.gaps[:2]}")
    return took_us


# ---- the year --------------------------------------------------------------------------------------------------------


def _year(folder: Path) -> _Year:
    """The year in a folder of its own, made now if it is not there yet."""
    chance = Random(_SEED)
    works = tuple(chance.randrange(_YEAR_BATCHES - _WORK_BATCHES) for _ in range(_WORKS))
    place = folder / f"readings-{_LAYOUT}"
    if not (place / "made").exists():
        place.mkdir(parents=True, exist_ok=True)
        for leftover in place.glob("*.db*"):
            leftover.unlink()
        (place / "checkpoint").unlink(missing_ok=True)
        blobs = BlobStore(place / "blobs")
        TelemetryWriter.open(place / "telemetry.db", blobs, "boot1", UtcMs(START_MS)).close()
        _write_gaps(place)
        _write_list(place, works)
        for number, work in enumerate(works):
            if not _is_loose(number):
                _put_together(place, work)
        (place / "made").touch()
    return _Year(place, works)


def _write_gaps(place: Path) -> None:
    """A journal of a year's gaps, none of them within a work."""
    with open_journal(place) as journal:
        for day in range(365):
            at_ms = START_MS + day * 1_440 * _BATCH_MS
            stamp = Stamp(at_ms, at_ms - START_MS, "boot1", "hq", 40)
            body: dict[str, Json] = {
                "subject": _DEVICES[day % 4],
                "what": "restart",
                "first_ms": at_ms - 9_000,
                "last_ms": at_ms,
            }
            first = day * _GAPS_A_DAY
            journal.append([Entry(first + n, "telemetry.gap", body, stamp) for n in range(_GAPS_A_DAY)])


def _write_list(place: Path, works: tuple[int, ...]) -> None:
    asked = {minute for work in works for minute in range(work, work + _WORK_BATCHES)}
    with closing(sqlite3.connect(place / "telemetry.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for number, device in enumerate(_DEVICES):
            channels = "[" + ",".join(f'"{name}"' for name in _CHANNELS) + "]"
            connection.execute("INSERT INTO stream VALUES (?, ?, ?, 'boot1')", (number, device, channels))
        connection.executemany(
            "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 1)", _batches(place, asked)
        )
        connection.execute("UPDATE mark SET value = ? WHERE name = 'widest_ms'", (_BATCH_MS,))
        connection.execute(
            "UPDATE mark SET value = ? WHERE name = 'unsealed_from'", (_YEAR_BATCHES * _BLOCKS * len(_DEVICES),)
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _put_together(place: Path, work: int) -> None:
    """The files of one work into those of their hours."""
    blobs = BlobStore(place / "blobs")
    from_ms, until_ms = START_MS + work * _BATCH_MS, START_MS + (work + _WORK_BATCHES) * _BATCH_MS
    with closing(sqlite3.connect(place / "telemetry.db")) as connection:
        rows: list[tuple[str, int, str]] = connection.execute(
            "SELECT device, last_ms, sha256 FROM batch WHERE last_ms >= ? AND last_ms < ? ORDER BY device, last_ms",
            (from_ms, until_ms),
        ).fetchall()
    for (device, hour_ms), files in groupby(rows, lambda row: (row[0], hour_of(row[1]))):
        for digest in HourFiles(blobs).add(device, hour_ms, [digest for _, _, digest in files]):
            blobs.remove(digest)


def _batches(place: Path, asked: set[int]) -> Iterator[tuple[object, ...]]:
    """Each minute a file of each device, in order of time; those that are asked about are written."""
    chance = Random(_SEED)
    for minute in range(_YEAR_BATCHES):
        for number, device in enumerate(_DEVICES):
            entry = minute * len(_DEVICES) + number
            first_ms, last_ms = START_MS + minute * _BATCH_MS, START_MS + (minute + 1) * _BATCH_MS - _POLL_MS
            digest, size = f"{entry:064x}", 500
            if minute in asked:
                data = b"".join(sealed_pieces(_columns(device, first_ms, chance)))
                digest, size = sha256(data).hexdigest(), len(data)
                (place / "blobs" / digest).write_bytes(data)
            first = minute * _BLOCKS * len(_DEVICES) + number
            last = first + (_BLOCKS - 1) * len(_DEVICES)
            yield number, device, last, first, first_ms, last_ms, _BLOCKS, digest, size, last_ms - START_MS, entry


def _columns(device: str, first_ms: int, chance: Random) -> Columns:
    """A quiet minute: every channel moves by a step now and then."""
    taken = [first_ms - START_MS + n * _POLL_MS for n in range(_BLOCKS)]
    steps: list[list[int | None]] = []
    for place in range(len(_CHANNELS)):
        level, column = 10 * place, []
        for _ in range(_BLOCKS):
            level += chance.choice((0, 0, 0, 1, -1))
            column.append(level)
        steps.append([*column])
    qualities = [[Quality.GOOD.value] * _BLOCKS for _ in _CHANNELS]
    return Columns(Heading(device, _CHANNELS, "boot1"), taken, [START_MS + at for at in taken], steps, qualities)


# ---- beside it -------------------------------------------------------------------------------------------------------


def _bare_rows(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE sample (number INTEGER PRIMARY KEY, wall_ms INTEGER, packed BLOB)")
    connection.execute("BEGIN")
    rows = ((START_MS + n * _POLL_MS, bytes(8 * len(_CHANNELS))) for n in range(_WORK_BATCHES * _BLOCKS))
    connection.executemany("INSERT INTO sample (wall_ms, packed) VALUES (?, ?)", rows)
    connection.execute("COMMIT")
    return connection


def _bare_select(connection: sqlite3.Connection) -> int:
    began = monotonic_us()
    rows = connection.execute("SELECT number, wall_ms, packed FROM sample ORDER BY number").fetchall()
    took_us = monotonic_us() - began
    if len(rows) != _WORK_BATCHES * _BLOCKS:
        raise AssertionError(f"{len(rows)} rows")
    return took_us


# ---- bytes -----------------------------------------------------------------------------------------------------------


def reading_bytes(folder: Path) -> Row:
    """Bytes of one reading in a sealed minute of eight channels; beside it as a row, and in a fuller file."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = Random(_SEED)
    minutes = [
        [_columns(device, START_MS + minute * _BATCH_MS, chance) for device in _DEVICES] for minute in range(_MINUTES)
    ]
    readings = _MINUTES * _BLOCKS * len(_DEVICES) * len(_CHANNELS)
    files = [b"".join(sealed_pieces(columns)) for of_devices in minutes for columns in of_devices]
    first = sum(len(_first_version(columns)) for of_devices in minutes for columns in of_devices)
    with TemporaryDirectory(dir=folder) as name:
        rows, fuller = _stored_bytes(Path(name), minutes)
        on_disk = _on_disk(Path(name) / "hour", chance)
    detail = {
        "row": round(rows / readings, 2),
        "sealed_256_blocks": round(fuller / readings, 2),
        "file_of_a_minute": sum(map(len, files)) // len(files),
        "device_year": on_disk,
        "channels": len(_CHANNELS) * len(_DEVICES),
    }
    named = "the same readings as JSON lines, one a block, not compressed: the first version's files"
    value = sum(map(len, files)) / readings
    return Row("reading_bytes", value, "B", named, first / readings, "B", 2, detail=detail)


def _stored_bytes(folder: Path, minutes: list[list[Columns]]) -> tuple[int, int]:
    """Bytes that the readings take as rows, and in files of as many blocks as one may hold."""
    blobs = BlobStore(folder / "blobs")
    with closing(TelemetryWriter.open(folder / "t.db", blobs, "boot1", UtcMs(START_MS))) as writer:
        empty = (folder / "t.db").stat().st_size
        for of_devices, place in product(minutes, range(_BLOCKS)):
            writer.append([_block(columns, place) for columns in of_devices], START_MS)
        writer.checkpoint_wal()
        rows = (folder / "t.db").stat().st_size - empty
        while writer.seal(2**52):
            pass
    return rows, sum(file.stat().st_size for file in (folder / "blobs").iterdir())


def _on_disk(folder: Path, chance: Random) -> dict[str, int]:
    """Files and bytes that a device of these channels takes in a year: what an hour takes, before and after it is put
    together. A disk allots whole blocks, so what it allots counts, not how long a file is."""
    blobs = BlobStore(folder / "blobs")
    minutes = (_columns(_DEVICES[0], START_MS + minute * _BATCH_MS, chance) for minute in range(60))
    files = [blobs.put(sealed_pieces(columns), MEDIA_TYPE).sha256 for columns in minutes]
    loose = sum(blobs.path(digest).stat().st_blocks * 512 for digest in files)
    hours = HourFiles(blobs)
    place = hours.path(_DEVICES[0], START_MS)
    if place is None or len(hours.add(_DEVICES[0], START_MS, files)) != len(files):
        raise AssertionError("the files of an hour were not put together")
    return {
        "files_by_the_minute": _YEAR_BATCHES,
        "files_by_the_hour": _YEAR_BATCHES // 60,
        "disk_mb_by_the_minute": loose * _YEAR_BATCHES // 60 // 1_000_000,
        "disk_mb_by_the_hour": place.stat().st_blocks * 512 * _YEAR_BATCHES // 60 // 1_000_000,
    }


def _first_version(columns: Columns) -> bytes:
    """As the first version wrote it, but for the first line, which is the same in both."""
    rows = zip(columns.taken_at_ms, columns.wall_ms, zip(*columns.steps, strict=True), strict=True)
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _block(columns: Columns, place: int) -> BlockRead:
    steps = tuple(column[place] for column in columns.steps)
    qualities = (Quality.GOOD,) * len(steps)
    heading = columns.heading
    return BlockRead(heading.device, heading.channels, steps, qualities, MonotonicMs(columns.taken_at_ms[place]))
