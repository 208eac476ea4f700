"""A bus in memory: simulated units behind the driver's own connection, with a clock that only waiting moves.

Everything of the driver is real but the system calls: what pymodbus sends is answered by ``hil.modbus_faults``, and the
bytes come when the seed says, in pieces, late, doubled, torn, or after the plug was pulled.
"""

import errno
import random
import struct
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from pymodbus.exceptions import ConnectionException

from drivers.modbus.client import BusSettings, Connection
from drivers.modbus.wires import SerialWire, TcpWire
from edge.ports.devices import MonotonicMs
from hil.modbus_faults import Question, Sent, answer_to
from hil.modbus_site import crc16
from hil.modbus_unit import SimulatedUnit

_MBAP = struct.Struct(">HHHB")
_THINKS_MS_MAX = 40
_PIECES_MAX = 3


class VirtualTime:
    """Milliseconds that pass when somebody waits."""

    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> MonotonicMs:
        return MonotonicMs(self.now_ms)

    def sleep(self, seconds: float) -> None:
        self.now_ms += max(1, round(seconds * 1000))


class _Piece(NamedTuple):
    """Bytes that arrive together; ``frame_begins_ms``: when the first of their frame do."""

    frame_begins_ms: int
    at_ms: int
    data: bytes


class Line:
    """What lies between the driver and the units: bytes under way, each piece with the moment of its arrival.

    ``plugged`` False: nothing is there. Acts as socket, as serial port and as poll for the wires below.
    """

    def __init__(self, kind: str, units: Mapping[int, SimulatedUnit], time: VirtualTime, chance: random.Random) -> None:
        self.kind, self.units, self.time, self.chance = kind, units, time, chance
        self.plugged = True
        self.asked = 0
        self.in_waiting = 0
        self._closed = False
        self._under_way: deque[_Piece] = deque()
        self._timeout_ms = 0

    def open(self) -> bool:
        self._under_way.clear()
        self._closed = False
        return self.plugged

    def write(self, frame: bytes) -> int:
        """A question goes out, and its answer is under way."""
        if not self.plugged:
            raise OSError(errno.EIO, "gone")
        self.asked += 1
        question = self._question(frame)
        unit = self.units.get(frame[6] if self.kind == "tcp" else frame[0])
        if unit is not None:
            answer = answer_to(unit, question)
            takes_ms = self.takes_ms(sum(len(sent.data) for sent in answer))
            for sent in answer:
                self._send(sent, self.time.now_ms + takes_ms + round(1000 * sent.after_s))
        return len(frame)

    def takes_ms(self, _reply_bytes: int) -> int:
        """From the moment of the question to that of its answer."""
        return self.chance.randint(1, _THINKS_MS_MAX)

    send = write

    def _question(self, frame: bytes) -> Question:
        if self.kind == "tcp":
            transaction = frame[:2]
            return Question(
                frame,
                frame[7:],
                lambda unit, data: transaction + struct.pack(">HHB", 0, len(data) + 1, unit) + data,
                lambda reply: bytes([reply[0] ^ 0xFF]) + reply[1:],
            )
        return Question(
            frame,
            frame[1:-2],
            lambda unit, data: (body := bytes([unit]) + data) + crc16(body),
            lambda reply: reply[:-1] + bytes([reply[-1] ^ 0xFF]),
        )

    def _send(self, sent: Sent, at_ms: int) -> None:
        """In one to three pieces, a millisecond or two apart; frames under way keep whole and in order."""
        data, begins_ms = sent.data, at_ms
        cuts = sorted(self.chance.randrange(len(data) + 1) for _ in range(self.chance.randrange(_PIECES_MAX)))
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            if end > start:
                self._under_way.append(_Piece(begins_ms, at_ms, data[start:end]))
            at_ms += self.chance.randint(0, 2)
        self._closed = self._closed or sent.closes
        if len(self._under_way) > 1:
            self._under_way = deque(sorted(self._under_way, key=lambda piece: piece.frame_begins_ms))

    def read(self, wait_ms: int) -> bytes:
        """The next piece that arrives within ``wait_ms``, for which time passes; nothing if none does."""
        if not self.plugged:
            raise OSError(errno.EIO, "gone")
        if not self._under_way or self._under_way[0].at_ms > self.time.now_ms + wait_ms:
            self.time.now_ms += max(0, wait_ms)
            return b""
        piece = self._under_way.popleft()
        self.time.now_ms = max(self.time.now_ms, piece.at_ms)
        return piece.data

    # ---- as a socket and as what polls it

    def settimeout(self, seconds: float) -> None:
        self._timeout_ms = round(seconds * 1000)

    def recv(self, _size: int) -> bytes:
        if self._closed and not self._under_way:
            return b""
        data = self.read(self._timeout_ms)
        if not data:
            raise TimeoutError
        return data

    def poll(self, _wait_ms: int) -> bool:
        due = bool(self._under_way) and self._under_way[0].at_ms <= self.time.now_ms
        return due or not self.plugged or (self._closed and not self._under_way)

    def close(self) -> None:
        self._under_way.clear()


class MemoryTcpWire(TcpWire):
    """The driver's TCP wire on a ``Line``."""

    line: Line

    def connect(self) -> bool:
        if self.socket is None and self.line.open():
            self.socket = self._poll = self.line
        self.refusal = "unplugged"
        return self.socket is not None


class MemorySerialWire(SerialWire):
    """The driver's serial wire on a ``Line``."""

    line: Line

    def connect(self) -> bool:
        if self.socket is None and self.line.open():
            self.socket = self.line
        self.refusal = "unplugged"
        return self.socket is not None

    def read_now(self, wait_s: float) -> bytes:
        try:
            return self.line.read(round(wait_s * 1000))
        except OSError as error:
            self.close()
            raise ConnectionException("gone") from error


class MemoryConnection(Connection):
    """The driver's connection, its guard and its quiet, on a ``Line``."""

    def __init__(self, settings: BusSettings, line: Line) -> None:
        self._line_in_memory = line
        super().__init__(settings, line.time, line.time.sleep)

    def _make_client(self) -> TcpWire | SerialWire:
        settings, timeout_s = self._settings, self._settings.timeout_ms / 1000
        client: MemoryTcpWire | MemorySerialWire
        if settings.kind == "tcp":
            client = MemoryTcpWire("127.0.0.1", 502, timeout_s, self._reception)
        else:
            client = MemorySerialWire("memory", (settings.baud, "N", 1), timeout_s, self._reception)
        client.line = self._line_in_memory
        return client
