"""Whether a person may act on site at all: known to HQ, not removed, not on hold, and with a reason in words."""

from edge.core.facts import Worker
from edge.core.reasons import Reason
from edge.core.state import State


def who_failing(state: State, by: str, person: Worker | None, why: str) -> list[str]:
    """Every reason why not. ``person`` is what the authority cache knows of ``by``, None: nobody known."""
    reasons = []
    if person is None:
        reasons.append(Reason.WORKER_UNKNOWN.value)
    elif person.revoked:
        reasons.append(Reason.WORKER_REVOKED.value)
    if state.durable.freezes.holds(f"worker:{by}"):
        reasons.append(Reason.WORKER_FROZEN.value)
    if not why.strip():
        reasons.append("reason_missing")
    return reasons
