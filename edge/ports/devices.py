"""What devices must offer to the runtime. Drivers implement these and see nothing else of the daemon."""

from collections.abc import Callable
from typing import Protocol

from edge.core.readings import BlockRead, CalibrationSaid, MonotonicMs, Quality

__all__ = ["BlockRead", "BlockReader", "CalibrationSaid", "MonotonicClock", "MonotonicMs", "Quality", "Sleep"]

MonotonicClock = Callable[[], MonotonicMs]
"""Reads CLOCK_BOOTTIME in milliseconds."""

Sleep = Callable[[float], None]
"""Waits that many seconds; the only way a driver may wait."""


class BlockReader(Protocol):
    """One device on a bus."""

    def read(self) -> BlockRead:
        """Ask the device once for all its channels. Device trouble is a quality, never an exception.

        Takes at most the bus's time-out, plus the quiet that a serial line needs after one.
        """
        ...
