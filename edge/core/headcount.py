"""How many are in an area, against the most that its configuration allows (capability N16).

Who may be in counts as in: whoever left unseen, and whoever was granted or released and has not passed yet. So two
grants at two doors of one area never let in one too many. Guardians at the door are outside and never counted.
"""

from edge.core.people import Headcount
from edge.core.state import State


def headcount(state: State, area: str, but: str | None = None) -> Headcount:
    """Who is in an area, or may be, each once; ``but`` one who asks to go in, whom only others can keep out."""
    people = state.durable.people
    held = {worker: each for worker, each in people.inside.items() if each.area == area and worker != but}
    coming = {each.worker for each in people.entering() if each.area == area}
    coming |= {each.worker for each in state.pending.values() if state.site.doors[each.tap.door].area == area}
    certain = sum(each.certain for each in held.values())
    entering = len(coming - held.keys() - {but})
    return Headcount(certain, len(held) - certain, entering, state.site.areas[area].people_max)
