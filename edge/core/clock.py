"""Time as an interval with trust.

Order is the journal's sequence; time is ``[lo, hi]``, carried forward from an anchor on CLOCK_BOOTTIME with a drift
bound. A machine that does not know the time knows only a floor: it never believes that a window is still open.
"""

from dataclasses import dataclass
from enum import Enum

from edge.core.readings import MonotonicMs, UtcMs


class ClockSource(Enum):
    """Where an anchor came from, best first."""

    HQ = "hq"
    NTP = "ntp"
    RTC = "rtc"
    ESTIMATE = "est"
    NONE = "none"


_RANK = {ClockSource.HQ: 4, ClockSource.NTP: 3, ClockSource.RTC: 2, ClockSource.ESTIMATE: 1, ClockSource.NONE: 0}


@dataclass(frozen=True, slots=True)
class Anchor:
    """At ``boottime_ms`` of the boot ``boot_id`` it was ``utc_ms``, give or take ``uncertainty_ms``."""

    source: ClockSource
    utc_ms: UtcMs
    uncertainty_ms: int
    boot_id: str
    boottime_ms: MonotonicMs


@dataclass(frozen=True, slots=True)
class ClockInterval:
    """UTC lies in ``[lo_ms, hi_ms]``; ``hi_ms`` None means that no source bounds it from above."""

    lo_ms: UtcMs
    hi_ms: UtcMs | None
    source: ClockSource

    def surely_after(self, instant_ms: int) -> bool:
        """True only if every instant of the interval is at or after ``instant_ms``."""
        return self.lo_ms >= instant_ms

    def maybe_before(self, instant_ms: int) -> bool:
        """True if some instant of the interval is before ``instant_ms``."""
        return self.lo_ms < instant_ms


@dataclass(frozen=True, slots=True)
class Now:
    """The time argument of every decision: monotonic for ages, an interval for windows, wall for the record."""

    boottime_ms: MonotonicMs
    boot_id: str
    clock: ClockInterval


def interval(
    anchor: Anchor | None, floor_ms: UtcMs, boottime_ms: MonotonicMs, boot_id: str, drift_ppm: int
) -> ClockInterval:
    """Carry ``anchor`` forward to ``boottime_ms``; never below ``floor_ms``.

    An anchor of another boot is none: CLOCK_BOOTTIME began again and nothing says how long the power was off.
    """
    if anchor is None or anchor.boot_id != boot_id:
        return ClockInterval(floor_ms, None, ClockSource.NONE)
    elapsed_ms = max(0, boottime_ms - anchor.boottime_ms)
    drift_ms = -(-elapsed_ms * drift_ppm // 1_000_000)
    lo_ms = anchor.utc_ms + elapsed_ms - drift_ms - anchor.uncertainty_ms
    hi_ms = anchor.utc_ms + elapsed_ms + drift_ms + anchor.uncertainty_ms
    if hi_ms < floor_ms:
        # The anchor says that it is earlier than a time already proven: the clock was set back, so it proves nothing.
        return ClockInterval(floor_ms, None, ClockSource.NONE)
    return ClockInterval(UtcMs(max(lo_ms, floor_ms)), UtcMs(hi_ms), anchor.source)


def contradicts(held: Anchor, offered: Anchor, drift_ppm: int) -> bool:
    """Whether the two, of one boot, cannot both be right: one of their clocks was set in between."""
    then = interval(held, UtcMs(0), offered.boottime_ms, offered.boot_id, drift_ppm)
    earliest_ms, latest_ms = offered.utc_ms - offered.uncertainty_ms, offered.utc_ms + offered.uncertainty_ms
    return then.hi_ms is not None and (latest_ms < then.lo_ms or earliest_ms > then.hi_ms)


def better(held: Anchor | None, offered: Anchor, drift_ppm: int) -> bool:
    """Whether ``offered`` should replace ``held``: a higher source, or the same with less doubt or another opinion."""
    if held is None or held.boot_id != offered.boot_id:
        return True
    if _RANK[offered.source] != _RANK[held.source]:
        return _RANK[offered.source] > _RANK[held.source]
    if contradicts(held, offered, drift_ppm):
        return True
    elapsed_ms = max(0, offered.boottime_ms - held.boottime_ms)
    return offered.uncertainty_ms <= held.uncertainty_ms + elapsed_ms * drift_ppm // 1_000_000
