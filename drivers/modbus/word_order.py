"""Floats whose bytes came in another order than the profile says: next to nothing here, a plain figure there.

A detector that sends 8.2 %LEL with its two registers exchanged is read as 0.00000004, and would be shown as the lowest
step; 50 %LEL likewise. Anything so near to 0 is therefore held against the other word orders: if one of them makes a
whole number of steps within the range, the reading is undecodable. A true zero is exactly 0 or has a noise of its own,
and that its bits give such a figure by chance is less than one in a million for a range of 1,000 steps.
"""

import struct
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from drivers.modbus.quantise import FloatQuantiser, shortest_decimal

NEAR_ZERO_STEPS = Fraction(1, 1_000)
"""What is looked at: figures below a thousandth of a step [D]; an exchanged figure is no larger."""

_LARGEST = 1.0e9
_REMEMBERED_MAX = 256
_OTHER_ORDERS: tuple[Callable[[bytes], bytes], ...] = (
    lambda sent: sent[2:] + sent[:2],
    lambda sent: sent[1::-1] + sent[:1:-1],
    lambda sent: sent[::-1],
)


def in_order(
    quantise: FloatQuantiser, scale: Decimal, resolution: Decimal, steps: range, offset: Decimal = Decimal(0)
) -> FloatQuantiser:
    """``quantise``, but None also for a value next to 0 that in another word order is not 0 and is one of ``steps``.

    ``scale``, ``resolution`` and ``offset`` as ``quantise`` has them.
    """
    factor, offset_steps = Fraction(scale) / Fraction(resolution), Fraction(offset) / Fraction(resolution)
    near = float(NEAR_ZERO_STEPS / factor)
    remembered: dict[float, bool] = {}

    def quantise_in_order(value: float) -> int | None:
        if -near < value < near and value:
            out_of_order = remembered.get(value)
            if out_of_order is None:
                if len(remembered) >= _REMEMBERED_MAX:
                    remembered.clear()
                out_of_order = remembered[value] = _is_out_of_order(value, factor, offset_steps, steps)
            if out_of_order:
                return None
        return quantise(value)

    return quantise_in_order


def _is_out_of_order(value: float, factor: Fraction, offset_steps: Fraction, steps: range) -> bool:
    sent = struct.pack(">f", value)
    for reordered in _OTHER_ORDERS:
        (other,) = struct.unpack(">f", reordered(sent))
        if other and -_LARGEST < other < _LARGEST:  # NaN is in no interval
            figure = Fraction(shortest_decimal(other)) * factor + offset_steps
            if figure.denominator == 1 and int(figure) in steps:
                return True
    return False
