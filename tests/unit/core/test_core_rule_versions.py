"""Two versions of a pack at hand: before the day the old one speaks, from its first second the new one; work that runs
keeps the one that it began under; decisions and trips say which."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import orjson
import pytest
from sites import EPOCH_MS, FROM_MS, GAS, HOUR_MS, PACK, TIMING, WIND, Bench, build_site, decided, facts, permit, token

from edge.core import codec
from edge.core.clock import ClockInterval, ClockSource
from edge.core.facts import TokenVerdict
from edge.core.fold import fold
from edge.core.rules import RulePack, RulePackError, strictest
from edge.core.site import plan_area
from edge.core.state import Durable, Running
from edge.core.turn import Step

MIDNIGHT_MS = 1_780_070_400_000
"""2026-05-30 00:00 +08:00."""
DAY = date(2026, 5, 30)


def limited(version: int, limit: str, since: date) -> RulePack:
    """A version of the shipped pack whose limit of methane is that, %vol."""
    changed = (
        replace(rule, limit=Decimal(limit)) if rule.rule == "combustible-lel-from-4" else rule for rule in PACK.rules
    )
    return replace(PACK, version=version, since=since, rules=tuple(changed))


OLD, NEW = limited(2, "0.5", PACK.since), limited(3, "0.4", DAY)
"""10 %LEL of methane, and 8 %LEL from DAY on."""


def bench_at(utc_ms: int, steps: int, packs: tuple[RulePack, ...] = (OLD, NEW), **kept: Durable) -> Bench:
    """A gateway with gas at that many steps, at that instant, P1 and P2 in force and their guardian there."""
    site = build_site({"north": (GAS,)}, {"d1": "north"}, packs=packs)
    bench = Bench(site, **kept)
    bench.now_ms = utc_ms - EPOCH_MS - 70_000
    bench.start()
    bench.authority(*(work(bench, name) for name in ("P1", "P2")))
    bench.settle(70_000, gas1=steps)
    bench.record()
    tap(bench, "g1", "P1")
    tap(bench, "g1", "P2")
    bench.record()
    return bench


def work(bench: Bench, name: str):  # type: ignore[no-untyped-def]
    return permit(name, permit_type="03", not_before_ms=FROM_MS, not_after_ms=FROM_MS + 48 * HOUR_MS)


def tap(bench: Bench, worker: str, name: str = "P1") -> Step:
    p1 = bench.state.permits[name]
    badge = TokenVerdict(token(worker, [p1], not_after_ms=p1.not_after_ms), None)
    return bench.tap(facts(worker, [p1], token=badge, fresh_at_ms=EPOCH_MS + bench.now_ms))


@pytest.mark.parametrize(
    ("before_ms", "reasons", "packs"),
    [(1, [], ["gb30871/2"]), (0, ["gas_over_limit"], ["gb30871/3"]), (-1, ["gas_over_limit"], ["gb30871/3"])],
)
def test_before_the_day_the_old_version_decides_and_from_its_first_instant_the_new(
    before_ms: int, reasons: list[str], packs: list[str]
) -> None:
    body = decided(tap(bench_at(MIDNIGHT_MS - before_ms, 90), "w1"))
    assert (body["reasons"], body["packs"]) == (reasons, packs)
    assert {each["interlock"].rpartition("/")[0] for each in body["conditions"]} == set(packs)


def test_while_it_may_be_either_day_both_versions_decide() -> None:
    bench = bench_at(MIDNIGHT_MS - 1, 90)
    bench.clock = ClockInterval(MIDNIGHT_MS - 1, MIDNIGHT_MS, ClockSource.NTP)  # type: ignore[arg-type]
    body = decided(tap(bench, "w1"))
    assert (body["reasons"], body["packs"]) == (["gas_over_limit"], ["gb30871/2", "gb30871/3"])


def begun_before(steps: int = 70) -> Bench:
    """P1 began five seconds before the day; it is the day now."""
    bench = bench_at(MIDNIGHT_MS - 5_000, steps)
    assert decided(tap(bench, "w1"))["decision"] == "granted"
    bench.record()
    bench.record()
    bench.now_ms += 5_000
    return bench


def test_work_that_runs_keeps_the_version_that_it_began_under_and_new_work_does_not() -> None:
    bench = begun_before()
    assert bench.state.durable.running["P1"].packs == ("gb30871/2",)
    bench.block("gas1", 90)
    assert not bench.state.durable.trips
    old, new = decided(tap(bench, "w2")), decided(tap(bench, "w1", "P2"))
    # The gas is good by the version that the work keeps; a new day asks for a new analysis.
    assert (old["reasons"], old["packs"]) == (["analysis_not_today"], ["gb30871/2", "gb30871/3"])
    assert {each["interlock"] for each in old["conditions"]} == {"gb30871/2/combustible-lel-from-4@gas1.gas"}
    assert (new["reasons"], new["packs"]) == (["gas_over_limit"], ["gb30871/3"])


@pytest.mark.parametrize(("steps", "trips"), [(100, False), (101, True)])
def test_a_trip_is_by_the_version_that_the_work_keeps_and_names_it(steps: int, trips: bool) -> None:
    bench = begun_before()
    bench.block("gas1", steps)
    found = [trip.interlock for trip in bench.state.durable.trips.values()]
    assert found == (["gb30871/2/combustible-lel-from-4@gas1.gas"] if trips else [])


def test_what_it_keeps_outlives_a_restart_by_its_entry_and_by_the_saved_state() -> None:
    bench = begun_before()
    durable = Durable()
    for entry in bench.entries:
        durable = fold(durable, entry)
    assert durable.running["P1"].packs == ("gb30871/2",)
    assert codec.decode(codec.encode(durable), Durable) == durable
    again = bench_at(MIDNIGHT_MS + 1_000_000, 90, durable=durable)
    assert not again.state.durable.trips
    assert decided(tap(again, "w1"))["reasons"] == ["analysis_not_today"]


def test_work_that_began_before_entries_said_so_is_under_the_rules_of_the_day() -> None:
    plain = orjson.loads(codec.encode(Durable(running={"P1": Running("P1", 0, "03", ("north",), ("gb30871/2",))})))
    del plain["running"]["P1"]["packs"]
    durable = codec.decode(orjson.dumps(plain), Durable)
    assert durable.running["P1"].packs == ()
    bench = bench_at(MIDNIGHT_MS + 1_000_000, 90, durable=durable)
    assert [trip.interlock for trip in bench.state.durable.trips.values()] == [
        "gb30871/3/combustible-lel-from-4@gas1.gas"
    ]


def test_a_version_that_is_not_at_hand_any_more_is_replaced_by_the_one_of_the_day() -> None:
    durable = Durable(running={"P1": Running("P1", 0, "03", ("north",), ("gb30871/1",))})
    bench = bench_at(MIDNIGHT_MS + 1_000_000, 90, durable=durable)
    assert [trip.interlock.rpartition("/")[0] for trip in bench.state.durable.trips.values()] == ["gb30871/3"]


def test_a_new_version_that_demands_nothing_of_a_type_lifts_nothing_from_work_that_runs() -> None:
    silent = replace(NEW, rules=())
    plan = plan_area("north", True, (OLD, silent), (GAS,), TIMING)
    after = ClockInterval(MIDNIGHT_MS, MIDNIGHT_MS, ClockSource.HQ)  # type: ignore[arg-type]

    def demanded(*kept: str) -> list[str]:
        return [each.rule for each in plan.demanded("03", plan.speaking(after, kept), after).interlocks]

    assert demanded() == []
    assert demanded("gb30871/2") == ["gb30871/2/combustible-lel-from-4"]
    assert demanded("gb30871/3") == []


def test_work_that_keeps_no_version_trips_on_the_new_one_at_the_first_block_of_its_day() -> None:
    """Each block is judged the short way if it can be: the day must not pass unnoticed."""
    durable = Durable(running={"P1": Running("P1", 0, "03", ("north",))})
    bench = bench_at(MIDNIGHT_MS - 1, 90, durable=durable)
    bench.block("gas1", 90)
    assert not bench.state.durable.trips
    bench.wait(1).block("gas1", 90)
    assert [trip.interlock.rpartition("/")[0] for trip in bench.state.durable.trips.values()] == ["gb30871/3"]


def test_two_packs_speak_together_and_the_stricter_decides() -> None:
    """Oxygen at 22 %vol: good by the one standard, not by the other, and both stand in the decision."""
    from edge import rules

    oxygen = GAS.__class__("oxygen1", "oxygen", "oxygen", "%vol", "0.1", None)
    site = build_site({"north": (oxygen,)}, {"d1": "north"}, packs=(PACK, rules.load("gb46768")))
    bench = Bench(site).start()
    p1 = permit(permit_type="70")
    bench.authority(p1)
    bench.settle(oxygen1=220)
    body = decided(bench.tap(facts(permits=[p1])))
    found = {each["interlock"]: each["reason"] for each in body["conditions"]}
    assert found["gb30871/2/oxygen-high@oxygen1.oxygen"] == "oxygen_high"
    assert found["gb46768/1/oxygen-high@oxygen1.oxygen"] is None
    assert body["packs"] == ["gb30871/2", "gb46768/1"]
    missing = [detail for reason, _, detail in body["failing"] if reason == "channel_missing"]
    assert missing == ["combustible", "toxic (carbon-monoxide)", "toxic (hydrogen-sulphide)"]


def test_packs_that_leave_no_certificate_to_work_with_cannot_hold_in_one_area() -> None:
    types = {code: replace(each, certificates=("diving",)) for code, each in PACK.permit_types.items()}
    other = replace(PACK, pack="other", permit_types=types)
    with pytest.raises(RulePackError, match="certificates of different trades"):
        plan_area("north", True, (PACK, other), (), TIMING)


@pytest.mark.parametrize(("ex", "demanded"), [(True, {"combustible"}), (False, set())])
def test_temporary_power_needs_a_gas_test_in_an_explosive_area_only(ex: bool, demanded: set[str]) -> None:
    plan = plan_area("north", ex, (PACK,), (), TIMING)
    assert set(plan.demands["10"].quantities()) == demanded


def test_of_two_types_under_one_code_every_demand_counts() -> None:
    plain = replace(PACK.permit_types["02"], guardian=False, harness=False, certificates=(), validity_ms=None)
    asking = replace(plain, guardian=True, harness=True, certificates=("welding", "cutting"), validity_ms=8 * HOUR_MS)
    for known in ([plain, asking], [asking, plain]):
        found = strictest(known)
        assert found is not None
        assert (found.guardian, found.harness, found.certificates, found.validity_ms) == (
            True,
            True,
            ("welding", "cutting"),
            8 * HOUR_MS,
        )
    cutter = replace(asking, certificates=("cutting",), validity_ms=HOUR_MS)
    both = strictest([asking, cutter])
    assert both is not None
    assert (both.certificates, both.validity_ms) == (("cutting",), HOUR_MS)
    assert strictest([]) is None


@pytest.mark.parametrize("open_air", [True, False])
@pytest.mark.parametrize("code", ["02", "63"])
def test_work_that_wind_forbids_asks_for_an_anemometer_in_the_open_air_and_is_judged_wherever_one_is(open_air, code):
    bare = plan_area("north", True, (PACK,), (GAS,), TIMING, open_air=open_air).demands[code]
    assert ("wind_speed" in bare.quantities()) is open_air
    fitted = plan_area("north", True, (PACK,), (GAS, WIND), TIMING, open_air=open_air).demands[code]
    assert [each.device for each in fitted.interlocks].count("wind1") == 1
    assert "wind_speed" not in fitted.quantities()
