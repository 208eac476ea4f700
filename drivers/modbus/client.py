"""One connection to a bus: pymodbus's sync clients behind a guard that believes no reply unchecked.

pymodbus 3.16 checks neither function code nor length, and on RTU takes a late reply for the answer to the next
question. Here the received bytes themselves are compared with the question, whole; and after anything but a proper
reply the RTU line is left quiet, and drained, until the longest legal late reply is over. One thread uses a connection.
"""

import errno
import logging
import os
import select
import struct
from dataclasses import dataclass
from math import ceil

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
)

from drivers.modbus.load import reply_ms, silence_ms
from edge.ports.devices import MonotonicClock, MonotonicMs, Sleep
from edge.ports.errors import DeviceError

logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)  # its errors come to us as exceptions; we log once

_PDU_TYPES: dict[int, type[ModbusPDU]] = {3: ReadHoldingRegistersRequest, 4: ReadInputRegistersRequest}
_TCP_REPLY = struct.Struct(">HHHBBB")
_TCP_HEADER = struct.Struct(">HHHBB")
_EXCEPTION_FLAG = 0x80
_READ_MAX = 1024
_DRAIN_READS_MAX = 64
_FIRST_RECONNECT_MS = 250
_LONGEST_RECONNECT_MS = 2_000
_SILENT_REPLIES_BEFORE_RECONNECT = 3
GATEWAY_EXCEPTIONS = frozenset({0x0A, 0x0B})
"""Gateway path unavailable, gateway target failed to respond (Application Protocol V1.1b3, 7): the unit is silent."""


class BusDownError(DeviceError):
    """The serial port or the TCP connection itself is not there; no unit is at fault."""


class NoReplyError(DeviceError):
    """Nothing usable came before the time-out."""


class BadReplyError(DeviceError):
    """Bytes came that are not the answer to this question: another unit, function, length or transaction."""


class ModbusExceptionError(DeviceError):
    """The device, or the gateway in front of it, refused with exception code ``code``."""

    def __init__(self, unit: int, code: int) -> None:
        self.code = code
        super().__init__(f"unit {unit}: Modbus exception {code}")


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


class _Reception:
    """What the current question has received so far, and until when more may come."""

    __slots__ = ("clock", "deadline", "received")

    def __init__(self, clock: MonotonicClock) -> None:
        self.clock = clock
        self.deadline = 0
        self.received = b""

    def start(self, deadline: int) -> None:
        self.deadline = deadline
        self.received = b""

    def remaining_s(self) -> float:
        return max(0, self.deadline - self.clock()) / 1000.0


class _TcpClient(ModbusTcpClient):
    """pymodbus's client with a reception that ends at the question's deadline however the bytes trickle."""

    reception: _Reception

    def close(self) -> None:
        """Lets go of the connection."""
        super().close()  # type: ignore[no-untyped-call]

    def recv(self, size: int | None) -> bytes:
        """Next bytes, or none at the deadline. Raises ConnectionException when the far side closed."""
        del size
        assert self.socket is not None
        try:
            self.socket.settimeout(self.reception.remaining_s() or 0.001)
            data = self.socket.recv(_READ_MAX)
        except TimeoutError:
            return b""
        except OSError as error:
            self.close()
            raise ConnectionException(str(error)) from error
        if not data:
            self.close()
            raise ConnectionException("closed by the far side")
        self.reception.received += data
        return data


class _SerialClient(ModbusSerialClient):
    """pymodbus's client, waiting for bytes in the kernel in place of polling for them."""

    reception: _Reception

    def close(self) -> None:
        """Lets go of the port."""
        super().close()  # type: ignore[no-untyped-call]

    def recv(self, size: int | None) -> bytes:
        """Next bytes, or none at the deadline. Raises ConnectionException when the port is gone."""
        del size
        data = self.read_now(self.reception.remaining_s())
        self.reception.received += data
        return data

    def read_now(self, wait_s: float) -> bytes:
        """What the line has within ``wait_s``. Raises ConnectionException when the port is gone."""
        assert self.socket is not None
        try:
            descriptor = self.socket.fileno()
            if not select.select([descriptor], [], [], wait_s)[0]:
                return b""
            data = os.read(descriptor, _READ_MAX)
            if not data:
                raise OSError(errno.EIO, "hung up")
        except BlockingIOError:
            return b""
        except OSError as error:
            self.close()
            raise ConnectionException(str(error)) from error
        return data


class Connection:
    """Asks one question at a time. ``request`` either returns the register bytes asked for, or raises a DeviceError."""

    def __init__(self, settings: BusSettings, clock: MonotonicClock, sleep: Sleep) -> None:
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._reception = _Reception(clock)
        self._client = _make_client(settings)
        self._client.reception = self._reception
        self._client.set_max_no_responses(1_000_000_000)
        self._client.register(_HoldingReply)
        self._client.register(_InputReply)
        self._serial = self._client if isinstance(self._client, _SerialClient) else None
        line = (settings.baud, settings.parity, settings.stop_bits)
        self._line = line
        self._silence_ms = ceil(silence_ms(*line))
        self._quiet_until = 0
        self._disturbed = False
        self._connect_at = 0
        self._reconnect_ms = _FIRST_RECONNECT_MS
        self._silent = 0

    def request(self, question: Request) -> bytes:
        """The register bytes of the answer, 2 * count of them.

        Takes at most the bus's time-out, once more where the connection must be made first, plus the quiet that an
        earlier failure on a serial line demands. A TCP peer that closed while nothing was asked is connected to again.
        """
        reused = self._client.connected
        try:
            return self._ask(question)
        except BusDownError:
            if not reused or self._serial is not None:
                raise
        self._connect_at = 0
        return self._ask(question)

    def _ask(self, question: Request) -> bytes:
        self._connect()
        if self._serial is not None:
            self._wait_for_quiet(self._serial)
        started = self._clock()
        self._reception.start(started + self._settings.timeout_ms)
        try:
            self._client.execute(False, question.pdu)
            payload = self._checked(question)
        except ConnectionException as error:
            self._lost()
            raise BusDownError(f"bus {self._settings.bus}: {error.string}") from error
        except OSError as error:
            self._lost()
            raise BusDownError(f"bus {self._settings.bus}: {error}") from error
        except ModbusException as error:
            self._failed(question, started)
            self._count_silence()
            raise self._nothing_usable(question) from error
        except BadReplyError:
            self._failed(question, started)
            raise
        finally:
            self._rest_line()
        self._silent = 0
        return payload

    def close(self) -> None:
        """Lets go of the port or the connection; the next ``request`` opens it again."""
        self._client.close()

    def _connect(self) -> None:
        if self._client.connected:
            return
        now = self._clock()
        if now < self._connect_at:
            raise BusDownError(f"bus {self._settings.bus}: {self._where()} is not open; tried again within 2 s")
        if not self._client.connect():
            self._connect_at = self._clock() + self._reconnect_ms
            self._reconnect_ms = min(2 * self._reconnect_ms, _LONGEST_RECONNECT_MS)
            raise BusDownError(f"bus {self._settings.bus}: cannot open {self._where()}")
        self._reconnect_ms = _FIRST_RECONNECT_MS
        self._silent = 0

    def _where(self) -> str:
        settings = self._settings
        return settings.port if settings.kind == "rtu" else f"{settings.host}:{settings.tcp_port}"

    def _lost(self) -> None:
        self._client.close()
        self._connect_at = self._clock() + self._reconnect_ms

    def _count_silence(self) -> None:
        """A TCP peer that swallows every question may be a connection that only we still believe in: make a new one."""
        self._silent += 1
        if self._serial is None and self._silent >= _SILENT_REPLIES_BEFORE_RECONNECT:
            self._silent = 0
            self._client.close()

    def _nothing_usable(self, question: Request) -> DeviceError:
        if self._reception.received:
            shown = self._reception.received[:16].hex(" ")
            return BadReplyError(f"unit {question.unit}: no proper reply, received {shown}")
        return NoReplyError(f"unit {question.unit}: no reply within {self._settings.timeout_ms} ms")

    def _failed(self, question: Request, started: MonotonicMs) -> None:
        """A late answer may still come: it starts by ``longest_reply_ms`` and takes its time on the line."""
        late_ms = max(question.longest_reply_ms, self._settings.timeout_ms) + ceil(
            reply_ms(question.count, *self._line)
        )
        self._quiet_until = max(self._quiet_until, started + late_ms)
        self._disturbed = True

    def _rest_line(self) -> None:
        if self._serial is not None:
            self._quiet_until = max(self._quiet_until, self._clock() + self._silence_ms)

    def _wait_for_quiet(self, serial: _SerialClient) -> None:
        """The silence between frames; after a failure, the end of anything late, thrown away."""
        wait_ms = self._quiet_until - self._clock()
        if wait_ms > 0:
            self._sleep(wait_ms / 1000.0)
        if not self._disturbed:
            return
        try:
            for _ in range(_DRAIN_READS_MAX):
                if not serial.read_now(0):
                    break
        except ConnectionException as error:
            self._lost()
            raise BusDownError(f"bus {self._settings.bus}: {error.string}") from error
        self._disturbed = False

    def _checked(self, question: Request) -> bytes:
        received = self._reception.received
        if self._serial is None:
            return _checked_tcp(received, question)
        return _checked_rtu(received, question)


def _make_client(settings: BusSettings) -> _TcpClient | _SerialClient:
    timeout_s = settings.timeout_ms / 1000.0
    if settings.kind == "tcp":
        return _TcpClient(settings.host, port=settings.tcp_port, timeout=timeout_s, retries=0)
    return _SerialClient(
        settings.port,
        baudrate=settings.baud,
        parity=settings.parity,
        stopbits=settings.stop_bits,
        timeout=timeout_s,
        retries=0,
    )


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
