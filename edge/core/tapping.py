"""Taps: asked, decided, recorded, judged again, and only then released."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import assert_never

from edge.core import codec
from edge.core.alarms import ALARMS, alarms_of
from edge.core.approving import approver_seen
from edge.core.asking import ask
from edge.core.by_hand import degraded
from edge.core.certificates import certified_until_ms
from edge.core.decision import decide
from edge.core.doors import Event, Passage
from edge.core.entries import Json
from edge.core.facts import Facts, Side, Tap
from edge.core.guarding import moved, taken_over_from
from edge.core.interlocks import Condition
from edge.core.messages import Gather, Indicate, Light, ReleaseExit, Timer, Unlock
from edge.core.passing import advance_door, relock_held
from edge.core.permits import ended, ends_ms
from edge.core.question import Decision, Outcome, PermitSlice, Question
from edge.core.readings import MonotonicMs
from edge.core.reasons import Reason
from edge.core.resting import note_badge, refused_in_rest
from edge.core.rules import strictest
from edge.core.site import permit_type_of
from edge.core.state import Grant
from edge.core.turn import Turn
from edge.core.working import look_at_work

_GATHERS = 2
_GATHERED_MOST = 64
_SHOWN_MS = 3_000

_FREEZING = (Reason.WRONG_AREA, Reason.PERMIT_EXPIRED, Reason.PERMIT_LONGEST_OVER)
"""Why a tap freezes a permit, the first that is so."""


def tapped(turn: Turn, tap: Tap, facts: Facts) -> None:
    """A badge at a reader. The exit side is never refused and never waits."""
    if tap.side is Side.EXIT:
        _exit(turn, tap, facts)
        return
    if refused_in_rest(turn, tap):
        turn.change(gathers=_without(turn.state.gathers, tap.tap_id))
        _indicate(turn, tap.door, Light.RED, Reason.READER_RESTING)
        return
    if facts.authority_size < turn.state.durable.authority_size:
        _gather_again(turn, tap, facts)
        return
    turn.change(gathers=_without(turn.state.gathers, tap.tap_id))
    question = ask(turn.state, tap, facts, turn)
    decision = decide(question)
    entry = _author(turn, question, decision)
    _answer(turn, question, decision, entry)
    note_badge(turn, tap, facts)


def _exit(turn: Turn, tap: Tap, facts: Facts) -> None:
    until = MonotonicMs(turn.now_ms + turn.state.site.doors[tap.door].timing.release_ms)
    turn.command(ReleaseExit(tap.door, until))
    _indicate(turn, tap.door, Light.GREEN, Reason.EXIT)
    worker = None if facts.worker is None else facts.worker.worker
    area = turn.state.site.doors[tap.door].area
    body = {"door": tap.door, "area": area, "reader": tap.reader, "worker": worker}
    turn.author("exit.tapped", body, cause=tap.tap_id)
    advance_door(turn, tap.door, Event.RELEASE, Passage(None, None, worker))


def _gather_again(turn: Turn, tap: Tap, facts: Facts) -> None:
    """The facts are older than the state. They are gathered again, twice at most."""
    tries = turn.state.gathers.get(tap.tap_id, 0)
    if tries < _GATHERS:
        # One whose facts never come again is forgotten in time.
        kept = list(_without(turn.state.gathers, tap.tap_id).items())[1 - _GATHERED_MOST :]
        turn.change(gathers={**dict(kept), tap.tap_id: tries + 1})
        turn.command(Gather(tap))
        return
    turn.change(gathers=_without(turn.state.gathers, tap.tap_id))
    _indicate(turn, tap.door, Light.RED, Reason.AUTHORITY_MOVING)
    question = ask(turn.state, tap, facts, turn)
    body = _body(question, Outcome.DENIED, Reason.AUTHORITY_MOVING, (Reason.AUTHORITY_MOVING,))
    turn.author("access.refused", body, cause=tap.tap_id)


def _author(turn: Turn, question: Question, decision: Decision) -> int:
    evidence = codec.encode(question)
    body: dict[str, Json] = {
        **_body(question, decision.outcome, decision.primary, tuple(each.reason for each in decision.failing)),
        "failing": [[each.reason.value, each.permit, each.detail] for each in decision.failing][:32],
        "conditions": [_condition(each) for each in decision.conditions][:32],
        "question": sha256(evidence).hexdigest(),
        **degraded(decision.by_hand),
    }
    named = (each.permit for each in question.permits)
    permit = decision.permit or next((each.permit for each in named if not ended(each)), None)
    return turn.author("access.decided", body, permit=permit, cause=question.tap.tap_id, evidence=evidence)


def _body(question: Question, outcome: Outcome, primary: Reason, reasons: tuple[Reason, ...]) -> dict[str, Json]:
    tap, token, worker = question.tap, question.facts.token.token, question.facts.worker
    return {
        "decision": outcome.value,
        "reason": primary.value,
        "reasons": [reason.value for reason in dict.fromkeys(reasons)],
        "alarms": list(alarms_of(reasons)),
        "door": tap.door,
        "reader": tap.reader,
        "area": question.area,
        "worker": None if worker is None else worker.worker,
        "badge": None if token is None else token.token_id,
        "authority_size": question.facts.authority_size,
        "packs": list(question.packs),
    }


def _condition(condition: Condition) -> dict[str, Json]:
    measured = condition.measured
    interlock = measured.interlock
    return {
        "interlock": interlock.interlock,
        "steps": measured.steps,
        "newest": measured.newest,
        "resolution": interlock.resolution,
        "unit": interlock.unit,
        "quality": measured.quality.value,
        "age_ms": measured.age_ms,
        "reason": None if condition.reason is None else condition.reason.value,
    }


def _answer(turn: Turn, question: Question, decision: Decision, entry: int) -> None:
    tap = question.tap
    _approve(turn, question, decision)
    match decision.outcome:
        case Outcome.GRANTED:
            _await_record(turn, question, decision, entry)
        case Outcome.NOTED:
            _guard(turn, question, decision)
            _indicate(turn, tap.door, Light.GREEN, decision.primary)
        case Outcome.DENIED | Outcome.REVIEW:
            _indicate(turn, tap.door, Light.RED, decision.primary)
            for permit in decision.freeze:
                _freeze(turn, question, decision, permit)
            if decision.freeze:
                relock_held(turn)
        case _:
            assert_never(decision.outcome)


def _approve(turn: Turn, question: Question, decision: Decision) -> None:
    """The approver was here: once for each version of a permit."""
    for permit in question.facts.permits:
        if permit.permit in decision.approves and not approver_seen(turn.state, permit):
            body = {"worker": decision.worker, "area": question.area, "permit_version": permit.version}
            turn.author("approver.present", body, permit=permit.permit)


def _guard(turn: Turn, question: Question, decision: Decision) -> None:
    assert decision.worker is not None
    named = {each.permit: each for each in question.facts.permits}
    for permit in decision.guards:
        relieved = taken_over_from(turn, named[permit], question.area, decision.worker)
        body = {"permits": [permit], "worker": decision.worker, "area": question.area, "took_over_from": relieved}
        turn.author("guardian.present", body, permit=permit)
    moved(turn, decision.worker)


def _await_record(turn: Turn, question: Question, decision: Decision, entry: int) -> None:
    assert decision.permit is not None
    assert decision.worker is not None
    give_up = MonotonicMs(turn.now_ms + turn.state.site.policy.give_up_ms)
    grant = Grant(entry, question.tap, question.facts, decision.permit, decision.worker, turn.now_ms, give_up)
    turn.change(pending={**turn.state.pending, entry: grant})
    turn.timer(Timer.GRANT, str(entry), turn.state.site.policy.give_up_ms)
    moved(turn, decision.worker)
    _indicate(turn, question.tap.door, Light.AMBER, decision.primary)


def _freeze(turn: Turn, question: Question, decision: Decision, permit: str) -> None:
    """Out of area, or overtime: the permit is frozen and the area's siren sounds. Only HQ's release lifts it."""
    about = {each.reason for each in decision.failing if each.permit in (None, permit)}
    reason = next(each for each in _FREEZING if each in about)
    name = f"{turn.state.site.origin}#{turn.state.durable.next_entry}"
    body: dict[str, Json] = {
        "freeze": name,
        "scope": f"permit:{permit}",
        "by": turn.state.site.gateway,
        "why": reason.value,
        "alarm": ALARMS[reason],
        "door": question.tap.door,
        "worker": decision.worker,
    }
    turn.author("hold.frozen", body, permit=permit, cause=question.tap.tap_id)
    turn.alarm(question.area)


def recorded(turn: Turn, through: int) -> None:
    """Entries are durable: the grants among them are judged again, and what still holds is released."""
    state = turn.state
    waiting = tuple(mark for mark in state.waiting if mark.entry >= through)
    ready = [grant for entry, grant in sorted(state.pending.items()) if entry < through]
    kept = {entry: grant for entry, grant in state.pending.items() if entry >= through}
    turn.change(waiting=waiting, recorded=max(state.recorded, through), failing=False, pending=kept)
    for grant in ready:
        _judge_again(turn, grant)


def record_failed(turn: Turn, from_entry: int) -> None:
    """The journal fails from that entry on. Word of it that comes after those entries were recorded is old news."""
    if from_entry >= turn.state.recorded:
        turn.change(failing=True)


def _judge_again(turn: Turn, grant: Grant) -> None:
    """Nothing that became known while the entry was written may be missed: the whole question is asked again."""
    state = turn.state
    if turn.now_ms >= grant.give_up_at_ms:
        _withdraw(turn, grant, Reason.RECORD_LATE)
    elif grant.facts.authority_size < state.durable.authority_size:
        _withdraw(turn, grant, Reason.AUTHORITY_MOVING)
    else:
        # Only the permit that the entry names: another that would grant now was not recorded.
        question = ask(state, grant.tap, grant.facts, turn)
        named = tuple(each for each in question.permits if each.permit.permit == grant.permit)
        decision = decide(replace(question, permits=named))
        if decision.outcome is Outcome.GRANTED:
            _release(turn, grant, named, decision)
        else:
            _withdraw(turn, grant, decision.primary)


def _release(turn: Turn, grant: Grant, named: tuple[PermitSlice, ...], decision: Decision) -> None:
    door = grant.tap.door
    until = MonotonicMs(turn.now_ms + turn.state.site.doors[door].timing.release_ms)
    turn.command(Unlock(door, grant.entry, until))
    # Never silently: a door that opens on a person's word for an instrument shows no green.
    _indicate(turn, door, Light.AMBER if decision.by_hand else Light.GREEN, decision.primary)
    if grant.permit not in turn.state.durable.running:
        _begin(turn, grant)
    trades = tuple(trade for each in named if each.permit_type is not None for trade in each.permit_type.certificates)
    until_ms = certified_until_ms(turn.now.clock, grant.facts.certificates, trades)
    body: dict[str, Json] = {
        "door": door,
        "area": turn.state.site.doors[door].area,
        "entry": grant.entry,
        "worker": grant.worker,
        "certified_until_ms": until_ms,
        "until_ms": _until_ms(grant, named),
    }
    turn.author("access.released", body, permit=grant.permit)
    look_at_work(turn, grant.permit)
    advance_door(turn, door, Event.RELEASE, Passage(grant.entry, grant.permit, grant.worker))


def _until_ms(grant: Grant, named: tuple[PermitSlice, ...]) -> int:
    """When whoever is let in has to be out: badge or permit ends, as known now."""
    token = grant.facts.token.token
    assert token is not None
    return min(token.not_after_ms, *(each.ends_ms for each in named))


def _begin(turn: Turn, grant: Grant) -> None:
    """Work begins. The entry says what the work is bound to, so that it is watched even when HQ's word is lost."""
    permit = next(each for each in grant.facts.permits if each.permit == grant.permit)
    plans = [turn.state.site.areas[area] for area in permit.areas if area in turn.state.site.areas]
    packs = {each.name: None for plan in plans for each in plan.speaking(turn.now.clock)}
    known = (permit_type_of(permit.permit_type, plan.speaking(turn.now.clock)) for plan in plans)
    body: dict[str, Json] = {
        "door": grant.tap.door,
        "worker": grant.worker,
        "entry": grant.entry,
        "permit_type": permit.permit_type,
        "areas": [plan.area for plan in plans],
        "packs": list(packs),
        "ends_ms": ends_ms(permit, strictest([each for each in known if each is not None])),
    }
    turn.author("permit.begun", body, permit=permit.permit)


def _withdraw(turn: Turn, grant: Grant, reason: Reason) -> None:
    _indicate(turn, grant.tap.door, Light.RED, reason)
    body: dict[str, Json] = {
        "door": grant.tap.door,
        "entry": grant.entry,
        "reason": reason.value,
        "worker": grant.worker,
    }
    turn.author("access.withdrawn", body, permit=turn.open_permit(grant.permit))


def grant_due(turn: Turn, subject: str) -> None:
    """A grant's entry did not become durable in time: a later ``Recorded`` opens nothing."""
    grant = turn.state.pending.get(int(subject))
    if grant is None or turn.now_ms < grant.give_up_at_ms:
        return
    kept = {entry: each for entry, each in turn.state.pending.items() if entry != grant.entry}
    turn.change(pending=kept)
    _withdraw(turn, grant, Reason.RECORD_LATE)


def _indicate(turn: Turn, door: str, light: Light, reason: Reason) -> None:
    turn.command(Indicate(door, light, reason, MonotonicMs(turn.now_ms + _SHOWN_MS)))


def _without(mapping: Mapping[str, int], key: str) -> dict[str, int]:
    return {name: value for name, value in mapping.items() if name != key}
