"""The telemetry's thread: never waits, drops the oldest and says so, seals in time. No real time passes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event, Thread

import pytest

from edge.core.entries import BlobReference
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.ports.errors import PermitgateError, StoreError, UnusableError
from edge.ports.stores import SealedBatch
from edge.runtime import telemetry as module
from edge.runtime.telemetry import SEAL_AGE_MS, Gap, TelemetryEvents, TelemetryThread


def block(taken_at_ms: int) -> BlockRead:
    return BlockRead("gas-1", ("lel",), (1,), (Quality.GOOD,), MonotonicMs(taken_at_ms))


@dataclass
class Store:
    """Keeps what it is given, unless told to fail; seals everything that is old enough as one batch."""

    error: PermitgateError | None = None
    kept: list[BlockRead] = field(default_factory=list)
    unsealed: list[BlockRead] = field(default_factory=list)
    commits: int = 0
    wal: int = 0

    def append(self, blocks: Sequence[BlockRead], wall_offset_ms: int | None) -> None:
        if self.error is not None:
            raise self.error
        self.commits += 1
        self.kept.extend(blocks)
        self.unsealed.extend(blocks)
        self.wal += 600_000

    def seal(self, due_before_ms: int) -> tuple[SealedBatch, ...]:
        if not any(each.taken_at < due_before_ms for each in self.unsealed):
            return ()
        count = len(self.unsealed)
        self.unsealed.clear()
        return (SealedBatch("gas-1", None, None, count, BlobReference("00" * 32, "x", 1)),)

    def wal_bytes(self) -> int:
        return self.wal

    def checkpoint_wal(self) -> bool:
        self.wal = 0
        return True


@dataclass
class Bench:
    store: Store = field(default_factory=Store)
    now_ms: int = 100_000
    sealed: list[SealedBatch] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        events = TelemetryEvents(self.sealed.append, self.gaps.append, self.trouble.append)
        self.thread = TelemetryThread(self.store, lambda: MonotonicMs(self.now_ms), lambda: None, events)

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


def test_a_failing_disk_keeps_the_blocks_and_their_order(bench: Bench) -> None:
    bench.store.error = StoreError("disk full")
    for number in range(300):
        bench.thread.offer(block(number))
    for _ in range(5):
        bench.settle(after_ms=500)
    assert (bench.store.kept, bench.gaps) == ([], [])
    assert 1 <= bench.thread.failures <= 3
    bench.store.error = None
    bench.settle(after_ms=5_000)
    bench.settle(after_ms=5_000)
    assert [each.taken_at for each in bench.store.kept] == list(range(300))


def test_what_does_not_fit_is_dropped_oldest_first_and_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCKS_WAITING_MAX", 100)
    for number in range(130):
        bench.thread.offer(block(number))
    bench.settle()
    assert bench.gaps == [Gap(0, 29, 30, "telemetry queue full")]
    assert [each.taken_at for each in bench.store.kept] == list(range(30, 130))
    assert bench.thread.dropped == 30
    bench.settle(after_ms=5_000)
    assert len(bench.gaps) == 1


def test_what_can_never_be_stored_becomes_a_gap_and_stops_nothing(bench: Bench) -> None:
    bench.store.error = UnusableError("beyond 64 bits")
    bench.thread.offer(block(1))
    bench.settle()
    assert bench.gaps == [Gap(1, 1, 1, "beyond 64 bits")]
    bench.store.error = None
    bench.thread.offer(block(2))
    bench.settle(after_ms=2_000)
    assert [each.taken_at for each in bench.store.kept] == [2]


def test_readings_are_sealed_at_a_minute(bench: Bench) -> None:
    bench.thread.offer(block(bench.now_ms))
    bench.settle()
    bench.settle(after_ms=SEAL_AGE_MS - 1_000)
    assert bench.sealed == []
    bench.settle(after_ms=2_000)
    assert [batch.count for batch in bench.sealed] == [1]


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
    assert sum(batch.count for batch in bench.sealed) == 700


def test_old_rows_are_thinned_in_pieces_and_told_when_done(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces, asked, told = [256, 256, 10, 0], [], []

    def thin(before_ms: int) -> int:
        asked.append(before_ms)
        return pieces.pop(0)

    monkeypatch.setattr(bench.store, "thin", thin, raising=False)
    bench.thread.thin(77, told.append)
    for _ in range(10):
        bench.settle(20)
    assert told == [522]
    assert asked == [77] * 4


def test_a_store_that_refuses_ends_the_thinning_and_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def thin(before_ms: int) -> int:
        raise StoreError("disk gone")

    monkeypatch.setattr(bench.store, "thin", thin, raising=False)
    bench.thread.thin(77, told.append)
    bench.settle(20)
    bench.settle(20)
    assert told == [0]
    assert bench.trouble == ["disk gone"]
