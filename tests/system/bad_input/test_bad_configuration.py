"""A configuration that is wrong ends with exit 2 and file:line: key: what, range, remedy; nothing is started."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from plants import Layout, command, gas_over_tcp, write_config

from edge.__main__ import main

pytestmark = pytest.mark.system

DOUBLED = gas_over_tcp(1502) + gas_over_tcp(1503).split("[[device]]")[1].join(["[[device]]", ""]).replace(
    "unit = 1", "unit = 2"
)

CASES = {
    "malformed TOML": ("simulate = true", "simulate = = true", "gateway.toml:"),
    "not UTF-8": ("Tanks", "\udcff", "gateway.toml"),
    "unknown key": ("poll_s = 0.3", "pol_s = 0.3", "did you mean"),
    "unknown section": ("[policy]", "[polcy]", "did you mean"),
    "wrong type": ("simulate = true", 'simulate = "yes"', "simulate"),
    "out of range": ("siren_s = 1", "siren_s = 0", "siren_s"),
    "a pin used twice": ("strike_pin = 2\n", "strike_pin = 17\n", "strike_pin"),
    "unknown area": ('area = "a1"\ngas', 'area = "a9"\ngas', "a9"),
    "unknown gas": ('gas = "methane"', 'gas = "methan"', "methane"),
    "unknown profile": ('profile = "honeywell_xcd"', 'profile = "honeywell_xdc"', "honeywell_xcd"),
    "unknown rule pack": ('rule_packs = ["gb30871"]', 'rule_packs = ["gb30781"]', "gb30871"),
    "a reader that moves": ("udp:127.0.0.1:50001", "/dev/ttyUSB0", "by-path"),
    "a reader on the LAN": ("simulate = true", "simulate = false", "udp:"),
    "one id twice": ("[[bus]]", DOUBLED.split("[[bus]]")[1].join(["[[bus]]", "\n[[bus]]"]), "gas-1"),
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(
        tmp_path / "gateway.toml",
        Layout(tmp_path / "data", tmp_path / "run", "https://127.0.0.1:1", devices=gas_over_tcp(1502)),
    )


def checked(config: Path) -> Result:
    """`permitgate check`, in this process: it starts nothing."""
    done = CliRunner().invoke(main, ["check", "--config", str(config)])
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done


def test_the_configuration_itself_is_good(config: Path) -> None:
    done = command("check", "--config", config)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_configuration_is_refused_with_place_and_remedy(config: Path, name: str) -> None:
    old, new, said = CASES[name]
    text = config.read_text(encoding="utf-8")
    assert old in text
    config.write_bytes(text.replace(old, new, 1).encode("utf-8", "surrogateescape"))
    done = checked(config)
    assert done.exit_code == 2, done.output
    words = done.output
    assert said in words, words
    assert re.search(r"gateway\.toml:\d+", words), words


def test_run_refuses_it_too_and_touches_nothing(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text(encoding="utf-8").replace("poll_s = 0.3", "pol_s = 0.3"), encoding="utf-8")
    done = command("run", "--config", config)
    assert done.returncode == 2
    assert "did you mean" in done.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["gateway.toml"]


def test_every_finding_is_told_at_once(config: Path) -> None:
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("poll_s = 0.3", "pol_s = 0.3").replace("siren_s = 1", "siren_s = 0"), "utf-8")
    done = checked(config)
    assert "pol_s" in done.output
    assert "siren_s" in done.output


def test_no_configuration_and_a_folder_in_its_place_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.toml", tmp_path):
        done = command("run", "--config", path)
        assert done.returncode == 2
        assert str(path) in done.stderr
