"""HQ cosigns what it holds and nothing else, and never two histories of one log (J8, J9)."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.formats import canonical, checkpoint, cosignature, merkle, note, package
from sync.formats.encoding import to_base64
from sync.hq import sqlite_store
from sync.hq.mirror import Cosigned, EntriesMissing, Mirror, OtherSize, parse_request
from sync.hq.refusals import Refusal, RefusalCode
from sync.hq.sqlite_store import SqliteStore
from sync.hq.store import HqTransaction, LogRole

ORIGIN = "pg.example.org/gw/gw1/1"
GATEWAY = note.SigningKey(ORIGIN, Ed25519PrivateKey.generate())
MIRROR = note.SigningKey("pg.example.org/hq/mirror", Ed25519PrivateKey.generate())
NOW_MS = 1_800_000_000_000


def entry(index: int, word: str = "x") -> bytes:
    return canonical.encode({"org": ORIGIN, "seq": index, "word": word})


def entries(start: int, end: int) -> list[bytes]:
    return [entry(index) for index in range(start, end)]


def sent(start: int, end: int) -> package.Package:
    return package.decode(package.encode(ORIGIN, start, entries(start, end)))


def signed(size: int, key: note.SigningKey = GATEWAY, leaves: list[bytes] | None = None) -> str:
    frontier, _ = merkle.EMPTY.extend(merkle.leaf_hash(leaf) for leaf in leaves or entries(0, size))
    return checkpoint.sign(checkpoint.Checkpoint(key.name, size, frontier.root()), key)


def request(old: int, head: str, *proof: str) -> bytes:
    return "".join([f"old {old}\n", *(f"{line}\n" for line in proof), "\n", head]).encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "hq.db")
    with store.writing() as transaction:
        transaction.add_log(ORIGIN, LogRole.GATEWAY, str(GATEWAY.verifier()))
    yield store
    store.close()


@pytest.fixture
def mirror(store: SqliteStore) -> Mirror:
    return Mirror(store, MIRROR)


def offer(mirror: Mirror, old: int, head: str) -> Cosigned | OtherSize | EntriesMissing:
    return mirror.add_checkpoint(parse_request(request(old, head)), NOW_MS)


def refused(mirror: Mirror, old: int, head: str) -> RefusalCode:
    with pytest.raises(Refusal) as caught:
        offer(mirror, old, head)
    return caught.value.code


def test_a_held_log_is_cosigned_with_hqs_time(mirror: Mirror) -> None:
    assert mirror.add_entries(sent(0, 3)) == 3
    reply = offer(mirror, 0, signed(3))
    assert isinstance(reply, Cosigned)
    assert cosignature.verify_cosignature(signed(3), reply.line, MIRROR.cosigner()) == NOW_MS // 1000


def test_what_is_not_held_is_not_cosigned(mirror: Mirror) -> None:
    mirror.add_entries(sent(0, 2))
    assert offer(mirror, 0, signed(3)) == EntriesMissing(3, 2)


def test_a_gap_changes_nothing_and_names_the_next_index(mirror: Mirror) -> None:
    mirror.add_entries(sent(0, 2))
    assert mirror.add_entries(sent(5, 6)) == 2
    assert offer(mirror, 0, signed(6)) == EntriesMissing(6, 2)


def test_another_old_size_is_answered_with_the_true_one(mirror: Mirror) -> None:
    mirror.add_entries(sent(0, 4))
    offer(mirror, 0, signed(2))
    assert offer(mirror, 0, signed(4)) == OtherSize(2)
    assert offer(mirror, 3, signed(4)) == OtherSize(2)
    assert isinstance(offer(mirror, 2, signed(4)), Cosigned)


def test_the_mirror_never_goes_back(mirror: Mirror) -> None:
    mirror.add_entries(sent(0, 4))
    offer(mirror, 0, signed(4))
    assert offer(mirror, 0, signed(2)) == OtherSize(4)
    assert offer(mirror, 2, signed(2)) == OtherSize(4)


def test_the_same_tree_may_be_cosigned_again(mirror: Mirror) -> None:
    mirror.add_entries(sent(0, 4))
    offer(mirror, 0, signed(4))
    assert isinstance(offer(mirror, 4, signed(4)), Cosigned)


def test_a_root_of_other_entries_is_kept_as_evidence_and_not_cosigned(mirror: Mirror) -> None:
    mirror.add_entries(sent(0, 3))
    other = [entry(0), entry(1, "y"), entry(2)]
    assert refused(mirror, 0, signed(3, leaves=other)) is RefusalCode.WRONG_ROOT
    assert isinstance(offer(mirror, 0, signed(3)), Cosigned)


def test_a_second_root_of_a_cosigned_size_freezes_the_log(mirror: Mirror) -> None:
    mirror.add_entries(sent(0, 3))
    offer(mirror, 0, signed(3))
    other = [entry(0), entry(1, "y"), entry(2)]
    assert refused(mirror, 3, signed(3, leaves=other)) is RefusalCode.FORK
    assert refused(mirror, 3, signed(3)) is RefusalCode.ORIGIN_FROZEN


def test_other_bytes_at_a_held_index_freeze_the_log_and_replace_nothing(mirror: Mirror, store: SqliteStore) -> None:
    mirror.add_entries(sent(0, 3))
    forged = package.Package(ORIGIN, 1, 2, (entry(1, "y"),))
    with pytest.raises(Refusal) as caught:
        mirror.add_entries(forged)
    assert caught.value.code is RefusalCode.FORK
    with store.reading() as transaction:
        assert transaction.leaves(ORIGIN, 0, 9) == entries(0, 3)
        log = transaction.log(ORIGIN)
    assert log is not None
    assert log.frozen == "two entries 1"
    with pytest.raises(Refusal, match="frozen"):
        mirror.add_entries(sent(3, 4))


@pytest.mark.parametrize(
    "leaf",
    [
        canonical.encode({"org": ORIGIN, "seq": 7}),
        canonical.encode({"org": ORIGIN, "seq": False}),
        canonical.encode({"org": "pg.example.org/gw/gw2/1", "seq": 0}),
        b'{"seq":0,"org":"pg.example.org/gw/gw1/1"}',
        b"\xff",
    ],
)
def test_an_entry_of_another_place_or_form_is_refused_whole(mirror: Mirror, leaf: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        mirror.add_entries(package.Package(ORIGIN, 0, 1, (leaf,)))
    assert caught.value.code is RefusalCode.ENTRY_MALFORMED
    assert mirror.add_entries(sent(5, 6)) == 0


def test_a_false_consistency_proof_is_refused_and_a_true_one_taken(mirror: Mirror, store: SqliteStore) -> None:
    mirror.add_entries(sent(0, 6))
    offer(mirror, 0, signed(4))
    with store.reading() as transaction:
        proof = merkle.consistency_proof(4, 6, lambda level, index: transaction.node(ORIGIN, level, index))
    lines = [to_base64(node) for node in proof]
    false = parse_request(request(4, signed(6), *reversed(lines), lines[0]))
    with pytest.raises(Refusal) as caught:
        mirror.add_checkpoint(false, NOW_MS)
    assert caught.value.code is RefusalCode.PROOF
    assert isinstance(mirror.add_checkpoint(parse_request(request(4, signed(6), *lines)), NOW_MS), Cosigned)


def test_strangers_and_forgers_are_refused_by_name(mirror: Mirror) -> None:
    stranger = note.SigningKey("pg.example.org/gw/other/1", Ed25519PrivateKey.generate())
    forger = note.SigningKey(ORIGIN, Ed25519PrivateKey.generate())
    assert refused(mirror, 0, signed(1, stranger)) is RefusalCode.UNKNOWN_ORIGIN
    assert refused(mirror, 0, signed(1, forger)) is RefusalCode.SIGNATURE
    assert refused(mirror, 5, signed(1)) is RefusalCode.MALFORMED
    with pytest.raises(Refusal) as caught:
        mirror.add_entries(package.Package("pg.example.org/gw/other/1", 0, 1, (entry(0),)))
    assert caught.value.code is RefusalCode.UNKNOWN_ORIGIN


@pytest.mark.parametrize(
    "body",
    [b"", b"old 0\n", b"old 01\n\n" + signed(1).encode(), b"old -1\n\nx", b"\xff\n\n", b"old 0\nnot base64\n\n" + b"x"],
)
def test_a_request_that_is_none_is_refused_as_malformed(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse_request(body)
    assert caught.value.code is RefusalCode.MALFORMED


def test_too_many_proof_lines_are_refused() -> None:
    with pytest.raises(Refusal, match="63"):
        parse_request(request(0, signed(1), *["A" * 43 + "="] * 64))


def test_entries_cannot_be_changed_or_deleted_in_the_database(mirror: Mirror, tmp_path: Path) -> None:
    mirror.add_entries(sent(0, 3))
    connection = sqlite3.connect(tmp_path / "hq.db")
    for statement in ("UPDATE entry SET leaf = x'00'", "DELETE FROM entry"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "new.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(Refusal, match="newer"):
        SqliteStore(tmp_path / "new.db")


def _freeze_and_begin_again(transaction: HqTransaction) -> None:
    transaction.freeze_log(ORIGIN, "never")
    raise Refusal(RefusalCode.SETTING, "already there")


def test_a_write_that_raises_leaves_nothing(store: SqliteStore) -> None:
    with pytest.raises(Refusal, match="already"), store.writing() as transaction:
        _freeze_and_begin_again(transaction)
    with store.reading() as transaction:
        log = transaction.log(ORIGIN)
    assert log is not None
    assert log.frozen is None


def test_a_process_that_was_stopped_in_its_transaction_holds_up_no_other(
    store: SqliteStore, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "_LOCK_LOOKS", 2)
    stopped = SqliteStore(tmp_path / "hq.db")
    with stopped.writing():
        with pytest.raises(Refusal, match="end that one, or let it go on") as refused:
            mirror.add_entries(sent(0, 1))
        assert refused.value.code is RefusalCode.UNAVAILABLE
    stopped.close()
    assert mirror.add_entries(sent(0, 1)) == 1
