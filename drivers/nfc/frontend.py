"""One badge reader on nfcpy: is a badge there, which one, and what NDEF message does it hold.

nfcpy 1.0.4, used for finding a tag (``sense``) and for single frames (``exchange``) only. Its ``connect`` and its tag
classes are not used: there a tag decides how long a read lasts (endless waiting time extensions, READ BINARY of no
bytes), and vendor exceptions of every kind come out. Whatever nfcpy raises, the frontend is dropped and built anew:
after an unplugged cable it can never be opened again.
"""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nfc.clf

from drivers.nfc import type2, type4
from drivers.nfc.link import Budget, Link, Refusal, TagRefused
from drivers.nfc.transport import abandon_line, open_device
from edge.ports.devices import MonotonicClock
from edge.ports.errors import DeviceError, UnusableError

TRIES = 3
"""How often a badge is selected and read anew when the field is lost in mid-read, within one budget."""

_FRAME_SIZE_128, _FRAME_SIZE_256 = 7, 8

# nfcpy logs each failed frame as an error; what matters is told once, by whoever owns this reader.
logging.getLogger("nfc").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class BadgeRead:
    """One badge in the field. ``ndef`` is its NDEF message, None when it has none; ``refusal`` is set when it could not
    be read (then ``ndef`` is None). ``read_ms`` is from finding the badge to its last byte.
    """

    uid: bytes
    ndef: bytes | None
    refusal: str | None
    read_ms: int


class ReaderLost(DeviceError):
    """The reader does not work now; the next ``poll`` builds it anew."""


class BadgeReader:
    """A reader at one path. One thread only; ``poll`` takes about 0.5 s at most on a reader that answers."""

    def __init__(
        self,
        path: str,
        clock: MonotonicClock,
        *,
        simulate: bool = False,
        open_path: Callable[[str, bool], Any] = open_device,
    ) -> None:
        self._path = path
        self._clock = clock
        self._simulate = simulate
        self._open_path = open_path
        self._frontend: Any = None

    def poll(self) -> BadgeRead | None:
        """Look once for a badge and read it; None when the field is empty.

        Raises ``ReaderLost`` when the reader fails, ``UnusableError`` when its path can never work.
        """
        try:
            return self._poll()
        except UnusableError:
            raise
        except Exception as error:
            # nfcpy lets IndexError, termios.error and more out of itself, and all of them mean: build it anew.
            self.close()
            raise ReaderLost(f"reader {self._path}: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Field off, device closed, whatever state it is in. May be called twice; ``poll`` opens it again."""
        frontend, self._frontend = self._frontend, None
        device = None if frontend is None else frontend.device
        if device is None:
            return
        frontend.device = None
        with contextlib.suppress(Exception):
            device.close()
        line = getattr(getattr(device, "chipset", None), "transport", None)
        if isinstance(line, nfc.clf.transport.TTY):
            with contextlib.suppress(Exception):
                abandon_line(line)

    def _poll(self) -> BadgeRead | None:
        if self._frontend is None:
            self._frontend = nfc.clf.ContactlessFrontend()
            self._frontend.device = self._open_path(self._path, self._simulate)
        target = self._sense()
        if target is None:
            return None
        found_at = self._clock()
        uid = bytes(target.sdd_res or b"")
        ndef, refusal = self._read(target)
        return BadgeRead(uid, ndef, refusal, self._clock() - found_at)

    def _sense(self) -> Any:
        target = self._frontend.sense(nfc.clf.RemoteTarget("106A"), iterations=1)
        return target if target is not None and target.sdd_res and target.sel_res else None

    def _read(self, target: Any) -> tuple[bytes | None, str | None]:
        uid = target.sdd_res
        budget = Budget.starting_now(self._clock)
        for remaining in reversed(range(TRIES)):
            try:
                return _read_ndef(Link(self._exchange, budget), target, self._frontend), None
            except TagRefused as refused:
                if refused.refusal is not Refusal.FIELD_LOST or not remaining:
                    return None, refused.refusal.value
            target = self._sense()
            if target is None or target.sdd_res != uid:
                break
        return None, Refusal.FIELD_LOST.value

    def _exchange(self, frame: bytes, timeout_s: float) -> bytes:
        try:
            return bytes(self._frontend.exchange(bytearray(frame), timeout_s) or b"")
        except nfc.clf.CommunicationError as error:
            raise TagRefused(Refusal.FIELD_LOST, type(error).__name__) from error


def _read_ndef(link: Link, target: Any, frontend: Any) -> bytes | None:
    """By the answer to select (ISO/IEC 14443-3 section 6.5.3.4, NXP AN10833): ISO-DEP, MIFARE Classic, Type 2."""
    kind = target.sel_res[0]
    if kind & 0x20:
        size_code = _FRAME_SIZE_256 if frontend.max_recv_data_size >= 256 else _FRAME_SIZE_128
        return type4.read_ndef(link, size_code)
    if kind & 0x48:
        return None  # MIFARE Classic and peer-to-peer devices: a number without a message
    return type2.read_ndef(link)
