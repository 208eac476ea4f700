"""The nightly check of the journal, on real journals; and what the daemon makes of its answer."""

import sqlite3
from pathlib import Path

import orjson
import pytest
from storages import LOG, MIRROR, cosigned, entries, open_journal

from edge.app import integrity
from edge.app.housekeeping import _tell
from edge.core.messages import Noticed
from edge.runtime.housekeeping import Integrity


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """The command of the check, for a journal of 12 entries that HQ cosigned; without the interpreter."""
    writer = open_journal(tmp_path)
    writer.append(entries(0, 12))
    writer.accept_cosignature(cosigned(writer.sign_checkpoint()))
    writer.close()
    argv = integrity.arguments(tmp_path / "journal.db", tmp_path / "checkpoint", LOG.verifier(), MIRROR.cosigner())
    return argv[4:]


def test_an_untouched_journal_is_found_as_written(
    arguments: list[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert integrity.main(arguments) == 0
    said = orjson.loads(capfdbinary.readouterr().out)
    assert said == {"cosigned": 12, "entry": None, "finding": None, "ok": True, "signed": 12, "size": 12}


def test_an_altered_entry_is_named(
    arguments: list[str], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    connection = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("UPDATE entry SET leaf = CAST(replace(leaf, 'd1', 'd2') AS BLOB) WHERE seq = 7")
    connection.close()
    assert integrity.main(arguments) == 1
    said = orjson.loads(capfdbinary.readouterr().out)
    assert (said["ok"], said["entry"]) == (False, 7)
    assert "entry 7" in said["finding"]


def test_a_journal_that_is_not_there_is_a_finding_too(
    arguments: list[str], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "journal.db").unlink()
    assert integrity.main(arguments) == 1
    assert "not readable" in orjson.loads(capfdbinary.readouterr().out)["finding"]


def test_a_journal_that_cannot_be_judged_is_not_called_altered(
    arguments: list[str], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    connection = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert integrity.main(arguments) == 3
    said = capfdbinary.readouterr()
    assert said.out == b""
    assert b"schema 99" in said.err


def test_the_daemon_records_what_was_found() -> None:
    posted: list[Noticed] = []
    _tell(Integrity(3, 2, 1, None, None), posted.append)
    _tell(Integrity(2, 2, 1, 2, "entry 2 is not what was written"), posted.append)
    assert [each.kind for each in posted] == ["integrity.checked", "integrity.failed"]
    assert dict(posted[0].figures) == {"size": 3, "signed": 2, "cosigned": 1}
    assert dict(posted[1].figures)["entry"] == 2
