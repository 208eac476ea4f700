"""A float in the wrong word order is no reading; a zero with its noise is one."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.quantise import float_quantiser
from drivers.modbus.register_map import Quantity
from drivers.modbus.word_order import in_order

RESOLUTION = Decimal("0.1")
PLAIN = float_quantiser(Decimal(1), RESOLUTION, Quantity.COMBUSTIBLE)
GUARDED = in_order(PLAIN, Decimal(1), RESOLUTION, range(1_001))
ORDERS = {"CDAB": (2, 3, 0, 1), "BADC": (1, 0, 3, 2), "DCBA": (3, 2, 1, 0)}


def received(figure: float, order: str) -> float:
    sent = struct.pack(">f", figure)
    value: float = struct.unpack(">f", bytes(sent[index] for index in ORDERS[order]))[0]
    return value


@pytest.mark.parametrize("order", ORDERS)
def test_no_figure_of_the_range_in_another_order_reads_as_next_to_nothing(order: str) -> None:
    believed = 0
    for tenths in range(1, 1_001):
        value = received(tenths / 10, order)
        believed += PLAIN(value) in (0, 1)
        assert GUARDED(value) is None or abs(value) >= 1e-4, f"{tenths / 10} %LEL"
    assert believed > 50, "without the guard these were figures of clean air"


@given(st.floats(min_value=2**-30, max_value=2**-17, width=32) | st.just(1.1920929e-08) | st.just(0.0))
def test_the_noise_of_a_zero_is_a_reading(value: float) -> None:
    """1.19e-8 is what 3 * 0.1 - 0.3 leaves in binary32."""
    chance = any(abs(received(value, order)) in [tenths / 10 for tenths in range(1, 1_001)] for order in ORDERS)
    if not chance:
        assert GUARDED(value) == PLAIN(value)


@given(st.integers(0, 0xFFFFFFFF))
def test_every_other_value_is_left_alone(pattern: int) -> None:
    value: float = struct.unpack(">f", pattern.to_bytes(4, "big"))[0]
    if not abs(value) < 1e-4:
        assert GUARDED(value) == PLAIN(value)
