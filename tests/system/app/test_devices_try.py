"""``permitgate devices try`` against real units: an unknown detector becomes a draft profile, doubts included."""

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gateways import write_config

from drivers.modbus.catalogue import load_file
from drivers.modbus.client import BusSettings, Connection, Request
from edge.__main__ import main
from edge.host.system_clock import monotonic_ms, sleep
from edge.runtime.control import ControlServer
from hil.modbus_site import ModbusSite
from hil.modbus_unit import Fault, FaultKind, SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system

OXYGEN = ("--quantity", "oxygen")
TIMEOUT_S = 60


class Unknown(SimulatedUnit):
    """An instrument of no known model: registers as they were set, in tables of holding and input registers.

    ``alone``: offsets that are answered only by themselves; ``in_pairs``: only two at once, as half a float is refused.
    """

    def __init__(self, unit: int, words: dict[int, int], function: int = 3, in_pairs: bool = False) -> None:
        super().__init__(load_profile_data("renke_rs_fsjt_n01"), unit)
        self.words = words
        self.function = function
        self.in_pairs = in_pairs
        self.questions: list[tuple[int, int, int]] = []

    def answer(self, request: bytes) -> bytes:
        function, address = request[0], int.from_bytes(request[1:3], "big")
        count = int.from_bytes(request[3:5], "big")
        self.questions.append((function, address, count))
        asked = range(address, address + count)
        if function != self.function:
            return bytes([function | 0x80, 1])
        if any(each not in self.words for each in asked) or (self.in_pairs and (count, address % 2) != (2, 0)):
            return bytes([function | 0x80, 2])
        return bytes([function, 2 * count]) + b"".join(self.words[each].to_bytes(2, "big") for each in asked)


@pytest.fixture
def unknown() -> Unknown:
    """Oxygen 20.9 as a float in CDAB at 6, beside a word that happens to hold 209."""
    return Unknown(17, {4: 209, 5: 1, 6: 0x3333, 7: 0x41A7, 8: 0})


@pytest.fixture
def site(unknown: Unknown) -> Iterator[ModbusSite]:
    site = ModbusSite([unknown])
    yield site
    site.close()


def devices_try(*arguments: str, config: Path | None = None) -> Result:
    environment = {"LC_ALL": "en_GB.UTF-8", "PERMITGATE_CONFIG": None if config is None else str(config)}
    return CliRunner().invoke(main, ["devices", "try", *arguments], env=environment)


def on_tcp(site: ModbusSite) -> list[str]:
    return ["--host", "127.0.0.1", "--tcp-port", str(site.serve_tcp()), "--timeout", "0.1", "--unit", "17"]


def look(wire: list[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    result = devices_try(*wire, *arguments, "--json")
    found: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, found


def test_each_register_is_shown_in_every_decoding(site: ModbusSite) -> None:
    code, found = look(on_tcp(site), "--start", "4", "--count", "5")
    assert code == 0
    assert found["in_block"]
    first = found["registers"][0]
    assert (first["address"], first["printed"], first["raw"], first["u16"], first["s16"]) == (
        4,
        "40005",
        "00d1",
        "209",
        "209",
    )
    pair = found["registers"][2]["with_next"]
    assert set(pair) == {"ABCD", "CDAB", "BADC", "DCBA"}
    assert pair["CDAB"]["f32"] == "20.9"
    assert pair["CDAB"]["u32"] == str(0x41A73333)
    assert "with_next" not in found["registers"][-1]
    assert found["fits"] == []


def test_the_displays_figure_marks_what_fits_and_says_that_several_do(site: ModbusSite) -> None:
    wire = on_tcp(site)
    code, found = look(wire, "--start", "4", "--count", "5", "--display", "20.9")
    assert code == 0
    assert [(each["address"], each["type"], each["order"], each["scale"]) for each in found["fits"]] == [
        (6, "f32", "CDAB", "1"),
        (4, "u16", "ABCD", "0.1"),
    ]
    shown = devices_try(*wire, "--start", "4", "--count", "5", "--display", "20.9").stdout
    assert "f32 20.9 <FITS x 1>" in shown
    assert "u16 209 <FITS x 0.1>" in shown
    assert "differs in its last digits only, the manual must tell: 7 (40008) f32 ABCD x 1" in shown
    assert "SEVERAL FIT" in shown
    assert "--fits FILE" in shown


def test_a_second_look_leaves_what_fitted_both_times_and_a_draft_of_it(
    site: ModbusSite, unknown: Unknown, tmp_path: Path
) -> None:
    wire, first, draft = on_tcp(site), tmp_path / "first.json", tmp_path / "attic.toml"
    registers = ("--start", "4", "--count", "5")
    assert devices_try(*wire, *registers, "--display", "20.9", "--json", str(first)).exit_code == 0
    unknown.words |= {6: 0x6666, 7: 0x4180 + 8, 4: 209}  # 17.05: the float moved, the word did not
    result = devices_try(*wire, *registers, "--display", "17.1", "--fits", str(first), "--write", str(draft), *OXYGEN)
    assert result.exit_code == 0, result.output
    profile = load_file(draft)
    (register,), (channel,) = profile.registers, profile.channels
    assert (register.address, register.kind.value, register.order.value) == (6, "f32", "CDAB")
    assert (channel.quantity.value, channel.unit, str(channel.resolution)) == ("oxygen", "%vol", "0.1")
    text = draft.read_text(encoding="utf-8")
    assert "The display showed 20.9, then 17.1" in text
    assert "FITTED AS WELL" not in text
    assert "NO STATUS" in text
    shown = CliRunner().invoke(main, ["devices", "show", str(draft)], env={"LC_ALL": "en"})
    assert shown.exit_code == 0
    assert "UNVERIFIED" in shown.stdout


def test_when_nothing_fits_both_looks_it_is_said_and_the_first_one_is_kept(
    site: ModbusSite, unknown: Unknown, tmp_path: Path
) -> None:
    wire, first = on_tcp(site), tmp_path / "first.json"
    registers = ("--start", "4", "--count", "5")
    devices_try(*wire, *registers, "--display", "20.9", "--json", str(first))
    kept = first.read_bytes()
    unknown.words[8] = 555
    result = devices_try(*wire, *registers, "--display", "55.5", "--fits", str(first))
    assert result.exit_code == 1
    assert "nothing that fitted before fits 55.5" in result.stdout
    assert first.read_bytes() == kept


def test_a_draft_from_one_look_names_what_fitted_as_well(site: ModbusSite, tmp_path: Path) -> None:
    draft = tmp_path / "attic.toml"
    result = devices_try(
        *on_tcp(site), "--start", "4", "--count", "5", "--display", "20.9", "--write", str(draft), *OXYGEN
    )
    assert result.exit_code == 0
    assert "FITTED AS WELL [U]: offset 4 (40005) u16 x 0.1" in draft.read_text(encoding="utf-8")
    assert load_file(draft).manual.mark == "U"


def test_nothing_is_overwritten_and_the_device_is_not_even_asked(
    site: ModbusSite, unknown: Unknown, tmp_path: Path
) -> None:
    wire, draft = on_tcp(site), tmp_path / "attic.toml"
    draft.write_text("mine", encoding="utf-8")
    result = devices_try(*wire, "--display", "20.9", "--write", str(draft), *OXYGEN)
    assert result.exit_code == 3
    assert "is not overwritten" in result.stderr
    assert draft.read_text(encoding="utf-8") == "mine"
    assert not unknown.questions


def test_a_draft_never_takes_the_name_of_a_model_that_ships(unknown: Unknown, site: ModbusSite, tmp_path: Path) -> None:
    result = devices_try(*on_tcp(site), "--display", "20.9", "--write", str(tmp_path / "generic.toml"), *OXYGEN)
    assert result.exit_code == 3
    assert "a model that ships has the name generic" in result.stderr
    assert not unknown.questions


def test_when_nothing_fits_it_is_exit_1_and_no_draft(site: ModbusSite, tmp_path: Path) -> None:
    draft = tmp_path / "attic.toml"
    wire = on_tcp(site)
    result = devices_try(*wire, "--start", "4", "--count", "5", "--display", "77.7", "--write", str(draft), *OXYGEN)
    assert result.exit_code == 1
    assert "nothing fits 77.7" in result.stdout
    assert not draft.exists()


@pytest.mark.parametrize(
    ("words", "in_pairs", "read"),
    [({0: 1, 1: 2, 3: 4}, False, {0, 1, 3}), ({0: 1, 1: 2, 4: 5, 5: 6}, True, {0, 1, 4, 5})],
)
def test_a_device_that_refuses_the_block_is_read_as_far_as_it_answers(
    words: dict[int, int], in_pairs: bool, read: set[int]
) -> None:
    site = ModbusSite([Unknown(17, words, in_pairs=in_pairs)])
    try:
        code, found = look(on_tcp(site), "--count", "6")
    finally:
        site.close()
    assert code == 0
    assert not found["in_block"]
    assert {each["address"] for each in found["registers"] if each["raw"] is not None} == read
    assert all("illegal data address" in each["trouble"] for each in found["registers"] if each["raw"] is None)


def test_input_registers_are_asked_for_with_function_4() -> None:
    unknown = Unknown(17, {0: 86}, function=4)
    site = ModbusSite([unknown])
    try:
        wire = on_tcp(site)
        assert look(wire, "--count", "1", "--function", "4", "--display", "8.6")[0] == 0
        code, found = look(wire, "--count", "1", "--display", "8.6")
        assert code == 1
        assert "illegal function" in found["registers"][0]["trouble"]
        assert "it is there, and refuses these registers: try --function 4" in found["lines"]["en"][0]
    finally:
        site.close()
    assert {each[0] for each in unknown.questions} == {3, 4}


@pytest.mark.parametrize("kind", [FaultKind.SILENCE, FaultKind.WRONG_LENGTH, FaultKind.WRONG_UNIT, FaultKind.NOISE])
def test_a_device_that_gives_no_proper_answer_is_left_after_a_few_questions(kind: FaultKind) -> None:
    unknown = Unknown(17, dict.fromkeys(range(100), 209))
    unknown.break_with(Fault(kind))
    site = ModbusSite([unknown])
    try:
        code, found = look(on_tcp(site), "--count", "100")
    finally:
        site.close()
    assert code == 1
    assert not found["ok"]
    assert all(each["raw"] is None and each["trouble"] for each in found["registers"])
    assert len(unknown.questions) <= 6
    assert "no register answered" in found["lines"]["en"][0]


class Sleepy(Unknown):
    """Its first single registers come late, by longer than anyone waits; the others at once."""

    def __init__(self, words: dict[int, int], late_s: float, late: int) -> None:
        super().__init__(17, words)
        self._late_s = late_s
        self._late = late

    def answer(self, request: bytes) -> bytes:
        reply = super().answer(request)
        late = int.from_bytes(request[3:5], "big") > 1 or len(self.questions) <= 1 + self._late
        self.break_with(Fault(FaultKind.LATE, seconds=self._late_s)) if late else self.heal()
        return reply


@pytest.mark.parametrize("late_s", [0.35, 0.55, 0.65, 0.8])
@pytest.mark.parametrize("late", [1, 2])
def test_a_late_answer_is_never_shown_as_another_registers(late_s: float, late: int) -> None:
    words = {address: 0x1111 * (address + 1) for address in range(5)}
    site = ModbusSite([Sleepy(words, late_s, late)])
    try:
        _, found = look(["--port", site.serve_rtu(), "--timeout", "0.2", "--unit", "17"], "--count", "5")
    finally:
        site.close()
    read = {each["address"]: int(each["raw"], 16) for each in found["registers"] if each["raw"] is not None}
    assert read
    assert read == {address: words[address] for address in read}


def test_a_serial_line_is_read_with_the_quiet_that_it_needs(site: ModbusSite, tmp_path: Path) -> None:
    draft = tmp_path / "attic.toml"
    line = ("--port", site.serve_rtu(), "--baud", "4800", "--parity", "E", "--unit", "17")
    result = devices_try(*line, "--start", "6", "--count", "2", "--display", "20.9", "--write", str(draft), *OXYGEN)
    assert result.exit_code == 0, result.output
    serial = load_file(draft).serial
    assert serial is not None
    assert (serial.default_baud, serial.default_parity, serial.default_address) == (4800, "E", 17)


def on_bus(folder: Path, port: str) -> Path:
    path = write_config(folder)
    text = path.read_text(encoding="utf-8")
    tcp = 'kind = "tcp"\nhost = "127.0.0.1"\ntcp_port = 1502\n'
    path.write_text(text.replace(tcp, f'kind = "rtu"\nport = "{port}"\nbaud = 9600\n'), encoding="utf-8")
    return path


def test_a_line_that_the_running_gateway_reads_is_refused_by_whatever_name(
    site: ModbusSite, unknown: Unknown, tmp_path: Path
) -> None:
    port = site.serve_rtu()
    (tmp_path / "other-name").symlink_to(port)
    config = on_bus(tmp_path, port)
    gateway = ControlServer(tmp_path / "run" / "control.sock", lambda _message, _attached: {"ok": True})
    gateway.start()
    try:
        for wire in (("--bus", "b1"), ("--port", port), ("--port", str(tmp_path / "other-name"))):
            refused = devices_try(*wire, "--unit", "17", config=config)
            assert refused.exit_code == 3
            assert "systemctl stop permitgate" in refused.stderr
            assert "b1" in refused.stderr
    finally:
        gateway.stop()
    assert not unknown.questions
    allowed = devices_try("--bus", "b1", "--unit", "17", "--start", "6", "--count", "2", config=config)
    assert allowed.exit_code == 0


def test_on_tcp_a_running_gateway_is_minded_but_not_in_the_way(
    site: ModbusSite, unknown: Unknown, tmp_path: Path
) -> None:
    config = write_config(tmp_path, port=site.serve_tcp())
    wire = ("--bus", "b1", "--unit", "17", "--start", "6", "--count", "2")
    assert "running" not in devices_try(*wire, config=config).stderr
    gateway = ControlServer(tmp_path / "run" / "control.sock", lambda _message, _attached: {"ok": True})
    gateway.start()
    try:
        result = devices_try(*wire, config=config)
    finally:
        gateway.stop()
    assert result.exit_code == 0
    assert "the running gateway asks bus b1 there too" in result.stderr


def test_a_port_that_any_program_holds_is_refused_by_the_port_itself(site: ModbusSite, unknown: Unknown) -> None:
    port = site.serve_rtu()
    holder = Connection(BusSettings("b1", "rtu", 300, port=port), monotonic_ms, sleep)
    holder.request(Request(17, 3, 6, 2, 100))
    asked = len(unknown.questions)
    try:
        refused = devices_try("--port", port, "--unit", "17")
    finally:
        holder.close()
    assert refused.exit_code == 3
    assert "another program uses it" in refused.stderr
    assert len(unknown.questions) == asked


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say which wire"),
        (("--host", "127.0.0.1", "--port", "/dev/ttyS0"), "one of them"),
        (("--bus", "b7"), "there is no usable bus 'b7'"),
        (("--host", "127.0.0.1", "--start", "65535", "--count", "2"), "65535"),
        (("--host", "127.0.0.1", "--start", "4000x"), "0 to 65535"),
        (("--host", "127.0.0.1", "--timeout", "9"), "0.05 to 5"),
        (("--host", "127.0.0.1", "--display", "20,9"), "such as 20.9"),
        (("--host", "127.0.0.1", "--display", "0.0"), "a zero fits every register"),
        (("--host", "127.0.0.1", "--write", "a.toml"), "--display"),
        (("--host", "127.0.0.1", "--display", "1.5", "--write", "a.toml"), "--quantity"),
        (("--host", "127.0.0.1", "--display", "1.5", "--write", "A.toml", *OXYGEN), "lower-case"),
        (("--host", "127.0.0.1", "--display", "1.5", "--write", "a.toml", "--quantity", "toxic"), "--measured-in"),
        (
            (
                "--host",
                "127.0.0.1",
                "--display",
                "5",
                "--write",
                "a.toml",
                "--quantity",
                "toxic",
                "--measured-in",
                "ppm",
            ),
            "--range",
        ),
        (
            (
                "--host",
                "h",
                "--display",
                "5",
                "--write",
                "a.toml",
                *OXYGEN,
                "--measured-in",
                "ppm",
                "--range",
                "0",
                "25",
            ),
            "a.toml:",
        ),
        (("--host", "h", "--display", "5.55", "--write", "a.toml", *OXYGEN, "--range", "0", "0.001"), "multiples"),
        (("--host", "127.0.0.1", "--display", "1.5", "--fits", "none.json"), "none.json"),
    ],
)
def test_what_a_tired_person_gets_wrong_is_said_before_the_wire_is_touched(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    result = devices_try(*arguments, "--unit", "17", config=write_config(tmp_path))
    assert result.exit_code == 2, result.output
    assert said in result.stderr


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"unit": 17}', b'{"unit": 17, "function": 3, "displays": ["x"], "fits": []}', b"\xff"],
)
def test_an_earlier_look_that_is_none_is_named(content: bytes, site: ModbusSite, tmp_path: Path) -> None:
    path = tmp_path / "first.json"
    path.write_bytes(content)
    result = devices_try(*on_tcp(site), "--display", "20.9", "--fits", str(path))
    assert result.exit_code == 2
    assert f"{path}:1: " in result.stderr


def test_an_earlier_look_at_another_unit_is_refused(site: ModbusSite, tmp_path: Path) -> None:
    wire, first = on_tcp(site), tmp_path / "first.json"
    devices_try(*wire, "--start", "4", "--count", "5", "--display", "20.9", "--json", str(first))
    result = devices_try(*wire, "--unit", "18", "--start", "4", "--display", "20.9", "--fits", str(first))
    assert result.exit_code == 2
    assert "of unit 17" in result.stderr


def test_a_port_that_is_not_there_is_exit_3_with_the_remedy() -> None:
    result = devices_try("--port", "/dev/no-such-port", "--unit", "1")
    assert result.exit_code == 3
    assert "plug the adapter in" in result.stderr


def converse(command: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run it at a terminal of its own; each time that the words are shown, type the answer."""
    master, slave = pty.openpty()
    environment = {**os.environ, "LC_ALL": "en_GB.UTF-8", "TERM": "dumb"}
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment, close_fds=True)
    os.close(slave)
    shown, seen = "", 0
    deadline = monotonic_ms() + TIMEOUT_S * 1000
    try:
        while monotonic_ms() < deadline and select.select([master], [], [], TIMEOUT_S)[0]:
            try:
                data = os.read(master, 4096)
            except OSError:  # EIO: whoever wrote there has ended
                break
            if not data:
                break
            shown += data.decode("utf-8", "replace")
            if answers and answers[0][0] in shown[seen:]:
                seen = len(shown)
                os.write(master, answers.pop(0)[1].encode() + b"\n")
        return process.wait(TIMEOUT_S), shown
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_at_a_terminal_it_asks_until_one_decoding_is_left(site: ModbusSite, unknown: Unknown, tmp_path: Path) -> None:
    draft = tmp_path / "attic.toml"
    wire = on_tcp(site)
    unknown.words = MovingWords(unknown.words, {6: 0x3333, 7: 0x4188 - 1})
    command = [sys.executable, "-m", "edge", "devices", "try", *wire, "--start", "4", "--count", "5"]
    command += ["--display", "20.9", "--write", str(draft), *OXYGEN]
    ask = "what does the display show now?"
    code, shown = converse(command, [(ask, "20.9"), (ask, "seventeen"), (ask, "16.9")])
    assert code == 0, shown
    assert "SEVERAL FIT" in shown
    assert "it tells nothing new" in shown
    assert "'seventeen' is no figure" in shown
    assert "16.9 fits one decoding" in shown
    assert load_file(draft).registers[0].address == 6


class MovingWords(dict[int, int]):
    """Registers of an instrument that measures something else from the second block on."""

    def __init__(self, now: dict[int, int], then: dict[int, int]) -> None:
        super().__init__(now)
        self._then = then
        self._first = min(now)
        self._reads = 0

    def __getitem__(self, address: int) -> int:
        if address == self._first:
            self._reads += 1
        return (
            self._then.get(address, super().__getitem__(address)) if self._reads > 1 else super().__getitem__(address)
        )
