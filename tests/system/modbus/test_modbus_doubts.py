"""Answers that come whole and are not believed, over both wires: another device, a stopped heart, a fault current."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from drivers.modbus.client import BusSettings
from drivers.modbus.device import DeviceSettings, build
from drivers.modbus.profile import load_profile
from edge.host.system_clock import monotonic_ms, sleep
from edge.ports.devices import BlockRead, MonotonicMs, Quality
from hil.modbus_site import ModbusSite
from hil.modbus_unit import SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system


class Watched:
    """A device on a bus, read once a second of a clock that the test puts forward."""

    def __init__(self, unit: SimulatedUnit, settings: BusSettings, model: str) -> None:
        self.unit = unit
        self.ahead_ms = 0
        self.bus = build(settings, [DeviceSettings("gas-1", 1, load_profile(model))], self.clock, sleep)
        (self.reader,) = self.bus.readers

    def clock(self) -> MonotonicMs:
        return MonotonicMs(monotonic_ms() + self.ahead_ms)

    def read(self, times: int = 1) -> BlockRead:
        for _ in range(times):
            self.ahead_ms += 1_000
            block = self.reader.read()
        return block


@contextmanager
def watched(model: str, kind: str) -> Iterator[Watched]:
    unit = SimulatedUnit(load_profile_data(model), 1)
    site = ModbusSite([unit])
    if kind == "tcp":
        settings = BusSettings("b1", "tcp", 300, host="127.0.0.1", tcp_port=site.serve_tcp())
    else:
        settings = BusSettings("b1", "rtu", 300, port=site.serve_rtu())
    device = Watched(unit, settings, model)
    try:
        yield device
    finally:
        device.bus.close()
        site.close()


@pytest.mark.parametrize(("model", "kind"), [("honeywell_midas_toxic", "tcp"), ("honeywell_xrl_toxic", "rtu")])
def test_a_device_of_another_model_is_never_good_and_the_reason_is_said(model: str, kind: str) -> None:
    with watched(model, kind) as device:
        assert device.read().qualities == (Quality.GOOD,)
        assert device.reader.trouble == ""
        device.unit.set_identity(foreign=True)
        block = device.read()
        assert (block.steps, block.qualities) == ((None,), (Quality.DEVICE_FAULT,))
        assert "of this profile: " in device.reader.trouble
        assert "check model, cable and unit number" in device.reader.trouble
        device.unit.heal()
        assert device.read().qualities == (Quality.GOOD,)
        assert device.reader.trouble == ""


@pytest.mark.parametrize(("model", "kind"), [("honeywell_midas_toxic", "tcp"), ("honeywell_xrl_toxic", "rtu")])
def test_a_device_whose_heart_stopped_is_a_fault_although_it_answers(model: str, kind: str) -> None:
    with watched(model, kind) as device:
        assert device.read(times=30).qualities == (Quality.GOOD,)
        device.unit.stop_heartbeat()
        assert device.read(times=30).qualities == (Quality.DEVICE_FAULT,)
        assert "stands still" in device.reader.trouble
        device.unit.heal()
        assert device.read().qualities == (Quality.GOOD,)


def test_the_current_of_a_warming_detector_is_no_reading() -> None:
    with watched("loop_ultima_x_oxygen", "rtu") as device:
        device.unit.set_value("oxygen", "20.9")
        assert device.read().steps == (209,)
        device.unit.set_status("warming_up")
        assert device.read().qualities == (Quality.WARMING_UP,)
        device.unit.set_status("calibration")
        assert device.read().qualities == (Quality.INHIBITED,)
        device.unit.set_status("ok")
        assert device.read().steps == (209,)
