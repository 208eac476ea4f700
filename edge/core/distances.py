"""Distances between works: hot work keeps away from venting, draining, painting, sweeping, and from blinding.

GB 30871-2022 5.2.9, 6.7, 7. The distances are data of a rule pack. Positions are whole centimetres on the site's own
grid, seen from above: what is right above or below is near.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isqrt

from edge.core.facts import Permit
from edge.core.heights import metres
from edge.core.reasons import Reason
from edge.core.said import Said

ACTIVITIES = ("venting", "draining", "painting", "dust_sweeping")
"""What work may do to other work near it, as HQ says it; solvent cleaning counts as painting."""


@dataclass(frozen=True, slots=True)
class DistanceRule:
    """Work of ``permit_types`` keeps away from work of ``other_types`` or with one of ``activities``, and the reverse.

    ``limit_cm``: how far, itself still too near. None: the two may not be in one area where either is, or is linked to,
    a permit of the types ``same_space``. ``where_ex``: only where the first is in an explosive area.
    """

    rule: str
    clause: str
    mark: str
    permit_types: frozenset[str]
    other_types: frozenset[str]
    activities: frozenset[str]
    limit_cm: int | None
    same_space: frozenset[str]
    where_ex: bool
    words_zh: str
    words_en: str

    def first(self, permit: Permit) -> bool:
        """Whether a permit is on the one side of it."""
        return permit.permit_type in self.permit_types

    def second(self, permit: Permit) -> bool:
        """Whether a permit is on the other side of it."""
        return permit.permit_type in self.other_types or not self.activities.isdisjoint(permit.said.activities or ())


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Other work at work now that a rule keeps away. ``limit_cm`` None: the two are in one space, where none may be.

    Without a position, here or in what HQ says of this permit, the distance is unknown and counts as too near.
    """

    permit: str
    rule: str
    limit_cm: int | None
    east_cm: int | None
    north_cm: int | None


def too_near(said: Said, neighbours: Iterable[Neighbour]) -> tuple[Neighbour, ...]:
    """Those that are within their limit, which is itself too near."""
    return tuple(each for each in neighbours if within(said, each))


def near_failing(said: Said, neighbours: Iterable[Neighbour]) -> tuple[tuple[Reason, str], ...]:
    """The same as reasons: which permit, how far it is and how far it must be more than, by which rule."""
    return tuple(
        (Reason.TOO_NEAR, f"{each.permit}, {distance_text(said, each)}, {each.rule}")
        for each in too_near(said, neighbours)
    )


def within(said: Said, neighbour: Neighbour) -> bool:
    """Whether it is too near, exactly; without a position it is."""
    squared = squared_cm(said, neighbour)
    return neighbour.limit_cm is None or squared is None or squared <= neighbour.limit_cm**2


def squared_cm(said: Said, neighbour: Neighbour) -> int | None:
    """The square of the distance, exactly; None where a position is not known."""
    if said.east_cm is None or said.north_cm is None or neighbour.east_cm is None or neighbour.north_cm is None:
        return None
    return (neighbour.east_cm - said.east_cm) ** 2 + (neighbour.north_cm - said.north_cm) ** 2


def distance_cm(said: Said, neighbour: Neighbour) -> int | None:
    """The distance, cut off to the centimetre, for reading; None where a position is not known."""
    squared = squared_cm(said, neighbour)
    return None if squared is None else isqrt(squared)


def distance_text(said: Said, neighbour: Neighbour) -> str:
    """How far it is, and the limit: ``12.34 m <= 30 m``; ``? m`` where a position is not known."""
    if neighbour.limit_cm is None:
        return "0 m"
    away_cm = distance_cm(said, neighbour)
    away = "? m" if away_cm is None else metres(away_cm)
    return f"{away} {'<=' if within(said, neighbour) else '>'} {metres(neighbour.limit_cm)}"
