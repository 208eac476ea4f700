"""The supervisor: looks after children, vouches for the outputs and pings the watchdog, on local progress only.

HQ's absence, a dead device or a wrong password never stops the ping: only a thread of ours that no longer moves does.
"""

from collections.abc import Callable, Mapping
from threading import Event

import structlog

from edge.core.readings import MonotonicMs
from edge.ports.errors import PermitgateError, UnusableError

_log = structlog.get_logger("supervisor")

TICK_S = 0.1
_STANDING_MS = 1_000
_SECOND_MS = 1_000
_STUCK_MS = 10_000

Progress = Callable[[], int]
"""A number that grows while a thread moves."""


def serve(name: str, work: Callable[[Event], None], stop: Event, failed: Callable[[PermitgateError], None]) -> None:
    """The whole life of a thread of ours: one that ends by a mistake ends the daemon, which locks up and starts afresh.

    Without it the others would go on for as long as nobody looks, and nothing that it did would be done.
    """
    try:
        work(stop)
    except Exception as error:  # noqa: BLE001 - top of every thread: with one of them gone nothing may seem to work
        _log.error("thread_failed", thread=name, error=repr(error))
        told = (
            error if isinstance(error, PermitgateError) else UnusableError(f"{name}: failed: {error!r}; keep the log")
        )
        failed(told)


class ProgressWatch:
    """Tells which threads have not moved for a while. Pure but for what it is given."""

    def __init__(self, progress: Mapping[str, Progress], stuck_ms: int = _STUCK_MS) -> None:
        self._progress = dict(progress)
        self._stuck_ms = stuck_ms
        self._seen: dict[str, tuple[int, int]] = {}

    def stuck(self, now_ms: MonotonicMs) -> tuple[str, ...]:
        """The threads that have not moved for longer than allowed."""
        found = []
        for name, progress in self._progress.items():
            value = progress()
            last = self._seen.get(name)
            if last is None or last[0] != value:
                self._seen[name] = (value, now_ms)
            elif now_ms - last[1] > self._stuck_ms:
                found.append(name)
        return tuple(found)


class Supervisor:
    """Ticks everything that must be looked after, in the main thread."""

    def __init__(
        self,
        monotonic_ms: Callable[[], MonotonicMs],
        watch: ProgressWatch,
        *,
        each_tick: Callable[[MonotonicMs], None],
        each_second: Callable[[MonotonicMs], None],
        ping: Callable[[], None],
        ping_ms: int,
    ) -> None:
        self._monotonic_ms = monotonic_ms
        self._watch = watch
        self._each_tick = each_tick
        self._each_second = each_second
        self._ping = ping
        self._ping_ms = ping_ms
        self._second_due = 0
        self._ping_due = 0
        self._stuck: tuple[str, ...] = ()

    def run(self, stop: Event) -> None:
        """Tick until stopped."""
        while not stop.wait(TICK_S):
            self.tick()

    def tick(self) -> None:
        """One round."""
        now_ms = self._monotonic_ms()
        self._each_tick(now_ms)
        if now_ms >= self._second_due:
            self._second_due = now_ms + _SECOND_MS
            self._each_second(now_ms)
            self._look(now_ms)
        if now_ms >= self._ping_due and not self._stuck:
            self._ping_due = now_ms + self._ping_ms
            self._ping()

    def _look(self, now_ms: MonotonicMs) -> None:
        stuck = self._watch.stuck(now_ms)
        if stuck != self._stuck:
            self._stuck = stuck
            if stuck:
                _log.error("thread_stuck", threads=list(stuck))
            else:
                _log.info("threads_move_again")
