"""Every rule of every shipped pack at its limit: the last value that passes and the first that does not, on each unit
and resolution that a shipped profile or a table below has for its quantity, and the instants at which it begins and
ends. The cases are made from the packs, so a rule that is added is tested, or nothing could be.

The other side of each comparison converts the reading to the rule's unit, not the limit to the reading's, and compares
fractions: it shares no code with ``bind``.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from drivers.modbus.profile import load_profile, shipped_models
from edge import rules
from edge.core.clock import ClockInterval, ClockSource
from edge.core.interlocks import Timing, bind, judge, measure, remember_block, rule_name
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.core.reasons import Reason
from edge.core.rules import Channel, Rule, RulePack
from edge.core.site import plan_area

TIMING = Timing(settle_ms=10_000, stale_ms=30_000, gust_window_ms=10_000)
VERSIONS = rules.at_hand(rules.names())
EXTRA = {
    "combustible": {("%LEL", "0.1"), ("%LEL", "1"), ("%vol", "0.01"), ("%vol", "0.1")},
    "oxygen": {("%vol", "0.1"), ("%vol", "0.01"), ("%vol", "1")},
    "toxic": {("ppm", "0.1"), ("ppm", "1"), ("ppm", "0.01"), ("mg/m3", "0.1"), ("mg/m3", "1"), ("%vol", "0.01")},
    "wind_speed": {("m/s", "0.1"), ("m/s", "0.01"), ("m/s", "1")},
}
"""Units and resolutions that instruments have, whether or not a profile of one ships yet."""


def scales(quantity: str) -> set[tuple[str, str]]:
    shipped = {
        (channel.unit, str(channel.resolution))
        for model in shipped_models()
        for channel in load_profile(model).channels
        if channel.quantity.value == quantity
    }
    return shipped | EXTRA[quantity]


def gases(pack: RulePack, rule: Rule) -> list[str | None]:
    """The gases with which a rule has a meaning."""
    if rule.quantity not in ("combustible", "toxic"):
        return [None]
    known = pack.gases.values()
    if rule.gas is not None:
        return [rule.gas]
    if rule.quantity == "toxic":
        return [each.gas for each in known if each.maximum or each.short or each.average]
    low, high = rule.gas_lel_from or Decimal(0), rule.gas_lel_below or Decimal(1_000)
    return [each.gas for each in known if each.lel_vol and low <= min(each.lel_vol) < high]


def in_rule_unit(pack: RulePack, rule: Rule, channel: Channel, reading: Fraction) -> Fraction:
    """A reading of the channel, in the rule's unit, by the less favourable of the gas's explosive limits."""
    if channel.unit == rule.unit:
        return reading
    gas = pack.gases[channel.gas or ""]
    match channel.unit, rule.unit:
        case "%LEL", "%vol":
            return reading * Fraction(max(gas.lel_vol)) / 100
        case "%vol", "%LEL":
            return reading / Fraction(min(gas.lel_vol)) * 100
        case "ppm" | "%vol", "mg/m3":
            assert gas.molar_mass is not None
            ppm = reading * (10_000 if channel.unit == "%vol" else 1)
            return ppm * Fraction(gas.molar_mass) / Fraction(pack.molar_volume)
    raise AssertionError(f"no test knows {channel.unit} of a limit in {rule.unit}")


def printed_limit(pack: RulePack, rule: Rule, gas: str | None) -> Fraction:
    if rule.limit is not None:
        return Fraction(rule.limit)
    known = pack.gases[gas or ""]
    return Fraction(known.maximum or known.short or known.average or 0)


def passes(pack: RulePack, rule: Rule, channel: Channel, steps: int) -> bool:
    value = in_rule_unit(pack, rule, channel, steps * Fraction(channel.resolution))
    limit = printed_limit(pack, rule, channel.gas)
    if value == limit:
        return rule.inclusive
    return value < limit if rule.bound == "highest" else value > limit


def verdict(pack: RulePack, rule: Rule, channel: Channel, steps: int) -> Reason | None:
    """What this rule says of a reading that has stood for a minute, through bind, memory, measure and judge."""
    (code, *_) = sorted(rule.permit_types)
    bound = bind((pack,), code, (channel,), TIMING).interlocks
    (interlock,) = [each for each in bound if each.rule == rule_name(pack, rule)]
    windows = {channel.channel: TIMING.gust_window_ms} if channel.quantity == "wind_speed" else {}
    memory = None
    for at_ms in range(0, 60_001, 10_000):
        block = BlockRead(channel.device, (channel.channel,), (steps,), (Quality.GOOD,), MonotonicMs(at_ms))
        memory = remember_block(memory, block, windows, TIMING.stale_ms)
    return judge(measure(interlock, memory, MonotonicMs(60_000))).reason


def cases() -> Iterator[tuple[RulePack, Rule, Channel]]:
    for pack in VERSIONS:
        for rule in pack.rules:
            for unit, resolution in sorted(scales(rule.quantity)):
                for gas in gases(pack, rule):
                    yield pack, rule, Channel("d", "c", rule.quantity, unit, resolution, gas)


CASES = list(cases())


def name(case: tuple[RulePack, Rule, Channel]) -> str:
    pack, rule, channel = case
    return f"{rule_name(pack, rule)}-{channel.resolution}{channel.unit}-{channel.gas}"


@pytest.mark.parametrize("case", CASES, ids=name)
def test_each_rule_passes_its_last_good_value_and_fails_the_first_bad_one(case: tuple[RulePack, Rule, Channel]) -> None:
    pack, rule, channel = case
    up = rule.bound == "highest"
    last = next(steps for steps in edge_steps(pack, rule, channel) if passes(pack, rule, channel, steps))
    first_bad = last + (1 if up else -1)
    assert not passes(pack, rule, channel, first_bad)
    assert last >= 0, "a limit below the first step of an instrument would let nobody in: it must be said, not tested"
    assert verdict(pack, rule, channel, last) is None
    assert verdict(pack, rule, channel, first_bad) is rule.code


def edge_steps(pack: RulePack, rule: Rule, channel: Channel) -> Iterator[int]:
    """Whole steps from the unsafe side towards the safe one, so that the first that passes is the last good value."""
    step = in_rule_unit(pack, rule, channel, Fraction(channel.resolution))
    near = int(printed_limit(pack, rule, channel.gas) / step)
    return iter(range(near + 3, near - 4, -1) if rule.bound == "highest" else range(max(near - 3, 0), near + 4))


def test_no_rule_is_left_out_and_each_has_at_least_two_cases() -> None:
    tested = [rule_name(pack, rule) for pack, rule, _ in CASES]
    assert set(tested) == {rule_name(pack, rule) for pack in VERSIONS for rule in pack.rules}
    assert min(map(tested.count, set(tested))) >= 2


def clock(at_ms: int) -> ClockInterval:
    return ClockInterval(at_ms, at_ms, ClockSource.HQ)  # type: ignore[arg-type]


ENDED = [
    (pack, replace(rule, until=rule.since.replace(year=rule.since.year + 5)))
    for pack in VERSIONS
    for rule in pack.rules
]


@pytest.mark.parametrize(("pack", "rule"), ENDED, ids=lambda each: getattr(each, "rule", getattr(each, "name", "")))
def test_each_rule_holds_from_its_first_second_and_not_in_the_second_before(pack: RulePack, rule: Rule) -> None:
    """The same for its last: a copy of the rule that ends five years later."""
    only = replace(pack, rules=(rule,))
    (code, *_) = sorted(rule.permit_types)
    demands = bind((only,), code, (), TIMING)
    held = rule.validity
    assert held.until_ms is not None

    def speaks(at_ms: int) -> bool:
        return demands.terms[rule_name(pack, rule)].validity.may_hold(clock(at_ms))

    assert [speaks(held.since_ms + offset) for offset in (-1_000, -1, 0, 1_000)] == [False, False, True, True]
    assert [speaks(held.until_ms + offset) for offset in (-1_000, -1, 0)] == [True, True, False]
    assert (held.since_ms + 8 * 3_600_000) % 86_400_000 == 0, "a day begins at 00:00 +08:00"


@pytest.mark.parametrize("pack", VERSIONS, ids=lambda pack: pack.name)
def test_each_version_speaks_from_the_first_second_of_its_day(pack: RulePack) -> None:
    plan = plan_area("a", True, (pack,), (), TIMING)
    begins_ms = plan.editions[0].validity.since_ms
    assert plan.speaking(clock(begins_ms - 1)) == ()
    assert [each.name for each in plan.speaking(clock(begins_ms))] == [pack.name]


PACKS = {pack.pack: pack for pack in VERSIONS}
METHANE, ETHANOL, H2S = "methane", "ethanol", "hydrogen-sulphide"
PRINTED = [
    ("construction", "wind-floor", ("wind_speed", "m/s", "0.1", None), "13.8", "13.9"),
    ("construction", "wind-climbing", ("wind_speed", "m/s", "0.1", None), "10.7", "10.8"),
    ("gb30871", "wind-height", ("wind_speed", "m/s", "0.1", None), "7.9", "8.0"),
    ("gb30871", "wind-hot-work", ("wind_speed", "m/s", "0.1", None), "7.9", "8.0"),
    ("gb30871", "wind-lifting", ("wind_speed", "m/s", "0.1", None), "10.7", "10.8"),
    ("gb30871", "oxygen-low", ("oxygen", "%vol", "0.1", None), "19.5", "19.4"),
    ("gb30871", "oxygen-high", ("oxygen", "%vol", "0.1", None), "21.0", "21.1"),
    ("gb30871", "oxygen-high-hot-work", ("oxygen", "%vol", "0.1", None), "23.5", "23.6"),
    ("gb30871", "combustible-lel-from-4", ("combustible", "%vol", "0.01", METHANE), "0.50", "0.51"),
    ("gb30871", "combustible-lel-from-4", ("combustible", "%LEL", "0.1", METHANE), "10.0", "10.1"),
    ("gb30871", "combustible-lel-from-4-power", ("combustible", "%LEL", "0.1", METHANE), "10.0", "10.1"),
    ("gb30871", "combustible-lel-below-4", ("combustible", "%LEL", "0.1", ETHANOL), "6.0", "6.1"),
    ("gb30871", "combustible-lel-below-4", ("combustible", "%LEL", "0.2", ETHANOL), "6.0", "6.2"),
    ("gb30871", "toxic", ("toxic", "mg/m3", "0.1", H2S), "10.0", "10.1"),
    ("gb30871", "toxic", ("toxic", "ppm", "0.1", H2S), "7.0", "7.1"),
    ("gb30871", "toxic", ("toxic", "ppm", "0.1", "carbon-monoxide"), "25.7", "25.8"),
    ("gb30871", "toxic", ("toxic", "ppm", "0.01", "chlorine"), "0.33", "0.34"),
    ("gb46768", "oxygen-low", ("oxygen", "%vol", "0.1", None), "19.5", "19.4"),
    ("gb46768", "oxygen-high", ("oxygen", "%vol", "0.1", None), "23.5", "23.6"),
    ("gb46768", "combustible", ("combustible", "%LEL", "0.1", METHANE), "10.0", "10.1"),
    ("gb46768", "combustible", ("combustible", "%LEL", "0.1", ETHANOL), "10.0", "10.1"),
    ("gb46768", "combustible", ("combustible", "%vol", "0.01", "methanol"), "0.55", "0.56"),
]
"""Pack, rule, channel, last good, first bad: as people read the standards, written by hand."""


@pytest.mark.parametrize(("pack_id", "rule_id", "channel", "good", "bad"), PRINTED)
def test_the_limits_that_people_know_are_those_that_hold(
    pack_id: str, rule_id: str, channel: tuple[str, str, str, str | None], good: str, bad: str
) -> None:
    pack = PACKS[pack_id]
    (rule,) = [each for each in pack.rules if each.rule == rule_id]
    fitted = Channel("d", "c", *channel)
    for text, expected in ((good, None), (bad, rule.code)):
        steps = Decimal(text) / Decimal(fitted.resolution)
        assert steps == int(steps)
        assert verdict(pack, rule, fitted, int(steps)) is expected
