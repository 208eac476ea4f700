"""The watchdog is pinged on local progress only, and a thread that hangs stops it."""

from collections.abc import Callable
from threading import Event

from edge.core.readings import MonotonicMs
from edge.ports.errors import PermitgateError, StoreError
from edge.runtime.supervisor import ProgressWatch, Supervisor, serve


class Bench:
    """A supervisor with a clock that the test moves and a counter that stands for a thread."""

    def __init__(self) -> None:
        self.now = 0
        self.progress = 0
        self.pings = 0
        self.ticks = 0
        self.seconds = 0
        watch = ProgressWatch({"controller": lambda: self.progress}, stuck_ms=5_000)
        self.supervisor = Supervisor(
            lambda: MonotonicMs(self.now),
            watch,
            each_tick=self.on_tick,
            each_second=self.on_second,
            ping=self.on_ping,
            ping_ms=2_000,
        )

    def on_tick(self, now_ms: MonotonicMs) -> None:
        self.ticks += 1

    def on_second(self, now_ms: MonotonicMs) -> None:
        self.seconds += 1

    def on_ping(self) -> None:
        self.pings += 1

    def advance(self, seconds: int, moving: bool) -> None:
        for _ in range(seconds * 10):
            self.now += 100
            self.progress += moving
            self.supervisor.tick()


def test_everything_is_ticked_and_the_watchdog_pinged_at_its_period() -> None:
    bench = Bench()
    bench.advance(10, moving=True)
    assert bench.ticks == 100
    assert 9 <= bench.seconds <= 11
    assert bench.pings in (5, 6)


def test_a_thread_that_hangs_stops_the_pings_and_one_that_moves_again_resumes_them() -> None:
    bench = Bench()
    bench.advance(2, moving=True)
    bench.advance(20, moving=False)
    stuck = bench.pings
    bench.advance(10, moving=False)
    assert bench.pings == stuck
    assert bench.ticks == 320
    bench.advance(5, moving=True)
    assert bench.pings > stuck


def test_a_thread_that_ends_by_a_mistake_is_told_and_one_that_is_asked_to_end_is_not() -> None:
    failed: list[PermitgateError] = []

    def wrong(error: Exception) -> Callable[[Event], None]:
        def work(stop: Event) -> None:
            raise error

        return work

    serve("journal", lambda stop: None, Event(), failed.append)
    assert failed == []
    full = StoreError("disk full")
    serve("journal", wrong(full), Event(), failed.append)
    serve("journal", wrong(ValueError("ours")), Event(), failed.append)
    assert failed[0] is full
    assert str(failed[1]) == "journal: failed: ValueError('ours'); keep the log", "in words, for whoever started it"
