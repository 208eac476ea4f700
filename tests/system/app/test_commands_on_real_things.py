"""Commands on real Modbus units, and as whole processes of their own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from gateways import build_gateway, write_config

from edge.__main__ import main
from edge.runtime.control import ControlServer
from hil.modbus_site import ModbusSite
from hil.modbus_unit import Fault, FaultKind, SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system


@pytest.fixture
def site() -> Iterator[ModbusSite]:
    site = ModbusSite([SimulatedUnit(load_profile_data("honeywell_xcd"), 1)])
    site.unit(1).set_value("gas", "12.5")
    site.unit(1).set_status("ok")
    yield site
    site.close()


def probe(path: Path) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(main, ["check", "--config", str(path), "--probe", "--json"])
    found: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, found


def on_serial_line(folder: Path, port: str) -> Path:
    """The configuration with its detector on an RTU bus."""
    path = write_config(folder)
    tcp = 'kind = "tcp"\nhost = "127.0.0.1"\ntcp_port = 1502\n'
    text = path.read_text(encoding="utf-8")
    assert tcp in text
    path.write_text(text.replace(tcp, f'kind = "rtu"\nport = "{port}"\nbaud = 9600\n'), encoding="utf-8")
    return path


def test_a_probe_shows_each_register_raw_in_all_orders_and_decoded(site: ModbusSite, tmp_path: Path) -> None:
    path = write_config(tmp_path, port=site.serve_tcp())
    code, found = probe(path)
    assert code == 0
    (device,) = found["probe"]
    gas = device["registers"][0]
    assert device["answered"]
    assert gas["register"] == "gas_reading"
    assert gas["decoded"] == "12.5 %LEL"
    assert gas["verdict"] == "plausible"
    assert set(gas["orders"]) == {"ABCD", "CDAB", "BADC", "DCBA"}
    assert gas["orders"]["ABCD"] == "12.5"
    assert gas["raw"] == "4148 0000"
    shown = CliRunner().invoke(main, ["check", "--config", str(path), "--probe"]).output
    for text in ("4148 0000", "ABCD 12.5", "12.5 %LEL", "value within its range"):
        assert text in shown


@pytest.mark.parametrize("kind", [FaultKind.SILENCE, FaultKind.EXCEPTION])
def test_a_device_that_does_not_answer_is_exit_1_in_words(site: ModbusSite, tmp_path: Path, kind: FaultKind) -> None:
    path = write_config(tmp_path, port=site.serve_tcp())
    site.unit(1).break_with(Fault(kind))
    code, found = probe(path)
    assert code == 1
    assert not found["ok"]
    assert not found["probe"][0]["answered"]
    assert {each["verdict"] for each in found["probe"][0]["registers"]} <= {"no_answer", "refused"}


def test_a_serial_line_is_probed_unless_a_running_gateway_reads_it(site: ModbusSite, tmp_path: Path) -> None:
    path = on_serial_line(tmp_path, site.serve_rtu())
    code, found = probe(path)
    assert (code, found["gateway_runs"]) == (0, False)
    asked = site.unit(1).asked
    gateway = ControlServer(tmp_path / "run" / "control.sock", lambda _message, _attached: {"ok": True})
    gateway.start()
    try:
        code, found = probe(path)
        shown = CliRunner().invoke(main, ["check", "--config", str(path), "--probe"]).output
    finally:
        gateway.stop()
    assert (code, found["gateway_runs"], found["probe"][0]["held"]) == (1, True, True)
    assert "stop it first" in shown
    assert site.unit(1).asked == asked, "the line was disturbed"


def test_a_stranger_verifies_with_the_pack_alone_in_an_empty_folder(tmp_path: Path) -> None:
    gateway = build_gateway(tmp_path)
    built = CliRunner().invoke(
        main, ["permit", "pack", "--config", str(gateway.config), "P1", "--out", str(tmp_path / "P1.pgpack")]
    )
    assert built.exit_code == 0
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [sys.executable, "-m", "edge", "pack", "verify", str(tmp_path / "P1.pgpack")]
    done = subprocess.run(command, cwd=empty, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "NOT pinned" in done.stdout
    assert "OF ONE PIECE" in done.stdout
    flipped = bytearray((tmp_path / "P1.pgpack").read_bytes())
    flipped[len(flipped) // 2] ^= 1
    (tmp_path / "P1.pgpack").write_bytes(flipped)
    refused = subprocess.run(command, cwd=empty, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert "REFUSED" in refused.stdout
    assert not refused.stderr
