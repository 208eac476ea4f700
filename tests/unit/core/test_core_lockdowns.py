"""A lock-down: entry is refused at once and for as long as a named person wants; whoever is inside may leave."""

from dataclasses import replace

import orjson
import pytest
from sites import (
    EPOCH_MS,
    HOUR_MS,
    Bench,
    begun_bench,
    commands,
    decided,
    facts,
    freeze,
    kinds,
    permit,
    ready_bench,
)

from edge.core import codec
from edge.core.decision import decide
from edge.core.doors import Phase
from edge.core.facts import Side, Worker
from edge.core.fold import fold
from edge.core.messages import (
    Answer,
    DoorInput,
    DoorMoved,
    Indicate,
    Light,
    Lock,
    ReleaseExit,
    Unlock,
)
from edge.core.places import Lockdown, PlaceAction
from edge.core.question import Outcome, Question
from edge.core.reasons import Reason
from edge.core.state import Durable
from edge.core.turn import Step

LOCKDOWN, RELEASE = PlaceAction.LOCKDOWN, PlaceAction.RELEASE


def answer(step: Step) -> Answer:
    (found,) = commands(step, Answer)
    return found


def locked(bench: Bench | None = None, area: str = "north") -> Bench:
    """A ready site whose area is locked down."""
    bench = ready_bench() if bench is None else bench
    assert answer(bench.act_on(LOCKDOWN, area)).ok
    return bench


def test_a_lock_down_is_an_entry_with_its_owner_and_reason_and_stands_in_the_state():
    bench = ready_bench()
    (entry,) = bench.act_on(LOCKDOWN, "north").entries
    said = {"by": "g1", "why": "looked at it", "area": "north"}
    assert (entry.kind, entry.body, entry.actor) == ("area.locked_down", said, {"id": "g1"})
    kept = Lockdown(entry.seq, "g1", "looked at it", EPOCH_MS + bench.now_ms)
    assert bench.state.durable.lockdowns == {"north": kept}


def test_entry_is_refused_at_every_door_of_the_area_and_whose_lock_down_it_is_is_said():
    bench = locked()
    number = bench.state.durable.lockdowns["north"].entry
    for door in ("d1", "d2"):
        body = decided(bench.tap(facts(), door))
        assert (body["decision"], body["reasons"]) == ("denied", ["area_locked_down"])
        assert body["failing"] == [["area_locked_down", None, f"{number}, g1"]]


def test_fire_stands_above_a_lock_down_and_gas_below():
    bench = locked()
    bench.block("gas1", 101)
    assert decided(bench.tap(facts()))["reason"] == "area_locked_down"
    bench.go(DoorMoved("d2", DoorInput.FIRE, True))
    assert decided(bench.tap(facts()))["reasons"][:3] == ["fire_release", "area_locked_down", "gas_over_limit"]


def test_another_area_is_not_locked():
    bench = locked(area="south")
    assert decided(bench.tap(facts()))["decision"] == "granted"


def test_neither_guardian_nor_approver_is_noted_at_a_locked_area():
    bench = locked()
    assert decided(bench.tap(facts("g1")))["reason"] == "area_locked_down"
    assert decided(bench.tap(facts("a1", permits=[permit(approver="a1")])))["decision"] == "denied"


def test_a_release_for_entry_ends_in_the_same_step_and_the_door_shows_why():
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    assert bench.state.doors["d1"].phase is Phase.RELEASED
    step = bench.act_on(LOCKDOWN, "north")
    assert kinds(step) == ["area.locked_down", "access.not_taken"]
    assert commands(step, Lock)[0] == Lock("d1")
    shown = {(each.door, each.light, each.reason) for each in commands(step, Indicate)}
    assert shown == {(door, Light.RED, Reason.AREA_LOCKED_DOWN) for door in ("d1", "d2")}
    assert bench.state.doors["d1"].phase is Phase.LOCKED_SHUT


def test_a_grant_that_waits_for_its_record_is_withdrawn():
    bench = ready_bench()
    bench.tap(facts())
    locked(bench)
    step = bench.record()
    assert (commands(step, Unlock), kinds(step)) == ([], ["access.withdrawn"])
    assert step.entries[0].body["reason"] == "area_locked_down"


def test_a_release_for_somebody_who_leaves_runs_on():
    bench = ready_bench()
    bench.tap(facts(), side=Side.EXIT)
    step = bench.act_on(LOCKDOWN, "north")
    assert (commands(step, Lock), bench.state.doors["d1"].phase) == ([], Phase.RELEASED)


def test_exit_tap_button_and_fire_are_free():
    bench = locked()
    assert commands(bench.tap(facts(), side=Side.EXIT), ReleaseExit)
    for line in (DoorInput.REX, DoorInput.FIRE):
        assert commands(bench.go(DoorMoved("d1", line, True)), ReleaseExit)


def test_work_inside_is_not_tripped_by_it():
    bench = locked(begun_bench())
    assert (bench.state.durable.trips, list(bench.state.durable.running)) == ({}, ["P1"])


def test_overtime_is_frozen_all_the_same():
    bench = locked(begun_bench())
    bench.wait(9 * HOUR_MS)
    assert "hold.frozen" in kinds(bench.tap(facts()))


def test_neither_time_nor_hqs_word_nor_its_releases_end_a_lock_down():
    bench = locked()
    bench.authority(permit(), freezes=(freeze("area:north"),), size=6)
    bench.authority(permit(), releases=("f1",), size=7)
    bench.wait(1_000 * HOUR_MS)
    assert list(bench.state.durable.lockdowns) == ["north"]
    assert "area_locked_down" in decided(bench.tap(facts(authority_size=7)))["reasons"]


def test_a_named_person_releases_it_and_entry_is_decided_as_ever():
    bench = locked()
    begun = bench.state.durable.lockdowns["north"].entry
    (entry,) = bench.act_on(RELEASE, "north", by="w2", person=Worker("w2", False), why="leak sealed").entries
    assert (entry.kind, entry.actor) == ("area.released", {"id": "w2"})
    assert entry.body == {"by": "w2", "why": "leak sealed", "area": "north", "locked_down_at": begun}
    assert decided(bench.tap(facts()))["decision"] == "granted"
    assert commands(bench.record(), Unlock)


def test_releasing_opens_nothing_and_lifts_no_freeze():
    bench = locked()
    bench.authority(permit(), freezes=(freeze("area:north"),), size=6)
    step = bench.act_on(RELEASE, "north")
    assert [each for each in step.commands if isinstance(each, Unlock | ReleaseExit)] == []
    assert decided(bench.tap(facts(authority_size=6)))["reasons"] == ["area_frozen"]


@pytest.mark.parametrize("action", [LOCKDOWN, RELEASE])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"person": None}, "worker_unknown"),
        ({"person": Worker("g1", True)}, "worker_revoked"),
        ({"why": ""}, "reason_missing"),
    ],
)
def test_whoever_is_nobody_or_gives_no_reason_changes_nothing_and_is_recorded(action, changes, reason):
    bench = ready_bench() if action is LOCKDOWN else locked()
    before = bench.state.durable.lockdowns
    step = bench.act_on(action, "north", **changes)
    assert (answer(step).ok, answer(step).reasons) == (False, (reason,))
    (entry,) = step.entries
    assert (entry.kind, entry.body["action"], entry.body["area"]) == ("operator.refused", action.value, "north")
    assert bench.state.durable.lockdowns == before


@pytest.mark.parametrize(
    ("action", "area", "reason"),
    [
        (LOCKDOWN, "north", "area_locked_already"),
        (LOCKDOWN, "nowhere", "area_unknown"),
        (RELEASE, "south", "area_not_locked"),
        (RELEASE, "nowhere", "area_unknown"),
    ],
)
def test_what_cannot_be_is_refused(action, area, reason):
    assert answer(locked().act_on(action, area)).reasons == (reason,)


def test_a_lock_down_of_an_area_that_is_no_longer_configured_can_be_released():
    bench = Bench(durable=Durable(lockdowns={"gone": Lockdown(3, "g1", "why", 0)})).start()
    assert answer(bench.act_on(RELEASE, "gone")).ok


def test_a_lock_down_outlives_a_restart_from_saved_state_and_from_the_journal_alike():
    bench = locked()
    saved = codec.decode(codec.encode(bench.state.durable), Durable)
    assert Bench(durable=saved).start().state.durable.lockdowns == bench.state.durable.lockdowns
    durable = Durable()
    for entry in bench.entries:
        durable = fold(durable, entry)
    assert durable == bench.state.durable


def test_a_decision_under_a_lock_down_is_decided_again_from_its_evidence():
    (entry,) = locked().tap(facts()).entries
    assert entry.evidence is not None
    question = codec.decode(entry.evidence, Question)
    assert decide(question).primary is Reason.AREA_LOCKED_DOWN
    assert decide(replace(question, locked_down=None)).outcome is Outcome.GRANTED


def test_evidence_and_saved_state_of_earlier_versions_have_no_lock_down():
    (entry,) = [each for each in ready_bench().tap(facts()).entries if each.kind == "access.decided"]
    question, durable = orjson.loads(entry.evidence), orjson.loads(codec.encode(Durable()))
    del question["locked_down"]
    del durable["lockdowns"]
    assert codec.decode(orjson.dumps(question), Question).locked_down is None
    assert codec.decode(orjson.dumps(durable), Durable).lockdowns == {}
