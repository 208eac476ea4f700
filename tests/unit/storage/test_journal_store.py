"""The journal's promises J1 to J6, and what a bad file, key or neighbour gets."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from shutil import copy

import pytest
from storages import KEYS, LOG, MIRROR, NOW_MS, ORIGIN, STRANGER, cosigned, entries, entry, files, migrate, open_journal

from edge.core.entries import BlobReference
from edge.ports.errors import DamagedError, RefusedError, StoreError, UnusableError
from edge.ports.stores import BehindSigned, BehindSignedError, DiskFullError, NewerDatabaseError, OwnedError
from edge.storage.databases import schema_version
from edge.storage.journal import JournalKeys, JournalWriter
from edge.storage.journal_reader import JournalReader, Search
from sync.formats import canonical
from sync.formats.checkpoint import Checkpoint, open_checkpoint, sign
from sync.formats.cosignature import cosign
from sync.formats.merkle import consistency_proof, leaf_hash, root_at, verify_consistency
from sync.formats.note import SigningKey
from sync.formats.permit_chain import chain_link, chain_start


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalWriter]:
    writer = open_journal(tmp_path)
    yield writer
    writer.close()


@pytest.fixture
def reader(tmp_path: Path, journal: JournalWriter) -> Iterator[JournalReader]:
    opened = JournalReader(tmp_path / "journal.db")
    yield opened
    opened.close()


def raw(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "journal.db", isolation_level=None)


# ---- bytes -----------------------------------------------------------------------------------------------------------


def test_a_leaf_has_exactly_the_members_of_the_format(journal: JournalWriter, reader: JournalReader) -> None:
    whole = entry(
        0, permit="PTW-1", cause="tap-9", actor={"id": "u-1"}, blobs=(BlobReference("ab" * 32, "image/jpeg", 9),)
    )
    journal.append([whole, entry(1)])
    leaf = canonical.decode(reader.leaf(0))
    assert leaf == {
        "act": {"id": "u-1"},
        "blob": [{"h": "sha256:" + "ab" * 32, "mt": "image/jpeg", "n": 9}],
        "body": {"door": "d1", "step": 0},
        "cause": "tap-9",
        "org": ORIGIN,
        "pid": "PTW-1",
        "pn": 1,
        "pp": chain_start(ORIGIN, "PTW-1").hex(),
        "seq": 0,
        "t": {"b": "1a38f183", "m": 5_000, "q": "hq", "u": 40, "w": NOW_MS},
        "typ": "access.decided",
        "v": 1,
    }
    assert set(canonical.decode(reader.leaf(1))) == {"body", "org", "seq", "t", "typ", "v"}
    assert reader.entries(0) == (whole, entry(1))


def test_an_entry_of_a_permit_continues_its_chain_over_restarts(tmp_path: Path) -> None:
    writer = open_journal(tmp_path)
    writer.append([entry(0, permit="P"), entry(1), entry(2, permit="P")])
    writer.close()
    writer = open_journal(tmp_path)
    writer.append([entry(3, permit="P"), entry(4, permit="Q")])
    reader = JournalReader(tmp_path / "journal.db")
    head = chain_start(ORIGIN, "P")
    links = reader.chain("P")
    assert [(link.n, link.seq) for link in links] == [(1, 0), (2, 2), (3, 3)]
    for link in links:
        assert canonical.decode(reader.leaf(link.seq))["pp"] == head.hex()
        head = chain_link(head, leaf_hash(reader.leaf(link.seq)))
        assert link.head == head
    assert reader.chain_head("P") == (3, head)
    assert reader.chain("nobody") == ()
    reader.close()
    writer.close()


# ---- J1: never changed, never deleted --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET leaf = x'00' WHERE seq = 1",
        "UPDATE entry SET seq = 99 WHERE seq = 1",
        "DELETE FROM entry WHERE seq = 0",
        "DELETE FROM entry",
        "INSERT OR REPLACE INTO entry VALUES (1, 'x', NULL, NULL, x'00')",
        "INSERT INTO entry VALUES (7, 'x', NULL, NULL, x'00')",
        "UPDATE node SET hashes = x'00'",
        "DELETE FROM node",
        "UPDATE mark SET value = 2 WHERE name = 'pruned_to'",
        "DELETE FROM mark",
    ],
)
def test_j1_the_database_itself_refuses_to_rewrite_the_past(
    tmp_path: Path, journal: JournalWriter, reader: JournalReader, statement: str
) -> None:
    journal.append(entries(0, 3))
    before = reader.leaves(0)
    connection = raw(tmp_path)
    with pytest.raises(sqlite3.IntegrityError, match=r"J1|J6|U2"):
        connection.execute(statement)
    connection.close()
    assert reader.leaves(0) == before


def test_j1_an_acknowledgement_is_never_taken_back(tmp_path: Path, journal: JournalWriter) -> None:
    journal.append(entries(0, 3))
    journal.accept_cosignature(cosigned(journal.sign_checkpoint()))
    connection = raw(tmp_path)
    for statement in ("DELETE FROM cosigned", "UPDATE cosigned SET size = 1"):
        with pytest.raises(sqlite3.IntegrityError, match="U4"):
            connection.execute(statement)
    connection.close()


def test_pruning_takes_only_what_hq_holds_and_an_entry_announced(journal: JournalWriter, reader: JournalReader) -> None:
    journal.append(entries(0, 10))
    with pytest.raises(RefusedError, match="not acknowledged"):
        journal.prune(5)
    journal.accept_cosignature(cosigned(journal.sign_checkpoint()))
    with pytest.raises(RefusedError, match="saved state is older"):
        journal.prune(5)
    journal.append([entry(10)], b"state")
    with pytest.raises(RefusedError, match=r"no durable log\.pruned"):
        journal.prune(5)
    journal.append([entry(11, "log.pruned", body={"to": 5})])
    with pytest.raises(RefusedError, match="not acknowledged"):
        journal.prune(11)
    root = root_at(12, reader.node)
    assert journal.prune(5) == 5
    assert reader.pruned_to() == 5
    with pytest.raises(RefusedError, match="not held"):
        reader.leaf(4)
    with pytest.raises(RefusedError, match="pruned"):
        reader.leaves(0)
    assert canonical.decode(reader.leaf(5))["seq"] == 5
    assert root_at(12, reader.node) == root
    journal.append(entries(12, 2))
    assert journal.size == 14


# ---- J2: all or nothing ----------------------------------------------------------------------------------------------


def test_j2_a_full_disk_is_named_and_nothing_of_the_append_is_stored(
    tmp_path: Path, journal: JournalWriter, reader: JournalReader
) -> None:
    journal.append(entries(0, 3), b"state 3")
    journal._connection.execute("PRAGMA max_page_count = 20")  # SQLite's own limit: the same SQLITE_FULL as ENOSPC
    big = [entry(seq, permit="P", evidence=b"q" * 3_000) for seq in range(3, 103)]
    with pytest.raises(DiskFullError, match="no room"):
        journal.append(big, b"state 103")
    assert (journal.size, reader.size(), reader.chain_head("P")) == (3, 3, None)
    assert reader.evidence(3) is None
    state = reader.saved_state()
    assert state is not None
    assert (state.next_entry, state.data) == (3, b"state 3")
    with pytest.raises(RefusedError):
        reader.node(0, 3)
    journal._connection.execute("PRAGMA max_page_count = 1000000")
    assert journal.append(big, b"state 103") == 103
    assert reader.evidence(3) == b"q" * 3_000


def test_the_saved_state_names_the_entry_it_stands_before(journal: JournalWriter, reader: JournalReader) -> None:
    assert reader.saved_state() is None
    journal.append(entries(0, 2), b"first")
    journal.append(entries(2, 2))
    state = reader.saved_state()
    assert state is not None
    assert (state.next_entry, state.data) == (2, b"first")


# ---- J3, J4, J5: what was signed -------------------------------------------------------------------------------------


def test_j3_a_signature_is_on_disk_before_it_is_returned(tmp_path: Path, journal: JournalWriter) -> None:
    journal.append(entries(0, 5))
    note = journal.sign_checkpoint()
    assert (tmp_path / "checkpoint").read_text() == note
    assert open_checkpoint(note, LOG.verifier()).size == 5


def test_j3_no_signature_leaves_when_the_second_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    places = replace(files(tmp_path), checkpoint=tmp_path / "elsewhere" / "checkpoint")
    writer = JournalWriter.open(places, KEYS, NOW_MS, migrate=migrate)
    writer.append(entries(0, 5))
    (tmp_path / "elsewhere").rmdir()
    with pytest.raises(StoreError, match="not written"):
        writer.sign_checkpoint()
    (tmp_path / "elsewhere").mkdir()
    assert open_checkpoint(writer.sign_checkpoint(), LOG.verifier()).size == 5
    writer.close()


def test_j4_a_journal_behind_its_signed_size_neither_signs_nor_appends(tmp_path: Path) -> None:
    writer = open_journal(tmp_path)
    writer.append(entries(0, 5))
    writer.close()
    copy(tmp_path / "journal.db", tmp_path / "old.db")
    writer = open_journal(tmp_path)
    writer.append(entries(5, 3))
    signed = writer.sign_checkpoint()
    writer.close()
    copy(tmp_path / "old.db", tmp_path / "journal.db")
    writer = open_journal(tmp_path)
    assert writer.behind == BehindSigned(5, 8)
    with pytest.raises(BehindSignedError, match="8 were signed"):
        writer.sign_checkpoint()
    with pytest.raises(BehindSignedError):
        writer.append([entry(5)])
    writer.close()
    assert (tmp_path / "checkpoint").read_text() == signed


def test_j4_a_lost_journal_is_behind_too(tmp_path: Path) -> None:
    writer = open_journal(tmp_path)
    writer.append(entries(0, 5))
    writer.sign_checkpoint()
    writer.close()
    (tmp_path / "journal.db").unlink()
    writer = open_journal(tmp_path)
    assert writer.behind == BehindSigned(0, 5)
    writer.close()


def test_a_journal_with_another_past_than_the_signed_one_is_set_aside(tmp_path: Path) -> None:
    writer = open_journal(tmp_path)
    writer.append([entry(0), entry(1, body={"other": 1})])
    writer.close()
    (tmp_path / "checkpoint").write_text(sign(Checkpoint(ORIGIN, 2, leaf_hash(b"another tree")), LOG))
    with pytest.raises(DamagedError, match=r"another root at 2.*kept as .*journal\.db\.damaged-20261105T"):
        open_journal(tmp_path)
    assert not (tmp_path / "journal.db").exists()


def test_with_a_damaged_checkpoint_file_nobody_knows_what_was_signed(tmp_path: Path) -> None:
    writer = open_journal(tmp_path)
    writer.append(entries(0, 3))
    note = writer.sign_checkpoint()
    writer.close()
    (tmp_path / "checkpoint").write_text("not a note")
    writer = open_journal(tmp_path)
    assert writer.behind == BehindSigned(3, None)
    for refused in (lambda: writer.append([entry(3)]), writer.sign_checkpoint):
        with pytest.raises(BehindSignedError, match="checkpoint: damaged"):
            refused()
    writer.close()
    (tmp_path / "checkpoint").write_text(note)
    writer = open_journal(tmp_path)
    assert writer.append([entry(3)]) == 4
    writer.close()


def test_j5_all_signed_checkpoints_are_consistent(journal: JournalWriter, reader: JournalReader) -> None:
    signed = []
    for size in (1, 2, 3, 7, 8, 20, 33):
        journal.append(entries(journal.size, size - journal.size))
        signed.append(open_checkpoint(journal.sign_checkpoint(), LOG.verifier()))
    for old in signed:
        for new in (each for each in signed if each.size >= old.size):
            proof = consistency_proof(old.size, new.size, reader.node)
            verify_consistency(old.size, new.size, old.root, new.root, proof)


def test_an_unchanged_log_signs_the_same_note(journal: JournalWriter) -> None:
    journal.append(entries(0, 1))
    assert journal.sign_checkpoint() == journal.sign_checkpoint()


# ---- J6 and what may not be appended ---------------------------------------------------------------------------------


def test_j6_an_entry_out_of_order_is_refused(journal: JournalWriter) -> None:
    journal.append(entries(0, 3))
    for wrong in ([entry(2)], [entry(4)], [entry(3), entry(5)]):
        with pytest.raises(UnusableError, match="J6"):
            journal.append(wrong)
    assert journal.append([entry(3)]) == 4


def test_evidence_that_the_leaf_does_not_name_is_refused(journal: JournalWriter) -> None:
    with pytest.raises(UnusableError, match="SHA-256"):
        journal.append([replace(entry(0), evidence=b"unnamed")])
    with pytest.raises(UnusableError, match="cannot be written"):
        journal.append([entry(0, body={"value": 1.5})])
    assert journal.size == 0


def test_erased_evidence_leaves_its_hash_in_the_leaf(journal: JournalWriter, reader: JournalReader) -> None:
    journal.append([entry(0, evidence=b"question")])
    assert reader.evidence(0) == b"question"
    journal.erase_evidence([0])
    assert reader.evidence(0) is None
    assert canonical.decode(reader.leaf(0))["body"]["question"] == sha256(b"question").hexdigest()


# ---- acknowledgement -------------------------------------------------------------------------------------------------


def test_a_cosignature_acknowledges_and_is_kept(tmp_path: Path, journal: JournalWriter, reader: JournalReader) -> None:
    journal.append(entries(0, 5))
    note = cosigned(journal.sign_checkpoint(), 1_000)
    assert journal.accept_cosignature(note) == 5
    assert journal.accept_cosignature(cosigned(journal.sign_checkpoint(), 2_000)) == 5
    found = reader.cosigned()
    assert found is not None
    assert (found.size, found.at_s, found.note) == (5, 1_000, note)
    journal.close()
    reopened = open_journal(tmp_path)
    assert reopened.acked == 5
    reopened.close()


def test_a_bare_cosignature_line_is_taken_for_the_last_signed_checkpoint(journal: JournalWriter) -> None:
    journal.append(entries(0, 5))
    assert journal.accept_cosignature(cosign(journal.sign_checkpoint(), MIRROR, 1_000)) == 5


def test_the_acknowledged_size_never_falls(journal: JournalWriter) -> None:
    journal.append(entries(0, 5))
    old = cosigned(journal.sign_checkpoint())
    journal.append(entries(5, 5))
    assert journal.accept_cosignature(cosigned(journal.sign_checkpoint())) == 10
    assert journal.accept_cosignature(old) == 10


def test_a_false_cosignature_changes_nothing(journal: JournalWriter, reader: JournalReader) -> None:
    journal.append(entries(0, 5))
    note = journal.sign_checkpoint()
    fork = sign(Checkpoint(ORIGIN, 5, leaf_hash(b"other")), LOG)
    beyond = sign(Checkpoint(ORIGIN, 6, leaf_hash(b"other")), LOG)
    foreign = SigningKey("pg.example.org/gw/gw2/1", LOG.private)
    elsewhere = sign(Checkpoint(foreign.name, 5, leaf_hash(b"other")), foreign)
    for wrong, why in (
        (note, "no cosignature"),
        (cosigned(note, key=STRANGER), "no cosignature"),
        (cosigned(note)[:-6] + "AAA=\n", "refused"),
        (cosigned(fork), "FORK"),
        (cosigned(beyond), "5 are held"),
        (cosigned(elsewhere), "refused"),
        ("", "refused"),
        ("garbage", "refused"),
        (cosign(fork, MIRROR, 1), "does not verify"),
    ):
        with pytest.raises(RefusedError, match=why):
            journal.accept_cosignature(wrong)
    assert (journal.acked, reader.acked(), reader.cosigned()) == (0, 0, None)


# ---- files that cannot be used ---------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_renamed_kept_and_named(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(DamagedError, match=r"kept as .*damaged-20261105T\d{6}Z"):
        open_journal(tmp_path)
    kept = list(tmp_path.glob("journal.db.damaged-*"))
    assert [path.read_bytes() for path in kept] == [b"garbage" * 1000]


def test_a_damaged_page_is_found_at_open_and_the_file_kept(tmp_path: Path) -> None:
    writer = open_journal(tmp_path)
    writer.append(entries(0, 500))
    writer.close()
    path = tmp_path / "journal.db"
    data = bytearray(path.read_bytes())
    for page in range(len(data) // 2, len(data) - 4096, 4096):
        data[page : page + 64] = b"\xff" * 64
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="kept as"):
        open_journal(tmp_path)
    assert not path.exists()
    assert any(kept.read_bytes() == data for kept in tmp_path.glob("journal.db.damaged-*"))


def test_two_damaged_files_of_one_second_are_both_kept(tmp_path: Path) -> None:
    for content in (b"first" * 500, b"second" * 500):
        (tmp_path / "journal.db").write_bytes(content)
        with pytest.raises(DamagedError):
            open_journal(tmp_path)
    assert len(list(tmp_path.glob("journal.db.damaged-*"))) == 2


def test_a_newer_schema_is_named_and_left_alone(tmp_path: Path) -> None:
    open_journal(tmp_path).close()
    connection = raw(tmp_path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(NewerDatabaseError, match="schema 99"):
        open_journal(tmp_path)
    assert schema_version(tmp_path / "journal.db") == 99


def test_a_journal_of_another_origin_is_refused(tmp_path: Path) -> None:
    open_journal(tmp_path).close()
    other = JournalKeys(SigningKey("pg.example.org/gw/gw1/2", LOG.private), MIRROR.cosigner())
    with pytest.raises(UnusableError, match="never resumed"):
        open_journal(tmp_path, other)


def test_a_second_owner_is_refused_until_the_first_lets_go(tmp_path: Path, journal: JournalWriter) -> None:
    with pytest.raises(OwnedError, match="another process"):
        open_journal(tmp_path)
    journal.close()
    open_journal(tmp_path).close()


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_a_reader_cannot_write(journal: JournalWriter, reader: JournalReader) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("INSERT INTO mark VALUES ('x', 1)")


def test_a_reader_takes_at_most_256_rows(journal: JournalWriter, reader: JournalReader) -> None:
    journal.append(entries(0, 300))
    assert len(reader.leaves(0, 10_000)) == 256
    assert len(reader.search(Search(), 0, 10_000)) == 256
    assert len(reader.leaves(250, 10)) == 10
    assert reader.leaves(300) == ()


def test_search_finds_by_kind_permit_and_time(journal: JournalWriter, reader: JournalReader) -> None:
    journal.append([entry(0), entry(1, "door.fault"), entry(2, permit="P"), entry(3, "door.fault", permit="P")])

    def found(wanted: Search, start: int = 0) -> list[int]:
        return [seq for seq, _ in reader.search(wanted, start)]

    assert found(Search(kind="door.fault")) == [1, 3]
    assert found(Search(permit="P")) == [2, 3]
    assert found(Search(kind="door.fault", permit="P")) == [3]
    assert found(Search(from_ms=NOW_MS + 1_000, to_ms=NOW_MS + 3_000)) == [1, 2]
    assert found(Search(), start=3) == [3]
    assert found(Search(kind="none")) == []


def test_the_time_bracket_is_hqs_mark_before_and_cosignature_after(
    journal: JournalWriter, reader: JournalReader
) -> None:
    journal.append([entry(0), entry(1, "authority.applied", body={"fresh_ms": 777_000}), entry(2)])
    assert reader.bracket(2) == (777_000, None)
    journal.accept_cosignature(cosigned(journal.sign_checkpoint(), 900))
    journal.append([entry(3)])
    journal.accept_cosignature(cosigned(journal.sign_checkpoint(), 950))
    assert reader.bracket(0) == (None, 900_000)
    assert reader.bracket(2) == (777_000, 900_000)
    assert reader.bracket(3) == (777_000, 950_000)


def test_no_journal_to_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"journal\.db"):
        JournalReader(tmp_path / "journal.db")


def test_the_wal_is_copied_by_the_owner_alone(tmp_path: Path, journal: JournalWriter, reader: JournalReader) -> None:
    size_before = (tmp_path / "journal.db").stat().st_size
    journal.append(entries(0, 200))
    assert journal.wal_bytes() > 0
    assert (tmp_path / "journal.db").stat().st_size == size_before
    assert journal.checkpoint_wal()
    assert journal.wal_bytes() == 0
    assert (tmp_path / "journal.db").stat().st_size > size_before


def test_a_reader_in_mid_transaction_keeps_the_wal_from_being_copied_whole(
    journal: JournalWriter, reader: JournalReader
) -> None:
    journal.append(entries(0, 10))
    reader._connection.execute("BEGIN")
    reader.size()
    journal.append(entries(10, 10))
    assert not journal.checkpoint_wal()
    assert journal.wal_bytes() > 0
    reader._connection.execute("COMMIT")
    assert journal.checkpoint_wal()
