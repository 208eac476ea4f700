"""What the journal must be told of readings: every hole, every batch, every deletion, each once, whatever dies between.

The journals here are real; entries are made as the controller makes them, by ``step``.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from storages import NOW_MS, ORIGIN, open_journal
from telemetries import Gateway

from edge.core.entries import BlobReference, Entry, Stamp
from edge.core.messages import Noticed
from edge.ports.errors import StoreError
from edge.ports.stores import GapWhy, Lost
from edge.storage import migrations
from edge.storage.batches import ANOTHER_JOURNAL, FILES_PER_ENTRY_MAX
from edge.storage.databases import schema_version
from edge.storage.journal_reader import JournalReader
from edge.storage.leaves import leaf_bytes
from edge.storage.news import caused


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    opened = Gateway(tmp_path)
    yield opened
    opened.close()


# ---- holes -----------------------------------------------------------------------------------------------------------


def test_readings_at_their_poll_and_a_late_one_are_no_gap(gateway: Gateway) -> None:
    gateway.store(10_000, 11_000, 12_000, 14_000)
    gateway.seal()
    gateway.store(15_000)
    gateway.seal()
    assert gateway.gaps() == []


def test_more_than_two_polls_without_a_reading_are_a_gap_with_both_ends(gateway: Gateway) -> None:
    gateway.store(10_000, 11_000, 13_001, 14_000)
    gateway.seal()
    figures = {"first_ms": NOW_MS + 1_000, "last_ms": NOW_MS + 3_001, "holes": 1, "count": 1}
    assert gateway.gaps() == [("gas-1", "not_polled", figures)]


def test_a_hole_between_two_batches_is_a_gap(gateway: Gateway) -> None:
    gateway.store(10_000)
    gateway.seal()
    gateway.store(20_000)
    gateway.seal()
    figures = {"first_ms": NOW_MS, "last_ms": NOW_MS + 10_000, "holes": 1, "count": 9}
    assert gateway.gaps() == [("gas-1", "not_polled", figures)]


def test_a_bus_that_is_always_too_slow_is_one_gap_a_batch_and_no_flood(gateway: Gateway) -> None:
    gateway.store(*range(10_000, 70_000, 3_000))
    gateway.seal()
    figures = {"first_ms": NOW_MS, "last_ms": NOW_MS + 57_000, "holes": 19, "count": 38}
    assert gateway.gaps() == [("gas-1", "not_polled", figures)]


@pytest.mark.parametrize("boot_id", ["boot1", "boot2"])
def test_a_restart_is_a_gap_whether_the_machine_went_down_or_only_the_daemon(gateway: Gateway, boot_id: str) -> None:
    gateway.store(10_000, 11_000)
    gateway.kill(boot_id)
    taken = 31_000 if boot_id == "boot1" else 500
    gateway.store(taken, taken + 1_000, offset_ms=NOW_MS + 21_000 - taken)
    gateway.seal()
    figures = {"first_ms": NOW_MS + 1_000, "last_ms": NOW_MS + 21_000, "holes": 1, "count": 19}
    assert gateway.gaps() == [("gas-1", "restart", figures)]


def test_a_restart_with_an_unknown_clock_is_a_gap_of_unknown_length(gateway: Gateway) -> None:
    gateway.store(10_000)
    gateway.kill("boot2")
    gateway.store(500, 1_500, offset_ms=None)
    gateway.seal()
    assert gateway.gaps() == [("gas-1", "restart", {"first_ms": NOW_MS, "last_boottime_ms": 500, "holes": 1})]


def test_a_restart_within_two_polls_is_none(gateway: Gateway) -> None:
    gateway.store(10_000)
    gateway.kill()
    gateway.store(11_900)
    gateway.seal()
    assert gateway.gaps() == []


def test_rows_of_the_earlier_run_are_sealed_before_the_later_ones(gateway: Gateway) -> None:
    gateway.store(*range(10_000, 310_000, 1_000))
    gateway.kill("boot2")
    gateway.store(500, offset_ms=NOW_MS + 300_000 - 500)
    gateway.seal()
    assert [count for (count,) in gateway.query("SELECT count FROM batch ORDER BY last_number")] == [256, 44, 1]
    assert gateway.gaps() == []


def test_what_was_dropped_is_told_with_its_reason_even_within_two_polls(gateway: Gateway) -> None:
    gateway.store(10_000)
    gateway.store(12_000, lost=[Lost("gas-1", 11_000, 11_000, 1, GapWhy.QUEUE_FULL)])
    gateway.store(16_000, lost=[Lost("gas-1", 13_000, 15_000, 3, GapWhy.REFUSED)])
    gateway.seal()
    assert gateway.gaps() == [
        ("gas-1", "queue_full", {"first_ms": NOW_MS, "last_ms": NOW_MS + 2_000, "holes": 1, "count": 1}),
        ("gas-1", "refused", {"first_ms": NOW_MS + 2_000, "last_ms": NOW_MS + 6_000, "holes": 1, "count": 3}),
    ]
    gateway.store(17_000)
    gateway.seal()
    assert len(gateway.gaps()) == 2


def test_every_stretch_of_lost_readings_of_a_batch_is_counted(gateway: Gateway) -> None:
    for number in range(200):
        taken = 10_000 + number * 2_000
        gateway.store(taken, lost=[Lost("gas-1", taken - 1_000, taken - 1_000, 1, GapWhy.QUEUE_FULL)])
    gateway.seal()
    first = {"first_ms": NOW_MS, "last_ms": NOW_MS + 398_000, "holes": 199, "count": 199}
    assert gateway.gaps() == [("gas-1", "queue_full", first)], "before the very first reading there is no series"


# ---- told once -------------------------------------------------------------------------------------------------------


def test_a_batch_whose_entry_never_reached_the_journal_is_told_after_the_next_start_once(gateway: Gateway) -> None:
    gateway.store(10_000)
    gateway.seal()
    gateway.kill()
    assert len(gateway.untold("telemetry.sealed")) == 1
    gateway.telemetry.told(gateway.record())
    gateway.kill()
    assert gateway.telemetry.news(-1, 10) == ()
    assert gateway.entries() == ["telemetry.sealed"]


def test_an_entry_that_was_durable_before_the_telemetry_heard_of_it_is_not_told_again(gateway: Gateway) -> None:
    gateway.store(10_000, 11_000, 19_000)
    gateway.seal()
    gateway.record()
    gateway.kill()
    assert gateway.telemetry.news(-1, 10) == ()
    assert gateway.query("SELECT entry FROM batch") == [(1,)]
    assert gateway.entries() == ["telemetry.gap", "telemetry.sealed"]


def test_only_entries_since_the_last_comparison_are_read_at_a_start(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for turn in range(3):
        gateway.store(10_000 + turn * 1_000)
        gateway.seal()
        gateway.telemetry.told(gateway.record())
    gateway.store(13_000)
    gateway.seal()
    gateway.record()
    asked: list[int] = []
    search = JournalReader.search

    def noting(reader: JournalReader, wanted: Any, start: int = 0) -> Any:
        asked.append(start)
        return search(reader, wanted, start)

    monkeypatch.setattr(JournalReader, "search", noting)
    gateway.kill()
    assert asked == [3, 4]


def test_entries_that_are_not_of_readings_are_read_once_and_a_damaged_one_stops_nothing(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.store(10_000)
    gateway.seal()
    gateway.record()
    stamp = Stamp(NOW_MS, 5_000, "1a38f183", "hq", 40)
    gateway.journal.append([Entry(number, "link.down", {"subject": "hq"}, stamp) for number in range(1, 300)])
    asked: list[int] = []
    search = JournalReader.search

    def damaged(reader: JournalReader, wanted: Any, start: int = 0) -> Any:
        asked.append(start)
        return [(seq, leaf.replace(b'"v":1', b'"v":2')) for seq, leaf in search(reader, wanted, start)]

    with monkeypatch.context() as broken:
        broken.setattr(JournalReader, "search", damaged)
        gateway.kill()
        gateway.kill()
    assert asked == [0, 256, 300, 300]
    assert len(gateway.untold("telemetry.sealed")) == 1, "the entry that names it cannot be read"


def test_news_numbers_are_never_used_twice(gateway: Gateway) -> None:
    seen: list[int] = []
    for turn in range(3):
        gateway.store(10_000 + turn * 1_000)
        gateway.seal()
        seen += [each.number for each in gateway.telemetry.news(-1, 10)]
        gateway.telemetry.told(gateway.record())
    assert seen == sorted(set(seen))


def test_the_cause_of_news_is_what_it_says() -> None:
    notice = Noticed("telemetry.gap", "gas-1", "restart", (), (("count", 3),))
    assert caused(notice) == caused(caused(notice))
    assert caused(notice).cause != caused(Noticed("telemetry.gap", "gas-1", "restart", (), (("count", 4),))).cause


# ---- a list that was lost --------------------------------------------------------------------------------------------


def test_a_new_list_is_made_from_the_journal_with_what_is_still_held(gateway: Gateway) -> None:
    gateway.store(10_000)
    gateway.seal()
    gateway.store(11_000)
    gateway.seal()
    gateway.telemetry.told(gateway.record())
    before = gateway.query("SELECT device, first_ms, last_ms, count, sha256, entry FROM batch ORDER BY entry")
    gateway.blobs.remove(before[0][4])
    gateway.telemetry.close()
    (gateway.folder / "telemetry.db").unlink()
    gateway.start("boot2")
    after = gateway.query("SELECT device, first_ms, last_ms, count, sha256, entry FROM batch")
    assert after == before[1:]
    assert gateway.telemetry.news(-1, 10) == ()
    gateway.store(500, offset_ms=NOW_MS + 9_000)
    gateway.seal()
    assert [why for _, why, _ in gateway.gaps()] == ["restart"]


def test_a_new_journal_makes_no_old_number_mean_something_else(gateway: Gateway) -> None:
    gateway.store(10_000)
    gateway.seal()
    gateway.telemetry.told(gateway.record())
    gateway.telemetry.follow(ORIGIN.removesuffix("1") + "2")
    assert gateway.query("SELECT entry FROM batch") == [(ANOTHER_JOURNAL,)]
    assert gateway.telemetry.expire(2**50, 2**50) == 0


def test_a_file_of_the_first_version_is_brought_up_to_date_and_its_unnamed_batches_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "telemetry.db"
    with monkeypatch.context() as first:
        first.setitem(migrations._STEPS, "telemetry", {"m001_first": migrations._TELEMETRY})
        migrations.migrate("telemetry", path)
    assert schema_version(path) == 1
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO stream VALUES (1, 'gas-1', '[\"lel\"]', 'boot0')")
        batch = "INSERT INTO batch VALUES (1, 'gas-1', ?, ?, ?, ?, 5, ?, 900)"
        connection.execute(batch, (4, 0, NOW_MS, NOW_MS + 4_000, "aa" * 32))
        connection.execute(batch, (9, 5, NOW_MS + 5_000, NOW_MS + 9_000, "bb" * 32))
    journal = open_journal(tmp_path)
    body = {"count": 5, "first_ms": NOW_MS, "last_ms": NOW_MS + 4_000, "subject": "gas-1", "what": "readings"}
    blobs = (BlobReference("aa" * 32, "application/jsonl", 900),)
    journal.append([Entry(0, "telemetry.sealed", body, Stamp(NOW_MS, 5, "b", "hq", 1), blobs=blobs)])
    journal.close()
    gateway = Gateway(tmp_path)
    assert gateway.query("SELECT sha256, entry FROM batch ORDER BY last_number") == [("aa" * 32, 0), ("bb" * 32, None)]
    assert [each.blobs[0].sha256 for each in gateway.untold("telemetry.sealed")] == ["bb" * 32]
    assert gateway.query("SELECT value FROM mark WHERE name = 'widest_ms'") == [(4_000,)]
    assert gateway.query("SELECT loose FROM batch") == [(1,), (1,)], "each lies in a file of its own"
    gateway.close()


# ---- given up --------------------------------------------------------------------------------------------------------


def held(gateway: Gateway) -> int:
    return sum(1 for _ in (gateway.folder / "blobs").iterdir())


def test_nothing_is_given_up_that_hq_has_not_cosigned_or_that_is_not_old_enough(gateway: Gateway) -> None:
    for taken in (10_000, 11_000, 12_000):
        gateway.store(taken)
        gateway.seal()
    assert gateway.telemetry.expire(2**50, 2**50) == 0, "no entry names them yet"
    gateway.telemetry.told(gateway.record())
    assert gateway.telemetry.expire(2**50, gateway.journal.acked) == 0, "HQ has cosigned nothing"
    acked = gateway.cosign()
    assert gateway.telemetry.expire(NOW_MS, acked) == 0, "the first is from that very moment"
    assert gateway.telemetry.expire(2**50, 2) == 2
    assert held(gateway) == 3


def test_files_go_when_the_entry_that_lists_them_is_durable_and_not_before(gateway: Gateway) -> None:
    for taken in (10_000, 11_000):
        gateway.store(taken)
        gateway.seal()
    gateway.telemetry.told(gateway.record())
    hashes = {digest for (digest,) in gateway.query("SELECT sha256 FROM batch")}
    assert gateway.telemetry.expire(NOW_MS + 5_000, gateway.cosign()) == 2
    assert gateway.telemetry.expire(NOW_MS + 5_000, gateway.cosign()) == 0, "given up once"
    (notice,) = gateway.untold("telemetry.deleted")
    assert {blob.sha256 for blob in notice.blobs} == hashes
    told = dict(notice.figures)
    assert told == {"count": 2, "before_ms": NOW_MS + 5_000, "first_ms": NOW_MS, "last_ms": NOW_MS + 1_000}
    assert held(gateway) == 2
    told_entries = gateway.record()
    assert held(gateway) == 2
    gateway.telemetry.told(told_entries)
    assert held(gateway) == 0
    assert gateway.query("SELECT count(*) FROM batch") == [(0,)]


def test_a_kill_between_the_durable_deletion_and_its_doing_does_it_at_the_next_start(gateway: Gateway) -> None:
    gateway.store(10_000)
    gateway.seal()
    gateway.telemetry.told(gateway.record())
    gateway.telemetry.expire(2**50, gateway.cosign())
    gateway.kill()
    assert held(gateway) == 1
    gateway.record()
    gateway.kill()
    assert held(gateway) == 0
    assert gateway.telemetry.news(-1, 10) == ()
    assert gateway.entries() == ["telemetry.sealed", "telemetry.deleted"]


def test_a_file_that_cannot_be_deleted_is_tried_again(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.store(10_000)
    gateway.seal()
    gateway.telemetry.told(gateway.record())
    gateway.telemetry.expire(2**50, gateway.cosign())
    told = gateway.record()
    with monkeypatch.context() as broken:

        def unlink(path: Path, missing_ok: bool = False) -> None:
            raise OSError(30, "Read-only file system")

        broken.setattr(Path, "unlink", unlink)
        with pytest.raises(StoreError, match="Read-only"):
            gateway.telemetry.told(told)
    assert len(gateway.untold("telemetry.deleted")) == 1
    gateway.telemetry.told(told)
    assert held(gateway) == 0


def test_an_entry_that_gives_up_as_many_files_as_one_may_fits_into_an_entry(gateway: Gateway) -> None:
    for taken in range(10_000, 10_000 + 1_000 * (FILES_PER_ENTRY_MAX + 5), 1_000):
        gateway.store(taken)
        gateway.seal()
    gateway.telemetry.told(gateway.record())
    assert gateway.telemetry.expire(2**50, gateway.cosign()) == FILES_PER_ENTRY_MAX
    (notice,) = gateway.untold("telemetry.deleted")
    entry = Entry(2**40, notice.kind, dict(notice.figures), Stamp(NOW_MS, 5, "b" * 36, "hq", 1), blobs=notice.blobs)
    assert len(leaf_bytes(entry, "x" * 120, None)) < 14_000


# ---- thinned ---------------------------------------------------------------------------------------------------------


def test_thinning_is_told_with_all_that_went_also_what_went_before_a_kill(gateway: Gateway) -> None:
    gateway.store(*range(10_000, 310_000, 1_000))
    gateway.seal()
    assert gateway.telemetry.thin(NOW_MS + 300_000) == 256
    gateway.kill()
    assert gateway.untold("telemetry.thinned") == []
    assert gateway.telemetry.thin(NOW_MS + 300_000) == 44
    assert gateway.telemetry.thin(NOW_MS + 300_000) == 0
    assert [dict(each.figures) for each in gateway.untold("telemetry.thinned")] == [
        {"count": 300, "before_ms": NOW_MS + 300_000}
    ]
    assert gateway.telemetry.thin(NOW_MS + 300_000) == 0
    assert len(gateway.untold("telemetry.thinned")) == 1
