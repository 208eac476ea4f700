"""The arithmetic of a bus, and the silences of RTU, against figures worked out by hand and a line that is so."""

import random
import threading
from math import ceil

import pytest
from memory_bus import Line, MemoryConnection, VirtualTime

from drivers.modbus.breaker import Breaker
from drivers.modbus.client import BusSettings
from drivers.modbus.device import DeviceSettings, ModbusReader
from drivers.modbus.load import REQUEST_BYTES, TURNAROUND_MS, character_ms, serial_load, silence_ms, tcp_load
from drivers.modbus.plan import plan_of
from drivers.modbus.profile import load_profile
from edge.ports.devices import BlockRead, Quality
from edge.runtime.bus import BusLoop
from hil.modbus_unit import SimulatedUnit, load_profile_data

POLL_MS = 1_000


def test_a_character_at_9600_8n1_takes_ten_bits() -> None:
    assert character_ms(9600) == pytest.approx(1.0417, abs=1e-4)
    assert character_ms(9600, "E") == pytest.approx(1.1458, abs=1e-4)


def test_the_silence_is_fixed_above_19200_baud() -> None:
    assert silence_ms(9600) == pytest.approx(3.646, abs=1e-3)
    assert silence_ms(19200, "E") == pytest.approx(2.005, abs=1e-3)
    assert silence_ms(38400) == 1.75


def test_a_bus_that_fits_is_allowed_and_one_that_does_not_is_not() -> None:
    # 8 + 5 + 18 characters of 10 bits, 10 ms turnaround and two silences of 4 ms: 50.3 ms a device at 9600.
    load = serial_load([9] * 10, POLL_MS, 9600)
    assert load.ms_per_cycle == pytest.approx(502.9, abs=0.2)
    assert load.allowed
    assert not serial_load([9] * 16, POLL_MS, 9600).allowed
    assert not serial_load([9] * 10, POLL_MS, 2400).allowed


def test_32_units_at_1_hz_fit_one_line_or_the_sum_says_why_not() -> None:
    # One block of 3 registers: 8 + 11 characters of 0.521 ms, 10 ms and two silences of 2 ms: 23.9 ms a device.
    generic = serial_load([3] * 32, POLL_MS, 19_200)
    assert generic.ms_per_cycle == pytest.approx(764.7, abs=0.2)
    assert generic.allowed
    # An XCD's two blocks of 5 and 1: 8 + 15 + 8 + 7 characters of 0.573 ms, twice 10 ms, four silences of 3 ms.
    xcd = serial_load([5, 1] * 32, POLL_MS, 19_200, "E")
    assert xcd.ms_per_cycle == pytest.approx(1720.7, abs=0.2)
    assert not xcd.allowed
    assert xcd.arithmetic == (
        "64 requests and replies: 1216 characters of 0.573 ms at 19200 8E1, "
        "and 64 times 16 ms of silence and until the device answers"
    )


class PacedLine(Line):
    """A line on which every character takes its time, and every device its turnaround."""

    def __init__(self, units: dict[int, SimulatedUnit], time: VirtualTime, each_ms: float) -> None:
        super().__init__("rtu", units, time, random.Random(1))
        self._each_ms = each_ms

    def takes_ms(self, reply_bytes: int) -> int:
        return ceil((REQUEST_BYTES + reply_bytes) * self._each_ms + TURNAROUND_MS)


@pytest.mark.parametrize(("baud", "fits"), [(19_200, True), (9_600, False)])
def test_what_is_allowed_keeps_its_period_on_a_line_that_is_so_slow(baud: int, fits: bool) -> None:
    """32 detectors at 1 Hz through the real loop and driver, a minute of virtual time."""
    profile, time, stop = load_profile("generic"), VirtualTime(), threading.Event()
    units = {unit: SimulatedUnit(load_profile_data("generic"), unit) for unit in range(1, 33)}
    settings = BusSettings("b1", "rtu", 300, port="memory", baud=baud)
    connection = MemoryConnection(settings, PacedLine(units, time, character_ms(baud)))
    devices = [DeviceSettings(f"d{unit}", unit, profile) for unit in units]
    readers = [ModbusReader(each, connection, Breaker(each.unit), time) for each in devices]
    published: list[BlockRead] = []

    def publish(block: BlockRead) -> None:
        published.append(block)
        if time.now_ms > 60_000:
            stop.set()

    loop = BusLoop("b1", readers, POLL_MS, clock=time, sleep=time.sleep, publish=publish)
    loop.run(stop)
    assert {block.qualities for block in published} == {(Quality.GOOD,)}
    counts = [block.count for _ in units for block in plan_of(profile)]
    load = serial_load(counts, POLL_MS, baud)
    assert load.allowed is fits
    assert (loop.overruns == 0) is fits
    assert loop.cycle_ms <= load.ms_per_cycle + len(units)


def test_tcp_counts_exchanges() -> None:
    assert tcp_load([9] * 32, POLL_MS).allowed
    assert not tcp_load([9] * 32, 100).allowed
