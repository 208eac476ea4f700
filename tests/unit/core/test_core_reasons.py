"""Reason codes: each can happen, each has words in both languages, and the first in the order is primary."""

from dataclasses import replace

import pytest
from sites import (
    EPOCH_MS,
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
    freeze,
    permit,
    ready_bench,
    refused_facts,
    replace_site,
    token,
)

from edge.core.clock import ClockInterval, ClockSource
from edge.core.confirmations import Confirmation
from edge.core.entries import BlobReference
from edge.core.facts import Side, TokenRefusal, TokenVerdict, Worker
from edge.core.instruments import Check
from edge.core.messages import (
    DoorFaulted,
    DoorInput,
    DoorMoved,
    Indicate,
    Light,
    OperatorAction,
    RecordFailed,
    Timer,
    TimerDue,
)
from edge.core.places import PlaceAction
from edge.core.readings import Quality
from edge.core.reasons import ORDER, REVIEW_ONLY, WORDS, Reason
from edge.core.rules import Channel
from edge.core.said import Said
from edge.core.upgrades import Calendar

SCENARIOS = {}


def produces(*reasons):
    def register(scenario):
        for reason in reasons:
            SCENARIOS[reason] = scenario
        return scenario

    return register


def _reasons(made):
    """Every reason that a step said, in entries or on the lamps."""
    said = {reason for entry in made.entries for reason in entry.body.get("reasons", [])}
    said |= {entry.body["reason"] for entry in made.entries if "reason" in entry.body}
    return said | {each.reason.value for each in commands(made, Indicate)}


def _tap(told=None, prepare=lambda bench: None, **where):
    bench = ready_bench()
    prepare(bench)
    return _reasons(bench.tap(facts() if told is None else told, **where))


def _changed(**changes):
    """P1 as HQ said it, changed, and a badge issued for it."""
    p1 = permit(**changes)
    return _tap(facts(permits=[p1], authority_size=6), lambda bench: bench.authority(p1, size=6))


@produces(Reason.DOOR_FAULT)
def _door_fault():
    return _tap(prepare=lambda bench: bench.go(DoorFaulted("d1", "read-back differs")))


@produces(Reason.AREA_LOCKED_DOWN)
def _locked_down():
    return _tap(prepare=lambda bench: bench.act_on(PlaceAction.LOCKDOWN, "north"))


@produces(Reason.READER_RESTING)
def _reader_resting():
    def attack(bench):
        for _ in range(5):
            bench.tap(refused_facts(TokenRefusal.UID_MISMATCH))

    return _tap(prepare=attack)


@produces(Reason.CLOCK_UNTRUSTED)
def _clock_untrusted():
    def lapse(bench):
        bench.clock = ClockInterval(EPOCH_MS, None, ClockSource.NONE)

    return _tap(prepare=lapse)


@produces(Reason.FIRE_RELEASE)
def _fire():
    return _tap(prepare=lambda bench: bench.go(DoorMoved("d2", DoorInput.FIRE, True)))


@produces(Reason.GAS_OVER_LIMIT)
def _gas():
    return _tap(prepare=lambda bench: bench.block("gas1", 101))


@produces(Reason.WIND_OVER_LIMIT)
def _wind():
    return _tap(prepare=lambda bench: bench.block("wind1", 80))


@produces(Reason.AREA_FULL)
def _area_full():
    bench = ready_bench()
    north = replace(bench.state.site.areas["north"], people_max=1)
    replace_site(bench, areas={**bench.state.site.areas, "north": north})
    bench.tap(facts("w2"))
    return decided(bench.tap(facts()))["reasons"]


@produces(Reason.APPROVER_ABSENT)
def _approver_absent():
    return _changed(approver="a1")


@produces(Reason.APPROVER_PRESENT)
def _approver_present():
    return _tap(facts("a1", permits=[permit(approver="a1")]))


@produces(Reason.LINKED_PERMIT_MISSING, Reason.LINKED_PERMIT_NOT_IN_FORCE)
def _links():
    p1, p2 = permit(links=("P2", "P3")), permit("P2", links=("P1",), status=6)
    return _tap(facts(permits=[p1], linked=(p2,)))


@produces(
    Reason.NOT_UPGRADED_HOLIDAY, Reason.NOT_UPGRADED_REST_DAY, Reason.NOT_UPGRADED_NIGHT, Reason.NOT_UPGRADED_EVENT
)
def _not_upgraded():
    every_day = range(30_000)
    calendar = Calendar((0, 1_440), True, frozenset(), frozenset(every_day), ((0, 30_000),))

    def saturday(bench):
        replace_site(bench, calendar=calendar)
        bench.clock = ClockInterval(bench.now().clock.lo_ms, EPOCH_MS + 7 * 24 * HOUR_MS, ClockSource.HQ)

    return _tap(prepare=saturday)


@produces(Reason.PERMIT_PAUSED)
def _paused():
    bench = begun_bench()
    bench.act(OperatorAction.PAUSE)
    return _reasons(bench.tap(facts("w2")))


@produces(Reason.ANALYSIS_NOT_TODAY)
def _not_today():
    bench = ready_bench()
    p1 = permit(permit_type="03", not_after_ms=UNTIL_MS + 72 * HOUR_MS)
    bench.authority(p1, size=6)
    told = facts(permits=[p1], authority_size=6)
    bench.tap(told)
    bench.record()
    bench.wait(24 * HOUR_MS)
    return _reasons(bench.tap(told))


@produces(Reason.BUMP_OVERDUE, Reason.CALIBRATION_OVERDUE, Reason.VERIFICATION_OVERDUE)
def _unchecked():
    def demand(bench):
        replace_site(bench, checks={"gas1": tuple((each, 1) for each in Check)})

    return _tap(prepare=demand)


def _oxygen(steps):
    bench = Bench(build_site({"north": (OXYGEN,)}, {"d1": "north"})).start()
    p1 = permit(permit_type="70")
    bench.authority(p1)
    bench.block("oxygen1", steps)
    return _reasons(bench.tap(facts(permits=[p1])))


@produces(Reason.OXYGEN_LOW)
def _oxygen_low():
    return _oxygen(194)


@produces(Reason.OXYGEN_HIGH, Reason.CHANNEL_MISSING, Reason.READING_SETTLING)
def _oxygen_high():
    return _oxygen(211) | _oxygen(200)


@produces(Reason.TOXIC_OVER_LIMIT)
def _toxic():
    detector = Channel("h2s1", "gas", "toxic", "ppm", "0.1", "hydrogen-sulphide")
    bench = Bench(build_site({"north": (detector,)}, {"d1": "north"})).start()
    p1 = permit(permit_type="70")
    bench.authority(p1)
    bench.block("h2s1", 71)
    return _reasons(bench.tap(facts(permits=[p1])))


for _quality in Quality:
    if _quality is not Quality.GOOD:

        @produces(Reason(f"reading_{_quality.value}"))
        def _unsafe(quality=_quality):
            return _tap(prepare=lambda bench: bench.block("gas1", None, quality))


for _refusal in TokenRefusal:

    @produces(Reason(_refusal.value))
    def _refused(refusal=_refusal):
        return _tap(refused_facts(refusal))


@produces(Reason.BADGE_REVOKED)
def _badge_revoked():
    return _tap(facts(token_revoked=True))


@produces(Reason.WORKER_UNKNOWN)
def _worker_unknown():
    return _tap(replace(facts(), worker=None))


@produces(Reason.WORKER_REVOKED)
def _worker_revoked():
    return _tap(replace(facts(), worker=Worker("w1", True)))


@produces(Reason.WORKER_FROZEN)
def _worker_frozen():
    return _tap(facts(freezes=("worker:w1",)))


@produces(Reason.SITE_FROZEN)
def _site_frozen():
    return _tap(facts(freezes=("site:s014",)))


@produces(Reason.AREA_FROZEN)
def _area_frozen():
    return _tap(facts(freezes=("area:north",)))


@produces(Reason.PERMIT_UNKNOWN)
def _permit_unknown():
    return _tap(facts(permits=[]))


@produces(Reason.PERMIT_TYPE_UNKNOWN)
def _type_unknown():
    return _changed(permit_type="99")


@produces(Reason.PERMIT_FROZEN)
def _permit_frozen():
    return _tap(
        facts(authority_size=6),
        lambda bench: bench.authority(permit(), size=6, freezes=(freeze("permit:P1"),)),
    )


@produces(Reason.PERMIT_TRIPPED)
def _tripped():
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    bench.block("gas1", 101)
    bench.block("gas1", 10)
    return _reasons(bench.tap(facts()))


@produces(Reason.PERMIT_REVOKED)
def _permit_revoked():
    return _changed(revoked=True)


@produces(Reason.PERMIT_NOT_ISSUED)
def _not_issued():
    return _changed(status=0)


@produces(Reason.PERMIT_SUSPENDED)
def _suspended():
    return _changed(status=6)


@produces(Reason.PERMIT_CLOSED)
def _closed():
    assert all("permit_closed" in _changed(status=status) for status in (3, 4, 5, 7, 99, -1))
    return _changed(status=3)


@produces(Reason.BADGE_OUTDATED)
def _outdated():
    p1 = permit(version=2)
    told = facts(permits=[p1], authority_size=6, token=TokenVerdict(token(permits=[permit()]), None))
    return _tap(told, lambda bench: bench.authority(p1, size=6))


@produces(Reason.WORKER_NOT_ON_PERMIT)
def _not_on_permit():
    return _tap(facts("w9"))


@produces(Reason.NOT_YET_VALID)
def _not_yet():
    return _changed(not_before_ms=EPOCH_MS + 10**9)


@produces(Reason.BADGE_EXPIRED)
def _badge_expired():
    return _tap(facts(token=TokenVerdict(token(permits=[permit()], not_after_ms=EPOCH_MS), None)))


@produces(Reason.PERMIT_EXPIRED)
def _permit_expired():
    return _changed(not_after_ms=EPOCH_MS)


@produces(Reason.PERMIT_LONGEST_OVER)
def _permit_longest_over():
    return _changed(not_before_ms=EPOCH_MS - 8 * HOUR_MS)


@produces(Reason.GRADE_TOO_LOW)
def _grade_too_low():
    return _changed(permit_type="23", said=Said(1800, ("live_parts",)))


@produces(Reason.HEIGHT_UNKNOWN)
def _height_unknown():
    p1 = permit(permit_type="24")
    policy = replace(POLICY, permit_facts=True)
    return _tap(facts(permits=[p1]), lambda bench: replace_site(bench, policy=policy))


@produces(Reason.BLIND_NOT_ONE)
def _blind_not_one():
    return _changed(permit_type="50", said=Said(blinds=("B1", "B2")))


@produces(Reason.BLIND_SAME_PIPE)
def _blind_same_pipe():
    p1, p2 = (permit(name, permit_type="50", said=Said(pipe="L1")) for name in ("P1", "P2"))
    return _tap(facts(permits=[p1], authority_size=6), lambda bench: bench.authority(p1, p2, size=6))


@produces(Reason.BLIND_UNKNOWN)
def _blind_unknown():
    p1 = permit(permit_type="50")
    policy = replace(POLICY, permit_facts=True)
    return _tap(facts(permits=[p1]), lambda bench: replace_site(bench, policy=policy))


@produces(Reason.TOO_NEAR)
def _too_near():
    p1 = permit(said=Said(east_cm=0, north_cm=0))
    p2 = permit("P2", said=Said(east_cm=0, north_cm=1_000, activities=("painting",)))
    return _tap(facts(permits=[p1], authority_size=6), lambda bench: bench.authority(p1, p2, size=6))


@produces(Reason.BRIEFING_MISSING, Reason.RISK_ANALYSIS_MISSING, Reason.MEASURES_MISSING)
def _unconfirmed():
    return _changed(said=Said(confirmed=()))


@produces(Reason.WRONG_AREA)
def _wrong_area():
    return _tap(door="d3")


@produces(Reason.CERTIFICATE_MISSING)
def _no_certificate():
    return _tap(facts(certificates=()))


@produces(Reason.CERTIFICATE_INVALID)
def _bad_certificate():
    return _tap(facts(certificates=(certificate(revoked=True),)))


@produces(Reason.CERTIFICATE_EXPIRED)
def _old_certificate():
    assert "certificate_expired" in _tap(facts(certificates=(certificate(status="review_overdue"),)))
    return _tap(facts(certificates=(certificate(ends_ms=EPOCH_MS),)))


@produces(Reason.CERTIFICATE_IN_REVIEW)
def _in_review():
    return _tap(facts(certificates=(certificate(status="resit"),)))


@produces(Reason.ANALYSIS_MISSING)
def _never_sampled():
    return _changed(points=("top",))


@produces(Reason.ANALYSIS_TOO_OLD)
def _sampled_long_ago():
    bench, p1 = ready_bench(), permit(points=("top",))
    bench.authority(p1, size=6)
    bench.act(OperatorAction.SAMPLE, point="top")
    return _reasons(bench.wait(HOUR_MS).tap(facts(permits=[p1], authority_size=6)))


@produces(Reason.GUARDIAN_ABSENT, Reason.HARNESS_NOT_CONFIRMED)
def _unguarded():
    p1 = permit(permit_type="21", guardians=("g2",))
    return _tap(facts(permits=[p1], authority_size=6), lambda bench: bench.authority(p1, size=6))


@produces(Reason.OVERRIDE_LIVE)
def _override_live():
    return _tap(prepare=lambda bench: bench.override())


@produces(Reason.OVERRIDE_EXPIRED)
def _override_expired():
    bench = ready_bench()
    bench.override(device=None, protection="fire deluge")
    return _reasons(bench.wait(HOUR_MS).tap(facts()))


@produces(Reason.AUTHORITY_STALE)
def _stale_authority():
    return _tap(facts(fresh_at_ms=None))


@produces(Reason.AUTHORITY_MOVING)
def _moving():
    bench = ready_bench()
    said = set()
    for _ in range(3):
        said |= _reasons(bench.tap(facts(authority_size=4), tap_id="same"))
    return said


@produces(Reason.JOURNAL_SLOW)
def _journal_slow():
    return _tap(prepare=lambda bench: bench.go(RecordFailed(bench.state.recorded, "disk full")))


@produces(Reason.RECORD_LATE)
def _record_late():
    bench = ready_bench()
    bench.tap(facts())
    bench.wait(1_500)
    return _reasons(bench.record())


@produces(Reason.GRANTED)
def _granted():
    return _tap()


@produces(Reason.GRANTED_BY_HAND)
def _granted_by_hand():
    bench = ready_bench()
    bench.wait(5_000).block("gas1", None, Quality.COMM_FAIL)
    photo = BlobReference("0" * 64, "image/jpeg", 4)
    bench.act(OperatorAction.CONFIRM, what=Confirmation.EQUIPMENT, device="gas1", photo=photo)
    bench.record()
    return _reasons(bench.tap(facts()))


@produces(Reason.GUARDIAN_PRESENT)
def _guardian():
    return _tap(facts("g1"))


@produces(Reason.EXIT)
def _exit():
    return _tap(side=Side.EXIT)


@produces(Reason.DOOR_FORCED)
def _forced():
    bench = ready_bench()
    bench.go(DoorMoved("d1", DoorInput.CONTACT, False))
    return _reasons(bench.wait(60_000).go(DoorMoved("d1", DoorInput.CONTACT, True)))


@produces(Reason.DOOR_HELD)
def _held():
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    bench.go(DoorMoved("d1", DoorInput.CONTACT, True))
    return _reasons(bench.wait(20_000).go(TimerDue(Timer.DOOR, "d1")))


SAID_ELSEWHERE = {Reason.CONTROLLER_FAULT}
"""What the controller's thread says when the core itself raised: the core cannot produce it."""


@pytest.mark.parametrize("reason", [each for each in Reason if each not in SAID_ELSEWHERE], ids=lambda each: each.value)
def test_every_reason_code_can_happen(reason):
    assert reason in SCENARIOS, "a reason that no test can produce"
    assert reason.value in SCENARIOS[reason]()


@pytest.mark.parametrize("reason", Reason, ids=lambda each: each.value)
def test_every_reason_code_has_words_in_both_languages(reason):
    words = WORDS[reason]
    assert any("一" <= letter <= "鿿" for letter in words.zh)
    assert words.en.isascii()
    assert words.en.strip()


def test_no_words_are_left_over_and_codes_are_the_names_in_small():
    assert WORDS.keys() == set(Reason)
    assert all(reason.value == reason.name.lower() for reason in Reason)


def test_every_token_refusal_is_a_reason_code():
    assert {each.value for each in TokenRefusal} <= {each.value for each in Reason}


def test_the_order_is_deny_first_as_documented():
    """access.md 5.1: door, clock, mode, interlocks, token, badge, persons and holds, permit, window, area, certificate,
    guardian, harness, authority's age."""
    steps = [
        Reason.DOOR_FAULT,
        Reason.CLOCK_UNTRUSTED,
        Reason.FIRE_RELEASE,
        Reason.GAS_OVER_LIMIT,
        Reason.READING_STALE,
        Reason.TOKEN_MALFORMED,
        Reason.SIGNATURE_BAD,
        Reason.UID_MISMATCH,
        Reason.WRONG_SITE,
        Reason.BADGE_REVOKED,
        Reason.WORKER_REVOKED,
        Reason.PERMIT_FROZEN,
        Reason.NOT_YET_VALID,
        Reason.PERMIT_EXPIRED,
        Reason.WRONG_AREA,
        Reason.CERTIFICATE_MISSING,
        Reason.GUARDIAN_ABSENT,
        Reason.HARNESS_NOT_CONFIRMED,
        Reason.AUTHORITY_STALE,
    ]
    assert sorted(steps, key=ORDER.__getitem__) == steps


def test_everything_wrong_at_once_is_all_said_and_the_first_in_order_is_primary():
    bench = ready_bench()
    p1 = permit(status=6, workers=("w2",), guardians=("g2",), not_after_ms=EPOCH_MS)
    bench.authority(p1, size=6, freezes=(freeze("area:north", "f1"), freeze("site:s014", "f2")))
    bench.go(DoorFaulted("d1", "line open"))
    bench.go(DoorMoved("d1", DoorInput.FIRE, True))
    bench.block("gas1", 200)
    told = facts(permits=[p1], authority_size=6, token_revoked=True, certificates=(), fresh_at_ms=None)
    body = decided(bench.tap(told))
    assert body["reason"] == "door_fault"
    assert body["reasons"] == [
        "door_fault",
        "fire_release",
        "gas_over_limit",
        "badge_revoked",
        "site_frozen",
        "area_frozen",
        "permit_suspended",
        "worker_not_on_permit",
        "permit_expired",
        "certificate_missing",
        "guardian_absent",
        "authority_stale",
    ]


def test_a_review_opens_nothing_and_says_why():
    bench = ready_bench()
    made = bench.tap(facts(certificates=(certificate(status="resit"),)))
    assert decided(made)["decision"] == "review"
    assert [each.light for each in commands(made, Indicate)] == [Light.RED]
    assert bench.state.pending == {}
    assert frozenset({Reason.CERTIFICATE_IN_REVIEW}) == REVIEW_ONLY


def test_a_review_with_another_failing_reason_is_a_denial():
    bench = ready_bench()
    bench.block("gas1", 101)
    body = decided(bench.tap(facts(certificates=(certificate(status="resit"),))))
    assert (body["decision"], body["reasons"]) == ("denied", ["gas_over_limit", "certificate_in_review"])


def test_operator_answers_are_codes_too():
    bench = ready_bench()
    bench.act(OperatorAction.RELEASE, by="w9", person=None, why="")
    assert bench.entries[-1].body["reasons"] == ["worker_unknown", "reason_missing"]
