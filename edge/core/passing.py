"""Doors as they move: passages, relocking, held and forced alarms, exits, fire."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import assert_never

from edge.core.doors import Effect, Event, Passage, Phase, advance, opened
from edge.core.entries import Json
from edge.core.messages import DoorInput, Indicate, Light, Lock, ReleaseExit, Timer
from edge.core.mustering import list_people
from edge.core.permits import IN_FORCE
from edge.core.readings import MonotonicMs
from edge.core.reasons import Reason
from edge.core.state import State
from edge.core.turn import Turn

_SHOWN_MS = 10_000
_FIRE_MS = 2_000


def door_moved(turn: Turn, door: str, line: DoorInput, active: bool) -> None:
    """An input line of a door changed."""
    match line:
        case DoorInput.CONTACT:
            event = opened(turn.state.doors[door], turn.now_ms) if active else Event.SHUT
            advance_door(turn, door, event)
        case DoorInput.REX:
            if active:
                _request_exit(turn, door)
        case DoorInput.FIRE:
            _fire(turn, door, active)
        case DoorInput.BOLT:
            return
        case _:
            assert_never(line)


def _request_exit(turn: Turn, door: str) -> None:
    """The exit button: release first, record after. The actuators did it already; saying it again does no harm."""
    until = MonotonicMs(turn.now_ms + turn.state.site.doors[door].timing.release_ms)
    turn.command(ReleaseExit(door, until))
    turn.author("exit.requested", _at(turn, door))
    advance_door(turn, door, Event.RELEASE, Passage(None, None, None))


def _fire(turn: Turn, door: str, active: bool) -> None:
    """Fire: the panel cuts the lock's power in hardware; here entry is refused and false alarms are suppressed."""
    fire = turn.state.fire | {door} if active else turn.state.fire - {door}
    if fire == turn.state.fire:
        return
    turn.change(fire=fire)
    fire_due(turn, door)
    turn.author("fire.signalled" if active else "fire.cleared", {"door": door})
    if fire == {door} and active:
        list_people(turn)


def fire_due(turn: Turn, door: str) -> None:
    """While fire is signalled the exit stays released, again and again, whatever the panel does."""
    if door in turn.state.fire:
        turn.command(ReleaseExit(door, MonotonicMs(turn.now_ms + 2 * _FIRE_MS)))
        turn.timer(Timer.FIRE, door, _FIRE_MS)


def door_faulted(turn: Turn, door: str, what: str | None) -> None:
    """Read-back or line fault of a door, or its end. The leaf is followed meanwhile: a forced one is seen to be so."""
    before = turn.state.doors[door]
    if (what is None) == (before.fault is None):
        return
    turn.change(doors={**turn.state.doors, door: replace(before, fault=what)})
    if what is None:
        turn.author("door.fault_clear", {"door": door})
        return
    turn.author("door.fault", {"door": door, "what": what})
    show_red(turn, door, Reason.DOOR_FAULT)
    lock_now(turn, door)


def door_due(turn: Turn, door: str) -> None:
    """A door's time has run, if it still counts."""
    due = turn.state.doors[door].due_ms
    if due is not None and turn.now_ms >= due:
        advance_door(turn, door, Event.ELAPSED)


def lock_now(turn: Turn, door: str) -> None:
    """Shut a door to entry: a release that still runs ends. Whoever leaves is not stopped."""
    turn.command(Lock(door))
    if turn.state.doors[door].phase is Phase.RELEASED:
        held = replace(turn.state.doors[door], due_ms=turn.now_ms)
        turn.change(doors={**turn.state.doors, door: held})
        advance_door(turn, door, Event.ELAPSED)


def relock_held(turn: Turn, gone: AbstractSet[str] = frozenset()) -> None:
    """A release for entry that still runs ends at once if its permit, person or place is now held, or HQ took it back.

    ``gone`` are permits that HQ's word just removed.
    """
    for door, door_state in turn.state.doors.items():
        entering = [each for each in door_state.passages if each.entry is not None]
        if door_state.phase is Phase.RELEASED and any(
            each.permit in gone or _held(turn.state, door, each) for each in entering
        ):
            lock_now(turn, door)


def _held(state: State, door: str, passage: Passage) -> bool:
    freezes, area = state.durable.freezes, state.site.doors[door].area
    scopes = (f"permit:{passage.permit}", f"worker:{passage.worker}", f"area:{area}", f"site:{state.site.site}")
    permit = state.permits.get(passage.permit or "")
    suspended = permit is not None and permit.status not in IN_FORCE
    return suspended or area in state.durable.lockdowns or any(freezes.holds(scope) for scope in scopes)


def advance_door(turn: Turn, door: str, event: Event, passage: Passage | None = None) -> None:
    """Move a door through its table and do what follows."""
    before = turn.state.doors[door]
    after, effects = advance(before, event, turn.state.site.doors[door].timing, turn.now_ms, passage)
    turn.change(doors={**turn.state.doors, door: after})
    if after.due_ms is not None and after.due_ms != before.due_ms:
        turn.timer(Timer.DOOR, door, after.due_ms - turn.now_ms)
    if passage is not None:
        _passed(turn, door, [each for each in before.passages if each not in after.passages], "access.not_taken")
    # A release while the leaf stands open concerns its own passage, everything else all that wait.
    passages = (passage,) if passage is not None else before.passages
    for effect in effects:
        _effect(turn, door, passages, effect)


def _at(turn: Turn, door: str) -> dict[str, Json]:
    """A door and the area that it leads into, for an entry."""
    return {"door": door, "area": turn.state.site.doors[door].area}


def _effect(turn: Turn, door: str, passages: Sequence[Passage], effect: Effect) -> None:
    match effect:
        case Effect.RELOCK:
            turn.command(Lock(door))
        case Effect.TAKEN:
            _passed(turn, door, passages or (Passage(None, None, None),), "access.taken")
        case Effect.NOT_TAKEN:
            _passed(turn, door, passages, "access.not_taken")
        case Effect.PREALARM:
            show_red(turn, door, Reason.DOOR_HELD)
        case Effect.HELD | Effect.FORCED:
            _alarmed(turn, door, effect)
        case Effect.HELD_CLEAR | Effect.FORCED_CLEAR:
            turn.author(f"door.{effect.value}", {"door": door})
        case _:
            assert_never(effect)


def _passed(turn: Turn, door: str, passages: Sequence[Passage], kind: str) -> None:
    """One entry for each release: none may be left without its end.

    ``shared``: one opening ended several. ``seen``: the contact is heard, so nobody passed unseen.
    """
    held = turn.state.doors[door]
    seen = held.heard and held.fault is None
    how: dict[str, Json] = {"shared": len(passages) > 1} if kind == "access.taken" else {"seen": seen}
    for passage in passages:
        who: dict[str, Json] = {"entry": passage.entry, "worker": passage.worker, "exit": passage.entry is None}
        turn.author(kind, {**_at(turn, door), **who, **how}, permit=turn.open_permit(passage.permit))


def _alarmed(turn: Turn, door: str, effect: Effect) -> None:
    """Held or forced open. During fire everybody opens doors: it is recorded and nothing sounds.

    A forced one alarms until somebody acknowledges it; a held one until it is shut.
    """
    if turn.state.fire:
        turn.author("door.opened_in_fire", _at(turn, door))
        return
    latched: dict[str, Json] = {"latched": True} if effect is Effect.FORCED else {}
    turn.author(f"door.{effect.value}", {**_at(turn, door), **latched})
    show_red(turn, door, Reason.DOOR_FORCED if effect is Effect.FORCED else Reason.DOOR_HELD)
    if effect is Effect.FORCED:
        turn.alarm(turn.state.site.doors[door].area)


def show_red(turn: Turn, door: str, reason: Reason) -> None:
    """Red at a door for a while, and why, whoever stands there."""
    turn.command(Indicate(door, Light.RED, reason, MonotonicMs(turn.now_ms + _SHOWN_MS)))
