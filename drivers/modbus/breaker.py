"""A breaker per unit: a unit that does not answer is asked ever more rarely, so that it cannot starve its bus. Pure.

Two failures in a row open it. While open the unit is not asked; when the pause is over, one request probes it. A
success closes it at once. Pauses double from ``first_pause_ms`` to ``longest_pause_ms``; each is shortened by up to an
eighth, by an amount computed from the unit's number, so that units that failed together are not probed together.
"""

from zlib import crc32

from edge.ports.devices import MonotonicMs

FIRST_PAUSE_MS = 2_000
LONGEST_PAUSE_MS = 30_000
_FAILURES_TO_OPEN = 2
_JITTER_PARTS = 1024


class Breaker:
    """The state of one unit. Times are CLOCK_BOOTTIME in milliseconds, given by the caller."""

    def __init__(
        self, unit: int, first_pause_ms: int = FIRST_PAUSE_MS, longest_pause_ms: int = LONGEST_PAUSE_MS
    ) -> None:
        self._unit = unit
        self._first_pause_ms = first_pause_ms
        self._longest_pause_ms = longest_pause_ms
        self._failures = 0
        self._ask_at = MonotonicMs(0)

    @property
    def failures(self) -> int:
        """Failures since the last success."""
        return self._failures

    def allows(self, now: MonotonicMs) -> bool:
        """Whether the unit may be asked now."""
        return self._failures < _FAILURES_TO_OPEN or now >= self._ask_at

    def failed(self, now: MonotonicMs) -> None:
        """The unit was asked and did not answer properly; ``now`` is when that was known."""
        self._failures += 1
        if self._failures >= _FAILURES_TO_OPEN:
            self._ask_at = MonotonicMs(now + self._pause_ms())

    def succeeded(self) -> None:
        """The unit answered."""
        self._failures = 0

    def _pause_ms(self) -> int:
        doublings = min(self._failures - _FAILURES_TO_OPEN, 30)
        pause_ms = min(self._first_pause_ms << doublings, self._longest_pause_ms)
        part = crc32(f"{self._unit}:{self._failures}".encode()) % _JITTER_PARTS
        return pause_ms - pause_ms * part // (8 * _JITTER_PARTS)
