"""An HQ that answers without end, too slowly, too much or with nonsense: a named error within the deadline."""

import itertools
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from edge.core.readings import MonotonicMs
from edge.ports.errors import LinkError, PermitgateError
from sync.link.https import DEADLINE_MS, Exchange
from sync.link.refusals import LinkRefused

pytestmark = pytest.mark.system


class Server(ThreadingHTTPServer):
    """Answers each GET by the function of its path."""

    answers: dict[str, Callable[[Any], None]]
    daemon_threads = True
    block_on_close = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is what is wanted here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.answers[self.path](self)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def status(code: int, body: bytes, kind: str = "application/json") -> Callable[[Any], None]:
    def answer(handler: Any) -> None:
        handler.send_response(code)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def endless(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("connection", "close")
    handler.end_headers()
    for _ in itertools.count():
        handler.wfile.write(bytes(8_192))


def cut(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "100")
    handler.end_headers()
    handler.wfile.write(b"x")
    handler.close_connection = True


def redirect(handler: Any) -> None:
    handler.send_response(302)
    handler.send_header("location", "/ok")
    handler.send_header("content-length", "0")
    handler.end_headers()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.answers = {
        "/ok": status(200, b"fine", "text/plain"),
        "/endless": endless,
        "/cut": cut,
        "/redirect": redirect,
        "/refused": status(403, b'{"error":"code_refused","text":"used\\u0007 already"}'),
        "/nonsense": status(403, b"<html>"),
        "/busy": status(503, b'{"error":"unavailable","text":"later"}'),
        "/html409": status(409, b"5\\n", "text/html"),
    }
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def get(server: Server, path: str, clock: Callable[[], MonotonicMs] = lambda: MonotonicMs(0)) -> bytes:
    exchange = Exchange(Path("unused.pem"), clock)
    try:
        return exchange.call("GET", f"http://127.0.0.1:{server.server_address[1]}{path}", size_max=50_000).body
    finally:
        exchange.close()


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("/endless", LinkRefused, "hq_answer_too_large"),
        ("/cut", LinkError, "HQ"),
        ("/redirect", LinkRefused, "http_302"),
        ("/refused", LinkRefused, "code_refused: used already"),
        ("/nonsense", LinkRefused, "http_403"),
        ("/busy", LinkError, "unavailable"),
        ("/html409", LinkRefused, "http_409"),
    ],
)
def test_a_hostile_answer_is_named(server: Server, path: str, error: type[PermitgateError], words: str) -> None:
    with pytest.raises(error, match=words):
        get(server, path)
    assert get(server, "/ok") == b"fine"


def test_an_answer_that_drips_past_its_deadline_is_given_up(server: Server) -> None:
    readings = itertools.count(0, DEADLINE_MS)
    with pytest.raises(LinkError, match="20 s"):
        get(server, "/endless", lambda: MonotonicMs(next(readings)))


def test_nobody_there_is_a_link_error() -> None:
    exchange = Exchange(Path("unused.pem"), lambda: MonotonicMs(0))
    with pytest.raises(LinkError):
        exchange.call("GET", "http://127.0.0.1:1/")
    exchange.close()
