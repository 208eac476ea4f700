"""Limits are exact: the last step that passes and the first that does not, through rule pack, binding and judgement."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sites import GAS, OXYGEN, PACK, TIMING, WIND, Bench, build_site, decided, facts, permit, ready_bench

from edge.core.interlocks import bind, judge, measure, remember_block
from edge.core.readings import BlockRead, Quality
from edge.core.reasons import Reason
from edge.core.rules import Channel, RulePackError, good_steps


def _gas(name):
    return replace(GAS, gas=name)


def _verdicts(channel, permit_type, steps):
    interlocks = bind((PACK,), permit_type, (channel,), TIMING).interlocks
    memory = None
    for at in range(0, 90_001, 10_000):
        windows = {"speed": TIMING.gust_window_ms} if channel is WIND else {}
        memory = remember_block(
            memory, BlockRead(channel.device, (channel.channel,), (steps,), (Quality.GOOD,), at), windows, 30_000
        )
    return {judge(measure(each, memory, 90_000)).reason for each in interlocks} - {None}


@pytest.mark.parametrize(
    ("channel", "permit_type", "highest"),
    [
        (_gas("methane"), "02", 100),
        (_gas("hydrogen"), "02", 125),
        (_gas("ethanol"), "02", 60),
        (_gas("ammonia"), "02", 33),
        (_gas("n-hexane"), "02", 181),
        (_gas("methane"), "70", 100),
        (replace(GAS, unit="%vol", resolution="0.01"), "02", 50),
        (replace(GAS, unit="%vol", resolution="0.01", gas="ethanol"), "02", 20),
        (replace(GAS, unit="%vol", resolution="0.3"), "02", 1),
        (WIND, "21", 79),
        (WIND, "24", 79),
        (WIND, "02", 79),
        (replace(WIND, resolution="0.01"), "21", 799),
        (replace(WIND, resolution="1"), "21", 7),
    ],
)
def test_the_highest_step_passes_and_the_next_does_not(channel, permit_type, highest):
    code = Reason.WIND_OVER_LIMIT if channel.quantity == "wind_speed" else Reason.GAS_OVER_LIMIT
    assert _verdicts(channel, permit_type, highest) == set()
    assert _verdicts(channel, permit_type, highest + 1) == {code}


@pytest.mark.parametrize(
    ("steps", "reason"), [(194, Reason.OXYGEN_LOW), (195, None), (210, None), (211, Reason.OXYGEN_HIGH)]
)
def test_oxygen_has_two_inclusive_limits(steps, reason):
    assert _verdicts(OXYGEN, "70", steps) == ({reason} - {None})


@pytest.mark.parametrize(
    ("area", "device", "changes", "good", "bad", "reason"),
    [
        (GAS, "gas1", {}, 100, 101, "gas_over_limit"),
        (_gas("ethanol"), "gas1", {}, 60, 61, "gas_over_limit"),
        (_gas("ammonia"), "gas1", {}, 33, 34, "gas_over_limit"),
    ],
)
def test_the_limit_is_the_limit_at_the_door(area, device, changes, good, bad, reason):
    bench = Bench(build_site({"north": (area,)}, {"d1": "north"})).start()
    bench.authority(permit(**changes))
    bench.record()
    bench.settle(**{device: good})
    bench.tap(facts("g1"))
    assert decided(bench.tap(facts()))["decision"] == "granted"
    bench.block(device, bad)
    assert decided(bench.tap(facts()))["reasons"] == [reason]


@pytest.mark.parametrize(("steps", "reason"), [(194, "oxygen_low"), (195, None), (210, None), (211, "oxygen_high")])
def test_a_confined_space_opens_only_between_its_oxygen_limits(steps, reason):
    bench = Bench(build_site({"north": (GAS, OXYGEN)}, {"d1": "north"})).start()
    p1 = permit(permit_type="70")
    bench.authority(p1)
    bench.record()
    bench.settle(gas1=0, oxygen1=steps)
    bench.tap(facts("g1", [p1]))
    body = decided(bench.tap(facts(permits=[p1], certificates=())))
    assert body["reasons"] == ([reason] if reason else [])


@pytest.mark.parametrize(("steps", "passes"), [(97, False), (98, True), (105, True), (106, False)])
def test_a_limit_between_two_steps_is_rounded_to_the_safe_side_at_both_ends(steps, passes):
    """19.5 and 21 %vol in steps of 0.2: 19.4 and 21.2 fail, 19.6 and 21.0 pass."""
    found = _verdicts(replace(OXYGEN, resolution="0.2"), "70", steps)
    assert (found == set()) is passes


@pytest.mark.parametrize("worst", ["gas1", "gas9"])
def test_of_several_detectors_of_a_gas_the_worst_decides(worst):
    both = (GAS, replace(GAS, device="gas9"))
    bench = Bench(build_site({"north": both}, {"d1": "north"})).start()
    bench.authority(permit())
    bench.record()
    bench.settle(gas1=30, gas9=30)
    bench.tap(facts("g1"))
    bench.block(worst, 101)
    assert decided(bench.tap(facts()))["reasons"] == ["gas_over_limit"]
    bench.block(worst, 100)
    bench.tap(facts())
    bench.record()
    assert [each.kind for each in bench.block(worst, 101).entries][-1] == "permit.tripped"


@pytest.mark.parametrize(
    ("bound", "inclusive", "resolution", "passes"),
    [
        ("highest", True, "0.5", (None, 4)),
        ("highest", False, "0.5", (None, 3)),
        ("highest", False, "0.3", (None, 6)),
        ("lowest", True, "0.5", (4, None)),
        ("lowest", False, "0.5", (5, None)),
        ("lowest", False, "0.3", (7, None)),
    ],
)
def test_a_limit_of_2_is_inclusive_or_exclusive_as_its_rule_says(bound, inclusive, resolution, passes):
    rule = replace(PACK.rules[0], bound=bound, inclusive=inclusive)
    assert good_steps(rule, Fraction(2), resolution) == passes


@pytest.mark.parametrize("gas", ["phlogiston", None, ""])
def test_a_channel_set_to_an_unknown_gas_cannot_be_bound(gas):
    with pytest.raises(RulePackError, match="is not in the rule pack"):
        bind((PACK,), "02", (_gas(gas),), TIMING)


def test_a_unit_without_a_conversion_cannot_be_bound():
    with pytest.raises(RulePackError, match="no conversion from m/s to km/h"):
        bind((PACK,), "21", (replace(WIND, unit="km/h"),), TIMING)


@pytest.mark.parametrize(
    ("gas", "said"),
    [("phlogiston", "is not in the rule pack"), (None, "is not in the rule pack"), ("methane", "no limit of methane")],
)
def test_a_toxic_detector_without_a_gas_that_has_a_limit_cannot_be_bound(gas, said):
    with pytest.raises(RulePackError, match=said):
        bind((PACK,), "70", (Channel("t1", "gas", "toxic", "ppm", "0.1", gas),), TIMING)


def test_a_combustible_detector_of_a_gas_without_an_explosive_limit_cannot_be_bound():
    with pytest.raises(RulePackError, match="no lower explosive limit of chlorine"):
        bind((PACK,), "02", (_gas("chlorine"),), TIMING)


@pytest.mark.parametrize(
    ("figures", "limit"),
    [
        ({"maximum": "1", "short": "2", "average": "3"}, ("MAC", "1")),
        ({"maximum": "3", "short": "2", "average": "1"}, ("MAC", "3")),
        ({"maximum": None, "short": "2", "average": "1"}, ("PC-STEL", "2")),
        ({"maximum": None, "short": None, "average": "1"}, ("PC-TWA", "1")),
        ({"maximum": None, "short": None, "average": None}, None),
    ],
)
def test_a_toxic_gas_is_judged_by_MAC_else_STEL_else_TWA_whichever_is_higher(figures, limit):
    known = {name: figure and Decimal(figure) for name, figure in figures.items()}
    found = replace(PACK.gases["hydrogen-sulphide"], **known).occupational()
    assert found == (limit and (limit[0], Decimal(limit[1])))


def test_a_gas_whose_listed_explosive_limits_lie_on_both_sides_of_4_gets_the_stricter_limit():
    between = replace(PACK.gases["methane"], lel_vol=(Decimal("3.9"), Decimal("4.1")))
    pack = replace(PACK, gases={**PACK.gases, "methane": between})
    (interlock,) = bind((pack,), "02", (GAS,), TIMING).interlocks
    assert interlock.rule == "gb30871/2/combustible-lel-below-4"
    assert interlock.highest_good == 48, "0.2 %vol by the highest listed limit of 4.1 %vol is 4.878... %LEL"


def test_a_quantity_that_nothing_measures_is_missing_except_where_only_the_fitted_count():
    assert bind((PACK,), "02", (), TIMING).quantities() == ("combustible",)
    assert bind((PACK,), "21", (), TIMING).quantities() == ("wind_speed",)
    assert bind((PACK,), "70", (GAS,), TIMING).quantities() == ("oxygen",)


EXPLOSIVE = sorted(name for name, gas in PACK.gases.items() if gas.lel_vol)


@given(st.integers(0, 2_000), st.sampled_from(["0.1", "0.5", "0.01", "0.25", "1"]), st.sampled_from(EXPLOSIVE))
def test_a_reading_passes_exactly_if_its_decimal_value_does(steps, resolution, gas):
    """0.5 or 0.2 %vol by the gas's class; the reading in %LEL times the limit of explosion is its %vol."""
    lel_vol = max(PACK.gases[gas].lel_vol)
    limit_vol = Decimal("0.5") if lel_vol >= 4 else Decimal("0.2")
    reading_vol = steps * Decimal(resolution) * lel_vol / 100
    verdict = _verdicts(replace(GAS, gas=gas, resolution=resolution), "02", steps)
    assert (verdict == set()) is (reading_vol <= limit_vol)


UNSAFE = [quality for quality in Quality if quality is not Quality.GOOD]


@pytest.mark.parametrize("quality", UNSAFE)
def test_each_quality_that_is_not_good_refuses_entry_by_its_name(quality):
    bench = ready_bench()
    bench.block("gas1", None, quality)
    assert decided(bench.tap(facts()))["reasons"] == [f"reading_{quality.value}"]


@pytest.mark.parametrize("device", ["gas1", "wind1"])
def test_a_device_that_was_never_read_refuses_entry(device):
    bench = Bench().start()
    bench.authority(permit())
    bench.record()
    bench.settle(**({"gas1": 10} if device == "wind1" else {"wind1": 10}))
    bench.tap(facts("g1"))
    assert decided(bench.tap(facts()))["reasons"] == ["reading_never_read"]


@pytest.mark.parametrize(("silent_ms", "stale"), [(30_000, False), (30_001, True)])
def test_a_silent_device_is_stale_and_its_last_value_is_not_used(silent_ms, stale):
    bench = ready_bench()
    bench.wait(silent_ms - 10)
    bench.block("wind1", 30)
    bench.wait(10)
    assert decided(bench.tap(facts()))["reasons"] == (["reading_stale"] if stale else [])


def test_a_lost_poll_refuses_by_its_own_name_until_it_is_stale():
    bench = ready_bench()
    for _ in range(4):
        bench.wait(10_000)
        bench.block("gas1", None, Quality.COMM_FAIL)
        bench.block("wind1", 30)
    assert decided(bench.tap(facts()))["reasons"] == ["reading_stale"]


def test_a_short_loss_does_not_begin_the_settling_again():
    short = ready_bench()
    short.wait(10_000).block("gas1", None, Quality.COMM_FAIL)
    short.wait(10_000).block("gas1", 30)
    short.block("wind1", 30)
    assert decided(short.tap(facts()))["decision"] == "granted"


@pytest.mark.parametrize(("silent", "other"), [("gas1", "wind1"), ("wind1", "gas1")])
@pytest.mark.parametrize(("gap_ms", "reasons"), [(30_000, []), (30_001, ["reading_settling"])])
def test_a_silence_longer_than_the_stale_limit_begins_the_settling_again(silent, other, gap_ms, reasons):
    bench = ready_bench()
    bench.wait(15_000).block(other, 30)
    bench.wait(gap_ms - 15_000).block(other, 30)
    bench.block(silent, 30)
    assert decided(bench.tap(facts()))["reasons"] == reasons


@pytest.mark.parametrize(("watched_ms", "reasons"), [(59_999, ["reading_settling"]), (60_000, [])])
def test_the_gust_window_must_have_been_observed_whole(watched_ms, reasons):
    """A calm minute says nothing about the nine before: wind has no settling time of its own but its window."""
    (interlock,) = bind((PACK,), "21", (WIND,), TIMING).interlocks
    memory = None
    for at in (*range(0, watched_ms, 10_000), watched_ms):
        block = BlockRead("wind1", ("speed",), (20,), (Quality.GOOD,), at)
        memory = remember_block(memory, block, {"speed": 60_000}, 30_000)
    reason = judge(measure(interlock, memory, watched_ms)).reason
    assert [reason.value] == reasons if reasons else reason is None


def test_gusts_are_forgotten_when_their_window_has_passed():
    """A breeze that falls for hours must not be remembered for hours."""
    memory = None
    for number in range(1_000):
        block = BlockRead("wind1", ("speed",), (2_000 - number,), (Quality.GOOD,), number * 10_000)
        memory = remember_block(memory, block, {"speed": 60_000}, 30_000)
    assert len(memory.gusts["speed"]) <= 7


def test_failed_polls_do_not_break_a_silence():
    bench = ready_bench()
    for _ in range(4):
        bench.wait(10_000).block("gas1", None, Quality.COMM_FAIL)
        bench.block("wind1", 30)
    bench.wait(1_000).block("gas1", 30)
    assert decided(bench.tap(facts()))["reasons"] == ["reading_settling"]


@pytest.mark.parametrize("quality", [Quality.WARMING_UP, Quality.DEVICE_FAULT, Quality.INHIBITED, Quality.OUT_OF_RANGE])
def test_a_device_that_could_not_measure_settles_again(quality):
    bench = ready_bench()
    bench.block("gas1", None, quality)
    bench.wait(1_000)
    bench.settle(50_000, gas1=30, wind1=30)
    assert decided(bench.tap(facts()))["reasons"] == ["reading_settling"]
    bench.record()
    bench.wait(10_000)
    bench.settle(0, gas1=30, wind1=30)
    assert decided(bench.tap(facts()))["decision"] == "granted"


def test_a_gust_counts_for_its_whole_window():
    bench = ready_bench()
    bench.block("wind1", 80)
    bench.wait(1)
    bench.settle(50_000, gas1=30, wind1=20)
    bench.wait(9_998)
    bench.settle(0, gas1=30, wind1=20)
    assert decided(bench.tap(facts()))["reasons"] == ["wind_over_limit"]
    bench.wait(1)
    assert decided(bench.tap(facts()))["decision"] == "granted"


@given(st.lists(st.tuples(st.integers(1, 20_000), st.integers(0, 120)), min_size=1, max_size=20))
def test_the_gust_staircase_gives_the_highest_of_the_window(readings):
    (interlock,) = bind((PACK,), "21", (WIND,), TIMING).interlocks
    memory, at, said = None, 0, []
    for gap_ms, steps in readings:
        at += gap_ms
        said.append((at, steps))
        memory = remember_block(
            memory, BlockRead("wind1", ("speed",), (steps,), (Quality.GOOD,), at), {"speed": 60_000}, 30_000
        )
    assert measure(interlock, memory, at).steps == max(steps for when, steps in said if when > at - 60_000)
