"""Degraded mode (row C05): the guardian stands in for a silent instrument, for a while, in the open, for no more."""

import pytest
from sites import (
    GAS,
    OXYGEN,
    WIND,
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

from edge.core import codec
from edge.core.by_hand import SILENCE, StandIn, stands_in
from edge.core.confirmations import Confirmation
from edge.core.decision import decide
from edge.core.entries import BlobReference
from edge.core.interlocks import Condition, Measured
from edge.core.messages import Answer, Indicate, Light, OperatorAction, SetTimer, Timer, TimerDue, Unlock
from edge.core.question import Question
from edge.core.readings import Quality
from edge.core.reasons import Reason

PHOTO = BlobReference("0" * 64, "image/jpeg", 4)
MINUTE_MS = 60_000
LOST = Quality.COMM_FAIL


def confirm(bench: Bench, device: str = "gas1", **changes):
    return bench.act(
        OperatorAction.CONFIRM, **{"what": Confirmation.EQUIPMENT, "device": device, "photo": PHOTO, **changes}
    )


def answer(made):
    (found,) = commands(made, Answer)
    return found.ok, list(found.reasons)


def tap(bench: Bench, worker: str = "w2", **changes):
    """The answer to a tap while the journal keeps up."""
    bench.record()
    return decided(bench.tap(facts(worker, **changes)))


def silent(bench: Bench, duration_ms: int = 5_000) -> Bench:
    """gas1 stops to answer now and wind1 goes on, for so long; in steps of at most 5 s."""
    while duration_ms:
        bench.wait(min(5_000, duration_ms))
        bench.block("gas1", None, LOST)
        bench.block("wind1", 40)
        duration_ms -= min(5_000, duration_ms)
    return bench


def stood_in(bench: Bench) -> Bench:
    assert answer(confirm(silent(bench))) == (True, [])
    return bench


# ---- at the door ----------------------------------------------------------------------------------------------------


def test_a_silent_instrument_refuses_entry_until_the_guardian_stands_in_and_then_the_grant_says_so():
    bench = silent(ready_bench())
    assert tap(bench, "w1")["reasons"] == ["reading_comm_fail"]
    made = confirm(bench)
    (entry,) = made.entries
    assert (entry.kind, entry.permit, entry.actor, entry.blobs) == ("permit.degraded", "P1", {"id": "g1"}, (PHOTO,))
    assert (entry.body["degraded"], entry.body["device"], entry.body["silent_ms"]) == (True, "gas1", 5_000)
    bench.record()
    granted = bench.tap(facts())
    body = decided(granted)
    assert (body["decision"], body["reason"], body["degraded"]) == ("granted", "granted_by_hand", True)
    assert body["by_hand"] == [{"device": "gas1", "by": "g1", "entry": entry.seq, "age_ms": 0}]
    released = bench.record()
    shown = [(each.light, each.reason) for each in (*commands(granted, Indicate), *commands(released, Indicate))]
    assert shown == [(Light.AMBER, Reason.GRANTED_BY_HAND)] * 2
    assert [each.door for each in commands(released, Unlock)] == ["d1"]


def test_a_grant_that_rests_on_instruments_alone_is_not_called_degraded():
    body = tap(ready_bench(), "w1")
    assert (body["reason"], "degraded" in body) == ("granted", False)


def test_what_was_decided_by_hand_is_decided_so_again_from_its_question():
    bench = stood_in(ready_bench())
    bench.record()
    (entry,) = [each for each in bench.tap(facts()).entries if each.kind == "access.decided"]
    assert entry.evidence is not None
    again = decide(codec.decode(entry.evidence, Question))
    assert (again.primary, [each.device for each in again.by_hand]) == (Reason.GRANTED_BY_HAND, ["gas1"])


def test_one_device_is_stood_in_for_and_no_other():
    bench = stood_in(ready_bench())
    bench.block("wind1", None, LOST)
    assert tap(bench)["reasons"] == ["reading_comm_fail"]


def test_one_permit_is_stood_in_for_and_no_other():
    bench = ready_bench()
    p2 = permit("P2")
    bench.authority(permit(), p2, size=6)
    stood_in(bench)
    assert "reading_comm_fail" in tap(bench, permits=[p2], authority_size=6)["reasons"]


@pytest.mark.parametrize(("age_ms", "reasons"), [(30 * MINUTE_MS, []), (30 * MINUTE_MS + 1, ["reading_stale"])])
def test_it_counts_for_thirty_minutes_and_then_has_to_be_said_again(age_ms, reasons):
    bench = stood_in(ready_bench())
    silent(bench, age_ms - 10_000)
    tap(bench, "g1")
    assert tap(silent(bench, 10_000))["reasons"] == reasons
    assert answer(confirm(bench)) == (True, [])
    assert tap(bench)["reasons"] == []


def test_it_counts_on_no_other_boot():
    durable = stood_in(ready_bench()).state.durable
    again = Bench(durable=durable)
    again.boot_id = "boot-2"
    again.start()
    again.authority(permit(), size=6)
    silent(again, 70_000)
    assert "reading_comm_fail" in tap(again, authority_size=6)["reasons"]


@pytest.mark.parametrize(
    "undo",
    [
        lambda bench: bench.authority(permit(), size=6, freezes=(freeze("worker:g1"),)),
        lambda bench: bench.authority(permit(guardians=("g2",)), size=6),
    ],
    ids=["frozen", "handed over"],
)
def test_the_word_of_somebody_who_guards_no_more_does_not_count(undo):
    bench = stood_in(ready_bench())
    undo(bench)
    guards = tuple(bench.state.permits["P1"].guardians)
    assert "reading_comm_fail" in tap(bench, permits=[permit(guardians=guards)], authority_size=6)["reasons"]


# ---- the instrument answers again -----------------------------------------------------------------------------------


def test_when_the_instrument_answers_its_readings_decide_and_the_word_is_over_for_good():
    bench = stood_in(ready_bench())
    made = bench.wait(1_000).block("gas1", 30)
    assert kinds(made) == ["permit.degraded_over"]
    assert bench.state.durable.by_hand == {}
    assert tap(bench, "w1")["reason"] == "granted"
    assert tap(silent(bench, 1_000))["reasons"] == ["reading_comm_fail"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ((101, Quality.GOOD), "gas_over_limit"),
        ((None, Quality.DEVICE_FAULT), "reading_device_fault"),
        ((None, Quality.INHIBITED), "reading_inhibited"),
        ((None, Quality.OUT_OF_RANGE), "reading_out_of_range"),
        ((None, Quality.DECODE_FAIL), "reading_decode_fail"),
    ],
)
def test_whatever_it_says_then_counts_at_once(said, reason):
    bench = stood_in(ready_bench())
    bench.block("gas1", *said)
    assert tap(bench)["reasons"] == [reason]
    begun = stood_in(begun_bench())
    assert kinds(begun.block("gas1", *said)) == ["permit.degraded_over", "permit.tripped"]


def test_a_grant_by_hand_that_the_instrument_contradicts_before_it_is_recorded_opens_nothing():
    bench = stood_in(ready_bench())
    assert tap(bench, "w1")["decision"] == "granted"
    bench.block("gas1", 101)
    made = bench.record()
    assert (commands(made, Unlock), kinds(made)) == ([], ["access.withdrawn"])


# ---- work that runs -------------------------------------------------------------------------------------------------


def test_running_work_trips_by_silence_as_ever_when_nobody_stands_in():
    bench = begun_bench()
    assert "permit.tripped" not in [each.kind for each in silent(bench, 25_000).entries]
    assert "permit.tripped" in [each.kind for each in silent(bench, 10_000).entries]


def test_running_work_goes_on_while_somebody_stands_in_and_trips_when_that_is_over():
    bench = stood_in(begun_bench())
    silent(bench, 30 * MINUTE_MS)
    assert bench.state.durable.trips == {}
    silent(bench, 5_000)
    assert bench.state.durable.trips["P1"].reason == "reading_stale"


def test_the_end_of_a_word_is_looked_at_even_when_no_poll_comes_any_more():
    bench = stood_in(begun_bench())
    bench.wait(25_001)
    made = bench.go(TimerDue(Timer.STALE, "gas1"))
    (due_ms,) = [each.due_ms for each in commands(made, SetTimer) if each.subject == "gas1"]
    assert (kinds(made), due_ms - bench.now_ms) == ([], 30 * MINUTE_MS - 25_000)
    bench.now_ms = due_ms
    assert kinds(bench.go(TimerDue(Timer.STALE, "gas1"))) == ["permit.tripped"]


def test_work_that_begins_by_hand_is_not_tripped_by_the_silence_that_everybody_knows():
    bench = silent(ready_bench(), 60_000)
    confirm(bench)
    assert tap(bench, "w1")["decision"] == "granted"
    bench.record()
    assert "P1" in bench.state.durable.running
    bench.go(TimerDue(Timer.STALE, "gas1"))
    silent(bench, 60_000)
    assert bench.state.durable.trips == {}


def test_no_word_lifts_a_trip_and_no_retest_or_sample_rests_on_one():
    bench = silent(begun_bench(), 40_000)
    assert "P1" in bench.state.durable.trips
    assert answer(confirm(bench)) == (False, ["permit_tripped"])
    assert answer(bench.act(OperatorAction.RETEST)) == (False, ["reading_stale"])
    steady = stood_in(begun_bench())
    steady.authority(permit(points=("top",)), size=6)
    assert answer(steady.act(OperatorAction.SAMPLE, point="top")) == (False, ["reading_comm_fail"])
    steady.act(OperatorAction.PAUSE)
    assert answer(steady.act(OperatorAction.RETEST)) == (False, ["reading_comm_fail"])


def test_a_permit_that_hq_closes_leaves_nobody_standing_in():
    bench = stood_in(ready_bench())
    assert "permit.closed" in kinds(bench.authority(permit(status=3), size=6))
    assert bench.state.durable.by_hand == {}


# ---- when nobody may stand in ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("silent_ms", "expected"), [(4_999, (False, ["silent_too_short"])), (5_000, (True, []))])
def test_silence_of_less_than_five_seconds_is_only_a_failed_poll(silent_ms, expected):
    assert answer(confirm(silent(ready_bench(), silent_ms))) == expected


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"photo": None}, ["photo_missing"]),
        ({"by": "w1"}, ["not_guardian"]),
        ({"device": "gas9"}, ["device_not_bound"]),
        ({"device": ""}, ["device_not_bound"]),
        ({"device": "gas2"}, ["device_not_bound"]),
        ({"why": " "}, ["reason_missing"]),
    ],
)
def test_a_word_without_photo_guardian_reason_or_device_is_none(changes, reasons):
    bench = silent(ready_bench())
    made = confirm(bench, **changes)
    assert (kinds(made), answer(made)[0]) == (["operator.refused"], False)
    assert set(reasons) <= set(answer(made)[1])
    assert bench.state.durable.by_hand == {}


BAD = [Quality.DEVICE_FAULT, Quality.INHIBITED, Quality.OUT_OF_RANGE, Quality.WARMING_UP, Quality.DECODE_FAIL]


@pytest.mark.parametrize("said", [(30, Quality.GOOD), (500, Quality.GOOD), *((None, each) for each in BAD)])
def test_an_instrument_that_says_anything_is_stood_in_for_by_nobody(said):
    bench = ready_bench()
    bench.block("gas1", *said)
    assert answer(confirm(bench)) == (False, ["device_answers"])


@pytest.mark.parametrize("said", [(101, Quality.GOOD), *((None, each) for each in BAD)])
def test_pulling_the_plug_does_not_help_against_what_the_instrument_said_last(said):
    bench = ready_bench()
    bench.block("gas1", *said)
    assert answer(confirm(silent(bench))) == (False, ["last_word_unsafe"])
    assert answer(confirm(silent(bench, 5 * MINUTE_MS))) == (False, ["last_word_unsafe"])


def test_a_gust_before_the_silence_counts_as_said():
    site = build_site({"north": (WIND,)}, {"d1": "north"})
    bench = Bench(site).start()
    bench.authority(permit(permit_type="21"))
    bench.settle(wind1=40)
    calm = bench.copy()
    bench.block("wind1", 90)
    for each in (bench, calm):
        each.wait(1_000).block("wind1", 40)
        each.wait(6_000).block("wind1", None, LOST)
    assert answer(confirm(bench, "wind1")) == (False, ["last_word_unsafe"])
    assert answer(confirm(calm, "wind1")) == (True, [])


@pytest.mark.parametrize("permit_type", ["01", "70"])
def test_the_gas_of_special_hot_work_and_confined_spaces_is_never_confirmed_by_hand(permit_type):
    bench = Bench(build_site({"north": (GAS, OXYGEN)}, {"d1": "north"})).start()
    bench.authority(permit(permit_type=permit_type))
    bench.settle(gas1=30, oxygen1=209)
    for device in ("gas1", "oxygen1"):
        bench.wait(6_000).block(device, None, LOST)
        assert "manual_never" in answer(confirm(bench, device))[1]


def test_a_rule_that_does_not_allow_it_keeps_the_door_shut_whatever_was_confirmed():
    bench = ready_bench()
    bench.wait(6_000).block("wind1", None, LOST)
    bench.block("gas1", 30)
    assert answer(confirm(bench, "wind1")) == (False, ["manual_never"])


def test_an_instrument_that_was_never_read_is_stood_in_for_five_seconds_after_the_start():
    bench = Bench().start()
    bench.authority(permit())
    bench.settle(60_000, wind1=40)
    early = Bench().start()
    early.authority(permit())
    assert answer(confirm(early.wait(4_999))) == (False, ["silent_too_short"])
    assert answer(confirm(early.wait(1))) == (True, [])
    tap(bench, "g1")
    assert "reading_never_read" in tap(bench, "w1")["reasons"]
    confirm(bench)
    assert tap(bench, "w1")["reason"] == "granted_by_hand"


def test_a_bus_that_brings_no_blocks_is_silent_once_its_last_word_is_stale():
    bench = ready_bench()
    for _ in range(6):
        bench.wait(5_000).block("wind1", 40)
    assert answer(confirm(bench)) == (False, ["device_answers"])
    bench.wait(1).block("wind1", 40)
    assert tap(bench, "w1")["reasons"] == ["reading_stale"]
    assert answer(confirm(bench)) == (True, [])
    assert tap(bench, "w1")["reason"] == "granted_by_hand"


@pytest.mark.parametrize("reason", [None, *(each for each in Reason if each not in SILENCE)])
def test_nobody_stands_in_for_anything_but_silence(reason):
    (interlock, *_) = ready_bench().state.site.areas["north"].demands["02"].on("gas1")
    assert interlock.manual
    held = (StandIn("gas1", "g1", 1, 0, 1),)

    def condition(why: Reason | None) -> Condition:
        return Condition(Measured(interlock, None, None, LOST, 0, None, 0), why)

    assert stands_in(condition(reason), held) is None
    assert [stands_in(condition(why), held) for why in SILENCE] == [held[0]] * 3


@pytest.mark.parametrize("reason", sorted(SILENCE, key=lambda each: each.value))
def test_nobody_stands_in_for_a_rule_that_does_not_allow_it(reason):
    (interlock, *_) = ready_bench().state.site.areas["north"].demands["01"].on("gas1")
    failing = Condition(Measured(interlock, None, None, LOST, 0, None, 0), reason)
    assert stands_in(failing, (StandIn("gas1", "g1", 1, 0, 1),)) is None
