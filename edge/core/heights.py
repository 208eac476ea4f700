"""Work at height has the grade that its height and its hazards give it (GB 30871-2022 8.1), and a permit of that grade.

The table is data of a rule pack. A reading that makes one of the hazards true, such as thin air, raises no grade here:
HQ says the factors, and what a reading forbids it forbids by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edge.core.reasons import Reason
from edge.core.said import Said

GRADES = ("21", "22", "23", "24")
"""AQ 3064.2-2025 A.2, the lowest first: grades I to IV."""

_NUMERALS = dict(zip(GRADES, ("I", "II", "III", "IV"), strict=True))


@dataclass(frozen=True, slots=True)
class HeightRow:
    """One row of the table: heights in whole centimetres, both ends included; ``up_to_cm`` None: no end.

    ``class_a``: the permit type without any hazard factor, ``class_b``: with one or more.
    """

    row: str
    from_cm: int
    up_to_cm: int | None
    class_a: str
    class_b: str
    clause: str
    mark: str

    def holds(self, height_cm: int) -> bool:
        """Whether that height is in this row."""
        return self.from_cm <= height_cm and (self.up_to_cm is None or height_cm <= self.up_to_cm)


def grade_of(rows: Iterable[HeightRow], height_cm: int, factors: tuple[str, ...]) -> str | None:
    """The permit type that work so high needs, the highest of several tables; None: it is no work at height."""
    found = [each.class_b if factors else each.class_a for each in rows if each.holds(height_cm)]
    return max(found, key=_rank, default=None)


def height_failing(
    permit_type: str, rows: tuple[HeightRow, ...], said: Said, demanded: bool
) -> tuple[tuple[Reason, str], ...]:
    """Why a permit of this type is not enough for its height, with the figures; without ``rows`` nothing is asked.

    ``demanded``: HQ must say height and factors. Factors that it does not say are none where they are not demanded.
    """
    if not rows:
        return ()
    if said.height_cm is None:
        return ((Reason.HEIGHT_UNKNOWN, "height_cm"),) if demanded else ()
    if said.factors is None and demanded:
        return ((Reason.HEIGHT_UNKNOWN, "factors"),)
    factors = said.factors or ()
    needed = grade_of(rows, said.height_cm, factors)
    if needed is None or _rank(permit_type) >= _rank(needed):
        return ()
    figures = ", ".join((metres(said.height_cm), *factors))
    return ((Reason.GRADE_TOO_LOW, f"{figures}: {grade_name(needed)}"),)


def _rank(permit_type: str) -> int:
    """The place among the grades, -1 for a type that is none."""
    return GRADES.index(permit_type) if permit_type in GRADES else -1


def grade_name(permit_type: str) -> str:
    """The grade as the standard prints it, with its permit type: ``IV (24)``."""
    return f"{_NUMERALS.get(permit_type, permit_type)} ({permit_type})"


def metres(height_cm: int) -> str:
    """Whole centimetres as metres, exactly: ``18 m``, ``-0.05 m``."""
    whole, rest = divmod(abs(height_cm), 100)
    return f"{'-' if height_cm < 0 else ''}{whole}.{rest:02}".rstrip("0").rstrip(".") + " m"
