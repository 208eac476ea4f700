"""Who is still inside when their permit or their badge ends: told once each, with alarm 10 and the siren there.

What is due is judged by the state alone, so a restart loses nothing; whoever goes out is no longer looked for. Who may
have left unseen counts as inside: better one alarm too many.
"""

from edge.core.alarms import ALARMS
from edge.core.entries import Json
from edge.core.messages import Timer
from edge.core.people import Inside
from edge.core.reasons import Reason
from edge.core.state import State
from edge.core.turn import Turn

_LOOK_MS = 60_000
"""Looked at so often at least: what was an hour ahead may be near by a better clock."""


def arm_overstays(turn: Turn) -> None:
    """Set the timer for the next end: who is inside, HQ's word or the time has changed."""
    ends = [end for end in (_end_ms(turn.state, each) for each in _awaited(turn.state)) if end is not None]
    if ends:
        delay_ms = min(ends) - turn.now.clock.lo_ms
        turn.timer(Timer.INSIDE, "", max(0, min(delay_ms, _LOOK_MS)))


def overstays_due(turn: Turn) -> None:
    """Record whoever is inside past their end for certain, and sound the siren where they are."""
    for each in _awaited(turn.state):
        end_ms = _end_ms(turn.state, each)
        if end_ms is not None and turn.now.clock.lo_ms >= end_ms:
            _tell(turn, each, end_ms)
    arm_overstays(turn)


def _awaited(state: State) -> list[Inside]:
    inside = state.durable.people.inside
    return [each for _, each in sorted(inside.items()) if not each.overstayed]


def _end_ms(state: State, each: Inside) -> int | None:
    """The end as known at the door, or an earlier one that HQ gave the permit since; UTC, exclusive."""
    permit = state.permits.get(each.permit)
    ends = [each.until_ms, None if permit is None else permit.not_after_ms]
    return min((end for end in ends if end is not None), default=None)


def _tell(turn: Turn, each: Inside, end_ms: int) -> None:
    body: dict[str, Json] = {
        "worker": each.worker,
        "area": each.area,
        "door": each.door,
        "state": each.state,
        "until_ms": end_ms,
        "alarm": ALARMS[Reason.PERMIT_EXPIRED],
    }
    turn.author("person.overstayed", body, permit=turn.open_permit(each.permit))
    if each.area in turn.state.site.areas:
        turn.alarm(each.area)
