"""Stored readings, from any process, while the daemon writes them: short transactions, never a write.

A device's series is read from its sealed files, each checked against the hash that the journal names, and from rows
where nothing is sealed yet or a file is damaged or gone. So it reads the same before rows are thinned and after.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.core.entries import BlobReference
from edge.core.readings import BlockRead, MonotonicMs, UtcMs
from edge.ports.errors import DamagedError, RefusedError, StoreError, UnusableError
from edge.ports.stores import READ_ROWS_MAX, SealedBatch
from edge.storage.blobs import BlobStore
from edge.storage.databases import SCHEMA_VERSIONS, naming_errors, open_reader, schema_version
from edge.storage.hour_files import HourFiles
from edge.storage.sealed import MEDIA_TYPE, Columns, Heading, Row, columns_of, read_sealed
from edge.storage.telemetry import channel_names
from edge.storage.telemetry_rows import unpack

_ROWS = "SELECT number, taken_at_ms, wall_ms, packed FROM sample"


@dataclass(frozen=True, slots=True)
class Sample:
    """One stored block; ``wall_ms`` is UTC, None: unknown then."""

    number: int
    block: BlockRead
    wall_ms: UtcMs | None


@dataclass(frozen=True, slots=True)
class Piece:
    """Readings of one device, in order of number. ``sealed``: from a file whose hash was checked.

    ``trouble`` says why the file was not used, empty if it was; without columns its readings are nowhere.
    """

    columns: Columns | None
    sealed: bool
    first_ms: int | None
    last_ms: int | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Batch:
    stream: int
    first_number: int
    last_number: int
    first_ms: int
    last_ms: int
    sha256: str


class TelemetryReader:
    """Stored readings, read-only. For one thread."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises StoreError if it is not there, UnusableError for a file of an older version."""
        self._path = path
        found = schema_version(path)
        if 0 < found < SCHEMA_VERSIONS["telemetry"]:
            raise UnusableError(
                f"{path}: schema {found}, this version reads {SCHEMA_VERSIONS['telemetry']}: the daemon"
                " brings it up to date when it starts"
            )
        self._connection: sqlite3.Connection = open_reader(path, "telemetry")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _mark(self, name: str) -> int:
        with naming_errors(self._path):
            row = self._connection.execute("SELECT value FROM mark WHERE name = ?", (name,)).fetchone()
        value: int = row[0]
        return value

    def samples(
        self, device: str, from_ms: int, to_ms: int, after: int = -1, limit: int = READ_ROWS_MAX
    ) -> tuple[Sample, ...]:
        """Rows of a device taken in [from_ms, to_ms) UTC with a number above ``after``, in order, at most 256.

        Rows that were thinned are not among them. Raises RefusedError for an empty or backward window.
        """
        if to_ms <= from_ms:
            raise RefusedError(f"window [{from_ms}, {to_ms}) is empty")
        start = self._mark("unsealed_from")
        for batch in self._batches(device, from_ms, to_ms):
            start = min(start, batch.first_number)
        with naming_errors(self._path):
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
                " AND last_ms < ? AND first_ms < ? ORDER BY last_ms, last_number LIMIT ?",
                (device, from_ms, to_ms + self._mark("widest_ms"), to_ms, READ_ROWS_MAX),
            ).fetchall()
        return tuple(
            SealedBatch(device, first, last, count, BlobReference(digest, MEDIA_TYPE, size))
            for first, last, count, digest, size in rows
        )

    def sealed_after(self, device: str, at_ms: int) -> bool:
        """Whether a sealed file of that device ends at that UTC time or later."""
        with naming_errors(self._path):
            row = self._connection.execute(
                "SELECT 1 FROM batch WHERE device = ? AND last_ms >= ? LIMIT 1", (device, at_ms)
            ).fetchone()
        return row is not None

    def _sample(self, device: str, row: tuple[int, str, int, int | None, bytes]) -> Sample:
        number, channels, taken_at_ms, wall_ms, packed = row
        names = channel_names(self._path, channels)
        steps, qualities = unpack(packed, len(names))
        block = BlockRead(device, names, steps, qualities, MonotonicMs(taken_at_ms))
        return Sample(number, block, None if wall_ms is None else UtcMs(wall_ms))

    # ---- a series ---------------------------------------------------------------------------------------------------

    def series(self, device: str, from_ms: int, to_ms: int, blobs: BlobStore) -> Iterator[Piece]:
        """All that is stored of a device and touches [from_ms, to_ms) UTC, oldest first; ends may reach beyond it."""
        unsealed_from = self._mark("unsealed_from")
        with naming_errors(self._path):
            row = self._connection.execute(
                "SELECT ifnull(max(last_number), -1) FROM batch WHERE device = ?", (device,)
            ).fetchone()
        files = HourFiles(blobs)
        # Sealing goes on while this reads: rows at or above are not sealed, or were when the list was read.
        sealed_through: int = max(unsealed_from - 1, row[0])
        for batch in self._batches(device, from_ms, to_ms):
            sealed_through = max(sealed_through, batch.last_number)
            yield self._sealed(device, batch, files)
        yield from self._unsealed(device, sealed_through, (from_ms, to_ms))

    def _batches(self, device: str, from_ms: int, to_ms: int) -> Iterator[_Batch]:
        """The list's rows of that window, page by page. No batch spans more than the widest, so the index ends it."""
        until_ms = to_ms + self._mark("widest_ms")
        place = (from_ms, -(2**62))
        while True:
            with naming_errors(self._path):
                rows = self._connection.execute(
                    "SELECT stream, first_number, last_number, first_ms, last_ms, sha256 FROM batch WHERE device = ?"
                    " AND (last_ms, last_number) > (?, ?) AND last_ms < ? AND first_ms < ?"
                    " ORDER BY last_ms, last_number LIMIT ?",
                    (device, *place, until_ms, to_ms, READ_ROWS_MAX),
                ).fetchall()
            batches = [_Batch(*row) for row in rows]
            yield from batches
            if len(batches) < READ_ROWS_MAX:
                return
            place = (batches[-1].last_ms, batches[-1].last_number)

    def _sealed(self, device: str, batch: _Batch, files: HourFiles) -> Piece:
        try:
            data = files.read(device, batch.last_ms, batch.sha256)
        except (RefusedError, DamagedError, StoreError) as error:
            return self._rows_of(device, batch, str(error))
        try:
            columns = read_sealed(data)
        except DamagedError as error:
            return self._rows_of(device, batch, f"sealed file {batch.sha256}: {error}")
        return Piece(columns, True, batch.first_ms, batch.last_ms)

    def _rows_of(self, device: str, batch: _Batch, trouble: str) -> Piece:
        heading = self._heading(device, batch.stream)
        if heading is None:
            return Piece(None, False, batch.first_ms, batch.last_ms, trouble)
        rows = self._paged("stream = ? AND number <= ?", (batch.stream, batch.last_number), batch.first_number)
        columns = columns_of(heading, rows) if rows else None
        return Piece(columns, False, batch.first_ms, batch.last_ms, trouble)

    def _unsealed(self, device: str, sealed_through: int, window: tuple[int, int]) -> Iterator[Piece]:
        with naming_errors(self._path):
            streams = self._connection.execute(
                "SELECT number FROM stream WHERE device = ? ORDER BY number", (device,)
            ).fetchall()
        for (stream,) in streams:
            condition = "stream = ? AND wall_ms >= ? AND wall_ms < ?"
            rows = self._paged(condition, (stream, *window), sealed_through + 1)
            heading = self._heading(device, stream)
            if rows and heading is not None:
                yield Piece(columns_of(heading, rows), False, rows[0][2], rows[-1][2])

    def _heading(self, device: str, stream: int) -> Heading | None:
        with naming_errors(self._path):
            row = self._connection.execute(
                "SELECT channels, boot_id FROM stream WHERE number = ?", (stream,)
            ).fetchone()
        return None if row is None else Heading(device, channel_names(self._path, row[0]), row[1])

    def _paged(self, condition: str, values: tuple[int, ...], start: int) -> list[Row]:
        found: list[Row] = []
        while True:
            with naming_errors(self._path):
                rows: list[Row] = self._connection.execute(
                    f"{_ROWS} WHERE {condition} AND number >= ? ORDER BY number LIMIT ?",
                    (*values, start, READ_ROWS_MAX),
                ).fetchall()
            found += rows
            if len(rows) < READ_ROWS_MAX:
                return found
            start = rows[-1][0] + 1
