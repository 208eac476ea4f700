"""Readings as they come: memory, trips of running permits, and what clears them."""

from collections.abc import Iterator, Mapping

from edge.core.by_hand import stands_in
from edge.core.fold import without
from edge.core.interlocks import (
    Condition,
    Demands,
    DeviceMemory,
    answers,
    bounds_of,
    carries,
    judge,
    measure,
    remember_block,
    trips,
)
from edge.core.messages import Timer
from edge.core.overrides import as_counted
from edge.core.passing import lock_now
from edge.core.readings import BlockRead
from edge.core.reasons import Reason
from edge.core.rules import Interlock
from edge.core.site import AreaPlan
from edge.core.stand_ins import device_back, lapse_delay_ms, stand_ins
from edge.core.state import State, Watch, Work
from edge.core.turn import Turn

_NO_WINDOWS: Mapping[str, int] = {}
_CLEAR = frozenset({None, Reason.READING_SETTLING})


def block_read(turn: Turn, block: BlockRead) -> None:
    """One block of one device: remembered, and the running permits that are bound to it judged at once.

    What other devices say was judged when they said it, and their silence is when their stale timer runs out.
    """
    state = turn.state
    block = as_counted(state.durable.overrides, block)
    site = state.site
    memory = remember_block(
        state.memories.get(block.device), block, site.windows.get(block.device, _NO_WINDOWS), site.policy.stale_ms
    )
    turn.change(memories={**state.memories, block.device: memory})
    if state.durable.by_hand and answers(block):
        device_back(turn, block.device)
    watches = state.watched.get(block.device)
    if watches:
        _await_block(turn, block.device, memory)
        fresh = turn.now_ms - block.taken_at <= site.policy.stale_ms
        short = fresh and block.channels == site.channels.get(block.device)
        for each in watches:
            bounds = each.bounds if short and each.permit not in state.durable.trips else None
            if bounds is None or not carries(bounds, block):
                watch(turn, each.permit)


def _await_block(turn: Turn, device: str, memory: DeviceMemory | None) -> None:
    """Have a device's permits judged when its last good readings are stale. Polls that fail put nothing off."""
    stale_ms = turn.state.site.policy.stale_ms
    heard_ms = turn.now_ms if memory is None else memory.heard_at
    turn.timer(Timer.STALE, device, max(0, heard_ms + stale_ms + 1 - turn.now_ms))


def stale_due(turn: Turn, device: str) -> None:
    """No block came from a device in time: judge its permits without one, and again when nobody stands in any more."""
    for each in turn.state.watched.get(device, ()):
        watch(turn, each.permit, silent=device)
    lapses_ms = lapse_delay_ms(turn, device)
    if lapses_ms is not None:
        turn.timer(Timer.STALE, device, lapses_ms)


def _demanding(state: State, work: Work) -> Iterator[tuple[AreaPlan, Demands]]:
    """The areas of this site that demand something of a permit, and what, by every version of their packs."""
    for area in work.areas:
        plan = state.site.areas.get(area)
        demands = None if plan is None else plan.demands.get(work.permit_type)
        if plan is not None and demands is not None:
            yield plan, demands


def interlocks_of(turn: Turn, work: Work) -> tuple[Interlock, ...]:
    """Every interlock that binds a permit in the areas of this site now."""
    kept = turn.state.kept_packs(work.permit)
    clock, plans = turn.now.clock, (plan for plan, _ in _demanding(turn.state, work))
    demanded = (plan.demanded(work.permit_type, plan.speaking(clock, kept), clock) for plan in plans)
    return tuple(interlock for demands in demanded for interlock in demands.interlocks)


def conditions_of(turn: Turn, work: Work) -> tuple[Condition, ...]:
    """The verdict on each interlock of a permit now."""
    memories = turn.state.memories
    return tuple(judge(measure(each, memories.get(each.device), turn.now_ms)) for each in interlocks_of(turn, work))


def watch(turn: Turn, permit_id: str, silent: str | None = None) -> None:
    """Judge a running permit: trip it at the first failing condition, note since when a tripped one is clear.

    A device that was not read since the start is waited for like one that fell silent: until its stale timer runs out,
    which names it in ``silent``. Else each restart would trip whatever is bound to two devices. The silence of one that
    somebody stands in for trips nothing.
    """
    state = turn.state
    work = state.work(permit_id)
    if work is None:
        return
    conditions = conditions_of(turn, work)
    by_hand = stand_ins(turn, work)
    failing = next(
        (
            each
            for each in conditions
            if trips(each) and not _awaited(state, each, silent) and stands_in(each, by_hand) is None
        ),
        None,
    )
    held = turn.state.durable.trips.get(permit_id)
    if failing is not None and (held is None or held.retest is not None):
        trip(turn, work, failing)
    if permit_id not in turn.state.durable.trips:
        return
    clear = all(each.reason in _CLEAR for each in conditions)
    if not clear:
        turn.change(clear_since=without(turn.state.clear_since, permit_id))
    elif permit_id not in turn.state.clear_since:
        turn.change(clear_since={**turn.state.clear_since, permit_id: turn.now_ms})


def _awaited(state: State, condition: Condition, silent: str | None) -> bool:
    device = condition.measured.interlock.device
    return device not in state.memories and device != silent


def trip(turn: Turn, work: Work, condition: Condition) -> None:
    """Siren and doors shut to entry at once; the record follows."""
    assert condition.reason is not None
    measured = condition.measured
    for door, plan in turn.state.site.doors.items():
        if plan.area in work.areas:
            lock_now(turn, door)
    body = {
        "reason": condition.reason.value,
        "interlock": measured.interlock.interlock,
        "steps": measured.steps,
        "resolution": measured.interlock.resolution,
        "unit": measured.interlock.unit,
        "quality": measured.quality.value,
        "age_ms": measured.age_ms,
        "highest_good": measured.interlock.highest_good,
        "lowest_good": measured.interlock.lowest_good,
    }
    turn.author("permit.tripped", body, permit=work.permit)


def rewatch(turn: Turn) -> None:
    """Index the running permits anew.

    A device that a permit is bound to from now on may be silent already, with nothing due for it any more: its stale
    timer runs anew.
    """
    state = turn.state
    index = _watched(state)
    for device, watches in sorted(index.items()):
        before = {each.permit for each in state.watched.get(device, ())}
        if not {each.permit for each in watches} <= before:
            _await_block(turn, device, state.memories.get(device))
    kept = {permit: since for permit, since in state.clear_since.items() if permit in state.durable.trips}
    turn.change(watched=index, clear_since=kept)


def _watched(state: State) -> dict[str, tuple[Watch, ...]]:
    """The running permits by device, for the index that ``block_read`` uses.

    The bounds are those of every version and every date at once: a block inside them all trips nothing on any day.
    """
    index: dict[str, list[Watch]] = {}
    for permit_id in state.durable.running:
        work = state.work(permit_id)
        bound = () if work is None else tuple(demands for _, demands in _demanding(state, work))
        for device in sorted({each.device for demands in bound for each in demands.interlocks}):
            interlocks = (each for demands in bound for each in demands.on(device))
            bounds = bounds_of(interlocks, state.site.channels.get(device, ()))
            index.setdefault(device, []).append(Watch(permit_id, bounds))
    return {device: tuple(watches) for device, watches in index.items()}
