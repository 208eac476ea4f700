"""The list of sealed files: which readings are in which, which entry of the journal names it, and when it may go."""

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from edge.core.entries import BlobReference, Entry
from edge.core.messages import Noticed
from edge.ports.errors import DamagedError
from edge.ports.stores import News, SealedBatch
from edge.storage import news
from edge.storage.blobs import BlobStore
from edge.storage.databases import naming_errors
from edge.storage.holes import Point
from edge.storage.hour_files import HOUR_MS, HourFiles, hour_of
from edge.storage.news import Outbox, sealed_notice
from edge.storage.sealed import MEDIA_TYPE

FILES_PER_ENTRY_MAX = 100
"""Files that one entry gives up: their hashes fill about two thirds of the 16 384 bytes that an entry may have."""

ANOTHER_JOURNAL = -1
"""In ``entry``: an earlier journal of this gateway names the batch. Nobody here can tell whether HQ holds that one."""

_LOOSE_AT_ONCE_MAX = 512
"""Files put together at once. An hour has 360 at most: one each 10 s, or 256 blocks, and a bus is asked each 50 ms."""

_NO_STREAM = -1
_BEFORE_ALL_ROWS = -(2**53)
_COLUMNS = "device, first_ms, last_ms, count, sha256, size_bytes"


@dataclass(frozen=True, slots=True)
class Loose:
    """Files of one device and hour that each lie by themselves; ``last_ms`` is of one of them."""

    device: str
    last_ms: int
    numbers: tuple[int, ...]
    digests: tuple[str, ...]


class Batches:
    """Works on the owner's connection; what writes belongs inside a transaction of the owner."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, blobs: BlobStore, files: HourFiles, outbox: Outbox
    ) -> None:
        self._connection = connection
        self._path = path
        self._blobs = blobs
        self._files = files
        self._outbox = outbox

    def last_point(self, device: str) -> Point | None:
        """The device's last sealed block, None: it has none."""
        with naming_errors(self._path):
            row = self._connection.execute(
                "SELECT b.last_number, b.last_taken_ms, b.last_ms, t.boot_id FROM batch b"
                " LEFT JOIN stream t ON t.number = b.stream WHERE b.device = ? ORDER BY b.last_number DESC LIMIT 1",
                (device,),
            ).fetchone()
        return None if row is None else Point(*row)

    def add(self, stream: int, numbers: tuple[int, int], batch: SealedBatch, last_taken_ms: int | None) -> None:
        """A new batch of the rows from the first to the second of ``numbers``."""
        self._insert(stream, numbers, batch, (last_taken_ms, None))

    def _insert(
        self, stream: int, numbers: tuple[int, int], batch: SealedBatch, known: tuple[int | None, int | None]
    ) -> None:
        blob = batch.blob
        values = (batch.device, batch.first_ms, batch.last_ms, batch.count, blob.sha256, blob.size_bytes)
        self._connection.execute(
            f"INSERT INTO batch (stream, first_number, last_number, {_COLUMNS}, last_taken_ms, entry)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (stream, *numbers, *values, *known),
        )
        if batch.first_ms is not None and batch.last_ms is not None:
            self._connection.execute(
                "UPDATE mark SET value = max(value, ?) WHERE name = 'widest_ms'", (batch.last_ms - batch.first_ms,)
            )

    # ---- giving up --------------------------------------------------------------------------------------------------

    def give_up(self, before_ms: int, acked: int) -> int:
        """Make news of files of one device and hour that end before that UTC time and whose entry is below ``acked``.

        The oldest hour comes first. Returns how many.
        """
        oldest = self._connection.execute(
            "SELECT device, last_ms FROM batch WHERE last_ms < ? AND deletion IS NULL AND entry IS NOT NULL"
            " AND entry >= 0 AND entry < ? ORDER BY last_ms LIMIT 1",
            (before_ms, acked),
        ).fetchone()
        if oldest is None:
            return 0
        device, first_ms = oldest
        # What one entry gives up is of one hour: then its file goes at once and is not written anew again and again.
        until_ms = min(before_ms, hour_of(first_ms) + HOUR_MS)
        rows = self._connection.execute(
            f"SELECT last_number, {_COLUMNS} FROM batch WHERE device = ? AND last_ms >= ? AND last_ms < ?"
            " AND deletion IS NULL AND entry >= 0 AND entry < ? ORDER BY last_ms LIMIT ?",
            (device, first_ms, until_ms, acked, FILES_PER_ENTRY_MAX),
        ).fetchall()
        batches = [_batch(row[1:]) for row in rows]
        figures = (
            ("count", len(batches)),
            ("before_ms", before_ms),
            ("first_ms", min(each.first_ms for each in batches if each.first_ms is not None)),
            ("last_ms", max(each.last_ms for each in batches if each.last_ms is not None)),
        )
        notice = Noticed(news.DELETED, "telemetry", "files", tuple(each.blob for each in batches), figures)
        number = self._outbox.add(notice)
        self._connection.executemany(
            "UPDATE batch SET deletion = ? WHERE device = ? AND last_number = ?",
            [(number, row[1], row[0]) for row in rows],
        )
        return len(rows)

    def delete_files(self, number: int) -> None:
        """Delete the files that the news of that number gives up; may be called twice. Raises StoreError."""
        rows: list[tuple[str, int, str]] = self._connection.execute(
            "SELECT device, last_ms, sha256 FROM batch WHERE deletion = ? ORDER BY device, last_ms", (number,)
        ).fetchall()
        for _, _, digest in rows:
            self._blobs.remove(digest)
        for (device, hour), files in groupby(rows, lambda row: (row[0], hour_of(row[1]))):
            if not self._others(device, hour, number):
                self._files.remove(device, hour)
                continue
            # A damaged one goes as a whole with the last of its hour.
            with suppress(DamagedError):
                self._files.drop(device, hour, {digest for _, _, digest in files})

    def _others(self, device: str, hour_ms: int, number: int) -> bool:
        """Whether batches end in that hour that other news give up, or none."""
        query = "SELECT 1 FROM batch WHERE device = ? AND last_ms >= ? AND last_ms < ? AND deletion IS NOT ? LIMIT 1"
        found = self._connection.execute(query, (device, hour_ms, hour_ms + HOUR_MS, number)).fetchone()
        return found is not None

    # ---- put together -----------------------------------------------------------------------------------------------

    def loose(self, before_ms: int) -> Loose | None:
        """The oldest hour that ended before that UTC time and has files not put together yet, which an entry names."""
        wanted = "loose = 1 AND entry >= 0 AND deletion IS NULL"
        with naming_errors(self._path):
            oldest = self._connection.execute(
                f"SELECT device, last_ms FROM batch WHERE {wanted} AND last_ms < ? ORDER BY last_ms LIMIT 1",
                (hour_of(before_ms),),
            ).fetchone()
            if oldest is None:
                return None
            device, last_ms = oldest
            rows = self._connection.execute(
                f"SELECT last_number, sha256 FROM batch WHERE {wanted} AND device = ? AND last_ms >= ? AND last_ms < ?"
                " ORDER BY last_ms, last_number LIMIT ?",
                (device, last_ms, hour_of(last_ms) + HOUR_MS, _LOOSE_AT_ONCE_MAX),
            ).fetchall()
        numbers, digests = zip(*rows, strict=True)
        return Loose(device, last_ms, numbers, digests)

    def put_together(self, loose: Loose) -> None:
        """They are in their hour's file, or cannot be."""
        self._connection.executemany(
            "UPDATE batch SET loose = 0 WHERE device = ? AND last_number = ?",
            [(loose.device, number) for number in loose.numbers],
        )

    # ---- what the journal says --------------------------------------------------------------------------------------

    def settle(self, told: News, last_number: int | None, seq: int) -> None:
        """The entry of that number is durable and tells this."""
        if told.notice.kind == news.SEALED:
            self._connection.execute(
                "UPDATE batch SET entry = ? WHERE device = ? AND last_number = ?",
                (seq, told.notice.subject, last_number),
            )
        elif told.notice.kind == news.DELETED:
            self._connection.execute("DELETE FROM batch WHERE deletion = ?", (told.number,))
        self._connection.execute("UPDATE mark SET value = max(value, ?) WHERE name = 'told_through'", (seq + 1,))

    def told_through(self) -> int:
        """The journal's entries below this were compared with what is here."""
        with naming_errors(self._path):
            row = self._connection.execute("SELECT value FROM mark WHERE name = 'told_through'").fetchone()
        through: int = row[0]
        return through

    def follow(self, origin: str) -> None:
        """The journal that names batches from now on. Numbers of another one's entries mean nothing in it."""
        row = self._connection.execute("SELECT origin FROM log").fetchone()
        if row is not None and row[0] == origin:
            return
        if row is not None:
            self._connection.execute("UPDATE batch SET entry = ? WHERE entry IS NOT NULL", (ANOTHER_JOURNAL,))
            self._connection.execute("UPDATE mark SET value = 0 WHERE name = 'told_through'")
        self._connection.execute("REPLACE INTO log VALUES (0, ?)", (origin,))

    def know(self, entry: Entry) -> None:
        """An entry names a batch: keep its number; a batch that is not listed, but held as a file, is listed again.

        The list forgets when the file of readings was damaged and set aside, or by a power cut.
        """
        device, last_ms = str(entry.body.get("subject")), entry.body.get("last_ms")
        for blob in entry.blobs:
            listed = self._connection.execute(
                "SELECT last_number, entry FROM batch WHERE device = ? AND last_ms IS ? AND sha256 = ?",
                (device, last_ms, blob.sha256),
            ).fetchone()
            if listed is None and self._files.holds(device, _number(entry, "last_ms"), blob.sha256):
                number = _BEFORE_ALL_ROWS + entry.seq
                batch = SealedBatch(
                    device, _number(entry, "first_ms"), _number(entry, "last_ms"), _number(entry, "count") or 0, blob
                )
                self._insert(_NO_STREAM, (number, number), batch, (None, entry.seq))
                if not self._blobs.holds(blob.sha256):
                    self.put_together(Loose(device, 0, (number,), (blob.sha256,)))
            elif listed is not None and listed[1] is None:
                self._connection.execute(
                    "UPDATE batch SET entry = ? WHERE device = ? AND last_number = ?", (entry.seq, device, listed[0])
                )

    def tell_unnamed(self) -> int:
        """Make news of batches that no entry names and no news tells; returns how many."""
        rows = self._connection.execute(
            f"SELECT last_number, {_COLUMNS} FROM batch WHERE entry IS NULL AND NOT EXISTS"
            " (SELECT 1 FROM news WHERE news.batch = batch.last_number AND news.subject = batch.device)"
        ).fetchall()
        for last_number, *columns in rows:
            each = _batch(columns)
            self._outbox.add(
                sealed_notice(each.device, (each.first_ms, each.last_ms), each.count, each.blob), last_number
            )
        return len(rows)


def _batch(columns: Any) -> SealedBatch:
    device, first_ms, last_ms, count, digest, size = columns
    return SealedBatch(device, first_ms, last_ms, count, BlobReference(digest, MEDIA_TYPE, size))


def _number(entry: Entry, name: str) -> int | None:
    value = entry.body.get(name)
    return value if isinstance(value, int) else None
