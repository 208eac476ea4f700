"""Gas sampled at the points of a permit before its work begins (row W04): how old it may be, and what voids it."""

from dataclasses import replace

import pytest
from sites import (
    EPOCH_MS,
    HOUR_MS,
    PACK,
    Bench,
    begun_bench,
    build_site,
    commands,
    decided,
    facts,
    kinds,
    permit,
    ready_bench,
    replace_site,
)

from edge import rules
from edge.core.clock import ClockInterval, ClockSource
from edge.core.instruments import Check
from edge.core.messages import Answer, OperatorAction
from edge.core.readings import Quality, UtcMs
from edge.core.rules import strictest

MINUTE_MS = 60_000
SETTLE_MS = 60_000
P1 = permit(points=("top", "bottom"))


def good(bench: Bench, duration_ms: int = 70_000) -> Bench:
    return bench.settle(duration_ms, gas1=30, wind1=40)


def pointed_bench() -> Bench:
    """Nothing is missing but the samples: P1 names two points."""
    bench = ready_bench()
    bench.authority(P1, size=6)
    return bench


def sample(bench: Bench, point: str, **changes):
    return bench.act(OperatorAction.SAMPLE, point=point, **changes)


def answer(made):
    (found,) = commands(made, Answer)
    return found.ok, list(found.reasons)


def tap(bench: Bench, worker: str = "w1", p1=P1):
    """The answer to a tap while the journal keeps up."""
    bench.record()
    return decided(bench.tap(facts(worker, permits=[p1], authority_size=6)))


def sampled_bench() -> Bench:
    """Top and then bottom were sampled, bottom just now."""
    bench = pointed_bench()
    assert answer(sample(bench, "top")) == (True, [])
    assert answer(sample(good(bench), "bottom")) == (True, [])
    return bench


# ---- the start ------------------------------------------------------------------------------------------------------


def test_work_begins_only_when_every_point_has_its_sample():
    bench = pointed_bench()
    body = tap(bench)
    assert (body["decision"], body["reasons"], body["alarms"]) == ("denied", ["analysis_missing"], ["01"])
    assert [detail for _, _, detail in body["failing"]] == ["top", "bottom"]
    sample(bench, "top")
    assert [detail for _, _, detail in tap(good(bench))["failing"]] == ["bottom"]
    sample(bench, "bottom")
    assert tap(bench)["decision"] == "granted"


def test_a_permit_without_points_begins_on_the_live_reading():
    assert decided(ready_bench().tap(facts()))["decision"] == "granted"


@pytest.mark.parametrize(("age_ms", "failing"), [(30 * MINUTE_MS, []), (30 * MINUTE_MS + 1, ["bottom"])])
def test_a_sample_of_thirty_minutes_counts_and_of_a_millisecond_more_does_not(age_ms, failing):
    bench = pointed_bench()
    sample(bench, "bottom")
    good(bench.wait(age_ms - 140_000))
    sample(bench, "top")
    good(bench)
    tap(bench, "g1")
    body = tap(bench)
    assert [detail for _, _, detail in body["failing"]] == failing
    assert (body["reasons"], body["alarms"]) == ((["analysis_too_old"], ["02"]) if failing else ([], []))


def test_a_sample_is_as_old_as_its_oldest_reading():
    bench = pointed_bench()
    sample(bench.wait(20_000), "top")
    assert bench.state.durable.samples["P1"]["top"].age_ms == 20_000
    bench.wait(30 * MINUTE_MS - 20_000)
    assert "analysis_too_old" not in tap(bench)["reasons"]
    assert ["analysis_too_old", "P1", "top"] in tap(bench.wait(1))["failing"]


def test_once_work_has_begun_no_sample_is_asked_for():
    bench = sampled_bench()
    tap(bench)
    bench.record()
    assert "P1" in bench.state.durable.running
    good(bench.wait(HOUR_MS))
    tap(bench, "g1")
    assert tap(bench, "w2")["decision"] == "granted"


def test_a_sample_that_grows_too_old_while_its_grant_is_recorded_opens_nothing():
    bench = pointed_bench()
    sample(bench, "bottom")
    sample(good(bench), "top")
    good(bench.wait(30 * MINUTE_MS - 140_000))
    tap(bench, "g1")
    assert tap(bench)["decision"] == "granted"
    made = bench.wait(1).record()
    assert (kinds(made), made.entries[0].body["reason"]) == (["access.withdrawn"], "analysis_too_old")


def test_points_of_a_type_without_a_time_are_asked_for_too():
    bench = ready_bench()
    height = permit(permit_type="21", points=("top",))
    bench.authority(height, size=6)
    assert ["analysis_missing", "P1", "top"] in tap(bench, p1=height)["failing"]
    assert answer(sample(bench, "top")) == (False, ["channel_missing"])


# ---- power cuts and clocks ------------------------------------------------------------------------------------------


def after_a_power_cut(bench: Bench, hi_ms: int | None) -> Bench:
    sampled_at_ms = EPOCH_MS + bench.now_ms
    again = Bench(durable=bench.state.durable)
    again.boot_id, again.now_ms = "boot-2", 5_000
    hi = None if hi_ms is None else UtcMs(sampled_at_ms + hi_ms)
    again.clock = ClockInterval(UtcMs(sampled_at_ms), hi, ClockSource.HQ if hi else ClockSource.NONE)
    again.start()
    again.authority(P1, size=6)
    return again


@pytest.mark.parametrize(
    ("hi_ms", "reason"),
    [
        (30 * MINUTE_MS, None),
        (30 * MINUTE_MS + 1, "analysis_too_old"),
        (None, "analysis_missing"),
    ],
)
def test_over_a_power_cut_the_longest_time_that_it_can_have_been_counts(hi_ms, reason):
    again = after_a_power_cut(sampled_bench(), hi_ms)
    found = {detail: code for code, _, detail in tap(again)["failing"] if code.startswith("analysis")}
    assert found.get("bottom") == reason


def test_a_clock_that_is_set_makes_no_sample_younger_or_older():
    bench = sampled_bench()
    bench.wait(10 * MINUTE_MS)
    utc_ms = EPOCH_MS + bench.now_ms
    for step_ms in (-HOUR_MS, HOUR_MS):
        bench.clock = ClockInterval(UtcMs(utc_ms + step_ms), UtcMs(utc_ms + step_ms), ClockSource.HQ)
        assert not [code for code in tap(bench)["reasons"] if code.startswith("analysis")]
    bench.wait(21 * MINUTE_MS)
    bench.clock = ClockInterval(UtcMs(utc_ms - HOUR_MS), UtcMs(utc_ms - HOUR_MS), ClockSource.HQ)
    assert "analysis_too_old" in tap(bench)["reasons"]


# ---- what a sample is ------------------------------------------------------------------------------------------------


def test_a_sample_says_who_where_and_what_the_instruments_read():
    made = sample(pointed_bench(), "top", by="w2")
    (entry,) = made.entries
    said = {name: entry.body[name] for name in ("by", "point", "version", "passed", "reasons")}
    assert said == {"by": "w2", "point": "top", "version": 1, "passed": True, "reasons": []}
    assert [(each["steps"], each["unit"]) for each in entry.body["readings"]] == [(30, "%LEL")]
    assert (entry.kind, entry.permit, entry.actor) == ("permit.sampled", "P1", {"id": "w2"})


def overdue_bump(bench: Bench):
    replace_site(bench, checks={"gas1": ((Check.BUMP, HOUR_MS),)})


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda bench: bench.block("gas1", 101), "gas_over_limit"),
        (lambda bench: bench.block("gas1", None, Quality.COMM_FAIL), "reading_comm_fail"),
        (lambda bench: bench.block("gas1", None, Quality.INHIBITED), "reading_inhibited"),
        (lambda bench: (bench.block("gas1", None, Quality.WARMING_UP), bench.block("gas1", 30)), "reading_settling"),
        (lambda bench: bench.wait(30_001), "reading_stale"),
        (overdue_bump, "bump_overdue"),
    ],
)
def test_a_sample_that_does_not_pass_is_recorded_and_counts_for_nothing(spoil, reason):
    bench = pointed_bench()
    spoil(bench)
    made = sample(bench, "top")
    assert (answer(made), kinds(made)) == ((False, [reason]), ["permit.sampled"])
    assert ["analysis_missing", "P1", "top"] in tap(bench)["failing"]


def test_a_failing_sample_voids_the_earlier_one_of_that_point_alone():
    bench = sampled_bench()
    bench.block("gas1", 101)
    sample(bench, "bottom")
    good(bench)
    assert tap(bench)["failing"] == [["analysis_missing", "P1", "bottom"]]


def test_wind_is_no_gas_and_spoils_no_sample():
    bench = pointed_bench()
    bench.block("wind1", 300)
    assert answer(sample(bench, "top")) == (True, [])


@pytest.mark.parametrize(
    ("wait_ms", "expected"), [(SETTLE_MS - 1, (False, ["reading_settling"])), (SETTLE_MS, (True, []))]
)
def test_the_next_point_is_sampled_only_after_the_instruments_have_settled_there(wait_ms, expected):
    bench = pointed_bench()
    sample(bench, "top")
    good(bench.wait(10_000), 40_000).wait(wait_ms - 50_000).block("gas1", 30)
    assert answer(sample(bench, "bottom")) == expected


def test_the_same_point_may_be_sampled_again_at_once():
    bench = pointed_bench()
    sample(bench, "top")
    assert answer(sample(bench, "top")) == (True, [])


@pytest.mark.parametrize("point", ["", "left", "TOP"])
def test_a_point_that_the_permit_does_not_name_is_refused(point):
    made = sample(pointed_bench(), point)
    assert (answer(made), kinds(made)) == ((False, ["point_unknown"]), ["operator.refused"])


def test_a_new_version_of_the_permit_voids_all_samples():
    bench = sampled_bench()
    changed = permit(points=("top", "bottom"), version=2)
    bench.authority(changed, size=6)
    assert [detail for _, _, detail in tap(bench, p1=changed)["failing"]] == ["top", "bottom"]


def test_a_permit_that_hq_closes_leaves_no_sample_behind():
    bench = sampled_bench()
    made = bench.authority(permit(status=3), size=7)
    assert "permit.closed" in kinds(made)
    assert bench.state.durable.samples == {}


def test_samples_are_known_after_a_restart():
    bench = sampled_bench()
    again = Bench(durable=bench.state.durable)
    again.now_ms = bench.now_ms
    again.start()
    again.authority(P1, size=6)
    again.record()
    good(again)
    assert tap(again)["decision"] == "granted"


def test_of_two_packs_the_shorter_time_to_the_start_holds():
    chemical = rules.load("gb30871").permit_types["70"]
    assert chemical.sample_ms == 30 * MINUTE_MS
    assert rules.load("gb46768").permit_types["70"].sample_ms == 30 * MINUTE_MS
    height = rules.load("gb30871").permit_types["21"]
    assert height.sample_ms is None
    together = strictest([height, chemical])
    assert together is not None
    assert together.sample_ms == 30 * MINUTE_MS


# ---- figures that a person typed ------------------------------------------------------------------------------------

TYPED = {"oxygen": "20.9", "lel": "0"}


def test_typed_figures_are_kept_and_answered_with_no():
    bench = pointed_bench()
    made = sample(bench, "top", typed=TYPED)
    assert (answer(made), kinds(made)) == ((False, ["typed_not_counted"]), ["permit.noted"])
    (entry,) = made.entries
    assert (entry.permit, entry.body["typed"], entry.body["counted"]) == ("P1", TYPED, False)
    kept = bench.state.durable.typed["P1"]["top"]
    assert (kept.by, kept.figures, kept.entry) == ("g1", TYPED, entry.seq)
    assert bench.state.durable.samples == {}
    assert "analysis_missing" in tap(bench)["reasons"]


def test_typed_figures_void_no_sample():
    bench = sampled_bench()
    sample(bench, "top", typed={"oxygen": "5"})
    assert tap(bench)["decision"] == "granted"


def test_typed_figures_end_no_break():
    bench = good(paused_bench().wait(30 * MINUTE_MS))
    for point in ("top", "bottom"):
        sample(bench, point, typed=TYPED)
    assert answer(bench.act(OperatorAction.RESUME)) == (False, ["break_samples_missing"])


def test_typed_figures_leave_with_the_permit():
    bench = pointed_bench()
    sample(bench, "top", typed=TYPED)
    assert "permit.closed" in kinds(bench.authority(permit(status=3), size=7))
    assert bench.state.durable.typed == {}


# ---- breaks ---------------------------------------------------------------------------------------------------------


def paused_bench() -> Bench:
    bench = begun_bench()
    bench.authority(P1, size=6)
    bench.act(OperatorAction.PAUSE)
    return bench


def test_after_a_break_that_was_too_long_every_point_is_sampled_again():
    bench = good(paused_bench().wait(30 * MINUTE_MS))
    made = bench.act(OperatorAction.RESUME)
    assert (answer(made), made.entries[0].body["alarm"]) == ((False, ["break_samples_missing"]), "03")
    assert answer(bench.act(OperatorAction.RETEST)) == (True, [])
    assert answer(bench.act(OperatorAction.RESUME)) == (False, ["break_samples_missing"])
    sample(bench, "top")
    assert answer(bench.act(OperatorAction.RESUME)) == (False, ["break_samples_missing"])
    sample(good(bench), "bottom")
    assert answer(bench.act(OperatorAction.RESUME)) == (True, [])


def test_samples_of_before_a_break_that_was_too_long_are_void():
    bench = begun_bench()
    bench.authority(P1, size=6)
    sample(good(bench), "top")
    sample(good(bench), "bottom")
    bench.act(OperatorAction.PAUSE)
    bench.wait(30 * MINUTE_MS)
    assert answer(bench.act(OperatorAction.RESUME)) == (True, [])
    bench.act(OperatorAction.PAUSE)
    bench.wait(30 * MINUTE_MS + 1)
    assert answer(bench.act(OperatorAction.RESUME)) == (False, ["break_samples_missing"])


def test_where_any_break_asks_for_a_new_analysis_a_young_sample_of_before_it_is_void_too():
    any_break = replace(PACK, permit_types={**PACK.permit_types, "02": replace(PACK.permit_types["02"], break_ms=0)})
    bench = begun_bench()
    bench.authority(P1, size=6)
    replace_site(bench, areas=build_site(packs=(any_break,)).areas)
    sample(good(bench), "top")
    sample(good(bench), "bottom")
    bench.act(OperatorAction.PAUSE)
    bench.wait(1)
    assert answer(bench.act(OperatorAction.RESUME)) == (False, ["break_samples_missing"])
    sample(good(bench), "top")
    sample(good(bench), "bottom")
    assert answer(bench.act(OperatorAction.RESUME)) == (True, [])


def test_a_short_break_needs_no_sample():
    bench = paused_bench().wait(30 * MINUTE_MS)
    assert answer(bench.act(OperatorAction.RESUME)) == (True, [])
