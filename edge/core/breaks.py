"""Breaks of work: paused and resumed by a named person, with a new analysis after one that was too long (row W06)."""

from edge.core.alarms import BREAK_TOO_LONG
from edge.core.entries import Json
from edge.core.messages import Answer, Operator
from edge.core.samples import unsampled
from edge.core.sampling import point_ages
from edge.core.state import Pause
from edge.core.turn import Turn
from edge.core.working import age_ms, running_type

_NO_ANALYSIS = frozenset({"break_retest_missing", "break_samples_missing"})


def pause(turn: Turn, act: Operator) -> list[str]:
    """Work stops for now: nobody goes in until it is resumed. Returns why not; empty: it is done and recorded."""
    if act.permit not in turn.state.durable.running:
        return ["not_running"]
    if act.permit in turn.state.durable.pauses:
        return ["already_paused"]
    _done(turn, act, "permit.paused", {})
    return []


def resume(turn: Turn, act: Operator) -> list[str]:
    """Work goes on. After a break that was longer than the rules allow it needs a new analysis since it began.

    That is a sample at every point, or a passing re-test where the permit names none.
    """
    held = turn.state.durable.pauses.get(act.permit)
    if held is None:
        return ["not_paused"]
    if _too_long(turn, act.permit, held):
        reasons = _unanalysed(turn, act.permit, held)
        if reasons:
            return reasons
    _done(turn, act, "permit.resumed", {"pause": held.since.entry, "retest": held.retest})
    return []


def _too_long(turn: Turn, permit: str, held: Pause) -> bool:
    running = turn.state.durable.running[permit]
    known = running_type(turn.state, running, turn.now.clock)
    allowed_ms = None if known is None else known.break_ms
    if allowed_ms is None:
        return False
    age = age_ms(held.since, turn)
    return age is None or age > allowed_ms


def _unanalysed(turn: Turn, permit: str, held: Pause) -> list[str]:
    """What is missing of the analysis since a break began."""
    said = turn.state.permits.get(permit)
    if said is None or not said.points:
        return ["break_retest_missing"] if held.retest is None else []
    known = running_type(turn.state, turn.state.durable.running[permit], turn.now.clock)
    missing = any(unsampled(point_ages(turn, said, known, after=held.since.entry)))
    return ["break_samples_missing"] if missing else []


def _done(turn: Turn, act: Operator, kind: str, body: dict[str, Json]) -> None:
    said: dict[str, Json] = {"by": act.by, "why": act.why, **body}
    blobs = () if act.photo is None else (act.photo,)
    entry = turn.author(kind, said, permit=act.permit, cause=act.request, actor=act.by, blobs=blobs)
    turn.command(Answer(act.request, True, (), entry))


def alarm_of(reasons: list[str]) -> dict[str, Json]:
    """What a refusal of these reasons adds to its entry."""
    return {} if _NO_ANALYSIS.isdisjoint(reasons) else {"alarm": BREAK_TOO_LONG}
