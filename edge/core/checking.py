"""Checks of instruments: recorded, judged at the door and at a re-test, and what a failed one stops."""

from collections.abc import Iterable

from edge.core.entries import Json
from edge.core.instrument_word import contradicted, instrument_says
from edge.core.instruments import Check, CheckAge, ages
from edge.core.interlocks import Condition, measure
from edge.core.messages import Answer, InstrumentChecked
from edge.core.reasons import Reason
from edge.core.rules import Interlock
from edge.core.state import State
from edge.core.turn import Turn
from edge.core.watching import interlocks_of, trip
from edge.core.who import who_failing


def checks_of(turn: Turn, interlocks: Iterable[Interlock]) -> tuple[CheckAge, ...]:
    """The checks that the site demands of the instruments behind these interlocks, with their ages now."""
    state = turn.state
    devices = dict.fromkeys(each.device for each in interlocks)
    register, said = state.durable.instruments, state.durable.calibration_words
    demanded = {device: state.site.checks.get(device, ()) for device in devices}
    return tuple(age for device, asked in demanded.items() for age in ages(device, asked, register, said, turn.now))


def instrument_checked(turn: Turn, act: InstrumentChecked) -> None:
    """A named person's check of an instrument: recorded, or answered with every reason why not.

    One that failed stops the work that relies on the instrument: what it showed until now meant nothing.
    """
    reasons = _failing(turn, act)
    if reasons:
        _refuse(turn, act, reasons)
        return
    body: dict[str, Json] = {
        "device": act.device,
        "check": act.check.value,
        "done_ms": act.done_ms,
        "passed": act.passed,
        "by": act.by,
        "why": act.why,
    }
    if act.check is Check.CALIBRATION:
        body.update(instrument_says(turn, act.device))
    entry = turn.author("instrument.checked", body, cause=act.request, actor=act.by, blobs=(act.evidence,))
    turn.command(Answer(act.request, True, (), entry))
    if not act.passed:
        _stop_work(turn, act.device)


def _failing(turn: Turn, act: InstrumentChecked) -> list[str]:
    state, hi_ms = turn.state, turn.now.clock.hi_ms
    reasons = who_failing(state, act.by, act.person, act.why)
    if act.device not in state.site.checks:
        reasons.append("device_unknown")
    if hi_ms is None:
        reasons.append(Reason.CLOCK_UNTRUSTED.value)
    elif act.done_ms > hi_ms:
        reasons.append("check_in_future")
    if _older_than_held(state, act):
        reasons.append("check_older")
    if act.check is Check.CALIBRATION and act.passed and contradicted(turn, act.device):
        reasons.append("calibration_contradicted")
    return reasons


def _older_than_held(state: State, act: InstrumentChecked) -> bool:
    held = state.durable.instruments.get(act.device, {}).get(act.check.value)
    return held is not None and act.done_ms < held.done_ms


def _refuse(turn: Turn, act: InstrumentChecked, reasons: list[str]) -> None:
    body: dict[str, Json] = {
        "action": "check",
        "device": act.device,
        "check": act.check.value,
        "by": act.by,
        "why": act.why,
        "reasons": list(reasons),
    }
    entry = turn.author("operator.refused", body, cause=act.request, actor=act.by)
    turn.command(Answer(act.request, False, tuple(reasons), entry))


def _stop_work(turn: Turn, device: str) -> None:
    for each in turn.state.watched.get(device, ()):
        work = turn.state.work(each.permit)
        held = turn.state.durable.trips.get(each.permit)
        bound = () if work is None else interlocks_of(turn, work)
        relying = next((interlock for interlock in bound if interlock.device == device), None)
        if work is not None and relying is not None and (held is None or held.retest is not None):
            measured = measure(relying, turn.state.memories.get(device), turn.now_ms)
            trip(turn, work, Condition(measured, Reason.READING_DEVICE_FAULT))
