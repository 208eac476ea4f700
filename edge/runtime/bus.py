"""The loop of one bus thread: every device, every period, and a block for each, whatever the device does."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from edge.ports.devices import BlockRead, CalibrationSaid, MonotonicClock, MonotonicMs, Quality, Sleep

_STOP_LOOK_MS = 200
"""How long a stop may go unnoticed while the loop waits."""


class BusReader(Protocol):
    """A device on this bus. ``read`` as in ``edge.ports.devices.BlockReader``."""

    @property
    def device(self) -> str:
        """The device's name on the site."""
        ...

    @property
    def trouble(self) -> str:
        """Why the last read failed, or why what it gave is not believed; empty when neither."""
        ...

    def read(self) -> BlockRead:
        """Ask the device once for all its channels."""
        ...

    def unreadable(self, now: MonotonicMs) -> BlockRead:
        """All channels of the device as ``comm_fail``."""
        ...

    def calibration_said(self, block: BlockRead) -> CalibrationSaid | None:
        """What the device says of its calibration, when it is time to ask; ``block`` is what it was just read as."""
        ...


class BusLoop:
    """Polls the devices of one bus every ``poll_ms`` and publishes one block per device and period.

    A period that a slow bus overran is skipped, never made up for in a burst. ``publish`` is called in this thread and
    must neither block nor raise; nor may ``tell``, which gets what devices say of their calibration. The counters are
    written by this thread alone and may be read by any.
    """

    def __init__(
        self,
        bus: str,
        readers: Sequence[BusReader],
        poll_ms: int,
        *,
        clock: MonotonicClock,
        sleep: Sleep,
        publish: Callable[[BlockRead], None],
        tell: Callable[[CalibrationSaid], object] | None = None,
    ) -> None:
        self.bus = bus
        self.progress = 0
        self.polls = 0
        self.failures = 0
        self.overruns = 0
        self.cycle_ms = 0
        self._readers = tuple(readers)
        self._poll_ms = poll_ms
        self._clock = clock
        self._sleep = sleep
        self._publish = publish
        self._tell = tell
        self._lost: set[str] = set()
        self._doubted: set[str] = set()
        self._log = structlog.get_logger().bind(bus=bus)

    def run(self, stop: threading.Event) -> None:
        """Polls until ``stop`` is set; returns within the bus's time-out and its quiet."""
        due = self._clock()
        while not stop.is_set():
            started = self._clock()
            for reader in self._readers:
                if stop.is_set():
                    return
                self.poll(reader)
            now = self._clock()
            self.cycle_ms = now - started
            due = MonotonicMs(due + self._poll_ms)
            if due < now:
                missed = (now - due) // self._poll_ms + 1
                self.overruns += missed
                due = MonotonicMs(due + missed * self._poll_ms)
            self._wait_until(due, stop)

    def poll(self, reader: BusReader) -> None:
        """Reads one device and publishes what it said, or that it said nothing."""
        try:
            block = reader.read()
        except Exception:  # noqa: BLE001 - the top of a thread: a defect in one driver must not silence its bus
            self._log.exception("device_read_defect", device=reader.device)
            block = reader.unreadable(self._clock())
        self.polls += 1
        self.progress += 1
        self._note_presence(reader, block)
        self._publish(block)
        if self._tell is not None:
            self._ask_further(reader, block, self._tell)

    def _ask_further(self, reader: BusReader, block: BlockRead, tell: Callable[[CalibrationSaid], object]) -> None:
        """After the readings, which wait for nothing: now and then, what the device says of its calibration."""
        try:
            said = reader.calibration_said(block)
        except Exception:  # noqa: BLE001 - the top of a thread: a defect in one driver must not silence its bus
            self._log.exception("device_read_defect", device=reader.device)
            return
        if said is not None:
            tell(said)

    def _note_presence(self, reader: BusReader, block: BlockRead) -> None:
        """One line when a device is lost or no longer believed, one when it is back; nothing in between."""
        if Quality.COMM_FAIL in block.qualities:
            self.failures += 1
            if reader.device not in self._lost:
                self._lost.add(reader.device)
                self._log.warning("device_lost", device=reader.device, why=reader.trouble)
            return
        if reader.device in self._lost:
            self._lost.discard(reader.device)
            self._log.info("device_back", device=reader.device)
        self._note_doubt(reader)

    def _note_doubt(self, reader: BusReader) -> None:
        if bool(reader.trouble) == (reader.device in self._doubted):
            return
        if reader.trouble:
            self._doubted.add(reader.device)
            self._log.warning("device_doubted", device=reader.device, why=reader.trouble)
        else:
            self._doubted.discard(reader.device)
            self._log.info("device_believed", device=reader.device)

    def _wait_until(self, due: MonotonicMs, stop: threading.Event) -> None:
        while not stop.is_set():
            remaining_ms = due - self._clock()
            if remaining_ms <= 0:
                return
            self.progress += 1
            self._sleep(min(remaining_ms, _STOP_LOOK_MS) / 1000.0)
