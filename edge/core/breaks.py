"""Breaks of work: paused and resumed by a named person, with a new analysis after one that was too long (row W06)."""

from edge.core.alarms import BREAK_TOO_LONG
from edge.core.entries import Json
from edge.core.messages import Answer, Operator
from edge.core.state import Pause
from edge.core.turn import Turn
from edge.core.working import age_ms, running_type


def pause(turn: Turn, act: Operator) -> list[str]:
    """Work stops for now: nobody goes in until it is resumed. Returns why not; empty: it is done and recorded."""
    if act.permit not in turn.state.durable.running:
        return ["not_running"]
    if act.permit in turn.state.durable.pauses:
        return ["already_paused"]
    _done(turn, act, "permit.paused", {})
    return []


def resume(turn: Turn, act: Operator) -> list[str]:
    """Work goes on. After a break that was longer than the rules allow it needs a passing re-test since it began."""
    held = turn.state.durable.pauses.get(act.permit)
    if held is None:
        return ["not_paused"]
    if held.retest is None and _too_long(turn, act.permit, held):
        return ["break_retest_missing"]
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


def _done(turn: Turn, act: Operator, kind: str, body: dict[str, Json]) -> None:
    said: dict[str, Json] = {"by": act.by, "why": act.why, **body}
    blobs = () if act.photo is None else (act.photo,)
    entry = turn.author(kind, said, permit=act.permit, cause=act.request, actor=act.by, blobs=blobs)
    turn.command(Answer(act.request, True, (), entry))


def alarm_of(reasons: list[str]) -> dict[str, Json]:
    """What a refusal of these reasons adds to its entry."""
    return {"alarm": BREAK_TOO_LONG} if "break_retest_missing" in reasons else {}
