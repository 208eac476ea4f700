"""Doors and areas that a named person has to do with: alarms of forced doors, and lock-downs.

A forced door alarms until somebody acknowledges it, shut or not, over restarts. An alarm is no mode of the door: entry
goes on as it is decided, or people would acknowledge unseen what stands in their way; whoever wants it shut locks the
area down.

A lock-down refuses entry into an area, and nothing else: work inside is not tripped, and all may leave. Only a named
person ends it, on site; neither time nor HQ does. It is no freeze, which only HQ lifts.
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


@dataclass(frozen=True, slots=True)
class Lockdown:
    """Nobody goes into an area: who said so, why, and in which entry. ``lowest_ms`` is as in ``Forced``."""

    entry: int
    by: str
    why: str
    lowest_ms: int


class PlaceAction(Enum):
    """What a named person may do about a door or an area."""

    ACKNOWLEDGE = "acknowledge"
    LOCKDOWN = "lockdown"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class PlaceOperator:
    """A named person acts on a door or an area, ``place``. ``person`` is what the authority cache knows of them."""

    action: PlaceAction
    place: str
    by: str
    person: Worker | None
    why: str
    request: str
