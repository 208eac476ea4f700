"""``permitgate devices scan`` over real wires: who is there, as what, and what only looks like somebody."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gateways import write_config

from drivers.modbus.plan import plan_of
from drivers.modbus.profile import load_profile
from edge.__main__ import main
from edge.runtime.control import ControlServer
from hil.modbus_site import ModbusSite
from hil.modbus_unit import Fault, FaultKind, SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system

XCD, OXYGEN, RENKE = "honeywell_xcd", "honeywell_xcd_oxygen", "renke_rs_fsjt_n01"


def unit(model: str, number: int, **values: str) -> SimulatedUnit:
    made = SimulatedUnit(load_profile_data(model), number)
    for channel, value in values.items():
        made.set_value(channel, value)
    return made


@contextmanager
def bus(*units: SimulatedUnit) -> Iterator[ModbusSite]:
    site = ModbusSite(units)
    try:
        yield site
    finally:
        site.close()


def devices_scan(*arguments: str, config: Path | None = None) -> Result:
    environment = {"LC_ALL": "en_GB.UTF-8", "PERMITGATE_CONFIG": None if config is None else str(config)}
    return CliRunner().invoke(main, ["devices", "scan", *arguments], env=environment)


def scanned(*arguments: str, config: Path | None = None) -> tuple[int, dict[str, Any]]:
    result = devices_scan(*arguments, "--json", config=config)
    assert result.stdout, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, found


def tcp(port: int, units: str = "1-6") -> list[str]:
    return ["--host", "127.0.0.1", "--tcp-port", str(port), "--timeout", "0.2", "--units", units]


def fitting(found: dict[str, Any], number: int) -> dict[str, dict[str, Any]]:
    (one,) = [each for each in found["units"] if each["unit"] == number]
    return {each["model"]: each for each in one["models"] if each["fits"]}


def sure(found: dict[str, Any], number: int) -> set[str]:
    """The models that fit a unit without a doubt."""
    return {model for model, match in fitting(found, number).items() if not match["doubts"]}


def codes(match: dict[str, Any]) -> set[str]:
    return {each["code"] for each in match["doubts"]}


def test_who_answers_is_found_with_the_model_whose_whole_map_fits() -> None:
    with bus(unit(XCD, 2, gas="13.9"), unit(OXYGEN, 3, oxygen="20.9"), unit(RENKE, 5, wind_speed="8.6")) as site:
        code, found = scanned(*tcp(site.serve_tcp()))
    assert code == 0
    assert [each["unit"] for each in found["units"]] == [2, 3, 5]
    assert sure(found, 2) == {XCD}
    assert fitting(found, 2)[XCD]["values"] == ["gas_reading 13.9 %LEL"]
    assert sure(found, 3) == {OXYGEN}, "the same map in another unit is another model"
    assert codes(fitting(found, 5)[RENKE]) == {"short"}
    assert not found["same_for_all"]


def test_on_a_serial_line_each_unit_is_asked_and_its_neighbours_answers_are_not_its_own() -> None:
    with bus(unit(XCD, 2, gas="13.9"), unit(RENKE, 4, wind_speed="8.6")) as site:
        code, found = scanned("--port", site.serve_rtu(), "--units", "1-5", "--timeout", "0.2")
    assert code == 0
    assert [each["unit"] for each in found["units"]] == [2, 4]
    assert sure(found, 2) == {XCD}


def test_people_are_told_what_is_there_what_fits_and_that_a_figure_proves_nothing(tmp_path: Path) -> None:
    with bus(unit(OXYGEN, 3, oxygen="20.9")) as site:
        port = site.serve_tcp()
        shown = devices_scan(*tcp(port, "2-4")).stdout
        chinese = devices_scan(*tcp(port, "2-4"), config=write_config(tmp_path, "zh")).stdout
    assert "asking units 2 to 4, at most about 2 s" in shown
    assert "unit 3: is there, and refuses the question (Modbus exception 2, illegal data address)" in shown
    assert "honeywell_xcd_oxygen fits: gas_reading 20.9 %vol" in shown
    assert "1 of 3 units are there. A plausible figure proves nothing" in shown
    assert "honeywell_xcd_oxygen 吻合" in chinese


def test_a_configured_device_that_does_not_fit_what_answers_there_is_said(tmp_path: Path) -> None:
    with bus(unit(OXYGEN, 1, oxygen="20.9")) as site:
        config = write_config(tmp_path, port=site.serve_tcp())
        result = devices_scan("b1", "--units", "1-2", config=config)
        assert "configured as gas1, model honeywell_xcd: which does NOT fit" in result.stdout
        site.unit(1).set_register("measuring_unit", 5)
        result = devices_scan("b1", "--units", "1-2", config=config)
    assert result.exit_code == 0
    assert "configured as gas1, model honeywell_xcd\n" in result.stdout


def test_the_sites_own_models_are_held_against_what_answers_too(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    text = (files("drivers.profiles") / "generic.toml").read_text(encoding="utf-8").replace('"generic"', '"cellar"')
    (profiles / "cellar.toml").write_text(text.replace("address = 2", "address = 40"), encoding="utf-8")
    (profiles / "broken.toml").write_text("half =", encoding="utf-8")
    config = write_config(tmp_path)
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace("simulate = true", f'simulate = true\nprofiles_dir = "{profiles}"'), encoding="utf-8"
    )
    own = SimulatedUnit(load_profile_data("cellar", profiles), 9)
    own.set_value("gas", "7.3")
    with bus(own) as site:
        _, found = scanned(*tcp(site.serve_tcp(), "8-9"), config=config)
    assert "cellar" in fitting(found, 9)


def test_a_unit_that_no_model_fits_is_shown_with_the_way_to_find_out_more() -> None:
    strange = unit(XCD, 2, gas="13.9")
    strange.set_register("measuring_unit", 4)
    with bus(strange) as site:
        port = site.serve_tcp()
        result = devices_scan(*tcp(port, "1-3"))
    assert result.exit_code == 0
    assert "no known model fits beyond doubt" in result.stdout
    assert f"devices try --host 127.0.0.1 --tcp-port {port} --unit 2" in result.stdout
    assert "honeywell_xcd fits" not in result.stdout


def test_a_model_whose_decimals_no_register_says_could_be_it_with_the_decimals_that_fit() -> None:
    with bus(unit("raeguard_oxygen", 4)) as site:
        site.unit(4).set_register(load_profile_data("raeguard_oxygen")["register"][0]["name"], 209)
        _, found = scanned(*tcp(site.serve_tcp(), "3-5"))
    match = fitting(found, 4)["raeguard_oxygen"]
    assert "20.9 %vol" in match["values"][0]
    assert "by_hand" in codes(match)


def test_a_unit_is_asked_each_question_once_however_many_models_share_it() -> None:
    recorded = RecordedUnit()
    with bus(recorded) as site:
        _, found = scanned(*tcp(site.serve_tcp(), "2"))
    greeting, *asked = recorded.questions
    assert len(asked) == len(set(asked))
    assert len(asked) < sum(len(plan_of(load_profile(each["model"]))) for each in found["units"][0]["models"])
    assert greeting


class RecordedUnit(SimulatedUnit):
    """An XCD that remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(load_profile_data(XCD), 2)
        self.set_value("gas", "13.9")
        self.questions: list[bytes] = []

    def answer(self, request: bytes) -> bytes:
        self.questions.append(request)
        return super().answer(request)


def test_registers_that_are_all_zero_and_a_value_that_the_device_disowns_are_doubts() -> None:
    fresh, warming, calm = unit("generic", 2), unit("generic", 3, gas="5"), unit(RENKE, 4)
    warming.set_status("warming_up")
    with bus(fresh, warming, calm) as site:
        _, found = scanned(*tcp(site.serve_tcp()))
    assert codes(fitting(found, 4)[RENKE]) == {"zeros", "short"}, "calm air is no reason to rule it out"
    assert not any(model.startswith("loop_") for model in fitting(found, 4)), (
        "a current of 0 mA says nothing of anything"
    )
    assert {"zeros", "example"} <= codes(fitting(found, 2)["generic"])
    assert {"not_valid", "example"} <= codes(fitting(found, 3)["generic"])


@pytest.mark.parametrize("kind", [FaultKind.SILENCE, FaultKind.WRONG_LENGTH, FaultKind.WRONG_UNIT, FaultKind.NOISE])
@pytest.mark.parametrize("serial", [False, True])
def test_a_broken_unit_hides_no_healthy_one(kind: FaultKind, serial: bool) -> None:
    broken = unit("generic", 2)
    broken.break_with(Fault(kind))
    with bus(broken, unit(RENKE, 3, wind_speed="8.6")) as site:
        wire = ("--port", site.serve_rtu(), "--timeout", "0.2", "--units", "1-4") if serial else tcp(site.serve_tcp())
        code, found = scanned(*wire)
    assert code == 0
    presences = {each["unit"]: each["presence"] for each in found["units"]}
    assert presences.pop(3) == "answers"
    assert presences == ({} if kind is FaultKind.SILENCE else {2: "garbled"})
    assert RENKE in fitting(found, 3)


@pytest.mark.parametrize("late_s", [0.35, 0.65, 0.75])
@pytest.mark.parametrize("serial", [False, True])
def test_a_late_answer_is_never_taken_for_the_next_units(late_s: float, serial: bool) -> None:
    late = unit("generic", 2, gas="50")
    late.break_with(Fault(FaultKind.LATE, seconds=late_s))
    with bus(late, unit(RENKE, 4, wind_speed="8.6")) as site:
        wire = ("--port", site.serve_rtu(), "--timeout", "0.2", "--units", "1-4") if serial else tcp(site.serve_tcp())
        code, found = scanned(*wire)
    assert code == 0
    presences = {each["unit"]: each["presence"] for each in found["units"]}
    assert presences.pop(4) == "answers"
    assert "answers" not in presences.values()
    assert RENKE in fitting(found, 4)


def test_a_unit_that_answers_only_registers_that_it_knows_is_found_when_asked_thoroughly() -> None:
    shy = ShyUnit()
    with bus(shy) as site:
        port = site.serve_tcp()
        code, found = scanned(*tcp(port, "1-2"))
        assert (code, found["units"]) == (1, [])
        assert "--thorough" in found["lines"]["en"][0]
        code, found = scanned(*tcp(port, "1-2"), "--thorough")
    assert code == 0
    assert sure(found, 2) == {XCD}


class ShyUnit(SimulatedUnit):
    """An XCD that says nothing at all where others refuse."""

    def __init__(self) -> None:
        super().__init__(load_profile_data(XCD), 2)
        self.set_value("gas", "13.9")

    def answer(self, request: bytes) -> bytes:
        reply = super().answer(request)
        self.break_with(Fault(FaultKind.SILENCE)) if reply[0] & 0x80 else self.heal()
        return reply


Answer = Callable[[socket.socket, int, int, int], None]
"""Answers one question: the connection, transaction, unit and count."""


@contextmanager
def gateway(answer: Answer) -> Iterator[int]:
    """A Modbus/TCP gateway of its own kind, for one connection at a time."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                peer, _ = server.accept()
                with peer, suppress(OSError):
                    while len(question := peer.recv(12, socket.MSG_WAITALL)) == 12:
                        transaction, _, _, number, _, _, count = struct.unpack(">HHHBBHH", question)
                        answer(peer, transaction, number, count)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(3)


def answer_as_asked(peer: socket.socket, transaction: int, number: int, count: int) -> None:
    peer.sendall(struct.pack(">HHHBBB", transaction, 0, 3 + 2 * count, number, 3, 2 * count) + bytes(2 * count))


def test_a_gateway_that_answers_for_every_number_is_called_one_device() -> None:
    with gateway(answer_as_asked) as port:
        code, found = scanned(*tcp(port, "1-247"))
        shown = devices_scan(*tcp(port, "1-10")).stdout
    assert code == 0
    assert found["same_for_all"]
    assert len(found["units"]) == 247
    assert [each["unit"] for each in found["units"] if each["models"]] == [1]
    assert "EVERY unit says the same" in shown
    assert "unit 1 stands for all" in shown


def test_a_gateway_that_says_for_every_number_that_nobody_is_there_shows_nobody() -> None:
    def nobody(peer: socket.socket, transaction: int, number: int, _count: int) -> None:
        peer.sendall(struct.pack(">HHHBBB", transaction, 0, 3, number, 0x83, 0x0B))

    with gateway(nobody) as port:
        code, found = scanned(*tcp(port, "1-20"))
    assert (code, found["units"]) == (1, [])


def test_a_gateway_that_hangs_up_on_unknown_numbers_is_called_again_for_the_next() -> None:
    def picky(peer: socket.socket, transaction: int, number: int, count: int) -> None:
        if number != 4:
            raise OSError("hung up")
        answer_as_asked(peer, transaction, number, count)

    with gateway(picky) as port:
        code, found = scanned(*tcp(port))
    assert code == 0
    assert [each["unit"] for each in found["units"]] == [4]


def test_a_host_that_does_not_listen_is_exit_3_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    result = devices_scan(*tcp(port, "1-247"))
    assert result.exit_code == 3
    assert "check address and port" in result.stderr


def test_a_line_that_the_running_gateway_reads_is_refused(tmp_path: Path) -> None:
    with bus(unit(XCD, 1)) as site:
        config, port = write_config(tmp_path), site.serve_rtu()
        wire = 'kind = "tcp"\nhost = "127.0.0.1"\ntcp_port = 1502\n'
        text = config.read_text(encoding="utf-8").replace(wire, f'kind = "rtu"\nport = "{port}"\nbaud = 9600\n')
        config.write_text(text, encoding="utf-8")
        running = ControlServer(tmp_path / "run" / "control.sock", lambda _message, _attached: {"ok": True})
        running.start()
        try:
            refused = devices_scan("b1", config=config)
        finally:
            running.stop()
        assert site.unit(1).asked == 0
        assert devices_scan("b1", "--units", "1", config=config).exit_code == 0
    assert refused.exit_code == 3
    assert "systemctl stop permitgate" in refused.stderr


@pytest.mark.parametrize("units", ["0-5", "5-1", "1-256", "x", "1-", ""])
def test_numbers_that_no_unit_has_are_a_usage_error(units: str) -> None:
    assert devices_scan("--host", "127.0.0.1", "--units", units).exit_code == 2


def test_a_serial_bus_has_no_units_above_247() -> None:
    result = devices_scan("--port", "/dev/ttyS0", "--units", "1-255")
    assert result.exit_code == 2
    assert "1 to 247" in result.stderr
