"""The door: one table of transitions over what was commanded and what the contact says.

Modes stand above it (fire: entry refused, forced and held suppressed), and so do faults (entry refused): the table only
knows the leaf, the lock's lease and the clock, and runs on whatever stands above. Every (phase, event) pair is in the
table or changes nothing. A leaf that shuts ends every release for entry: one that was granted while it stood open must
not outlive it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from edge.core.readings import MonotonicMs


class Phase(Enum):
    """The physical state of a door, as its contact and its lease tell it."""

    LOCKED_SHUT = "locked_shut"
    RELEASED = "released"
    OPEN = "open"
    OPEN_PREALARM = "open_prealarm"
    OPEN_TOO_LONG = "open_too_long"
    FORCED_OPEN = "forced_open"


class Event(Enum):
    """What can happen to a door. ``OPENED`` is the contact without leave; ``OPENED_IN_GRACE`` soon after a release.

    ``FOUND_OPEN`` is the contact's first word: nobody saw it open.
    """

    RELEASE = "release"
    OPENED = "opened"
    OPENED_IN_GRACE = "opened_in_grace"
    FOUND_OPEN = "found_open"
    SHUT = "shut"
    ELAPSED = "elapsed"


class Effect(Enum):
    """What the controller has to do about a transition."""

    RELOCK = "relock"
    TAKEN = "taken"
    NOT_TAKEN = "not_taken"
    PREALARM = "prealarm"
    HELD = "held"
    HELD_CLEAR = "held_clear"
    FORCED = "forced"
    FORCED_CLEAR = "forced_clear"


@dataclass(frozen=True, slots=True)
class Passage:
    """Who may pass once: the grant's entry, or None for an exit."""

    entry: int | None
    permit: str | None
    worker: str | None

    def is_again(self, later: "Passage") -> bool:
        """Whether the later one is the same person, going the same way: one passage, however often it is asked for."""
        return (self.worker, self.entry is None) == (later.worker, later.entry is None)


@dataclass(frozen=True, slots=True)
class DoorTiming:
    """Milliseconds: lock released, leaf open, warning before the held alarm, opening after a release not forced."""

    release_ms: int
    open_ms: int
    prealarm_ms: int
    grace_ms: int


@dataclass(frozen=True, slots=True)
class DoorState:
    """A door now. ``due_ms``: when ``ELAPSED`` is due; ``grace_until_ms``: until when opening is not forcing.

    ``passages``: whose releases run; each ends as taken or not taken. ``fault``: what is wrong with lock or lines, or
    None. ``heard``: the contact has spoken since the start.
    """

    phase: Phase
    passages: tuple[Passage, ...] = ()
    due_ms: MonotonicMs | None = None
    grace_until_ms: MonotonicMs | None = None
    fault: str | None = None
    heard: bool = False


_P, _E, _F = Phase, Event, Effect
_CONTACT = frozenset({Event.OPENED, Event.OPENED_IN_GRACE, Event.FOUND_OPEN, Event.SHUT})

TRANSITIONS: Mapping[tuple[Phase, Event], tuple[Phase, tuple[Effect, ...]]] = {
    (_P.LOCKED_SHUT, _E.RELEASE): (_P.RELEASED, ()),
    (_P.LOCKED_SHUT, _E.OPENED): (_P.FORCED_OPEN, (_F.FORCED,)),
    (_P.LOCKED_SHUT, _E.OPENED_IN_GRACE): (_P.OPEN, (_F.TAKEN,)),
    (_P.LOCKED_SHUT, _E.FOUND_OPEN): (_P.OPEN, ()),
    (_P.RELEASED, _E.RELEASE): (_P.RELEASED, ()),
    (_P.RELEASED, _E.OPENED): (_P.OPEN, (_F.TAKEN, _F.RELOCK)),
    (_P.RELEASED, _E.OPENED_IN_GRACE): (_P.OPEN, (_F.TAKEN, _F.RELOCK)),
    (_P.RELEASED, _E.FOUND_OPEN): (_P.OPEN, (_F.TAKEN, _F.RELOCK)),
    (_P.RELEASED, _E.ELAPSED): (_P.LOCKED_SHUT, (_F.RELOCK, _F.NOT_TAKEN)),
    (_P.OPEN, _E.RELEASE): (_P.OPEN, (_F.TAKEN,)),
    (_P.OPEN, _E.SHUT): (_P.LOCKED_SHUT, (_F.RELOCK,)),
    (_P.OPEN, _E.ELAPSED): (_P.OPEN_PREALARM, (_F.PREALARM,)),
    (_P.OPEN_PREALARM, _E.RELEASE): (_P.OPEN_PREALARM, (_F.TAKEN,)),
    (_P.OPEN_PREALARM, _E.SHUT): (_P.LOCKED_SHUT, (_F.RELOCK,)),
    (_P.OPEN_PREALARM, _E.ELAPSED): (_P.OPEN_TOO_LONG, (_F.HELD,)),
    (_P.OPEN_TOO_LONG, _E.RELEASE): (_P.OPEN_TOO_LONG, (_F.TAKEN,)),
    (_P.OPEN_TOO_LONG, _E.SHUT): (_P.LOCKED_SHUT, (_F.RELOCK, _F.HELD_CLEAR)),
    (_P.FORCED_OPEN, _E.RELEASE): (_P.FORCED_OPEN, (_F.TAKEN,)),
    (_P.FORCED_OPEN, _E.SHUT): (_P.LOCKED_SHUT, (_F.RELOCK, _F.FORCED_CLEAR)),
}
"""A release while the leaf stands open is taken at once: whoever it is for walks through."""


def opened(door: DoorState, now_ms: MonotonicMs) -> Event:
    """Which event an opening contact is."""
    if not door.heard:
        return Event.FOUND_OPEN
    in_grace = door.grace_until_ms is not None and now_ms <= door.grace_until_ms
    return Event.OPENED_IN_GRACE if in_grace else Event.OPENED


def advance(
    door: DoorState, event: Event, timing: DoorTiming, now_ms: MonotonicMs, passage: Passage | None = None
) -> tuple[DoorState, tuple[Effect, ...]]:
    """The door after one event, and what has to be done about it. ``passage`` comes with ``RELEASE`` only."""
    heard = door.heard or event in _CONTACT
    found = TRANSITIONS.get((door.phase, event))
    if found is None:
        return replace(door, heard=heard), ()
    phase, effects = found
    passages = door.passages
    if event is Event.RELEASE and passage is not None:
        passages = (*(each for each in passages if not each.is_again(passage)), passage)
    passages = passages if phase is Phase.RELEASED else ()
    grace = MonotonicMs(now_ms + timing.grace_ms) if event is Event.RELEASE else door.grace_until_ms
    moved = replace(door, phase=phase, passages=passages, grace_until_ms=grace, heard=heard)
    return replace(moved, due_ms=_due(moved, event, timing, now_ms, door.due_ms)), effects


def _due(
    door: DoorState, event: Event, timing: DoorTiming, now_ms: MonotonicMs, held: MonotonicMs | None
) -> MonotonicMs | None:
    match door.phase:
        case Phase.RELEASED:
            return MonotonicMs(now_ms + timing.release_ms)
        case _ if event is Event.RELEASE:
            return held
        case Phase.OPEN:
            return MonotonicMs(now_ms + timing.open_ms - timing.prealarm_ms)
        case Phase.OPEN_PREALARM:
            return MonotonicMs(now_ms + timing.prealarm_ms)
        case _:
            return None
