"""Simulated Modbus buses: units behind a TCP port or on a pseudo-terminal with real RTU frames. Raw asyncio of our own.

One ``ModbusSite`` is one bus with its own thread. A late answer does not hold up the other units, as on a real line.
"""

import asyncio
import contextlib
import os
import struct
import threading
import tty
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

from hil.modbus_faults import Question, Sent, answer_to
from hil.modbus_unit import SimulatedUnit

Result = TypeVar("Result")

_HEADER = struct.Struct(">HHHB")
_GATEWAY_TARGET_SILENT = 0x0B
_FRAME_END_S = 0.02
_BUFFER_MAX = 512
_FIXED_REQUEST_BYTES = 8
_CLOSE_TIMEOUT_S = 5.0


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_CRC_OF_BYTE = tuple(map(_crc_of_byte, range(256)))


def crc16(data: bytes) -> bytes:
    """The checksum as sent, low byte first (Modbus over Serial Line V1.02, 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_OF_BYTE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


class ModbusSite:
    """One bus of simulated units. ``serve_tcp`` or ``serve_rtu`` starts it, ``close`` ends it and its thread."""

    def __init__(self, units: Iterable[SimulatedUnit]) -> None:
        self._units = {unit.unit: unit for unit in units}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="modbus-site", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._place: tuple[str, int] | None = None
        self._link: Path | None = None
        self._terminal = ""
        self._descriptors: tuple[int, int] | None = None
        self._buffer = b""
        self._frame_end: asyncio.TimerHandle | None = None
        self._thread.start()

    def unit(self, number: int) -> SimulatedUnit:
        """The device with that unit number."""
        return self._units[number]

    def serve_tcp(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listens, and gives the port; 0 takes a free one. Raises OSError if the port is taken."""
        return self._call(self._listen(host, port))

    def serve_rtu(self, link: Path | None = None) -> str:
        """Opens a pseudo-terminal and gives the path that a Modbus master opens as its serial port.

        With ``link`` that path leads to the terminal, as udev's by-path names do, and still does after ``plug_in``.
        """
        self._link = link
        return self._call(self._open_terminal())

    def unplug(self) -> None:
        """The adapter or cable is pulled out: the terminal and its link, or the listening port, are gone."""
        self._call(self._take_away())

    def plug_in(self) -> None:
        """What ``unplug`` took away is back at the same port, or under the same link."""
        if self._place is not None:
            self._call(self._listen(*self._place))
        else:
            self._call(self._open_terminal())

    def drop_connections(self) -> None:
        """Closes every TCP connection, as a switch that restarts does; new ones are accepted."""
        self._call(self._drop())

    def close(self) -> None:
        """Ends the bus: the port closes, the terminal hangs up, the thread ends. May be called twice."""
        if self._loop.is_closed():
            return
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_TIMEOUT_S)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CLOSE_TIMEOUT_S)

    async def _listen(self, host: str, port: int) -> int:
        self._server = await asyncio.start_server(self._serve_connection, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        self._place = (host, bound)
        return bound

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                header = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                _, protocol, length, _ = header
                if protocol != 0 or not 2 <= length <= 254:
                    break
                self._answer_tcp(header, await reader.readexactly(length - 1), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer_tcp(self, header: tuple[int, int, int, int], request: bytes, writer: asyncio.StreamWriter) -> None:
        transaction, _, _, number = header

        def framed(answered_as: int, data: bytes) -> bytes:
            return _HEADER.pack(transaction, 0, len(data) + 1, answered_as) + data

        def write(sent: Sent) -> None:
            if not writer.is_closing():
                writer.write(sent.data)
            if sent.closes:
                writer.close()

        if number not in self._units:
            write(Sent(framed(number, bytes([request[0] | 0x80, _GATEWAY_TARGET_SILENT]))))
            return
        question = Question(_HEADER.pack(*header) + request, request, framed, _of_another_transaction)
        self._respond(self._units[number], question, write)

    async def _open_terminal(self) -> str:
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._descriptors = (master, slave)
        self._loop.add_reader(master, self._receive, master)
        terminal = os.ttyname(slave)
        if self._link is None:
            return terminal
        self._link.symlink_to(terminal)
        self._terminal = terminal
        return str(self._link)

    def _receive(self, master: int) -> None:
        try:
            data = os.read(master, _BUFFER_MAX)
        except (BlockingIOError, OSError):
            return
        self._buffer = (self._buffer + data)[-_BUFFER_MAX:]
        if self._frame_end is not None:
            self._frame_end.cancel()
            self._frame_end = None
        if len(self._buffer) == _FIXED_REQUEST_BYTES and self._buffer[1] <= 6 and _is_whole(self._buffer):
            self._frame_over(master)
        else:
            # Any other length is only known by the silence after it (Serial Line V1.02, 2.5.1.1).
            self._frame_end = self._loop.call_later(_FRAME_END_S, self._frame_over, master)

    def _frame_over(self, master: int) -> None:
        frame, self._buffer, self._frame_end = self._buffer, b"", None
        if not _is_whole(frame) or frame[0] not in self._units:
            return

        def framed(answered_as: int, data: bytes) -> bytes:
            body = bytes([answered_as]) + data
            return body + crc16(body)

        def write(sent: Sent) -> None:
            with contextlib.suppress(OSError):
                os.write(master, sent.data)

        question = Question(frame, frame[1:-2], framed, _with_wrong_checksum)
        self._respond(self._units[frame[0]], question, write)

    def _respond(self, unit: SimulatedUnit, question: Question, write: Callable[[Sent], None]) -> None:
        for sent in answer_to(unit, question):
            if sent.after_s > 0:
                self._later(sent, write)
            else:
                write(sent)

    def _later(self, sent: Sent, write: Callable[[Sent], None]) -> None:
        async def wait() -> None:
            await asyncio.sleep(sent.after_s)
            write(sent)

        task = self._loop.create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drop(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _shut(self) -> None:
        await self._take_away()
        await asyncio.sleep(0.01)

    async def _take_away(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._drop()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._frame_end is not None:
            self._frame_end.cancel()
            self._frame_end = None
        if self._descriptors is not None:
            self._loop.remove_reader(self._descriptors[0])
            for descriptor in self._descriptors:
                os.close(descriptor)
            self._descriptors = None
            self._unlink()

    def _unlink(self) -> None:
        """Takes away the link, if it is the one made here and still leads to this terminal."""
        if self._link is not None and self._link.is_symlink() and str(self._link.readlink()) == self._terminal:
            self._link.unlink()


def _is_whole(frame: bytes) -> bool:
    return len(frame) >= 4 and crc16(frame[:-2]) == frame[-2:]


def _with_wrong_checksum(frame: bytes) -> bytes:
    return frame[:-1] + bytes([frame[-1] ^ 0xFF])


def _of_another_transaction(frame: bytes) -> bytes:
    return bytes([frame[0] ^ 0xFF]) + frame[1:]
