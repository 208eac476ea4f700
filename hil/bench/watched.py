"""The rig's badges and detectors, which note when what the benchmarks ask about was on the air or on the wire."""

from collections.abc import Mapping
from threading import Lock

from edge.host.system_clock import monotonic_us
from hil.modbus_unit import SimulatedUnit
from hil.tag import SimulatedTag

_UNITS = Lock()


class WatchedTag(SimulatedTag):
    """A badge that notes when the first whole read of it ended: its last answer before the reader begins anew."""

    def show(self, uid: bytes, ndef: bytes) -> None:
        """Another badge, held to the reader."""
        self.rewrite(uid, ndef)
        self._first_us = self._last_us = 0
        self._content_read = self._closed = False
        self.present()

    @property
    def read_us(self) -> tuple[int, int]:
        """First and last answer of that read, CLOCK_BOOTTIME in microseconds."""
        return self._first_us, self._last_us

    def _reply(self, frame: bytes, sender: tuple[str, int]) -> None:
        super()._reply(frame, sender)
        if not self._present or self._closed:
            return
        if frame in (b"\x26", b"\x52") and self._content_read:
            self._closed = True
            return
        now = monotonic_us()
        self._first_us = self._first_us or now
        self._last_us = now
        # An I-block that carries READ BINARY: from here on the next REQA or WUPA begins another read.
        self._content_read = self._content_read or b"\x00\xb0" in frame

    _first_us = _last_us = 0
    _content_read = _closed = False


class WatchedUnit(SimulatedUnit):
    """A detector that notes when it first answered with what it was last set to.

    A gateway reads it in more than one request. An answer tells the new gas only if that very request was answered
    otherwise before: the unit's register, asked right after the gas was raised, is not news of the gas.
    """

    def __init__(self, profile: Mapping[str, object], unit: int) -> None:
        super().__init__(profile, unit)
        self._answers: dict[bytes, bytes] = {}
        self._answered_us = 0
        self._expecting = False

    def set_gas(self, value: str) -> None:
        """From the next answer on."""
        with _UNITS:
            self._answered_us = 0
            self._expecting = True
            self.set_value("gas", value)

    @property
    def answered_us(self) -> int:
        """When the new value was first on the wire; 0: not yet."""
        return self._answered_us

    def answer(self, request: bytes) -> bytes:
        """As ``SimulatedUnit.answer``."""
        with _UNITS:
            reply = super().answer(request)
            if self._expecting and reply != self._answers.get(request, reply):
                self._expecting, self._answered_us = False, monotonic_us()
            self._answers[request] = reply
        return reply
