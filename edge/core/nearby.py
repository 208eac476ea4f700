"""Who is near: other work at work now, of this gateway or another, that a rule keeps away from a permit's.

Of two works whoever comes second is refused. If both are at work by HQ's word, nobody more goes in to either and people
are told, once; nothing trips: whoever is inside decides.

Where a position is not said nobody can tell the distance. If HQ must say what a permit is judged by, such work counts
as too near wherever it is. If not, it does only in the same area and for an activity that HQ does say: what says
nothing new is judged as before.
"""

from collections.abc import Iterable
from typing import TypeAlias

from edge.core.beside import at_work
from edge.core.clock import ClockInterval
from edge.core.distances import DistanceRule, Neighbour, distance_cm, squared_cm, too_near, within
from edge.core.facts import Permit
from edge.core.said import Said
from edge.core.state import State
from edge.core.turn import Turn

_Rules: TypeAlias = dict[str, DistanceRule]

NEIGHBOURS_MAX = 64
"""So many go into a question at most: those that are too near, then the nearest."""


def neighbours_of(state: State, permit: Permit, clock: ClockInterval) -> tuple[Neighbour, ...]:
    """The neighbours of a permit, by the rules of its own areas and of theirs: too near first, then the nearest."""
    others = _others(state, permit)
    own = _rules(state, permit.areas, clock, state.kept_packs(permit.permit)) if others else {}
    theirs: dict[tuple[str, ...], _Rules] = {}
    found: list[Neighbour] = []
    for other in others:
        if other.areas not in theirs:
            theirs[other.areas] = _rules(state, other.areas, clock, ()) | own
        each = (_neighbour(state, permit, other, named) for named in theirs[other.areas].items())
        found += [neighbour for neighbour in each if neighbour is not None]
    return tuple(sorted(found, key=lambda each: _order(permit.said, each))[:NEIGHBOURS_MAX])


def _others(state: State, permit: Permit) -> list[Permit]:
    """All other work at work now, of this gateway or by HQ's word."""
    running = (state.permits[name] for name in state.durable.running if name in state.permits)
    others = {each.permit: each for each in (*state.beside.values(), *running) if at_work(state, each)}
    others.pop(permit.permit, None)
    return list(others.values())


def _order(said: Said, neighbour: Neighbour) -> tuple[bool, int, str, str]:
    return not within(said, neighbour), squared_cm(said, neighbour) or 0, neighbour.permit, neighbour.rule


def _rules(state: State, areas: Iterable[str], clock: ClockInterval, kept: tuple[str, ...]) -> _Rules:
    """The rules that speak in these areas now, as far as they are of this gateway, by their whole names."""
    plans = (state.site.areas.get(area) for area in areas)
    speaking = (edition for plan in plans if plan is not None for edition in plan.speaking(clock, kept))
    return {f"{each.name}/{rule.rule}": rule for each in speaking for rule in each.distances}


def _neighbour(state: State, permit: Permit, other: Permit, named: tuple[str, DistanceRule]) -> Neighbour | None:
    """The other work as a rule keeps it away, None: it does not, or nothing that was said lets anybody judge it."""
    name, rule = named
    pairs = ((permit, other), (other, permit))
    if not any(rule.first(one) and rule.second(two) and _holds_for(state, rule, one) for one, two in pairs):
        return None
    same_area = not set(permit.areas).isdisjoint(other.areas)
    if rule.limit_cm is None:
        inside = same_area and any(_in_space(state, rule, each) for each in (permit, other))
        return Neighbour(other.permit, name, None, None, None) if inside else None
    if permit.said.placed and other.said.placed:
        return Neighbour(other.permit, name, rule.limit_cm, other.said.east_cm, other.said.north_cm)
    counts = state.site.policy.permit_facts or (same_area and bool(rule.activities))
    return Neighbour(other.permit, name, rule.limit_cm, None, None) if counts else None


def _holds_for(state: State, rule: DistanceRule, first: Permit) -> bool:
    """Whether a rule for explosive areas is about it. An area of another gateway may be one."""
    plans = [state.site.areas.get(area) for area in first.areas]
    return not rule.where_ex or any(plan is None or plan.ex for plan in plans)


def _in_space(state: State, rule: DistanceRule, permit: Permit) -> bool:
    """Whether a permit is for work inside: by its own type, or because it is linked to one of such a type."""
    known = (state.permits.get(link) or state.beside.get(link) for link in permit.links)
    types = {permit.permit_type, *(each.permit_type for each in known if each is not None)}
    return not types.isdisjoint(rule.same_space)


def tell_too_near(turn: Turn) -> None:
    """After HQ's word: what runs here and is too near to other work is told, and sounds, once for each other permit."""
    for running in list(turn.state.durable.running.values()):
        permit = turn.state.permits.get(running.permit)
        if permit is None:
            continue
        for each in too_near(permit.said, neighbours_of(turn.state, permit, turn.now.clock)):
            _tell(turn, permit, each)


def _tell(turn: Turn, permit: Permit, neighbour: Neighbour) -> None:
    if neighbour.permit in turn.state.durable.running[permit.permit].too_near:
        return
    body = {
        "other": neighbour.permit,
        "rule": neighbour.rule,
        "distance_cm": distance_cm(permit.said, neighbour),
        "limit_cm": neighbour.limit_cm,
    }
    turn.author("permit.too_near", body, permit=permit.permit)
    for area in permit.areas:
        if area in turn.state.site.areas:
            turn.alarm(area)
