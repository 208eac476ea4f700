"""From configuration to the controller's site: how long each instrument's readings must have been good."""

from pathlib import Path

import pytest
from gateways import write_config

from edge.app.site_plan import build_site
from edge.config import load
from edge.core.interlocks import Interlock
from edge.ports.errors import ConfigurationError


def interlocks(folder: Path, *changes: tuple[str, str]) -> tuple[Interlock, ...]:
    path = write_config(folder)
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return build_site(load(path)).areas["north"].demands["02"].interlocks


REAL = (
    ("simulate = true", "simulate = false"),
    ('pins = "wired:', 'pins = "lgpio" # "'),
    ('path = "udp:127.0.0.1:52001"', 'path = "usb:054c:06c3"'),
)


@pytest.mark.parametrize(("written_s", "settle_ms"), [(60, 90_000), (90, 90_000), (120, 120_000)])
def test_a_detector_counts_after_three_times_its_t90_or_longer(tmp_path: Path, written_s: int, settle_ms: int) -> None:
    """An XCD's t90 is 30 s; settle_s may be as short as 60 s."""
    found = interlocks(tmp_path, *REAL, ("settle_s = 60", f"settle_s = {written_s}"))
    assert [each.settle_ms for each in found] == [settle_ms]


def test_a_simulated_detector_settles_as_fast_as_is_written(tmp_path: Path) -> None:
    assert [each.settle_ms for each in interlocks(tmp_path, ("settle_s = 60", "settle_s = 0.5"))] == [500]


def longest_ms(folder: Path, *changes: tuple[str, str]) -> int | None:
    path = write_config(folder)
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    site = build_site(load(path))
    (edition,) = {each.name: each for area in site.areas.values() for each in area.editions}.values()
    return edition.permit_types["02"].validity_ms


def test_a_real_site_ends_a_permit_with_its_types_longest_time_and_a_simulated_one_if_told(tmp_path: Path) -> None:
    assert longest_ms(tmp_path, *REAL) == 8 * 3_600_000
    assert longest_ms(tmp_path) is None
    assert longest_ms(tmp_path, ("settle_s = 60", "settle_s = 60\nlongest_time = true")) == 8 * 3_600_000


def test_no_real_site_can_leave_out_the_longest_time(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="longest_time: must be true"):
        longest_ms(tmp_path, *REAL, ("settle_s = 60", "settle_s = 60\nlongest_time = false"))
