"""Linked permits: a job of several special works needs a permit for each, and they name each other.

GB 30871-2022 4.6.
"""

from edge.core.clock import ClockInterval
from edge.core.facts import Facts, Permit
from edge.core.permits import IN_FORCE
from edge.core.state import State


def unlinked(permit: Permit, facts: Facts) -> tuple[str, ...]:
    """The permits that it names and that HQ never said, or that do not name it (AQ 3064.2-2025 A.4, 62)."""
    naming = {each.permit for each in facts.linked if permit.permit in each.links}
    return tuple(name for name in permit.links if name not in naming)


def incomplete(state: State, permit: Permit, facts: Facts, clock: ClockInterval) -> tuple[str, ...]:
    """The permits that it names and that are not in force at every instant that it may be now, or held (A.4, 61)."""
    return tuple(
        each.permit
        for each in facts.linked
        if each.permit in permit.links and not (_in_force(each, clock) and not _held(state, each, facts))
    )


def _in_force(permit: Permit, clock: ClockInterval) -> bool:
    stands = permit.status in IN_FORCE and not permit.revoked
    begun = not clock.maybe_before(permit.not_before_ms)
    return stands and begun and clock.hi_ms is not None and clock.hi_ms < permit.not_after_ms


def _held(state: State, permit: Permit, facts: Facts) -> bool:
    scope, durable = f"permit:{permit.permit}", state.durable
    return scope in facts.freezes or durable.freezes.holds(scope) or permit.permit in durable.trips
