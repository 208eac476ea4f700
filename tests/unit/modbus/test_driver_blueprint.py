"""The blueprint is a working driver: its decoding refuses what a broken loop says."""

from hypothesis import given
from hypothesis import strategies as st

from drivers._blueprint import LoopTable, build, decode
from edge.ports.devices import MonotonicMs, Quality
from edge.ports.errors import DeviceError

TABLE = LoopTable(full_scale_steps=1_000)


def test_currents_within_the_range_are_rounded_up() -> None:
    assert decode(4_000, TABLE) == (0, Quality.GOOD)
    assert decode(20_000, TABLE) == (1_000, Quality.GOOD)
    assert decode(12_001, TABLE) == (501, Quality.GOOD)


def test_fault_currents_are_no_reading() -> None:
    assert decode(3_600, TABLE) == (None, Quality.DEVICE_FAULT)
    assert decode(0, TABLE) == (None, Quality.DEVICE_FAULT)
    assert decode(21_000, TABLE) == (None, Quality.DEVICE_FAULT)
    assert decode(20_500, TABLE) == (None, Quality.OUT_OF_RANGE)


@given(st.integers())
def test_any_current_gives_a_number_only_where_it_is_good(current_ua: int) -> None:
    steps, quality = decode(current_ua, TABLE)
    assert (steps is not None) == (quality is Quality.GOOD)


def test_a_failed_measurement_is_not_zero() -> None:
    def fail() -> int:
        raise DeviceError("no converter")

    block = build("gas-1", TABLE, fail, lambda: MonotonicMs(7)).read()
    assert (block.steps, block.qualities, block.taken_at) == ((None,), (Quality.COMM_FAIL,), 7)
