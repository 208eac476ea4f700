"""The shape of a driver, shown on the smallest real one: a detector's 4-20 mA loop behind any current input.

Copy it and keep the order: product and manual, table, pure decoding, one small class, ``build``. A detector that speaks
Modbus needs no driver at all: give it a profile in ``drivers/profiles``.

Product: any 4-20 mA transmitter that keeps to NAMUR NE 43. Manual: the transmitter's own; many use other fault currents
(Draeger 3.4 mA for maintenance, MSA 3.75 mA during start-up), so the table below is per model, not a law.
"""

from collections.abc import Callable
from typing import NamedTuple

from edge.ports.devices import BlockRead, MonotonicClock, Quality
from edge.ports.errors import DeviceError


class LoopTable(NamedTuple):
    """What currents mean, in microamperes; ``full_scale_steps`` lie between ``zero_ua`` and ``span_ua``."""

    full_scale_steps: int
    zero_ua: int = 4_000
    span_ua: int = 20_000
    fault_low_ua: int = 3_600
    fault_high_ua: int = 21_000


def decode(current_ua: int, table: LoopTable) -> tuple[int | None, Quality]:
    """A current as steps of the channel's resolution, rounded up, or the reason why it is none.

    At or beyond a fault current the device says that it is broken (NAMUR NE 43: 3.6 and 21 mA); between that and the
    measuring range the value is out of range. A little below zero is zero, as sensors drift.
    """
    if current_ua <= table.fault_low_ua or current_ua >= table.fault_high_ua:
        return None, Quality.DEVICE_FAULT
    if current_ua > table.span_ua:
        return None, Quality.OUT_OF_RANGE
    above_zero_ua = max(0, current_ua - table.zero_ua)
    return -(-above_zero_ua * table.full_scale_steps // (table.span_ua - table.zero_ua)), Quality.GOOD


class CurrentLoop:
    """One loop as a ``BlockReader``; ``measure`` gives microamperes, or raises DeviceError."""

    def __init__(self, device: str, table: LoopTable, measure: Callable[[], int], clock: MonotonicClock) -> None:
        self.device = device
        self._table = table
        self._measure = measure
        self._clock = clock

    def read(self) -> BlockRead:
        """Measure once. Trouble is a quality, never an exception, and never the last value."""
        taken_at = self._clock()
        try:
            steps, quality = decode(self._measure(), self._table)
        except DeviceError:
            steps, quality = None, Quality.COMM_FAIL
        return BlockRead(self.device, ("gas",), (steps,), (quality,), taken_at)


def build(device: str, table: LoopTable, measure: Callable[[], int], clock: MonotonicClock) -> CurrentLoop:
    """The driver's only door: everything it needs comes as an argument."""
    return CurrentLoop(device, table, measure, clock)
