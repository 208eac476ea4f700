"""From state and facts to the question that a tap poses now."""

from collections.abc import Mapping

from edge.core.approving import approver_seen
from edge.core.blinds import same_pipe
from edge.core.checking import checks_of
from edge.core.clock import ClockInterval
from edge.core.confirmations import confirmed_now
from edge.core.decision import decide
from edge.core.facts import Facts, Permit, Side, Tap
from edge.core.guarding import presence_age_ms
from edge.core.headcount import headcount
from edge.core.interlocks import NO_DEMANDS, measure
from edge.core.links import incomplete, unlinked
from edge.core.nearby import neighbours_of
from edge.core.overrides import bearing
from edge.core.question import Decision, Limits, PermitSlice, Question
from edge.core.readings import MonotonicMs
from edge.core.rules import PermitType
from edge.core.sampling import point_ages
from edge.core.site import AreaPlan, permit_type_of
from edge.core.stand_ins import stand_ins
from edge.core.state import State
from edge.core.turn import Turn
from edge.core.upgrades import not_upgraded
from edge.core.working import same_day


def ask(state: State, tap: Tap, facts: Facts, turn: Turn) -> Question:
    """The question that a tap poses now: its facts and the slice of state that bears on them.

    The permits are those of the facts: whoever decides sees to it that facts are never older than the state, and the
    cache may have HQ's word before the controller is told.
    """
    door = state.doors[tap.door]
    area = state.site.doors[tap.door].area
    plan = state.site.areas[area]
    policy, frozen = state.site.policy, state.durable.freezes
    worker = "" if facts.worker is None else facts.worker.worker

    def holds(scope: str) -> bool:
        return scope in facts.freezes or frozen.holds(scope)

    return Question(
        tap=tap,
        facts=facts,
        area=area,
        packs=_packs(state, plan, facts.permits, turn.now.clock),
        door_fault=door.fault is not None,
        fire=bool(state.fire),
        journal_slow=journal_slow(state, turn.now_ms),
        site_frozen=holds(f"site:{state.site.site}"),
        area_frozen=holds(f"area:{area}"),
        worker_frozen=bool(worker) and holds(f"worker:{worker}"),
        permits=tuple(permit_slice(state, each, area, turn, facts) for each in facts.permits),
        clock=turn.now.clock,
        limits=Limits(
            guardian_ms=policy.guardian_ms,
            offline_normal_ms=policy.offline_ex_ms if plan.ex else policy.offline_normal_ms,
            offline_begun_ms=policy.offline_begun_ms,
            permit_facts=policy.permit_facts,
        ),
        people=headcount(state, area, worker),
        locked_down=state.durable.lockdowns.get(area),
    )


def _packs(state: State, plan: AreaPlan, permits: tuple[Permit, ...], clock: ClockInterval) -> tuple[str, ...]:
    """The versions that this decision rests on: those of today, and those that work here began under."""
    speaking = {each.name for each in plan.speaking(clock)}
    for kept in filter(None, (state.kept_packs(permit.permit) for permit in permits)):
        speaking |= {each.name for each in plan.speaking(clock, kept)}
    return tuple(each.name for each in plan.editions if each.name in speaking)


def permit_slice(state: State, permit: Permit, area: str, turn: Turn, facts: Facts) -> PermitSlice:
    """One permit with the state that bears on it in that area."""
    plan, durable = state.site.areas[area], state.durable
    clock = turn.now.clock
    speaking = plan.speaking(clock, state.kept_packs(permit.permit))
    demands = plan.demanded(permit.permit_type, speaking, clock) if area in permit.areas else NO_DEMANDS
    known = permit_type_of(permit.permit_type, speaking)
    scope = f"permit:{permit.permit}"
    return PermitSlice(
        permit=permit,
        permit_type=known,
        frozen=scope in facts.freezes or durable.freezes.holds(scope),
        tripped=permit.permit in durable.trips,
        begun=permit.permit in durable.running,
        guardian_age_ms=presence_age_ms(durable.guardians.get(permit.permit, {}).get(area), permit, area, turn),
        harness_age_ms=presence_age_ms(durable.harness.get(permit.permit), permit, None, turn),
        missing=demands.quantities(),
        measured=tuple(measure(each, state.memories.get(each.device), turn.now_ms) for each in demands.interlocks),
        checks=checks_of(turn, demands.interlocks),
        paused=permit.permit in durable.pauses,
        not_upgraded=not_upgraded(state.site.calendar, permit.permit_type, permit.grade, clock),
        unlinked=unlinked(permit, facts),
        incomplete=incomplete(state, permit, facts, clock),
        approver_seen=approver_seen(state, permit),
        analysed_today=_analysed_today(state, permit, known, clock),
        same_pipe=same_pipe(state, permit, clock) if known is not None and known.one_blind else (),
        confirmed=confirmed_now(durable.confirmed.get(permit.permit, {}), permit.version),
        near=neighbours_of(state, permit, clock) if area in permit.areas else (),
        overrides=bearing(durable.overrides, permit.permit, {each.device for each in demands.interlocks}, turn.now),
        by_hand=stand_ins(turn, permit),
        points=() if permit.permit in durable.running else point_ages(turn, permit, known),
    )


def _analysed_today(state: State, permit: Permit, known: PermitType | None, clock: ClockInterval) -> bool:
    """Whether an analysis of this day is at hand, if one is asked for. The tap that begins work is one itself."""
    running = state.durable.running.get(permit.permit)
    if running is None or known is None or not known.daily_analysis:
        return True
    return running.analysed is not None and same_day(running.analysed, clock)


def journal_slow(state: State, now_ms: MonotonicMs) -> bool:
    """Whether entries wait too long, or too many of them, for entry to be granted."""
    policy = state.site.policy
    oldest_ms = now_ms - state.waiting[0].since_ms if state.waiting else 0
    waiting = state.durable.next_entry - state.recorded
    return state.failing or oldest_ms > policy.slow_ms or waiting > policy.slow_waiting


def ready(
    state: State, permit: Permit, worker_facts: Mapping[str, Facts], turn: Turn
) -> dict[tuple[str, str], Decision]:
    """What a tap of each worker in each area of the permit would be answered now, on a perfect badge.

    ``worker_facts`` gives for each worker the facts of a badge that names this permit; the answers are by worker and
    area, at a door that is not at fault if there is one. Nothing is recorded.
    """
    doors: dict[str, str] = {}
    for door, plan in sorted(state.site.doors.items()):
        held = doors.get(plan.area)
        if plan.area in permit.areas and (held is None or state.doors[held].fault is not None):
            doors[plan.area] = door
    return {
        (worker, area): decide(ask(state, Tap("ready", "", door, Side.ENTRY, "", turn.now_ms), facts, turn))
        for worker, facts in worker_facts.items()
        for area, door in sorted(doors.items())
    }
