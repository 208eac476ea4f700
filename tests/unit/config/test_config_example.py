"""config.example.toml is a working configuration, and it explains every key that there is."""

import re
from pathlib import Path

import pytest

from drivers.modbus.profile import shipped_models
from edge import rules
from edge.config import check, load
from edge.config_read import read_config
from edge.config_table import read_file

_EXAMPLE = Path(__file__).parents[3] / "config.example.toml"
_KEY_LINE = re.compile(r"(?:# )?([a-z_]+) = .+")


def test_it_loads_as_it_is() -> None:
    assert load(_EXAMPLE).gateway.id == "gw1"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_report_shows_each_area_door_reader_and_request(language: str) -> None:
    report = check(_EXAMPLE)
    text = "\n".join(report.lines("zh" if language == "zh" else "en"))
    for shown in ("a1", "d1", "r1", "b1", "b2", "gas-1", "wind-1", "gas-2", "40003", "0x0000", "109.2"):
        assert shown in text
    assert report.as_json()["ok"] is True


def test_every_key_that_is_known_is_in_it_and_no_other() -> None:
    root = read_file(_EXAMPLE)
    read_config(root)
    known = {(table, key) for table, key in root.known_keys() if table}
    written, table = set(), ""
    for line in _EXAMPLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            table = line.strip("[]")
        elif match := _KEY_LINE.fullmatch(line):
            written.add((table, match.group(1)))
    assert written == known


def test_every_key_has_a_comment_above_it_with_its_default() -> None:
    lines = _EXAMPLE.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if not _KEY_LINE.fullmatch(line) or line.startswith("# A line"):
            continue
        comment = lines[number - 1]
        assert comment.startswith("# "), f"line {number + 1}: {line} has no comment"
        assert "efault" in comment or "As above." in comment, f"line {number + 1}: no default said"


def test_defaults_and_ranges_said_are_those_that_hold() -> None:
    """The example without any optional key means the same: what is written there are the defaults."""
    text = _EXAMPLE.read_text(encoding="utf-8")
    said = re.findall(r"# [^\n]*Default ([0-9.]+)(?: \([0-9]+ (?:h|min)\))?\.\n([a-z_]+) = ([0-9.]+)\n", text)
    assert len(said) >= 16
    for default, key, value in said:
        assert float(default) == float(value), key


def test_profiles_and_rule_packs_named_are_those_that_ship() -> None:
    text = _EXAMPLE.read_text(encoding="utf-8")
    assert all(name in text for name in (*shipped_models(), *rules.names()))
