"""A named person acts on a door or an area: done, or answered with every reason why not. Both are recorded."""

from edge.core.entries import Json
from edge.core.messages import Answer
from edge.core.passing import relock_held, show_red
from edge.core.places import PlaceAction, PlaceOperator
from edge.core.reasons import Reason
from edge.core.state import State
from edge.core.turn import Turn
from edge.core.who import who_failing


def place_acted(turn: Turn, act: PlaceOperator) -> None:
    """One act. No act on a place opens anything, and none keeps anybody inside."""
    reasons = [*who_failing(turn.state, act.by, act.person, act.why), *_place_failing(turn.state, act)]
    if reasons:
        _refuse(turn, act, reasons)
        return
    match act.action:
        case PlaceAction.ACKNOWLEDGE:
            _acknowledge(turn, act)
        case PlaceAction.LOCKDOWN:
            _lock_down(turn, act)
        case PlaceAction.RELEASE:
            begun = turn.state.durable.lockdowns[act.place].entry
            _done(turn, act, "area.released", {"area": act.place, "locked_down_at": begun})


def _place_failing(state: State, act: PlaceOperator) -> list[str]:
    """Whether there is such a place, and anything to be done there.

    What stands can be ended though its place is no longer configured.
    """
    place, durable, site = act.place, state.durable, state.site
    match act.action:
        case PlaceAction.ACKNOWLEDGE:
            code = None if place in durable.forced else "door_not_forced" if place in site.doors else "door_unknown"
        case PlaceAction.LOCKDOWN:
            code = "area_locked_already" if place in durable.lockdowns else None
            code = "area_unknown" if place not in site.areas else code
        case PlaceAction.RELEASE:
            code = None if place in durable.lockdowns else "area_not_locked" if place in site.areas else "area_unknown"
    return [] if code is None else [code]


def _acknowledge(turn: Turn, act: PlaceOperator) -> None:
    """Somebody knows that a door was forced. It says nothing of the leaf, which may stand open yet."""
    door = turn.state.doors.get(act.place)
    phase = None if door is None else door.phase.value
    body: dict[str, Json] = {"door": act.place, "forced": turn.state.durable.forced[act.place].entry, "phase": phase}
    _done(turn, act, "door.acknowledged", body)


def _lock_down(turn: Turn, act: PlaceOperator) -> None:
    """Nobody goes in from this step on: releases for entry end, grants that wait are judged by it. All may leave."""
    _done(turn, act, "area.locked_down", {"area": act.place})
    relock_held(turn)
    for door, plan in turn.state.site.doors.items():
        if plan.area == act.place:
            show_red(turn, door, Reason.AREA_LOCKED_DOWN)


def _done(turn: Turn, act: PlaceOperator, kind: str, body: dict[str, Json]) -> None:
    entry = turn.author(kind, {"by": act.by, "why": act.why, **body}, cause=act.request, actor=act.by)
    turn.command(Answer(act.request, True, (), entry))


def _refuse(turn: Turn, act: PlaceOperator, reasons: list[str]) -> None:
    body: dict[str, Json] = {
        "action": act.action.value,
        "door" if act.action is PlaceAction.ACKNOWLEDGE else "area": act.place,
        "by": act.by,
        "why": act.why,
        "reasons": list(reasons),
    }
    entry = turn.author("operator.refused", body, cause=act.request, actor=act.by)
    turn.command(Answer(act.request, False, tuple(reasons), entry))
