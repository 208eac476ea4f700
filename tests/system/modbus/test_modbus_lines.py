"""Lines over the years: an adapter that hears itself, repeats, hangs, moves or is pulled out never costs the truth."""

import os
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.modbus.client import BusSettings
from drivers.modbus.device import DeviceSettings, ModbusBus, build
from drivers.modbus.profile import load_profile
from edge.host.system_clock import monotonic_ms, sleep
from edge.ports.devices import Quality
from hil.modbus_site import ModbusSite
from hil.modbus_unit import Fault, FaultKind, SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system

TIMEOUT_MS = 150
GOOD, LOST = (Quality.GOOD,), (Quality.COMM_FAIL,)


@contextmanager
def line(port: Path) -> Iterator[tuple[ModbusSite, ModbusBus]]:
    """A generic detector at 1.5 %LEL on a serial line under ``port``, and the gateway's bus to it."""
    site = ModbusSite([SimulatedUnit(load_profile_data("generic"), 1)])
    site.unit(1).set_value("gas", "1.5")
    settings = BusSettings("b1", "rtu", TIMEOUT_MS, port=site.serve_rtu(port), baud=19200)
    bus = build(settings, [DeviceSettings("d", 1, load_profile("generic"))], monotonic_ms, sleep)
    try:
        yield site, bus
    finally:
        bus.close()
        site.close()


def read_until_good(bus: ModbusBus, within_ms: int = 6_000) -> None:
    began = monotonic_ms()
    while bus.readers[0].read().qualities != GOOD:
        assert monotonic_ms() - began < within_ms, bus.readers[0].trouble
        sleep(0.02)


def test_an_adapter_that_hears_itself_costs_no_reading(tmp_path: Path) -> None:
    with line(tmp_path / "port") as (site, bus):
        site.unit(1).break_with(Fault(FaultKind.ECHO))
        for tenths in range(1, 40):
            site.unit(1).set_value("gas", f"{tenths / 10}")
            block = bus.readers[0].read()
            assert (block.steps, block.qualities) == ((tenths,), GOOD), bus.readers[0].trouble


@contextmanager
def peer(bytes_of: Callable[[bytes], bytes]) -> Iterator[ModbusBus]:
    """A cup anemometer on a pseudo-terminal that puts ``bytes_of(question)`` on the line, byte by byte."""
    master, slave = os.openpty()
    tty.setraw(slave)

    def trickle() -> None:
        for byte in bytes_of(os.read(master, 8)):
            os.write(master, bytes([byte]))
            sleep(0.001)

    thread = threading.Thread(target=trickle)
    thread.start()
    settings = BusSettings("b1", "rtu", 500, port=os.ttyname(slave), baud=4800)
    bus = build(settings, [DeviceSettings("w", 1, load_profile("renke_rs_fsjt_n01"))], monotonic_ms, sleep)
    try:
        yield bus
    finally:
        bus.close()
        thread.join()
        os.close(master)
        os.close(slave)


ANSWER = bytes.fromhex("01 03 02 00 4f f9 b0")


@pytest.mark.parametrize("echoes", [True, False])
def test_a_line_that_gives_byte_by_byte_is_read_with_its_echo_and_without(echoes: bool) -> None:
    with peer(lambda question: (question if echoes else b"") + ANSWER) as bus:
        assert bus.readers[0].read().steps == (79,), bus.readers[0].trouble


def test_an_echo_without_an_answer_is_no_reply() -> None:
    with peer(lambda question: question) as bus:
        assert bus.readers[0].read().qualities == LOST
        assert "no reply" in bus.readers[0].trouble


def test_an_answer_that_comes_twice_never_answers_the_next_question(tmp_path: Path) -> None:
    with line(tmp_path / "port") as (site, bus):
        site.unit(1).break_with(Fault(FaultKind.DOUBLED))
        for tenths in range(1, 20):
            site.unit(1).set_value("gas", f"{tenths / 10}")
            steps = bus.readers[0].read().steps
            assert steps in ((tenths,), (None,))
        site.unit(1).heal()
        read_until_good(bus)


@pytest.mark.parametrize("serial", [True, False], ids=["rtu", "tcp"])
def test_what_was_pulled_out_is_lost_at_once_and_back_by_itself(tmp_path: Path, serial: bool) -> None:
    site = ModbusSite([SimulatedUnit(load_profile_data("generic"), 1)])
    if serial:
        settings = BusSettings("b1", "rtu", TIMEOUT_MS, port=site.serve_rtu(tmp_path / "port"), baud=19200)
    else:
        settings = BusSettings("b1", "tcp", TIMEOUT_MS, host="127.0.0.1", tcp_port=site.serve_tcp())
    bus = build(settings, [DeviceSettings("d", 1, load_profile("generic"))], monotonic_ms, sleep)
    try:
        for _ in range(2):
            read_until_good(bus)
            site.unplug()
            for _ in range(3):
                assert bus.readers[0].read().qualities == LOST
            assert bus.readers[0].trouble
            site.plug_in()
        read_until_good(bus)
    finally:
        bus.close()
        site.close()


def test_a_port_whose_name_leads_elsewhere_now_is_followed(tmp_path: Path) -> None:
    """The old end still seems open, as with an adapter that hangs: only silence shows that it is not the line."""
    port = tmp_path / "port"
    with line(port) as (hung, bus):
        read_until_good(bus)
        hung.unit(1).break_with(Fault(FaultKind.SILENCE))
        port.unlink()
        other = ModbusSite([SimulatedUnit(load_profile_data("generic"), 1)])
        other.serve_rtu(port)
        try:
            assert bus.readers[0].read().qualities == LOST
            read_until_good(bus, 15_000)
        finally:
            other.close()
