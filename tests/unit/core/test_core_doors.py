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
    (P.LOCKED_SHUT, E.FOUND_OPEN): (P.OPEN, []),
    (P.RELEASED, E.RELEASE): (P.RELEASED, []),
    (P.RELEASED, E.OPENED): (P.OPEN, [F.TAKEN, F.RELOCK]),
    (P.RELEASED, E.OPENED_IN_GRACE): (P.OPEN, [F.TAKEN, F.RELOCK]),
    (P.RELEASED, E.FOUND_OPEN): (P.OPEN, [F.TAKEN, F.RELOCK]),
    (P.RELEASED, E.ELAPSED): (P.LOCKED_SHUT, [F.RELOCK, F.NOT_TAKEN]),
    **{(phase, E.RELEASE): (phase, [F.TAKEN]) for phase in (P.OPEN, P.OPEN_PREALARM, P.OPEN_TOO_LONG, P.FORCED_OPEN)},
    (P.OPEN, E.SHUT): (P.LOCKED_SHUT, [F.RELOCK]),
    (P.OPEN, E.ELAPSED): (P.OPEN_PREALARM, [F.PREALARM]),
    (P.OPEN_PREALARM, E.SHUT): (P.LOCKED_SHUT, [F.RELOCK]),
    (P.OPEN_PREALARM, E.ELAPSED): (P.OPEN_TOO_LONG, [F.HELD]),
    (P.OPEN_TOO_LONG, E.SHUT): (P.LOCKED_SHUT, [F.RELOCK, F.HELD_CLEAR]),
    (P.FORCED_OPEN, E.SHUT): (P.LOCKED_SHUT, [F.RELOCK, F.FORCED_CLEAR]),
}
"""access.md 5.3, written down a second time by hand."""


@pytest.mark.parametrize(("phase", "event"), list(product(Phase, Event)), ids=lambda each: each.value)
def test_every_pair_does_what_is_listed_or_changes_nothing(phase, event):
    door = DoorState(phase, (Passage(3, "P1", "w1"),), 500, 900, None, heard=True)
    after, effects = advance(door, event, DOOR_TIMING, 1_000)
    if (phase, event) in LISTED:
        assert (after.phase, list(effects)) == LISTED[phase, event]
    else:
        assert (after, effects) == (door, ())


def test_the_table_lists_nothing_else():
    assert LISTED.keys() == TRANSITIONS.keys()


@pytest.mark.parametrize(("grace_until_ms", "event"), [(None, E.OPENED), (999, E.OPENED), (1_000, E.OPENED_IN_GRACE)])
def test_grace_ends_at_its_time(grace_until_ms, event):
    assert opened(DoorState(P.LOCKED_SHUT, grace_until_ms=grace_until_ms, heard=True), 1_000) is event
    assert opened(DoorState(P.LOCKED_SHUT, grace_until_ms=grace_until_ms), 1_000) is E.FOUND_OPEN


@pytest.mark.parametrize("phase", Phase, ids=lambda each: each.value)
def test_only_phases_that_end_by_themselves_have_a_due_time(phase):
    into = [(pair, after) for pair, (after, _) in LISTED.items() if after is phase]
    for (before, event), _ in into:
        after, _ = advance(DoorState(before), event, DOOR_TIMING, 1_000)
        kept = event is E.RELEASE and before is not P.LOCKED_SHUT and before is not P.RELEASED
        timed = phase in (P.RELEASED, P.OPEN, P.OPEN_PREALARM) and not kept
        assert (after.due_ms is not None) is timed


def _contact(bench, is_open, door="d1"):
    return bench.go(DoorMoved(door, DoorInput.CONTACT, is_open))


def _due(bench, door="d1"):
    return bench.go(TimerDue(Timer.DOOR, door))


def _bodies(made, kind):
    return [each.body for each in made.entries if each.kind == kind]


def _shut():
    """All is good for entry, and d1's contact has said that it is shut."""
    bench = ready_bench()
    _contact(bench, False)
    return bench


def _released():
    bench = _shut()
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
    ended = _due(bench.wait(1_000))
    assert [each["worker"] for each in _bodies(ended, "access.not_taken")] == ["w1", "w2"], "each grant has its end"


def test_one_who_taps_again_and_again_is_one_passage_and_each_grant_has_its_end():
    bench = _released()
    ends = []
    for _ in range(50):
        bench.wait(100).tap(facts())
        ends += _bodies(bench.record(), "access.not_taken")
    assert len(bench.state.doors["d1"].passages) == 1
    ends += _bodies(_contact(bench, True), "access.taken")
    assert len({each["entry"] for each in ends}) == len(ends) == 51


def test_a_button_pressed_again_and_again_is_one_exit():
    bench = _shut()
    for _ in range(5):
        made = bench.go(DoorMoved("d1", DoorInput.REX, True))
        assert kinds(made) == ["exit.requested"]
    assert kinds(_contact(bench, True)) == ["access.taken"]


def test_two_that_were_granted_pass_one_opening_and_both_are_recorded():
    bench = _released()
    bench.wait(500).tap(facts("w2"))
    bench.record()
    taken = _bodies(_contact(bench, True), "access.taken")
    assert [(each["worker"], each["exit"]) for each in taken] == [("w1", False), ("w2", False)]
    assert len({each["entry"] for each in taken}) == 2


def test_a_grant_while_the_leaf_is_open_does_not_outlive_the_leaf():
    bench = _released()
    _contact(bench, True)
    bench.tap(facts("w2"))
    made = bench.record()
    assert commands(made, Unlock)
    assert [each["worker"] for each in _bodies(made, "access.taken")] == ["w2"], "the leaf stands open"
    assert commands(_contact(bench.wait(1_000), False), Lock) == [Lock("d1")]


def test_opening_without_leave_is_forced_and_sounds_until_it_times_out():
    bench = _shut()
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


@pytest.mark.parametrize("after_ms", [10, 60_000])
def test_a_leaf_found_open_at_start_is_open_and_nobody_passed(after_ms):
    bench = Bench()
    bench.go(Started("power", "0.1", ()))
    made = _contact(bench.wait(after_ms), True)
    assert (kinds(made), bench.state.doors["d1"].phase) == ([], P.OPEN)
    assert kinds(_due(bench.wait(20_000))) == []
    assert kinds(_due(bench.wait(10_000))) == ["door.held"]
    assert kinds(_contact(bench, False)) == ["door.held_clear"]
    assert kinds(_contact(bench, True)) == ["door.forced"]


def test_a_leaf_that_opens_soon_after_the_start_is_not_called_forced():
    bench = Bench()
    bench.go(Started("power", "0.1", ()))
    _contact(bench, False)
    assert kinds(_contact(bench.wait(10_000), True)) == ["access.taken"]
    late = Bench()
    late.go(Started("power", "0.1", ()))
    _contact(late, False)
    assert kinds(_contact(late.wait(10_001), True)) == ["door.forced"]


@pytest.mark.parametrize("phase", [P.OPEN, P.OPEN_PREALARM, P.OPEN_TOO_LONG, P.FORCED_OPEN])
def test_who_asked_to_leave_is_not_forcing_whatever_the_leaf_did_before(phase):
    bench = ready_bench()
    bench.state = replace(bench.state, doors={**bench.state.doors, "d1": DoorState(phase, heard=True)})
    bench.go(DoorMoved("d1", DoorInput.REX, True))
    _contact(bench.wait(500), False)
    assert kinds(_contact(bench.wait(500), True)) == ["access.taken"]


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
    made = bench.go(DoorFaulted("d1", "read-back differs"))
    assert (kinds(made), made.entries[0].body["what"]) == (["door.fault"], "read-back differs")
    assert bench.state.doors["d1"].fault == "read-back differs"
    assert decided(bench.tap(facts()))["reason"] == "door_fault"
    assert decided(bench.tap(facts(), door="d2"))["decision"] == "granted", "another door goes on"
    assert commands(bench.tap(facts(), side=Side.EXIT), ReleaseExit)
    assert bench.go(DoorFaulted("d1", "again")).entries == ()
    assert kinds(bench.go(DoorFaulted("d1", None))) == ["door.fault_clear"]
    assert decided(bench.tap(facts()))["decision"] == "granted"


def test_a_fault_of_a_released_door_locks_it_and_ends_the_release():
    bench = _released()
    made = bench.go(DoorFaulted("d1", "bolt_not_following"))
    assert Lock("d1") in made.commands
    assert [each["worker"] for each in _bodies(made, "access.not_taken")] == ["w1"]


def test_a_fault_that_heals_while_the_leaf_stands_open_leaves_it_open():
    bench = _released()
    _contact(bench, True)
    bench.go(DoorFaulted("d1", "bolt_not_following"))
    made = bench.go(DoorFaulted("d1", None))
    assert (kinds(made), bench.state.doors["d1"].phase) == (["door.fault_clear"], P.OPEN)
    assert kinds(_due(bench.wait(20_000))) == []
    assert kinds(_due(bench.wait(10_000))) == ["door.held"]


def test_a_held_leaf_is_held_through_a_fault():
    bench = _released()
    _contact(bench, True)
    _due(bench.wait(20_000))
    bench.go(DoorFaulted("d1", "bolt_not_following"))
    assert kinds(_due(bench.wait(10_000))) == ["door.held"]
    bench.go(DoorFaulted("d1", None))
    assert kinds(_contact(bench, False)) == ["door.held_clear"]


def test_a_leaf_that_is_forced_during_a_fault_alarms_and_stays_forced():
    bench = _shut()
    bench.go(DoorFaulted("d1", "bolt_not_following"))
    made = _contact(bench, True)
    assert (kinds(made), commands(made, Sound)) == (["door.forced"], [Sound("north", True)])
    assert kinds(bench.go(DoorFaulted("d1", None))) == ["door.fault_clear"]
    assert bench.state.doors["d1"].phase is P.FORCED_OPEN
    assert kinds(_contact(bench, False)) == ["door.forced_clear"]


def test_a_contact_that_is_told_again_changes_nothing():
    """The actuators were started anew while somebody walks through."""
    bench = _released()
    _contact(bench, True)
    bench.go(DoorFaulted("d1", "actuators_lost"))
    assert kinds(_contact(bench, True)) == []
    bench.go(DoorFaulted("d1", None))
    assert bench.state.doors["d1"].phase is P.OPEN


def test_a_leaf_that_shut_while_nobody_could_see_it_is_shut():
    bench = _released()
    _contact(bench, True)
    bench.go(DoorFaulted("d1", "actuators_lost"))
    _contact(bench, False)
    bench.go(DoorFaulted("d1", None))
    assert bench.state.doors["d1"].phase is P.LOCKED_SHUT


def test_fire_refuses_entry_at_every_door_and_suppresses_false_alarms():
    bench = ready_bench()
    assert kinds(bench.go(DoorMoved("d3", DoorInput.FIRE, True))) == ["fire.signalled", "muster.listed"]
    assert bench.go(DoorMoved("d3", DoorInput.FIRE, True)).entries == ()
    assert decided(bench.tap(facts()))["reason"] == "fire_release"
    _contact(bench, False)
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
    stands_open = phase in (P.OPEN, P.OPEN_PREALARM, P.OPEN_TOO_LONG, P.FORCED_OPEN)
    assert kinds(made) == ["exit.requested", *(["access.taken"] if stands_open else [])]


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
