"""Verification names the entry: whatever was altered in a copy of a journal, and wherever."""

import os
import sqlite3
import subprocess
from pathlib import Path
from shutil import copy

import pytest
from storages import KEYS, LOG, MIRROR, STRANGER, cosigned, entries, entry, open_journal

from edge.ports.errors import StoreError
from edge.storage import journal_verify
from edge.storage.journal_reader import EntryRow, JournalReader
from edge.storage.journal_verify import VerifyReport, verify_journal
from sync.formats.checkpoint import Checkpoint, sign
from sync.formats.merkle import leaf_hash

SIZE = 40
TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger'"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed journal of 40 entries, the first 25 cosigned, all signed; entry 30 has evidence."""
    folder = tmp_path_factory.mktemp("sealed")
    writer = open_journal(folder)
    writer.append(entries(0, 25))
    writer.accept_cosignature(cosigned(writer.sign_checkpoint()))
    writer.append([*entries(25, 5), entry(30, permit="PTW-1", evidence=b"what was asked"), *entries(31, SIZE - 31)])
    writer.sign_checkpoint()
    writer.close()
    return folder


def verify(folder: Path) -> VerifyReport:
    return verify_journal(
        folder / "journal.db",
        checkpoint_path=folder / "checkpoint",
        log_key=LOG.verifier(),
        mirror=MIRROR.cosigner(),
    )


def tampered(sealed: Path, folder: Path, *statements: str) -> VerifyReport:
    """The report on a copy whose guards were removed by somebody who can write files."""
    copy(sealed / "journal.db", folder / "journal.db")
    copy(sealed / "checkpoint", folder / "checkpoint")
    connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
    for (name,) in connection.execute(TRIGGERS).fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return verify(folder)


def test_an_untouched_journal_verifies(sealed: Path) -> None:
    report = verify(sealed)
    assert report.ok
    assert (report.size, report.signed_size, report.acked, report.pruned_to) == (SIZE, SIZE, 25, 0)


def test_a_flip_of_any_byte_of_a_leaf_names_its_entry(sealed: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(f"file:{sealed}/journal.db?mode=ro", uri=True)
    leaves = dict(connection.execute("SELECT seq, leaf FROM entry").fetchall())
    connection.close()
    data = (sealed / "journal.db").read_bytes()
    path = tmp_path / "copy.db"
    for seq in (0, 17, SIZE - 1):
        start = data.index(leaves[seq])
        for offset in range(0, len(leaves[seq]), 7):
            flipped = bytearray(data)
            flipped[start + offset] ^= 1 << (offset % 8)
            path.write_bytes(flipped)
            report = verify_journal(path)
            assert report.finding is not None, (seq, offset)
            assert report.finding.seq == seq
            assert f"entry {seq} " in report.finding.en
            assert f"第 {seq} 条" in report.finding.zh


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE entry SET leaf = CAST(leaf || ' ' AS BLOB) WHERE seq = 3", 3),
        ("UPDATE entry SET kind = 'x' WHERE seq = 4", 4),
        ("UPDATE entry SET permit = 'PTW-2' WHERE seq = 5", 5),
        ("UPDATE entry SET wall_ms = 1 WHERE seq = 6", 6),
        ("UPDATE node SET hashes = zeroblob(32) WHERE leaf = 10", 10),
        ("UPDATE node SET hashes = CAST(substr(hashes, 1, 32) || zeroblob(32) AS BLOB) WHERE leaf = 13", 13),
        ("UPDATE node SET hashes = x'00' WHERE leaf = 14", 14),
        ("DELETE FROM node WHERE leaf = 15", 15),
        ("DELETE FROM entry WHERE seq = 16", 16),
        ("DELETE FROM entry WHERE seq >= 35", 35),
        ("DELETE FROM entry", 0),
        ("UPDATE evidence SET data = x'00' WHERE seq = 30", 30),
        ("UPDATE chain SET n = 99 WHERE permit = 'PTW-2'", 37),
        ("DELETE FROM chain WHERE permit = 'PTW-2'", 37),
        ("UPDATE cosigned SET note = replace(note, 'hq', 'qh')", 24),
        ("UPDATE cosigned SET size = 24", 23),
        ("UPDATE cosigned SET at_s = at_s + 1", 24),
        ("UPDATE cosigned SET size = 99", SIZE),
    ],
)
def test_whatever_was_altered_is_named_by_its_entry(sealed: Path, tmp_path: Path, statement: str, seq: int) -> None:
    report = tampered(sealed, tmp_path, statement)
    assert report.finding is not None
    assert report.finding.seq == seq
    assert report.size <= SIZE


def test_entries_with_recomputed_hashes_still_contradict_themselves(sealed: Path, tmp_path: Path) -> None:
    copy(sealed / "journal.db", tmp_path / "journal.db")
    connection = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    for (name,) in connection.execute(TRIGGERS).fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("UPDATE entry SET leaf = (SELECT leaf FROM entry WHERE seq = 8) WHERE seq = 7")
    leaf = connection.execute("SELECT leaf FROM entry WHERE seq = 7").fetchone()[0]
    tail = connection.execute("SELECT substr(hashes, 33) FROM node WHERE leaf = 7").fetchone()[0]
    connection.execute("UPDATE node SET hashes = ? WHERE leaf = 7", (leaf_hash(leaf) + tail,))
    connection.close()
    report = verify_journal(tmp_path / "journal.db")
    assert report.finding is not None
    assert report.finding.seq == 7


def test_a_whole_rewrite_is_shown_by_the_signed_checkpoint(sealed: Path, tmp_path: Path) -> None:
    writer = open_journal(tmp_path)
    writer.append([entry(0, body={"forged": True}), *entries(1, SIZE - 1)])
    writer.close()
    copy(sealed / "checkpoint", tmp_path / "checkpoint")
    report = verify(tmp_path)
    assert report.finding is not None
    assert report.finding.seq == SIZE - 1
    assert "not those signed" in report.finding.en


def test_a_cosignature_by_another_key_is_named(sealed: Path) -> None:
    report = verify_journal(sealed / "journal.db", log_key=LOG.verifier(), mirror=STRANGER.cosigner())
    assert report.finding is not None
    assert report.finding.seq == 24


def test_a_checkpoint_over_more_than_is_held_names_the_first_missing(sealed: Path, tmp_path: Path) -> None:
    copy(sealed / "journal.db", tmp_path / "journal.db")
    (tmp_path / "checkpoint").write_text(sign(Checkpoint(KEYS.signing.name, SIZE + 2, leaf_hash(b"")), LOG))
    report = verify(tmp_path)
    assert report.finding is not None
    assert report.finding.seq == SIZE


def test_a_damaged_checkpoint_file_is_a_finding_of_no_entry(sealed: Path, tmp_path: Path) -> None:
    copy(sealed / "journal.db", tmp_path / "journal.db")
    (tmp_path / "checkpoint").write_bytes(b"\xff")
    report = verify(tmp_path)
    assert report.finding is not None
    assert report.finding.seq is None


def test_what_is_no_journal_is_a_finding_and_not_an_exception(tmp_path: Path) -> None:
    assert not verify_journal(tmp_path / "absent.db").ok
    (tmp_path / "garbage.db").write_bytes(b"garbage" * 1000)
    assert not verify_journal(tmp_path / "garbage.db").ok
    (tmp_path / "empty.db").write_bytes(b"")
    assert not verify_journal(tmp_path / "empty.db").ok


def test_a_journal_that_cannot_be_judged_is_not_called_altered(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(reader: JournalReader, start: int, limit: int) -> tuple[EntryRow, ...]:
        raise StoreError("database is locked")

    monkeypatch.setattr(JournalReader, "rows", busy)
    with pytest.raises(StoreError, match="locked"):
        verify(sealed)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_copy_where_nothing_can_be_written_verifies(sealed: Path, tmp_path: Path) -> None:
    copy(sealed / "journal.db", tmp_path / "journal.db")
    subprocess.run(["mount", "--bind", tmp_path, tmp_path], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", tmp_path], check=True)
        assert verify_journal(tmp_path / "journal.db").ok
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_pruned_journal_verifies_by_its_hashes_and_chains(tmp_path: Path) -> None:
    writer = open_journal(tmp_path)
    writer.append([*entries(0, 30), entry(30, "log.pruned", body={"to": 20})], b"state")
    writer.accept_cosignature(cosigned(writer.sign_checkpoint()))
    writer.prune(20)
    writer.append(entries(31, 10))
    writer.close()
    report = verify(tmp_path)
    assert report.ok, report.finding
    assert (report.size, report.pruned_to) == (41, 20)
    (tmp_path / "copy").mkdir()
    after = tampered(tmp_path, tmp_path / "copy", "UPDATE node SET hashes = zeroblob(32) WHERE leaf = 2")
    assert after.finding is not None
    assert after.finding.seq == 3


def test_a_journal_that_grows_meanwhile_is_not_called_altered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway goes on recording, signing and being cosigned while its journal is checked."""
    writer = open_journal(tmp_path)
    writer.append(entries(0, 10))
    writer.accept_cosignature(cosigned(writer.sign_checkpoint()))

    class Growing(JournalReader):
        def size(self) -> int:
            size = super().size()
            if size == 10:
                writer.append(entries(10, 600))
                writer.accept_cosignature(cosigned(writer.sign_checkpoint()))
            return size

    monkeypatch.setattr(journal_verify, "JournalReader", Growing)
    report = verify(tmp_path)
    writer.close()
    assert report.finding is None
    assert 10 <= report.size <= 610
