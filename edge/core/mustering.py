"""The list of who is inside, made when fire is signalled: what the gateway knew at that moment stays in the journal."""

from edge.core.entries import Json
from edge.core.people import Inside
from edge.core.turn import Turn

_LISTED_MOST = 32
"""People in one entry, so that it fits the journal whatever their ids are; more of them make more entries."""


def list_people(turn: Turn) -> None:
    """Record everybody who is inside, or may be, area by area; an empty list says that nobody is known to be."""
    inside = turn.state.durable.people.inside
    rows = [_row(each) for each in sorted(inside.values(), key=lambda each: (each.area, each.worker))]
    for first in range(0, max(1, len(rows)), _LISTED_MOST):
        body: dict[str, Json] = {"count": len(rows), "people": rows[first : first + _LISTED_MOST]}
        turn.author("muster.listed", body)


def _row(each: Inside) -> dict[str, Json]:
    return {
        "worker": each.worker,
        "area": each.area,
        "state": each.state,
        "door": each.door,
        "permit": each.permit,
        "entry": each.entry,
        "since_ms": each.since_ms,
    }
