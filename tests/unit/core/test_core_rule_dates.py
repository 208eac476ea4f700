"""A rule holds from 00:00 of its first day in China until 00:00 of the day that ends it, and in doubt it holds."""

from dataclasses import replace
from datetime import date

import pytest
from sites import (
    DOOR_TIMING,
    EPOCH_MS,
    FROM_MS,
    GAS,
    HOUR_MS,
    PACK,
    POLICY,
    TIMING,
    Bench,
    decided,
    facts,
    permit,
    token,
)

from edge.core.clock import ClockInterval, ClockSource
from edge.core.facts import TokenVerdict
from edge.core.interlocks import bind
from edge.core.site import DoorPlan, Site, plan_area
from edge.core.turn import Step

MIDNIGHT_MS = 1_780_070_400_000
"""2026-05-30 00:00 +08:00."""

DAY = date(2026, 5, 30)
STRICT = "combustible-lel-from-4"


def site(**dates: date | None) -> Site:
    """One area with a gas detector, under the pack with its methane limit dated so."""
    rules = tuple(replace(rule, **dates) if rule.rule == STRICT else rule for rule in PACK.rules)
    pack = replace(PACK, rules=rules)
    plan = plan_area("north", False, (pack,), (GAS,), TIMING)
    doors = {"d1": DoorPlan("d1", "north", DOOR_TIMING)}
    return Site("gw1", "s014", "pg.example.org/gw/gw1/1", False, {"north": plan}, doors, {"gas1": ("gas",)}, {}, POLICY)


def bench_at(utc_ms: int, steps: int, **dates: date | None) -> Bench:
    """A gateway whose gas has settled at that many steps, at that instant, with P1 in force and its guardian there."""
    bench = Bench(site(**dates))
    bench.now_ms = utc_ms - EPOCH_MS - 70_000
    bench.start()
    p1 = permit(permit_type="03", not_before_ms=FROM_MS, not_after_ms=FROM_MS + 48 * HOUR_MS)
    bench.authority(p1)
    bench.settle(70_000, gas1=steps)
    bench.record()
    tap(bench, "g1")
    return bench


def tap(bench: Bench, worker: str) -> Step:
    """A badge of that worker for P1, good for all of these days."""
    p1, now_ms = bench.state.permits["P1"], EPOCH_MS + bench.now_ms
    badge = token(worker, [p1], not_after_ms=p1.not_after_ms)
    return bench.tap(facts(worker, [p1], token=TokenVerdict(badge, None), fresh_at_ms=now_ms))


def reasons(bench: Bench) -> list[str]:
    bench.record()
    return list(decided(tap(bench, "w1"))["reasons"])


@pytest.mark.parametrize(
    ("dates", "before_ms", "expected"),
    [
        ({"since": DAY}, 1, []),
        ({"since": DAY}, 0, ["gas_over_limit"]),
        ({"until": DAY}, 1, ["gas_over_limit"]),
        ({"until": DAY}, 0, []),
    ],
)
def test_a_rule_begins_and_ends_at_midnight_in_china(dates, before_ms, expected):
    assert reasons(bench_at(MIDNIGHT_MS - before_ms, 101, **dates)) == expected


@pytest.mark.parametrize("dates", [{"since": DAY}, {"until": DAY}])
@pytest.mark.parametrize("hi_ms", [MIDNIGHT_MS + 1, None])
def test_while_the_time_may_be_on_either_side_of_midnight_the_rule_holds(dates, hi_ms):
    bench = bench_at(MIDNIGHT_MS - 1, 101, **dates)
    bench.clock = ClockInterval(MIDNIGHT_MS - 1, hi_ms, ClockSource.NTP)
    assert "gas_over_limit" in reasons(bench)


def test_a_quantity_that_only_a_later_rule_demands_is_not_missing_yet():
    demands = bind((replace(PACK, rules=tuple(replace(rule, since=DAY) for rule in PACK.rules)),), "02", (), TIMING)
    before = ClockInterval(MIDNIGHT_MS - 1, MIDNIGHT_MS - 1, ClockSource.HQ)
    after = ClockInterval(MIDNIGHT_MS, MIDNIGHT_MS, ClockSource.HQ)
    assert demands.in_force({PACK.name}, before).quantities() == ()
    assert demands.in_force({PACK.name}, after).quantities() == ("combustible",)


@pytest.mark.parametrize(("dates", "trips"), [({"since": DAY}, True), ({"until": DAY}, False)])
def test_work_that_runs_over_midnight_is_watched_by_the_rules_of_the_day(dates, trips):
    bench = bench_at(MIDNIGHT_MS - 5_000, 100, **dates)
    assert reasons(bench) == []
    bench.record()
    assert "P1" in bench.state.durable.running
    bench.now_ms += 5_000
    bench.block("gas1", 101)
    assert bool(bench.state.durable.trips) is trips
