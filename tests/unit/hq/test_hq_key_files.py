"""HQ's keys on disk: there whole or not at all, named when they are none, and made again after any failure."""

import os
from pathlib import Path

import pytest

from sync.hq import admin, key_files
from sync.hq.key_files import load_key, make_key, write_secret
from sync.hq.refusals import Refusal

NAMES = ("s014", "pg.example.org")
NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    "content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff\x00"]
)
def test_a_file_that_is_no_key_is_named_and_its_content_is_not(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "root.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Refusal, match=r"root\.pem: not a private key in PEM; restore it"):
        load_key(path)


def test_a_full_disk_leaves_no_half_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(key_files.os, "fsync", full)
        with pytest.raises(Refusal, match="No space left on device"):
            make_key(tmp_path / "root.pem")
    assert list(tmp_path.iterdir()) == []
    make_key(tmp_path / "root.pem")
    assert load_key(tmp_path / "root.pem")


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    write_secret(tmp_path / "key", b"first")
    with pytest.raises(FileExistsError):
        write_secret(tmp_path / "key", b"second")
    assert (tmp_path / "key").read_bytes() == b"first"
    assert os.stat(tmp_path / "key").st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("lost", ["tls/server.pem", "tls/ca.pem", "hq.json", "keys/mirror.pem"])
def test_init_goes_on_wherever_it_was_broken_off(tmp_path: Path, lost: str) -> None:
    folder = tmp_path / "hq"
    first = admin.init(folder, NAMES, "gw1", [], NOW_MS)
    (folder / "hq.json").unlink(missing_ok=True)
    if lost != "hq.json":
        (folder / lost).unlink()
    if lost == "tls/ca.pem":
        (folder / "tls/server.pem").unlink()
    if lost == "keys/mirror.pem":
        (folder / "trust" / "root.json").unlink(missing_ok=True)
    again = admin.init(folder, NAMES, "gw1", ["hq.example.org"], NOW_MS)
    assert again.made
    assert "hq.example.org" in again.hosts
    assert again.code != first.code
