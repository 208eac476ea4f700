"""Trips: an interlock of running work fails. Stopped at once, cleared only by a re-test and a named person."""

from dataclasses import replace

import pytest
from sites import (
    FROM_MS,
    OXYGEN,
    Bench,
    begun_bench,
    build_site,
    commands,
    decided,
    facts,
    freeze,
    kinds,
    permit,
    ready_bench,
)

from edge.core.facts import Worker
from edge.core.messages import Answer, Lock, Noticed, OperatorAction, SetTimer, Sound, Started, Timer, TimerDue, Unlock
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.core.state import Running

RETEST, RELEASE, CONFIRM = OperatorAction.RETEST, OperatorAction.RELEASE, OperatorAction.CONFIRM


def _answer(made):
    (answer,) = commands(made, Answer)
    return answer.ok, list(answer.reasons)


def _tripped():
    bench = begun_bench()
    bench.block("gas1", 101)
    bench.record()
    return bench


def test_over_the_limit_sounds_and_locks_and_records_in_the_same_step():
    bench = begun_bench()
    made = bench.block("gas1", 101)
    assert kinds(made) == ["permit.tripped"]
    assert {each.door for each in commands(made, Lock)} == {"d1", "d2"}
    assert commands(made, Sound) == [Sound("north", True)]
    body = made.entries[0].body
    assert (body["reason"], body["steps"], body["highest_good"]) == ("gas_over_limit", 101, 100)
    assert made.entries[0].permit == "P1"


def test_at_the_limit_nothing_trips():
    made = begun_bench().block("gas1", 100)
    assert (made.entries, commands(made, Sound), commands(made, Lock)) == ((), [], [])


def test_a_reading_is_judged_by_its_name_and_not_by_its_place_in_the_block():
    bench = begun_bench()
    block = BlockRead("gas1", ("other", "gas"), (0, 101), (Quality.GOOD,) * 2, MonotonicMs(bench.now_ms))
    assert kinds(bench.go(block)) == ["permit.tripped"]


def test_a_permit_not_begun_is_refused_and_not_tripped():
    bench = ready_bench()
    assert bench.block("gas1", 101).entries == ()
    assert decided(bench.tap(facts()))["reasons"] == ["gas_over_limit"]
    bench.block("gas1", 100)
    assert decided(bench.tap(facts()))["decision"] == "granted"


@pytest.mark.parametrize(
    "quality",
    [Quality.DEVICE_FAULT, Quality.WARMING_UP, Quality.INHIBITED, Quality.OUT_OF_RANGE, Quality.DECODE_FAIL],
)
def test_a_device_that_says_that_it_cannot_measure_trips_at_once(quality):
    made = begun_bench().block("gas1", None, quality)
    assert kinds(made) == ["permit.tripped"]
    assert made.entries[0].body["reason"] == f"reading_{quality.value}"


def test_a_lost_poll_trips_only_when_the_last_good_reading_is_stale():
    bench = begun_bench()
    assert bench.wait(30_000).block("gas1", None, Quality.COMM_FAIL).entries == ()
    made = bench.wait(1).block("gas1", None, Quality.COMM_FAIL)
    assert made.entries[0].body["reason"] == "reading_stale"


def test_a_device_that_falls_silent_trips_by_its_timer():
    bench = begun_bench()
    made = bench.block("gas1", 30)
    assert SetTimer(Timer.STALE, "gas1", bench.now_ms + 30_001) in made.commands
    assert bench.wait(30_000).go(TimerDue(Timer.STALE, "gas1")).entries == ()
    made = bench.wait(1).go(TimerDue(Timer.STALE, "gas1"))
    assert (kinds(made), made.entries[0].body["reason"]) == (["permit.tripped"], "reading_stale")


def test_a_device_that_is_silent_from_the_moment_work_begins_trips_too():
    bench = ready_bench()
    heard_ms = bench.now_ms
    bench.wait(10_000).tap(facts())
    made = bench.record()
    due = {each.subject: each.due_ms for each in commands(made, SetTimer) if each.timer is Timer.STALE}
    assert due == {"gas1": heard_ms + 30_001, "wind1": heard_ms + 30_001}


def test_running_work_found_at_a_restart_is_watched_from_the_start():
    bench = Bench(durable=begun_bench().state.durable)
    bench.go(Noticed("hq.lost", "hq", "no answer"))
    made = bench.authority(permit())
    timers = [each for each in commands(made, SetTimer) if each.timer is Timer.STALE]
    assert {each.subject for each in timers} == {"gas1", "wind1"}
    made = bench.wait(30_001).go(TimerDue(Timer.STALE, "gas1"))
    assert (kinds(made), made.entries[0].body["reason"]) == (["permit.tripped"], "reading_never_read")


def test_wind_trips_running_work_too():
    assert begun_bench().block("wind1", 79).entries == ()
    assert kinds(begun_bench().block("wind1", 80)) == ["permit.tripped"]


def test_readings_of_another_area_trip_nothing():
    assert begun_bench().block("gas2", 900).entries == ()


def test_oxygen_trips_at_both_ends():
    for steps, reason in ((194, "oxygen_low"), (211, "oxygen_high")):
        bench = Bench(build_site({"north": (OXYGEN,)}, {"d1": "north"})).start()
        p1 = permit(permit_type="70")
        bench.authority(p1)
        demands = bench.state.site.areas["north"].demands["70"]
        assert demands.quantities() == ("combustible",)
        bench.record()
        bench.state = replace(
            bench.state, durable=replace(bench.state.durable, running={"P1": Running("P1", 0, "70", ("north",))})
        )
        bench.authority(p1, size=7)
        bench.settle(oxygen1=200)
        assert bench.block("oxygen1", steps).entries[0].body["reason"] == reason


def test_tripped_work_stays_tripped_when_the_gas_clears():
    bench = _tripped()
    bench.wait(1_000).settle(gas1=10, wind1=30)
    bench.record()
    assert decided(bench.tap(facts()))["reasons"] == ["permit_tripped"]
    assert bench.state.sirens["north"] is True
    assert bench.state.durable.trips["P1"].retest is None


def test_a_passing_re_test_silences_and_a_named_release_lets_in_again():
    bench = _tripped()
    bench.wait(1_000).settle(gas1=10, wind1=30)
    bench.record()
    made = bench.act(RETEST)
    assert (_answer(made), kinds(made), made.entries[0].body["passed"]) == ((True, []), ["permit.retested"], True)
    assert commands(made, Sound) == [Sound("north", False)]
    assert made.entries[0].actor == {"id": "g1"}
    assert decided(bench.tap(facts()))["reasons"] == ["permit_tripped"], "a re-test alone opens nothing"
    made = bench.act(RELEASE)
    assert (_answer(made), kinds(made)) == ((True, []), ["permit.trip_released"])
    bench.tap(facts())
    assert commands(bench.record(), Unlock)


def test_a_re_test_while_the_gas_is_over_fails_and_says_why():
    bench = _tripped()
    made = bench.act(RETEST)
    assert _answer(made) == (False, ["gas_over_limit"])
    assert (made.entries[0].body["passed"], bench.state.durable.trips["P1"].retest) == (False, None)
    assert bench.state.sirens["north"] is True


@pytest.mark.parametrize(("good_ms", "passed"), [(59_999, False), (60_000, True)])
def test_a_re_test_passes_only_when_the_readings_were_good_for_the_hold_off(good_ms, passed):
    bench = _tripped()
    bench.wait(1_000).settle(50_000, gas1=10, wind1=30)
    bench.wait(good_ms - 50_000)
    expected = (True, []) if passed else (False, ["reading_settling"])
    assert _answer(bench.act(RETEST)) == expected


def test_a_gust_inside_the_hold_off_begins_it_again():
    bench = _tripped()
    bench.wait(1_000).settle(50_000, gas1=10, wind1=30)
    bench.block("gas1", 150)
    bench.wait(10_000).block("gas1", 10)
    bench.block("wind1", 30)
    assert _answer(bench.act(RETEST)) == (False, ["reading_settling"])


def test_a_re_test_while_the_device_is_silent_fails():
    bench = _tripped()
    bench.wait(31_000)
    ok, reasons = _answer(bench.act(RETEST))
    assert (ok, "reading_stale" in reasons) == (False, True)


def test_a_release_without_a_re_test_is_refused():
    bench = _tripped()
    bench.wait(1_000).settle(gas1=10, wind1=30)
    made = bench.act(RELEASE)
    assert (_answer(made), kinds(made)) == ((False, ["retest_missing"]), ["operator.refused"])
    assert "P1" in bench.state.durable.trips


def test_a_failed_re_test_does_not_count_for_the_release():
    bench = _tripped()
    bench.act(RETEST)
    bench.wait(1_000).settle(gas1=10, wind1=30)
    assert _answer(bench.act(RELEASE)) == (False, ["retest_missing"])


def test_a_new_excess_after_the_re_test_trips_again_and_needs_another():
    bench = _tripped()
    bench.wait(1_000).settle(gas1=10, wind1=30)
    bench.act(RETEST)
    made = bench.block("gas1", 101)
    assert (kinds(made), commands(made, Sound)) == (["permit.tripped"], [Sound("north", True)])
    assert _answer(bench.act(RELEASE)) == (False, ["gas_over_limit", "retest_missing"])
    bench.wait(1_000).settle(gas1=10, wind1=30)
    assert _answer(bench.act(RELEASE)) == (False, ["retest_missing"])


def test_a_release_while_the_condition_is_bad_is_refused():
    bench = _tripped()
    bench.wait(1_000).settle(gas1=10, wind1=30)
    bench.act(RETEST)
    bench.block("gas1", None, Quality.COMM_FAIL)
    assert _answer(bench.act(RELEASE)) == (False, ["reading_comm_fail"])


def test_a_release_that_comes_too_late_after_its_re_test_finds_the_trip_anew():
    """Nothing was heard since: the timer may still be on its way, the person is not let past it."""
    bench = _tripped()
    bench.wait(1_000).settle(gas1=10, wind1=30)
    assert _answer(bench.act(RETEST)) == (True, [])
    bench.wait(30_001)
    made = bench.act(RELEASE)
    assert kinds(made) == ["permit.tripped", "operator.refused"]
    assert _answer(made) == (False, ["reading_stale", "retest_missing"])
    assert commands(made, Sound) == [Sound("north", True)]


def test_settling_is_part_of_the_hold_off_and_does_not_double_it():
    bench = begun_bench()
    bench.block("gas1", None, Quality.DEVICE_FAULT)
    bench.wait(10_000).settle(60_000, gas1=10, wind1=30)
    assert _answer(bench.act(RETEST)) == (True, [])


def test_a_trip_of_work_that_is_bound_to_one_device_without_a_window_can_be_lifted():
    bench = Bench().start()
    p1 = permit(areas=("south",))
    bench.authority(p1)
    bench.record()
    bench.settle(gas2=20)
    for name in ("g1", "w1"):
        bench.tap(facts(name, [p1]), door="d3")
    bench.record()
    bench.block("gas2", 101)
    assert set(bench.state.durable.trips) == {"P1"}
    bench.wait(1_000).settle(gas2=20)
    assert (_answer(bench.act(RETEST)), _answer(bench.act(RELEASE))) == ((True, []), (True, []))


def test_a_trip_shuts_the_doors_of_every_area_of_the_permit():
    bench = Bench().start()
    p1 = permit(areas=("south", "north"))
    bench.authority(p1)
    bench.record()
    bench.settle(gas1=30, wind1=40, gas2=20)
    for name in ("g1", "w1"):
        bench.tap(facts(name, [p1]))
    bench.record()
    made = bench.block("gas1", 101)
    assert {each.door for each in commands(made, Lock)} == {"d1", "d2", "d3"}
    assert set(commands(made, Sound)) == {Sound("north", True), Sound("south", True)}


@pytest.mark.parametrize("action", OperatorAction)
@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"person": None}, ["worker_unknown"]),
        ({"person": Worker("g1", True)}, ["worker_revoked"]),
        ({"why": "  "}, ["reason_missing"]),
        ({"name": "P9"}, ["permit_unknown"]),
        ({"person": None, "why": "", "name": "P9"}, ["worker_unknown", "reason_missing", "permit_unknown"]),
    ],
)
def test_nobody_acts_without_a_name_a_reason_and_a_permit(action, changes, reasons):
    bench = _tripped()
    bench.wait(1_000).settle(gas1=10, wind1=30)
    before = bench.state.durable.trips
    made = bench.act(action, **changes)
    assert (_answer(made), kinds(made)) == ((False, reasons), ["operator.refused"])
    assert bench.state.durable.trips == before


@pytest.mark.parametrize("action", OperatorAction)
def test_whoever_is_frozen_acts_on_nothing(action):
    bench = _tripped()
    bench.authority(permit(), size=6, freezes=(freeze("worker:g1"),))
    bench.wait(1_000).settle(gas1=10, wind1=30)
    assert _answer(bench.act(action)) == (False, ["worker_frozen"])
    bench.authority(permit(), size=7, releases=("f1",))
    assert "worker_frozen" not in _answer(bench.act(action))[1]


@pytest.mark.parametrize("action", [RETEST, RELEASE])
def test_what_is_not_tripped_is_neither_re_tested_nor_released(action):
    assert _answer(begun_bench().act(action)) == (False, ["not_tripped"])


def test_only_the_guardian_confirms():
    bench = begun_bench()
    assert _answer(bench.act(CONFIRM, by="w1")) == (False, ["not_guardian"])
    made = bench.act(CONFIRM)
    assert (_answer(made), kinds(made)) == ((True, []), ["permit.confirmed"])


def test_a_release_of_a_trip_lifts_no_freeze():
    bench = _tripped()
    bench.authority(permit(), size=6, freezes=(freeze("permit:P1"),))
    bench.wait(1_000).settle(gas1=10, wind1=30)
    bench.act(RETEST)
    bench.act(RELEASE)
    bench.record()
    assert decided(bench.tap(facts(authority_size=6)))["reasons"] == ["permit_frozen"]


def test_the_entry_that_begins_work_says_what_it_is_bound_to_here():
    bench = ready_bench()
    p1 = permit(areas=("elsewhere", "north"))
    bench.authority(p1, size=6)
    told = {"permits": [p1], "authority_size": 6}
    bench.tap(facts("g1", **told))
    bench.tap(facts(**told))
    (begun,) = [each for each in bench.record().entries if each.kind == "permit.begun"]
    assert (begun.body["permit_type"], begun.body["areas"]) == ("02", ["north"])


def test_closing_ends_the_trip_and_the_siren():
    bench = _tripped()
    bench.wait(1_000).settle(gas1=10, wind1=30)
    assert set(bench.state.clear_since) == {"P1"}
    made = bench.authority(permit(status=4), size=6)
    assert "permit.closed" in kinds(made)
    assert commands(made, Sound) == [Sound("north", False)]
    assert (bench.state.durable.running, bench.state.durable.trips) == ({}, {})
    assert (bench.state.watched, bench.state.clear_since) == ({}, {})


@pytest.mark.parametrize("complete", [True, False])
def test_nothing_is_kept_of_permits_that_closed_before_work_began(complete):
    """Permits come and go for years: what was noted of one goes with it, or start and memory grow without end."""
    bench = ready_bench()
    for number in range(2, 30):
        size = 2 * number + 5
        p = permit(f"P{number}", permit_type="21")
        bench.authority(permit(), p, size=size)
        bench.tap(facts("g1", [p], authority_size=size))
        bench.act(CONFIRM, name=p.permit)
        named = [] if complete else [replace(p, status=4)]
        bench.authority(*([permit()] if complete else named), size=size + 1, complete=complete)
        assert (bench.entries[-1].kind, bench.entries[-1].permit) == ("permit.closed", p.permit)
    assert (set(bench.state.durable.guardians), set(bench.state.durable.harness)) == ({"P1"}, set())


@pytest.mark.parametrize("taken_back", [{"status": 3}, {"status": 4}, {"status": 5}, {"revoked": True}])
def test_nothing_is_written_into_the_chain_of_a_closed_permit(taken_back):
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    bench.tap(facts("w2"))
    bench.authority(permit(**taken_back), size=6)
    assert [entry.kind for entry in bench.entries if entry.permit][-1] == "permit.closed"
    told = facts(permits=[permit(**taken_back)], authority_size=6)
    later = [*bench.record().entries, *bench.tap(told).entries, *bench.tap(told, door="d3").entries]
    assert [entry.kind for entry in later] == ["access.withdrawn", "access.decided", "access.decided"]
    assert {entry.permit for entry in later} == {None}


def test_a_trip_outlives_a_restart_and_sounds_before_anything_is_heard_of_hq():
    bench = Bench(durable=_tripped().state.durable)
    made = bench.go(Started("crash", "0.1", ()))
    assert commands(made, Sound) == [Sound("north", True)]
    bench.authority(permit())
    assert "permit_tripped" in decided(bench.tap(facts()))["reasons"]
    assert bench.state.sirens["north"] is True


@pytest.mark.parametrize("cache", [None, 0, 5])
def test_running_work_is_watched_after_a_restart_whatever_is_left_of_the_cache(cache):
    """A lost or damaged cache of HQ's word takes no protection from those who are inside."""
    bench = Bench(durable=begun_bench().state.durable).start()
    if cache is not None:
        bench.authority(*([permit()] if cache else []), size=cache)
    bench.block("gas1", 30)
    made = bench.block("gas1", 101)
    assert kinds(made) == ["permit.tripped"]
    assert (commands(made, Sound), {each.door for each in commands(made, Lock)}) == (
        [Sound("north", True)],
        {"d1", "d2"},
    )


def test_running_work_whose_device_stays_silent_after_a_restart_trips_without_hqs_word():
    bench = Bench(durable=begun_bench().state.durable)
    made = bench.go(Started("crash", "0.1", ()))
    assert SetTimer(Timer.STALE, "gas1", bench.now_ms + 30_001) in made.commands
    bench.wait(30_000)
    assert kinds(bench.block("wind1", 30)) == [], "a restart alone trips nothing: the other device is waited for"
    bench.wait(1)
    assert kinds(bench.go(TimerDue(Timer.STALE, "gas1"))) == ["permit.tripped"]


def test_work_that_begins_on_facts_newer_than_the_controllers_is_watched():
    """The cache may have a permit before the controller is told of it, and the telling may be lost."""
    bench = ready_bench()
    p2 = permit("P2")
    told = {"permits": [p2], "authority_size": 6}
    bench.tap(facts("g1", **told))
    bench.tap(facts("w1", **told))
    assert "permit.begun" in kinds(bench.record())
    made = bench.block("gas1", 101)
    assert [each.permit for each in made.entries if each.kind == "permit.tripped"] == ["P2"]
    assert commands(made, Sound) == [Sound("north", True)]


def test_polls_that_fail_put_off_no_trip():
    """The trip is due when the last good reading is stale, however often the bus says that it heard nothing."""
    bench = begun_bench()
    good_ms = bench.now_ms
    for _ in range(3):
        bench.wait(10_000).block("wind1", 30)
        made = bench.block("gas1", None, Quality.COMM_FAIL)
        assert SetTimer(Timer.STALE, "gas1", good_ms + 30_001) in made.commands
    bench.wait(1)
    assert kinds(bench.go(TimerDue(Timer.STALE, "gas1"))) == ["permit.tripped"]


def test_a_permit_that_hq_binds_to_a_device_already_silent_trips():
    """The device's timer ran out long ago, for another permit: it runs anew for this one."""
    bench = Bench().start()
    p1, p2 = permit(), permit("P2", areas=("south",), guardians=("g2",))
    bench.authority(p1, p2)
    bench.record()
    bench.settle(gas1=30, wind1=40, gas2=20)
    for name in ("g1", "w1"):
        bench.tap(facts(name, [p1]))
        bench.tap(facts(name.replace("g1", "g2"), [p2]), door="d3")
    bench.record()
    bench.wait(30_001)
    for device in ("gas1", "wind1"):
        bench.go(TimerDue(Timer.STALE, device))
    assert set(bench.state.durable.trips) == {"P1"}
    made = bench.authority(p1, replace(p2, areas=("north",)), size=6)
    assert SetTimer(Timer.STALE, "gas1", bench.now_ms) in made.commands
    assert [each.permit for each in bench.go(TimerDue(Timer.STALE, "gas1")).entries] == ["P2"]


def test_a_suspended_permit_that_runs_is_still_watched():
    bench = begun_bench()
    bench.authority(permit(status=6), size=6)
    assert kinds(bench.block("gas1", 101)) == ["permit.tripped"]


def test_a_cache_that_is_behind_what_was_believed_changes_nothing():
    bench = begun_bench()
    before = bench.state.permits
    made = bench.authority(size=4)
    assert kinds(made) == ["authority.behind"]
    assert bench.state.permits == before


def test_many_freezes_are_split_over_entries_and_none_is_lost():
    bench = ready_bench()
    released = tuple(f"r{n}" for n in range(41))
    made = bench.authority(
        permit(), size=6, freezes=tuple(freeze(f"worker:x{n}", f"f{n}") for n in range(95)), releases=released
    )
    assert kinds(made) == ["authority.applied"] * 10
    assert len(list(bench.state.durable.freezes.standing())) == 95
    assert bench.state.durable.freezes.released == set(released)


def test_word_that_is_told_again_is_recorded_once():
    """The cache is read whole at each start and at each poll: what is known already is no news."""
    bench = ready_bench()
    told = {"freezes": (freeze("worker:x1", "f1"), freeze("worker:x2", "f2")), "releases": ("f2", "f3")}
    assert kinds(bench.authority(permit(), size=6, **told)) == ["authority.applied"]
    durable = bench.state.durable
    assert (durable.authority_size, durable.authority_root, durable.fresh_ms) == (6, "root6", FROM_MS)
    assert kinds(bench.authority(permit(), size=6, **told)) == []
    assert bench.state.durable == durable


@pytest.mark.parametrize(("younger_ms", "recorded"), [(299_999, []), (300_000, ["authority.applied"])])
def test_a_younger_word_of_hq_is_recorded_each_five_minutes(younger_ms, recorded):
    bench = ready_bench()
    made = bench.authority(permit(), fresh_ms=FROM_MS + younger_ms)
    assert kinds(made) == recorded
    assert bench.state.durable.fresh_ms == (FROM_MS + younger_ms if recorded else FROM_MS)


def test_a_device_that_does_not_answer_after_a_start_has_no_last_reading_to_go_on_with():
    bench = Bench(durable=begun_bench().state.durable).start()
    assert kinds(bench.block("gas1", None, Quality.COMM_FAIL)) == ["permit.tripped"]


def test_the_heartbeat_beats_on():
    bench = ready_bench()
    made = bench.go(TimerDue(Timer.BEAT, ""))
    assert (kinds(made), commands(made, SetTimer)[0].due_ms) == (["log.heartbeat"], bench.now_ms + 900_000)
