"""Gases as data: explosive limits, molar masses, occupational limits; and what a limit in one unit is in another.

Everything is exact. Where a conversion may be made with one figure or another, the one is taken that gives the lower
limit: conversions are of limits that a reading must not exceed.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

GAS_UNITS = frozenset({"%vol", "ppm", "%LEL", "mg/m3"})
"""The units in which the amount of a gas is given."""

_PPM_IN_VOL = 10_000
"""1 %vol is so many ppm."""


@dataclass(frozen=True, slots=True)
class Gas:
    """One gas. Figures that are not known are empty or None, and then no limit that needs them can be judged.

    ``lel_vol``: every lower explosive limit that the tables list, %vol. ``molar_mass``: g/mol. ``maximum``, ``short``
    and ``average`` are GBZ 2.1's MAC, PC-STEL and PC-TWA, mg/m3. ``clause`` says where the figures were read.
    """

    gas: str
    name_zh: str
    name_en: str
    lel_vol: tuple[Decimal, ...]
    molar_mass: Decimal | None
    maximum: Decimal | None
    short: Decimal | None
    average: Decimal | None
    clause: str
    mark: str

    def occupational(self) -> tuple[str, Decimal] | None:
        """The limit that entry is judged by, mg/m3, with its name: MAC, else PC-STEL, else PC-TWA; None: none known.

        The order is that of GB 46768-2025 5.9.1c.
        """
        ordered = (("MAC", self.maximum), ("PC-STEL", self.short), ("PC-TWA", self.average))
        return next(((name, limit) for name, limit in ordered if limit is not None), None)


def limit_in(limit: Fraction, units: tuple[str, str], gas: Gas, molar_volume: Decimal) -> Fraction | None:
    """A limit in ``units[0]`` as one in ``units[1]``; None where the gas lacks a figure for it.

    ``molar_volume`` (L/mol) ties mg/m3 to ppm: mg/m3 = ppm x M / Vm.
    """
    unit, wanted = units
    if unit == wanted:
        return limit
    # %LEL to a concentration by the lowest listed explosive limit, a concentration to %LEL by the highest.
    held = _ppm_per(unit, gas, molar_volume, min(gas.lel_vol, default=None))
    given = _ppm_per(wanted, gas, molar_volume, max(gas.lel_vol, default=None))
    return None if held is None or given is None else limit * held / given


def _ppm_per(unit: str, gas: Gas, molar_volume: Decimal, lel_vol: Decimal | None) -> Fraction | None:
    """How many ppm one of that unit is."""
    match unit:
        case "ppm":
            return Fraction(1)
        case "%vol":
            return Fraction(_PPM_IN_VOL)
        case "%LEL" if lel_vol is not None:
            return Fraction(lel_vol) * _PPM_IN_VOL / 100
        case "mg/m3" if gas.molar_mass is not None:
            return Fraction(molar_volume) / Fraction(gas.molar_mass)
        case _:
            return None
