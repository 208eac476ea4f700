"""Overrides: what they stop, when they end, and that no permit closes while one made for it lives (row N14)."""

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
from edge.core.clock import Anchor, ClockInterval, ClockSource
from edge.core.decision import decide
from edge.core.entries import BlobReference
from edge.core.facts import Worker
from edge.core.fold import fold
from edge.core.messages import Answer, ClockAnchored, Lock, OperatorAction, SetTimer, Sound, Started, Timer, TimerDue
from edge.core.overrides import LIVE_MOST, LONGEST_MS
from edge.core.question import Question
from edge.core.readings import MonotonicMs, UtcMs
from edge.core.state import Durable
from edge.core.turn import Step

DELUGE = {"device": None, "protection": "fire deluge T-301"}


def now_ms(bench: Bench) -> int:
    return EPOCH_MS + bench.now_ms


def made(bench: Bench, **changes: object) -> str:
    """An override is made; its name."""
    step = bench.override(**changes)
    assert answer(step).ok, answer(step).reasons
    return str(answer(step).entry)


def settled(bench: Bench) -> None:
    """Everything recorded, and good readings for longer than they need to settle."""
    bench.record()
    bench.settle(gas1=10, wind1=10)


def answer(step: Step) -> Answer:
    (found,) = commands(step, Answer)
    return found


def reasons(step: Step) -> list[str]:
    return list(decided(step)["reasons"])


def due(bench: Bench, name: str) -> Step:
    return bench.go(TimerDue(Timer.OVERRIDE, name))


def closed(bench: Bench, status: int = 3) -> Step:
    """HQ's next word closes P1."""
    return bench.authority(permit(status=status), size=bench.state.durable.authority_size + 1)


def restarted(bench: Bench, boot_id: str = "boot-1") -> Bench:
    """The same gateway after a crash, or with another boot id after the power was off: the fold of its journal."""
    again = Bench(durable=codec.decode(codec.encode(bench.state.durable), Durable))
    again.boot_id, again.now_ms, again.clock = boot_id, bench.now_ms, bench.clock
    return again


# ---- made ------------------------------------------------------------------------------------------------------------


def test_an_override_is_an_entry_with_owner_reason_end_permits_and_photo_in_the_chain_of_each_permit():
    bench = ready_bench()
    bench.authority(permit(), permit("P2"), size=6)
    photo = BlobReference("a" * 64, "image/jpeg", 10)
    step = bench.override(permits=("P1", "P2"), photo=photo)
    first, second = step.entries
    assert [first.kind, second.kind] == ["override.made"] * 2
    assert [first.permit, second.permit] == ["P1", "P2"]
    assert first.body == second.body
    assert {name: first.body[name] for name in ("override", "device", "owner", "permits", "until_ms")} == {
        "override": str(first.seq),
        "device": "gas1",
        "owner": "g1",
        "permits": ["P1", "P2"],
        "until_ms": now_ms(bench) + HOUR_MS,
    }
    assert (first.actor, first.blobs, second.blobs) == ({"id": "g1"}, (photo,), (photo,))
    assert answer(step) == Answer(answer(step).request, True, (), first.seq)
    assert list(bench.state.durable.overrides) == [str(first.seq)]


def test_an_override_for_no_permit_is_one_entry_of_none():
    (entry,) = ready_bench().override(permits=()).entries
    assert (entry.kind, entry.permit) == ("override.made", None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"person": None}, "worker_unknown"),
        ({"person": Worker("g1", True)}, "worker_revoked"),
        ({"why": " "}, "reason_missing"),
        ({"device": "gas9"}, "override_device_unknown"),
        ({"permits": ("P9",)}, "permit_unknown"),
        ({"permits": tuple(f"P{number}" for number in range(1, 10))}, "override_permits_many"),
        ({"until_ms": EPOCH_MS}, "override_past"),
    ],
)
def test_an_override_that_cannot_be_is_refused_and_the_refusal_recorded(changes, reason):
    bench = ready_bench()
    step = bench.override(**changes)
    assert (answer(step).ok, answer(step).reasons[0]) == (False, reason)
    assert kinds(step) == ["operator.refused"]
    assert bench.state.durable.overrides == {}


def test_somebody_on_hold_can_neither_make_nor_lift_an_override():
    bench = ready_bench()
    name = made(bench)
    bench.authority(permit(), freezes=(freeze("worker:g1", "f1"), freeze("worker:w1", "f2")), size=6)
    assert answer(bench.override()).reasons == ("worker_frozen",)
    assert answer(bench.lift(name)).reasons == ("worker_frozen",)
    assert list(bench.state.durable.overrides) == [name]


@pytest.mark.parametrize(
    ("ahead_ms", "refused"),
    [(0, "override_past"), (1, None), (LONGEST_MS, None), (LONGEST_MS + 1, "override_too_long")],
)
def test_an_override_ends_ahead_and_at_most_twelve_hours_ahead(ahead_ms, refused):
    bench = ready_bench()
    step = bench.override(until_ms=now_ms(bench) + ahead_ms)
    assert answer(step).reasons == (() if refused is None else (refused,))


def test_while_the_clock_is_in_doubt_an_end_is_judged_at_both_ends_of_the_doubt():
    bench = ready_bench()
    bench.clock = ClockInterval(UtcMs(now_ms(bench) - 5), UtcMs(now_ms(bench) + 5), ClockSource.HQ)
    assert answer(bench.override(until_ms=now_ms(bench) + 5)).reasons == ("override_past",)
    assert answer(bench.override(until_ms=now_ms(bench) + LONGEST_MS - 4)).reasons == ("override_too_long",)
    bench.clock = ClockInterval(UtcMs(now_ms(bench)), None, ClockSource.NONE)
    assert answer(bench.override()).reasons == ("clock_untrusted",)


def test_the_sixty_fifth_override_is_refused_until_one_is_lifted():
    bench = ready_bench()
    names = [made(bench, permits=()) for _ in range(LIVE_MOST)]
    assert answer(bench.override(permits=())).reasons == ("override_full",)
    bench.lift(names[7])
    assert answer(bench.override(permits=())).ok


# ---- a device of ours ------------------------------------------------------------------------------------------------


def test_entry_that_relies_on_an_overridden_detector_is_refused_and_owner_and_end_are_named():
    bench = ready_bench()
    name = made(bench)
    body = decided(bench.tap(facts()))
    assert body["reasons"] == ["override_live", "reading_inhibited"]
    (detail,) = [each[2] for each in body["failing"] if each[0] == "override_live"]
    assert detail == f"{name} gas1, g1, 2026-05-28T21:44:30Z"


def test_it_does_not_matter_for_which_permit_a_detector_was_overridden():
    bench = ready_bench()
    made(bench, permits=())
    assert reasons(bench.tap(facts())) == ["override_live", "reading_inhibited"]


def test_a_good_reading_of_an_overridden_detector_does_not_count():
    bench = ready_bench()
    made(bench)
    settled(bench)
    assert reasons(bench.tap(facts())) == ["override_live", "reading_inhibited"]


def test_a_grant_that_waits_for_its_entry_opens_nothing_once_the_detector_is_overridden():
    bench = ready_bench()
    bench.tap(facts())
    made(bench)
    assert kinds(bench.record()) == ["access.withdrawn"]


def test_running_work_that_relies_on_the_detector_trips_in_the_step_that_overrides_it():
    bench = begun_bench()
    step = bench.override()
    assert kinds(step) == ["override.made", "permit.tripped"]
    assert step.entries[1].body["reason"] == "reading_inhibited"
    assert commands(step, Sound) == [Sound("north", True)]
    assert {each.door for each in commands(step, Lock)} == {"d1", "d2"}


def test_a_detector_that_nothing_relies_on_stops_nobody():
    bench = begun_bench()
    assert kinds(bench.override(device="gas2", permits=())) == ["override.made"]
    assert decided(bench.tap(facts("w2")))["decision"] == "granted"


def test_after_the_lift_readings_settle_anew_and_a_trip_needs_its_retest():
    bench = begun_bench()
    name = made(bench)
    bench.lift(name)
    bench.block("gas1", 10)
    assert "reading_settling" in reasons(bench.tap(facts("w2")))
    settled(bench)
    assert reasons(bench.tap(facts("w2"))) == ["permit_tripped"]
    assert bench.act(OperatorAction.RETEST).entries[-1].body["passed"] is True
    assert kinds(bench.act(OperatorAction.RELEASE)) == ["permit.trip_released"]
    assert decided(bench.tap(facts("w2")))["decision"] == "granted"


def test_a_detector_overridden_twice_counts_when_both_are_lifted():
    bench = ready_bench()
    first, second = made(bench), made(bench, owner="w2")
    bench.lift(first)
    settled(bench)
    assert "override_live" in reasons(bench.tap(facts()))
    bench.lift(second)
    settled(bench)
    assert decided(bench.tap(facts()))["decision"] == "granted"


def test_the_end_of_its_time_makes_an_overridden_detector_count_no_more_than_before():
    bench = ready_bench()
    name = made(bench)
    due(bench.wait(HOUR_MS), name)
    settled(bench)
    assert {"override_live", "reading_inhibited"} <= set(reasons(bench.tap(facts())))


# ---- another protection ----------------------------------------------------------------------------------------------


def test_work_goes_on_under_an_override_of_another_protection_until_its_last_millisecond():
    bench = ready_bench()
    made(bench, **DELUGE, until_ms=now_ms(bench) + 1_000)
    assert decided(bench.wait(999).tap(facts()))["decision"] == "granted"
    assert reasons(bench.wait(1).tap(facts())) == ["override_expired"]


def test_only_permits_that_it_was_made_for_are_stopped_by_its_end():
    bench = ready_bench()
    made(bench, **DELUGE, permits=(), until_ms=now_ms(bench) + 1_000)
    assert decided(bench.wait(1_000).tap(facts()))["decision"] == "granted"


def test_a_gateway_that_does_not_know_the_time_takes_its_end_for_past():
    bench = ready_bench()
    made(bench, **DELUGE)
    bench.clock = ClockInterval(UtcMs(now_ms(bench)), None, ClockSource.NONE)
    assert reasons(bench.tap(facts())) == [
        "clock_untrusted",
        "override_expired",
        "certificate_expired",
        "authority_stale",
    ]


# ---- its end ---------------------------------------------------------------------------------------------------------


def test_its_end_is_told_once_at_its_second_with_siren_and_shut_doors():
    bench = begun_bench()
    name = made(bench, **DELUGE, until_ms=now_ms(bench) + 1_000)
    assert kinds(due(bench.wait(999), name)) == []
    step = due(bench.wait(1), name)
    assert [(each.kind, each.permit) for each in step.entries] == [("override.expired", "P1")]
    assert {name: step.entries[0].body[name] for name in ("protection", "owner")} == {
        "protection": "fire deluge T-301",
        "owner": "g1",
    }
    assert commands(step, Sound) == [Sound("north", True)]
    assert {each.door for each in commands(step, Lock)} == {"d1", "d2"}
    assert kinds(due(bench.wait(1), name)) == []


def test_the_timer_of_an_override_is_set_for_its_end_and_looks_each_minute():
    bench = ready_bench()
    (timer,) = commands(bench.override(until_ms=now_ms(bench) + 1_000), SetTimer)
    assert (timer.timer, timer.due_ms) == (Timer.OVERRIDE, bench.now_ms + 1_000)
    step = bench.override()
    timer = next(each for each in commands(step, SetTimer) if each.timer is Timer.OVERRIDE)
    assert timer.due_ms == bench.now_ms + 60_000
    (again,) = commands(due(bench.wait(60_000), str(answer(step).entry)), SetTimer)
    assert again.due_ms == bench.now_ms + 60_000


def test_a_clock_set_back_prolongs_no_override():
    bench = ready_bench()
    name = made(bench, **DELUGE)
    bench.wait(HOUR_MS)
    back = UtcMs(now_ms(bench) - 2 * HOUR_MS)
    bench.clock = ClockInterval(back, back, ClockSource.HQ)
    assert kinds(due(bench, name)) == ["override.expired"]


def test_a_better_clock_brings_the_end_nearer_at_once():
    bench = ready_bench()
    made(bench, **DELUGE)
    at_ms = UtcMs(now_ms(bench) + 2 * HOUR_MS)
    bench.clock = ClockInterval(at_ms, at_ms, ClockSource.HQ)
    step = bench.go(ClockAnchored(Anchor(ClockSource.HQ, at_ms, 0, bench.boot_id, MonotonicMs(bench.now_ms))))
    assert [each.due_ms for each in commands(step, SetTimer) if each.timer is Timer.OVERRIDE] == [bench.now_ms]


@pytest.mark.parametrize("boot_id", ["boot-1", "boot-2"])
def test_a_restart_neither_lifts_nor_prolongs_an_override_and_its_end_is_told_after_it(boot_id):
    bench = ready_bench()
    name = made(bench, until_ms=now_ms(bench) + 1_000)
    again = restarted(bench, boot_id)
    step = again.wait(999).go(Started("power", "0.1", ()))
    (timer,) = [each for each in commands(step, SetTimer) if each.timer is Timer.OVERRIDE]
    assert timer.due_ms == again.now_ms + (1 if boot_id == "boot-1" else 0)
    again.authority(permit())
    settled(again)
    assert {"override_live", "reading_inhibited"} <= set(reasons(again.tap(facts())))
    assert kinds(due(again, name)) == ["override.expired"]


def test_after_a_power_cut_without_a_clock_its_end_is_told_once_it_is_certain():
    bench = ready_bench()
    name = made(bench, **DELUGE)
    again = restarted(bench, "boot-2")
    again.clock, again.now_ms = ClockInterval(UtcMs(now_ms(bench)), None, ClockSource.NONE), 1_000
    again.start()
    assert kinds(due(again, name)) == []
    again.now_ms = HOUR_MS - 1
    assert kinds(due(again, name)) == []
    again.now_ms = HOUR_MS
    assert kinds(due(again, name)) == ["override.expired"]


def test_an_end_that_was_told_is_not_told_again_after_a_restart():
    bench = ready_bench()
    name = made(bench, until_ms=now_ms(bench) + 1_000)
    due(bench.wait(1_000), name)
    again = restarted(bench)
    step = again.go(Started("crash", "0.1", ()))
    assert not [each for each in commands(step, SetTimer) if each.timer is Timer.OVERRIDE]
    assert kinds(due(again, name)) == []


# ---- lifted ----------------------------------------------------------------------------------------------------------


def test_a_lift_is_an_entry_of_whoever_saw_that_it_is_back_in_each_permits_chain():
    bench = ready_bench()
    name = made(bench)
    (entry,) = bench.lift(name).entries
    assert (entry.kind, entry.permit, entry.actor) == ("override.lifted", "P1", {"id": "w1"})
    assert (entry.body["override"], entry.body["by"], entry.body["owner"]) == (name, "w1", "g1")
    assert bench.state.durable.overrides == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"person": None}, "worker_unknown"), ({"why": ""}, "reason_missing"), ({"override": "7"}, "override_unknown")],
)
def test_a_lift_needs_a_named_person_a_reason_and_an_override_that_lives(changes, reason):
    bench = ready_bench()
    name = made(bench)
    step = bench.lift(**{"override": name, **changes})
    assert (answer(step).reasons, kinds(step)) == ((reason,), ["operator.refused"])
    assert list(bench.state.durable.overrides) == [name]


# ---- no permit closes while one lives --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [3, 4, 5])
@pytest.mark.parametrize("expired", [False, True])
def test_hqs_close_is_refused_while_an_override_lives_and_done_in_the_step_that_lifts_it(status, expired):
    bench = begun_bench()
    name = made(bench, **DELUGE)
    if expired:
        due(bench.wait(HOUR_MS), name)
    step = closed(bench, status)
    (refusal,) = [each for each in step.entries if each.permit == "P1"]
    assert (refusal.kind, refusal.body["overrides"]) == ("permit.close_refused", [name])
    told = facts("w2", [permit(status=status)], authority_size=6)
    assert "permit_closed" in reasons(bench.tap(told))
    assert "permit.close_refused" not in kinds(closed(bench, status))
    assert kinds(bench.lift(name)) == ["override.lifted", "permit.closed"]
    assert bench.state.durable.closing == frozenset()


def test_a_permit_on_which_no_work_began_does_not_close_either():
    bench = ready_bench()
    name = made(bench, **DELUGE)
    assert "permit.close_refused" in kinds(closed(bench))
    assert kinds(bench.lift(name)) == ["override.lifted", "permit.closed"]


def test_it_closes_with_the_last_of_its_overrides_and_others_do_not_matter():
    bench = begun_bench()
    bench.authority(permit(), permit("P2"), size=6)
    mine, ours = made(bench, **DELUGE), made(bench, **DELUGE, permits=("P1", "P2"))
    other = made(bench, **DELUGE, permits=("P2",))
    bench.authority(permit("P2"), size=7)
    assert kinds(bench.lift(mine)) == ["override.lifted"]
    assert [(each.kind, each.permit) for each in bench.lift(ours).entries] == [
        ("override.lifted", "P1"),
        ("override.lifted", "P2"),
        ("permit.closed", "P1"),
    ]
    assert list(bench.state.durable.overrides) == [other]


def test_work_of_a_permit_whose_close_waits_is_watched_no_more():
    bench = begun_bench()
    made(bench)
    assert bench.state.sirens["north"] is True
    step = closed(bench)
    assert commands(step, Sound) == [Sound("north", False)]
    assert (bench.state.durable.running, bench.state.durable.trips, bench.state.watched) == ({}, {}, {})
    assert kinds(bench.block("gas1", 900)) == []


def test_no_override_is_made_for_a_permit_whose_close_waits():
    bench = begun_bench()
    made(bench, **DELUGE)
    closed(bench)
    assert answer(bench.override()).reasons == ("permit_closed",)


@pytest.mark.parametrize("boot_id", ["boot-1", "boot-2"])
def test_a_close_that_waits_outlives_a_restart_is_not_told_again_and_is_done_by_the_lift(boot_id):
    bench = begun_bench()
    name = made(bench, **DELUGE)
    closed(bench)
    again = restarted(bench, boot_id).start()
    assert kinds(again.authority(size=6)) == []
    assert kinds(again.lift(name)) == ["override.lifted", "permit.closed"]


def test_a_crash_between_the_lift_and_the_close_leaves_the_close_to_hqs_next_word():
    bench = begun_bench()
    name = made(bench, **DELUGE)
    closed(bench)
    before = bench.state.durable
    lifted = bench.lift(name).entries[0]
    again = Bench(durable=fold(before, lifted)).start()
    assert kinds(again.authority(size=6)) == ["permit.closed"]


def test_a_permit_that_comes_back_is_not_closed_by_the_lift():
    """It was for elsewhere meanwhile, which is no end: HQ gives an ended one no new life."""
    bench = ready_bench()
    name = made(bench, **DELUGE)
    assert "permit.close_refused" in kinds(bench.authority(permit(areas=("elsewhere",)), size=6))
    bench.authority(permit(), size=7)
    assert kinds(bench.lift(name)) == ["override.lifted"]
    assert "permit.closed" in kinds(closed(bench))


# ---- bytes -----------------------------------------------------------------------------------------------------------


def test_durable_state_saved_before_overrides_existed_decodes():
    table = orjson.loads(codec.encode(begun_bench().state.durable))
    assert (table.pop("overrides"), table.pop("closing")) == ({}, [])
    assert codec.decode(orjson.dumps(table), Durable) == begun_bench().state.durable


def test_a_question_kept_before_overrides_existed_is_decided_as_it_was():
    evidence = next(each.evidence for each in begun_bench().entries if each.evidence is not None)
    question, table = codec.decode(evidence, Question), orjson.loads(evidence)
    for each in table["permits"]:
        assert each.pop("overrides") == []
    earlier = codec.decode(orjson.dumps(table), Question)
    assert decide(earlier) == decide(question)


def test_what_lives_and_what_waits_is_the_fold_of_the_entries():
    bench = begun_bench()
    folded = bench.state.durable
    begun = len(bench.entries)
    bench.authority(permit(), permit("P2"), size=6)
    first = made(bench, permits=("P1", "P2"))
    made(bench, **DELUGE, permits=("P2",))
    due(bench.wait(HOUR_MS), first)
    bench.authority(size=7)
    bench.lift(first)
    for entry in bench.entries[begun:]:
        folded = fold(folded, replace(entry, body=orjson.loads(orjson.dumps(entry.body))))
    assert folded == bench.state.durable
    assert (len(folded.overrides), folded.closing) == (1, frozenset({"P2"}))
