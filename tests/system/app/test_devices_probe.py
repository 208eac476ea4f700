"""``permitgate devices probe`` on real Modbus units: the configured ones, or the one that was asked for."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gateways import write_config

from edge.__main__ import main
from edge.runtime.control import ControlServer
from hil.modbus_site import ModbusSite
from hil.modbus_unit import Fault, FaultKind, SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system

SECOND = """[[device]]
id = "own1"
bus = "b1"
unit = 2
profile = "cellar"
area = "north"
gas = "methane"
"""


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    """The site's own model: generic.toml with its float the other way round."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    text = (files("drivers.profiles") / "generic.toml").read_text(encoding="utf-8")
    own = text.replace('model = "generic"', 'model = "cellar"').replace('order = "ABCD"', 'order = "CDAB"')
    (folder / "cellar.toml").write_text(own, encoding="utf-8")
    return folder


@pytest.fixture
def site(profiles: Path) -> Iterator[ModbusSite]:
    units = [
        SimulatedUnit(load_profile_data("honeywell_xcd"), 1),
        SimulatedUnit(load_profile_data("cellar", profiles), 2),
    ]
    units[1].set_value("gas", "7.3")
    site = ModbusSite(units)
    yield site
    site.close()


def configured(folder: Path, wire: str) -> Path:
    path = write_config(folder)
    text = path.read_text(encoding="utf-8").replace(
        "simulate = true", f'simulate = true\nprofiles_dir = "{folder}/profiles"'
    )
    tcp = 'kind = "tcp"\nhost = "127.0.0.1"\ntcp_port = 1502\n'
    assert tcp in text
    path.write_text(text.replace(tcp, wire) + SECOND, encoding="utf-8")
    return path


def on_tcp(folder: Path, site: ModbusSite) -> Path:
    return configured(folder, f'kind = "tcp"\nhost = "127.0.0.1"\ntcp_port = {site.serve_tcp()}\n')


def probe(path: Path, *arguments: str) -> tuple[Result, dict[str, Any]]:
    run = CliRunner().invoke(main, ["devices", "probe", "--config", str(path), "--json", *arguments])
    return run, json.loads(run.stdout) if run.stdout.startswith("{") else {}


def test_one_device_is_probed_and_the_others_are_left_alone(site: ModbusSite, tmp_path: Path) -> None:
    path = on_tcp(tmp_path, site)
    run, found = probe(path, "-", "own1")
    assert run.exit_code == 0
    (device,) = found["probe"]
    gas = next(each for each in device["registers"] if each["register"] == "gas")
    assert (gas["decoded"], gas["orders"]["CDAB"], gas["verdict"]) == ("7.3 %LEL", "7.3", "plausible")
    assert site.unit(1).asked == 0
    shown = CliRunner().invoke(main, ["devices", "probe", "--config", str(path), "own1"]).output
    assert "device own1 at unit 2 of bus b1:" in shown
    assert "gas1" not in shown


def test_without_a_name_each_configured_device_is_probed_as_check_does(site: ModbusSite, tmp_path: Path) -> None:
    path = on_tcp(tmp_path, site)
    run, found = probe(path)
    assert run.exit_code == 0
    checked = json.loads(CliRunner().invoke(main, ["check", "--probe", "--config", str(path), "--json"]).stdout)
    assert found["probe"] == checked["probe"]
    assert found["lines"]["zh"]


def test_the_calibration_register_is_shown_where_the_profile_has_one(site: ModbusSite, tmp_path: Path) -> None:
    site.unit(1).set_calibration_days(-2)
    path = on_tcp(tmp_path, site)
    run, found = probe(path)
    assert run.exit_code == 0, "due is for the door to judge: the device answers"
    with_register, without = found["probe"]
    assert (with_register["calibration"]["decoded"], with_register["calibration"]["verdict"]) == ("-2 d", "due")
    assert without["calibration"] is None
    shown = CliRunner().invoke(main, ["check", "--probe", "--config", str(path)]).output
    assert "  calibration (40009, function 3, address 8): the device says that its calibration is due" in shown
    assert "decoded -2 d, good; range -3650 … 3650 d" in shown


@pytest.mark.parametrize("kind", [FaultKind.SILENCE, FaultKind.EXCEPTION, FaultKind.WRONG_LENGTH, FaultKind.WRONG_UNIT])
def test_a_device_that_does_not_answer_as_it_should_is_exit_1(
    site: ModbusSite, tmp_path: Path, kind: FaultKind
) -> None:
    path = on_tcp(tmp_path, site)
    site.unit(2).break_with(Fault(kind))
    run, found = probe(path, "-", "own1")
    assert run.exit_code == 1
    assert not found["probe"][0]["answered"]
    assert probe(path, "-", "gas1")[0].exit_code == 0


def test_a_serial_line_that_a_running_gateway_reads_is_left_alone(site: ModbusSite, tmp_path: Path) -> None:
    path = configured(tmp_path, f'kind = "rtu"\nport = "{site.serve_rtu()}"\nbaud = 9600\n')
    gateway = ControlServer(tmp_path / "run" / "control.sock", lambda _message, _attached: {"ok": True})
    gateway.start()
    try:
        run, found = probe(path, "-", "own1")
    finally:
        gateway.stop()
    assert (run.exit_code, found["gateway_runs"], found["probe"][0]["held"]) == (1, True, True)
    assert site.unit(2).asked == 0
    assert probe(path, "-", "own1")[0].exit_code == 0


def test_a_device_that_is_not_configured_is_a_usage_error_that_names_those_that_are(
    site: ModbusSite, tmp_path: Path
) -> None:
    run, _ = probe(on_tcp(tmp_path, site), "-", "own2")
    assert run.exit_code == 2
    assert "did you mean 'own1'?" in run.stderr
