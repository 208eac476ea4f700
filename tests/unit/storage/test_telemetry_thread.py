"""The telemetry's thread: never waits, drops the oldest and says so, seals in time, tells once. No real time passes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Event, Thread

import pytest

from edge.core.messages import Noticed
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.ports.errors import PermitgateError, StoreError, UnusableError
from edge.ports.stores import GapWhy, Lost, News, SealedBatch
from edge.runtime import telemetry as module
from edge.runtime.telemetry import SEAL_AGE_MS, UNDER_WAY_MAX, TelemetryEvents, TelemetryThread


def block(taken_at_ms: int, device: str = "gas-1") -> BlockRead:
    return BlockRead(device, ("lel",), (1,), (Quality.GOOD,), MonotonicMs(taken_at_ms))


@dataclass
class Store:
    """Keeps what it is given, unless told to fail; each sealing of what is old enough is one piece of news."""

    error: PermitgateError | None = None
    never: set[int] = field(default_factory=set)
    kept: list[BlockRead] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    unsealed: list[BlockRead] = field(default_factory=list)
    untold: list[News] = field(default_factory=list)
    told_entries: list[tuple[int, str]] = field(default_factory=list)
    made: int = 0
    commits: int = 0
    wal: int = 0

    def append(self, blocks: Sequence[BlockRead], wall_offset_ms: int | None, lost: Sequence[Lost] = ()) -> None:
        if self.error is not None:
            raise self.error
        if any(each.taken_at in self.never for each in blocks):
            raise UnusableError("beyond 64 bits")
        self.commits += 1
        self.kept.extend(blocks)
        self.unsealed.extend(blocks)
        self.lost.extend(lost)
        self.wal += 600_000

    def seal(self, due_before_ms: int) -> tuple[SealedBatch, ...]:
        if self.error is not None:
            raise self.error
        if any(each.taken_at < due_before_ms for each in self.unsealed):
            self.say(len(self.unsealed))
            self.unsealed.clear()
        return ()

    def say(self, count: int) -> None:
        self.made += 1
        figures = (("count", count),)
        self.untold.append(News(self.made, Noticed("telemetry.sealed", "gas-1", "", (), figures, f"c{self.made}")))

    def thin(self, before_ms: int) -> int:
        return 0

    def expire(self, before_ms: int, acked: int) -> int:
        return 0

    def bundle(self, before_ms: int) -> int:
        return 0

    def news(self, after: int, limit: int) -> tuple[News, ...]:
        return tuple(each for each in self.untold if each.number > after)[:limit]

    def told(self, entries: Sequence[tuple[int, str]]) -> None:
        if self.error is not None:
            raise self.error
        self.told_entries.extend(entries)
        causes = {cause for _, cause in entries}
        self.untold = [each for each in self.untold if each.notice.cause not in causes]

    def wal_bytes(self) -> int:
        return self.wal

    def checkpoint_wal(self) -> bool:
        self.wal = 0
        return True


@dataclass
class Bench:
    store: Store = field(default_factory=Store)
    now_ms: int = 100_000
    room: int = 1_000_000
    noticed: list[Noticed] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        events = TelemetryEvents(self._notice, self.trouble.append)
        self.thread = TelemetryThread(self.store, lambda: MonotonicMs(self.now_ms), lambda: None, events)

    def _notice(self, notice: Noticed) -> bool:
        if len(self.noticed) >= self.room:
            return False
        self.noticed.append(notice)
        return True

    @property
    def causes(self) -> list[str | None]:
        return [each.cause for each in self.noticed]

    def settle(self, after_ms: int = 0) -> None:
        self.now_ms += after_ms
        for _ in range(1_000):
            if self.thread.step():
                return
        raise AssertionError("the thread never rests")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_blocks_are_stored_once_in_order_about_each_second(bench: Bench) -> None:
    for second in range(5):
        for number in range(10):
            bench.thread.offer(block(bench.now_ms + number))
        bench.settle(after_ms=1_000)
        assert bench.store.commits == second + 1
    assert len(bench.store.kept) == 50
    assert bench.store.kept == sorted(bench.store.kept, key=lambda each: each.taken_at)


def test_many_blocks_are_stored_before_their_second(bench: Bench) -> None:
    bench.thread.offer(block(0))
    bench.settle()
    for number in range(600):
        bench.thread.offer(block(number))
    bench.settle(after_ms=1)
    assert len(bench.store.kept) >= 513
    assert bench.store.wal < 1024 * 1024


def test_a_thread_without_readings_sleeps(bench: Bench) -> None:
    bench.thread.offer(block(1))
    bench.settle(1_000)
    bench.now_ms += 10_000
    assert bench.thread.step() >= 1_000
    bench.thread.offer(block(2))
    bench.settle(1_000)
    assert [each.taken_at for each in bench.store.kept] == [1, 2]


def test_a_failing_disk_keeps_the_blocks_and_their_order(bench: Bench) -> None:
    bench.store.error = StoreError("disk full")
    for number in range(300):
        bench.thread.offer(block(number))
    for _ in range(5):
        bench.settle(after_ms=500)
    assert (bench.store.kept, bench.store.lost) == ([], [])
    assert 1 <= bench.thread.failures <= 6
    bench.store.error = None
    bench.settle(after_ms=5_000)
    bench.settle(after_ms=5_000)
    assert [each.taken_at for each in bench.store.kept] == list(range(300))


def test_what_does_not_fit_is_dropped_oldest_first_and_told_by_device(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCKS_WAITING_MAX", 100)
    for number in range(130):
        bench.thread.offer(block(number, "gas-2" if number % 3 == 0 else "gas-1"))
    bench.settle()
    assert sorted(bench.store.lost, key=lambda each: each.device) == [
        Lost("gas-1", 1, 29, 20, GapWhy.QUEUE_FULL),
        Lost("gas-2", 0, 27, 10, GapWhy.QUEUE_FULL),
    ]
    assert [each.taken_at for each in bench.store.kept] == list(range(30, 130))
    assert bench.thread.dropped == 30
    bench.settle(after_ms=5_000)
    assert len(bench.store.lost) == 2


def test_what_was_lost_while_the_disk_failed_is_told_once_it_works(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCKS_WAITING_MAX", 10)
    bench.store.error = StoreError("disk full")
    for number in range(25):
        bench.thread.offer(block(number))
        bench.settle(after_ms=700)
    bench.store.error = None
    bench.settle(after_ms=5_000)
    assert bench.store.lost == [Lost("gas-1", 0, 14, 15, GapWhy.QUEUE_FULL)]
    assert [each.taken_at for each in bench.store.kept] == list(range(15, 25))


def test_what_can_never_be_stored_becomes_a_gap_and_takes_no_other_block_with_it(bench: Bench) -> None:
    bench.store.never = {3, 4, 7}
    for number in range(9):
        bench.thread.offer(block(number))
    bench.settle()
    bench.thread.offer(block(9))
    bench.settle(after_ms=2_000)
    assert [each.taken_at for each in bench.store.kept] == [0, 1, 2, 5, 6, 8, 9]
    assert bench.store.lost == [Lost("gas-1", 3, 4, 2, GapWhy.REFUSED), Lost("gas-1", 7, 7, 1, GapWhy.REFUSED)]
    assert bench.trouble == ["beyond 64 bits"]


def test_readings_are_sealed_at_a_minute_and_the_batch_is_told_once(bench: Bench) -> None:
    bench.thread.offer(block(bench.now_ms))
    bench.settle()
    bench.settle(after_ms=SEAL_AGE_MS - 1_000)
    assert bench.noticed == []
    for _ in range(5):
        bench.settle(after_ms=2_000)
    assert [dict(each.figures) for each in bench.noticed] == [{"count": 1}]


def test_what_the_journal_has_told_is_settled_also_after_the_store_refused(bench: Bench) -> None:
    bench.store.say(1)
    bench.settle()
    bench.store.error = StoreError("busy")
    bench.thread.told([(7, "c1")])
    bench.settle(after_ms=5_000)
    assert bench.store.told_entries == []
    bench.store.error = None
    bench.settle(after_ms=5_000)
    bench.settle(after_ms=5_000)
    assert bench.store.told_entries == [(7, "c1")]
    assert bench.causes == ["c1"]


def test_news_that_were_not_taken_are_offered_again_and_none_twice(bench: Bench) -> None:
    for count in range(5):
        bench.store.say(count)
    bench.room = 2
    bench.settle()
    assert bench.causes == ["c1", "c2"]
    bench.room = 100
    bench.settle(after_ms=5_000)
    bench.settle(after_ms=5_000)
    assert bench.causes == ["c1", "c2", "c3", "c4", "c5"]


def test_no_more_news_are_under_way_than_the_controller_can_take_beside_its_work(bench: Bench) -> None:
    for count in range(3 * UNDER_WAY_MAX):
        bench.store.say(count)
    bench.settle()
    bench.settle(after_ms=5_000)
    assert len(bench.noticed) == UNDER_WAY_MAX
    bench.thread.told([(0, "c1"), (1, "c2")])
    bench.settle(after_ms=5_000)
    assert bench.causes == [f"c{number}" for number in range(1, UNDER_WAY_MAX + 3)]


def test_a_stopped_thread_has_stored_and_sealed_what_waited(bench: Bench) -> None:
    stop = Event()
    thread = Thread(target=bench.thread.run, args=(stop,))
    stop.set()
    for number in range(700):
        bench.thread.offer(block(number))
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert len(bench.store.kept) == 700
    assert [dict(each.figures) for each in bench.noticed] == [{"count": 700}]


def test_old_rows_are_thinned_in_pieces_until_there_are_no_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces, asked = [256, 256, 10, 0], []

    def thin(before_ms: int) -> int:
        asked.append(before_ms)
        return pieces.pop(0)

    monkeypatch.setattr(bench.store, "thin", thin)
    bench.thread.thin(77)
    for _ in range(10):
        bench.settle(20)
    assert asked == [77] * 4


def test_files_are_given_up_with_hqs_word_of_that_moment_after_the_thinning(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    acked, pieces, asked = [5, 6, 7], [100, 40, 0], []

    def expire(before_ms: int, below: int) -> int:
        asked.append((before_ms, below))
        return pieces.pop(0)

    monkeypatch.setattr(bench.store, "expire", expire)
    bench.thread.thin(77)
    bench.thread.expire(50, lambda: acked.pop(0))
    for _ in range(10):
        bench.settle(20)
    assert asked == [(50, 5), (50, 6), (50, 7)]


def test_files_are_put_together_an_hour_at_a_time_until_none_is_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces, asked = [60, 12, 0], []

    def bundle(before_ms: int) -> int:
        asked.append((before_ms, bench.now_ms))
        return pieces.pop(0)

    monkeypatch.setattr(bench.store, "bundle", bundle)
    bench.thread.bundle(77)
    for _ in range(100):
        bench.settle(10)
    assert [before_ms for before_ms, _ in asked] == [77] * 3
    assert all(after - before >= 250 for (_, before), (_, after) in pairwise(asked)), "taps need the disk in between"


def test_a_store_that_refuses_ends_the_chore_and_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def thin(before_ms: int) -> int:
        raise StoreError("disk gone")

    monkeypatch.setattr(bench.store, "thin", thin)
    bench.thread.thin(77)
    bench.settle(20)
    bench.settle(20)
    assert bench.trouble == ["disk gone"]
