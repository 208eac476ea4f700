"""The whole way of a technician: an unknown detector on a bus becomes a configured device, without a line of code."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from gateways import write_config

from edge.__main__ import main
from hil.modbus_site import ModbusSite
from hil.modbus_unit import SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system

DEVICE = """[[device]]
id = "own1"
bus = "b1"
unit = 7
profile = "cellar_o2"
area = "north"
"""
ACCEPTED = 'no_status_accepted_by = "Wang Fang, HSE, 2026-03-02"\n'


@pytest.fixture
def oxygen(tmp_path: Path) -> SimulatedUnit:
    """An oxygen transmitter that no shipped profile knows: hundredths in an input register, at an odd place."""
    profile = load_profile_data("renke_rs_fsjt_n01")
    profile["register"][0] |= {"address": 300, "function": 4}
    profile["channel"][0] |= {"scale": "0.01", "range": ["0", "25"], "sentinels": []}
    unit = SimulatedUnit(profile, 7)
    unit.set_value("wind_speed", "20.93")
    return unit


@pytest.fixture
def site(oxygen: SimulatedUnit) -> Iterator[ModbusSite]:
    site = ModbusSite([oxygen])
    yield site
    site.close()


@pytest.mark.parametrize("serial", [False, True])
def test_scan_try_twice_draft_configure_check_probe(
    site: ModbusSite, oxygen: SimulatedUnit, tmp_path: Path, serial: bool
) -> None:
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    config = write_config(tmp_path, port=1 if serial else site.serve_tcp())
    text = config.read_text(encoding="utf-8")
    text = text[: text.index("[[device]]")].replace("simulate = true", f'simulate = true\nprofiles_dir = "{profiles}"')
    if serial:
        tcp = 'kind = "tcp"\nhost = "127.0.0.1"\ntcp_port = 1\n'
        text = text.replace(tcp, f'kind = "rtu"\nport = "{site.serve_rtu()}"\nbaud = 4800\n')
    config.write_text(text, encoding="utf-8")

    def permitgate(*arguments: str | Path) -> Result:
        return CliRunner().invoke(main, [*map(str, arguments), "--config", str(config)], env={"LC_ALL": "en"})

    found = permitgate("devices", "scan", "b1", "--units", "5-8")
    assert found.exit_code == 0, found.output
    assert "unit 7: is there, and refuses the question" in found.stdout
    assert "no known model fits" in found.stdout

    registers = ("--bus", "b1", "--unit", "7", "--function", "4", "--start", "0x12C", "--count", "1")
    first, draft = tmp_path / "first.json", profiles / "cellar_o2.toml"
    assert permitgate("devices", "try", *registers, "--display", "20.9", "--json", first).exit_code == 0
    oxygen.set_value("wind_speed", "17.26")
    look = ("--display", "17.3", "--fits", first, "--write", draft, "--quantity", "oxygen")
    found = permitgate("devices", "try", *registers, *look)
    assert found.exit_code == 0, found.output
    assert "17.3 fits one decoding" in found.stdout

    config.write_text(text + DEVICE, encoding="utf-8")
    refused = permitgate("check")
    assert refused.exit_code == 2
    assert "cellar_o2 cannot say when it is broken" in refused.stderr, (
        "a draft has no status: somebody must accept that"
    )
    config.write_text(text + DEVICE + ACCEPTED, encoding="utf-8")
    assert permitgate("check").exit_code == 0
    probed = permitgate("devices", "probe", "own1", "--json")
    assert probed.exit_code == 0
    (register,) = json.loads(probed.stdout)["probe"][0]["registers"]
    # In steps of the display, towards the unsafe side: less oxygen.
    assert (register["decoded"], register["verdict"]) == ("17.2 %vol", "plausible")
    assert permitgate("devices", "list").exit_code == 0
