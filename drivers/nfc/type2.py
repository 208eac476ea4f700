"""Reading the NDEF message of a Type 2 tag (NTAG21x, Ultralight): blocks of 16 bytes and a list of TLVs.

Source: NFC Forum Type 2 Tag 1.1 sections 5.1 (READ), 6.1 (capability container) and 2.3 (TLV blocks); data sheet of
NXP NTAG213/215/216, rev. 3.2. Lock and memory control TLVs are passed over: on NTAG21x what they reserve lies behind
the data. So are proprietary TLVs and those of kinds that the standard has not given out yet (section 2.3).
"""

from drivers.nfc.link import NDEF_BYTES_MAX, Link, Refusal, TagRefused, protocol_error

_READ = 0x30
_PAGE_BYTES = 4
_DATA_START = 16
_CAPABILITY_PAGE = 3
_MAGIC = 0xE1
_ANSWER_S = 0.1
"""The standard allows the tag 5 ms; the rest is for the reader and its cable."""

_NULL, _NDEF, _END = 0x00, 0x03, 0xFE


class _Memory:
    """The tag's memory, fetched as far as it is asked for."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._data = bytearray()
        self._end = _DATA_START
        self._next = _CAPABILITY_PAGE * _PAGE_BYTES

    def container(self) -> bytes:
        """The capability container; it also says how far the data reaches."""
        block = self._block()
        container = block[:_PAGE_BYTES]
        self._end = _DATA_START + min(container[2] * 8, NDEF_BYTES_MAX)
        self._data += block[_PAGE_BYTES:]
        return container

    def holds(self, start: int) -> bool:
        """Whether the data area reaches that far."""
        return _DATA_START + start < self._end

    def take(self, start: int, count: int) -> bytes:
        """``count`` bytes at ``start``, counted from the begin of the data area."""
        if _DATA_START + start + count > self._end:
            raise TagRefused(Refusal.TOO_LONG, "a TLV reaches beyond the data area")
        while len(self._data) < start + count:
            self._data += self._block()
        return bytes(self._data[start : start + count])

    def _block(self) -> bytes:
        page = self._next // _PAGE_BYTES
        answer = self._link.ask(bytes([_READ, page]), _ANSWER_S)
        if len(answer) != 16:
            raise protocol_error(f"{len(answer)} bytes where a block of 16 was due (page {page})")
        self._next += 16
        return answer


def read_ndef(link: Link) -> bytes | None:
    """The NDEF message of a selected tag, None when it holds none. Raises ``TagRefused``."""
    memory = _Memory(link)
    container = memory.container()
    if container[0] != _MAGIC:
        return None
    if container[1] >> 4 != 1 or container[3] >> 4 != 0:
        raise protocol_error("a capability container of an unknown version, or one that forbids reading")
    position = 0
    while memory.holds(position):
        kind = memory.take(position, 1)[0]
        position += 1
        if kind == _NULL:
            continue
        if kind == _END:
            return None
        length, position = _length(memory, position)
        if kind == _NDEF:
            return memory.take(position, length) or None
        position += length
    return None


def _length(memory: _Memory, position: int) -> tuple[int, int]:
    short = memory.take(position, 1)[0]
    if short != 0xFF:
        return short, position + 1
    return int.from_bytes(memory.take(position + 1, 2), "big"), position + 3
