"""The benchmark's clock starts when the gas itself is on the wire, not when the detector is next asked for anything."""

import struct

import pytest

from hil.bench.rig import GOOD_GAS, TOO_MUCH_GAS
from hil.bench.watched import WatchedUnit
from hil.modbus_unit import load_profile_data

GAS_BLOCK, UNIT_BLOCK = struct.pack(">BHH", 3, 2, 5), struct.pack(">BHH", 3, 10, 1)
"""The two requests of one poll of this detector."""


@pytest.fixture
def detector() -> WatchedUnit:
    made = WatchedUnit(load_profile_data("honeywell_xcd"), 1)
    made.set_gas(GOOD_GAS)
    for block in (GAS_BLOCK, UNIT_BLOCK):
        made.answer(block)
    return made


def test_gas_that_rises_between_the_two_requests_of_a_poll_is_on_the_wire_with_the_next_poll(
    detector: WatchedUnit,
) -> None:
    detector.answer(GAS_BLOCK)
    detector.set_gas(TOO_MUCH_GAS)
    detector.answer(UNIT_BLOCK)
    assert detector.answered_us == 0, "the unit's register was taken for news of the gas"
    detector.answer(GAS_BLOCK)
    assert detector.answered_us > 0


def test_the_first_answer_with_the_new_gas_is_kept(detector: WatchedUnit) -> None:
    detector.set_gas(TOO_MUCH_GAS)
    detector.answer(GAS_BLOCK)
    first_us = detector.answered_us
    assert first_us > 0
    detector.answer(UNIT_BLOCK)
    detector.answer(GAS_BLOCK)
    assert detector.answered_us == first_us
