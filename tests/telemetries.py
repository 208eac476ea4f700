"""A gateway's readings and its journal in one folder, and what the daemon does between them."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from storages import NOW_MS, cosigned, migrate, open_journal

from edge.core.entries import Entry, Stamp
from edge.core.messages import Noticed
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.ports.stores import Lost
from edge.storage.blobs import BlobStore
from edge.storage.journal import JournalWriter
from edge.storage.journal_reader import JournalReader
from edge.storage.reconcile import reconcile
from edge.storage.telemetry import TelemetryWriter

OFFSET_MS = NOW_MS - 10_000
POLLS = {"gas-1": 1_000, "gas-2": 1_000}


def block(taken_at_ms: int, device: str = "gas-1") -> BlockRead:
    return BlockRead(device, ("lel",), (taken_at_ms % 7,), (Quality.GOOD,), MonotonicMs(taken_at_ms))


class Gateway:
    """Telemetry and journal in one folder, and what the daemon does between them."""

    def __init__(self, folder: Path, compare: bool = True) -> None:
        """``compare``: with the journal, as at every start."""
        self.folder = folder
        self.blobs = BlobStore(folder / "blobs")
        self.journal: JournalWriter = open_journal(folder)
        self.start(compare=compare)

    def start(self, boot_id: str = "boot1", *, compare: bool = True) -> None:
        """As at every start of the daemon."""
        path = self.folder / "telemetry.db"
        self.telemetry = TelemetryWriter.open(path, self.blobs, boot_id, NOW_MS, migrate=migrate)
        self.telemetry.expect(POLLS)
        if compare:
            with closing(JournalReader(self.folder / "journal.db")) as reader:
                reconcile(self.telemetry, reader)

    def kill(self, boot_id: str = "boot1") -> None:
        """Nothing is finished; what is committed stays."""
        self.telemetry.close()
        self.start(boot_id)

    def store(self, *taken: int, offset_ms: int | None = OFFSET_MS, lost: Sequence[Lost] = ()) -> None:
        self.telemetry.append([block(each) for each in taken], offset_ms, lost)

    def seal(self) -> None:
        while self.telemetry.seal(2**40):
            pass

    def untold(self, kind: str) -> list[Noticed]:
        return [each.notice for each in self.telemetry.news(-1, 1_000) if each.notice.kind == kind]

    def gaps(self) -> list[tuple[str, str, dict[str, int]]]:
        return [(each.subject, each.what, dict(each.figures)) for each in self.untold("telemetry.gap")]

    def record(self) -> list[tuple[int, str]]:
        """Everything untold becomes a durable entry; returns what the telemetry would be told."""
        told = []
        for each in self.telemetry.news(-1, 10_000):
            notice = each.notice
            body: dict[str, Any] = {**dict(notice.figures), "subject": notice.subject, "what": notice.what}
            stamp = Stamp(NOW_MS, 5_000, "1a38f183", "hq", 40)
            size = self.journal.size
            entry = Entry(size, notice.kind, body, stamp, cause=notice.cause, blobs=notice.blobs)
            self.journal.append([entry])
            assert notice.cause is not None
            told.append((size, notice.cause))
        return told

    def cosign(self) -> int:
        return self.journal.accept_cosignature(cosigned(self.journal.sign_checkpoint()))

    def entries(self) -> list[str]:
        with closing(JournalReader(self.folder / "journal.db")) as reader:
            return [row.kind for row in reader.rows(0)]

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "telemetry.db")) as connection:
            return connection.execute(statement).fetchall()

    def close(self) -> None:
        self.telemetry.close()
        self.journal.close()
