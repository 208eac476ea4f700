"""The approver at the work place (GB 30871-2022 4.11; AQ 3064.2-2025 5.5.2 and A.4, alarm 30).

Whoever approves a permit taps at a door of its area, or HQ says in which area the approver was shown to be. A changed
permit is approved anew.
"""

from edge.core.facts import Permit, Token
from edge.core.permits import ended
from edge.core.question import PermitSlice, Question
from edge.core.state import State


def approver_seen(state: State, permit: Permit) -> bool:
    """Whether its approver tapped here for this very version of the permit."""
    held = state.durable.approvers.get(permit.permit)
    return held is not None and (held.worker, held.version) == (permit.approver, permit.version)


def approver_absent(question: Question, each: PermitSlice) -> bool:
    """Whether nothing shows that the approver was at the place. Where HQ names none only ``permit_facts`` minds."""
    permit = each.permit
    if permit.approver is None:
        return question.limits.permit_facts
    return not each.approver_seen and permit.approved_in not in permit.areas


def approves(question: Question, token: Token, here: tuple[PermitSlice, ...]) -> tuple[str, ...]:
    """The permits of this area that this tap shows the approver of to be here, on a badge that is good now.

    Issued or not, begun or not: the approver comes first. The badge is as new as the permit and for this area.
    """
    worker, clock = question.facts.worker, question.clock
    good = clock.hi_ms is not None and not clock.maybe_before(token.not_before_ms) and clock.hi_ms < token.not_after_ms
    if worker is None or not good or question.area not in token.areas:
        return ()
    return tuple(
        each.permit.permit
        for each in here
        if each.permit.approver == worker.worker
        and token.permit_version >= each.permit.version
        and not ended(each.permit)
    )
