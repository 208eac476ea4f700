"""The control socket: answers of any size a site can have, bad requests answered in words."""

import contextlib
import os
import socket
from threading import Thread

import pytest
from plants import until

from edge.ports.errors import RefusedError, TransientError
from edge.runtime.control import ControlServer, request

pytestmark = pytest.mark.system


@pytest.fixture
def served(tmp_path):
    def handle(message, attached):
        if message.get("do") == "refuse":
            raise RefusedError("no")
        if message.get("do") == "read":
            return {"ok": True, "text": None if attached is None else os.read(attached, 100).decode()}
        return {"ok": True, "text": "x" * message.get("size", 0)}

    server = ControlServer(tmp_path / "control.sock", handle)
    server.start()
    yield tmp_path / "control.sock"
    server.stop()


def test_the_status_of_a_site_with_thousands_of_permits_arrives_whole(served):
    assert len(request(served, {"do": "status", "size": 3_000_000})["text"]) == 3_000_000


def test_a_refusal_is_an_answer_in_words(served):
    assert request(served, {"do": "refuse"}) == {"ok": False, "error": "no"}


def test_a_request_longer_than_any_is_no_request_and_the_next_is_answered(served):
    # Refused in words, or by hanging up before all of it was sent: never carried out.
    with contextlib.suppress(TransientError):
        assert not request(served, {"do": "status", "junk": "x" * 200_000})["ok"]
    assert request(served, {"do": "status"})["ok"]


def test_a_file_that_goes_with_a_request_is_read_by_its_descriptor_and_closed_again(served, tmp_path):
    path = tmp_path / "photo"
    path.write_text("seen")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with path.open("rb") as file:
            assert request(served, {"do": "read"}, attached=file.fileno())["text"] == "seen"
    assert request(served, {"do": "read"})["text"] is None
    until("every descriptor is closed again", lambda: len(os.listdir("/proc/self/fd")) == before)


@pytest.mark.parametrize("answer", [b"[1, 2]\n", b"nonsense\n", b""])
def test_what_is_no_gateway_is_said_to_be_none(tmp_path, answer):
    path = tmp_path / "other.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(1)

        def reply():
            connection, _ = other.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(answer)

        thread = Thread(target=reply)
        thread.start()
        with pytest.raises(TransientError, match="no gateway"):
            request(path, {"do": "status"})
        thread.join(5)


def test_nobody_there_is_said_with_the_remedy(tmp_path):
    with pytest.raises(TransientError, match="permitgate run"):
        request(tmp_path / "none.sock", {"do": "status"})
