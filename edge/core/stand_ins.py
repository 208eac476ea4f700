"""Who stands in for which silent instrument now, until when, and the end of it when the instrument answers."""

from edge.core.by_hand import StandIn
from edge.core.facts import Permit
from edge.core.state import Presence, Work
from edge.core.turn import Turn


def stand_ins(turn: Turn, work: Work) -> tuple[StandIn, ...]:
    """Everybody who stands in for an instrument of a permit, whether it is too long ago or not.

    Not of another boot: nobody knows how long that was ago. Nor somebody who is frozen, or guards the permit no more.
    """
    allowed_ms = turn.state.site.policy.by_hand_ms
    return tuple(
        StandIn(device, each.worker, each.entry, turn.now_ms - each.boottime_ms, allowed_ms)
        for device, each in turn.state.durable.by_hand.get(work.permit, {}).items()
        if each.boot_id == turn.now.boot_id and _may(turn, each, work)
    )


def _may(turn: Turn, presence: Presence, work: Work) -> bool:
    frozen = turn.state.durable.freezes.holds(f"worker:{presence.worker}")
    return not frozen and (not isinstance(work, Permit) or presence.worker in work.guardians)


def device_back(turn: Turn, device: str) -> None:
    """The device answers: nobody stands in for it any more, and its readings decide, whatever they are."""
    for permit, held in turn.state.durable.by_hand.items():
        if device in held:
            turn.author("permit.degraded_over", {"device": device, "entry": held[device].entry}, permit=permit)


def lapse_delay_ms(turn: Turn, device: str) -> int | None:
    """How long until somebody who stands in for the device does no more; None: nobody does."""
    works = (turn.state.work(permit) for permit, held in turn.state.durable.by_hand.items() if device in held)
    held = (each for work in works if work is not None for each in stand_ins(turn, work) if each.device == device)
    left_ms = (each.allowed_ms + 1 - each.age_ms for each in held)
    return min((each for each in left_ms if each > 0), default=None)
