"""Windows and certificates at their last valid second, and what an unsure clock does to them."""

import pytest
from sites import (
    EPOCH_MS,
    FROM_MS,
    POLICY,
    UNTIL_MS,
    Bench,
    build_site,
    certificate,
    commands,
    decided,
    facts,
    permit,
    ready_bench,
    token,
)

from edge.core.clock import ClockInterval, ClockSource
from edge.core.facts import Side, TokenVerdict
from edge.core.messages import ReleaseExit, Unlock

BEGIN_MS = EPOCH_MS + 2_000_000
LAST_SECOND_MS = EPOCH_MS + 3_600_000 - 1_000
"""The window as people write it: from BEGIN to LAST_SECOND, both valid; not_after is one second later, exclusive."""


def _at(instant_ms, told, p1, uncertainty_ms=0):
    bench = ready_bench()
    bench.authority(p1, size=6)
    bench.record()
    bench.clock = ClockInterval(instant_ms - uncertainty_ms, instant_ms + uncertainty_ms, ClockSource.HQ)
    tapped = bench.tap(told)
    return set(decided(tapped)["reasons"]), bool(commands(bench.record(), Unlock)), tapped


BOUNDARIES = [
    (BEGIN_MS - 1_000, "early"),
    (BEGIN_MS - 1, "early"),
    (BEGIN_MS, None),
    (LAST_SECOND_MS, None),
    (LAST_SECOND_MS + 999, None),
    (LAST_SECOND_MS + 1_000, "late"),
]


@pytest.mark.parametrize(("instant_ms", "failing"), BOUNDARIES)
def test_a_permit_opens_from_its_first_to_its_last_second(instant_ms, failing):
    p1 = permit(not_before_ms=BEGIN_MS, not_after_ms=LAST_SECOND_MS + 1_000)
    wide = TokenVerdict(token(permits=[p1]), None)
    reasons, opened, _ = _at(instant_ms, facts(permits=[p1], authority_size=6, token=wide), p1)
    assert reasons == {"early": {"not_yet_valid"}, "late": {"permit_expired"}, None: set()}[failing]
    assert opened is (failing is None)


@pytest.mark.parametrize(("instant_ms", "failing"), BOUNDARIES)
def test_a_badge_opens_from_its_first_to_its_last_second(instant_ms, failing):
    p1 = permit()
    narrow = token(permits=[p1], not_before_ms=BEGIN_MS, not_after_ms=LAST_SECOND_MS + 1_000)
    told = facts(permits=[p1], authority_size=6, token=TokenVerdict(narrow, None))
    reasons, opened, made = _at(instant_ms, told, p1)
    assert reasons == {"early": {"not_yet_valid"}, "late": {"badge_expired"}, None: set()}[failing]
    assert opened is (failing is None)
    assert "hold.frozen" not in [entry.kind for entry in made.entries], "an expired badge freezes no permit"


@pytest.mark.parametrize(("instant_ms", "failing"), [(BEGIN_MS, True), (BEGIN_MS + 500, False), (BEGIN_MS + 499, True)])
def test_the_whole_clock_interval_must_lie_after_the_start(instant_ms, failing):
    p1 = permit(not_before_ms=BEGIN_MS)
    _, opened, _ = _at(instant_ms, facts(permits=[p1], authority_size=6), p1, uncertainty_ms=500)
    assert opened is not failing


@pytest.mark.parametrize(("before_end_ms", "failing"), [(501, False), (500, True)])
def test_the_whole_clock_interval_must_lie_before_the_end(before_end_ms, failing):
    p1 = permit(not_after_ms=BEGIN_MS)
    _, opened, made = _at(BEGIN_MS - before_end_ms, facts(permits=[p1], authority_size=6), p1, uncertainty_ms=500)
    assert opened is not failing
    assert "hold.frozen" not in [entry.kind for entry in made.entries], "only an end that is surely past freezes"


def test_a_clock_without_an_upper_bound_lets_nobody_in_and_everybody_out():
    bench = ready_bench()
    bench.clock = ClockInterval(EPOCH_MS + bench.now_ms, None, ClockSource.NONE)
    body = decided(bench.tap(facts()))
    assert (body["decision"], body["reason"]) == ("denied", "clock_untrusted")
    assert commands(bench.tap(facts(), side=Side.EXIT), ReleaseExit)


def test_a_clock_without_an_upper_bound_freezes_no_permit():
    bench = ready_bench()
    bench.clock = ClockInterval(UNTIL_MS + 1, None, ClockSource.NONE)
    made = bench.tap(facts(), door="d3")
    assert decided(made)["reason"] == "clock_untrusted"
    assert [entry.kind for entry in made.entries] == ["access.decided"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ends_ms": 1}, "ok"),
        ({"ends_ms": 0}, "certificate_expired"),
        ({"review_due_ms": 1}, "ok"),
        ({"review_due_ms": 0}, "certificate_expired"),
        ({"review_due_ms": 1, "ends_ms": 0}, "certificate_expired"),
    ],
)
def test_a_certificate_counts_to_the_earlier_of_review_and_end(changes, expected):
    bench = ready_bench()
    now_ms = EPOCH_MS + bench.now_ms
    told = facts(certificates=(certificate(**{name: now_ms + left for name, left in changes.items()}),))
    reasons = decided(bench.tap(told))["reasons"]
    assert reasons == ([] if expected == "ok" else [expected])


@pytest.mark.parametrize("status", ["cancelled", "revoked", "void", "", "VALID", "anything else"])
def test_only_known_good_certificate_statuses_count(status):
    bench = ready_bench()
    assert decided(bench.tap(facts(certificates=(certificate(status=status),))))["reasons"] == ["certificate_invalid"]


def test_one_valid_certificate_among_bad_ones_is_enough():
    bench = ready_bench()
    bad = certificate(certificate="old", revoked=True)
    assert decided(bench.tap(facts(certificates=(bad, certificate()))))["decision"] == "granted"
    assert decided(bench.tap(facts(certificates=(bad, certificate(trade="height")))))["decision"] == "denied"


@pytest.mark.parametrize(
    ("age_ms", "begun", "opened"),
    [
        (POLICY.offline_normal_ms, False, True),
        (POLICY.offline_normal_ms + 1, False, False),
        (POLICY.offline_normal_ms + 1, True, True),
        (POLICY.offline_begun_ms, True, True),
        (POLICY.offline_begun_ms + 1, True, False),
    ],
)
def test_words_from_hq_may_be_old_only_so_far(age_ms, begun, opened):
    bench = ready_bench()
    if begun:
        bench.tap(facts())
        bench.record()
    told = facts(fresh_at_ms=EPOCH_MS + bench.now_ms - age_ms)
    assert decided(bench.tap(told))["reasons"] == ([] if opened else ["authority_stale"])


def test_the_age_of_hqs_word_is_counted_to_the_latest_that_it_can_be_now():
    bench = ready_bench()
    now_ms = EPOCH_MS + bench.now_ms
    bench.clock = ClockInterval(now_ms - 5_000, now_ms, ClockSource.NTP)
    for age_ms, reasons in ((POLICY.offline_normal_ms, []), (POLICY.offline_normal_ms + 1, ["authority_stale"])):
        assert decided(bench.tap(facts(fresh_at_ms=now_ms - age_ms)))["reasons"] == reasons


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        (("resit", "review_overdue", "void"), "certificate_in_review"),
        (("void", "review_overdue"), "certificate_expired"),
        (("void",), "certificate_invalid"),
    ],
)
def test_of_several_bad_certificates_the_one_closest_to_valid_is_said(statuses, said):
    bench = ready_bench()
    held = tuple(certificate(certificate=status, status=status) for status in statuses)
    assert decided(bench.tap(facts(certificates=held)))["reasons"] == [said]


@pytest.mark.parametrize(
    ("age_ms", "begun", "reasons"),
    [
        (POLICY.offline_ex_ms, False, []),
        (POLICY.offline_ex_ms + 1, False, ["authority_stale"]),
        (POLICY.offline_ex_ms + 1, True, []),
        (POLICY.offline_begun_ms + 1, True, ["authority_stale"]),
    ],
)
def test_in_an_explosive_area_word_from_hq_may_be_half_as_old(age_ms, begun, reasons):
    bench = Bench(build_site(ex=True)).start()
    bench.authority(permit())
    bench.record()
    bench.settle(gas1=30, wind1=40)
    bench.tap(facts("g1"))
    if begun:
        bench.tap(facts())
    bench.record()
    assert decided(bench.tap(facts(fresh_at_ms=EPOCH_MS + bench.now_ms - age_ms)))["reasons"] == reasons
    assert POLICY.offline_ex_ms < POLICY.offline_normal_ms


def test_never_a_word_from_hq_is_stale():
    assert decided(ready_bench().tap(facts(fresh_at_ms=None)))["reasons"] == ["authority_stale"]


def test_windows_here_are_as_the_site_says():
    assert permit().not_before_ms == FROM_MS < BEGIN_MS < LAST_SECOND_MS < UNTIL_MS
