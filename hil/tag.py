"""A simulated badge: an NFC tag that answers over nfcpy's ``udp:`` field.

One datagram a frame, ASCII ``b"106A <hex>"``; ``b"RFOFF"`` when the reader switches its field off (nfcpy 1.0.4,
nfc/clf/udp.py). The tag is the UDP server. Nothing of nfcpy is used here, and nothing of our reader either, so that the
two can prove each other wrong. Kinds: Type 4A (ISO/IEC 14443-4, NFC Forum Type 4 Tag 1.0 mapping 2.0) and Type 2 as
NXP NTAG215 (data sheet rev. 3.2); UIDs of 4 or 7 bytes.
"""

import socket
from collections.abc import Collection
from enum import Enum
from functools import reduce
from operator import xor
from threading import Lock, Thread
from typing import Literal, Protocol

from edge.host.system_clock import monotonic_ms

_BITRATE = b"106A"
_FIELD_OFF = b"RFOFF"
_CASCADE = 0x88
_REQUEST_MS = 120
"""How long a request to an empty field stays answerable: a card that enters a running field answers the next one, and a
real reader repeats them many times a second where the simulated one waits."""


class TagFault(Enum):
    """What a hostile or broken tag does."""

    ENDLESS_WTX = "endless_wtx"
    ZERO_LENGTH_READ = "zero_length_read"
    SHORT_ATS = "short_ats"
    NLEN_65535 = "nlen_65535"
    MUTE = "mute"
    BIT_FLIP = "bit_flip"


TagKind = Literal["type4", "type2"]


class _Card(Protocol):
    """What a tag does once it is selected."""

    select_answer: int
    request_answer: bytes

    def reset(self) -> None: ...

    def answer(self, frame: bytes) -> bytes | None: ...


class Type4Card:
    """ISO-DEP and the NDEF application of a Type 4A tag."""

    select_answer = 0x20
    request_answer = b"\x44\x03"
    _FILES_MAX = 2_048

    def __init__(self, ndef: bytes, faults: Collection[TagFault]) -> None:
        length = 0xFFFF if TagFault.NLEN_65535 in faults else len(ndef)
        capabilities = bytes.fromhex("000f2000ff00ff0406e104") + self._FILES_MAX.to_bytes(2, "big") + b"\x00\xff"
        self._files = {b"\xe1\x03": capabilities, b"\xe1\x04": length.to_bytes(2, "big") + ndef}
        self._faults = faults
        self.reset()

    def reset(self) -> None:
        """Selected anew: no application, no file, no command half sent."""
        self._file = b""
        self._in_application = False
        self._command = b""
        self._waiting: list[bytes] = []
        self._last = b""
        self._frame_bytes = 256

    def answer(self, frame: bytes) -> bytes | None:
        """The answer to one ISO-DEP block (ISO/IEC 14443-4), None: the tag says nothing."""
        head = frame[0]
        if head == 0xE0 and len(frame) == 2:
            return self._select(frame[1])
        if head == 0xC2:
            self.reset()
            return b"\xc2"
        if head & 0xF0 == 0xD0:
            return frame[:1]
        if TagFault.ENDLESS_WTX in self._faults:
            return b"\xf2\x01"
        if head & 0xEE == 0x02:
            return self._information(head, frame[1:])
        if head & 0xFE == 0xA2:
            return self._next(head & 0x01)
        if head & 0xFE == 0xB2:
            return self._last if self._last and self._last[0] & 1 == head & 1 else bytes([0xA2 | head & 1])
        return None

    def _select(self, parameter: int) -> bytes:
        self.reset()
        self._frame_bytes = (16, 24, 32, 40, 48, 64, 96, 128, 256)[min(parameter >> 4, 8)]
        return b"\x06" if TagFault.SHORT_ATS in self._faults else bytes.fromhex("067777710280")

    def _information(self, head: int, content: bytes) -> bytes | None:
        self._command += content
        if head & 0x10:
            return bytes([0xA2 | head & 1])
        command, self._command = self._command, b""
        response = self._respond(command)
        size = self._frame_bytes - 3
        self._waiting = [response[start : start + size] for start in range(0, len(response), size)]
        return self._next(head & 1)

    def _next(self, number: int) -> bytes | None:
        if not self._waiting:
            return None
        part = self._waiting.pop(0)
        block = bytes([0x02 | number | (0x10 if self._waiting else 0)]) + part
        self._last = block
        return block

    def _respond(self, command: bytes) -> bytes:
        if len(command) < 5:
            return b"\x67\x00"
        match command[1], command[2]:
            case 0xA4, 0x04:
                self._in_application = command[5 : 5 + command[4]] == bytes.fromhex("d2760000850101")
                return b"\x90\x00" if self._in_application else b"\x6a\x82"
            case 0xA4, 0x00:
                self._file = command[5:7]
                return b"\x90\x00" if self._in_application and self._file in self._files else b"\x6a\x82"
            case 0xB0, _:
                return self._read(int.from_bytes(command[2:4], "big"), command[4] or 256)
            case _:
                return b"\x6d\x00"

    def _read(self, offset: int, size: int) -> bytes:
        content = self._files.get(self._file)
        if content is None or offset > len(content):
            return b"\x6a\x82"
        if TagFault.ZERO_LENGTH_READ in self._faults and self._file == b"\xe1\x04":
            return b"\x90\x00"
        part = content[offset : offset + size]
        # The file is longer than what is written in it; the rest reads as zero.
        return part.ljust(min(size, self._FILES_MAX - offset), b"\x00") + b"\x90\x00"


class Type2Card:
    """NTAG215: 135 pages of 4 bytes, of which 126 hold data."""

    select_answer = 0x00
    request_answer = b"\x44\x00"
    _PAGES = 135
    _VERSION = bytes.fromhex("0004040201001103")
    _REFUSED = b"\x00"

    def __init__(self, uid: bytes, ndef: bytes, faults: Collection[TagFault]) -> None:
        length = 0xFFFF if TagFault.NLEN_65535 in faults else len(ndef)
        short = length < 0xFF
        tlv = b"\x03" + (bytes([length]) if short else b"\xff" + length.to_bytes(2, "big")) + ndef + b"\xfe"
        if len(tlv) > 504:
            raise ValueError(f"an NTAG215 holds 504 bytes, not {len(tlv)}")
        serial = uid.ljust(7, b"\x00")
        check = [reduce(xor, serial[:3], _CASCADE), reduce(xor, serial[3:7])]
        head = serial[:3] + bytes(check[:1]) + serial[3:7] + bytes(check[1:]) + b"\x48\x00\x00"
        self._memory = (head + b"\xe1\x10\x3e\x00" + tlv).ljust(self._PAGES * 4, b"\x00")
        self._faults = faults

    def reset(self) -> None:
        """Nothing is kept between selections."""

    def answer(self, frame: bytes) -> bytes | None:
        """The answer to one command of NFC Forum Type 2 (READ, FAST_READ, GET_VERSION), None: the tag says nothing."""
        match frame[0], len(frame):
            case 0x30, 2:
                return self._read(frame[1])
            case 0x3A, 3 if frame[1] <= frame[2] < self._PAGES:
                return self._memory[frame[1] * 4 : frame[2] * 4 + 4]
            case 0x60, 1:
                return self._VERSION
            case _:
                return self._REFUSED

    def _read(self, page: int) -> bytes:
        if page >= self._PAGES:
            return self._REFUSED
        if TagFault.ZERO_LENGTH_READ in self._faults:
            return self._REFUSED
        return (self._memory[page * 4 :] + self._memory)[:16]


class _Selection:
    """Finding and selecting by UID (ISO/IEC 14443-3 section 6.5), cascade levels 1 and 2."""

    def __init__(self, uid: bytes, card: _Card) -> None:
        parts = [uid] if len(uid) == 4 else [bytes([_CASCADE]) + uid[:3], uid[3:]]
        self._levels = [part + bytes([reduce(xor, part)]) for part in parts]
        self._card = card
        self._request = card.request_answer if len(uid) == 7 else bytes([0x04, card.request_answer[1]])
        self._selected = False

    def reset(self) -> None:
        self._selected = False
        self._card.reset()

    def answer(self, frame: bytes) -> bytes | None:
        if frame in (b"\x26", b"\x52"):
            self.reset()
            return self._request
        if frame == b"\x50\x00":
            self.reset()
            return None
        for level, part in enumerate(self._levels):
            code = bytes([0x93 + 2 * level])
            if frame == code + b"\x20":
                return part
            if frame == code + b"\x70" + part:
                last = level == len(self._levels) - 1
                self._selected = last
                return bytes([self._card.select_answer if last else 0x04])
        return self._card.answer(frame) if self._selected else None


class SimulatedTag:
    """A badge near one reader's field. It starts away from it; ``present`` holds it to the reader.

    ``port`` 0 takes a free one, see ``port``. ``ndef`` is the NDEF message, without TLV or length. ``host`` is
    127.0.0.1 unless the reader is on another machine. Close it, or use it in ``with``: it has a thread and a socket.
    """

    def __init__(
        self,
        port: int,
        uid: bytes,
        ndef: bytes,
        kind: TagKind = "type4",
        faults: Collection[TagFault] = (),
        *,
        host: str = "127.0.0.1",
    ) -> None:
        self._lock = Lock()
        self._faults = frozenset(faults)
        self._present = False
        self._asked: tuple[tuple[str, int], int] | None = None
        self._selection = _select(uid, ndef, kind, self._faults)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        self._thread = Thread(target=self._serve, name=f"tag-{self.port}", daemon=True)
        self._thread.start()

    def present(self) -> None:
        """Hold the badge to the reader."""
        with self._lock:
            self._present = True
            asked, self._asked = self._asked, None
            self._selection.reset()
        if asked is not None and monotonic_ms() - asked[1] < _REQUEST_MS:
            self._reply(b"\x26", asked[0])

    def remove(self) -> None:
        """Take the badge away: it answers nothing."""
        with self._lock:
            self._present = False
            self._selection.reset()

    def rewrite(self, uid: bytes, ndef: bytes, kind: TagKind = "type4", faults: Collection[TagFault] = ()) -> None:
        """Another badge at the same port; like a new one, it is away from the reader."""
        with self._lock:
            self._present = False
            self._faults = frozenset(faults)
            self._selection = _select(uid, ndef, kind, self._faults)

    def close(self) -> None:
        """Ends thread and socket. May be called twice."""
        if self._thread.is_alive():
            # An empty datagram to ourselves wakes the thread; a closed socket alone would leave it waiting.
            host = self._socket.getsockname()[0]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
                while self._thread.is_alive():
                    waker.sendto(b"", ("127.0.0.1" if host == "0.0.0.0" else host, self.port))
                    self._thread.join(0.2)
        self._socket.close()

    def __enter__(self) -> "SimulatedTag":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while True:
            datagram, sender = self._socket.recvfrom(1024)
            if not datagram:
                return
            if datagram.startswith(_FIELD_OFF):
                with self._lock:
                    self._asked = None
                    self._selection.reset()
                continue
            frame = _frame(datagram)
            if frame:
                self._reply(frame, sender)

    def _reply(self, frame: bytes, sender: tuple[str, int]) -> None:
        with self._lock:
            if not self._present:
                self._asked = (sender, monotonic_ms()) if frame == b"\x26" else None
                return
            answer = self._selection.answer(frame)
            if TagFault.MUTE in self._faults and frame[0] not in (0x26, 0x52, 0x93, 0x95):
                return
        if answer is not None:
            self._socket.sendto(_BITRATE + b" " + answer.hex().encode("ascii"), sender)


def _select(uid: bytes, ndef: bytes, kind: TagKind, faults: Collection[TagFault]) -> _Selection:
    if len(uid) not in (4, 7):
        raise ValueError("a UID of 4 or 7 bytes: nfcpy's simulated field knows no third cascade level")
    if TagFault.BIT_FLIP in faults and ndef:
        ndef = ndef[:-1] + bytes([ndef[-1] ^ 0x01])
    return _Selection(uid, Type4Card(ndef, faults) if kind == "type4" else Type2Card(uid, ndef, faults))


def _frame(datagram: bytes) -> bytes | None:
    parts = datagram.split()
    if len(parts) != 2 or parts[0] != _BITRATE:
        return None
    try:
        return bytes.fromhex(parts[1].decode("ascii"))
    except ValueError:
        return None
