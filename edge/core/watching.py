"""Readings as they come: memory, trips of running permits, and what clears them."""

from collections.abc import Mapping

from edge.core.fold import without
from edge.core.interlocks import Condition, DeviceMemory, carries, judge, measure, remember_block, trips
from edge.core.messages import Timer
from edge.core.passing import lock_now
from edge.core.readings import BlockRead
from edge.core.reasons import Reason
from edge.core.rules import Interlock
from edge.core.state import State, Work
from edge.core.turn import Turn

_NO_WINDOWS: Mapping[str, int] = {}
_CLEAR = frozenset({None, Reason.READING_SETTLING})


def block_read(turn: Turn, block: BlockRead) -> None:
    """One block of one device: remembered, and the running permits that are bound to it judged at once."""
    state = turn.state
    site = state.site
    memory = remember_block(
        state.memories.get(block.device), block, site.windows.get(block.device, _NO_WINDOWS), site.policy.stale_ms
    )
    turn.change(memories={**state.memories, block.device: memory})
    permits = state.watched.get(block.device)
    if permits:
        _await_block(turn, block.device, memory)
        for permit in permits:
            watch(turn, permit)


def _await_block(turn: Turn, device: str, memory: DeviceMemory | None) -> None:
    """Have a device's permits judged when its last good readings are stale. Polls that fail put nothing off."""
    stale_ms = turn.state.site.policy.stale_ms
    heard_ms = turn.now_ms if memory is None else memory.heard_at
    turn.timer(Timer.STALE, device, max(0, heard_ms + stale_ms + 1 - turn.now_ms))


def stale_due(turn: Turn, device: str) -> None:
    """No block came from a device in time: judge its permits without one."""
    for permit in turn.state.watched.get(device, ()):
        watch(turn, permit, silent=device)


def interlocks_of(state: State, work: Work) -> tuple[Interlock, ...]:
    """Every interlock that binds a permit in the areas of this site."""
    found: list[Interlock] = []
    for area in work.areas:
        plan = state.site.areas.get(area)
        demands = None if plan is None else plan.demands.get(work.permit_type)
        found.extend(() if demands is None else demands.interlocks)
    return tuple(found)


def conditions_of(turn: Turn, work: Work) -> tuple[Condition, ...]:
    """The verdict on each interlock of a permit now."""
    memories = turn.state.memories
    return tuple(
        judge(measure(each, memories.get(each.device), turn.now_ms)) for each in interlocks_of(turn.state, work)
    )


def watch(turn: Turn, permit_id: str, silent: str | None = None) -> None:
    """Judge a running permit: trip it at the first failing condition, note since when a tripped one is clear.

    A device that was not read since the start is waited for like one that fell silent: until its stale timer runs out,
    which names it in ``silent``. Else each restart would trip whatever is bound to two devices.
    """
    state, now_ms = turn.state, turn.now_ms
    work = state.work(permit_id)
    if work is None:
        return
    if permit_id not in state.durable.trips and all(
        carries(each, state.memories.get(each.device), now_ms) for each in interlocks_of(state, work)
    ):
        return
    conditions = conditions_of(turn, work)
    failing = next((each for each in conditions if trips(each) and not _awaited(state, each, silent)), None)
    held = turn.state.durable.trips.get(permit_id)
    if failing is not None and (held is None or held.retest is not None):
        _trip(turn, work, failing)
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


def _trip(turn: Turn, work: Work, condition: Condition) -> None:
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
    for device, permits in sorted(index.items()):
        if set(permits) <= set(state.watched.get(device, ())):
            continue
        _await_block(turn, device, state.memories.get(device))
    kept = {permit: since for permit, since in state.clear_since.items() if permit in state.durable.trips}
    turn.change(watched=index, clear_since=kept)


def _watched(state: State) -> dict[str, tuple[str, ...]]:
    """The running permits by device, for the index that ``block_read`` uses."""
    index: dict[str, list[str]] = {}
    for permit_id in state.durable.running:
        work = state.work(permit_id)
        devices = () if work is None else {each.device for each in interlocks_of(state, work)}
        for device in sorted(devices):
            index.setdefault(device, []).append(permit_id)
    return {device: tuple(permits) for device, permits in index.items()}
