"""Rounding to steps: the fast way equals the exact way, and never makes a reading look safer."""

import math
import struct
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.quantise import (
    FRESH_AIR_OXYGEN,
    exact_float_steps,
    float_quantiser,
    integer_quantiser,
    shortest_decimal,
    unsafe_rounding,
)
from drivers.modbus.register_map import Quantity

bit_patterns = st.integers(0, 0xFFFFFFFF)
near_steps = st.integers(-2_000, 20_000).flatmap(
    lambda step: st.integers(-3, 3).map(
        lambda away: (struct.unpack(">I", struct.pack(">f", step / 10))[0] + away) & 0xFFFFFFFF
    )
)
resolutions = st.sampled_from(["0.1", "0.01", "1", "0.5", "0.001"])
scales = st.sampled_from(["1", "0.1", "0.01", "2.5"])
offsets = st.sampled_from(["0", "-50", "0.05", "-6.25", "1000.125"])
quantities = st.sampled_from(list(Quantity))


def binary32(pattern: int) -> float:
    value: float = struct.unpack(">f", struct.pack(">I", pattern))[0]
    return value


def reads_back(text: Decimal, pattern: int) -> bool:
    """Whether binary32 rounds the decimal to the pattern's value, by exact comparison with its neighbours."""
    magnitude = pattern & 0x7FFFFFFF
    value = Fraction(abs(binary32(pattern)))
    above = (
        Fraction(binary32(magnitude + 1))
        if magnitude + 1 < 0x7F800000
        else value + (value - Fraction(binary32(magnitude - 1)))
    )
    below = Fraction(binary32(magnitude - 1)) if magnitude else value
    exact = abs(Fraction(text))
    low, high = (value + below) / 2, (value + above) / 2
    return low < exact < high or (magnitude % 2 == 0 and exact in (low, high))


@given(bit_patterns | near_steps, scales, resolutions, quantities)
def test_the_fast_way_gives_what_the_exact_way_gives(
    pattern: int, scale: str, resolution: str, quantity: Quantity
) -> None:
    value = binary32(pattern)
    quantise = float_quantiser(Decimal(scale), Decimal(resolution), quantity)
    if not math.isfinite(value):
        assert quantise(value) is None
        return
    factor = Fraction(Decimal(scale)) / Fraction(Decimal(resolution))
    expected = exact_float_steps(value, factor, unsafe_rounding(quantity, Decimal(resolution)))
    assert quantise(value) == expected
    assert quantise(value) == expected, "and remembers the same"


@given(near_steps, scales, resolutions, quantities, st.sampled_from(["-50", "0.05", "-6.25"]))
def test_a_float_with_an_offset_is_the_shortest_decimal_scaled_and_shifted_exactly(
    pattern: int, scale: str, resolution: str, quantity: Quantity, offset: str
) -> None:
    value = binary32(pattern)
    quantise = float_quantiser(Decimal(scale), Decimal(resolution), quantity, Decimal(offset))
    if not math.isfinite(value):
        assert quantise(value) is None
        return
    exact = Fraction(shortest_decimal(value)) * Fraction(Decimal(scale)) + Fraction(Decimal(offset))
    expected = unsafe_rounding(quantity, Decimal(resolution))(exact / Fraction(Decimal(resolution)))
    assert quantise(value) == expected
    assert quantise(value) == expected, "and remembers the same"


@given(bit_patterns | near_steps)
def test_the_shortest_decimal_reads_back_and_none_shorter_does(pattern: int) -> None:
    value = binary32(pattern)
    if not math.isfinite(value) or value == 0:
        return
    text = shortest_decimal(value)
    assert reads_back(text, pattern)
    assert (text < 0) == (value < 0)
    digits = len(text.normalize().as_tuple().digits)
    for shorter in range(1, digits):
        for direction in ("ROUND_DOWN", "ROUND_UP"):
            exponent = Decimal(value).adjusted() - shorter + 1
            candidate = Decimal(value).quantize(Decimal(1).scaleb(exponent), rounding=direction) if shorter else text
            assert not reads_back(candidate, pattern), (text, candidate)


@given(st.integers(-0x8000, 0xFFFF), scales, resolutions, quantities, offsets)
def test_integers_are_scaled_exactly(raw: int, scale: str, resolution: str, quantity: Quantity, offset: str) -> None:
    quantise = integer_quantiser(Decimal(scale), Decimal(resolution), quantity, Decimal(offset))
    exact = (raw * Fraction(Decimal(scale)) + Fraction(Decimal(offset))) / Fraction(Decimal(resolution))
    assert (raw if quantise is None else quantise(raw)) == unsafe_rounding(quantity, Decimal(resolution))(exact)


@given(st.fractions(min_value=0, max_value=100), quantities)
def test_rounding_never_moves_to_the_safe_side(value: Fraction, quantity: Quantity) -> None:
    steps = unsafe_rounding(quantity, Decimal("0.1"))(value * 10)
    shown = Fraction(steps, 10)
    assert abs(shown - value) < Fraction(1, 10)
    if quantity in (Quantity.COMBUSTIBLE, Quantity.TOXIC, Quantity.WIND_SPEED):
        assert shown >= value
    if quantity is Quantity.OXYGEN:
        assert abs(shown - FRESH_AIR_OXYGEN) >= abs(value - FRESH_AIR_OXYGEN)
