"""A tap from facts to unlock: gathered, decided, recorded, judged again, released, or withdrawn with a reason."""

from dataclasses import replace

import pytest
from sites import (
    EPOCH_MS,
    UNTIL_MS,
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
    refused_facts,
    token,
)

from edge.core.asking import ready
from edge.core.clock import ClockInterval, ClockSource
from edge.core.doors import Phase
from edge.core.facts import Side, TokenRefusal, TokenVerdict, Worker
from edge.core.messages import (
    DoorFaulted,
    DoorInput,
    DoorMoved,
    Gather,
    Indicate,
    Light,
    Lock,
    Noticed,
    OperatorAction,
    RecordFailed,
    ReleaseExit,
    SetTimer,
    Sound,
    Timer,
    TimerDue,
    Unlock,
)
from edge.core.readings import Quality
from edge.core.reasons import Reason
from edge.core.turn import Turn


def _lights(made):
    return [(each.light, each.reason) for each in commands(made, Indicate)]


def test_a_grant_waits_amber_for_its_entry_and_only_then_unlocks():
    bench = ready_bench()
    tapped = bench.tap(facts())
    assert _lights(tapped) == [(Light.AMBER, Reason.GRANTED)]
    (entry,) = tapped.entries
    assert (entry.kind, entry.permit, entry.body["decision"]) == ("access.decided", "P1", "granted")
    bench.wait(5)
    recorded = bench.record()
    assert commands(recorded, Unlock) == [Unlock("d1", entry.seq, bench.now_ms + 5_000)]
    assert _lights(recorded) == [(Light.GREEN, Reason.GRANTED)]
    assert kinds(recorded) == ["permit.begun", "access.released"]
    assert bench.state.doors["d1"].phase is Phase.RELEASED


def test_the_second_entry_begins_no_work_again():
    bench = begun_bench()
    bench.tap(facts())
    assert kinds(bench.record()) == ["access.released"]


def test_a_record_that_ends_before_the_grant_unlocks_nothing():
    bench = ready_bench()
    bench.tap(facts())
    made = bench.record(bench.state.durable.next_entry - 1)
    assert made.commands == ()
    assert len(bench.state.pending) == 1


def test_a_grant_unlocks_once_however_often_it_is_said_to_be_recorded():
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    assert commands(bench.record(), Unlock) == []


def test_no_input_but_recorded_unlocks():
    bench = ready_bench()
    bench.tap(facts())
    others = [
        lambda: bench.block("gas1", 30),
        lambda: bench.authority(permit()),
        lambda: bench.go(RecordFailed(0, "slow")),
        lambda: bench.go(TimerDue(Timer.GRANT, str(bench.state.durable.next_entry - 1))),
        lambda: bench.go(DoorMoved("d1", DoorInput.REX, True)),
        lambda: bench.go(Noticed("hq.lost", "hq", "no answer")),
        lambda: bench.tap(facts("w2")),
        lambda: bench.tap(facts(), side=Side.EXIT),
    ]
    assert not [each for other in others for each in commands(other(), Unlock)]


# ---- withdrawn: what became known between the decision and its record ------------------------------------------------


def _over(bench):
    bench.block("gas1", 101)


def _lost(bench):
    bench.block("gas1", None, Quality.COMM_FAIL)


def _windy(bench):
    bench.block("wind1", 80)


def _frozen(scope):
    return lambda bench: bench.authority(permit(), freezes=(freeze(scope),))


def _clock(bench):
    bench.clock = ClockInterval(EPOCH_MS, None, ClockSource.NONE)


def _end(bench):
    bench.clock = ClockInterval(UNTIL_MS, UNTIL_MS, ClockSource.HQ)


def _fire(bench):
    bench.go(DoorMoved("d2", DoorInput.FIRE, True))


def _moved(bench):
    bench.authority(permit(), size=6)


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (_over, "gas_over_limit"),
        (_lost, "reading_comm_fail"),
        (_windy, "wind_over_limit"),
        (_frozen("permit:P1"), "permit_frozen"),
        (_frozen("worker:w1"), "worker_frozen"),
        (_frozen("area:north"), "area_frozen"),
        (_frozen("site:s014"), "site_frozen"),
        (_frozen("worker:g1"), "guardian_absent"),
        (_clock, "clock_untrusted"),
        (_end, "badge_expired"),
        (_fire, "fire_release"),
        (_moved, "authority_moving"),
    ],
)
def test_what_became_known_before_the_record_withdraws_the_grant(between, reason):
    bench = ready_bench()
    tapped = bench.tap(facts())
    between(bench)
    made = bench.record(tapped.entries[0].seq + 1)
    assert not commands(made, Unlock)
    (withdrawn,) = [entry for entry in made.entries if entry.kind == "access.withdrawn"]
    assert (withdrawn.body["reason"], withdrawn.body["entry"]) == (reason, tapped.entries[0].seq)
    assert _lights(made) == [(Light.RED, Reason(reason))]
    assert bench.state.doors["d1"].phase is Phase.LOCKED_SHUT


def test_a_trip_before_the_record_withdraws_the_grant_of_a_running_permit():
    bench = begun_bench()
    bench.tap(facts("w2"))
    bench.block("gas1", 101)
    bench.block("gas1", 30)
    made = bench.record()
    assert not commands(made, Unlock)
    assert made.entries[0].body["reason"] == "permit_tripped"


def test_a_guardian_who_lapses_before_the_record_withdraws_the_grant():
    bench = ready_bench()
    bench.wait(1_799_500).block("gas1", 30)
    bench.wait(1)
    bench = ready_bench()
    since_ms = bench.state.durable.guardians["P1"]["north"].boottime_ms
    bench.now_ms = since_ms + 1_800_000 - 80_000
    bench.settle(80_000, gas1=30, wind1=30)
    assert bench.now_ms == since_ms + 1_800_000
    assert decided(bench.tap(facts()))["decision"] == "granted"
    bench.wait(1)
    assert bench.record().entries[0].body["reason"] == "guardian_absent"


def test_a_record_that_comes_too_late_opens_nothing():
    bench = ready_bench()
    tapped = bench.tap(facts())
    entry = tapped.entries[0].seq
    assert SetTimer(Timer.GRANT, str(entry), bench.now_ms + 1_500) in tapped.commands
    bench.wait(1_499)
    assert bench.go(TimerDue(Timer.GRANT, str(entry))).entries == ()
    bench.wait(1)
    due = bench.go(TimerDue(Timer.GRANT, str(entry)))
    assert (kinds(due), due.entries[0].body["reason"]) == (["access.withdrawn"], "record_late")
    assert not commands(bench.record(), Unlock)


def test_a_record_that_comes_too_late_opens_nothing_even_if_the_timer_was_missed():
    bench = ready_bench()
    bench.tap(facts())
    bench.wait(1_500)
    made = bench.record()
    assert (kinds(made), made.entries[0].body["reason"]) == (["access.withdrawn"], "record_late")


def test_a_permit_that_lapsed_is_not_replaced_by_another_that_would_grant_now():
    """The recorded grant names one permit; the next tap may use the other. The worker is told why, not 'enter'."""
    bench = ready_bench()
    p1, p2 = permit(), permit("P2", not_after_ms=UNTIL_MS + 1)
    both = replace(facts(permits=[p1, p2]), authority_size=6)
    both = replace(both, token=TokenVerdict(token(permits=[p1, p2], not_after_ms=UNTIL_MS + 1), None))
    bench.authority(p1, p2, size=6)
    bench.tap(replace(both, worker=Worker("g1", False)))
    bench.record()
    assert bench.tap(both).entries[0].permit == "P1"
    _end(bench)
    made = bench.record()
    assert made.entries[0].body["reason"] == "permit_expired"
    assert decided(bench.tap(both))["decision"] == "granted"


# ---- facts and state ------------------------------------------------------------------------------------------------


def test_facts_older_than_the_state_are_gathered_twice_and_then_refused():
    bench = ready_bench()
    old = facts(authority_size=4)
    for _ in range(2):
        made = bench.tap(old, tap_id="one")
        assert (kinds(made), len(commands(made, Gather))) == ([], 1)
    made = bench.tap(old, tap_id="one")
    assert (kinds(made), decided(made)["reason"]) == (["access.refused"], "authority_moving")
    assert bench.state.gathers == {}
    assert len(commands(bench.tap(old, tap_id="one"), Gather)) == 1, "a new tap begins to count again"


def test_taps_whose_facts_never_come_again_are_forgotten():
    bench = ready_bench()
    for _ in range(200):
        assert commands(bench.tap(facts(authority_size=4)), Gather)
    assert len(bench.state.gathers) == 64
    last = f"tap-{bench.taps}"
    bench.tap(facts(authority_size=4), tap_id=last)
    assert decided(bench.tap(facts(authority_size=4), tap_id=last))["reason"] == "authority_moving"


def test_facts_gathered_again_in_time_are_decided():
    bench = ready_bench()
    bench.tap(facts(authority_size=4), tap_id="one")
    assert decided(bench.tap(facts(), tap_id="one"))["decision"] == "granted"
    assert bench.state.gathers == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"revoked": True}, "permit_revoked"), ({"status": 6}, "permit_suspended"), ({"workers": ("w2",)}, None)],
)
def test_facts_newer_than_the_state_are_believed(changes, reason):
    """The cache has HQ's revocation before the controller is told: the tap's facts say it, so it is known."""
    bench = ready_bench()
    made = bench.tap(facts(permits=[permit(**changes)], authority_size=6))
    assert decided(made)["reasons"] == [reason or "worker_not_on_permit"]


def test_a_freeze_that_only_the_facts_know_counts():
    bench = ready_bench()
    for scope in ("permit:P1", "worker:w1", "area:north", "site:s014"):
        assert decided(bench.tap(facts(freezes=(scope,))))["decision"] == "denied"
    assert decided(bench.tap(facts(freezes=("permit:P9", "worker:w9", "area:south"))))["decision"] == "granted"


def test_a_badge_opens_only_the_areas_that_it_names():
    """What is on the badge is an upper bound: the cache can only subtract from it."""
    p1 = permit()
    told = facts(token=TokenVerdict(token(permits=[p1], areas=("south",)), None))
    made = ready_bench().tap(told)
    assert (decided(made)["reasons"], kinds(made)) == (["badge_outdated"], ["access.decided"])


# ---- freezes made here ----------------------------------------------------------------------------------------------


def test_out_of_area_freezes_the_permit_and_sounds_the_siren_in_one_step():
    bench = ready_bench()
    made = bench.tap(facts(), door="d3")
    assert kinds(made) == ["access.decided", "hold.frozen"]
    assert made.entries[1].body["scope"] == "permit:P1"
    assert made.entries[1].body["why"] == "wrong_area"
    assert commands(made, Sound) == [Sound("south", True)]
    assert bench.state.durable.freezes.holds("permit:P1")
    assert decided(bench.tap(facts()))["reason"] == "permit_frozen"


def test_overtime_freezes_the_permit_and_sounds_the_siren():
    bench = ready_bench()
    bench.now_ms = 8 * 3_600_000
    bench.settle(gas1=30, wind1=30)
    made = bench.tap(facts())
    assert kinds(made) == ["access.decided", "hold.frozen"]
    assert made.entries[1].body["why"] == "permit_expired"
    assert commands(made, Sound) == [Sound("north", True)]


def test_the_siren_of_an_alarm_ends_after_its_time_and_the_freeze_does_not():
    bench = ready_bench()
    made = bench.tap(facts(), door="d3")
    assert SetTimer(Timer.SIREN, "south", bench.now_ms + 30_000) in made.commands
    bench.wait(29_999)
    assert not commands(bench.go(TimerDue(Timer.SIREN, "south")), Sound)
    bench.wait(1)
    assert commands(bench.go(TimerDue(Timer.SIREN, "south")), Sound) == [Sound("south", False)]
    assert bench.state.durable.freezes.holds("permit:P1")


def test_a_second_tap_out_of_area_freezes_nothing_again():
    bench = ready_bench()
    bench.tap(facts(), door="d3")
    assert kinds(bench.tap(facts(), door="d3")) == ["access.decided"]


@pytest.mark.parametrize("refusal", TokenRefusal)
@pytest.mark.parametrize("door", ["d1", "d3"])
def test_a_badge_that_is_not_believed_never_freezes(refusal, door):
    bench = ready_bench()
    bench.now_ms = 9 * 3_600_000
    made = bench.tap(replace(refused_facts(refusal), permits=(permit(),), worker=Worker("w1", False)), door=door)
    assert kinds(made) == ["access.decided"]
    assert decided(made)["reason"] in (refusal.value, "reading_stale")
    assert not list(bench.state.durable.freezes.standing())


def test_a_revoked_badge_never_freezes():
    bench = ready_bench()
    assert kinds(bench.tap(facts(token_revoked=True), door="d3")) == ["access.decided"]


def test_a_permit_that_hq_suspended_or_closed_is_not_frozen_as_overtime():
    bench = ready_bench()
    for size, status in enumerate((0, 3, 6), start=6):
        p1 = permit(status=status, not_after_ms=EPOCH_MS)
        bench.authority(p1, size=size)
        assert kinds(bench.tap(facts(permits=[p1], authority_size=size))) == ["access.decided"]


def test_a_freeze_made_here_ends_a_release_that_still_runs_for_the_permit():
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    assert bench.state.doors["d1"].phase is Phase.RELEASED
    made = bench.tap(facts("w2"), door="d3")
    assert Lock("d1") in made.commands
    assert bench.state.doors["d1"].phase is Phase.LOCKED_SHUT


@pytest.mark.parametrize("scope", ["permit:P1", "worker:w1", "area:north", "site:s014"])
def test_a_freeze_by_hq_ends_a_release_that_still_runs(scope):
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    made = bench.authority(permit(), size=6, freezes=(freeze(scope),))
    assert Lock("d1") in made.commands
    assert "access.not_taken" in kinds(made)


@pytest.mark.parametrize("scope", ["permit:P2", "worker:w2", "area:south", "site:other"])
def test_a_freeze_of_something_else_does_not(scope):
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    assert not commands(bench.authority(permit(), size=6, freezes=(freeze(scope),)), Lock)


@pytest.mark.parametrize("permits", [(), (permit(status=6),), (permit(status=4),), (permit(revoked=True),)])
def test_a_permit_that_hq_took_back_ends_a_release_that_still_runs(permits):
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    assert Lock("d1") in bench.authority(*permits, size=6).commands


@pytest.mark.parametrize("scope", ["permit:P1", "worker:w1", "area:north", "site:s014"])
def test_a_release_of_somebody_leaving_is_never_ended_by_a_freeze(scope):
    bench = ready_bench()
    bench.tap(facts(), side=Side.EXIT)
    assert not commands(bench.authority(permit(), size=6, freezes=(freeze(scope),)), Lock)
    assert bench.state.doors["d1"].phase is Phase.RELEASED


# ---- guardians ------------------------------------------------------------------------------------------------------


def test_a_guardian_is_noted_and_then_the_worker_is_let_in():
    bench = Bench().start()
    bench.authority(permit())
    bench.record()
    bench.settle(gas1=30, wind1=30)
    assert decided(bench.tap(facts()))["reasons"] == ["guardian_absent"]
    made = bench.tap(facts("g1"))
    assert (kinds(made), _lights(made)) == (
        ["access.decided", "guardian.present"],
        [(Light.GREEN, Reason.GUARDIAN_PRESENT)],
    )
    assert decided(made)["decision"] == "noted"
    assert not commands(bench.record(), Unlock), "a guardian's tap opens nothing"
    assert decided(bench.tap(facts()))["decision"] == "granted"


def test_a_guardian_is_noted_whatever_the_readings():
    bench = ready_bench()
    bench.block("gas1", 500)
    assert decided(bench.tap(facts("g1")))["decision"] == "noted"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"status": 6}, "permit_suspended"), ({"not_before_ms": UNTIL_MS - 1}, "not_yet_valid")],
)
def test_a_guardian_is_not_noted_for_a_permit_that_does_not_stand(changes, reason):
    bench = ready_bench()
    p1 = permit(**changes)
    bench.authority(p1, size=6)
    body = decided(bench.tap(facts("g1", [p1], authority_size=6)))
    assert (body["decision"], body["reason"]) == ("denied", reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"token_revoked": True}, "badge_revoked"),
        ({"freezes": ("worker:g1",)}, "worker_frozen"),
        ({"freezes": ("area:north",)}, "area_frozen"),
        ({"fresh_at_ms": None}, "authority_stale"),
    ],
)
def test_a_guardian_is_not_noted_on_a_badge_or_at_a_place_that_opens_nothing(changes, reason):
    bench = ready_bench()
    made = bench.tap(facts("g1", **changes))
    assert (decided(made)["decision"], decided(made)["reason"], kinds(made)) == ("denied", reason, ["access.decided"])


def test_a_guardian_of_another_permit_does_not_count():
    bench = ready_bench()
    p2 = permit("P2", guardians=("g2",))
    bench.authority(permit(), p2, size=6)
    bench.tap(facts("g1", authority_size=6))
    assert decided(bench.tap(facts("w1", [p2], authority_size=6)))["reasons"] == ["guardian_absent"]


def test_after_a_hand_over_the_former_guardian_does_not_count():
    bench = ready_bench()
    p1 = permit(guardians=("g2",))
    bench.authority(p1, size=6)
    told = facts(permits=[p1], authority_size=6)
    assert decided(bench.tap(told))["reasons"] == ["guardian_absent"]
    bench.tap(facts("g2", [p1], authority_size=6))
    assert decided(bench.tap(told))["decision"] == "granted"


def test_a_guardian_at_one_area_does_not_count_at_another_of_the_same_permit():
    """Nobody watches over two places: presence is a tap at a reader of this area."""
    p1 = permit(areas=("north", "south"))
    bench = Bench().start()
    bench.authority(p1)
    bench.record()
    bench.settle(gas1=30, wind1=30, gas2=20)
    bench.tap(facts("g1", [p1]), door="d1")
    told = facts(permits=[p1])
    assert decided(bench.tap(told, door="d3"))["reasons"] == ["guardian_absent"]
    assert decided(bench.tap(told, door="d2"))["decision"] == "granted", "another door of the same area"
    bench.tap(facts("g1", [p1]), door="d3")
    assert decided(bench.tap(told, door="d3"))["decision"] == "granted"
    assert decided(bench.tap(told, door="d1"))["reasons"] == ["guardian_absent"], "they left for the south"


def test_a_frozen_guardian_does_not_count():
    bench = ready_bench()
    bench.authority(permit(), size=6, freezes=(freeze("worker:g1"),))
    assert decided(bench.tap(facts(authority_size=6)))["reasons"] == ["guardian_absent"]


def test_a_guardian_of_another_boot_does_not_count():
    """Nobody knows how long the power was off."""
    bench = ready_bench()
    bench.boot_id = "boot-2"
    assert decided(bench.tap(facts()))["reasons"] == ["guardian_absent"]


def test_work_at_height_needs_the_guardians_word_on_the_harness():
    p1 = permit(permit_type="21")
    bench = Bench().start()
    bench.authority(p1)
    bench.record()
    bench.settle(wind1=30)
    bench.tap(facts("g1", [p1]))
    told = facts(permits=[p1])
    told = replace(told, certificates=(replace(told.certificates[0], trade="height"),))
    assert decided(bench.tap(told))["reasons"] == ["harness_not_confirmed"]
    bench.act(OperatorAction.CONFIRM, by="w2")
    assert decided(bench.tap(told))["reasons"] == ["harness_not_confirmed"]
    bench.act(OperatorAction.CONFIRM)
    assert decided(bench.tap(told))["decision"] == "granted"
    confirmed_ms = bench.now_ms
    for age_ms, reasons in ((1_800_000, []), (1_800_001, ["harness_not_confirmed"])):
        bench.wait(confirmed_ms + age_ms - bench.now_ms - 70_000).settle(wind1=30)
        bench.record()
        bench.tap(facts("g1", [p1]))
        bench.record()
        assert decided(bench.tap(told))["reasons"] == reasons


# ---- the journal ----------------------------------------------------------------------------------------------------


def test_a_failing_journal_refuses_entry_until_it_records_again():
    bench = ready_bench()
    bench.go(RecordFailed(bench.state.recorded, "disk full"))
    assert decided(bench.tap(facts()))["reasons"] == ["journal_slow"]
    bench.record()
    assert decided(bench.tap(facts()))["decision"] == "granted"


def test_word_of_a_failure_that_comes_after_its_entries_were_recorded_refuses_nobody():
    bench = ready_bench()
    bench.go(RecordFailed(bench.state.recorded - 1, "told late"))
    assert decided(bench.tap(facts()))["decision"] == "granted"
    assert commands(bench.record(), Unlock)


@pytest.mark.parametrize(("oldest_ms", "slow"), [(2_000, False), (2_001, True)])
def test_an_entry_that_waits_too_long_refuses_entry(oldest_ms, slow):
    bench = ready_bench()
    bench.go(Noticed("hq.lost", "hq", "no answer"))
    bench.wait(oldest_ms)
    assert decided(bench.tap(facts()))["reasons"] == (["journal_slow"] if slow else [])


def test_grants_that_become_durable_together_are_released_in_the_order_of_their_entries():
    bench = ready_bench()
    for door in ("d2", "d1"):
        bench.tap(facts("w2" if door == "d2" else "w1"), door=door)
    assert [each.door for each in commands(bench.record(), Unlock)] == ["d2", "d1"]


def test_word_that_comes_late_takes_nothing_back():
    bench = ready_bench()
    recorded = bench.state.recorded
    bench.record(1)
    assert bench.state.recorded == recorded


def test_an_entry_is_waited_for_until_the_word_covers_it():
    """``Recorded`` names the first that is not durable: that one still waits, and makes the journal slow."""
    bench = ready_bench()
    bench.go(Noticed("hq.lost", "hq", "no answer"))
    bench.record(bench.state.durable.next_entry - 1)
    bench.wait(2_001)
    assert decided(bench.tap(facts()))["reasons"] == ["journal_slow"]


@pytest.mark.parametrize(("waiting", "slow"), [(1_000, False), (1_001, True)])
def test_too_many_waiting_entries_refuse_entry(waiting, slow):
    bench = ready_bench()
    for _ in range(waiting):
        bench.go(Noticed("hq.lost", "hq", "no answer"))
    assert decided(bench.tap(facts()))["reasons"] == (["journal_slow"] if slow else [])
    assert len(bench.state.waiting) <= 1_000


@pytest.mark.parametrize("told", [facts(), facts("w9"), refused_facts(TokenRefusal.SIGNATURE_BAD), facts(permits=[])])
def test_an_exit_tap_is_released_at_once_whoever_it_is(told):
    bench = ready_bench()
    bench.go(RecordFailed(0, "disk full"))
    _clock(bench)
    _fire(bench)
    made = bench.tap(told, side=Side.EXIT)
    assert commands(made, ReleaseExit) == [ReleaseExit("d1", bench.now_ms + 5_000)]
    assert kinds(made) == ["exit.tapped"]


def test_every_entry_of_a_simulated_site_says_so():
    bench = Bench(build_site(simulated=True)).start()
    bench.authority(permit())
    bench.tap(facts())
    assert all(entry.body["simulated"] is True for entry in bench.entries)
    assert not any("simulated" in entry.body for entry in ready_bench().entries)


def test_ready_asks_for_every_area_of_the_permit_as_a_tap_there_would():
    p1 = permit(areas=("south", "north"))
    bench = Bench().start()
    bench.authority(p1)
    bench.record()
    bench.settle(gas1=30, wind1=30, gas2=101)
    bench.tap(facts("g1", [p1]))
    bench.go(DoorFaulted("d1", "bolt"))
    told = {"w1": facts("w1", [p1])}
    answers = ready(bench.state, p1, told, Turn(bench.state, bench.now()))
    said = {key: [each.reason.value for each in decision.failing] for key, decision in answers.items()}
    assert said == {("w1", "north"): [], ("w1", "south"): ["gas_over_limit", "guardian_absent"]}
    for (_, area), door in zip(answers, ("d2", "d3"), strict=True):
        assert decided(bench.tap(told["w1"], door=door))["reasons"] == said["w1", area]


def test_pending_grants_are_void_after_a_restart():
    bench = ready_bench()
    bench.tap(facts())
    again = Bench(durable=bench.state.durable)
    assert again.state.pending == {}
    assert not commands(again.record(), Unlock)
