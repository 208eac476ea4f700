"""A gateway after its day, with what its instrument measured, and the commands that show it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from gateways import Gateway, build_gateway
from storages import NOW_MS, migrate, open_journal

from edge.__main__ import main
from edge.core.entries import Entry, Stamp
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.storage.blobs import BlobStore
from edge.storage.telemetry import TelemetryWriter

BEGAN_MS = 1_780_001_070_000
CLOSED_MS = 1_780_001_076_000
"""When the day of ``gateways`` lets the work of P1 begin and closes it."""

TAKEN = (-1_000, 0, 1_000, 2_000, 5_000, 5_500, 6_000, 7_000)
"""Milliseconds after the beginning at which gas1 was read; the poll is one second."""


def block(after_ms: int) -> BlockRead:
    good = after_ms != 5_500
    steps = (after_ms // 100 + 90 if good else None,)
    quality = Quality.GOOD if good else Quality.COMM_FAIL
    return BlockRead("gas1", ("gas",), steps, (quality,), MonotonicMs(after_ms + 50_000))


class Plant:
    """A gateway after its day, with what its instrument said."""

    def __init__(self, folder: Path, language: str = "en") -> None:
        self.gateway: Gateway = build_gateway(folder, language)
        self.blobs = BlobStore(self.gateway.data / "blobs")
        self.telemetry = TelemetryWriter.open(
            self.gateway.data / "telemetry.db", self.blobs, "boot1", NOW_MS, migrate=migrate
        )
        self.telemetry.expect({"gas1": 1_000})
        self.telemetry.append([block(after) for after in TAKEN], BEGAN_MS - 50_000)

    def record(self) -> None:
        """What is to be told becomes entries."""
        journal = open_journal(self.gateway.data)
        for each in self.telemetry.news(-1, 1_000):
            notice = each.notice
            body: dict[str, Any] = {**dict(notice.figures), "subject": notice.subject, "what": notice.what}
            stamp = Stamp(CLOSED_MS + 60_000, 5_000, "1a38f183", "hq", 40)
            entry = Entry(journal.size, notice.kind, body, stamp, cause=notice.cause, blobs=notice.blobs)
            journal.append([entry])
            assert notice.cause is not None
            self.telemetry.told([(entry.seq, notice.cause)])
        journal.close()

    def seal(self) -> None:
        self.telemetry.seal(2**40)
        self.record()

    def thin(self) -> None:
        while self.telemetry.thin(2**50):
            pass

    def ask(self, *more: str) -> Result:
        return CliRunner().invoke(main, ["permit", "curve", "--config", str(self.gateway.config), "P1", *more])

    def found(self, *more: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask("--json", *more).stdout)
        return found

    def files(self) -> list[Path]:
        with closing(sqlite3.connect(self.gateway.data / "telemetry.db")) as connection:
            return [self.blobs.path(digest) for (digest,) in connection.execute("SELECT sha256 FROM batch")]
