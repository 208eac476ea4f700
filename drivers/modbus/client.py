"""One connection to a bus: pymodbus's sync clients behind a guard that believes no reply unchecked.

pymodbus 3.16 checks neither function code nor length, and on RTU takes a late reply for the answer to the next
question. Here the received bytes themselves are compared with the question, whole; nothing that came before a question
is left on the line when it is asked; and after anything but a proper reply the RTU line is left quiet until the longest
legal late reply is over. One thread uses a connection, and only reads: there is no write that could meet a poll.
"""

import logging
import struct
from dataclasses import dataclass
from math import ceil

from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
)

from drivers.modbus.load import reply_ms, silence_ms
from drivers.modbus.wires import Reception, SerialWire, TcpWire, whole_frames
from edge.ports.devices import MonotonicClock, MonotonicMs, Sleep
from edge.ports.errors import DeviceError

logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)  # its errors come to us as exceptions; we log once

_PDU_TYPES: dict[int, type[ModbusPDU]] = {3: ReadHoldingRegistersRequest, 4: ReadInputRegistersRequest}
_TCP_REPLY = struct.Struct(">HHHBBB")
_TCP_HEADER = struct.Struct(">HHHBB")
_EXCEPTION_FLAG = 0x80
_DRAIN_READS_MAX = 64
_FIRST_RECONNECT_MS = 250
_LONGEST_RECONNECT_MS = 2_000
_SILENT_REPLIES_BEFORE_RECONNECT = 3
_EXCEPTIONS = {
    0x01: "illegal function",
    0x02: "illegal data address",
    0x03: "illegal data value",
    0x04: "server device failure",
    0x05: "acknowledge",
    0x06: "server device busy",
    0x08: "memory parity error",
    0x0A: "gateway path unavailable",
    0x0B: "gateway target device failed to respond",
}
"""The names of Application Protocol V1.1b3, 7."""

GATEWAY_EXCEPTIONS = frozenset({0x0A, 0x0B})
"""Gateway path unavailable, gateway target failed to respond (Application Protocol V1.1b3, 7): the unit is silent."""


class BusDownError(DeviceError):
    """The serial port or the TCP connection itself is not there; no unit is at fault."""


class NoReplyError(DeviceError):
    """Nothing usable came before the time-out."""


class ClosedError(DeviceError):
    """The far side of a TCP connection closed it upon this question: the unit's fault until others suffer it too."""


class BadReplyError(DeviceError):
    """Bytes came that are not the answer to this question: another unit, function, length or transaction."""


class ModbusExceptionError(DeviceError):
    """The device, or the gateway in front of it, refused with exception code ``code``."""

    def __init__(self, unit: int, code: int) -> None:
        self.code = code
        super().__init__(f"unit {unit}: Modbus exception {code}, {_EXCEPTIONS.get(code, 'which no standard names')}")


@dataclass(frozen=True, slots=True)
class BusSettings:
    """One bus: ``port`` and the line's settings for ``rtu``, ``host`` and ``tcp_port`` for ``tcp``."""

    bus: str
    kind: str
    timeout_ms: int
    port: str = ""
    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1
    host: str = ""
    tcp_port: int = 502


class Request:
    """One question, built once and asked many times. ``longest_reply_ms``: how late an answer to it may still come."""

    __slots__ = ("count", "function", "longest_reply_ms", "pdu", "unit")

    def __init__(self, unit: int, function: int, address: int, count: int, longest_reply_ms: int) -> None:
        self.unit = unit
        self.function = function
        self.count = count
        self.longest_reply_ms = longest_reply_ms
        self.pdu = _PDU_TYPES[function](address=address, count=count, dev_id=unit)


class _HoldingReply(ReadHoldingRegistersResponse):
    """A reply that pymodbus need not decode, as the guard takes the registers from the bytes received."""

    def decode(self, data: bytes) -> None:
        """Nothing: see the class."""

    def __str__(self) -> str:
        """Short, as pymodbus formats every reply for a debug line that is not written."""
        return type(self).__name__


class _InputReply(ReadInputRegistersResponse):
    """As ``_HoldingReply``, for function 4."""

    def decode(self, data: bytes) -> None:
        """Nothing: see the class."""

    def __str__(self) -> str:
        """Short, as pymodbus formats every reply for a debug line that is not written."""
        return type(self).__name__


class Connection:
    """Asks one question at a time. ``request`` either returns the register bytes asked for, or raises a DeviceError."""

    def __init__(self, settings: BusSettings, clock: MonotonicClock, sleep: Sleep) -> None:
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._reception = Reception(clock)
        self._line = (settings.baud, settings.parity, settings.stop_bits)
        self._client = self._make_client()
        self._client.set_max_no_responses(1_000_000_000)
        self._client.register(_HoldingReply)
        self._client.register(_InputReply)
        self._silence_ms = ceil(silence_ms(*self._line))
        self._quiet_until = 0
        self._connect_at = 0
        self._reconnect_ms = _FIRST_RECONNECT_MS
        self._silent = 0
        self.steps = 0
        self.asked_at = MonotonicMs(0)

    def _make_client(self) -> TcpWire | SerialWire:
        settings, timeout_s = self._settings, self._settings.timeout_ms / 1000.0
        if settings.kind == "tcp":
            return TcpWire(settings.host, settings.tcp_port, timeout_s, self._reception)
        return SerialWire(settings.port, self._line, timeout_s, self._reception)

    def request(self, question: Request) -> bytes:
        """The register bytes of the answer, 2 * count of them.

        Takes at most the bus's time-out, once more where the connection must be made first, plus the quiet that an
        earlier failure on a serial line demands. A TCP peer that closed while nothing was asked is connected to again.
        """
        reused = self._client.connected
        try:
            return self._ask(question)
        except ClosedError:
            if not reused:
                raise
        return self._ask(question)

    def hear_out(self, question: Request, unanswered_at: MonotonicMs) -> None:
        """Have the line quiet, and drained, once more: the answer to ``question`` may have been a late, equal one.

        ``unanswered_at``: when its like was asked in vain. A device that is always late by about the time since then
        would be late for the next question too; that one is asked when such an answer falls into the quiet.
        """
        late_ms, timeout_ms = self._late_ms(question), self._settings.timeout_ms
        since_ms = self.asked_at - unanswered_at
        quiet_ms = late_ms if since_ms > late_ms + timeout_ms else max(late_ms, since_ms + timeout_ms)
        self._quiet_until = max(self._quiet_until, self.asked_at + quiet_ms)

    def _ask(self, question: Request) -> bytes:
        self._make_ready()
        self.steps += 1
        started = self.asked_at = self._clock()
        self._reception.start(started + self._settings.timeout_ms)
        try:
            self._client.execute(False, question.pdu)
            payload = self._checked(question)
        except (ConnectionException, OSError) as error:
            raise self._closed(question) from error
        except ModbusException as error:
            self._failed(question, started)
            self._silent += 1
            raise self._nothing_usable(question) from error
        except BadReplyError:
            self._failed(question, started)
            raise
        except ModbusExceptionError:
            self._silent = 0
            raise
        finally:
            self._rest_line()
        self._silent = 0
        return payload

    def close(self) -> None:
        """Lets go of the port or the connection; the next ``request`` opens it again."""
        self._client.close()

    def _make_ready(self) -> None:
        """Connected, and nothing that came before the question is left that could be taken for its answer.

        Where every question was swallowed of late, the connection may be one that only we still believe in, or the port
        an adapter that hangs or was moved: it is made anew.
        """
        if self._silent >= _SILENT_REPLIES_BEFORE_RECONNECT:
            self._client.close()
        if isinstance(self._client, TcpWire) and self._client.connected and not self._client.in_step():
            self._client.close()
        self._connect()
        if isinstance(self._client, SerialWire):
            self._wait_for_quiet(self._client)

    def _connect(self) -> None:
        if self._client.connected:
            return
        now = self._clock()
        if now < self._connect_at:
            why = f"{self._where()} is not open: {self._client.refusal or 'it was lost'}; tried again within 2 s"
            raise BusDownError(f"bus {self._settings.bus}: {why}")
        self.steps += 1
        self._reception.start(now + self._settings.timeout_ms)
        if not self._client.connect():
            self._connect_at = self._clock() + self._reconnect_ms
            self._reconnect_ms = min(2 * self._reconnect_ms, _LONGEST_RECONNECT_MS)
            raise BusDownError(f"bus {self._settings.bus}: cannot open {self._where()}: {self._client.refusal}")
        self._reconnect_ms = _FIRST_RECONNECT_MS
        self._silent = 0

    def _where(self) -> str:
        settings = self._settings
        return settings.port if settings.kind == "rtu" else f"{settings.host}:{settings.tcp_port}"

    def _closed(self, question: Request) -> DeviceError:
        """A serial port that went away is nobody's fault; a TCP connection may be closed because of one unit."""
        self._client.close()
        if isinstance(self._client, TcpWire):
            return ClosedError(f"unit {question.unit}: {self._where()} closed the connection when asked")
        return self._gone()

    def _gone(self) -> BusDownError:
        self._connect_at = self._clock() + self._reconnect_ms
        return BusDownError(f"bus {self._settings.bus}: {self._where()} is gone; is the adapter plugged in?")

    def _nothing_usable(self, question: Request) -> DeviceError:
        if self._reception.received:
            shown = self._reception.received[:16].hex(" ")
            return BadReplyError(f"unit {question.unit}: no proper reply, received {shown}")
        return NoReplyError(f"unit {question.unit}: no reply within {self._settings.timeout_ms} ms")

    def _failed(self, question: Request, started: MonotonicMs) -> None:
        """What comes next must not be taken for another question's answer: see the module's text."""
        if isinstance(self._client, SerialWire):
            self._quiet_until = max(self._quiet_until, started + self._late_ms(question))
        elif not whole_frames(self._reception.received):
            self._client.close()  # the rest of a torn frame would be the beginning of the next one

    def _late_ms(self, question: Request) -> int:
        """A late answer starts by ``longest_reply_ms`` and takes its time on the line."""
        on_line_ms = ceil(reply_ms(question.count, *self._line))
        return max(question.longest_reply_ms, self._settings.timeout_ms) + on_line_ms

    def _rest_line(self) -> None:
        if isinstance(self._client, SerialWire):
            self._quiet_until = max(self._quiet_until, self._clock() + self._silence_ms)

    def _wait_for_quiet(self, serial: SerialWire) -> None:
        """The silence between frames, after a failure the end of anything late; what came unasked is thrown away."""
        wait_ms = self._quiet_until - self._clock()
        if wait_ms > 0:
            self.steps += 1
            self._sleep(wait_ms / 1000.0)
        try:
            for _ in range(_DRAIN_READS_MAX):
                if not serial.read_now(0):
                    break
        except ConnectionException as error:
            raise self._gone() from error

    def _checked(self, question: Request) -> bytes:
        received = self._reception.received
        if isinstance(self._client, TcpWire):
            return _checked_tcp(received, question)
        return _checked_rtu(received, question)


def _checked_rtu(received: bytes, question: Request) -> bytes:
    """The register bytes of an RTU frame whose CRC pymodbus has checked. Raises one of the two reply errors."""
    size = 2 * question.count
    if (
        len(received) == size + 5
        and received[0] == question.unit
        and received[1] == question.function
        and received[2] == size
    ):
        return received[3:-2]
    is_exception = len(received) == 5 and received[1] == question.function | _EXCEPTION_FLAG
    if is_exception and received[0] == question.unit:
        raise ModbusExceptionError(question.unit, received[2])
    raise BadReplyError(f"unit {question.unit}: reply does not fit the question: {received[:16].hex(' ')}")


def _checked_tcp(received: bytes, question: Request) -> bytes:
    """The register bytes of the frame with this question's transaction; late frames of earlier ones may precede it."""
    size = 2 * question.count
    wanted = (question.pdu.transaction_id, 0, size + 3, question.unit, question.function, size)
    if len(received) == size + 9 and _TCP_REPLY.unpack_from(received) == wanted:
        return received[9:]
    start = 0
    while len(received) - start >= _TCP_HEADER.size + 1:
        transaction, protocol, length, unit, function = _TCP_HEADER.unpack_from(received, start)
        if transaction == wanted[0] and protocol == 0:
            frame = received[start : start + 6 + length]
            is_exception = length == 3 and function == question.function | _EXCEPTION_FLAG
            if is_exception and unit == question.unit and len(frame) == 9:
                raise ModbusExceptionError(unit, frame[8])
            if len(frame) == size + 9 and _TCP_REPLY.unpack_from(frame) == wanted:
                return frame[9:]
            break
        start += 6 + length
    raise BadReplyError(f"unit {question.unit}: reply does not fit the question: {received[:16].hex(' ')}")
