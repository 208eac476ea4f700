"""Work that runs, against the clock: its end, the records of its readings, the analysis of each day (row W06).

Ages are counted on CLOCK_BOOTTIME; from one boot to the next only the clock interval is left, and the longest time that
it allows counts.
"""

from edge.core.alarms import ALARMS, RECORD_MISSED
from edge.core.clock import ClockInterval
from edge.core.entries import Json
from edge.core.guarding import guard, guard_delay_ms
from edge.core.interlocks import Condition
from edge.core.lapses import lapse, lapse_delay_ms
from edge.core.messages import Timer
from edge.core.passing import lock_now
from edge.core.permits import ends_ms
from edge.core.readings import Quality
from edge.core.reasons import Reason
from edge.core.rules import PermitType, strictest
from edge.core.site import permit_type_of
from edge.core.state import Moment, Running, State
from edge.core.turn import Turn
from edge.core.watching import conditions_of

_RECORD_LEAD_MS = 60_000
"""A record is taken so long before it is due [D], so that a lost poll does not make it late."""

_RECORD_RETRY_MS = 10_000
_LOOK_MS = 60_000
"""Looked at so often at least: what was a day ahead may be near by a better clock, and a timer replaced each time that
HQ speaks must not lie in the heap for days."""

_RECORDED_MOST = 64
_DAY_MS = 86_400_000
_CHINA_MS = 8 * 3_600_000


def age_ms(moment: Moment, turn: Turn) -> int | None:
    """The longest time that can have passed since then; None: nobody knows."""
    if moment.boot_id == turn.now.boot_id:
        return turn.now_ms - moment.boottime_ms
    hi_ms = turn.now.clock.hi_ms
    return None if hi_ms is None or not moment.lowest_ms else hi_ms - moment.lowest_ms


def running_type(state: State, running: Running, clock: ClockInterval) -> PermitType | None:
    """What the packs of all areas of a running permit demand of its type together."""
    plans = (state.site.areas[area] for area in running.areas if area in state.site.areas)
    known = (permit_type_of(running.permit_type, plan.speaking(clock, running.packs)) for plan in plans)
    return strictest([each for each in known if each is not None])


def same_day(moment: Moment, clock: ClockInterval) -> bool:
    """Whether a moment was surely on this day of the calendar in China."""
    if clock.hi_ms is None or not moment.lowest_ms:
        return False
    return (moment.lowest_ms + _CHINA_MS) // _DAY_MS == (clock.hi_ms + _CHINA_MS) // _DAY_MS


def arm_all(turn: Turn) -> None:
    """Set the timers of all work that runs anew: HQ's word, the time or what runs has changed."""
    for permit in turn.state.durable.running:
        _arm(turn, permit)


def work_due(turn: Turn, permit: str) -> None:
    """A time of running work may be full: its end, its next record, its guardian's tap, a certificate."""
    running = turn.state.durable.running.get(permit)
    if running is None:
        return
    _end(turn, running)
    _record(turn, running)
    guard(turn, running)
    lapse(turn, running)
    _arm(turn, permit)


def look_at_work(turn: Turn, permit: str) -> None:
    """Set the timer of work that runs anew: somebody joined it."""
    if permit in turn.state.durable.running:
        _arm(turn, permit)


def _arm(turn: Turn, permit: str) -> None:
    running = turn.state.durable.running[permit]
    times = (
        _end_delay_ms(turn, running),
        _record_delay_ms(turn, running),
        guard_delay_ms(turn, running),
        lapse_delay_ms(turn, running),
    )
    delays = [each for each in times if each is not None]
    if delays:
        turn.timer(Timer.WORK, permit, max(0, min(*delays, _LOOK_MS)))


def _ends_ms(turn: Turn, running: Running) -> int | None:
    permit = turn.state.permits.get(running.permit)
    if permit is None:
        return running.ends_ms
    return ends_ms(permit, running_type(turn.state, running, turn.now.clock))


def _end_delay_ms(turn: Turn, running: Running) -> int | None:
    at_ms = None if running.overdue else _ends_ms(turn, running)
    return None if at_ms is None else at_ms - turn.now.clock.lo_ms


def _end(turn: Turn, running: Running) -> None:
    """Overdue only when it is certain. Whoever is inside is warned, and nobody more goes in."""
    at_ms = None if running.overdue else _ends_ms(turn, running)
    if at_ms is None or turn.now.clock.lo_ms < at_ms:
        return
    turn.author("permit.overdue", {"ends_ms": at_ms, "alarm": ALARMS[Reason.PERMIT_EXPIRED]}, permit=running.permit)
    _alarm(turn, running)
    for door, plan in turn.state.site.doors.items():
        if plan.area in running.areas:
            lock_now(turn, door)


def _alarm(turn: Turn, running: Running) -> None:
    for area in running.areas:
        if area in turn.state.site.areas:
            turn.alarm(area)


def _record_ms(turn: Turn, running: Running) -> int | None:
    known = running_type(turn.state, running, turn.now.clock)
    return None if known is None else known.record_ms


def _record_delay_ms(turn: Turn, running: Running) -> int | None:
    period_ms = _record_ms(turn, running)
    if period_ms is None:
        return None
    age = None if running.recorded is None else age_ms(running.recorded, turn)
    if age is None:
        return _RECORD_RETRY_MS
    if age < period_ms - _RECORD_LEAD_MS:
        return period_ms - _RECORD_LEAD_MS - age
    # The first millisecond at which the record is late is looked at, too.
    return min(_RECORD_RETRY_MS, period_ms + 1 - age) if age <= period_ms else _RECORD_RETRY_MS


def _record(turn: Turn, running: Running) -> None:
    """The readings of a running permit, recorded each so often; where none can be had in time, an alarm, once."""
    period_ms = _record_ms(turn, running)
    if period_ms is None:
        return
    age = None if running.recorded is None else age_ms(running.recorded, turn)
    if age is not None and age < period_ms - _RECORD_LEAD_MS:
        return
    conditions = conditions_of(turn, running)
    if conditions and all(_is_read(each) for each in conditions):
        body: dict[str, Json] = {"readings": [figure_of(each) for each in conditions[:_RECORDED_MOST]]}
        turn.author("permit.recorded", body, permit=running.permit)
    elif (age is None or age > period_ms) and not running.record_missed:
        turn.author("permit.record_missed", {"period_ms": period_ms, "alarm": RECORD_MISSED}, permit=running.permit)
        _alarm(turn, running)


def _is_read(condition: Condition) -> bool:
    """Whether there is a fresh figure to write down; whether it is a good one is another matter."""
    measured = condition.measured
    fresh = measured.good_age_ms is not None and measured.good_age_ms <= measured.interlock.stale_ms
    return measured.quality is Quality.GOOD and fresh


def figure_of(condition: Condition) -> dict[str, Json]:
    """The newest figure of a condition as an entry says it; ``steps`` None: there is none."""
    measured = condition.measured
    return {
        "interlock": measured.interlock.interlock,
        "steps": measured.newest,
        "resolution": measured.interlock.resolution,
        "unit": measured.interlock.unit,
    }
