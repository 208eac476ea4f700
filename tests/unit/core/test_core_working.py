"""Work that runs, against the clock (row W06): its end, its records, its breaks, the analysis of each day."""

from dataclasses import replace

import pytest
from sites import (
    EPOCH_MS,
    GAS,
    HOUR_MS,
    OXYGEN,
    POLICY,
    UNTIL_MS,
    Bench,
    begun_bench,
    build_site,
    certificate,
    commands,
    decided,
    facts,
    kinds,
    permit,
    ready_bench,
    replace_site,
)

from edge.core.clock import ClockInterval, ClockSource
from edge.core.messages import Answer, Lock, OperatorAction, SetTimer, Sound, Timer, TimerDue
from edge.core.readings import Quality, UtcMs

MINUTE_MS = 60_000
DAY_MS = 24 * HOUR_MS
CHINA_MS = 8 * HOUR_MS


def work_due(bench: Bench, name: str = "P1"):
    return bench.go(TimerDue(Timer.WORK, name))


def patient(bench: Bench) -> Bench:
    """The same site, where a guardian's tap counts for days."""
    replace_site(bench, policy=replace(POLICY, guardian_ms=30 * DAY_MS))
    return bench


def utc_ms(bench: Bench) -> int:
    return EPOCH_MS + bench.now_ms


def at(bench: Bench, instant_ms: int) -> Bench:
    return bench.wait(instant_ms - utc_ms(bench))


def next_look_ms(made) -> int:
    """When the controller will look again; said twice where what runs changed as well."""
    (due_ms,) = {each.due_ms for each in commands(made, SetTimer) if each.timer is Timer.WORK}
    return due_ms


# ---- the end --------------------------------------------------------------------------------------------------------


def test_work_that_reaches_its_end_is_overdue_at_that_millisecond_and_not_before():
    bench = at(patient(begun_bench()), UNTIL_MS - 1)
    made = work_due(bench)
    assert kinds(made) == []
    assert next_look_ms(made) == bench.now_ms + 1
    made = work_due(bench.wait(1))
    assert kinds(made) == ["permit.overdue"]
    assert (made.entries[0].body["alarm"], made.entries[0].permit) == ("10", "P1")
    assert [each.on for each in commands(made, Sound)] == [True]
    assert {each.door for each in commands(made, Lock)} == {"d1", "d2"}


def test_an_overdue_permit_is_told_once_also_after_a_restart():
    bench = at(begun_bench(), UNTIL_MS)
    work_due(bench)
    assert kinds(work_due(bench.wait(HOUR_MS))) == []
    again = Bench(durable=bench.state.durable)
    again.now_ms = bench.now_ms
    again.start()
    assert kinds(work_due(again)) == []


def test_work_that_ended_while_the_gateway_was_off_is_overdue_at_the_start_even_without_hqs_word():
    again = Bench(durable=begun_bench().state.durable)
    again.now_ms, again.boot_id = UNTIL_MS - EPOCH_MS, "boot-2"
    made = again.go(TimerDue(Timer.WORK, "P1"))
    assert kinds(made) == ["permit.overdue"]


def test_doubt_about_the_time_makes_nothing_overdue():
    bench = at(patient(begun_bench()), UNTIL_MS)
    bench.clock = ClockInterval(UtcMs(UNTIL_MS - 1), UtcMs(UNTIL_MS + 5_000), ClockSource.HQ)
    assert kinds(work_due(bench)) == []
    bench.clock = ClockInterval(UtcMs(UNTIL_MS), UtcMs(UNTIL_MS + 5_000), ClockSource.HQ)
    assert kinds(work_due(bench)) == ["permit.overdue"]


def test_a_clock_that_stepped_back_does_not_take_it_back():
    bench = at(begun_bench(), UNTIL_MS)
    work_due(bench)
    bench.clock = ClockInterval(UtcMs(UNTIL_MS - HOUR_MS), UtcMs(UNTIL_MS - HOUR_MS), ClockSource.HQ)
    assert bench.state.durable.running["P1"].overdue
    assert kinds(work_due(bench)) == []


def test_hqs_earlier_end_moves_the_look():
    bench = begun_bench()
    made = bench.authority(permit(not_after_ms=utc_ms(bench) + 5_000), size=6)
    assert next_look_ms(made) == bench.now_ms + 5_000


# ---- records --------------------------------------------------------------------------------------------------------

SPACE = build_site({"north": (GAS, OXYGEN)}, {"d1": "north"})


def confined_bench() -> Bench:
    """Work in a confined space began just now, its begin being the first record."""
    bench = Bench(SPACE).start()
    p1 = permit(permit_type="70", not_after_ms=UNTIL_MS + DAY_MS)
    bench.authority(p1)
    bench.settle(gas1=30, oxygen1=209)
    bench.record()
    bench.tap(facts("g1", permits=[p1]))
    made = bench.tap(facts(permits=[p1], certificates=(certificate(),)))
    assert decided(made)["reasons"] == []
    bench.record()
    assert "P1" in bench.state.durable.running
    return patient(bench)


def good(bench: Bench) -> Bench:
    bench.block("gas1", 30)
    bench.block("oxygen1", 209)
    return bench


def test_the_readings_of_a_confined_space_are_recorded_before_two_hours_are_full():
    bench = confined_bench()
    bench.wait(2 * HOUR_MS - MINUTE_MS - 1)
    assert kinds(work_due(good(bench))) == []
    made = work_due(good(bench.wait(1)))
    assert kinds(made) == ["permit.recorded"]
    figures = {each["interlock"].split("@")[1]: each["steps"] for each in made.entries[0].body["readings"]}
    assert figures == {"gas1.gas": 30, "oxygen1.oxygen": 209}
    assert next_look_ms(made) == bench.now_ms + MINUTE_MS


def test_a_record_that_cannot_be_made_is_missed_after_two_hours_and_not_at_two_hours():
    bench = confined_bench()
    bench.wait(2 * HOUR_MS)
    bench.block("gas1", 30)
    bench.block("oxygen1", None, Quality.COMM_FAIL)
    made = work_due(bench)
    assert kinds(made) == []
    assert next_look_ms(made) == bench.now_ms + 1
    made = work_due(bench.wait(1))
    assert kinds(made) == ["permit.record_missed"]
    assert made.entries[0].body["alarm"] == "05"
    assert kinds(work_due(bench.wait(10_000))) == []
    assert kinds(work_due(good(bench))) == ["permit.recorded"]
    assert not bench.state.durable.running["P1"].record_missed


def test_hot_work_asks_for_no_records():
    bench = patient(begun_bench())
    assert kinds(work_due(bench.wait(5 * HOUR_MS))) == []


# ---- breaks ---------------------------------------------------------------------------------------------------------


def paused(bench: Bench) -> Bench:
    made = bench.act(OperatorAction.PAUSE)
    assert kinds(made) == ["permit.paused"]
    return bench


def answer(made):
    (found,) = commands(made, Answer)
    return found.ok, list(found.reasons)


def test_nobody_goes_in_while_work_is_paused_and_the_guardians_presence_is_still_noted():
    bench = paused(begun_bench())
    made = bench.tap(facts("w2"))
    assert (decided(made)["decision"], decided(made)["reasons"]) == ("denied", ["permit_paused"])
    assert decided(bench.tap(facts("g1")))["decision"] == "noted"
    assert answer(bench.act(OperatorAction.RESUME)) == (True, [])
    assert decided(bench.tap(facts("w2")))["decision"] == "granted"


@pytest.mark.parametrize(
    ("break_ms", "reasons"), [(30 * MINUTE_MS, []), (30 * MINUTE_MS + 1, ["break_retest_missing"])]
)
def test_a_break_of_grade_1_over_thirty_minutes_needs_a_new_analysis(break_ms, reasons):
    bench = paused(begun_bench()).wait(break_ms)
    made = bench.act(OperatorAction.RESUME)
    assert answer(made) == (not reasons, reasons)
    if reasons:
        assert (kinds(made), made.entries[0].body["alarm"]) == (["operator.refused"], "03")
        bench.settle(gas1=30, wind1=40)
        assert answer(bench.act(OperatorAction.RETEST)) == (True, [])
        assert answer(bench.act(OperatorAction.RESUME)) == (True, [])


def test_an_analysis_that_does_not_pass_ends_no_break():
    bench = paused(begun_bench()).wait(31 * MINUTE_MS)
    bench.settle(gas1=500, wind1=40)
    bench.act(OperatorAction.RETEST)
    assert answer(bench.act(OperatorAction.RESUME)) == (False, ["break_retest_missing"])


def test_a_break_counts_over_a_power_cut_by_the_longest_time_that_it_can_have_been():
    bench = paused(begun_bench())
    began_ms = utc_ms(bench)
    again = Bench(durable=bench.state.durable)
    again.boot_id, again.now_ms = "boot-2", bench.now_ms
    again.start()
    again.authority(permit())
    again.clock = ClockInterval(UtcMs(began_ms), UtcMs(began_ms + 30 * MINUTE_MS), ClockSource.HQ)
    assert answer(again.act(OperatorAction.RESUME)) == (True, [])
    late = Bench(durable=bench.state.durable)
    late.boot_id, late.now_ms = "boot-2", bench.now_ms
    late.start()
    late.authority(permit())
    late.clock = ClockInterval(UtcMs(began_ms), UtcMs(began_ms + 30 * MINUTE_MS + 1), ClockSource.HQ)
    assert answer(late.act(OperatorAction.RESUME)) == (False, ["break_retest_missing"])
    late.clock = ClockInterval(UtcMs(began_ms), None, ClockSource.NONE)
    assert answer(late.act(OperatorAction.RESUME)) == (False, ["break_retest_missing"])


@pytest.mark.parametrize(
    ("prepare", "action", "reason"),
    [
        (ready_bench, OperatorAction.PAUSE, "not_running"),
        (begun_bench, OperatorAction.RESUME, "not_paused"),
        (lambda: paused(begun_bench()), OperatorAction.PAUSE, "already_paused"),
    ],
)
def test_a_break_begins_and_ends_once(prepare, action, reason):
    assert answer(prepare().act(action)) == (False, [reason])


def test_a_closed_permit_has_no_break():
    bench = paused(begun_bench())
    bench.authority(permit(status=3), size=6)
    assert bench.state.durable.pauses == {}


# ---- the analysis of each day ----------------------------------------------------------------------------------------


def second_grade_bench() -> tuple[Bench, int]:
    """Grade 2 work that began today, and midnight in China after it."""
    bench = ready_bench()
    p1 = permit(permit_type="03", not_after_ms=UNTIL_MS + 72 * HOUR_MS)
    bench.authority(p1, size=6)
    bench.tap(facts(permits=[p1], authority_size=6))
    bench.record()
    midnight_ms = ((utc_ms(bench) + CHINA_MS) // DAY_MS + 1) * DAY_MS - CHINA_MS
    return bench, midnight_ms


def not_today(bench: Bench, instant_ms: int) -> bool:
    """Whether a tap at that instant is refused for want of an analysis of the day."""
    at(bench, instant_ms - 70_000).settle(gas1=30, wind1=40)
    p1 = permit(permit_type="03", not_after_ms=UNTIL_MS + 72 * HOUR_MS)
    body = decided(bench.tap(facts("w2", permits=[p1], authority_size=6)))
    assert ("04" in body["alarms"]) == ("analysis_not_today" in body["reasons"])
    return "analysis_not_today" in body["reasons"]


def test_grade_2_work_goes_on_until_midnight_and_needs_a_new_analysis_from_then():
    bench, midnight_ms = second_grade_bench()
    assert not not_today(bench.copy(), midnight_ms - 1)
    assert not_today(bench, midnight_ms)
    assert answer(bench.act(OperatorAction.RETEST)) == (True, [])
    assert not not_today(bench, midnight_ms + 140_000)


def test_grade_1_work_needs_no_analysis_of_a_further_day():
    bench = at(begun_bench(), UNTIL_MS + DAY_MS)
    assert "analysis_not_today" not in decided(bench.tap(facts("w2")))["reasons"]


def test_doubt_about_the_day_asks_for_an_analysis():
    bench, midnight_ms = second_grade_bench()
    at(bench, midnight_ms - 1)
    bench.clock = ClockInterval(UtcMs(midnight_ms - 1_000), UtcMs(midnight_ms), ClockSource.HQ)
    p1 = permit(permit_type="03", not_after_ms=UNTIL_MS + 72 * HOUR_MS)
    assert "analysis_not_today" in decided(bench.tap(facts("w2", permits=[p1], authority_size=6)))["reasons"]
