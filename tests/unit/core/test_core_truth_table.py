"""Row W08: permit in force, person on it, certificate, gas, wind, guardian. Only all six together open the door."""

from itertools import product

import pytest
from sites import UNTIL_MS, Bench, certificate, commands, decided, facts, permit

from edge.core.facts import Side
from edge.core.messages import ReleaseExit, Unlock

ALL = list(product((True, False), repeat=6))


def _site(in_force: bool, on_it: bool, certified: bool, gas: bool, wind: bool, guardian: bool):
    p1 = permit(status=2 if in_force else 6, workers=("w1",) if on_it else ("w2",))
    bench = Bench().start()
    bench.authority(permit())
    bench.record()
    bench.settle(gas1=100 if gas else 101, wind1=79 if wind else 80)
    if guardian:
        bench.tap(facts("g1"))
    bench.authority(p1, size=6)
    bench.record()
    ends_ms = UNTIL_MS if certified else bench.now().clock.lo_ms
    return bench, facts(permits=[p1], authority_size=6, certificates=(certificate(ends_ms=ends_ms),))


@pytest.mark.parametrize("case", ALL)
def test_only_all_six_conditions_together_unlock(case):
    bench, told = _site(*case)
    tapped = bench.tap(told)
    assert not commands(tapped, Unlock)
    unlocked = commands(bench.record(), Unlock)
    assert bool(unlocked) is all(case)
    assert (decided(tapped)["decision"] == "granted") is all(case)


@pytest.mark.parametrize("case", ALL)
def test_exit_opens_whatever_the_conditions(case):
    bench, told = _site(*case)
    made = bench.tap(told, side=Side.EXIT)
    assert [each.door for each in commands(made, ReleaseExit)] == ["d1"]


@pytest.mark.parametrize("case", ALL)
def test_each_missing_condition_is_named(case):
    bench, told = _site(*case)
    names = (
        "permit_suspended",
        "worker_not_on_permit",
        "certificate_expired",
        "gas_over_limit",
        "wind_over_limit",
        "guardian_absent",
    )
    missing = {name for name, fulfilled in zip(names, case, strict=True) if not fulfilled}
    assert set(decided(bench.tap(told))["reasons"]) == missing
