"""Readings that every register calls good and that are not: another device, a stopped heart, a frozen value, a leap."""

import struct
from importlib.resources import files

from drivers.modbus.decode import Decoder
from drivers.modbus.plan import plan_of
from drivers.modbus.plausibility import Judged, Plausibility, plausibility_of
from drivers.modbus.profile import load_profile, parse_profile
from edge.ports.devices import MonotonicMs, Quality

HEART = '\n[[register]]\nname = "pulse"\naddress = 3\nprinted = "40004"\ntype = "u16"\n'
HEARTBEAT = '\n[heartbeat]\nregister = "pulse"\nmask = 0x0800\nmoves_every_s = 2\nstill_max_s = 6\n'
IDENTITY = '\n[[identity]]\nregister = "pulse"\nmask = 0xFF00\nallowed = [{ raw = 0x2600, is = "Sensepoint XRL" }]\n'


def generic(*changes: tuple[str, str]) -> str:
    """The generic profile, changed below its comment."""
    text = (files("drivers.profiles") / "generic.toml").read_text(encoding="utf-8")
    text = text[text.index("\nmodel = ") :]
    for written, instead in changes:
        assert written in text, written
        text = text.replace(written, instead, 1)
    return text


class Device:
    """A device of a profile, asked by hand."""

    def __init__(self, text: str) -> None:
        self.profile = parse_profile(text.encode(), "mine.toml")
        blocks = plan_of(self.profile)
        self.decoder = Decoder(self.profile, blocks)
        self.checks = Plausibility(self.profile, blocks)

    def read(self, now_ms: int, gas: float, *words: int) -> Judged:
        payloads = [struct.pack(f">f{len(words)}H", gas, *words)]
        return self.checks.judge(payloads, self.decoder.decode(payloads), MonotonicMs(now_ms))


def moving(*lines: str) -> Device:
    return Device(generic(('scale = "1"', "\n".join(lines))))


def test_a_profile_that_states_no_check_has_none_to_pay_for() -> None:
    profile = load_profile("generic")
    assert plausibility_of(profile, plan_of(profile)) is None


# ---- identity -------------------------------------------------------------------------------------------------------


def test_another_model_on_the_unit_number_is_a_fault_and_the_register_is_named() -> None:
    device = Device(generic() + HEART + IDENTITY)
    assert device.read(0, 1.0, 0, 0x2607) == ((10,), (Quality.GOOD,), "")
    steps, qualities, why = device.read(1_000, 1.0, 0, 0x2507)
    assert (steps, qualities) == ((None,), (Quality.DEVICE_FAULT,))
    assert "pulse (40004) is 0x2500, not 0x2600 (Sensepoint XRL); check model, cable and unit number" in why


def test_a_right_device_is_believed_again_at_once() -> None:
    device = Device(generic() + HEART + IDENTITY)
    device.read(0, 1.0, 0, 0x2507)
    assert device.read(1_000, 1.0, 0, 0x2607) == ((10,), (Quality.GOOD,), "")


# ---- heartbeat ------------------------------------------------------------------------------------------------------


def test_a_heartbeat_that_moves_is_believed_for_ever() -> None:
    device = Device(generic() + HEART + HEARTBEAT)
    for second in range(600):
        bit = 0x0800 if second // 2 % 2 else 0
        assert device.read(second * 1_000, 1.0, 0, bit).qualities == (Quality.GOOD,)


def test_a_heartbeat_that_stands_still_is_a_fault_after_the_stated_time_and_no_earlier() -> None:
    device = Device(generic() + HEART + HEARTBEAT)
    found = [device.read(second * 1_000, 1.0, 0, 0x0800) for second in range(9)]
    assert [each.qualities[0] for each in found[:7]] == [Quality.GOOD] * 7
    assert [each.qualities[0] for each in found[7:]] == [Quality.DEVICE_FAULT] * 2
    assert found[7].steps == (None,)
    assert "heartbeat in pulse (40004) stands still" in found[7].why
    assert device.read(9_000, 1.0, 0, 0).qualities == (Quality.GOOD,)


def test_other_bits_of_the_register_are_no_heartbeat() -> None:
    device = Device(generic() + HEART + HEARTBEAT)
    found = [device.read(second * 1_000, 1.0, 0, second) for second in range(9)]
    assert found[8].qualities == (Quality.DEVICE_FAULT,)


def test_time_without_an_answer_does_not_count_against_the_heart() -> None:
    device = Device(generic() + HEART + HEARTBEAT)
    device.read(0, 1.0, 0, 0)
    assert device.read(60_000, 1.0, 0, 0).qualities == (Quality.GOOD,), "the bus was away, not the device"


def test_a_stopped_heart_outranks_whatever_else_the_device_says() -> None:
    device = Device(generic() + HEART + HEARTBEAT)
    found = [device.read(second * 1_000, 1.0, 2, 0) for second in range(9)]
    assert [each.qualities[0] for each in found[6:8]] == [Quality.WARMING_UP, Quality.DEVICE_FAULT]


# ---- frozen ---------------------------------------------------------------------------------------------------------

FROZEN = ("frozen_after_s = 60", 'noise_floor = "0.1"', 'rests_at = ["0"]')


def test_a_value_within_the_noise_floor_for_too_long_is_frozen() -> None:
    device = moving(*FROZEN)
    found = [device.read(second * 1_000, 3.0 + (second % 2) / 10, 0) for second in range(62)]
    assert {each.qualities for each in found[:61]} == {(Quality.GOOD,)}
    assert found[61].qualities == (Quality.DEVICE_FAULT,)
    assert "gas stands still for 61 s: frozen" in found[61].why


def test_a_value_that_moves_beyond_the_noise_floor_is_alive_again() -> None:
    device = moving(*FROZEN)
    for second in range(65):
        device.read(second * 1_000, 3.0, 0)
    assert device.read(65_000, 3.2, 0) == ((32,), (Quality.GOOD,), "")


def test_a_sensor_may_rest_where_its_profile_says_so() -> None:
    device = moving(*FROZEN)
    found = [device.read(second * 1_000, 0.0, 0) for second in range(600)]
    assert {each.qualities for each in found} == {(Quality.GOOD,)}
    assert device.read(600_000, 3.0, 0).qualities == (Quality.GOOD,)


# ---- leaps ----------------------------------------------------------------------------------------------------------


def test_a_value_that_leaps_is_not_believed_and_the_next_true_one_is() -> None:
    device = moving('rate_max_per_s = "5"')
    assert device.read(0, 10.0, 0).qualities == (Quality.GOOD,)
    assert device.read(1_000, 15.0, 0).qualities == (Quality.GOOD,)
    leapt = device.read(2_000, 80.0, 0)
    assert (leapt.steps, leapt.qualities) == ((None,), (Quality.DEVICE_FAULT,))
    assert "gas changed faster" in leapt.why
    assert device.read(3_000, 16.0, 0).qualities == (Quality.GOOD,)


def test_a_leap_that_stays_is_believed_when_the_time_for_the_way_has_passed() -> None:
    device = moving('rate_max_per_s = "5"')
    device.read(0, 10.0, 0)
    found = [device.read(second * 1_000, 60.0, 0).qualities[0] for second in range(1, 11)]
    assert found == [Quality.DEVICE_FAULT] * 9 + [Quality.GOOD]


def test_between_two_fast_polls_a_second_may_have_passed_in_the_device() -> None:
    device = moving('rate_max_per_s = "5"')
    device.read(0, 10.0, 0)
    assert device.read(50, 15.0, 0).qualities == (Quality.GOOD,)
