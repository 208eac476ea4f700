"""The instrument register: a detector counts only while its checks are young enough, and one that failed stops work."""

from dataclasses import replace

import pytest
from sites import EPOCH_MS, HOUR_MS, Bench, begun_bench, commands, decided, facts, kinds, ready_bench, replace_site

from edge.core.clock import ClockInterval, ClockSource
from edge.core.entries import BlobReference
from edge.core.facts import Worker
from edge.core.fold import fold
from edge.core.instruments import Check
from edge.core.messages import Answer, InstrumentChecked, OperatorAction, Sound
from edge.core.readings import UtcMs

DAY_MS = 24 * HOUR_MS
ALLOWED = {Check.BUMP: DAY_MS, Check.CALIBRATION: 180 * DAY_MS, Check.VERIFICATION: 365 * DAY_MS}
PAPER = BlobReference("a" * 64, "image/jpeg", 1000)
OVERDUE = ["bump_overdue", "calibration_overdue", "verification_overdue"]


def checked(bench: Bench, check: Check, **changes: object) -> InstrumentChecked:
    """A passed check of gas1 by t1, done now."""
    plain = InstrumentChecked(
        device="gas1",
        check=check,
        done_ms=now_ms(bench),
        passed=True,
        by="t1",
        person=Worker("t1", False),
        why="gas bottle 17, certificate 2026-31",
        evidence=PAPER,
        request="r1",
    )
    return replace(plain, **changes)


def now_ms(bench: Bench) -> int:
    return EPOCH_MS + bench.now_ms


def demanding(bench: Bench, device: str = "gas1") -> Bench:
    """The same site, but all three checks are demanded of that device."""
    replace_site(bench, checks={device: tuple(ALLOWED.items())})
    return bench


def checked_bench(bench: Bench) -> Bench:
    """All three checks of gas1 were done just now."""
    for check in Check:
        demanding(bench).go(checked(bench, check))
    bench.record()
    return bench


def aged(bench: Bench, check: Check, age_ms: int) -> None:
    held = bench.state.durable.instruments["gas1"]
    old = {**held, check.value: replace(held[check.value], done_ms=now_ms(bench) - age_ms)}
    bench.state = replace(bench.state, durable=replace(bench.state.durable, instruments={"gas1": old}))


def reasons(made):
    return decided(made)["reasons"]


def test_a_detector_that_nobody_checked_opens_nothing_and_each_check_is_named():
    made = demanding(ready_bench()).tap(facts())
    assert reasons(made) == OVERDUE
    assert [each[2] for each in decided(made)["failing"]] == ["gas1"] * 3


def test_a_detector_with_all_checks_opens():
    assert decided(checked_bench(ready_bench()).tap(facts()))["decision"] == "granted"


@pytest.mark.parametrize("check", Check)
def test_a_check_counts_to_the_last_millisecond_of_its_age(check):
    for age_ms, missing in ((ALLOWED[check], []), (ALLOWED[check] + 1, [f"{check.value}_overdue"])):
        bench = checked_bench(ready_bench())
        aged(bench, check, age_ms)
        assert reasons(bench.tap(facts())) == missing


def test_a_gateway_that_does_not_know_the_time_believes_no_check():
    bench = checked_bench(ready_bench())
    bench.clock = ClockInterval(UtcMs(now_ms(bench)), None, ClockSource.NONE)
    assert set(OVERDUE) <= set(reasons(bench.tap(facts())))
    made = bench.go(checked(bench, Check.BUMP))
    assert commands(made, Answer)[0].reasons == ("clock_untrusted",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"device": "gas9"}, "device_unknown"),
        ({"done_ms": EPOCH_MS + 1000 * HOUR_MS}, "check_in_future"),
        ({"person": None}, "worker_unknown"),
        ({"person": Worker("t1", True)}, "worker_revoked"),
        ({"why": "  "}, "reason_missing"),
    ],
)
def test_a_check_that_cannot_be_is_refused_and_the_refusal_recorded(changes, reason):
    bench = demanding(ready_bench())
    made = bench.go(checked(bench, Check.BUMP, **changes))
    (answer,) = commands(made, Answer)
    assert (answer.ok, answer.reasons) == (False, (reason,))
    assert kinds(made) == ["operator.refused"]
    assert bench.state.durable.instruments == {}


def test_an_older_check_does_not_replace_a_later_one():
    bench = checked_bench(ready_bench())
    made = bench.go(checked(bench, Check.BUMP, done_ms=now_ms(bench) - 1))
    assert commands(made, Answer)[0].reasons == ("check_older",)


def test_a_failed_bump_test_voids_the_calibration_too_and_leaves_the_verification():
    bench = checked_bench(ready_bench())
    bench.go(checked(bench, Check.BUMP, passed=False))
    assert reasons(bench.tap(facts())) == ["bump_overdue", "calibration_overdue"]


def test_a_failed_check_trips_the_work_that_relies_on_the_instrument():
    bench = checked_bench(begun_bench())
    made = bench.go(checked(bench, Check.BUMP, passed=False))
    assert kinds(made) == ["instrument.checked", "permit.tripped"]
    assert made.entries[1].body["reason"] == "reading_device_fault"
    assert [each.on for each in commands(made, Sound)] == [True]


def test_a_failed_check_of_an_instrument_that_no_work_relies_on_trips_nothing():
    bench = demanding(begun_bench(), "gas2")
    assert kinds(bench.go(checked(bench, Check.BUMP, device="gas2", passed=False))) == ["instrument.checked"]


def test_a_retest_passes_only_when_the_instrument_is_checked_again():
    bench = checked_bench(begun_bench())
    bench.go(checked(bench, Check.BUMP, passed=False))
    bench.settle(gas1=10, wind1=10)
    assert bench.act(OperatorAction.RETEST).entries[-1].body["reasons"] == ["bump_overdue", "calibration_overdue"]
    for check in (Check.CALIBRATION, Check.BUMP):
        bench.go(checked(bench, check))
    assert bench.act(OperatorAction.RETEST).entries[-1].body["passed"] is True


def test_a_check_that_grows_old_while_work_runs_trips_nothing_and_refuses_the_next_entry():
    bench = checked_bench(begun_bench())
    aged(bench, Check.BUMP, DAY_MS + 1)
    assert kinds(bench.block("gas1", 10)) == []
    assert "bump_overdue" in reasons(bench.tap(facts("w2")))


def test_only_instruments_that_the_permit_is_bound_to_are_asked_about():
    assert decided(demanding(ready_bench(), "gas2").tap(facts()))["decision"] == "granted"


def test_the_register_is_the_fold_of_its_entries():
    bench = demanding(ready_bench())
    folded = bench.state.durable
    made = [bench.go(checked(bench, check)) for check in Check]
    made.append(bench.go(checked(bench, Check.BUMP, passed=False)))
    for entry in (entry for step in made for entry in step.entries):
        folded = fold(folded, entry)
    assert folded == bench.state.durable
    assert set(folded.instruments["gas1"]) == {"verification"}
