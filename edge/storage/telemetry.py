"""Raw readings: one row per block, appended in order of time, sealed into files that the journal names by hash.

The format of the files is in ``edge.storage.sealed``. Sealing is also where holes are found: every place of a device's
series where nothing is stored for longer than two polls is told, whatever made it, a kill -9 included, because it is
found in what is stored and not remembered by whoever lost it.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from edge.core.entries import Entry
from edge.core.messages import Noticed
from edge.core.readings import BlockRead, UtcMs
from edge.ports.errors import DamagedError, StoreError
from edge.ports.stores import READ_ROWS_MAX, Lost, News, SealedBatch
from edge.storage import news
from edge.storage.batches import Batches, Loose
from edge.storage.blobs import BlobStore
from edge.storage.databases import (
    Migrate,
    OwnedFile,
    OwnerLock,
    migrate_in_child,
    naming_errors,
    open_owned,
    passive_checkpoint,
    transaction,
)
from edge.storage.holes import POLL_MS_MAX, Hole, Point, by_why, figures, holes
from edge.storage.hour_files import HourFiles
from edge.storage.news import Outbox, sealed_notice
from edge.storage.sealed import MEDIA_TYPE, Heading, Row, columns_of, sealed_pieces, span
from edge.storage.telemetry_rows import pack

SAMPLES_PER_BATCH_MAX = 256
"""Blocks in one sealed file; also the most rows that sealing reads at once."""

_WAL_BYTES_PER_ROW = 160
_QUICK_CHECK_MAX_BYTES = 16 * 1024 * 1024
_LOST_MAX = 2 * SAMPLES_PER_BATCH_MAX
"""Stretches of lost readings kept apart for one device until its next batch, which is due at half as many blocks."""


@dataclass(slots=True)
class _Open:
    """A stream's unsealed rows: the first one's number and monotonic time, and how many."""

    first_number: int
    first_taken_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class _Stream:
    number: int
    heading: Heading

    @property
    def device(self) -> str:
        return self.heading.device


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
        self._polls: Mapping[str, int] = {}
        self._wal_bytes = 0
        self._streams: dict[tuple[str, tuple[str, ...]], _Stream] = {}
        self._by_number: dict[int, _Stream] = {}
        self._open: dict[int, _Open] = {}
        self._lost: dict[str, list[Lost]] = {}
        self._outbox = Outbox(connection, path)
        self._files = HourFiles(blobs)
        self.batches = Batches(connection, path, blobs, self._files, self._outbox)
        self._restore()
        self._run_from = self._next

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

    def expect(self, polls: Mapping[str, int]) -> None:
        """How often each device is polled, in milliseconds: a hole is what lasts longer than two polls."""
        self._polls = dict(polls)

    def _restore(self) -> None:
        """Unsealed rows of earlier runs are due at once: their monotonic time may be of another boot."""
        with naming_errors(self._path):
            execute = self._connection.execute
            for number, device, channels, boot_id in execute("SELECT number, device, channels, boot_id FROM stream"):
                self._know(_Stream(number, Heading(device, channel_names(self._path, channels), boot_id)))
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
        if stream.heading.boot_id == self._boot_id:
            self._streams[stream.device, stream.heading.channels] = stream

    # ---- appending --------------------------------------------------------------------------------------------------

    def append(self, blocks: Sequence[BlockRead], wall_offset_ms: int | None, lost: Sequence[Lost] = ()) -> None:
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
        for each in lost:
            self._note_lost(each)

    def _note_lost(self, lost: Lost) -> None:
        known = self._lost.setdefault(lost.device, [])
        if len(known) >= _LOST_MAX:
            last = known.pop()
            lost = Lost(lost.device, last.first_ms, lost.last_ms, last.count + lost.count, last.why)
        known.append(lost)

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
        stream = _Stream(number, Heading(block.device, block.channels, self._boot_id))
        self._know(stream)
        return stream

    # ---- sealing ----------------------------------------------------------------------------------------------------

    def seal(self, due_before_ms: int) -> tuple[SealedBatch, ...]:
        """See ``TelemetryStore.seal``. At most 256 blocks a batch; more of one device come with the next call."""
        sealed: list[SealedBatch] = []
        for number in self._due(due_before_ms):
            try:
                sealed.append(self._seal(self._by_number[number]))
            except StoreError:
                # What was sealed is kept as news. The rest is due again at the next call.
                if not sealed:
                    raise
                break
        return tuple(sealed)

    def _due(self, due_before_ms: int) -> list[int]:
        """Streams to seal, oldest rows first. A device's later stream waits for its earlier one: order shows holes."""
        first: dict[str, int] = {}
        for number, _ in sorted(self._open.items(), key=lambda item: item[1].first_number):
            first.setdefault(self._by_number[number].device, number)
        return [number for number in first.values() if _is_due(self._open[number], due_before_ms)]

    def _seal(self, stream: _Stream) -> SealedBatch:
        waiting = self._open[stream.number]
        with naming_errors(self._path):
            rows: list[Row] = self._connection.execute(
                "SELECT number, taken_at_ms, wall_ms, packed FROM sample WHERE stream = ? AND number >= ?"
                " ORDER BY number LIMIT ?",
                (stream.number, waiting.first_number, SAMPLES_PER_BATCH_MAX + 1),
            ).fetchall()
        following, rows = rows[SAMPLES_PER_BATCH_MAX:], rows[:SAMPLES_PER_BATCH_MAX]
        found = self._holes(stream, rows)
        columns = columns_of(stream.heading, rows)
        blob = self._blobs.put(sealed_pieces(columns), MEDIA_TYPE)
        batch = SealedBatch(stream.device, *span(columns), len(rows), blob)
        left = None
        if following:
            left = _Open(following[0][0], following[0][1], waiting.count - len(rows))
        self._mark_sealed(stream, (rows[0], rows[-1]), batch, found, left)
        return batch

    def _holes(self, stream: _Stream, rows: Sequence[Row]) -> list[Hole]:
        """Holes before and within these rows, which follow the device's last batch."""
        boot_id = stream.heading.boot_id
        points = [Point(number, taken, wall, boot_id) for number, taken, wall, _ in rows]
        before = self.batches.last_point(stream.device)
        if before is not None:
            points.insert(0, before)
        lost = self._lost.get(stream.device, ()) if boot_id == self._boot_id else ()
        poll_ms = self._polls.get(stream.device, POLL_MS_MAX)
        return holes(points, poll_ms, self._run_from, lost)

    def _mark_sealed(
        self, stream: _Stream, ends: tuple[Row, Row], batch: SealedBatch, found: Sequence[Hole], left: _Open | None
    ) -> None:
        waiting = {number: each for number, each in self._open.items() if number != stream.number}
        if left is not None:
            waiting[stream.number] = left
        unsealed_from = min((each.first_number for each in waiting.values()), default=self._next)
        with transaction(self._connection, self._path):
            for why, alike in by_why(found).items():
                self._outbox.add(Noticed(news.GAP, stream.device, why.value, (), figures(alike)))
            self.batches.add(stream.number, (ends[0][0], ends[1][0]), batch, ends[1][1])
            named = sealed_notice(batch.device, (batch.first_ms, batch.last_ms), batch.count, batch.blob)
            self._outbox.add(named, ends[1][0])
            self._set_mark("unsealed_from", unsealed_from)
        self._open = waiting
        self._forget_lost(stream, ends[1][1])

    def _forget_lost(self, stream: _Stream, through_ms: int) -> None:
        """What was lost before the batch's last row is told by it, or was within two polls."""
        if stream.heading.boot_id == self._boot_id:
            kept = [each for each in self._lost.pop(stream.device, ()) if each.last_ms > through_ms]
            if kept:
                self._lost[stream.device] = kept

    def _set_mark(self, name: str, value: int) -> None:
        self._connection.execute("UPDATE mark SET value = ? WHERE name = ?", (value, name))

    def bundle(self, before_ms: int) -> int:
        """See ``TelemetryStore.bundle``. A file goes when it is safe in its hour's, and is looked for in both places:
        a kill between the steps loses nothing, and the next call does them again."""
        loose = self.batches.loose(before_ms)
        if loose is None:
            return 0
        try:
            for digest in self._files.add(loose.device, loose.last_ms, loose.digests):
                self._blobs.remove(digest)
        except DamagedError:
            self._mark_together(loose)
            raise
        self._mark_together(loose)
        return len(loose.digests)

    def _mark_together(self, loose: Loose) -> None:
        with transaction(self._connection, self._path):
            self.batches.put_together(loose)
        self._wal_bytes += 4_096 + _WAL_BYTES_PER_ROW * len(loose.digests)

    # ---- what is given up -------------------------------------------------------------------------------------------

    def thin(self, before_ms: int) -> int:
        """See ``TelemetryStore.thin``. The blobs keep what is deleted here; the call that finds nothing more tells."""
        with transaction(self._connection, self._path):
            count = self._connection.execute(
                "DELETE FROM sample WHERE number IN (SELECT number FROM sample WHERE number <"
                " (SELECT value FROM mark WHERE name = 'unsealed_from') ORDER BY number LIMIT ?)"
                " AND ifnull(wall_ms, 0) < ?",
                (READ_ROWS_MAX, before_ms),
            ).rowcount
            thinned = self._connection.execute("SELECT value FROM mark WHERE name = 'thinned'").fetchone()[0] + count
            if thinned and not count:
                told = (("count", thinned), ("before_ms", before_ms))
                self._outbox.add(Noticed(news.THINNED, "telemetry", "rows", (), told))
                thinned = 0
            self._set_mark("thinned", thinned)
        self._wal_bytes += 4_096 + _WAL_BYTES_PER_ROW * count
        return count

    def expire(self, before_ms: int, acked: int) -> int:
        """See ``TelemetryStore.expire``."""
        with transaction(self._connection, self._path):
            count = self.batches.give_up(before_ms, acked)
        self._wal_bytes += 4_096 + _WAL_BYTES_PER_ROW * count
        return count

    # ---- news for the journal ---------------------------------------------------------------------------------------

    def news(self, after: int, limit: int) -> tuple[News, ...]:
        """See ``TelemetryStore.news``."""
        return self._outbox.after(after, limit)

    def told(self, entries: Sequence[tuple[int, str]]) -> None:
        """See ``TelemetryStore.told``. Files that an entry gives up are deleted before the rows that know of them."""
        for seq, cause in entries:
            found = self._outbox.by_cause(cause)
            if found is None:
                continue
            each, last_number = found
            if each.notice.kind == news.DELETED:
                self.batches.delete_files(each.number)
            with transaction(self._connection, self._path):
                self.batches.settle(each, last_number, seq)
                self._outbox.remove(each.number)
            self._wal_bytes += 4_096

    # ---- the journal, compared at start -----------------------------------------------------------------------------

    def follow(self, origin: str) -> int:
        """The journal of that origin names what is sealed from now on; returns the entry to compare from."""
        with transaction(self._connection, self._path):
            self.batches.follow(origin)
        return self.batches.told_through()

    def recognise(self, entries: Sequence[Entry]) -> None:
        """Entries about readings that the journal holds, in order: they are told, and the batches they name listed."""
        self.told([(entry.seq, entry.cause) for entry in entries if entry.cause is not None])
        with transaction(self._connection, self._path):
            for entry in entries:
                if entry.kind == news.SEALED:
                    self.batches.know(entry)

    def compared(self, through: int) -> None:
        """All entries below that number were recognised: batches that none of them names become news."""
        with transaction(self._connection, self._path):
            self.batches.tell_unnamed()
            self._set_mark("told_through", through)

    # ---- the write-ahead log ----------------------------------------------------------------------------------------

    def wal_bytes(self) -> int:
        """See ``WalOwner.wal_bytes``."""
        return self._wal_bytes

    def checkpoint_wal(self) -> bool:
        """See ``WalOwner.checkpoint_wal``."""
        whole = passive_checkpoint(self._connection, self._path)
        if whole:
            self._wal_bytes = 0
        return whole


def _is_due(waiting: _Open, due_before_ms: int) -> bool:
    return waiting.count >= SAMPLES_PER_BATCH_MAX or waiting.first_taken_ms < due_before_ms


def channel_names(path: Path, channels: object) -> tuple[str, ...]:
    """A stream's channels. Raises DamagedError for a text that was never written."""
    try:
        names = orjson.loads(channels) if isinstance(channels, str) else None
    except orjson.JSONDecodeError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DamagedError(f"{path}: damaged: channels {str(channels)[:40]!r}")
    return tuple(names)
