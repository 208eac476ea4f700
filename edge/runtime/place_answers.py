"""What the daemon says of places as JSON: doors that were forced, areas that are locked down, readers that rest."""

from collections.abc import Iterable
from typing import Any

from edge.core.clock import Now
from edge.core.state import State


def forced_answer(state: State) -> list[dict[str, Any]]:
    """Forced doors that nobody has acknowledged: the entry that says so, and since when, UTC ms, None: unknown."""
    return [
        {"door": door, "entry": each.entry, "since_ms": each.lowest_ms or None}
        for door, each in state.durable.forced.items()
    ]


def lockdowns_answer(state: State, areas: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Areas that are locked down, all or those of ``areas``: whose, why, in which entry, since when as above."""
    return [
        {"area": area, "by": each.by, "why": each.why, "entry": each.entry, "since_ms": each.lowest_ms or None}
        for area, each in state.durable.lockdowns.items()
        if areas is None or area in areas
    ]


def resting_answer(state: State, now: Now) -> list[dict[str, Any]]:
    """Readers whose entry side answers nobody now: for how long yet, and how many taps it refused since."""
    return [
        {"reader": reader, "left_ms": each.rests_until_ms - now.boottime_ms, "refused": each.refused}
        for reader, each in state.attacks.items()
        if each.rests_until_ms is not None and each.rests(now.boottime_ms)
    ]
