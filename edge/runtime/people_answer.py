"""Who is inside, as the daemon answers it: how many in each area, and who of one permit."""

from collections.abc import Iterator
from typing import Any

from edge.core.headcount import headcount
from edge.core.state import State


def people_answer(state: State) -> Iterator[dict[str, Any]]:
    """The head-count of each area; ``most`` None: as many as come."""
    for area in state.site.areas:
        count = headcount(state, area)
        yield {
            "area": area,
            "inside": count.inside,
            "unknown": count.unknown,
            "entering": count.entering,
            "most": count.most,
        }


def inside_answer(state: State, permit: str) -> list[dict[str, Any]]:
    """Who went in on a permit and is in, or may be."""
    people = state.durable.people.inside.values()
    return [{"worker": each.worker, "area": each.area, "state": each.state} for each in people if each.permit == permit]
