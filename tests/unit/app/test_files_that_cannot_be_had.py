"""Files that this user may not read, or that find no room: named, with the remedy, and nothing half written left."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

from edge.app.pack_commands import read_vkeys
from edge.app.trust import TrustFiles, write_public
from edge.ports.errors import ConfigurationError, DamagedError, StoreError, UnusableError
from edge.storage.databases import open_reader, write_durably


def forbidden(*_: object) -> NoReturn:
    raise PermissionError(13, "Permission denied")


def full(*_: object) -> NoReturn:
    raise OSError(28, "No space left on device")


def test_what_this_user_may_not_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = TrustFiles(tmp_path)
    files.log_key.parent.mkdir()
    files.log_key.write_bytes(b"")
    monkeypatch.setattr(Path, "read_bytes", forbidden)
    for read in (files.read_enrolment, lambda: files.read_log_key("a/b")):
        with pytest.raises(UnusableError, match="run it as the user that the gateway runs as") as caught:
            read()
        assert not isinstance(caught.value, DamagedError)


def test_a_full_disk_is_named_with_the_file_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"pack: no room to write: free disk space"):
            write_durably(tmp_path / "pack", [b"x"])
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(StoreError, match=r"ca\.pem: no room to write: free disk space"):
            write_public(tmp_path / "ca.pem", b"x")


def test_a_journal_that_cannot_be_opened_says_what_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none\.db: unable to open database file: check that it is there"):
        open_reader(tmp_path / "none.db", "journal")


def test_a_wrong_file_for_verifier_keys_is_not_told_line_by_line_without_end(tmp_path: Path) -> None:
    path = tmp_path / "vkeys"
    path.write_text("nonsense\n" * 500)
    with pytest.raises(ConfigurationError) as caught:
        read_vkeys(path)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[0].startswith(f"{path}:1: verifier key: not <name>")
    assert "480 more lines like these; is this the right file?" in caught.value.problems[-1]
