"""Decoding: what looks safe and is not has no number, and statuses come before values."""

import struct
from dataclasses import replace

import pytest

from drivers.modbus.decode import Decoder
from drivers.modbus.plan import plan_blocks, plan_of
from drivers.modbus.profile import load_profile
from drivers.modbus.register_map import Kind, Register, WordOrder
from edge.ports.devices import Quality

XCD = Decoder(load_profile("honeywell_xcd"), plan_of(load_profile("honeywell_xcd")))
RENKE = Decoder(load_profile("renke_rs_fsjt_n01"), plan_of(load_profile("renke_rs_fsjt_n01")))
GENERIC = Decoder(load_profile("generic"), plan_of(load_profile("generic")))


def xcd(gas: float, *, fault: int = 0, flags: int = 0, state: int = 1, unit: int = 5) -> tuple[int | None, Quality]:
    payloads = [struct.pack(">fHHH", gas, fault, flags, state), struct.pack(">H", unit)]
    (steps,), (quality,) = XCD.decode(payloads)
    return steps, quality


def test_a_good_reading_is_the_shortest_decimal_in_steps() -> None:
    assert xcd(13.9) == (139, Quality.GOOD)
    assert xcd(10.0) == (100, Quality.GOOD)
    assert xcd(0.0) == (0, Quality.GOOD)


def test_between_two_steps_the_higher_gas_is_taken() -> None:
    assert xcd(10.01) == (101, Quality.GOOD)
    assert xcd(9.9) == (99, Quality.GOOD)
    assert xcd(9.9000006) == (100, Quality.GOOD), "the next one above it is not 9.9"


@pytest.mark.parametrize(
    ("state", "quality"),
    [
        (2, Quality.WARMING_UP),
        (3, Quality.INHIBITED),
        (12, Quality.INHIBITED),
        (0, Quality.DEVICE_FAULT),
        (99, Quality.DEVICE_FAULT),
    ],
)
def test_a_detector_that_is_not_monitoring_has_no_number_however_good_it_looks(state: int, quality: Quality) -> None:
    assert xcd(0.0, state=state) == (None, quality)


def test_a_fault_has_no_number_and_outranks_warm_up() -> None:
    assert xcd(0.0, fault=1103) == (None, Quality.DEVICE_FAULT)
    assert xcd(0.0, flags=0x20) == (None, Quality.DEVICE_FAULT)
    assert xcd(0.0, fault=1103, state=2) == (None, Quality.DEVICE_FAULT)


def test_a_warning_or_an_alarm_leaves_the_reading_valid() -> None:
    assert xcd(30.0, fault=5, flags=0x13) == (300, Quality.GOOD)


@pytest.mark.parametrize("unit", [1, 3, 4, 0, 77])
def test_a_reading_in_another_unit_is_undecodable(unit: int) -> None:
    assert xcd(0.5, unit=unit) == (None, Quality.DECODE_FAIL)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_undecodable(value: float) -> None:
    assert xcd(value) == (None, Quality.DECODE_FAIL)


def test_beyond_its_range_a_reading_is_out_of_range_on_both_sides() -> None:
    assert xcd(100.0) == (1000, Quality.GOOD)
    assert xcd(100.1) == (None, Quality.OUT_OF_RANGE)
    assert xcd(-0.1) == (None, Quality.OUT_OF_RANGE)
    assert xcd(3.0e38) == (None, Quality.OUT_OF_RANGE)


def test_the_published_wind_frame_reads_8_6_metres_a_second() -> None:
    assert RENKE.decode([bytes.fromhex("0056")]) == ((86,), (Quality.GOOD,))


def test_a_sentinel_is_a_fault_and_not_6553_metres_a_second() -> None:
    assert RENKE.decode([b"\xff\xff"]) == ((None,), (Quality.DEVICE_FAULT,))
    assert RENKE.decode([b"\xff\xfe"]) == ((None,), (Quality.OUT_OF_RANGE,))


def test_a_sentinel_that_is_no_number_means_what_its_profile_says() -> None:
    """0xFFFFFFFF is a NaN in a binary32 register, and a NaN equals nothing: the bits decide."""
    assert GENERIC.decode([b"\xff\xff\xff\xff\x00\x00"]) == ((None,), (Quality.DEVICE_FAULT,))
    assert GENERIC.decode([b"\x7f\xc0\x00\x00\x00\x00"]) == ((None,), (Quality.DECODE_FAIL,))


@pytest.mark.parametrize("order", WordOrder)
def test_a_sentinel_of_minus_zero_leaves_zero_alone_in_every_word_order(order: WordOrder) -> None:
    generic = load_profile("generic")
    gas, status = generic.registers
    channel = replace(generic.channels[0], sentinels=((0x80000000, Quality.INHIBITED),))
    profile = replace(generic, registers=(replace(gas, order=order), status), channels=(channel,))
    decoder = Decoder(profile, plan_of(profile))
    sign = {"ABCD": 0, "CDAB": 2, "BADC": 1, "DCBA": 3}[order.value]
    minus_zero = bytes(0x80 if index == sign else 0 for index in range(4))
    assert decoder.decode([minus_zero + b"\x00\x00"]) == ((None,), (Quality.INHIBITED,))
    assert decoder.decode([bytes(6)]) == ((0,), (Quality.GOOD,))


def test_status_bits_and_unexplained_bits_of_the_generic_detector() -> None:
    def status(word: int) -> Quality:
        return GENERIC.decode([struct.pack(">fH", 1.0, word)])[1][0]

    assert status(0) is Quality.GOOD
    assert status(1) is Quality.DEVICE_FAULT
    assert status(2) is Quality.WARMING_UP
    assert status(4) is Quality.INHIBITED
    assert status(8) is Quality.INHIBITED
    assert status(16) is Quality.OUT_OF_RANGE
    assert status(0x8000) is Quality.DEVICE_FAULT
    assert status(3) is Quality.DEVICE_FAULT


def register(name: str, address: int, kind: Kind = Kind.U16, function: int = 3) -> Register:
    return Register(name, function, address, str(address), kind, WordOrder.ABCD)


def test_blocks_bridge_gaps_up_to_the_limit_and_no_further() -> None:
    near, far = register("near", 0), register("far", 5)
    assert len(plan_blocks([near, far], 125, gap=4)) == 1
    assert len(plan_blocks([near, far], 125, gap=3)) == 2


def test_blocks_stay_within_what_the_device_answers_and_never_split_a_value() -> None:
    registers = [register(f"r{each}", 2 * each, Kind.F32) for each in range(10)]
    blocks = plan_blocks(registers, 5, gap=0)
    assert [block.count for block in blocks] == [4, 4, 4, 4, 4]
    assert [each for block in blocks for each in block.registers] == registers


def test_input_and_holding_registers_are_never_one_request() -> None:
    blocks = plan_blocks([register("a", 0), register("b", 1, function=4)], 125, gap=8)
    assert [(block.function, block.count) for block in blocks] == [(3, 1), (4, 1)]
