"""Whatever HQ's log holds under the name of a rule pack, a gateway never fails over it and never becomes laxer than its
floors: texts garbled, or loosened by hand, packed anyhow, under any name."""

import base64
import zlib
from collections.abc import Mapping
from fractions import Fraction
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from gateways import write_config
from hypothesis import given, settings
from hypothesis import strategies as st
from packs import SHIPPED, version

from edge import rules
from edge.app import hq_rules
from edge.app.site_plan import area_plans
from edge.config import load
from edge.config_values import Config
from edge.core.clock import ClockInterval, ClockSource
from edge.core.interlocks import Timing, bind
from edge.core.published import Verdict
from edge.core.rules import Channel, RulePack, RulePackError, terms
from edge.core.state import Durable
from edge.ports.stores import HqRules
from edge.rules.floors import floors, toxic_limits

LINES = SHIPPED.splitlines()
FLOOR_STEPS = 100
"""0.5 %vol of methane is 10 %LEL, in tenths."""

TIMES_MS = (1_700_000_000_000, 4_000_000_000_000)
STEP = Fraction(1, 100)
RULE_70 = 'permit_types = ["70"]\nquantity = "toxic"\nwhere_fitted = true\nlimit_of_gas = true\nunit = "mg/m3"'
LOOSER = (
    ('mac = "10"', 'mac = "430"'),
    ('mac = "10"', 'mac = "10.01"'),
    ('mac = "10"', 'mac = "5"'),
    ('mac = "10"', 'stel = "20"'),
    ('mac = "10"\n', ""),
    ('stel = "30"', 'stel = "300"'),
    ('stel = "30"', 'mac = "31"\nstel = "30"'),
    ('stel = "30"\n', ""),
    ('stel = "30"\ntwa = "20"\n', ""),
    ('stel = "6"\ntwa = "3"', 'stel = "10"\ntwa = "6"'),
    ('molar_mass = "34.08"', 'molar_mass = "17.04"'),
    ('molar_mass = "34.08"', 'molar_mass = "340.8"'),
    ('molar_mass = "28.01"', 'molar_mass = "28.00"'),
    ('molar_mass = "28.01"\n', ""),
    ('molar_volume = "24.05"', 'molar_volume = "24.45"'),
    ('molar_volume = "24.05"', 'molar_volume = "22.4"'),
    ('molar_volume = "24.05"     # 20 degC', "# 20 degC"),
    ('id = "hydrogen-sulphide"', 'id = "another"'),
    (RULE_70, RULE_70.replace("limit_of_gas = true", 'limit = "430"')),
    (RULE_70, RULE_70.replace("limit_of_gas = true", 'limit = "300"').replace("mg/m3", "ppm")),
    (RULE_70, f'{RULE_70}\ngas = "chlorine"'),
    (RULE_70, f"{RULE_70}\nwhere_ex = true"),
    (RULE_70, RULE_70.replace('"70"', '"40"')),
    (f'from = "2022-10-01"\n{RULE_70}', f'from = "2030-01-01"\n{RULE_70}'),
    (f'from = "2022-10-01"\n{RULE_70}', f'from = "2022-10-01"\nuntil = "2030-01-01"\n{RULE_70}'),
)
"""What somebody might write to let more toxic gas pass, and a few that let less pass."""


def packed(text: bytes) -> dict[str, str]:
    return {"sha256": sha256(text).hexdigest(), "text": base64.b64encode(zlib.compress(text)).decode()}


@st.composite
def garbled(draw: st.DrawFn) -> bytes:
    """A version of the shipped pack with a few lines changed, lost or told twice."""
    lines = version(3, "2023-01-01", draw(st.sampled_from(("0.5", "0.4", "0.6", "9", "-1", "1e9", "nan")))).splitlines()
    lel_vol = draw(st.sampled_from(('["5.0"]', '["0.5"]', '["0.5", "5.0"]', '["5.0", "50"]', '["50"]')))
    lines = [each.replace('lel_vol = ["5.0"]', f"lel_vol = {lel_vol}") for each in lines]
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(lines) - 1))
        other = draw(st.sampled_from(LINES) | st.text(max_size=20))
        match draw(st.sampled_from(("change", "lose", "add", "cut"))):
            case "change":
                lines[place] = other
            case "lose":
                del lines[place]
            case "add":
                lines.insert(place, other)
            case _:
                lines[place:] = []
                break
        lines = lines or [""]
    return "\n".join(lines).encode()


@st.composite
def loosened(draw: st.DrawFn) -> bytes:
    """A version of the shipped pack with up to two of the changes of LOOSER; the rest is as it ships."""
    text = version(3, "2023-01-01")
    for old, new in draw(st.lists(st.sampled_from(LOOSER), min_size=1, max_size=2)):
        text = text.replace(old, new)
    return text.encode()


def laxest(packs: tuple[RulePack, ...], code: str, gas: str, unit: str) -> list[Fraction | None]:
    """The most of a gas, in that unit, that a permit type lets pass at each of TIMES_MS; None: whatever there is.

    The area is not explosive, where fewer rules hold. Raises RulePackError where no detector of it can be judged: such
    an area is not served by these versions.
    """
    channel = Channel("d", "c", "toxic", unit, "0.01", gas)
    demands, found = bind(packs, code, (channel,), Timing(10_000, 30_000, 10_000), ex=False), []
    for utc_ms in TIMES_MS:
        clock = ClockInterval(utc_ms, utc_ms, ClockSource.HQ)  # type: ignore[arg-type]
        speaking = {name for name, term in terms(packs).items() if term.may_hold(clock)}
        highest = [each.highest_good for each in demands.in_force(speaking, clock).interlocks]
        found.append(min((each * STEP for each in highest if each is not None), default=None))
    return found


def assert_toxic_floors(packs: tuple[RulePack, ...]) -> None:
    floor, limits = toxic_limits()
    for gas, code in product(limits, sorted(floor.permit_types)):
        mg_m3 = Fraction(limits[gas].limit)
        ppm = mg_m3 * Fraction(floor.molar_volume) / Fraction(limits[gas].molar_mass)
        for unit, most in (("mg/m3", mg_m3), ("ppm", ppm)):
            try:
                found = laxest(packs, code, gas, unit)
            except RulePackError:
                continue
            assert all(each is not None and each <= most for each in found), f"{found} {unit} of {gas} under {code}"


RECORDS = st.one_of(
    garbled().map(packed),
    loosened().map(packed),
    st.binary(max_size=300).map(packed),
    st.fixed_dictionaries({"sha256": st.text(max_size=8), "text": st.text(max_size=64)}),
    st.dictionaries(st.sampled_from(("sha256", "text", "x")), st.none() | st.integers() | st.text(max_size=8)),
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return load(write_config(tmp_path_factory.mktemp("site")))


@settings(max_examples=120, deadline=None)
@given(st.dictionaries(st.sampled_from(("gb30871/3", "gb30871/4", "gb30871/999999")), RECORDS, max_size=3))
def test_any_record_is_applied_or_refused_and_no_limit_is_laxer_than_the_floor(
    config: Config, records: Mapping[str, Mapping[str, Any]]
) -> None:
    held = {name: HqRules(name, record, index, None) for index, (name, record) in enumerate(records.items())}
    judged = hq_rules.judge(config, Durable(), held, None)
    assert {each.name for each in judged.words} <= set(records)
    for each in judged.words:
        assert each.verdict in (Verdict.APPLIED, Verdict.REFUSED)
        assert (each.verdict is Verdict.REFUSED) is bool(each.findings)
    (plan,) = area_plans(config, judged.held).values()
    hot_work = {code for floor in floors() if floor.floor == "combustible" for code in floor.permit_types}
    for utc_ms in TIMES_MS:
        clock = ClockInterval(utc_ms, utc_ms, ClockSource.HQ)  # type: ignore[arg-type]
        for code in hot_work & plan.demands.keys():
            speaking = plan.speaking(clock)
            limits = [each.highest_good for each in plan.demanded(code, speaking, clock).interlocks]
            known = any(code in each.permit_types for each in speaking)
            assert not known or (limits and all(each is not None and each <= FLOOR_STEPS for each in limits))
    if any(each.verdict is Verdict.APPLIED for each in judged.words):
        assert_toxic_floors(judged.held["gb30871"])


@pytest.mark.parametrize(("old", "new"), LOOSER)
def test_nothing_published_lets_more_toxic_gas_pass_in_ppm_or_in_mg_m3(config: Config, old: str, new: str) -> None:
    text = version(3, "2023-01-01", "0.5", (old, new)).encode()
    judged = hq_rules.judge(config, Durable(), {"gb30871/3": HqRules("gb30871/3", packed(text), 0, None)}, None)
    assert_toxic_floors(judged.held["gb30871"])


def test_what_is_shipped_lets_exactly_its_floors_pass() -> None:
    """Else the floors could be lax, and the test above would not see it. Figures of the table of GBZ 2.1 by hand."""
    packs = rules.versions("gb30871")
    for gas, unit, most in (
        ("hydrogen-sulphide", "mg/m3", "10"),
        ("hydrogen-sulphide", "ppm", "7.05"),
        ("carbon-monoxide", "ppm", "25.75"),
        ("chlorine", "mg/m3", "1"),
        ("benzene", "ppm", "1.84"),
    ):
        assert laxest(packs, "70", gas, unit) == [Fraction(most)] * len(TIMES_MS)


def test_a_text_that_grows_without_end_is_refused_before_it_takes_memory(config: Config) -> None:
    bomb = packed(b"#" * 20_000_000)
    judged = hq_rules.judge(config, Durable(), {"gb30871/3": HqRules("gb30871/3", bomb, 0, None)}, None)
    (word,) = judged.words
    assert (word.verdict, "more than 65536 bytes when unpacked" in word.findings[0]) == (Verdict.REFUSED, True)


def test_brackets_nested_without_end_are_refused(config: Config, tmp_path: Path) -> None:
    deep = packed(b"x = " + b"[" * 60_000)
    judged = hq_rules.judge(config, Durable(), {"gb30871/3": HqRules("gb30871/3", deep, 0, None)}, None)
    assert judged.words[0].verdict is Verdict.REFUSED
