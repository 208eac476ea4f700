"""The journal's thread: groups, order, retries with the same bytes, signatures, acknowledgements; no real waits."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import pytest
from storages import STRANGER, cosigned, entries, entry, open_journal

from edge.core.readings import MonotonicMs
from edge.ports.errors import StoreError
from edge.runtime import journal as module
from edge.runtime.journal import SIGN_PERIOD_MS, JournalEvents, JournalThread
from edge.storage.journal import JournalWriter
from edge.storage.journal_reader import JournalReader
from edge.storage.slow import SlowJournal


@dataclass
class Bench:
    """A thread's loop stepped by hand over a real journal on a disk whose commits fail at will."""

    writer: JournalWriter
    now_ms: int = 100_000
    failing: bool = False
    pending: bool = False
    recorded: list[int] = field(default_factory=list)
    failed: list[tuple[int, str]] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    trouble: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        store = SlowJournal(self.writer, lambda seconds: None, lambda: 0.0, lambda: self.failing)
        events = JournalEvents(
            self.recorded.append,
            lambda seq, error: self.failed.append((seq, error)),
            self.signed.append,
            self.acknowledged.append,
            lambda what, error: self.trouble.append((what, error)),
        )
        self.thread = JournalThread(store, lambda: MonotonicMs(self.now_ms), events, grant_pending=lambda: self.pending)

    def settle(self, after_ms: int = 0) -> None:
        """Let time pass and step until nothing more is due now."""
        self.now_ms += after_ms
        for _ in range(1_000):
            if self.thread.step():
                return
        raise AssertionError("the thread never rests")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    writer = open_journal(tmp_path)
    yield Bench(writer)
    writer.close()


def test_entries_are_recorded_in_groups_and_in_order(bench: Bench) -> None:
    for start in range(0, 1_000, 10):
        bench.thread.submit(entries(start, 10))
    bench.settle()
    assert bench.recorded == [250, 500, 750, 1_000]
    assert (bench.thread.waiting, bench.thread.commits) == (0, 4)


def test_a_single_entry_is_committed_at_once(bench: Bench) -> None:
    bench.thread.submit([entry(0)])
    bench.thread.step()
    assert bench.recorded == [1]


def test_a_saved_state_is_stored_with_its_own_last_entry(tmp_path: Path, bench: Bench) -> None:
    bench.thread.submit(entries(0, 2))
    bench.thread.submit(entries(2, 2), b"state at 4")
    bench.thread.submit(entries(4, 2))
    bench.settle()
    reader = JournalReader(tmp_path / "journal.db")
    state = reader.saved_state()
    reader.close()
    assert state is not None
    assert (state.next_entry, state.data) == (4, b"state at 4")
    assert bench.recorded == [4, 6]


def test_a_failed_commit_is_told_and_retried_with_the_same_entries(bench: Bench) -> None:
    bench.failing = True
    bench.thread.submit(entries(0, 3))
    bench.settle()
    bench.thread.submit(entries(3, 3))
    for _ in range(8):
        bench.settle(after_ms=2_000)
    assert {seq for seq, _ in bench.failed} == {0}
    assert len(bench.failed) == 9
    assert (bench.recorded, bench.thread.waiting) == ([], 6)
    bench.failing = False
    bench.settle(after_ms=2_000)
    assert bench.recorded == [6]
    assert bench.writer.size == 6


def test_retries_back_off_and_are_bounded(bench: Bench) -> None:
    bench.failing = True
    bench.thread.submit([entry(0)])
    for _ in range(10_000):
        bench.settle(after_ms=1)
    assert 8 <= len(bench.failed) <= 12


def test_a_safety_event_is_signed_right_after_its_commit(bench: Bench) -> None:
    bench.thread.submit([entry(0, "access.decided")])
    bench.settle()
    assert len(bench.signed) == 1
    bench.thread.submit([entry(1, "log.heartbeat")])
    bench.settle()
    bench.settle(after_ms=SIGN_PERIOD_MS - 1)
    assert len(bench.signed) == 1
    bench.settle(after_ms=1)
    assert len(bench.signed) == 2
    bench.settle(after_ms=10 * SIGN_PERIOD_MS)
    assert len(bench.signed) == 2


def test_signing_waits_while_entries_wait_but_not_for_ever(bench: Bench) -> None:
    bench.thread.submit([entry(0)])
    bench.thread.submit(entries(1, 256))
    assert bench.thread.step() == 0
    assert (bench.recorded, bench.signed) == ([1], [])
    bench.now_ms += 1_000
    bench.thread.submit(entries(257, 256))
    bench.thread.step()
    assert (bench.recorded, len(bench.signed)) == ([1, 257], 1)


def test_a_checkpoint_that_cannot_be_written_is_told_and_tried_again(tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "checkpoint.new").mkdir()
    bench.thread.submit([entry(0)])
    bench.settle()
    assert (bench.signed, [what for what, _ in bench.trouble]) == ([], ["checkpoint_not_signed"])
    assert bench.recorded == [1]
    (tmp_path / "checkpoint.new").rmdir()
    bench.settle(after_ms=2_000)
    assert len(bench.signed) == 1


def test_a_cosignature_is_verified_and_acknowledges(bench: Bench) -> None:
    bench.thread.submit(entries(0, 3))
    bench.settle()
    bench.thread.cosigned(cosigned(bench.signed[0], key=STRANGER))
    bench.thread.cosigned("garbage")
    bench.thread.cosigned(cosigned(bench.signed[0]))
    bench.settle()
    assert bench.acknowledged == [3]
    assert [what for what, _ in bench.trouble] == ["cosignature_refused"] * 2


def test_the_wal_is_not_copied_while_a_grant_is_pending(bench: Bench) -> None:
    bench.pending = True
    bench.thread.submit(entries(0, 3))
    bench.settle()
    bench.settle(after_ms=60_000)
    assert bench.writer.wal_bytes() > 0
    bench.pending = False
    bench.settle(after_ms=1)
    assert bench.writer.wal_bytes() == 0


def test_too_many_waiting_entries_are_refused_by_name(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 10)
    bench.thread.submit(entries(0, 10))
    with pytest.raises(StoreError, match="10 entries wait"):
        bench.thread.submit([entry(10)])
    bench.settle()
    bench.thread.submit([entry(10)])
    bench.settle()
    assert bench.recorded[-1] == 11


def test_a_stopped_thread_has_committed_and_signed_what_waited(bench: Bench) -> None:
    stop = Event()
    thread = Thread(target=bench.thread.run, args=(stop,))
    thread.start()
    for start in range(0, 50, 5):
        bench.thread.submit(entries(start, 5))
    stop.set()
    bench.thread.cosigned("wake up")
    thread.join(5)
    assert not thread.is_alive()
    assert bench.writer.size == 50
    assert bench.signed
    assert bench.thread.waiting == 0


def test_a_stop_with_a_failing_disk_gives_up_after_one_try(bench: Bench) -> None:
    bench.failing = True
    bench.thread.submit(entries(0, 5))
    bench.thread.finish()
    assert len(bench.failed) == 1
