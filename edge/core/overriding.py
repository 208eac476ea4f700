"""Overrides made, over and lifted, and permits that HQ closes while one made for them lives (row N14)."""

from collections.abc import Iterable, Iterator, Mapping

from edge.core.entries import BlobReference, Json
from edge.core.messages import Answer, OverrideLifted, OverrideMade, Timer
from edge.core.overrides import LIVE_MOST, LONGEST_MS, PERMITS_MOST, Override, made_for, time_left_ms
from edge.core.passing import lock_now
from edge.core.reasons import Reason
from edge.core.state import Durable, State, Work
from edge.core.turn import Turn
from edge.core.watching import block_read
from edge.core.who import who_failing

_LOOK_MS = 60_000
"""Looked at so often at least: a better clock may bring the end nearer."""


def override_made(turn: Turn, act: OverrideMade) -> None:
    """A named owner puts a device or a protection out of action until a time: recorded, or refused with every reason.

    Of a device of ours no reading counts from this moment on, and running work that relies on it trips as if the
    device itself had said that it is inhibited.
    """
    state, hi_ms = turn.state, turn.now.clock.hi_ms
    reasons = [*who_failing(state, act.owner, act.person, act.why), *_subject_failing(state, act), *_time(turn, act)]
    if reasons or hi_ms is None:
        asked: dict[str, Json] = {"action": "override", **_subject(act.device, act.protection)}
        _refuse(turn, act.request, {**asked, "permits": list(act.permits), "by": act.owner, "why": act.why}, reasons)
        return
    name = str(state.durable.next_entry)
    body = {**_subject(act.device, act.protection), "owner": act.owner, "why": act.why, "until_ms": act.until_ms}
    blobs = () if act.photo is None else (act.photo,)
    said = {"override": name, "lasts_ms": act.until_ms - hi_ms, **body}
    entry = _tell(turn, "override.made", act.permits, said, signed=(act.request, act.owner), blobs=blobs)
    turn.command(Answer(act.request, True, (), entry))
    _arm(turn, turn.state.durable.overrides[name])
    memory = None if act.device is None else turn.state.memories.get(act.device)
    if memory is not None:
        block_read(turn, memory.newest)


def override_lifted(turn: Turn, act: OverrideLifted) -> None:
    """A named person says that the device or protection is back. Permits that HQ closed meanwhile close now."""
    reasons = who_failing(turn.state, act.by, act.person, act.why)
    held = turn.state.durable.overrides.get(act.override)
    if held is None:
        reasons.append("override_unknown")
    if held is None or reasons:
        asked: dict[str, Json] = {"action": "lift", "override": act.override, "by": act.by, "why": act.why}
        _refuse(turn, act.request, asked, reasons)
        return
    said: dict[str, Json] = {"by": act.by, "why": act.why, **_named(held)}
    entry = _tell(turn, "override.lifted", held.permits, said, signed=(act.request, act.by))
    turn.command(Answer(act.request, True, (), entry))
    for permit in held.permits:
        if permit in turn.state.durable.closing and permit not in turn.state.permits:
            close(turn, permit)


def override_due(turn: Turn, name: str) -> None:
    """The time of an override may be over: then it is told, once, and nobody more goes in on its permits."""
    held = turn.state.durable.overrides.get(name)
    if held is None or held.expired:
        return
    if time_left_ms(held, turn.now) > 0:
        _arm(turn, held)
        return
    _tell(turn, "override.expired", held.permits, _named(held))
    areas = _areas(turn.state, held)
    for area in areas:
        turn.alarm(area)
    for door, plan in turn.state.site.doors.items():
        if plan.area in areas:
            lock_now(turn, door)


def arm_overrides(turn: Turn) -> None:
    """Set the timers of all overrides anew: the machine starts, or a better time is known."""
    for each in turn.state.durable.overrides.values():
        if not each.expired:
            _arm(turn, each)


def close(turn: Turn, permit: str) -> None:
    """HQ's word closes a permit here; while an override made for it lives the close is refused, once.

    Its work is over all the same: nothing of it is watched or kept but that the close waits.
    """
    durable = turn.state.durable
    held = made_for(durable.overrides, permit)
    if not held:
        turn.author("permit.closed", {"by": "hq"}, permit=permit)
    elif permit not in durable.closing or _kept(durable, permit):
        turn.author("permit.close_refused", {"by": "hq", "overrides": list(held)}, permit=permit)


def with_something_kept(durable: Durable) -> Iterable[str]:
    """The permits that have not come to their end here: something is kept of them, or an override was made for them."""
    named = (permit for each in durable.overrides.values() for permit in each.permits)
    said = {**durable.confirmed, **durable.approvers, **durable.samples, **durable.typed, **durable.by_hand}
    kept = {**durable.running, **durable.guardians, **durable.harness, **said}
    return {**kept, **dict.fromkeys(sorted(durable.closing)), **dict.fromkeys(named)}


def relying(state: State, work: Work, device: str) -> bool:
    """Whether a permit demands readings of a device, by any version of the packs of its areas."""
    plans = (state.site.areas[area] for area in work.areas if area in state.site.areas)
    demanded = (plan.demands.get(work.permit_type) for plan in plans)
    return any(each is not None and each.on(device) for each in demanded)


def _kept(durable: Durable, permit: str) -> bool:
    return any(permit in each for each in (durable.running, durable.guardians, durable.harness))


def _subject_failing(state: State, act: OverrideMade) -> Iterator[str]:
    """Whether there is such a thing, whether its permits are open here, and whether there is room for one more."""
    if act.device is not None and act.device not in state.site.channels:
        yield "override_device_unknown"
    if len(state.durable.overrides) >= LIVE_MOST:
        yield "override_full"
    if len(act.permits) > PERMITS_MOST:
        yield "override_permits_many"
    if any(permit in state.durable.closing for permit in act.permits):
        yield Reason.PERMIT_CLOSED.value
    elif any(state.work(permit) is None for permit in act.permits):
        yield Reason.PERMIT_UNKNOWN.value


def _time(turn: Turn, act: OverrideMade) -> Iterator[str]:
    """An end must surely be ahead, and surely not too far."""
    clock = turn.now.clock
    if clock.hi_ms is None:
        yield Reason.CLOCK_UNTRUSTED.value
    elif act.until_ms <= clock.hi_ms:
        yield "override_past"
    elif act.until_ms - clock.lo_ms > LONGEST_MS:
        yield "override_too_long"


def _subject(device: str | None, protection: str | None) -> dict[str, Json]:
    return {"protection": protection} if device is None else {"device": device}


def _named(held: Override) -> dict[str, Json]:
    """Which override it is, whose, of what and until when: what every entry about it says."""
    subject = _subject(held.device, held.protection)
    return {"override": held.override, **subject, "owner": held.owner, "until_ms": held.until_ms}


def _tell(
    turn: Turn,
    kind: str,
    permits: tuple[str, ...],
    said: Mapping[str, Json],
    *,
    signed: tuple[str | None, str | None] = (None, None),
    blobs: tuple[BlobReference, ...] = (),
) -> int:
    """One entry into the chain of each permit, so that each tells the whole story; one into none if there is none.

    ``signed``: the request and the person. Returns the first one's number.
    """
    request, person = signed
    body = {**said, "permits": list(permits)}
    first, *others = permits or (None,)
    entry = turn.author(kind, body, permit=first, cause=request, actor=person, blobs=blobs)
    for each in others:
        turn.author(kind, body, permit=each, cause=request, actor=person, blobs=blobs)
    return entry


def _refuse(turn: Turn, request: str, asked: Mapping[str, Json], reasons: list[str]) -> None:
    entry = turn.author("operator.refused", {**asked, "reasons": list(reasons)}, cause=request, actor=str(asked["by"]))
    turn.command(Answer(request, False, tuple(reasons), entry))


def _arm(turn: Turn, held: Override) -> None:
    turn.timer(Timer.OVERRIDE, held.override, max(0, min(time_left_ms(held, turn.now), _LOOK_MS)))


def _areas(state: State, held: Override) -> list[str]:
    """Where an override is felt: the areas of its permits, and those where something relies on its device."""
    works = (state.work(permit) for permit in held.permits)
    named = {area for work in works if work is not None for area in work.areas}
    for area, plan in state.site.areas.items():
        if held.device is not None and any(each.on(held.device) for each in plan.demands.values()):
            named.add(area)
    return sorted(named & state.site.areas.keys())
