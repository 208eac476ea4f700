"""Doors and areas that a named person has to do with: alarms of forced doors, and what may be done about them.

A forced door alarms until somebody acknowledges it, shut or not, over restarts. An alarm is no mode of the door: entry
goes on as it is decided, or people would acknowledge unseen what stands in their way; whoever wants it shut locks the
area down.
"""

from dataclasses import dataclass
from enum import Enum

from edge.core.facts import Worker


@dataclass(frozen=True, slots=True)
class Forced:
    """A door was forced and nobody has acknowledged it: the first entry since that says so.

    ``lowest_ms``: the earliest UTC that it can have been, 0: the time was unknown.
    """

    entry: int
    lowest_ms: int


class PlaceAction(Enum):
    """What a named person may do about a door or an area."""

    ACKNOWLEDGE = "acknowledge"


@dataclass(frozen=True, slots=True)
class PlaceOperator:
    """A named person acts on a door or an area, ``place``. ``person`` is what the authority cache knows of them."""

    action: PlaceAction
    place: str
    by: str
    person: Worker | None
    why: str
    request: str
