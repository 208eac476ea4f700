"""Whoever talks to the gateway, and however: tags, local clients, whatever sits at HQ's address. The doors go on."""

import json
import os
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread

import pytest
from plants import WORKER_UID, Hq, Layout, Plant, Template, command, plant, until, write_config

from edge.host.system_clock import monotonic_ms
from hil.tag import TagFault
from sync.hq import admin

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def gateway(used: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with plant(used, tmp_path_factory.mktemp("plant")) as made:
        made.hq.start()
        made.start().wait_good()
        made.tap("g1")
        yield made


LINES = {
    "not JSON": b"hello\n",
    "no object": b"[1,2]\n",
    "nothing asked": b"{}\n",
    "an unknown request": b'{"do":"open_the_door"}\n',
    "half a line": b'{"do":"sta',
    "a number for a name": b'{"do":"ready","permit":7}\n',
    "no permit": b'{"do":"act","action":"release"}\n',
    "an unknown action": b'{"do":"act","action":"unlock","permit":"P1","by":"g1","why":"x"}\n',
    "no UTF-8": b'{"do":"\xff"}\n',
    "deep": b"[" * 60_000 + b"\n",
    "more than a line may be": b"x" * 200_000 + b"\n",
    "huge number": b'{"do":"ready","permit":' + b"9" * 5_000 + b"}\n",
    "surrogate": b'{"do":"act","action":"confirm","permit":"P1","by":"\\ud800","why":"\\ud800"}\n',
    "long reason": b'{"do":"act","action":"confirm","permit":"P1","by":"g1","why":"' + b"y" * 60_000 + b'"}\n',
    "photo that is none": b'{"do":"act","action":"confirm","permit":"P1","by":"g1","why":"x","photo":"/etc/passwd"}\n',
    "photo that is a folder": b'{"do":"act","action":"confirm","permit":"P1","by":"g1","why":"x","photo":"/"}\n',
}


@pytest.mark.parametrize("name", LINES)
def test_nonsense_at_the_control_socket_gets_a_named_error(gateway: Plant, name: str) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.settimeout(5)
        client.connect(str(gateway.run / "control.sock"))
        try:
            client.sendall(LINES[name])
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(65_536)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    if answer:
        found = json.loads(answer)
        assert found["ok"] is False
        assert "internal" not in str(found.get("error")), found
    assert gateway.alive
    assert gateway.status()["gateway"] == "gw1"


def test_a_client_that_says_nothing_does_not_stop_the_doors(gateway: Plant) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.connect(str(gateway.run / "control.sock"))
        assert gateway.tap("w1")["decision"] == "granted"
        client.sendall(b"{}\n")


@pytest.mark.parametrize("fault", list(TagFault))
def test_a_hostile_tag_does_not_delay_another_door(gateway: Plant, fault: TagFault) -> None:
    start = gateway.size()
    with gateway.holding("w1", "d2", [fault]):
        began = monotonic_ms()
        with gateway.holding("w1", "d1"):
            assert gateway.decision(start, "d1")["decision"] == "granted"
        assert monotonic_ms() - began < 1_500
        if fault is not TagFault.MUTE:
            refused = gateway.decision(start, "d2")
            assert refused["decision"] == "denied"


@pytest.mark.parametrize(
    "ndef",
    [b"\xff" * 40, b"\xd4\x11\xff\xff\xff\xff", b"\xd1\x01\x00T", b"\x00", bytes(900), b"\xd4\x10\x04permitgate.org:b"],
    ids=["ones", "length of 4 GiB", "empty text", "one byte", "zeros", "no payload"],
)
def test_undecodable_messages_are_refused_and_the_reader_goes_on(gateway: Plant, ndef: bytes) -> None:
    answer = gateway.tap((WORKER_UID, ndef))
    assert answer["decision"] == "denied"
    assert answer["reason"] in ("badge_unreadable", "token_absent", "token_malformed")


def test_a_killed_or_hung_child_never_touches_a_door(gateway: Plant) -> None:
    children = gateway.status()["children"]
    os.kill(children["readers"]["pid"], signal.SIGKILL)
    os.kill(children["sync"]["pid"], signal.SIGSTOP)
    until("readers are back", lambda: gateway.status()["children"]["readers"]["restarts"] >= 1)
    assert gateway.tap("w1", within_s=8)["decision"] == "granted"
    os.kill(children["sync"]["pid"], signal.SIGKILL)
    until("sync is back", lambda: gateway.status()["children"]["sync"]["alive"])


class Stranger:
    """Something else at HQ's address: says ``words`` to whoever connects, and hangs up or stays."""

    def __init__(self, port: int, words: bytes, stays: bool = False) -> None:
        self._words, self._stays = words, stays
        self._server = socket.create_server(("127.0.0.1", port))
        self.asked = 0
        self._kept: list[socket.socket] = []
        self._thread = Thread(target=self._serve, name="stranger")
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.asked += 1
            # Linger 0: a reset, not a polite end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                connection.sendall(self._words)
            self._kept.append(connection)
            if not self._stays:
                connection.close()

    def close(self) -> None:
        """Go away."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)
        for connection in self._kept:
            connection.close()


def test_a_stranger_at_hqs_address_is_a_lost_link_and_no_more(used: Template, tmp_path: Path) -> None:
    strangers = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", False),
        (b"\x16\x03\x01" + b"\xff" * 500, False),
        (b"", True),
    ]
    with plant(used, tmp_path) as gateway:
        gateway.hq.start()
        gateway.start().wait_good()
        assert gateway.admit()["decision"] == "granted"
        for words, stays in strangers:
            gateway.hq.stop()
            with closing(Stranger(gateway.hq.port, words, stays)) as stranger:
                until("asked", lambda: stranger.asked, 20)
                if not stays:
                    until("link down", lambda: gateway.status()["link"]["state"] == "down", 20)
                assert gateway.tap("w1")["decision"] == "granted"
        gateway.hq.start()
        until("link up", lambda: gateway.status()["link"]["state"] == "up", 30)


def test_enrolment_codes_that_are_not_good_are_refused_in_words(used: Template, tmp_path: Path) -> None:
    (tmp_path / "plant").mkdir()
    with plant(used, tmp_path / "plant") as made:
        hq = made.hq.start()
        layout = Layout(tmp_path / "data", tmp_path / "run", hq.url)
        config = write_config(tmp_path / "gateway.toml", layout)
        config.write_text(config.read_text("utf-8").replace('id = "gw1"', 'id = "gw7"', 1), "utf-8")
        good = admin.init(hq.folder, ("s014", "pg.example.org"), "gw7", [], monotonic_ms() + 1_700_000_000_000)
        other = Hq(tmp_path / "other")
        foreign = admin.init(other.folder, ("s014", "pg.example.org"), "gw7", [], monotonic_ms()).code
        lapsed = admin.init(hq.folder, ("s014", "pg.example.org"), "gw7", [], 1_000_000).code
        mistyped = good.code[:-1] + ("a" if good.code[-1] != "a" else "e")
        cases = {
            "pg1-nonsense": (2, "copied whole"),
            mistyped: (2, "copy it"),
            foreign: (3, "not the HQ"),
            lapsed: (3, "lapsed"),
        }
        for code, (exit_code, said) in cases.items():
            done = command("enrol", "--config", config, "--hq", hq.url, "--code", code)
            assert done.returncode == exit_code, (code, done.stderr)
            assert said in done.stderr
            assert code not in done.stderr
            assert not (tmp_path / "data" / "trust" / "enrolment.json").exists()
        for url, exit_code in (("http://127.0.0.1:1", 2), ("https://127.0.0.1:1", 3), ("nonsense", 2)):
            done = command("enrol", "--config", config, "--hq", url, "--code", good.code)
            assert done.returncode == exit_code, done.stderr
        again = made.cli("enrol", "--hq", hq.url, "--code", good.code)
        assert again.returncode == 3
        assert "enrolled already" in again.stderr
