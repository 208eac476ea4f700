"""Other work of the site: the permits that may stand in the way of one, whichever gateway they are of.

Kept from all that HQ says: those that are worked, and those that name a pipe. There are as many as there is such work
on the site at once, however many permits HQ has issued.
"""

from collections.abc import Mapping

from edge.core.clock import ClockInterval
from edge.core.facts import Permit
from edge.core.messages import AuthorityApplied
from edge.core.permits import STATUS_WORKING, ended
from edge.core.state import State


def beside_of(before: Mapping[str, Permit], applied: AuthorityApplied) -> dict[str, Permit]:
    """The other work after one more word of HQ."""
    kept = {} if applied.complete else dict(before)
    for permit in applied.permits:
        if not ended(permit) and (permit.status == STATUS_WORKING or permit.said.pipe is not None):
            kept[permit.permit] = permit
        else:
            kept.pop(permit.permit, None)
    return kept


def at_work(state: State, permit: Permit) -> bool:
    """Whether its work has begun: here, or by HQ's word at another gateway, whatever its window."""
    return permit.permit in state.durable.running or permit.status == STATUS_WORKING


def in_window(permit: Permit, clock: ClockInterval) -> bool:
    """Whether it may be in its window at some instant that it may be now."""
    begun = clock.hi_ms is None or clock.hi_ms >= permit.not_before_ms
    return begun and not clock.surely_after(permit.not_after_ms)
