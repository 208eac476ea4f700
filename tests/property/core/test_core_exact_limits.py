"""No float between a rule pack and a verdict: whatever the figures of a pack and the resolution of a channel, all
that is made of them is an integer, a decimal, a fraction or a text, and the verdict is that of exact arithmetic."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sites import PACK, TIMING

from edge import rules
from edge.core.gases import limit_in
from edge.core.interlocks import Timing, bind, judge, measure, remember_block
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.core.rules import Channel, limit_in_unit
from edge.core.site import plan_area

FIGURE = st.decimals("0.01", "99999", places=2).map(str)
RESOLUTION = st.sampled_from(["0.01", "0.1", "0.3", "1", "2.5", "0.125"])
TOXIC = ("ppm", "mg/m3")


def parts(value: Any) -> Iterator[Any]:
    """A value and everything in it."""
    yield value
    if is_dataclass(value):
        for field in fields(value):
            yield from parts(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for each in (*value.keys(), *value.values()):
            yield from parts(each)
    elif isinstance(value, tuple | frozenset):
        for each in value:
            yield from parts(each)


def floats(*values: Any) -> list[float]:
    return [each for value in values for each in parts(value) if isinstance(each, float | complex)]


def test_the_search_for_floats_finds_one_that_is_there() -> None:
    assert floats(Timing(0, 0, 0.5), {"a": (1, {"b": 2.5})}) == [0.5, 2.5]  # type: ignore[arg-type]


def test_no_shipped_pack_has_a_float_in_it_nor_has_what_an_area_makes_of_it() -> None:
    for name in rules.names():
        for pack in rules.versions(name):
            assert floats(pack, plan_area("a", True, (pack,), (), TIMING)) == []


@given(limit=FIGURE, mass=FIGURE, molar=st.sampled_from(["24.05", "22.414", "24.45"]), step=RESOLUTION, data=st.data())
def test_a_toxic_limit_is_exact_from_the_table_to_the_verdict(
    limit: str, mass: str, molar: str, step: str, data: st.DataObject
) -> None:
    """H2S with any limit and mass: the highest step that passes is the last whose mg/m3 are within the limit."""
    gas = replace(PACK.gases["hydrogen-sulphide"], maximum=Decimal(limit), molar_mass=Decimal(mass))
    pack = replace(PACK, gases={gas.gas: gas}, molar_volume=Decimal(molar))
    unit = data.draw(st.sampled_from(TOXIC))
    channel = Channel("d", "c", "toxic", unit, step, gas.gas)
    demands = bind((pack,), "70", (channel,), TIMING)
    (interlock,) = demands.interlocks
    highest = interlock.highest_good
    assert highest is not None
    per_step = Fraction(step) * (Fraction(mass) / Fraction(molar) if unit == "ppm" else 1)
    assert highest * per_step <= Fraction(limit) < (highest + 1) * per_step
    steps = data.draw(st.sampled_from([highest, highest + 1]))
    memory = None
    for at_ms in (0, 30_000, 60_000):
        block = BlockRead("d", ("c",), (steps,), (Quality.GOOD,), MonotonicMs(at_ms))
        memory = remember_block(memory, block, {}, TIMING.stale_ms)
    condition = judge(measure(interlock, memory, MonotonicMs(60_000)))
    assert (condition.reason is None) is (steps == highest)
    rule = next(each for each in pack.rules if each.rule == "toxic")
    assert floats(pack, channel, demands, condition, limit_in_unit(pack, rule, channel)) == []


@given(
    limit=FIGURE,
    units=st.permutations(["%vol", "ppm", "%LEL", "mg/m3"]).map(lambda each: (each[0], each[1])),
    lel_vol=st.lists(FIGURE.filter(lambda each: Decimal(each) <= 100), min_size=1, max_size=3),
)
def test_a_limit_taken_there_and_back_is_never_laxer(limit: str, units: tuple[str, str], lel_vol: list[str]) -> None:
    """Of several explosive limits each way takes the one that lowers the limit."""
    gas = replace(PACK.gases["methane"], lel_vol=tuple(map(Decimal, lel_vol)))
    there = limit_in(Fraction(limit), units, gas, Decimal("24.05"))
    assert there is not None
    back = limit_in(there, units[::-1], gas, Decimal("24.05"))
    assert back is not None
    assert back <= Fraction(limit)
    if len(set(map(Decimal, lel_vol))) == 1:
        assert back == Fraction(limit)
    assert floats(there, back) == []


def test_the_modules_on_the_way_name_no_float() -> None:
    root = Path(__file__).parents[3] / "edge"
    core = [root / "core" / f"{name}.py" for name in ("rules", "gases", "interlocks")]
    found = []
    for path in [*(root / "rules").glob("*.py"), *core]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            if literal or (isinstance(node, ast.Name) and node.id == "float"):
                found.append(f"{path.name}:{node.lineno}")
    assert not found
