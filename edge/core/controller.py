"""The controller: ``step(state, input, now) -> Step``. The one place where anything is decided.

It reads no clock, touches no disk and starts nothing: time and facts come in, commands and entries go out. Commands are
carried out at once; entries go to the journal, and only the step that handles ``Recorded`` makes ``Unlock``.
"""

from dataclasses import replace
from typing import assert_never

from edge.core.checking import instrument_checked
from edge.core.clock import Anchor, Now, better, contradicts
from edge.core.doors import DoorState, Phase
from edge.core.holding import authority_applied, operator
from edge.core.instrument_word import calibration_said
from edge.core.messages import (
    AuthorityApplied,
    ClockAnchored,
    ClockStepped,
    DoorFaulted,
    DoorMoved,
    Input,
    InstrumentChecked,
    Noticed,
    Operator,
    OverrideLifted,
    OverrideMade,
    Recorded,
    RecordFailed,
    Started,
    Tapped,
    Timer,
    TimerDue,
)
from edge.core.overriding import arm_overrides, override_due, override_lifted, override_made
from edge.core.overstaying import arm_overstays, overstays_due
from edge.core.passing import door_due, door_faulted, door_moved, fire_due
from edge.core.place_acts import place_acted
from edge.core.places import PlaceOperator
from edge.core.published import RulesChanged
from edge.core.readings import BlockRead, CalibrationSaid, MonotonicMs
from edge.core.resting import rest_due
from edge.core.rule_news import rules_changed
from edge.core.site import Site
from edge.core.state import Durable, State
from edge.core.tapping import grant_due, record_failed, recorded, tapped
from edge.core.turn import Step, Turn
from edge.core.watching import block_read, rewatch, stale_due
from edge.core.working import arm_all, work_due

__all__ = ["Step", "begin", "step"]

_HEARTBEAT_MS = 900_000
_ANCHOR_ENTRY_MS = 3_600_000


def begin(site: Site, durable: Durable) -> State:
    """The state at start: what the journal says, and nothing else. Pending grants are void, readings never read."""
    return State(
        site=site,
        durable=durable,
        recorded=durable.next_entry,
        doors={door: DoorState(Phase.LOCKED_SHUT) for door in site.doors},
    )


def step(state: State, message: Input, now: Now) -> Step:
    """One input: the next state, what to do at once, and what to record."""
    turn = Turn(state, now)
    _dispatch(turn, message)
    if _watches_move(state, turn.state):
        rewatch(turn)
        arm_all(turn)
    if _people_move(state, turn.state):
        arm_overstays(turn)
    return turn.done()


def _watches_move(before: State, after: State) -> bool:
    """Whether what runs, what HQ says of it, or the rules that bind it to devices and times have changed."""
    same = after.durable.running is before.durable.running and after.permits is before.permits
    return not same or after.site is not before.site


def _people_move(before: State, after: State) -> bool:
    """Whether who is inside, or what HQ says of their permits, has changed."""
    return after.durable.people is not before.durable.people or after.permits is not before.permits


def _dispatch(turn: Turn, message: Input) -> None:
    match message:
        case BlockRead():
            block_read(turn, message)
        case Tapped(tap, facts):
            tapped(turn, tap, facts)
        case Recorded(through):
            recorded(turn, through)
        case RecordFailed(from_entry):
            record_failed(turn, from_entry)
        case TimerDue(timer, subject):
            _due(turn, timer, subject)
        case DoorMoved(door, line, active):
            door_moved(turn, door, line, active)
        case DoorFaulted(door, what):
            door_faulted(turn, door, what)
        case AuthorityApplied():
            authority_applied(turn, message)
        case Operator():
            operator(turn, message)
        case InstrumentChecked():
            instrument_checked(turn, message)
        case CalibrationSaid():
            calibration_said(turn, message)
        case OverrideMade():
            override_made(turn, message)
        case OverrideLifted():
            override_lifted(turn, message)
        case PlaceOperator():
            place_acted(turn, message)
        case ClockAnchored(anchor):
            _anchored(turn, anchor)
        case ClockStepped(step_ms):
            turn.author("clock.stepped", {"step_ms": step_ms})
        case Noticed(kind, subject, what, blobs, figures, cause):
            turn.author(kind, {**dict(figures), "subject": subject, "what": what}, cause=cause, blobs=blobs)
        case RulesChanged():
            rules_changed(turn, message)
        case Started():
            _started(turn, message)
        case _:
            assert_never(message)


def _due(turn: Turn, timer: Timer, subject: str) -> None:
    match timer:
        case Timer.DOOR:
            door_due(turn, subject)
        case Timer.GRANT:
            grant_due(turn, subject)
        case Timer.STALE:
            stale_due(turn, subject)
        case Timer.WORK:
            work_due(turn, subject)
        case Timer.OVERRIDE:
            override_due(turn, subject)
        case Timer.INSIDE:
            overstays_due(turn)
        case Timer.REST:
            rest_due(turn, subject)
        case Timer.FIRE:
            fire_due(turn, subject)
        case Timer.SIREN:
            alarms = turn.state.alarms_until
            turn.change(alarms_until={area: until for area, until in alarms.items() if until > turn.now_ms})
        case Timer.BEAT:
            turn.author("log.heartbeat", {"authority_size": turn.state.durable.authority_size})
            turn.timer(Timer.BEAT, "", _HEARTBEAT_MS)
        case _:
            assert_never(timer)


def _started(turn: Turn, started: Started) -> None:
    """The first entries of a run; work that runs on is watched from now, whatever is heard of HQ.

    A leaf that opens soon may have been released by the run before: it is not forced.
    """
    site = turn.state.site
    if turn.state.durable.next_entry == 0:
        turn.author("log.genesis", {"gateway": site.gateway, "site": site.site, "previous": None})
    body = {
        "cause": started.cause,
        "version": started.version,
        "no_status_accepted": [[device, name] for device, name in started.acceptances],
        "areas": sorted(site.areas),
    }
    turn.author("gateway.started", body)
    turn.timer(Timer.BEAT, "", _HEARTBEAT_MS)
    doors = {}
    for door, state in turn.state.doors.items():
        until = MonotonicMs(turn.now_ms + site.doors[door].timing.grace_ms)
        doors[door] = replace(state, grace_until_ms=until)
    turn.change(doors=doors, started_ms=turn.now_ms)
    rewatch(turn)
    arm_all(turn)
    arm_overrides(turn)
    arm_overstays(turn)


def _anchored(turn: Turn, anchor: Anchor) -> None:
    """A source of time: taken, and recorded, when it matters."""
    if not _matters(turn.state.durable.anchor, anchor, turn.state.site.policy.drift_ppm):
        return
    body = {
        "source": anchor.source.value,
        "utc_ms": anchor.utc_ms,
        "uncertainty_ms": anchor.uncertainty_ms,
        "boot_id": anchor.boot_id,
        "boottime_ms": anchor.boottime_ms,
    }
    turn.author("clock.anchored", body)
    arm_all(turn)
    arm_overrides(turn)
    arm_overstays(turn)


def _matters(held: Anchor | None, offered: Anchor, drift_ppm: int) -> bool:
    """Whether it is better than what is held, and of the same source by enough, or hourly; or that source was set."""
    same = held is not None and held.boot_id == offered.boot_id and held.source is offered.source
    if held is None or not same:
        return better(held, offered, drift_ppm)
    if contradicts(held, offered, drift_ppm):
        return True
    halved = offered.uncertainty_ms * 2 <= held.uncertainty_ms
    hourly = offered.boottime_ms - held.boottime_ms >= _ANCHOR_ENTRY_MS
    return (halved or hourly) and better(held, offered, drift_ppm)
