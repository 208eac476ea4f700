"""pymodbus's sync clients as a bus needs them: opened and heard within a deadline, and with the reason if they cannot.

``Reception`` carries the deadline and what came; the clients put every byte there, so that the guard in
``drivers.modbus.client`` judges what was on the wire and not what a framer made of it.
"""

import errno
import os
import select
import socket
import struct
import termios

import serial
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ConnectionException

from drivers.modbus.names import HostAddresses
from edge.ports.devices import MonotonicClock

_READ_MAX = 1024
_UNREAD_MAX = 65_536
_MBAP = struct.Struct(">HHH")
_LENGTH_MIN, _LENGTH_MAX = 3, 254
"""Bytes after the length field: unit and the shortest reply, an exception, to the longest (TCP/IP V1.0b, 4.1)."""

_REMEDIES = {
    errno.ENOENT: "there is no such port; plug the adapter in, and compare with ls -l /dev/serial/by-path/",
    errno.ENXIO: "there is no such port; plug the adapter in, and compare with ls -l /dev/serial/by-path/",
    errno.EACCES: "this user may not open it; add it to the group dialout",
    errno.EBUSY: "another program uses it; stop that program",
    errno.EAGAIN: "another program uses it; stop that program",
    errno.ENOTTY: "it is no serial port",
    errno.ECONNREFUSED: "refused; check address and port, and that the device serves Modbus/TCP",
    errno.ENETUNREACH: "no route to it; check the address and this machine's network",
    errno.EHOSTUNREACH: "no route to it; check the address, its power and its cable",
}
_NO_ANSWER = "no answer; check the address, its power and its cable"


class Reception:
    """What the current question has received so far, and until when more may come.

    ``echo``: the question as sent, while what was received may still be no more than its echo.
    """

    __slots__ = ("clock", "deadline", "echo", "received")

    def __init__(self, clock: MonotonicClock) -> None:
        self.clock = clock
        self.deadline = 0
        self.echo = b""
        self.received = b""

    def start(self, deadline: int) -> None:
        """A new question, whose answer is awaited until ``deadline``."""
        self.deadline = deadline
        self.echo = b""
        self.received = b""

    def remaining_s(self) -> float:
        """How long to wait still; 0 after the deadline."""
        return max(0, self.deadline - self.clock()) / 1000.0


class TcpWire(ModbusTcpClient):
    """A TCP connection that is made, and heard, within the reception's deadline, however the bytes trickle."""

    def __init__(self, host: str, port: int, timeout_s: float, reception: Reception) -> None:
        super().__init__(host, port=port, timeout=timeout_s, retries=0)
        self.reception = reception
        self.refusal = ""
        self._addresses = HostAddresses(host)
        self._poll = select.poll()

    def connect(self) -> bool:
        """Whether there is a connection now; if not, ``refusal`` says why. Each address of a name is tried in turn."""
        if self.socket is not None:
            return True
        try:
            # Half of the time: a name server that hangs leaves the rest to the address that is known.
            addresses = self._addresses.find(self.reception.remaining_s() / 2)
        except OSError as error:
            self.refusal = str(error)
            return False
        for address in addresses:
            try:
                made = socket.create_connection((address, self.comm_params.port), self.reception.remaining_s() or 0.001)
            except OSError as error:
                self.refusal = _NO_ANSWER if isinstance(error, TimeoutError) else _why(error)
                continue
            self.socket = made
            self._poll = select.poll()
            self._poll.register(made, select.POLLIN)
            return True
        return False

    def close(self) -> None:
        """Lets go of the connection."""
        super().close()  # type: ignore[no-untyped-call]

    def in_step(self) -> bool:
        """Throws away what came unasked, which cannot answer the next question.

        False: the far side closed, or what came breaks off inside a frame; only a new connection helps.
        """
        unread = b""
        try:
            while self._poll.poll(0):
                assert self.socket is not None
                data = self.socket.recv(_READ_MAX)
                if not data or len(unread) > _UNREAD_MAX:
                    return False
                unread += data
        except OSError:
            return False
        return whole_frames(unread)

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


class SerialWire(ModbusSerialClient):
    """A serial port that is waited for in the kernel in place of polled."""

    def __init__(self, port: str, line: tuple[int, str, int], timeout_s: float, reception: Reception) -> None:
        baud, parity, stop_bits = line
        super().__init__(port, baudrate=baud, parity=parity, stopbits=stop_bits, timeout=timeout_s, retries=0)
        self.reception = reception
        self.refusal = ""

    def connect(self) -> bool:
        """Whether the port is open now; if not, ``refusal`` says why."""
        if self.socket is not None:
            return True
        settings = self.comm_params
        try:
            self.socket = serial.Serial(
                settings.host,
                baudrate=settings.baudrate,
                bytesize=settings.bytesize,
                parity=settings.parity,
                stopbits=settings.stopbits,
                timeout=settings.timeout_connect,
                write_timeout=settings.timeout_connect,
                exclusive=True,
            )
        except (OSError, ValueError) as error:
            self.refusal = _why(error)
        except termios.error as error:
            self.refusal = _REMEDIES.get(error.args[0], str(error))
        return self.socket is not None

    def close(self) -> None:
        """Lets go of the port."""
        super().close()  # type: ignore[no-untyped-call]

    def send(self, request: bytes, addr: tuple[object, ...] | None = None) -> int:
        """Puts the question on the line, whose echo may come back before the answer."""
        del addr
        self.reception.echo = request
        sent: int = super().send(request)
        return sent

    def recv(self, size: int | None) -> bytes:
        """Next bytes, or none at the deadline. Raises ConnectionException when the port is gone."""
        del size
        while data := self.read_now(self.reception.remaining_s()):
            self.reception.received += data
            if self.reception.echo:
                data = self._beyond_echo()
            if data:
                break
        return data

    def _beyond_echo(self) -> bytes:
        """What was received but the question's own echo: an RS-485 adapter that hears itself repeats it first.

        No answer is eight bytes long, as the question is, so what both begin with alike is waited out.
        """
        reception = self.reception
        if reception.echo.startswith(reception.received) and reception.echo != reception.received:
            return b""
        reception.received = reception.received.removeprefix(reception.echo)
        reception.echo = b""
        return reception.received

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


def whole_frames(received: bytes) -> bool:
    """Whether the bytes are whole Modbus/TCP frames, so that the next frame begins where they end."""
    start = 0
    while start < len(received):
        if len(received) - start < _MBAP.size:
            return False
        _, protocol, length = _MBAP.unpack_from(received, start)
        if protocol != 0 or not _LENGTH_MIN <= length <= _LENGTH_MAX:
            return False
        start += _MBAP.size + length
    return start == len(received)


def _why(error: OSError | ValueError) -> str:
    """Why a port or connection cannot be opened, with what to do about it."""
    code = getattr(error, "errno", None)
    return _REMEDIES.get(code, str(error)) if code is not None else str(error)
