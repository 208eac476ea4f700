"""Taps that freeze a permit: overtime and wrong area, by whom, and what else is said of them."""

from dataclasses import replace

import pytest
from sites import EPOCH_MS, HOUR_MS, certificate, commands, decided, facts, freeze, kinds, permit, ready_bench, token

from edge.core.clock import ClockInterval, ClockSource
from edge.core.facts import TokenRefusal, TokenVerdict
from edge.core.messages import DoorInput, DoorMoved, Sound
from edge.core.readings import UtcMs


def _overdue():
    """A bench an hour after the end of P1, and P1."""
    bench = ready_bench()
    return bench, permit(not_after_ms=EPOCH_MS + bench.now_ms - HOUR_MS, not_before_ms=EPOCH_MS - HOUR_MS)


def _elsewhere(**changes):
    """P1 as a permit of the south only."""
    return permit(areas=("south",), **changes)


@pytest.mark.parametrize("worker", ["w1", "g1"])
def test_a_tap_after_the_end_freezes_and_sounds_whether_worker_or_guardian(worker):
    bench, p1 = _overdue()
    made = bench.tap(facts(worker, [p1]))
    assert kinds(made) == ["access.decided", "hold.frozen"]
    assert decided(made)["reasons"] == ["permit_expired"]
    assert (made.entries[1].body["why"], made.entries[1].body["alarm"]) == ("permit_expired", "10")
    assert commands(made, Sound) == [Sound("north", True)]


@pytest.mark.parametrize("worker", ["w1", "g1"])
@pytest.mark.parametrize("overtime", [True, False])
def test_what_is_frozen_already_is_not_frozen_again(worker, overtime):
    bench, late = _overdue()
    told = facts(worker, [late if overtime else _elsewhere()])
    assert "hold.frozen" in kinds(bench.tap(told))
    again = bench.wait(5_000).tap(told)
    assert kinds(again) == ["access.decided"]
    assert decided(again)["reason"] == "permit_frozen"


@pytest.mark.parametrize("worker", ["w1", "g1"])
@pytest.mark.parametrize("overtime", [True, False])
@pytest.mark.parametrize(
    "changes",
    [
        {"token_revoked": True},
        {"token": TokenVerdict(None, TokenRefusal.SIGNATURE_BAD)},
        {"token": TokenVerdict(None, TokenRefusal.WRONG_SITE)},
    ],
    ids=["revoked", "forged", "other site"],
)
def test_a_badge_that_is_not_beyond_doubt_freezes_nothing(worker, overtime, changes):
    bench, late = _overdue()
    made = bench.tap(facts(worker, [late if overtime else _elsewhere()], **changes))
    assert kinds(made) == ["access.decided"]
    assert commands(made, Sound) == []


@pytest.mark.parametrize("overtime", [True, False])
def test_a_badge_freezes_no_permit_that_its_bearer_is_not_on(overtime):
    """Yesterday's badge, whose short id a permit of others has today."""
    bench, late = _overdue()
    told = late if overtime else _elsewhere()
    made = bench.tap(facts("w1", [replace(told, workers=("w2",))]))
    assert kinds(made) == ["access.decided"]
    assert "worker_not_on_permit" in decided(made)["reasons"]
    assert commands(made, Sound) == []


@pytest.mark.parametrize("overtime", [True, False])
def test_a_clock_that_is_not_beyond_doubt_freezes_nothing(overtime):
    """The lowest possible time is past the end, but no source says what time it is."""
    bench, late = _overdue()
    bench.clock = ClockInterval(UtcMs(EPOCH_MS + bench.now_ms), None, ClockSource.NONE)
    made = bench.tap(facts("w1", [late if overtime else _elsewhere()]))
    assert kinds(made) == ["access.decided"]
    assert decided(made)["reason"] == "clock_untrusted"


@pytest.mark.parametrize("status", [0, 6])
def test_a_permit_not_in_force_is_not_overdue(status):
    bench, late = _overdue()
    assert kinds(bench.tap(facts(permits=[replace(late, status=status)]))) == ["access.decided"]


def test_a_wrong_area_is_said_with_whatever_else_is_wrong_with_permit_and_person():
    bench = ready_bench()
    p1 = _elsewhere(version=3, status=6, workers=("w2",), not_after_ms=EPOCH_MS)
    bench.authority(p1, size=6, freezes=(freeze("permit:P1"),))
    told = facts(permits=[p1], authority_size=6, certificates=(certificate(status="void"),))
    told = replace(told, token=TokenVerdict(token("w1", [permit()]), None))
    body = decided(bench.tap(told))
    assert body["reason"] == "permit_frozen", "the first in deny-first order"
    assert set(body["reasons"]) == {
        "permit_frozen",
        "permit_suspended",
        "badge_outdated",
        "worker_not_on_permit",
        "permit_expired",
        "wrong_area",
        "certificate_invalid",
    }


@pytest.mark.parametrize("worker", ["w1", "g1"])
def test_a_wrong_area_alone_is_said_alone(worker):
    made = ready_bench().tap(facts(worker, [_elsewhere()]))
    assert decided(made)["reasons"] == ["wrong_area"]
    assert made.entries[1].body["why"] == "wrong_area"


def test_a_wrong_area_beside_an_end_that_passed_freezes_as_wrong_area():
    bench, late = _overdue()
    made = bench.tap(facts(permits=[replace(late, areas=("south",))]))
    assert decided(made)["reasons"] == ["permit_expired", "wrong_area"]
    assert made.entries[1].body["why"] == "wrong_area"


@pytest.mark.parametrize(
    "changes", [{"permit_version": 1}, {"areas": ("south",)}], ids=["older version", "another area"]
)
def test_a_guardian_is_noted_only_on_a_badge_that_would_let_a_worker_in(changes):
    bench = ready_bench()
    bench.wait(60_000)
    p1 = permit(version=2)
    verdict = TokenVerdict(token("g1", [p1], **changes), None)
    made = bench.tap(facts("g1", [p1], token=verdict))
    assert (decided(made)["decision"], decided(made)["reasons"]) == ("denied", ["badge_outdated"])
    assert decided(bench.tap(facts("g1", [p1])))["decision"] == "noted"


def test_a_badge_of_a_newer_version_than_the_cache_knows_is_not_outdated():
    bench = ready_bench()
    verdict = TokenVerdict(token("w1", [permit()], permit_version=2), None)
    assert decided(bench.tap(facts(token=verdict)))["decision"] == "granted"


def test_the_guardian_of_a_tripped_permit_is_noted():
    """Who watches over those inside is wanted most when something is wrong."""
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    bench.block("gas1", 500)
    assert "P1" in bench.state.durable.trips
    assert decided(bench.tap(facts("g1")))["decision"] == "noted"


def test_fire_at_one_door_refuses_entry_at_all():
    bench = ready_bench()
    bench.go(DoorMoved("d3", DoorInput.FIRE, True))
    assert decided(bench.tap(facts()))["reasons"] == ["fire_release"]
