"""The control socket: answers of any size a site can have, bad requests answered in words."""

import contextlib

import pytest

from edge.ports.errors import RefusedError, TransientError
from edge.runtime.control import ControlServer, request

pytestmark = pytest.mark.system


@pytest.fixture
def served(tmp_path):
    def handle(message):
        if message.get("do") == "refuse":
            raise RefusedError("no")
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


def test_nobody_there_is_said_with_the_remedy(tmp_path):
    with pytest.raises(TransientError, match="permitgate run"):
        request(tmp_path / "none.sock", {"do": "status"})
