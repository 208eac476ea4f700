"""The migration runs in a process of its own, and only when it must; the daemon never carries its library."""

import subprocess
import sys
from pathlib import Path

import pytest
from storages import KEYS, NOW_MS, files

from edge.ports.errors import UnusableError
from edge.storage import databases
from edge.storage.databases import SCHEMA_VERSIONS, migrate_in_child, schema_version
from edge.storage.journal import JournalWriter

pytestmark = pytest.mark.system


def test_a_new_journal_is_made_by_the_child_and_opened_again_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    JournalWriter.open(files(tmp_path), KEYS, NOW_MS).close()
    assert schema_version(tmp_path / "journal.db") == SCHEMA_VERSIONS["journal"]
    monkeypatch.setattr(databases.subprocess, "run", None)
    JournalWriter.open(files(tmp_path), KEYS, NOW_MS).close()


def test_a_child_that_cannot_migrate_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="migration failed"):
        migrate_in_child("nonsense", tmp_path / "x.db")


def test_stores_do_not_load_the_migration_library() -> None:
    modules = "edge.storage.journal, edge.storage.authority, edge.storage.authority_reader, edge.storage.telemetry"
    program = f"import sys, {modules}; print('sqlite_utils' in sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
