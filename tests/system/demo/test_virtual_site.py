"""The virtual site for a configuration: what stands where, and that no command at its prompt ends in a traceback."""

import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plants import free_port, until

from edge.config import load
from edge.config_values import Config
from edge.ports.errors import RefusedError, TransientError
from hil.demo_steps import cast
from hil.gateway_process import PERMITGATE, ServiceProcess, descendants, wait_ended
from hil.modbus_faults import can_have
from hil.modbus_site import crc16
from hil.modbus_unit import load_profile_data
from hil.site_command import QuitAsked, answer_line
from hil.virtual_site import FAULT_NAMES, VirtualSite

pytestmark = pytest.mark.system

XCD = load_profile_data("honeywell_xcd")
POSSIBLE = [each for each in FAULT_NAMES if each == "heal" or (each != "swapped" and can_have(each, XCD))]


def write(folder: Path, **changes: str) -> Path:
    ports = (free_port(), free_port(), free_port())
    layout = cast.Layout(folder / "data", folder / "run", 8443, ports[0], ports[1:])
    text = cast.configuration(layout)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return load(write(tmp_path_factory.mktemp("site")))


@pytest.fixture
def site(config: Config) -> Iterator[VirtualSite]:
    with VirtualSite(config) as made:
        yield made


def ask_tcp(config: Config, request: bytes) -> bytes:
    """One Modbus/TCP question, by hand."""
    port = config.buses[0].tcp_port  # type: ignore[union-attr]  # b1 is the TCP one
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        connection.sendall(struct.pack(">HHHB", 7, 0, len(request) + 1, 1) + request)
        return connection.recv(256)


def test_everything_stands_where_the_configuration_looks_for_it(site: VirtualSite, config: Config) -> None:
    # XCD: registers 40003-40004 (address 2), f32.
    answer = ask_tcp(config, struct.pack(">BHH", 3, 2, 2))
    assert struct.unpack(">f", answer[9:13]) == (1.5,)
    with serial.Serial(config.buses[1].port, 4800, timeout=2) as line:  # type: ignore[union-attr]  # b2 is the serial one
        question = bytes.fromhex("020300000001")
        line.write(question + crc16(question))
        assert line.read(7)[:5] == bytes.fromhex("0203020014")
    assert config.outputs.wired is not None
    assert config.outputs.wired.is_socket()
    assert site.left_out == []
    assert len(site.standing) == 5


def test_closing_gives_everything_back(config: Config) -> None:
    with VirtualSite(config):
        pass
    assert config.outputs.wired is not None
    assert not config.outputs.wired.exists()
    assert not os.path.lexists(config.buses[1].port)  # type: ignore[union-attr]
    with VirtualSite(config) as again:
        assert again.wiring.state("d1").lock == "locked"
        again.close()


def test_a_port_that_is_taken_is_named_with_its_remedy_and_leaves_nothing_standing(config: Config) -> None:
    port = config.buses[0].tcp_port  # type: ignore[union-attr]
    with socket.create_server(("127.0.0.1", port)), pytest.raises(RefusedError, match=rf"b1: 127.0.0.1:{port}: .*port"):
        VirtualSite(config)
    assert config.outputs.wired is not None
    assert not config.outputs.wired.exists()


def test_a_file_in_the_place_of_the_serial_port_is_kept(tmp_path: Path) -> None:
    config = load(write(tmp_path))
    port = Path(config.buses[1].port)  # type: ignore[union-attr]
    port.parent.mkdir()
    port.write_text("mine")
    with pytest.raises(RefusedError, match="choose a path of your own"):
        VirtualSite(config)
    assert port.read_text() == "mine"


# ---- commands -------------------------------------------------------------------------------------------------------


def test_commands_do_what_they_say(site: VirtualSite, config: Config) -> None:
    assert "12.5 %LEL" in answer_line(site, "gas gas-1 12.5")
    assert struct.unpack(">f", ask_tcp(config, struct.pack(">BHH", 3, 2, 2))[9:13]) == (12.5,)
    assert "7.9 m/s" in answer_line(site, "wind wind-1 7.9")
    assert "校准剩余 -3 天" in answer_line(site, "calibration gas-1 -3")
    # XCD: registers 40009-40010 (address 8), f32.
    assert struct.unpack(">f", ask_tcp(config, struct.pack(">BHH", 3, 8, 2))[9:13]) == (-3.0,)
    for line in ("calibration gas-1 soon", "calibration wind-1 9"):
        assert answer_line(site, line).startswith("? calibration")
    assert "推不开" in answer_line(site, "push d1")
    assert "door open" in answer_line(site, "force d1")
    assert "door shut" in answer_line(site, "shut d1")
    assert "gateway absent" in answer_line(site, "state")
    assert all(word in answer_line(site, "help") for word in ("tap", "刷卡", "silence"))
    with pytest.raises(QuitAsked):
        answer_line(site, "quit")


def test_a_bus_is_unplugged_and_plugged_in_at_the_same_place(site: VirtualSite, config: Config) -> None:
    port = config.buses[1].port  # type: ignore[union-attr]
    for bus in ("b1", "b2"):
        assert "已拔掉" in answer_line(site, f"plug {bus} out")
    with pytest.raises(ConnectionRefusedError):
        ask_tcp(config, struct.pack(">BHH", 3, 2, 2))
    assert not os.path.lexists(port)
    for bus in ("b1", "b2"):
        assert "已插上" in answer_line(site, f"plug {bus} in")
    assert ask_tcp(config, struct.pack(">BHH", 3, 2, 2))
    with serial.Serial(port, 4800, timeout=2) as line:
        question = bytes.fromhex("020300000001")
        line.write(question + crc16(question))
        assert line.read(7)[:5] == bytes.fromhex("0203020014")


@pytest.mark.parametrize("name", POSSIBLE)
def test_every_fault_can_be_put_in_force_and_healed(site: VirtualSite, name: str) -> None:
    assert not answer_line(site, f"fault gas-1 {name}").startswith("?")
    assert name == "heal" or f"({name})" in answer_line(site, "state")
    assert answer_line(site, "fault gas-1 heal") == "gas-1: combustible 1.5 %LEL"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("dance", "no such command"),
        ("gas", "usage: gas DEVICE VALUE"),
        ("gas gas-9 1", "there are gas-1, wind-1"),
        ("gas wind-1 1", "measures wind_speed, not combustible"),
        ("gas gas-1 much", "no value"),
        ("wind wind-1 1e9", "no value"),
        ("wind wind-1 -1", "no value"),
        ("fault gas-1 boredom", "one of late"),
        ("fault wind-1 warming_up", "cannot say"),
        ("fault gas-1 over_range", "cannot say"),
        ("fault gas-1 swapped", "alone on its bus"),
        ("fault gas-1 foreign", "no identity"),
        ("fault gas-1 heartbeat_stopped", "no heartbeat"),
        ("push d9", "there are d1, d2"),
        ("tap r9 04112233", "there are r1, r2"),
        ("tap r1 nofile", "neither a file nor a UID"),
        ("tap r1 04112233 /", "directory"),
        ("tap r1 04112233445566 /nowhere", "No such file"),
        ("plug b1 off", "in or out"),
        ("plug b9 out", "there are b1, b2"),
        ("plug b1 in", "must go first"),
        ("fire d1 maybe", "on or off"),
        ("fire d1 on", "no fire line is wired"),
        ("fire d9 on", "there are d1, d2"),
        ('tap "', "No closing quotation"),
    ],
)
def test_a_command_that_cannot_be_followed_says_why(site: VirtualSite, line: str, words: str) -> None:
    answer = answer_line(site, line)
    assert answer.startswith("? ")
    assert words in answer


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(["gas", "wind", "fault", "push", "shut", "force", "state", "gas-1", "wind-1", "d1", "silence"])
        | st.text(max_size=12),
        max_size=4,
    )
)
def test_any_line_is_answered_in_words(site: VirtualSite, words: list[str]) -> None:
    answer_line(site, " ".join(words))


def test_a_badge_file_is_held_with_the_uid_that_it_names(site: VirtualSite, tmp_path: Path) -> None:
    path = tmp_path / "x.ndef"
    path.write_bytes(b"\xd1\x01\x01Tx")
    assert "holds no badge token" in answer_line(site, f"tap r1 {path}")
    path.write_bytes(bytes(1_025))
    assert "more than the 1024 bytes" in answer_line(site, f"tap r1 04112233445566 {path}")


# ---- the command and its process -----------------------------------------------------------------------------------


def test_the_site_command_says_where_everything_is_and_ends_at_quit(tmp_path: Path) -> None:
    path = write(tmp_path)
    argv = [*PERMITGATE, "site", "--config", str(path)]
    done = subprocess.run(
        argv, input="state\nnonsense\nquit\n", capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    for words in (
        "SIMULATED",
        "bus b2: wind-1",
        "-> /dev/pts/",
        "field of reader r1",
        "door d1: lock locked",
        "? 'nonsense'",
    ):
        assert words in done.stdout
    assert not (tmp_path / "run" / "wiring.sock").exists()


def test_a_configuration_that_is_not_simulated_gets_no_site(tmp_path: Path) -> None:
    path = write(tmp_path, **{"simulate = true": "simulate = false"})
    argv = [*PERMITGATE, "site", "--config", str(path)]
    done = subprocess.run(argv, input="", capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_site_without_any_input_stays_until_it_is_ended(tmp_path: Path) -> None:
    argv = ["sh", "-c", f"exec {' '.join(PERMITGATE)} site --config {write(tmp_path)} <&-"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline()]
        while said[-1] and "no more input" not in said[-1]:
            said.append(process.stdout.readline())
        assert process.poll() is None, said
        process.terminate()
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert "Traceback" not in "".join(said) + rest


def test_a_service_process_can_be_hung_killed_and_ended(tmp_path: Path) -> None:
    arguments = ("site", "--config", write(tmp_path))
    with ServiceProcess(arguments, tmp_path / "site.log") as service:
        service.start()
        assert "field of reader r1" in service.wait_said("r1", 15)
        service.pause()
        stopped = Path(f"/proc/{service.pid}/stat")
        until("stopped", lambda: stopped.read_text().rsplit(")", 1)[1].split()[0] == "T")
        service.resume()
        pid = service.pid
        service.kill()
        assert service.wait_children() == 0
        assert wait_ended([pid], 0) == []
        assert not service.alive
        service.start()
        service.wait_said("r1", 15)
        assert descendants(service.pid) == []
        assert service.stop() == 0
        assert service.stop() is None


def test_a_service_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    with ServiceProcess(("site", "--config", tmp_path / "none.toml"), tmp_path / "log") as service:
        service.start()
        with pytest.raises(TransientError, match=r"ended; its last words: .*none\.toml"):
            service.wait_said("SIMULATED", 15)
        assert service.alive is False
