"""The guardian stands in for an instrument that does not answer: what must be so, and the entry that says it."""

from collections.abc import Iterator
from dataclasses import replace

from edge.core.entries import Json
from edge.core.facts import Permit
from edge.core.interlocks import answers, judge, measure
from edge.core.messages import Answer, Operator
from edge.core.reasons import Reason
from edge.core.rules import Interlock
from edge.core.turn import Turn
from edge.core.watching import interlocks_of

_NAMED_MOST = 32


def confirm_equipment(turn: Turn, act: Operator, permit: Permit) -> list[str]:
    """From now on the guardian's word counts for a device's rules, where the pack allows it. Returns why not.

    It stands until the device answers, the permit ends, or its time is over.
    """
    bound = tuple(each for each in interlocks_of(turn, permit) if each.device == act.device)
    reasons = [*_failing(turn, act, bound), *_still_heard(turn, act.device, bound)]
    if reasons:
        return reasons
    body: dict[str, Json] = {
        "by": act.by,
        "why": act.why,
        "device": act.device,
        "silent_ms": _silent_ms(turn, act.device),
        "stands_ms": turn.state.site.policy.by_hand_ms,
        "rules": [each.rule for each in bound[:_NAMED_MOST]],
        "degraded": True,
        "review": True,
    }
    blobs = () if act.photo is None else (act.photo,)
    entry = turn.author("permit.degraded", body, permit=permit.permit, cause=act.request, actor=act.by, blobs=blobs)
    turn.command(Answer(act.request, True, (), entry))
    return []


def _failing(turn: Turn, act: Operator, bound: tuple[Interlock, ...]) -> Iterator[str]:
    """What is wrong with the act itself. A trip needs its instrument back: no word lifts one, so none is taken."""
    if act.photo is None:
        yield "photo_missing"
    if not bound:
        yield "device_not_bound"
    if not all(each.manual for each in bound):
        yield "manual_never"
    if act.permit in turn.state.durable.trips:
        yield Reason.PERMIT_TRIPPED.value


def _still_heard(turn: Turn, device: str, bound: tuple[Interlock, ...]) -> Iterator[str]:
    """What the device says itself, or said last: pulling its plug must not help against what it showed."""
    memory = turn.state.memories.get(device)
    stale_ms = turn.state.site.policy.stale_ms
    if memory is not None and answers(memory.newest) and turn.now_ms - memory.newest.taken_at <= stale_ms:
        yield "device_answers"
        return
    if _silent_ms(turn, device) < turn.state.site.policy.silent_ms:
        yield "silent_too_short"
    word = None if memory is None else memory.word
    if memory is not None and word is not None:
        then = replace(memory, newest=word)
        said = {judge(measure(each, then, word.taken_at)).reason for each in bound}
        if said - {None, Reason.READING_SETTLING}:
            yield "last_word_unsafe"


def _silent_ms(turn: Turn, device: str) -> int:
    """Since when the device has not answered; of one that never did, since this run began."""
    memory = turn.state.memories.get(device)
    word = None if memory is None else memory.word
    since_ms = turn.state.started_ms if word is None else word.taken_at
    return 0 if since_ms is None else turn.now_ms - since_ms
