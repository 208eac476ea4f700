"""Raw numbers to whole steps of a channel's resolution, exactly, rounded towards the unsafe side.

A binary32 register cannot hold 13.9. What the maker meant is the shortest decimal that reads back as the same
binary32; that decimal is scaled and rounded. Most values are settled by two multiplications: the shortest decimal lies
within half a unit in the last place, relative 2**-24, of the register's value, so when both ends of that interval
round to the same step, so does it. Only values that close to a step take the exact path, and those are remembered.
"""

import struct
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, lcm

from drivers.modbus.register_map import Quantity

FRESH_AIR_OXYGEN = Fraction(209, 10)
"""%vol of oxygen in fresh air, between the alarms at 19.5 and 23.5 (GB/T 50493-2019): below it less is worse, above it
more is."""

_SPREAD = 6.0e-8
"""A little more than 2**-24 = 5.96e-8, for the roundings of the double arithmetic (relative 2**-52)."""

_LARGEST = 1.0e9
_REMEMBERED_MAX = 4096
_MANTISSA_BITS = 23
_DIGITS_MAX = 9
"""Nine significant digits identify every binary32 (IEEE 754-2019, 5.12.2)."""

IntegerQuantiser = Callable[[int], int]
FloatQuantiser = Callable[[float], int | None]


def round_up(value: Fraction) -> int:
    """The next step at or above."""
    return ceil(value)


def round_down(value: Fraction) -> int:
    """The next step at or below."""
    return floor(value)


def unsafe_rounding(quantity: Quantity, resolution: Decimal) -> Callable[[Fraction], int]:
    """The rounding, in steps, that never makes a reading look safer than it is."""
    match quantity:
        case Quantity.COMBUSTIBLE | Quantity.TOXIC | Quantity.WIND_SPEED:
            return round_up
        case Quantity.WIND_DIRECTION:
            # A direction has no unsafe side; down keeps 359.99 below 360.
            return round_down
        case Quantity.OXYGEN:
            pivot = FRESH_AIR_OXYGEN / Fraction(resolution)
            return lambda value: floor(value) if value < pivot else ceil(value)


def shortest_decimal(value: float) -> Decimal:
    """The shortest decimal that binary32 reads back as ``value``, nearest one first; ``value`` is a finite binary32."""
    if value == 0:
        return Decimal(0)
    lowest, highest, closed = _rounding_interval(abs(value))
    for digits in range(1, _DIGITS_MAX + 1):
        nearest = Decimal(f"{abs(value):.{digits - 1}e}")
        # Above a power of two the interval reaches twice as far up as down: the nearest may miss where the next hits.
        exponent = nearest.as_tuple().exponent
        assert isinstance(exponent, int)
        for candidate in (nearest, nearest + Decimal(1).scaleb(exponent)):
            exact = Fraction(candidate)
            if lowest < exact < highest or (closed and exact in (lowest, highest)):
                return candidate.copy_sign(Decimal(value))
    raise AssertionError(f"{value!r} is not a binary32")


def _rounding_interval(value: float) -> tuple[Fraction, Fraction, bool]:
    """What rounds to ``value`` > 0 in binary32, and whether the ends do too (ties go to the even mantissa)."""
    bits: int = struct.unpack(">I", struct.pack(">f", value))[0]
    biased, mantissa = bits >> _MANTISSA_BITS, bits & ((1 << _MANTISSA_BITS) - 1)
    unit = Fraction(2) ** (max(biased, 1) - 150)
    exact = Fraction(value)
    below = unit / 4 if mantissa == 0 and biased > 1 else unit / 2
    return exact - below, exact + unit / 2, mantissa % 2 == 0


def integer_quantiser(
    scale: Decimal, resolution: Decimal, quantity: Quantity, offset: Decimal = Decimal(0)
) -> IntegerQuantiser | None:
    """Raw integer to steps of raw * scale + offset; None when they are the same number, so that no call is needed."""
    factor, shift = Fraction(scale) / Fraction(resolution), Fraction(offset) / Fraction(resolution)
    denominator = lcm(factor.denominator, shift.denominator)
    numerator, added = int(factor * denominator), int(shift * denominator)
    if denominator == 1:
        return None if (numerator, added) == (1, 0) else lambda raw: raw * numerator + added
    rounding = unsafe_rounding(quantity, resolution)
    if rounding is round_up:
        return lambda raw: -((-raw * numerator - added) // denominator)
    if rounding is round_down:
        return lambda raw: (raw * numerator + added) // denominator
    fresh_air = ceil(FRESH_AIR_OXYGEN / Fraction(resolution) * denominator)

    def away_from_fresh_air(raw: int) -> int:
        scaled = raw * numerator + added
        return scaled // denominator if scaled < fresh_air else -(-scaled // denominator)

    return away_from_fresh_air


def exact_float_steps(value: float, factor: Fraction, rounding: Callable[[Fraction], int]) -> int:
    """What every faster way must equal: shortest decimal, times ``factor``, rounded."""
    return rounding(Fraction(shortest_decimal(value)) * factor)


def float_quantiser(
    scale: Decimal, resolution: Decimal, quantity: Quantity, offset: Decimal = Decimal(0)
) -> FloatQuantiser:
    """Binary32 (as a double) to steps of value * scale + offset; None for NaN and the infinities."""
    factor = Fraction(scale) / Fraction(resolution)
    if offset:
        return _shifted_quantiser(
            factor, Fraction(offset) / Fraction(resolution), unsafe_rounding(quantity, resolution)
        )
    double_factor = float(factor)
    rounding = unsafe_rounding(quantity, resolution)
    remembered: dict[float, int] = {}

    def exactly(value: float) -> int | None:
        if value - value != 0:  # NaN and the infinities are the only values that are not equal to themselves shifted
            return None
        if len(remembered) >= _REMEMBERED_MAX:
            remembered.clear()
        steps = remembered[value] = exact_float_steps(value, factor, rounding)
        return steps

    def one_way(value: float, whole: Callable[[float], int]) -> int | None:
        steps = remembered.get(value)
        if steps is not None:
            return steps
        scaled = value * double_factor
        if -_LARGEST < scaled < _LARGEST:
            spread = abs(scaled) * _SPREAD
            steps = whole(scaled - spread)
            if steps == whole(scaled + spread):
                return steps
        return exactly(value)

    if rounding is round_up:
        return lambda value: one_way(value, ceil)
    if rounding is round_down:
        return lambda value: one_way(value, floor)
    pivot = float(FRESH_AIR_OXYGEN / Fraction(resolution))

    def away_from_fresh_air(value: float) -> int | None:
        scaled = value * double_factor
        # A step from the pivot is far more than the doubles' error; nearer than that, the exact path decides the side.
        if scaled < pivot - 1:
            return one_way(value, floor)
        if scaled > pivot + 1:
            return one_way(value, ceil)
        steps = remembered.get(value)
        return exactly(value) if steps is None else steps

    return away_from_fresh_air


def _shifted_quantiser(factor: Fraction, shift: Fraction, rounding: Callable[[Fraction], int]) -> FloatQuantiser:
    """The exact path alone, remembered: where an offset nearly cancels the value, doubles lose digits that count."""
    remembered: dict[float, int] = {}

    def exactly(value: float) -> int | None:
        steps = remembered.get(value)
        if steps is not None:
            return steps
        if value - value != 0:
            return None
        if len(remembered) >= _REMEMBERED_MAX:
            remembered.clear()
        steps = remembered[value] = rounding(Fraction(shortest_decimal(value)) * factor + shift)
        return steps

    return exactly
