"""Raw readings: one row per block, appended in order of time, sealed into files that the journal names by hash.

A sealed batch is UTF-8 text of JSON lines. First line: ``boot``, ``channels``, ``count``, ``device``, ``first_ms``,
``last_ms``, ``v``. Then one line per block: ``[taken_at_ms, wall_ms, [steps…]]`` with a fourth item, the qualities, if
not all are good. ``taken_at_ms`` is CLOCK_BOOTTIME of that boot, ``wall_ms`` UTC or null, steps count the channel's
resolution and are null where there is no data. A stored block that turned out damaged is there too, all its qualities
``damaged``.
"""

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from edge.core.entries import BlobReference
from edge.core.readings import BlockRead, MonotonicMs, Quality, UtcMs
from edge.ports.errors import DamagedError, RefusedError, StoreError, UnusableError
from edge.ports.stores import READ_ROWS_MAX, SealedBatch
from edge.storage.blobs import BlobStore
from edge.storage.databases import (
    Migrate,
    OwnedFile,
    OwnerLock,
    migrate_in_child,
    naming_errors,
    open_owned,
    open_reader,
    passive_checkpoint,
    transaction,
)

SAMPLES_PER_BATCH_MAX = 256
"""Blocks in one sealed file; also the most rows that sealing reads at once."""

DAMAGED = "damaged"
"""In a sealed file: the quality of a block whose row was no longer what was written."""

MEDIA_TYPE = "application/jsonl"
VERSION = 1
_WAL_BYTES_PER_ROW = 160
_QUICK_CHECK_MAX_BYTES = 16 * 1024 * 1024

# Numbers in the file: never reordered, new ones at the end.
_QUALITY_CODES = {
    Quality.GOOD: 0,
    Quality.STALE: 1,
    Quality.COMM_FAIL: 2,
    Quality.DECODE_FAIL: 3,
    Quality.DEVICE_FAULT: 4,
    Quality.WARMING_UP: 5,
    Quality.INHIBITED: 6,
    Quality.OUT_OF_RANGE: 7,
    Quality.NEVER_READ: 8,
}
_QUALITIES = {code: quality for quality, code in _QUALITY_CODES.items()}


@cache
def _layout(channels: int) -> struct.Struct:
    return struct.Struct(f"<{channels}q")


def pack(block: BlockRead) -> bytes:
    """Steps as 64-bit integers; quality codes follow only if not all are good. Raises UnusableError beyond 64 bits."""
    steps = block.steps
    try:
        if None not in steps:
            return _layout(len(steps)).pack(*steps)
        numbers = _layout(len(steps)).pack(*(0 if step is None else step for step in steps))
    except struct.error as error:
        raise UnusableError(f"reading of {block.device} cannot be stored: {error}") from None
    return numbers + bytes(_QUALITY_CODES[quality] for quality in block.qualities)


def unpack(packed: bytes, channels: int) -> tuple[tuple[int | None, ...], tuple[Quality, ...]]:
    """Steps and qualities back. Raises DamagedError for bytes that ``pack`` cannot have made."""
    layout = _layout(channels)
    codes = packed[layout.size :]
    if len(packed) < layout.size or len(codes) not in (0, channels):
        raise DamagedError(f"telemetry row of {len(packed)} bytes for {channels} channels")
    steps = layout.unpack_from(packed)
    if not codes:
        return steps, (Quality.GOOD,) * channels
    try:
        qualities = tuple(_QUALITIES[code] for code in codes)
    except KeyError as error:
        raise DamagedError(f"telemetry row with unknown quality {error}") from None
    held = zip(steps, qualities, strict=True)
    return tuple(step if quality is Quality.GOOD else None for step, quality in held), qualities


@dataclass(slots=True)
class _Open:
    """A stream's unsealed rows: the first one's number and monotonic time, and how many."""

    first_number: int
    first_taken_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class _Stream:
    number: int
    device: str
    channels: tuple[str, ...]
    boot_id: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One stored block; ``wall_ms`` is UTC, None: unknown then."""

    number: int
    block: BlockRead
    wall_ms: UtcMs | None


class TelemetryWriter:
    """The telemetry's owner. Used by one thread at a time; ``open`` it, ``close`` it."""

    def __init__(
        self, connection: sqlite3.Connection, lock: OwnerLock, path: Path, blobs: BlobStore, boot_id: str
    ) -> None:
        self._connection = connection
        self._lock = lock
        self._path = path
        self._blobs = blobs
        self._boot_id = boot_id
        self._wal_bytes = 0
        self._streams: dict[tuple[str, tuple[str, ...]], _Stream] = {}
        self._by_number: dict[int, _Stream] = {}
        self._open: dict[int, _Open] = {}
        self._restore()

    @classmethod
    def open(
        cls, path: Path, blobs: BlobStore, boot_id: str, now_ms: UtcMs, *, migrate: Migrate = migrate_in_child
    ) -> "TelemetryWriter":
        """Open or create it. Raises DamagedError naming where the file was kept (the next open starts empty)."""
        file = OwnedFile("telemetry", path, "NORMAL", "sealed readings are safe in the blobs", _QUICK_CHECK_MAX_BYTES)
        return open_owned(file, now_ms, migrate, lambda connection, lock: cls(connection, lock, path, blobs, boot_id))

    def close(self) -> None:
        """Let go of the file."""
        with naming_errors(self._path):
            self._connection.close()
        self._lock.release()

    def _restore(self) -> None:
        """Unsealed rows of earlier runs are due at once: their monotonic time may be of another boot."""
        with naming_errors(self._path):
            execute = self._connection.execute
            for number, device, channels, boot_id in execute("SELECT number, device, channels, boot_id FROM stream"):
                self._know(_Stream(number, device, _names(self._path, channels), boot_id))
            self._next = execute("SELECT ifnull(max(number) + 1, 0) FROM sample").fetchone()[0]
            unsealed = execute(
                "SELECT s.stream, min(s.number), count(*) FROM sample s"
                " WHERE s.number >= (SELECT value FROM mark WHERE name = 'unsealed_from')"
                " AND s.number > ifnull((SELECT max(b.last_number) FROM batch b WHERE b.stream = s.stream), -1)"
                " GROUP BY s.stream"
            )
            for stream, first, count in unsealed:
                self._open[stream] = _Open(first, -1, count)

    def _know(self, stream: _Stream) -> None:
        self._by_number[stream.number] = stream
        if stream.boot_id == self._boot_id:
            self._streams[stream.device, stream.channels] = stream

    # ---- appending --------------------------------------------------------------------------------------------------

    def append(self, blocks: Sequence[BlockRead], wall_offset_ms: int | None) -> None:
        """See ``TelemetryStore.append``. One transaction; nothing of it is stored when it raises."""
        rows: list[tuple[int, int, int, int | None, bytes]] = []
        number = self._next
        streams = [self._streams.get((block.device, block.channels)) or self._new_stream(block) for block in blocks]
        with transaction(self._connection, self._path):
            for block, stream in zip(blocks, streams, strict=True):
                wall_ms = None if wall_offset_ms is None else block.taken_at + wall_offset_ms
                rows.append((number, stream.number, block.taken_at, wall_ms, pack(block)))
                number += 1
            self._connection.executemany("INSERT INTO sample VALUES (?, ?, ?, ?, ?)", rows)
        self._next = number
        self._wal_bytes += 4_096 + _WAL_BYTES_PER_ROW * len(rows)
        for first, stream_number, taken_ms, _, _ in rows:
            open_batch = self._open.get(stream_number)
            if open_batch is None:
                self._open[stream_number] = _Open(first, taken_ms, 1)
            else:
                open_batch.count += 1

    def _new_stream(self, block: BlockRead) -> _Stream:
        channels = orjson.dumps(block.channels).decode()
        values = (block.device, channels, self._boot_id)
        with naming_errors(self._path):
            self._connection.execute(
                "INSERT INTO stream (device, channels, boot_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", values
            )
            number = self._connection.execute(
                "SELECT number FROM stream WHERE device = ? AND channels = ? AND boot_id = ?", values
            ).fetchone()[0]
        stream = _Stream(number, block.device, block.channels, self._boot_id)
        self._know(stream)
        return stream

    # ---- sealing ----------------------------------------------------------------------------------------------------

    def seal(self, due_before_ms: int) -> tuple[SealedBatch, ...]:
        """See ``TelemetryStore.seal``. At most 256 blocks a batch; more of one device come with the next call."""
        due = [
            number
            for number, waiting in self._open.items()
            if waiting.count >= SAMPLES_PER_BATCH_MAX or waiting.first_taken_ms < due_before_ms
        ]
        sealed: list[SealedBatch] = []
        for number in due:
            try:
                sealed.append(self._seal(self._by_number[number]))
            except StoreError:
                # What was sealed must be told: nothing else names it. The rest is due again at the next call.
                if not sealed:
                    raise
                break
        return tuple(sealed)

    def _seal(self, stream: _Stream) -> SealedBatch:
        waiting = self._open[stream.number]
        with naming_errors(self._path):
            rows = self._connection.execute(
                "SELECT number, taken_at_ms, wall_ms, packed FROM sample WHERE stream = ? AND number >= ?"
                " ORDER BY number LIMIT ?",
                (stream.number, waiting.first_number, SAMPLES_PER_BATCH_MAX + 1),
            ).fetchall()
        following, rows = rows[SAMPLES_PER_BATCH_MAX:], rows[:SAMPLES_PER_BATCH_MAX]
        walls = [row[2] for row in rows if row[2] is not None]
        first_ms, last_ms = (min(walls), max(walls)) if walls else (None, None)
        blob = self._blobs.put(_batch_lines(stream, rows, (first_ms, last_ms)), MEDIA_TYPE)
        left = None
        if following:
            left = _Open(following[0][0], following[0][1], waiting.count - len(rows))
        self._mark_sealed(stream, rows, (first_ms, last_ms), (blob.sha256, blob.size_bytes), left)
        return SealedBatch(stream.device, first_ms, last_ms, len(rows), blob)

    def _mark_sealed(
        self,
        stream: _Stream,
        rows: Sequence[Any],
        span: tuple[int | None, int | None],
        blob: tuple[str, int],
        left: _Open | None,
    ) -> None:
        waiting = {number: each for number, each in self._open.items() if number != stream.number}
        if left is not None:
            waiting[stream.number] = left
        unsealed_from = min((each.first_number for each in waiting.values()), default=self._next)
        with transaction(self._connection, self._path):
            self._connection.execute(
                "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (stream.number, stream.device, rows[-1][0], rows[0][0], *span, len(rows), *blob),
            )
            self._connection.execute("UPDATE mark SET value = ? WHERE name = 'unsealed_from'", (unsealed_from,))
        self._open = waiting

    def thin(self, before_ms: int) -> int:
        """See ``TelemetryStore.thin``. The blobs keep what is deleted here."""
        with transaction(self._connection, self._path):
            count = self._connection.execute(
                "DELETE FROM sample WHERE number IN (SELECT number FROM sample WHERE number <"
                " (SELECT value FROM mark WHERE name = 'unsealed_from') ORDER BY number LIMIT ?)"
                " AND ifnull(wall_ms, 0) < ?",
                (READ_ROWS_MAX, before_ms),
            ).rowcount
        self._wal_bytes += 4_096 + _WAL_BYTES_PER_ROW * count
        return count

    def wal_bytes(self) -> int:
        """See ``WalOwner.wal_bytes``."""
        return self._wal_bytes

    def checkpoint_wal(self) -> bool:
        """See ``WalOwner.checkpoint_wal``."""
        whole = passive_checkpoint(self._connection, self._path)
        if whole:
            self._wal_bytes = 0
        return whole


def _batch_lines(stream: _Stream, rows: Sequence[Any], span: tuple[int | None, int | None]) -> Iterator[bytes]:
    header = {
        "boot": stream.boot_id,
        "channels": stream.channels,
        "count": len(rows),
        "device": stream.device,
        "first_ms": span[0],
        "last_ms": span[1],
        "v": VERSION,
    }
    yield orjson.dumps(header, option=orjson.OPT_APPEND_NEWLINE)
    for _, taken_at_ms, wall_ms, packed in rows:
        line: list[Any] = [taken_at_ms, wall_ms]
        try:
            steps, qualities = unpack(packed, len(stream.channels))
        except DamagedError:
            line += ([None] * len(stream.channels), [DAMAGED] * len(stream.channels))
        else:
            line += (steps, [quality.value for quality in qualities]) if None in steps else (steps,)
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


class TelemetryReader:
    """Stored readings, read-only. For one thread."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises StoreError if it is not there."""
        self._path = path
        self._connection: sqlite3.Connection = open_reader(path, "telemetry")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def samples(
        self, device: str, from_ms: int, to_ms: int, after: int = -1, limit: int = READ_ROWS_MAX
    ) -> tuple[Sample, ...]:
        """Blocks of a device taken in [from_ms, to_ms) UTC with a number above ``after``, in order, at most 256.

        Raises RefusedError for an empty or backward window.
        """
        if to_ms <= from_ms:
            raise RefusedError(f"window [{from_ms}, {to_ms}) is empty")
        with naming_errors(self._path):
            start = self._connection.execute(
                "SELECT min(first_number) FROM batch WHERE device = ? AND last_ms >= ? AND first_ms < ?",
                (device, from_ms, to_ms),
            ).fetchone()[0]
            if start is None:
                start = self._connection.execute("SELECT value FROM mark WHERE name = 'unsealed_from'").fetchone()[0]
            rows = self._connection.execute(
                "SELECT s.number, t.channels, s.taken_at_ms, s.wall_ms, s.packed FROM sample s"
                " JOIN stream t ON t.number = s.stream WHERE s.number >= ? AND s.number > ? AND t.device = ?"
                " AND s.wall_ms >= ? AND s.wall_ms < ? ORDER BY s.number LIMIT ?",
                (start, after, device, from_ms, to_ms, min(limit, READ_ROWS_MAX)),
            ).fetchall()
        return tuple(self._sample(device, row) for row in rows)

    def batches(self, device: str, from_ms: int, to_ms: int) -> tuple[SealedBatch, ...]:
        """Sealed files that hold readings of [from_ms, to_ms) UTC of a device, at most 256, oldest first."""
        with naming_errors(self._path):
            rows = self._connection.execute(
                "SELECT first_ms, last_ms, count, sha256, size_bytes FROM batch WHERE device = ? AND last_ms >= ?"
                " AND first_ms < ? ORDER BY last_number LIMIT ?",
                (device, from_ms, to_ms, READ_ROWS_MAX),
            ).fetchall()
        return tuple(
            SealedBatch(device, first, last, count, BlobReference(digest, MEDIA_TYPE, size))
            for first, last, count, digest, size in rows
        )

    def _sample(self, device: str, row: tuple[int, str, int, int | None, bytes]) -> Sample:
        number, channels, taken_at_ms, wall_ms, packed = row
        names = _names(self._path, channels)
        steps, qualities = unpack(packed, len(names))
        block = BlockRead(device, names, steps, qualities, MonotonicMs(taken_at_ms))
        return Sample(number, block, None if wall_ms is None else UtcMs(wall_ms))


def _names(path: Path, channels: object) -> tuple[str, ...]:
    """A stream's channels. Raises DamagedError for a text that was never written."""
    try:
        names = orjson.loads(channels) if isinstance(channels, str) else None
    except orjson.JSONDecodeError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DamagedError(f"{path}: damaged: channels {str(channels)[:40]!r}")
    return tuple(names)
