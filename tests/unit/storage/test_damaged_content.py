"""Files that SQLite reads without complaint and that are not what was written: found at the start, kept and named."""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from shutil import copy

import pytest
from storages import (
    KEYS,
    MIRROR,
    AuthorityLog,
    certificate_record,
    cosigned,
    entries,
    entry,
    issuer_record,
    open_authority,
    open_journal,
    permit_record,
    put,
)
from test_authority_cache import verdict
from test_telemetry_store import block, open_telemetry

from edge.app.daemon_parts import fold_journal
from edge.core import codec
from edge.core.entries import BlobReference, Entry
from edge.core.state import Durable
from edge.ports.errors import DamagedError, PermitgateError
from edge.ports.stores import BehindSigned, BehindSignedError, DiskFullError
from edge.runtime.hq_link import read_authority
from edge.storage.authority_reader import AuthorityReader
from edge.storage.blobs import BlobStore
from edge.storage.journal_reader import JournalReader, Search
from edge.storage.journal_verify import verify_journal
from edge.storage.sealed import read_sealed

TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"


def altered(path: Path, *statements: str) -> None:
    """Somebody, or a worn card, wrote into the file; its guards are there again afterwards."""
    connection = sqlite3.connect(path, isolation_level=None)
    triggers = connection.execute(TRIGGERS).fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in triggers:
        connection.execute(sql)
    connection.close()


def flipped(path: Path, written: bytes, found: bytes) -> None:
    """Bytes in the file itself."""
    data = path.read_bytes()
    assert written in data
    path.write_bytes(data.replace(written, found, 1))


def frozen(seq: int, permit: str) -> Entry:
    body = {"freeze": f"f{seq}", "scope": f"permit:{permit}", "by": "gw1", "why": "wrong_area"}
    return entry(seq, "hold.frozen", permit=permit, body=body)


def holding(folder: Path, saved: bytes | None = None) -> Path:
    """A closed journal in which entry 2 froze a permit; ten entries, all signed."""
    writer = open_journal(folder)
    writer.append([*entries(0, 2), frozen(2, "PTW-0045"), *entries(3, 7)], saved)
    writer.sign_checkpoint()
    writer.close()
    return folder / "journal.db"


# ---- what a start folds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET leaf = CAST(replace(leaf, 'permit:PTW-0045', 'permit:PTW-0044') AS BLOB) WHERE seq = 2",
        "UPDATE entry SET leaf = CAST(replace(leaf, '\"scope\"', '\"skope\"') AS BLOB) WHERE seq = 2",
        "UPDATE entry SET leaf = x'00' WHERE seq = 2",
        "UPDATE node SET hashes = zeroblob(32) WHERE leaf = 2",
        "DELETE FROM entry WHERE seq = 2",
    ],
)
def test_a_hold_that_got_lost_in_the_journal_is_found_before_it_is_folded(tmp_path: Path, statement: str) -> None:
    path = holding(tmp_path)
    altered(path, statement)
    with pytest.raises(DamagedError, match=r"damaged: entry 2 .*kept as .*journal\.db\.damaged-"):
        open_journal(tmp_path)
    assert not path.exists()
    writer = open_journal(tmp_path)
    assert writer.behind == BehindSigned(0, 10)
    writer.close()


def test_an_entry_altered_together_with_its_hash_contradicts_the_tree(tmp_path: Path) -> None:
    path = holding(tmp_path)
    whole = open_other(tmp_path / "other")
    other = sqlite3.connect(whole)
    leaf = other.execute("SELECT leaf FROM entry WHERE seq = 2").fetchone()[0]
    hashes = other.execute("SELECT hashes FROM node WHERE leaf = 2").fetchone()[0]
    other.close()
    altered(
        path,
        f"UPDATE entry SET leaf = x'{leaf.hex()}' WHERE seq = 2",
        f"UPDATE node SET hashes = x'{hashes.hex()}' WHERE leaf = 2",
    )
    with pytest.raises(DamagedError, match="nodes of the last entries"):
        open_journal(tmp_path)


def open_other(folder: Path) -> Path:
    folder.mkdir()
    writer = open_journal(folder)
    writer.append([*entries(0, 2), frozen(2, "PTW-0044")])
    writer.close()
    return folder / "journal.db"


def test_only_what_the_saved_state_does_not_cover_is_read_at_a_start(tmp_path: Path) -> None:
    path = holding(tmp_path, codec.encode(Durable(next_entry=10)))
    altered(path, "UPDATE entry SET leaf = x'00' WHERE seq = 2")
    open_journal(tmp_path).close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE saved_state SET data = CAST(replace(data, 'PTW-0045', 'PTW-0044') AS BLOB)",
        "UPDATE saved_state SET data = x'00'",
        "UPDATE saved_state SET data = x''",
    ],
)
def test_a_damaged_saved_state_is_said_and_done_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    first = fold_journal(JournalReader(holding(tmp_path)))
    assert first.freezes.holds("permit:PTW-0045")
    (tmp_path / "again").mkdir()
    path = holding(tmp_path / "again", codec.encode(first))
    altered(path, statement)
    writer = open_journal(tmp_path / "again")
    assert (writer.size, writer.behind) == (10, None)
    assert fold_journal(JournalReader(path)) == first
    assert "saved_state_unusable" in capsys.readouterr().out
    report = verify_journal(path)
    writer.close()
    assert report.finding is not None
    assert "saved state" in report.finding.en


def test_a_saved_state_of_another_version_is_done_without(tmp_path: Path) -> None:
    assert fold_journal(JournalReader(holding(tmp_path, b'{"next_entry":10}'))).freezes.holds("permit:PTW-0045")


def test_a_damaged_saved_state_over_a_pruned_journal_sets_it_aside(tmp_path: Path) -> None:
    writer = open_journal(tmp_path)
    writer.append([*entries(0, 9), entry(9, "log.pruned", body={"to": 5})], b"{}")
    writer.accept_cosignature(cosigned(writer.sign_checkpoint()))
    writer.prune(5)
    writer.close()
    path = tmp_path / "journal.db"
    with pytest.raises(DamagedError, match="is pruned"):
        fold_journal(JournalReader(path))
    altered(path, "UPDATE saved_state SET data = x'00'")
    with pytest.raises(DamagedError, match="saved state is not what was written; kept as"):
        open_journal(tmp_path)


def test_an_entry_that_cannot_be_folded_is_named(tmp_path: Path) -> None:
    writer = open_journal(tmp_path)
    writer.append([entry(0), entry(1, "hold.frozen")])
    writer.close()
    with pytest.raises(DamagedError, match="entry 1 cannot be folded"):
        fold_journal(JournalReader(tmp_path / "journal.db"))


# ---- J4: the second file ---------------------------------------------------------------------------------------------


def test_j4_without_its_checkpoint_file_a_log_that_hq_cosigned_signs_nothing(tmp_path: Path) -> None:
    writer = open_journal(tmp_path)
    writer.append(entries(0, 5))
    writer.accept_cosignature(cosigned(writer.sign_checkpoint()))
    writer.append(entries(5, 3))
    writer.sign_checkpoint()
    writer.close()
    (tmp_path / "checkpoint").unlink()
    writer = open_journal(tmp_path)
    assert writer.behind == BehindSigned(8, None)
    for refused in (lambda: writer.append([entry(8)]), writer.sign_checkpoint):
        with pytest.raises(BehindSignedError, match="checkpoint: damaged or gone"):
            refused()
    writer.close()
    report = verify_journal(
        tmp_path / "journal.db",
        checkpoint_path=tmp_path / "checkpoint",
        log_key=KEYS.signing.verifier(),
        mirror=MIRROR.cosigner(),
    )
    assert report.finding is not None
    assert "gone" in report.finding.en


# ---- values and texts that were never written ------------------------------------------------------------------------


def of_another_type(path: Path, table: str, column: str) -> None:
    """A damaged record header: the value has another type than STRICT would ever let in."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA writable_schema = 1")
    connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'STRICT, ', '') WHERE name = ?", (table,))
    connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'STRICT', '') WHERE name = ?", (table,))
    connection.close()
    value = "x'07'" if column == "note" else "7"
    altered(path, f"UPDATE {table} SET {column} = {value}")


READS: dict[str, Callable[[JournalReader], object]] = {
    "leaf": lambda reader: reader.leaf(3),
    "leaves": lambda reader: reader.leaves(0),
    "rows": lambda reader: reader.rows(0),
    "search": lambda reader: reader.search(Search()),
    "chain": lambda reader: reader.chain("PTW-1"),
    "node": lambda reader: reader.node(0, 3),
    "completed": lambda reader: reader.completed(3),
    "evidence": lambda reader: reader.evidence(9),
    "cosigned": lambda reader: reader.cosigned(),
    "head": lambda reader: reader.chain_head("PTW-1"),
    "saved": lambda reader: reader.saved_state(),
}


@pytest.mark.parametrize(
    ("table", "column", "reads"),
    [
        ("entry", "leaf", ("leaf", "leaves", "rows", "search", "chain")),
        ("node", "hashes", ("node", "completed", "rows")),
        ("evidence", "data", ("evidence", "rows")),
        ("cosigned", "note", ("cosigned",)),
        ("chain", "head", ("head",)),
        ("saved_state", "data", ("saved",)),
    ],
)
def test_a_value_of_another_type_is_damage_and_no_traceback(
    tmp_path: Path, table: str, column: str, reads: tuple[str, ...]
) -> None:
    writer = open_journal(tmp_path)
    writer.append([*entries(0, 9), entry(9, evidence=b"asked")], b"{}")
    writer.accept_cosignature(cosigned(writer.sign_checkpoint()))
    writer.close()
    path = tmp_path / "journal.db"
    of_another_type(path, table, column)
    reader = JournalReader(path)
    for name in reads:
        with pytest.raises(DamagedError, match="never written there"):
            READS[name](reader)
    reader.close()
    assert not verify_journal(path).ok


def test_a_schema_that_is_not_text_is_damage_and_no_traceback(tmp_path: Path) -> None:
    path = holding(tmp_path)
    flipped(path, b"CREATE TABLE log", b"CREATE TA\xc2LE log")
    report = verify_journal(path)
    assert report.finding is not None
    assert "damaged" in report.finding.en
    with pytest.raises(DamagedError, match=r"schema is not text; kept as"):
        open_journal(tmp_path)


def test_a_table_whose_name_got_lost_is_damage(tmp_path: Path) -> None:
    path = holding(tmp_path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA writable_schema = 1")
    connection.execute("DELETE FROM sqlite_master WHERE tbl_name = 'saved_state'")
    connection.close()
    assert not verify_journal(path).ok
    with pytest.raises(DamagedError, match=r"(?s)damaged.*kept as"):
        open_journal(tmp_path)


def test_a_text_column_that_is_not_text_is_damage(tmp_path: Path) -> None:
    path = holding(tmp_path)
    altered(path, "UPDATE log SET origin = CAST(x'ff' AS TEXT)")
    with pytest.raises(DamagedError, match="Could not decode"):
        JournalReader(path)
    with pytest.raises(DamagedError, match="kept as"):
        open_journal(tmp_path)


@pytest.mark.parametrize("name", ["journal", "authority", "telemetry"])
def test_every_flip_in_a_schema_page_is_our_error_or_none(tmp_path: Path, name: str) -> None:
    opened: dict[str, Callable[[], object]] = {
        "journal": lambda: open_journal(tmp_path).close(),
        "authority": lambda: open_authority(tmp_path).close(),
        "telemetry": lambda: open_telemetry(tmp_path).close(),
    }
    opened[name]()
    path = tmp_path / f"{name}.db"
    whole = path.read_bytes()
    for offset in range(100, 4_096, 61):
        data = bytearray(whole)
        data[offset] ^= 0x80
        path.write_bytes(data)
        try:
            opened[name]()
        except PermitgateError:
            continue


# ---- HQ's word and readings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("permit", "CAST(substr(data, 2) AS BLOB)"),
        ("permit", "CAST(replace(data, '\"start\"', '\"stard\"') AS BLOB)"),
        ("issuer", "CAST(replace(data, 'a1b2c3d4', 'x1b2c3d4') AS BLOB)"),
    ],
)
def test_a_damaged_record_of_hqs_sets_the_cache_aside(tmp_path: Path, kind: str, changed: str) -> None:
    writer = open_authority(tmp_path)
    AuthorityLog().feed(
        writer,
        put("permit", "P1", 1, **permit_record()),
        put("issuer", "i1", 1, **issuer_record()),
        put("worker", "w1", 1, name="x"),
    )
    writer.close()
    path = tmp_path / "authority.db"
    altered(path, f"UPDATE record SET data = {changed} WHERE kind = '{kind}'")
    copy(path, tmp_path / "running.db")
    with pytest.raises(DamagedError, match=r"a record is not what was written.*kept as"):
        open_authority(tmp_path)
    assert kind == "issuer" or read_authority(tmp_path / "running.db") is None


def test_a_damaged_certificate_is_an_unreadable_cache_for_that_tap(tmp_path: Path) -> None:
    writer = open_authority(tmp_path)
    believed = (put("worker", "w1", 1, name="x"), put("issuer", "i1", 1, **issuer_record()))
    AuthorityLog().feed(writer, *believed, put("cert", "c1", 1, **certificate_record()))
    path = tmp_path / "authority.db"
    altered(path, "UPDATE record SET data = x'00' WHERE kind = 'cert'")
    reader = AuthorityReader(path)
    with pytest.raises(DamagedError, match="a record is not what was written"):
        reader.gather(verdict(), "a1")
    reader.close()
    writer.close()


def test_a_stream_whose_channels_are_no_list_sets_telemetry_aside(tmp_path: Path) -> None:
    writer = open_telemetry(tmp_path)
    writer.append([block()], None)
    writer.close()
    for channels in ('["lel"', "{}", "[7]"):
        path = tmp_path / "telemetry.db"
        copy(path, tmp_path / "whole.db")
        altered(path, f"UPDATE stream SET channels = '{channels}'")
        with pytest.raises(DamagedError, match=r"channels.*kept as"):
            open_telemetry(tmp_path)
        copy(tmp_path / "whole.db", path)


def test_a_damaged_row_of_readings_is_sealed_as_damaged_and_stops_no_other_device(tmp_path: Path) -> None:
    writer = open_telemetry(tmp_path)
    writer.append([block("gas-1", 10_000), block("gas-1", 10_100), block("gas-2", 10_200)], None)
    altered(tmp_path / "telemetry.db", "UPDATE sample SET packed = x'00' WHERE number = 0")
    batches = writer.seal(20_000)
    writer.close()
    assert [(batch.device, batch.count) for batch in batches] == [("gas-1", 2), ("gas-2", 1)]
    found = read_sealed((tmp_path / "blobs" / batches[0].blob.sha256).read_bytes())
    assert found.taken_at_ms == [10_000, 10_100]
    assert found.steps == [[None, 100], [None, 209]]
    assert found.qualities == [["damaged", "good"], ["damaged", "good"]]


def test_batches_sealed_before_the_disk_was_full_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_telemetry(tmp_path)
    writer.append([block("gas-1", 10_000), block("gas-2", 10_000)], None)
    put_whole, calls = BlobStore.put, []

    def put(store: BlobStore, pieces: Iterable[bytes], media_type: str) -> BlobReference:
        calls.append(media_type)
        if len(calls) in (2, 3):
            raise DiskFullError("no room")
        return put_whole(store, pieces, media_type)

    monkeypatch.setattr(BlobStore, "put", put)
    assert [batch.device for batch in writer.seal(20_000)] == ["gas-1"]
    with pytest.raises(DiskFullError):
        writer.seal(20_000)
    assert [batch.device for batch in writer.seal(20_000)] == ["gas-2"]
    writer.close()
