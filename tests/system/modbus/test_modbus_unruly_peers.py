"""Peers that tear, close, repeat and delay: no byte of theirs becomes another unit's, or another moment's, reading."""

import os
import select
import socket
import struct
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from drivers.modbus.client import BusSettings
from drivers.modbus.device import DeviceSettings, ModbusBus, build
from drivers.modbus.profile import load_profile
from edge.host.system_clock import monotonic_ms, sleep
from edge.ports.devices import Quality
from hil.modbus_site import crc16

pytestmark = pytest.mark.system

TIMEOUT_MS = 120
GOOD, LOST = Quality.GOOD, Quality.COMM_FAIL

MACHINE = (monotonic_ms, sleep)

Behaviour = Callable[[socket.socket, int, int, bytes], None]
"""Answers one question: the connection, transaction, unit, and the frame of a healthy generic detector."""


def frame_of(transaction: int, unit: int, value: float, count: int = 3) -> bytes:
    words = (struct.pack(">f", value) + b"\x00\x00")[: 2 * count]
    return struct.pack(">HHHBBB", transaction, 0, 3 + len(words), unit, 3, len(words)) + words


@contextmanager
def tcp_peer(behaviour: Behaviour, value: float = 1.5) -> Iterator[int]:
    """A Modbus/TCP gateway with generic detectors behind every unit number."""
    server = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while len(question := peer.recv(12, socket.MSG_WAITALL)) == 12:
                transaction, _, _, unit, _, _, count = struct.unpack(">HHHBBHH", question)
                behaviour(peer, transaction, unit, frame_of(transaction, unit, value, count))

    def accept() -> None:
        with suppress(OSError):
            while True:
                peer, _ = server.accept()
                threads.append(threading.Thread(target=serve, args=(peer,)))
                threads[-1].start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in list(threads):
            thread.join(3)


@contextmanager
def tcp_bus(port: int, units: tuple[int, ...]) -> Iterator[ModbusBus]:
    settings = BusSettings("b1", "tcp", TIMEOUT_MS, host="127.0.0.1", tcp_port=port)
    bus = build(settings, [DeviceSettings(f"d{unit}", unit, load_profile("generic")) for unit in units], *MACHINE)
    try:
        yield bus
    finally:
        bus.close()


def qualities(bus: ModbusBus) -> list[Quality]:
    return [reader.read().qualities[0] for reader in bus.readers]


def resets_in_mid_frame(peer: socket.socket, transaction: int, unit: int, frame: bytes) -> None:
    if unit == 2:
        peer.sendall(frame[:9])
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        return
    peer.sendall(frame)


def closes(peer: socket.socket, transaction: int, unit: int, frame: bytes) -> None:
    if unit == 2:
        peer.close()
        return
    peer.sendall(frame)


@pytest.mark.parametrize("behaviour", [resets_in_mid_frame, closes])
def test_a_unit_at_which_the_connection_is_closed_costs_the_others_no_reading(behaviour: Behaviour) -> None:
    with tcp_peer(behaviour) as port, tcp_bus(port, (1, 2, 3, 4)) as bus:
        for _ in range(4):
            assert qualities(bus) == [GOOD, LOST, GOOD, GOOD]
        assert "closed the connection" in bus.readers[1].trouble


def test_a_torn_frame_spoils_no_other_units_answer() -> None:
    def tears(peer: socket.socket, transaction: int, unit: int, frame: bytes) -> None:
        peer.sendall(frame[:10] if unit == 2 else frame)
        if unit == 2:
            sleep(1.5 * TIMEOUT_MS / 1000)
            peer.sendall(frame[10:])

    with tcp_peer(tears) as port, tcp_bus(port, (1, 2, 3)) as bus:
        for _ in range(2):
            assert qualities(bus) == [GOOD, LOST, GOOD]


def test_what_came_before_a_question_is_never_its_answer() -> None:
    """A peer that answers 50 %LEL, and at once 0 %LEL under the next transaction number."""

    read, hurried = threading.Event(), threading.Event()

    def hurries(peer: socket.socket, transaction: int, unit: int, frame: bytes) -> None:
        peer.sendall(frame)
        read.wait(2)
        read.clear()
        peer.sendall(frame_of(transaction + 1, unit, 0.0))
        hurried.set()

    with tcp_peer(hurries, value=50.0) as port, tcp_bus(port, (1,)) as bus:
        for _ in range(3):
            assert bus.readers[0].read().steps == (500,)
            read.set()
            assert hurried.wait(2)
            hurried.clear()


class LateWind:
    """A cup anemometer on a pseudo-terminal: each answer, the wind when it was asked, comes ``late_s`` after."""

    def __init__(self, late_s: float) -> None:
        self.tenths = 0
        self.late_s = late_s
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._due: list[tuple[int, bytes]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            if select.select([self._master], [], [], 0.005)[0]:
                os.read(self._master, 64)
                body = struct.pack(">BBBH", 1, 3, 2, self.tenths)
                self._due.append((monotonic_ms() + int(1000 * self.late_s), body + crc16(body)))
            while self._due and self._due[0][0] <= monotonic_ms():
                os.write(self._master, self._due.pop(0)[1])

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)


@pytest.mark.parametrize("late_s", [0.25, 0.75, 0.8])
def test_a_device_of_one_register_that_is_always_late_is_never_believed(late_s: float) -> None:
    """Its answer to the last question would answer this one by unit, function and length, one period too old."""
    wind = LateWind(late_s)
    settings = BusSettings("b1", "rtu", TIMEOUT_MS, port=wind.port, baud=9600)
    bus = build(settings, [DeviceSettings("w", 1, load_profile("renke_rs_fsjt_n01"))], *MACHINE)
    try:
        began = monotonic_ms()
        for period in range(1, 4):
            wind.tenths = 10 * period
            assert bus.readers[0].read().qualities == (LOST,)
            sleep(max(0, began + 700 * period - monotonic_ms()) / 1000)
        wind.late_s = 0.0
        while bus.readers[0].read().qualities == (LOST,):
            assert monotonic_ms() - began < 10_000, bus.readers[0].trouble
            sleep(0.1)
        wind.tenths = 66
        assert bus.readers[0].read().steps == (66,)
    finally:
        bus.close()
        wind.close()


def test_a_detector_known_by_name_outlives_its_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    hung, ask = threading.Event(), socket.getaddrinfo

    def hangs(host: str, *rest: Any, **named: Any) -> Any:
        if host != "localhost":
            return ask(host, *rest, **named)
        hung.wait(10)
        raise OSError("no answer from the name server")

    with tcp_peer(lambda peer, transaction, unit, frame: peer.sendall(frame)) as port:
        settings = BusSettings("b1", "tcp", TIMEOUT_MS, host="localhost", tcp_port=port)
        bus = build(settings, [DeviceSettings("d", 1, load_profile("generic"))], *MACHINE)
        assert bus.readers[0].read().qualities == (GOOD,)
        monkeypatch.setattr(socket, "getaddrinfo", hangs)
        bus.close()
        began = monotonic_ms()
        assert bus.readers[0].read().qualities == (GOOD,), bus.readers[0].trouble
        assert monotonic_ms() - began < 2 * TIMEOUT_MS
        hung.set()
        bus.close()


def test_what_cannot_be_opened_is_named_with_why_and_what_to_do(tmp_path: Path) -> None:
    def trouble(settings: BusSettings) -> str:
        bus = build(settings, [DeviceSettings("d", 1, load_profile("generic"))], *MACHINE)
        bus.readers[0].read()
        bus.close()
        return bus.readers[0].trouble

    assert "ls -l /dev/serial/by-path/" in trouble(BusSettings("b1", "rtu", TIMEOUT_MS, port=str(tmp_path / "none")))
    assert "refused" in trouble(BusSettings("b1", "tcp", TIMEOUT_MS, host="127.0.0.1", tcp_port=1))
    wind = LateWind(0.0)
    settings = BusSettings("b1", "rtu", TIMEOUT_MS, port=wind.port)
    bus = build(settings, [DeviceSettings("w", 1, load_profile("renke_rs_fsjt_n01"))], *MACHINE)
    bus.readers[0].read()
    assert "another program uses it" in trouble(settings)
    wind.close()
    bus.readers[0].read()
    assert "is gone" in bus.readers[0].trouble
    bus.close()


def test_a_reader_that_takes_long_still_moves() -> None:
    """The watchdog must not take a device for a hang of ours, however its time-outs add up."""

    def silent(peer: socket.socket, transaction: int, unit: int, frame: bytes) -> None:
        pass

    with tcp_peer(silent) as port, tcp_bus(port, (1,)) as bus:
        before = bus.steps
        assert qualities(bus) == [LOST]
        assert bus.steps >= before + 2, "connected, and asked"
