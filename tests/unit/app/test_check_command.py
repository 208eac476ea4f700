"""``permitgate check``: findings for people and machines. What a probe says of real registers is a system test."""

import json
from pathlib import Path

from click.testing import CliRunner, Result
from gateways import write_config

from edge.__main__ import main


def check(path: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["check", "--config", str(path), *options])


def test_a_good_configuration_is_told_in_the_gateways_language_and_as_json_in_both(tmp_path: Path) -> None:
    assert "area north: North" in check(write_config(tmp_path)).output
    assert "区域 north：北区" in check(write_config(tmp_path, language="zh")).output
    found = json.loads(check(write_config(tmp_path), "--json").stdout)
    assert found["ok"]
    assert found["lines"]["zh"]
    assert found["lines"]["en"]
    assert "probe" not in found


def test_every_finding_comes_at_once_with_file_and_line_and_exit_2(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    text = path.read_text(encoding="utf-8").replace("settle_s = 60", "setle_s = 60").replace("unit = 1", "unit = 999")
    path.write_text(text, encoding="utf-8")
    result = check(path)
    assert result.exit_code == 2
    assert f"{path}:" in result.stderr
    assert "setle_s" in result.stderr
    assert "unit" in result.stderr
    found = json.loads(check(path, "--json").stdout)
    assert not found["ok"]
    assert len(found["problems"]) >= 2
    assert check(path, "--json").exit_code == 2


def test_json_into_a_file_leaves_the_words_on_the_terminal(tmp_path: Path) -> None:
    result = check(write_config(tmp_path), "--json", str(tmp_path / "check.json"))
    assert "usable" in result.output
    assert json.loads((tmp_path / "check.json").read_bytes())["ok"]


def test_a_configuration_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    result = check(tmp_path / "none.toml")
    assert result.exit_code == 2
    assert "none.toml" in result.stderr
