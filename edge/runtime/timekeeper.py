"""The daemon's sense of time: one interval, carried from the best anchor, above a floor that outlives reboots."""

from collections.abc import Callable
from dataclasses import dataclass

from edge.core.clock import Anchor, ClockSource, Now, interval
from edge.core.messages import ClockAnchored, ClockStepped, Input
from edge.core.readings import MonotonicMs, UtcMs
from edge.core.state import State

BUILD_MS = 1_790_000_000_000
"""2026-09-21T13:33:20Z: this software is not older, so no true clock shows less."""

_STEP_MS = 1_000
_FLOOR_PERIOD_MS = 60_000
_NTP_PERIOD_MS = 16_000


@dataclass(frozen=True, slots=True)
class Clocks:
    """What the machine offers. ``kernel_error_ms`` bounds the wall clock's error, None: not synchronised."""

    boot_id: str
    monotonic_ms: Callable[[], MonotonicMs]
    utc_ms: Callable[[], UtcMs]
    kernel_error_ms: Callable[[], int | None]


class Timekeeper:
    """Makes ``Now`` for every step and, ticked once a second, notices steps, asks the kernel, and keeps the floor.

    ``floor_ms`` is the kept lower bound of the last run; ``keep_floor`` is given a new one each minute, and must not
    wait: a lost one costs what passed since the last entry and nothing else. Any thread may ask ``now``.
    """

    def __init__(self, clocks: Clocks, drift_ppm: int, floor_ms: int, keep_floor: Callable[[int], None]) -> None:
        self._clocks = clocks
        self._drift_ppm = drift_ppm
        self._keep_floor = keep_floor
        self._floor_ms = max(BUILD_MS, floor_ms)
        self._offset_ms = clocks.utc_ms() - clocks.monotonic_ms()
        self._floor_due_ms = 0
        self._ntp_due_ms = 0

    def now(self, state: State) -> Now:
        """The time of a step. It is never earlier than it ever was: not than any step's, any entry's, HQ's last word.

        So a source that is set back, or a better one that says less, revives nothing that had ended.
        """
        durable = state.durable
        at = self._clocks.monotonic_ms()
        floor = UtcMs(max(self._floor_ms, durable.fresh_ms or 0, durable.lowest_ms))
        boot_id = self._clocks.boot_id
        clock = interval(durable.anchor, floor, at, boot_id, self._drift_ppm)
        self._floor_ms = max(self._floor_ms, clock.lo_ms)
        return Now(at, boot_id, clock)

    def tick(self, state: State) -> list[Input]:
        """What the controller should know about time."""
        at = self._clocks.monotonic_ms()
        found: list[Input] = []
        offset_ms = self._clocks.utc_ms() - at
        step_ms, self._offset_ms = offset_ms - self._offset_ms, offset_ms
        if abs(step_ms) > _STEP_MS:
            found.append(ClockStepped(step_ms))
            self._ntp_due_ms = at
        if at >= self._ntp_due_ms:
            self._ntp_due_ms = at + _NTP_PERIOD_MS
            found.extend(self._kernel_anchor())
        if at >= self._floor_due_ms:
            self._floor_due_ms = at + _FLOOR_PERIOD_MS
            self._keep_floor(self.now(state).clock.lo_ms)
        return found

    def _kernel_anchor(self) -> list[Input]:
        error_ms = self._clocks.kernel_error_ms()
        if error_ms is None:
            return []
        clocks = self._clocks
        anchor = Anchor(ClockSource.NTP, clocks.utc_ms(), error_ms, clocks.boot_id, clocks.monotonic_ms())
        return [ClockAnchored(anchor)]
