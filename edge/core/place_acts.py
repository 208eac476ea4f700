"""A named person acts on a door or an area: done, or answered with every reason why not. Both are recorded."""

from edge.core.entries import Json
from edge.core.messages import Answer
from edge.core.places import PlaceAction, PlaceOperator
from edge.core.state import State
from edge.core.turn import Turn
from edge.core.who import who_failing


def place_acted(turn: Turn, act: PlaceOperator) -> None:
    """One act. No act on a place opens anything, and none keeps anybody inside."""
    reasons = [*who_failing(turn.state, act.by, act.person, act.why), *_place_failing(turn.state, act)]
    if reasons:
        _refuse(turn, act, reasons)
        return
    _acknowledge(turn, act)


def _place_failing(state: State, act: PlaceOperator) -> list[str]:
    """Whether there is such a place, and anything to be done there."""
    if act.place in state.durable.forced:
        return []
    return ["door_not_forced" if act.place in state.site.doors else "door_unknown"]


def _acknowledge(turn: Turn, act: PlaceOperator) -> None:
    """Somebody knows that a door was forced. It says nothing of the leaf, which may stand open yet."""
    door = turn.state.doors.get(act.place)
    phase = None if door is None else door.phase.value
    body: dict[str, Json] = {"door": act.place, "forced": turn.state.durable.forced[act.place].entry, "phase": phase}
    _done(turn, act, "door.acknowledged", body)


def _done(turn: Turn, act: PlaceOperator, kind: str, body: dict[str, Json]) -> None:
    entry = turn.author(kind, {"by": act.by, "why": act.why, **body}, cause=act.request, actor=act.by)
    turn.command(Answer(act.request, True, (), entry))


def _refuse(turn: Turn, act: PlaceOperator, reasons: list[str]) -> None:
    body: dict[str, Json] = {
        "action": act.action.value,
        _SUBJECT[act.action]: act.place,
        "by": act.by,
        "why": act.why,
        "reasons": list(reasons),
    }
    entry = turn.author("operator.refused", body, cause=act.request, actor=act.by)
    turn.command(Answer(act.request, False, tuple(reasons), entry))


_SUBJECT = {PlaceAction.ACKNOWLEDGE: "door"}
"""What an act is about, as entries name it."""
