"""What the journal must be told of the readings: kept in the telemetry's own file from the transaction that made it
true until the entry that tells it is durable, so that no kill -9 between the two leaves something untold or told twice.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from edge.core.entries import BlobReference
from edge.core.messages import Noticed
from edge.ports.errors import DamagedError
from edge.ports.stores import News
from edge.storage.databases import naming_errors

SEALED, GAP, THINNED, DELETED = "telemetry.sealed", "telemetry.gap", "telemetry.thinned", "telemetry.deleted"
KINDS = (SEALED, GAP, THINNED, DELETED)
"""The kinds of entries that tell of readings."""

_COLUMNS = "number, cause, kind, subject, what, figures, blobs"


def caused(notice: Noticed) -> Noticed:
    """The notice with a cause made of all that it says: the same news has the same cause, other news another."""
    said = [notice.kind, notice.subject, notice.what, notice.figures, [blob.sha256 for blob in notice.blobs]]
    return replace(notice, cause=f"telemetry-{sha256(orjson.dumps(said)).hexdigest()[:32]}")


class Outbox:
    """News in the telemetry's file. ``add`` and ``remove`` belong inside a transaction of the owner's connection."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def add(self, notice: Noticed, batch: int | None = None) -> int:
        """Keep it until it is told; returns its number. ``batch``: the last row of the batch that it names."""
        named = caused(notice)
        figures = orjson.dumps(named.figures).decode()
        blobs = orjson.dumps([[blob.sha256, blob.media_type, blob.size_bytes] for blob in named.blobs]).decode()
        # The same news again, after a power cut took what was written since, is the same row.
        self._connection.execute(
            f"INSERT INTO news ({_COLUMNS.removeprefix('number, ')}, batch) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (named.cause, named.kind, named.subject, named.what, figures, blobs, batch),
        )
        row = self._connection.execute("SELECT number FROM news WHERE cause = ?", (named.cause,)).fetchone()
        number: int = row[0]
        return number

    def after(self, number: int, limit: int) -> tuple[News, ...]:
        """News with a number above that, in order."""
        with naming_errors(self._path):
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM news WHERE number > ? ORDER BY number LIMIT ?", (number, limit)
            ).fetchall()
        return tuple(map(self._news, rows))

    def by_cause(self, cause: str) -> tuple[News, int | None] | None:
        """The news of that cause and the batch that it names, None: told already, or none of ours."""
        with naming_errors(self._path):
            row = self._connection.execute(f"SELECT {_COLUMNS}, batch FROM news WHERE cause = ?", (cause,)).fetchone()
        return None if row is None else (self._news(row[:-1]), row[-1])

    def remove(self, number: int) -> None:
        """It was told."""
        self._connection.execute("DELETE FROM news WHERE number = ?", (number,))

    def _news(self, row: Sequence[Any]) -> News:
        number, cause, kind, subject, what, figures, blobs = row
        try:
            named = tuple((str(name), int(value)) for name, value in orjson.loads(figures))
            files = tuple(BlobReference(*blob) for blob in orjson.loads(blobs))
        except (orjson.JSONDecodeError, TypeError, ValueError):
            raise DamagedError(f"{self._path}: damaged: news {number}") from None
        return News(number, Noticed(kind, subject, what, files, named, cause))


def sealed_notice(device: str, span: tuple[int | None, int | None], count: int, blob: BlobReference) -> Noticed:
    """That a batch was sealed: whose, how many blocks, from when to when in UTC ms where that is known."""
    figures = (("count", count), ("first_ms", span[0]), ("last_ms", span[1]))
    return Noticed(SEALED, device, "readings", (blob,), tuple((name, n) for name, n in figures if n is not None))
