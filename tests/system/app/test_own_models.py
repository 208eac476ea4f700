"""A whole gateway that reads a detector by a register map that its site wrote: decided by, and on record."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest
from plants import Plant, Template, command, gas_over_tcp, plant, until

from hil.modbus_site import ModbusSite
from hil.modbus_unit import SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system


def own_model(folder: Path) -> Path:
    """The map of an XCD under a name of the site's own, its float the other way round."""
    folder.mkdir()
    text = (files("drivers.profiles") / "honeywell_xcd.toml").read_text(encoding="utf-8")
    text = text.replace('model = "honeywell_xcd"', 'model = "cellar"').replace(
        'type = "f32"', 'type = "f32"\norder = "CDAB"', 1
    )
    path = folder / "cellar.toml"
    path.write_text(text, encoding="utf-8")
    return path


@contextmanager
def gateway(template: Template, folder: Path, devices: str) -> Iterator[Plant]:
    with plant(template, folder / "plant", devices.replace('"honeywell_xcd"', '"cellar"')) as made:
        text = made.config.read_text(encoding="utf-8")
        key = f'simulate = true\nprofiles_dir = "{folder / "profiles"}"'
        made.config.write_text(text.replace("simulate = true", key), encoding="utf-8")
        yield made


def figure(running: Plant) -> str | None:
    """What the detector says, once it does."""
    reading = running.status()["readings"]["gas-1.gas"]
    return str(reading["figure"]) if reading["quality"] == "good" else None


def test_the_gateway_reads_by_it_and_the_journal_says_by_which_file(fresh: Template, tmp_path: Path) -> None:
    path = own_model(tmp_path / "profiles")
    unit = SimulatedUnit(load_profile_data("cellar", tmp_path / "profiles"), 1)
    unit.set_value("gas", "1.5")
    site = ModbusSite([unit])
    try:
        with gateway(fresh, tmp_path, gas_over_tcp(site.serve_tcp())) as running:
            running.start()
            assert until("a reading", lambda: figure(running)) == "1.5 %LEL"
            (entry,) = [each for each in running.entries() if each["typ"] == "model.own"]
    finally:
        site.close()
    assert entry["body"]["subject"] == "cellar"
    assert sha256(path.read_bytes()).hexdigest() in entry["body"]["what"]


def test_no_second_master_comes_onto_a_line_that_a_real_gateway_reads(fresh: Template, tmp_path: Path) -> None:
    own_model(tmp_path / "profiles")
    site = ModbusSite([SimulatedUnit(load_profile_data("cellar", tmp_path / "profiles"), 1)])
    try:
        port = site.serve_rtu()
        devices = gas_over_tcp(0).replace(
            'kind = "tcp"\nhost = "127.0.0.1"\ntcp_port = 0', f'kind = "rtu"\nport = "{port}"\nbaud = 9600'
        )
        with gateway(fresh, tmp_path, devices) as running:
            running.start()
            until("a reading", lambda: figure(running))
            for arguments in (("try", "--bus", "b1", "--unit", "1"), ("scan", "b1"), ("scan", "--port", port)):
                refused = running.cli("devices", *arguments)
                assert refused.returncode == 3, refused.stdout
                assert "systemctl stop permitgate" in refused.stderr
            elsewhere = command("devices", "try", "--port", port, "--unit", "1", "--config", tmp_path / "other.toml")
            assert elsewhere.returncode == 2, "a configuration that was named must be there"
            (tmp_path / "other.toml").write_text('[gateway]\nlanguage = "en"\n', encoding="utf-8")
            elsewhere = command("devices", "try", "--port", port, "--unit", "1", "--config", tmp_path / "other.toml")
            assert elsewhere.returncode == 3
            assert "another program uses it" in elsewhere.stderr, "the port itself refuses a stranger"
            assert running.stop() == 0
            found = running.cli("devices", "scan", "b1", "--units", "1-2")
            assert found.returncode == 0, found.stderr
            assert "cellar fits" in found.stdout or "cellar 吻合" in found.stdout
    finally:
        site.close()
