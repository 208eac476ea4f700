"""The simulated units: every shipped model measures, and has every state that its profile can say."""

import struct
from decimal import Decimal

import pytest

from drivers.modbus.decode import Decoder
from drivers.modbus.plan import plan_of
from drivers.modbus.plausibility import plausibility_of
from drivers.modbus.profile import load_profile, shipped_models
from drivers.modbus.register_map import with_decimals
from edge.ports.devices import MonotonicMs, Quality
from hil.modbus_unit import SimulatedUnit, load_profile_data

QUALITIES = {
    "warming_up": Quality.WARMING_UP,
    "inhibited": Quality.INHIBITED,
    "calibration": Quality.INHIBITED,
    "device_fault": Quality.DEVICE_FAULT,
    "over_range": Quality.OUT_OF_RANGE,
}


def states(model: str) -> set[str]:
    """What the model's status registers and fault currents can say, but for ok."""
    profile = load_profile_data(model)
    said = [each["otherwise"] for each in profile.get("status", [])]
    for rule in profile.get("status", []):
        said += [each["means"] for each in (*rule.get("bits", []), *rule.get("values", []))]
    for channel in profile["channel"]:
        said += [each["means"] for each in channel.get("loop", {}).get("bands", [])]
    return set(said) - {"ok"}


class Asked:
    """One simulated unit and everything of the driver but the wire."""

    def __init__(self, model: str) -> None:
        self.profile = with_decimals(load_profile(model), 1)
        self.blocks = plan_of(self.profile)
        self.unit = SimulatedUnit(load_profile_data(model), 1, decimals=1)
        self.decoder = Decoder(self.profile, self.blocks)
        self.checks = plausibility_of(self.profile, self.blocks)
        self.now_ms = 0

    def read(self) -> tuple[tuple[int | None, ...], tuple[Quality, ...]]:
        payloads = []
        for block in self.blocks:
            reply = self.unit.answer(struct.pack(">BHH", block.function, block.address, block.count))
            assert reply[0] == block.function, reply.hex()
            payloads.append(reply[2:])
        columns = self.decoder.decode(payloads)
        self.now_ms += 1_000
        if self.checks is None:
            return columns
        return self.checks.judge(payloads, columns, MonotonicMs(self.now_ms))[:2]

    def qualities(self, reads: int = 1) -> set[Quality]:
        return {quality for _ in range(reads) for quality in self.read()[1]}


@pytest.mark.parametrize("model", shipped_models())
def test_a_simulated_unit_measures_what_is_set(model: str) -> None:
    asked = Asked(model)
    for channel in asked.profile.channels:
        middle = (channel.lowest_steps + channel.highest_steps) // 2 * channel.resolution
        asked.unit.set_value(channel.name, middle)
    steps, qualities = asked.read()
    assert set(qualities) == {Quality.GOOD}
    for channel, found in zip(asked.profile.channels, steps, strict=True):
        assert found is not None
        middle_steps = (channel.lowest_steps + channel.highest_steps) // 2
        slack = 1 if channel.loop is not None or channel.plausible is not None else 0
        assert abs(found - middle_steps) <= slack


@pytest.mark.parametrize(
    ("model", "state"), [(model, state) for model in shipped_models() for state in sorted(states(model))]
)
def test_a_simulated_unit_says_each_state_and_then_measures_again(model: str, state: str) -> None:
    asked = Asked(model)
    asked.unit.set_status(state)
    assert QUALITIES[state] in asked.qualities()
    assert all(found is None for found in asked.read()[0])
    asked.unit.set_status("ok")
    assert asked.qualities() == {Quality.GOOD}


@pytest.mark.parametrize("model", shipped_models())
def test_a_simulated_unit_beyond_its_range_is_out_of_range(model: str) -> None:
    asked = Asked(model)
    for channel in asked.profile.channels:
        asked.unit.exceed(channel.name)
    assert asked.qualities() == {Quality.OUT_OF_RANGE}


@pytest.mark.parametrize("model", shipped_models())
def test_a_simulated_unit_is_believed_for_as_long_as_it_lives(model: str) -> None:
    asked = Asked(model)
    for channel in asked.profile.channels:
        asked.unit.set_value(channel.name, Decimal(5))
    assert asked.qualities(reads=700) == {Quality.GOOD}


@pytest.mark.parametrize("model", [each for each in shipped_models() if load_profile(each).identities])
def test_another_model_in_its_place_is_never_good(model: str) -> None:
    asked = Asked(model)
    asked.unit.set_identity(foreign=True)
    assert asked.qualities() == {Quality.DEVICE_FAULT}
    asked.unit.set_identity(foreign=False)
    assert asked.qualities() == {Quality.GOOD}


@pytest.mark.parametrize("model", [each for each in shipped_models() if load_profile(each).heartbeat])
def test_a_stopped_heartbeat_is_found_within_the_stated_time(model: str) -> None:
    asked = Asked(model)
    heartbeat = asked.profile.heartbeat
    assert heartbeat is not None
    assert asked.qualities(reads=60) == {Quality.GOOD}
    asked.unit.stop_heartbeat()
    asked.qualities(reads=heartbeat.still_max_ms // 1_000 + 1)
    assert asked.qualities() == {Quality.DEVICE_FAULT}
    asked.unit.heal()
    assert asked.qualities() == {Quality.GOOD}


def test_a_frozen_ultrasonic_anemometer_is_found_and_a_calm_one_is_believed() -> None:
    asked = Asked("renke_vms_3003_cfsfx")
    asked.unit.set_value("wind_speed", "7.30")
    assert asked.qualities(reads=700) == {Quality.GOOD}
    asked.unit.freeze()
    asked.qualities(reads=602)
    assert asked.read()[1] == (Quality.DEVICE_FAULT, Quality.GOOD)


def test_a_unit_without_heartbeat_or_identity_says_so() -> None:
    unit = Asked("renke_rs_fsjt_n01").unit
    with pytest.raises(ValueError, match="no heartbeat"):
        unit.stop_heartbeat()
    with pytest.raises(ValueError, match="no identity"):
        unit.set_identity(foreign=True)
