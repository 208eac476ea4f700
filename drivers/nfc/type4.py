"""Reading the NDEF message of a Type 4A tag: ISO-DEP and a handful of APDUs.

Sources: ISO/IEC 14443-4 (RATS and ATS section 5, half-duplex blocks section 7); NFC Forum Type 4 Tag 1.0 sections 5
and 6 (NDEF application, capability container, NLEN). Blocks are never sent twice: after a lost answer the whole tag
is selected and read anew, so that a late answer can never be taken for that to a later question.
"""

from dataclasses import dataclass

from drivers.nfc.link import NDEF_BYTES_MAX, Link, Refusal, TagRefused, protocol_error

_APPLICATION = bytes.fromhex("d2760000850101")
_CAPABILITY_FILE = b"\xe1\x03"
_OK = b"\x90\x00"
_ABSENT = (b"\x6a\x82", b"\x6d\x00", b"\x6e\x00", b"\x6a\x86")
"""Status words of ISO/IEC 7816-4 that say "no such application or file", or "no such command here"."""

_CHUNK_MAX = 240
"""Asked for at once: with status, block head and checksum it stays under a frame of 256 bytes."""

_CARRIER_HZ = 13_560_000
_FWI_DEFAULT = 4
_RATS_TIMEOUT_S = 0.1
_ANSWER_S_LEAST = 0.1
"""Longer than the frame waiting time of most tags: a USB or serial reader adds its own delay."""


class _Apdus:
    """ISO-DEP blocks to one activated tag; the block number toggles with each."""

    def __init__(self, link: Link, waiting_s: float) -> None:
        self._link = link
        self._waiting_s = waiting_s
        self._number = 0

    def send(self, command: bytes) -> bytes:
        """Answer and status word to a short command (at most 13 bytes: it fits a frame of any tag)."""
        block = self._block(bytes([0x02 | self._number]) + command)
        answer = bytearray()
        while True:
            head = block[0]
            # 0xEE masks chaining (0x10) and block number (0x01); no CID and no NAD was asked for.
            if head & 0xEE != 0x02 or head & 0x01 != self._number:
                raise protocol_error(f"block {head:02x} where information block {self._number} was due")
            self._number ^= 1
            answer += block[1:]
            if len(answer) > _CHUNK_MAX + 16:
                raise protocol_error("an answer longer than asked for")
            if not head & 0x10:
                break
            block = self._block(bytes([0xA2 | self._number]))
        if len(answer) < 2:
            raise protocol_error("an answer without status word")
        return bytes(answer)

    def _block(self, block: bytes) -> bytes:
        """One block and its answer; requests for more time are granted as often as the budget allows."""
        answer = self._link.ask(block, self._waiting_s)
        while answer[0] & 0xFE == 0xF2:
            if len(answer) != 2 or not 1 <= answer[1] & 0x3F <= 59:
                raise protocol_error("a malformed request for more time")
            multiplier = answer[1] & 0x3F
            answer = self._link.ask(bytes([0xF2, multiplier]), self._waiting_s * multiplier)
        return answer


@dataclass(frozen=True, slots=True)
class _NdefFile:
    identifier: bytes
    bytes_max: int
    read_bytes_max: int


def read_ndef(link: Link, frame_size_code: int) -> bytes | None:
    """The NDEF message of a selected tag, None when it holds none. Raises ``TagRefused``.

    ``frame_size_code`` is what the reader can receive (ISO/IEC 14443-4 table 1: 7 is 128 bytes, 8 is 256).
    """
    apdus = _Apdus(link, _waiting_s(link.ask(bytes([0xE0, frame_size_code << 4]), _RATS_TIMEOUT_S)))
    if not _select(apdus, bytes([0x00, 0xA4, 0x04, 0x00, 0x07]) + _APPLICATION + b"\x00"):
        return None
    if not _select(apdus, b"\x00\xa4\x00\x0c\x02" + _CAPABILITY_FILE):
        return None
    ndef_file = _capabilities(_read(apdus, 0, 15))
    if not _select(apdus, b"\x00\xa4\x00\x0c\x02" + ndef_file.identifier):
        return None
    length = int.from_bytes(_read(apdus, 0, 2), "big")
    if length > min(NDEF_BYTES_MAX, ndef_file.bytes_max - 2):
        raise TagRefused(Refusal.TOO_LONG, f"announces {length} bytes of NDEF, at most {NDEF_BYTES_MAX} are read")
    message = bytearray()
    while len(message) < length:
        message += _read(apdus, 2 + len(message), min(ndef_file.read_bytes_max, length - len(message)))
    return bytes(message) or None


def _waiting_s(answer: bytes) -> float:
    """The frame waiting time from an answer to select (ISO/IEC 14443-4 section 5.2), in seconds."""
    if answer[0] != len(answer):
        raise protocol_error(f"an answer to select of {len(answer)} bytes that says {answer[0]}")
    waiting_code = _FWI_DEFAULT
    if len(answer) > 1:
        announced = answer[1]
        interface_bytes = [bool(announced & bit) for bit in (0x10, 0x20, 0x40)]
        if len(answer) < 2 + sum(interface_bytes):
            raise protocol_error("an answer to select that is cut off")
        if interface_bytes[1]:
            waiting_code = min(answer[2 + interface_bytes[0]] >> 4, 14)
    return max(_ANSWER_S_LEAST, 4096 / _CARRIER_HZ * (1 << waiting_code))


def _select(apdus: _Apdus, command: bytes) -> bool:
    status = apdus.send(command)[-2:]
    if status in _ABSENT:
        return False
    if status != _OK:
        raise protocol_error(f"select answered with {status.hex()}")
    return True


def _read(apdus: _Apdus, offset: int, size: int) -> bytes:
    """READ BINARY: exactly ``size`` bytes or fewer, at least one."""
    answer = apdus.send(b"\x00\xb0" + offset.to_bytes(2, "big") + bytes([size]))
    data, status = answer[:-2], answer[-2:]
    if status != _OK:
        raise protocol_error(f"read answered with {status.hex()}")
    if not 0 < len(data) <= size:
        raise protocol_error(f"{len(data)} bytes where 1 to {size} were asked for")
    return data


def _capabilities(container: bytes) -> _NdefFile:
    """The NDEF file that a capability container (Type 4 Tag 1.0 section 5.1) names."""
    if len(container) < 15 or container[2] >> 4 not in (2, 3) or container[7:9] != b"\x04\x06":
        raise protocol_error("a capability container of an unknown kind")
    if container[13] != 0x00:
        raise protocol_error("the NDEF file may not be read")
    read_bytes_max = int.from_bytes(container[3:5], "big")
    if read_bytes_max < 15:
        raise protocol_error("a capability container with MLe below 15")
    bytes_max = int.from_bytes(container[11:13], "big")
    return _NdefFile(container[9:11], bytes_max, min(read_bytes_max, _CHUNK_MAX))
