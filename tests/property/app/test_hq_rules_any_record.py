"""Whatever HQ's log holds under the name of a rule pack, a gateway never fails over it and never becomes laxer than its
floors: garbled texts, packed anyhow, under any name."""

import base64
import zlib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from gateways import write_config
from hypothesis import given, settings
from hypothesis import strategies as st
from packs import SHIPPED, version

from edge.app import hq_rules
from edge.app.site_plan import area_plans
from edge.config import load
from edge.config_values import Config
from edge.core.clock import ClockInterval, ClockSource
from edge.core.published import Verdict
from edge.core.state import Durable
from edge.ports.stores import HqRules
from edge.rules.floors import floors

LINES = SHIPPED.splitlines()
FLOOR_STEPS = 100
"""0.5 %vol of methane is 10 %LEL, in tenths."""


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


RECORDS = st.one_of(
    garbled().map(packed),
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
    for utc_ms in (1_700_000_000_000, 4_000_000_000_000):
        clock = ClockInterval(utc_ms, utc_ms, ClockSource.HQ)  # type: ignore[arg-type]
        for code in hot_work & plan.demands.keys():
            speaking = plan.speaking(clock)
            limits = [each.highest_good for each in plan.demanded(code, speaking, clock).interlocks]
            known = any(code in each.permit_types for each in speaking)
            assert not known or (limits and all(each is not None and each <= FLOOR_STEPS for each in limits))


def test_a_text_that_grows_without_end_is_refused_before_it_takes_memory(config: Config) -> None:
    bomb = packed(b"#" * 20_000_000)
    judged = hq_rules.judge(config, Durable(), {"gb30871/3": HqRules("gb30871/3", bomb, 0, None)}, None)
    (word,) = judged.words
    assert (word.verdict, "more than 65536 bytes when unpacked" in word.findings[0]) == (Verdict.REFUSED, True)


def test_brackets_nested_without_end_are_refused(config: Config, tmp_path: Path) -> None:
    deep = packed(b"x = " + b"[" * 60_000)
    judged = hq_rules.judge(config, Durable(), {"gb30871/3": HqRules("gb30871/3", deep, 0, None)}, None)
    assert judged.words[0].verdict is Verdict.REFUSED
