"""The door's table: every pair of phase and event does what is listed or nothing, and what follows from it."""

from dataclasses import replace
from itertools import product

import pytest
from sites import (
    DOOR_TIMING,
    Bench,
    begun_bench,
    commands,
    decided,
    facts,
    kinds,
    ready_bench,
)

from edge.core.doors import TRANSITIONS, DoorState, Effect, Event, Passage, Phase, advance, opened
from edge.core.facts import Side
from edge.core.messages import (
    DoorFaulted,
    DoorInput,
    DoorMoved,
    Indicate,
    Lock,
    ReleaseExit,
    SetTimer,
    Sound,
    Started,
    Timer,
    TimerDue,
    Unlock,
)
from edge.core.reasons import Reason

P, E, F = Phase, Event, Effect

LISTED = {
    (P.LOCKED_SHUT, E.RELEASE): (P.RELEASED, []),
    (P.LOCKED_SHUT, E.OPENED): (P.FORCED_OPEN, [F.FORCED]),
    (P.LOCKED_SHUT, E.OPENED_IN_GRACE): (P.OPEN, [F.TAKEN]),
    (P.RELEASED, E.RELEASE): (P.RELEASED, []),
    (P.RELEASED, E.OPENED): (P.OPEN, [F.TAKEN, F.RELOCK]),
    (P.RELEASED, E.OPENED_IN_GRACE): (P.OPEN, [F.TAKEN, F.RELOCK]),
    (P.RELEASED, E.ELAPSED): (P.LOCKED_SHUT, [F.RELOCK, F.NOT_TAKEN]),
    (P.OPEN, E.RELEASE): (P.OPEN, []),
    (P.OPEN, E.SHUT): (P.LOCKED_SHUT, [F.RELOCK]),
    (P.OPEN, E.ELAPSED): (P.OPEN_PREALARM, [F.PREALARM]),
    (P.OPEN_PREALARM, E.SHUT): (P.LOCKED_SHUT, [F.RELOCK]),
    (P.OPEN_PREALARM, E.ELAPSED): (P.OPEN_TOO_LONG, [F.HELD]),
    (P.OPEN_TOO_LONG, E.SHUT): (P.LOCKED_SHUT, [F.RELOCK, F.HELD_CLEAR]),
    (P.FORCED_OPEN, E.SHUT): (P.LOCKED_SHUT, [F.RELOCK, F.FORCED_CLEAR]),
    (P.FAULT, E.HEALED_SHUT): (P.LOCKED_SHUT, [F.FAULT_CLEAR]),
    (P.FAULT, E.HEALED_OPEN): (P.FORCED_OPEN, [F.FAULT_CLEAR, F.FORCED]),
    (P.LOCKED_SHUT, E.FAULT): (P.FAULT, [F.FAULT]),
    **{(phase, E.FAULT): (P.FAULT, [F.RELOCK, F.FAULT]) for phase in Phase if phase not in (P.FAULT, P.LOCKED_SHUT)},
}
"""access.md 5.3, written down a second time by hand."""


@pytest.mark.parametrize(("phase", "event"), list(product(Phase, Event)), ids=lambda each: each.value)
def test_every_pair_does_what_is_listed_or_changes_nothing(phase, event):
    door = DoorState(phase, (Passage(3, "P1", "w1"),), 500, 900, None)
    after, effects = advance(door, event, DOOR_TIMING, 1_000)
    if (phase, event) in LISTED:
        assert (after.phase, list(effects)) == LISTED[phase, event]
    else:
        assert (after, effects) == (door, ())


def test_the_table_lists_nothing_else():
    assert LISTED.keys() == TRANSITIONS.keys()


@pytest.mark.parametrize(("grace_until_ms", "event"), [(None, E.OPENED), (999, E.OPENED), (1_000, E.OPENED_IN_GRACE)])
def test_grace_ends_at_its_time(grace_until_ms, event):
    assert opened(DoorState(P.LOCKED_SHUT, grace_until_ms=grace_until_ms), 1_000) is event


@pytest.mark.parametrize("phase", Phase, ids=lambda each: each.value)
def test_only_phases_that_end_by_themselves_have_a_due_time(phase):
    into = [(pair, after) for pair, (after, _) in LISTED.items() if after is phase]
    for (before, event), _ in into:
        after, _ = advance(DoorState(before), event, DOOR_TIMING, 1_000)
        timed = phase in (P.RELEASED, P.OPEN, P.OPEN_PREALARM) and (before, event) != (P.OPEN, E.RELEASE)
        assert (after.due_ms is not None) is timed


def _contact(bench, is_open, door="d1"):
    return bench.go(DoorMoved(door, DoorInput.CONTACT, is_open))


def _due(bench, door="d1"):
    return bench.go(TimerDue(Timer.DOOR, door))


def _released():
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    return bench


def test_a_passage_locks_again_as_soon_as_the_leaf_opens():
    bench = _released()
    made = _contact(bench.wait(500), True)
    assert (kinds(made), commands(made, Lock)) == (["access.taken"], [Lock("d1")])
    assert (made.entries[0].body["worker"], made.entries[0].permit) == ("w1", "P1")
    assert made.entries[0].body["exit"] is False
    assert _contact(bench.wait(500), False).entries == ()
    assert bench.state.doors["d1"].phase is P.LOCKED_SHUT


def test_a_release_that_nobody_takes_locks_again_and_says_so():
    bench = _released()
    assert _due(bench.wait(4_999)).entries == ()
    made = _due(bench.wait(1))
    assert (kinds(made), commands(made, Lock)) == (["access.not_taken"], [Lock("d1")])


def test_a_second_grant_extends_the_release_and_passes_two():
    bench = _released()
    first_due = bench.state.doors["d1"].due_ms
    bench.wait(1_000).tap(facts("w2"))
    bench.record()
    assert bench.state.doors["d1"].due_ms == first_due + 1_000
    assert [each.worker for each in bench.state.doors["d1"].passages] == ["w1", "w2"]
    assert _due(bench.wait(4_000)).entries == (), "the first timer no longer counts"


def test_a_grant_while_the_leaf_is_open_does_not_outlive_the_leaf():
    bench = _released()
    _contact(bench, True)
    bench.tap(facts("w2"))
    assert commands(bench.record(), Unlock)
    assert commands(_contact(bench.wait(1_000), False), Lock) == [Lock("d1")]


def test_opening_without_leave_is_forced_and_sounds_until_it_times_out():
    bench = ready_bench()
    made = _contact(bench, True)
    assert (kinds(made), commands(made, Sound)) == (["door.forced"], [Sound("north", True)])
    assert [each.reason for each in commands(made, Indicate)] == [Reason.DOOR_FORCED]
    assert kinds(_contact(bench, False)) == ["door.forced_clear"]


def test_opening_soon_after_a_release_ended_is_not_forced():
    bench = _released()
    _due(bench.wait(5_000))
    assert kinds(_contact(bench.wait(5_000), True)) == ["access.taken"]
    late = _released()
    _due(late.wait(5_000))
    assert kinds(_contact(late.wait(5_001), True)) == ["door.forced"]


def test_a_leaf_found_open_at_start_is_not_called_forced():
    bench = Bench()
    bench.go(Started("power", "0.1", ()))
    assert kinds(_contact(bench.wait(10_000), True)) == ["access.taken"]
    late = Bench()
    late.go(Started("power", "0.1", ()))
    assert kinds(_contact(late.wait(10_001), True)) == ["door.forced"]


def test_a_leaf_held_open_warns_and_then_alarms_and_clears():
    bench = _released()
    made = _contact(bench, True)
    assert SetTimer(Timer.DOOR, "d1", bench.now_ms + 20_000) in made.commands
    warned = _due(bench.wait(20_000))
    assert ([each.reason for each in commands(warned, Indicate)], kinds(warned)) == ([Reason.DOOR_HELD], [])
    assert SetTimer(Timer.DOOR, "d1", bench.now_ms + 10_000) in warned.commands
    assert _due(bench.wait(9_999)).entries == ()
    assert kinds(_due(bench.wait(1))) == ["door.held"]
    assert kinds(_contact(bench, False)) == ["door.held_clear"]


def test_a_leaf_shut_in_time_raises_nothing():
    bench = _released()
    _contact(bench, True)
    _contact(bench.wait(19_999), False)
    assert _due(bench.wait(60_000)).entries == ()


def test_a_fault_refuses_entry_until_it_heals_and_never_exit():
    bench = ready_bench()
    made = bench.go(DoorFaulted("d1", "read-back differs", False))
    assert (kinds(made), made.entries[0].body["what"]) == (["door.fault"], "read-back differs")
    assert bench.state.doors["d1"].fault == "read-back differs"
    assert decided(bench.tap(facts()))["reason"] == "door_fault"
    assert decided(bench.tap(facts(), door="d2"))["decision"] == "granted", "another door goes on"
    assert commands(bench.tap(facts(), side=Side.EXIT), ReleaseExit)
    assert bench.go(DoorFaulted("d1", "again", False)).entries == ()
    assert kinds(bench.go(DoorFaulted("d1", None, False))) == ["door.fault_clear"]
    assert decided(bench.tap(facts()))["decision"] == "granted"


def test_a_fault_of_a_released_door_locks_it():
    bench = _released()
    assert Lock("d1") in bench.go(DoorFaulted("d1", "line short", False)).commands


def test_a_door_that_heals_open_is_forced():
    bench = ready_bench()
    bench.go(DoorFaulted("d1", "line open", True))
    made = bench.go(DoorFaulted("d1", None, True))
    assert (kinds(made), commands(made, Sound)) == (["door.fault_clear", "door.forced"], [Sound("north", True)])


def test_fire_refuses_entry_at_every_door_and_suppresses_false_alarms():
    bench = ready_bench()
    assert kinds(bench.go(DoorMoved("d3", DoorInput.FIRE, True))) == ["fire.signalled"]
    assert bench.go(DoorMoved("d3", DoorInput.FIRE, True)).entries == ()
    assert decided(bench.tap(facts()))["reason"] == "fire_release"
    made = _contact(bench, True)
    assert (kinds(made), commands(made, Sound)) == (["door.opened_in_fire"], [])
    assert commands(bench.tap(facts(), side=Side.EXIT), ReleaseExit)
    assert kinds(bench.go(DoorMoved("d3", DoorInput.FIRE, False))) == ["fire.cleared"]
    assert decided(bench.tap(facts()))["decision"] == "granted"


def test_the_exit_stays_released_while_fire_is_signalled():
    bench = ready_bench()
    made = bench.go(DoorMoved("d1", DoorInput.FIRE, True))
    for _ in range(3):
        (release,) = commands(made, ReleaseExit)
        (due,) = [each for each in commands(made, SetTimer) if each.timer is Timer.FIRE]
        assert bench.now_ms < due.due_ms < release.until_ms, "said again before it ends"
        bench.now_ms = due.due_ms
        made = bench.go(TimerDue(Timer.FIRE, "d1"))
    bench.go(DoorMoved("d1", DoorInput.FIRE, False))
    assert bench.go(TimerDue(Timer.FIRE, "d1")).commands == ()


@pytest.mark.parametrize("phase", Phase, ids=lambda each: each.value)
def test_the_exit_button_releases_at_once_in_every_phase(phase):
    bench = ready_bench()
    bench.state = replace(bench.state, doors={**bench.state.doors, "d1": DoorState(phase)})
    made = bench.go(DoorMoved("d1", DoorInput.REX, True))
    assert commands(made, ReleaseExit) == [ReleaseExit("d1", bench.now_ms + 5_000)]
    assert kinds(made) == ["exit.requested"]


def test_a_button_let_go_and_a_bolt_that_moves_release_nothing():
    bench = ready_bench()
    for line in (DoorInput.REX, DoorInput.BOLT):
        assert bench.go(DoorMoved("d1", line, False)).commands == ()
    assert bench.go(DoorMoved("d1", DoorInput.BOLT, True)).commands == ()


def test_leaving_is_recorded_as_leaving():
    bench = ready_bench()
    bench.go(DoorMoved("d1", DoorInput.REX, True))
    made = _contact(bench, True)
    assert (kinds(made), made.entries[0].body["exit"]) == (["access.taken"], True)


def test_a_trip_shuts_a_released_door_to_entry_and_lets_the_leaving_out():
    bench = begun_bench()
    bench.tap(facts("w2"))
    bench.record()
    made = bench.block("gas1", 101)
    assert {each.door for each in commands(made, Lock)} == {"d1", "d2"}
    assert bench.state.doors["d1"].phase is P.LOCKED_SHUT
    assert not commands(made, Unlock)
    assert commands(bench.tap(facts("w2"), side=Side.EXIT), ReleaseExit)
    assert kinds(_contact(bench, True)) == ["access.taken"], "leaving after a trip is not forcing"
