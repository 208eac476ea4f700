"""A forced door alarms until a named person acknowledges it: shut or not, over restarts, and in nobody's way."""

import orjson
import pytest
from sites import EPOCH_MS, Bench, commands, decided, facts, freeze, kinds, permit, ready_bench

from edge.core import codec
from edge.core.clock import ClockInterval, ClockSource
from edge.core.entries import Entry, Stamp
from edge.core.facts import Side, Worker
from edge.core.fold import fold
from edge.core.messages import Answer, DoorInput, DoorMoved, Lock, ReleaseExit, Sound, Timer, TimerDue, Unlock
from edge.core.places import Forced, PlaceAction
from edge.core.readings import UtcMs
from edge.core.state import Durable
from edge.core.turn import Step

ACKNOWLEDGE = PlaceAction.ACKNOWLEDGE


def opens(bench: Bench, door: str = "d1") -> Step:
    return bench.go(DoorMoved(door, DoorInput.CONTACT, True))


def shuts(bench: Bench, door: str = "d1") -> Step:
    return bench.go(DoorMoved(door, DoorInput.CONTACT, False))


def forced(door: str = "d1") -> Bench:
    """A ready site where that door, known to be shut, was forced."""
    bench = ready_bench().wait(10_001)
    bench.settle(gas1=30, wind1=40)
    shuts(bench, door)
    assert "door.forced" in kinds(opens(bench, door))
    return bench


def answer(step: Step) -> Answer:
    (found,) = commands(step, Answer)
    return found


def test_a_forced_door_alarms_with_the_siren_and_the_entry_says_that_it_waits_for_somebody():
    bench = ready_bench().wait(10_001)
    shuts(bench)
    step = opens(bench)
    (entry,) = step.entries
    assert (entry.kind, entry.body) == ("door.forced", {"door": "d1", "area": "north", "latched": True})
    assert commands(step, Sound) == [Sound("north", True)]
    assert bench.state.durable.forced == {"d1": Forced(entry.seq, EPOCH_MS + bench.now_ms)}


def test_the_alarm_stands_though_the_door_was_shut_and_hours_went_by():
    bench = forced()
    assert kinds(shuts(bench)) == ["door.forced_clear"]
    bench.wait(100 * 3_600_000).go(TimerDue(Timer.DOOR, "d1"))
    bench.authority(permit(), size=9)
    assert list(bench.state.durable.forced) == ["d1"]


def test_the_alarm_stands_over_a_restart_from_saved_state_and_from_the_journal_alike():
    bench = forced()
    saved = codec.decode(codec.encode(bench.state.durable), Durable)
    again = Bench(durable=saved).start()
    assert again.state.durable.forced == bench.state.durable.forced
    durable = Durable()
    for entry in bench.entries:
        durable = fold(durable, entry)
    assert durable == bench.state.durable


def test_a_named_person_acknowledges_and_the_entry_says_who_why_and_what():
    bench = forced()
    alarm = bench.state.durable.forced["d1"].entry
    shuts(bench)
    step = bench.act_on(ACKNOWLEDGE, "d1")
    (entry,) = step.entries
    said = {"by": "g1", "why": "looked at it", "door": "d1", "forced": alarm, "phase": "locked_shut"}
    assert (entry.kind, entry.body, entry.actor) == ("door.acknowledged", said, {"id": "g1"})
    assert (answer(step).ok, answer(step).entry) == (True, entry.seq)
    assert bench.state.durable.forced == {}


def test_one_that_is_acknowledged_while_it_stands_open_is_said_to_be_open():
    bench = forced()
    (entry,) = bench.act_on(ACKNOWLEDGE, "d1").entries
    assert entry.body["phase"] == "forced_open"
    assert kinds(shuts(bench)) == ["door.forced_clear"]
    assert bench.state.durable.forced == {}


def test_a_door_forced_again_before_somebody_came_is_one_alarm_and_after_that_another():
    bench = forced()
    first = bench.state.durable.forced["d1"]
    shuts(bench)
    again = opens(bench.wait(20_000))
    assert kinds(again) == ["door.forced"]
    assert bench.state.durable.forced == {"d1": first}
    bench.act_on(ACKNOWLEDGE, "d1")
    shuts(bench)
    later = opens(bench.wait(20_000))
    assert bench.state.durable.forced["d1"].entry == later.entries[0].seq > first.entry


def test_each_door_is_acknowledged_by_itself():
    bench = forced()
    shuts(bench, "d3")
    opens(bench, "d3")
    bench.act_on(ACKNOWLEDGE, "d3")
    assert list(bench.state.durable.forced) == ["d1"]


@pytest.mark.parametrize(
    ("changes", "place", "reason"),
    [
        ({"person": None}, "d1", "worker_unknown"),
        ({"person": Worker("g1", True)}, "d1", "worker_revoked"),
        ({"why": " "}, "d1", "reason_missing"),
        ({}, "d2", "door_not_forced"),
        ({}, "d9", "door_unknown"),
    ],
)
def test_whoever_is_nobody_or_says_nothing_acknowledges_nothing_and_is_recorded(changes, place, reason):
    bench = forced()
    step = bench.act_on(ACKNOWLEDGE, place, **changes)
    assert (answer(step).ok, answer(step).reasons) == (False, (reason,))
    (entry,) = step.entries
    assert (entry.kind, entry.body["action"], entry.body["door"]) == ("operator.refused", "acknowledge", place)
    assert list(bench.state.durable.forced) == ["d1"]


def test_somebody_on_hold_acknowledges_nothing():
    bench = forced()
    bench.authority(permit(), freezes=(freeze("worker:g1"),), size=6)
    assert answer(bench.act_on(ACKNOWLEDGE, "d1")).reasons == ("worker_frozen",)


def test_the_alarm_of_a_door_that_is_no_longer_configured_can_be_acknowledged():
    bench = Bench(durable=Durable(forced={"d9": Forced(3, 0)})).start()
    step = bench.act_on(ACKNOWLEDGE, "d9")
    assert (answer(step).ok, step.entries[0].body["phase"]) == (True, None)


def test_an_alarm_is_no_mode_entry_and_exit_go_on_as_they_are_decided():
    bench = forced()
    shuts(bench)
    bench.tap(facts("g1"))
    assert decided(bench.tap(facts()))["decision"] == "granted"
    assert commands(bench.record(), Unlock)
    assert commands(bench.tap(facts(), side=Side.EXIT), ReleaseExit)
    assert commands(bench.go(DoorMoved("d1", DoorInput.REX, True)), ReleaseExit)


def test_acknowledging_moves_no_lock():
    bench = forced()
    step = bench.act_on(ACKNOWLEDGE, "d1")
    assert [type(each) for each in step.commands if isinstance(each, Unlock | ReleaseExit | Lock)] == []


def test_a_held_door_clears_by_itself_and_waits_for_nobody():
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    opens(bench)
    for after_ms in (20_000, 10_000):
        bench.wait(after_ms).go(TimerDue(Timer.DOOR, "d1"))
    assert [entry.body for entry in bench.entries if entry.kind == "door.held"] == [{"door": "d1", "area": "north"}]
    assert bench.state.durable.forced == {}
    assert kinds(shuts(bench)) == ["door.held_clear"]


def test_a_door_that_opens_during_fire_was_not_forced():
    bench = ready_bench().wait(10_001)
    shuts(bench)
    bench.go(DoorMoved("d2", DoorInput.FIRE, True))
    assert kinds(opens(bench)) == ["door.opened_in_fire"]
    assert bench.state.durable.forced == {}


def test_an_entry_of_an_earlier_version_which_asked_nobody_to_acknowledge_latches_nothing():
    entry = Entry(0, "door.forced", {"door": "d1"}, Stamp(1, 1, "b", "hq", 0))
    assert fold(Durable(), entry).forced == {}


def test_saved_state_of_an_earlier_version_has_no_forced_door():
    old = orjson.loads(codec.encode(Durable()))
    del old["forced"]
    assert codec.decode(orjson.dumps(old), Durable).forced == {}


def test_when_the_time_was_unknown_the_alarm_says_so():
    bench = ready_bench().wait(10_001)
    shuts(bench)
    bench.clock = ClockInterval(UtcMs(0), None, ClockSource.NONE)
    opens(bench)
    assert bench.state.durable.forced["d1"].lowest_ms == 0
