"""Blinding: one permit is one blind and one operation, and never two such permits are on one pipe at once.

GB 30871-2022 7; AQ 3064.2-2025 5.4.4 and A.4, 20.
"""

from edge.core.beside import at_work, in_window
from edge.core.clock import ClockInterval
from edge.core.facts import Permit
from edge.core.permits import IN_FORCE, STATUS_SUSPENDED
from edge.core.reasons import Reason
from edge.core.said import Said
from edge.core.state import State


def blind_failing(said: Said, demanded: bool) -> tuple[tuple[Reason, str], ...]:
    """Why what HQ says of a blinding permit's blind is not one blind and one operation, with how many there are.

    ``demanded``: it must say blind, operation and pipe.
    """
    found: list[tuple[Reason, str]] = []
    for name, one in (("blinds", said.blinds), ("operations", said.operations)):
        if one is not None and len(one) != 1:
            found.append((Reason.BLIND_NOT_ONE, f"{name}: {len(one)}"))
    named = {"blinds": said.blinds, "operations": said.operations, "pipe": said.pipe}
    if demanded:
        found += [(Reason.BLIND_UNKNOWN, name) for name, value in named.items() if value is None]
    return tuple(found)


def same_pipe(state: State, permit: Permit, clock: ClockInterval) -> tuple[str, ...]:
    """The other permits of this type on the same pipe, of any gateway, that stand in the way of this one now.

    Those at work always do. One that is issued and may be in its window does while this one has not begun here: of two
    permits that only lie side by side neither opens, until HQ moves one of them.
    """
    if permit.said.pipe is None:
        return ()
    begun = permit.permit in state.durable.running
    same = (each for each in state.beside.values() if each.said.pipe == permit.said.pipe)
    others = (each for each in same if each.permit != permit.permit and each.permit_type == permit.permit_type)
    return tuple(sorted(each.permit for each in others if _stands(state, each, clock, begun)))


def _stands(state: State, other: Permit, clock: ClockInterval, begun: bool) -> bool:
    """A suspended permit may have left the pipe open, so it counts as one at work."""
    if at_work(state, other) or other.status == STATUS_SUSPENDED:
        return True
    return not begun and other.status in IN_FORCE and in_window(other, clock)
