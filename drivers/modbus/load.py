"""How long a bus needs for one round of its devices, and the silences that RTU demands: arithmetic for ``check``."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

REQUEST_BYTES = 8
"""Unit, function, address, count, CRC: Modbus over Serial Line V1.02, 2.5.1, and Application Protocol V1.1b3, 6.3."""

REPLY_OVERHEAD_BYTES = 5
"""Unit, function, byte count, CRC, around two bytes a register."""

TURNAROUND_MS = 10.0
"""What a device takes before it answers [D]; detectors in the profiles answer within 5 to 50 ms."""

TCP_EXCHANGE_MS = 5.0
"""One request and its reply on a site's network, the device included [D]."""

ALLOWED_SHARE = 0.8
"""A round may take this much of the poll period, so that time-outs and probes have room [D]."""


class BusLoad(NamedTuple):
    """One round of a bus against what it may take; ``arithmetic`` shows in words how the sum comes about."""

    ms_per_cycle: float
    allowed_ms: float
    arithmetic: str

    @property
    def allowed(self) -> bool:
        """Whether the bus can keep its poll period."""
        return self.ms_per_cycle <= self.allowed_ms


def character_ms(baud: int, parity: str = "N", stop_bits: int = 1) -> float:
    """One character on the line: start bit, eight data bits, parity bit if any, stop bits."""
    return (1 + 8 + (parity != "N") + stop_bits) * 1000.0 / baud


def silence_ms(baud: int, parity: str = "N", stop_bits: int = 1) -> float:
    """The silence between two frames: 3.5 characters, 1.75 ms above 19200 baud (Serial Line V1.02, 2.5.1.1)."""
    return 1.75 if baud > 19_200 else 3.5 * character_ms(baud, parity, stop_bits)


def reply_ms(count: int, baud: int, parity: str = "N", stop_bits: int = 1) -> float:
    """A whole reply of ``count`` registers on the line."""
    return (REPLY_OVERHEAD_BYTES + 2 * count) * character_ms(baud, parity, stop_bits)


def serial_load(counts: Sequence[int], poll_ms: int, baud: int, parity: str = "N", stop_bits: int = 1) -> BusLoad:
    """The load of an RTU bus; ``counts`` holds the registers of each request of a round (``plan_of(profile)``)."""
    each_ms, requests = character_ms(baud, parity, stop_bits), len(counts)
    characters = sum(REQUEST_BYTES + REPLY_OVERHEAD_BYTES + 2 * count for count in counts)
    between_ms = TURNAROUND_MS + 2 * ceil(silence_ms(baud, parity, stop_bits))
    total = characters * each_ms + requests * between_ms
    words = (
        f"{requests} requests and replies: {characters} characters of {each_ms:.3f} ms at {baud} 8{parity}{stop_bits}, "
        f"and {requests} times {between_ms:g} ms of silence and until the device answers"
    )
    return BusLoad(round(total, 1), round(ALLOWED_SHARE * poll_ms, 1), words)


def tcp_load(counts: Sequence[int], poll_ms: int) -> BusLoad:
    """The load of a Modbus/TCP connection, which carries one request at a time."""
    words = f"{len(counts)} requests of {TCP_EXCHANGE_MS:g} ms, one at a time"
    return BusLoad(round(len(counts) * TCP_EXCHANGE_MS, 1), round(ALLOWED_SHARE * poll_ms, 1), words)
