"""Degraded mode: a named person stands in for an instrument that does not answer, and every decision on it says so.

It covers silence and nothing else: a device that says that it is at fault, inhibited, out of range or over its limit
has answered. The rule pack says for which rules and permit types it may be (``manual``).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edge.core.entries import Json
from edge.core.interlocks import Condition
from edge.core.reasons import Reason

SILENCE = frozenset({Reason.READING_COMM_FAIL, Reason.READING_STALE, Reason.READING_NEVER_READ})
"""Why a reading fails when nothing is heard of its device."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """Who confirmed a device by hand, in which entry, how long ago, and for how long that counts."""

    device: str
    by: str
    entry: int
    age_ms: int
    allowed_ms: int


def stands_in(condition: Condition, held: Iterable[StandIn]) -> StandIn | None:
    """Who stands in for the instrument of a condition that fails by its silence; None: nobody, or nobody may."""
    interlock = condition.measured.interlock
    if not interlock.manual or condition.reason not in SILENCE:
        return None
    return next((each for each in held if each.device == interlock.device and each.age_ms <= each.allowed_ms), None)


def degraded(by_hand: tuple[StandIn, ...]) -> dict[str, Json]:
    """What an entry adds that rests on a person's word in the place of an instrument."""
    if not by_hand:
        return {}
    rested: list[Json] = [
        {"device": each.device, "by": each.by, "entry": each.entry, "age_ms": each.age_ms} for each in by_hand
    ]
    return {"degraded": True, "by_hand": rested}
