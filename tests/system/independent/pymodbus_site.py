"""Detectors by somebody else: pymodbus servers over TCP and over a pair of pseudo-terminals.

Registers exactly as the makers' tables print them (an XCD: 40003 to 40007 and 40009 to 40012; a Renke: 0x0000), and
nothing beside them: pymodbus answers exception 2 for any request that touches another one.
"""

import asyncio
import os
import select
import struct
import tty
from contextlib import suppress
from threading import Thread
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

XCD_REGISTERS = (*range(2, 7), *range(8, 12))
"""PDU addresses: printed number less 40001."""


class Detector:
    """One unit: ``words`` by PDU address; ``exception`` answers every request while it is set."""

    def __init__(self, unit: int, words: dict[int, int]) -> None:
        self.unit = unit
        self.words = words
        self.exception: ExcCodes | None = None
        self.functions: set[int] = set()

    def device(self) -> SimDevice:
        """This unit for pymodbus."""
        blocks = [SimData(address, values=[0], datatype=DataType.UINT16) for address in sorted(self.words)]
        return SimDevice(self.unit, simdata=blocks, action=self._answer)

    def set_float(self, address: int, value: float) -> None:
        """An IEEE 754 value, high word first."""
        self.words[address], self.words[address + 1] = struct.unpack(">HH", struct.pack(">f", value))

    async def _answer(
        self, function: int, start: int, address: int, count: int, current: list[int], set_values: Any
    ) -> ExcCodes | None:
        self.functions.add(function)
        for number in range(address, address + count):
            if number in self.words and 0 <= number - start < len(current):
                current[number - start] = self.words[number]
        return self.exception


def xcd(unit: int = 1) -> Detector:
    """A Sensepoint XCD that measures methane in %LEL, in state normal."""
    found = Detector(unit, dict.fromkeys(XCD_REGISTERS, 0))
    found.words[6], found.words[10] = 1, 5
    found.set_float(2, 1.5)
    return found


def renke(unit: int = 2) -> Detector:
    """An RS-FSJT-N01 in a breeze of 7.9 m/s."""
    return Detector(unit, {0: 79})


class TtyPair:
    """Two serial ports joined by a null-modem cable."""

    def __init__(self) -> None:
        self._pairs = [os.openpty(), os.openpty()]
        for _, slave in self._pairs:
            tty.setraw(slave)
        self.ports = [os.ttyname(slave) for _, slave in self._pairs]
        self._waker, self._wake = os.pipe()
        self._thread = Thread(target=self._copy, name="tty-pair")
        self._thread.start()

    def _copy(self) -> None:
        first, second = (master for master, _ in self._pairs)
        other = {first: second, second: first}
        while True:
            readable, _, _ = select.select([first, second, self._waker], [], [])
            if self._waker in readable:
                return
            for descriptor in readable:
                with suppress(OSError):
                    os.write(other[descriptor], os.read(descriptor, 512))

    def close(self) -> None:
        """Pull the cable."""
        os.write(self._wake, b"x")
        self._thread.join()
        for descriptor in (*self._pairs[0], *self._pairs[1], self._waker, self._wake):
            os.close(descriptor)


class PymodbusSite:
    """Servers in one thread. ``answer_as`` makes the TCP one answer under another unit number."""

    def __init__(self, port: int, over_tcp: list[Detector], tty_path: str, over_rtu: list[Detector]) -> None:
        self.answer_as: int | None = None
        self._started = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._servers: list[Any] = []
        self._thread = Thread(target=self._run, args=(port, over_tcp, tty_path, over_rtu), name="pymodbus")
        self._thread.start()

    def _run(self, port: int, over_tcp: list[Detector], tty_path: str, over_rtu: list[Detector]) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(port, over_tcp, tty_path, over_rtu))
        self._loop.close()

    async def _serve(self, port: int, over_tcp: list[Detector], tty_path: str, over_rtu: list[Detector]) -> None:
        devices = [each.device() for each in over_tcp]
        tcp = ModbusTcpServer(devices, address=("127.0.0.1", port), trace_pdu=self._trace)
        serial = ModbusSerialServer([each.device() for each in over_rtu], port=tty_path, baudrate=4800)
        self._servers = [tcp, serial]
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*(each.serve_forever() for each in self._servers))

    def _trace(self, sending: bool, pdu: Any) -> Any:
        if sending and self.answer_as is not None:
            pdu.dev_id = self.answer_as
        return pdu

    def close(self) -> None:
        """End both servers and the thread."""

        async def end() -> None:
            for server in self._servers:
                await server.shutdown()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(5)
        self._thread.join(5)
