"""What the daemon says of places as JSON: readers that rest."""

from typing import Any

from edge.core.clock import Now
from edge.core.state import State


def resting_answer(state: State, now: Now) -> list[dict[str, Any]]:
    """Readers whose entry side answers nobody now: for how long yet, and how many taps it refused since."""
    return [
        {"reader": reader, "left_ms": each.rests_until_ms - now.boottime_ms, "refused": each.refused}
        for reader, each in state.attacks.items()
        if each.rests_until_ms is not None and each.rests(now.boottime_ms)
    ]
