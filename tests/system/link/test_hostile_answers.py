"""An HQ that answers without end, too slowly, too much or with nonsense: a named error within the deadline."""

import contextlib
import itertools
import ssl
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from edge.core.readings import MonotonicMs
from edge.host.system_clock import sleep
from edge.ports.errors import LinkError, PermitgateError
from sync.hq.certificate_authority import CertificateAuthority
from sync.link.https import DEADLINE_MS, Exchange
from sync.link.refusals import LinkRefused

pytestmark = pytest.mark.system


class Server(ThreadingHTTPServer):
    """Answers each GET over TLS by the function of its path."""

    answers: dict[str, Callable[[Any], None]]
    ca_path: Path
    connections = 0
    daemon_threads = True
    block_on_close = True

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()

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


def raw(data: bytes) -> Callable[[Any], None]:
    """These very bytes, and the end of the connection."""

    def answer(handler: Any) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return answer


def redirect(location: bytes) -> Callable[[Any], None]:
    return raw(b"HTTP/1.1 302 Found\r\nlocation: " + location + b"\r\ncontent-length: 0\r\n\r\n")


def endless_redirect(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 302 Found\r\nlocation: /ok\r\n\r\n")
    for _ in itertools.count():
        handler.wfile.write(bytes(8_192))


def dripping(first: bytes) -> Callable[[Any], None]:
    """A byte now and then, for ever, after ``first``: no single wait is long."""

    def answer(handler: Any) -> None:
        handler.wfile.write(first)
        for _ in itertools.count():
            sleep(0.01)
            handler.wfile.write(b"x")

    return answer


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    made = CertificateAuthority(tmp_path_factory.mktemp("tls"))
    made.make("pg.example.org", [], 1_793_520_000_000)
    return made


@pytest.fixture
def server(certificates: CertificateAuthority) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server_certificate_path, certificates.server_key_path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.ca_path = certificates.certificate_path
    server.answers = {
        "/ok": status(200, b"fine", "text/plain"),
        "/endless": endless,
        "/cut": cut,
        "/redirect": redirect(b"/ok"),
        "/redirect-no-text": redirect(b"/\xff\xfe"),
        "/redirect-no-url": redirect(b"https://[bad"),
        "/redirect-endless": endless_redirect,
        "/chunk-below-zero": raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nabc\r\n"),
        "/no-http": raw(b"\x1b[31m\r\n\r\n"),
        "/old": raw(b"HTTP/1.0 200 OK\r\n\r\nold"),
        "/closed": raw(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nclosed"),
        "/drip-head": dripping(b"HTTP/1.1 200 OK\r\nx: "),
        "/drip-body": dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 40000\r\n\r\n"),
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


def url(server: Server, path: str) -> str:
    return f"https://127.0.0.1:{server.server_address[1]}{path}"


def get(server: Server, path: str, clock: Callable[[], MonotonicMs] = lambda: MonotonicMs(0)) -> bytes:
    exchange = Exchange(server.ca_path, clock)
    try:
        return exchange.call("GET", url(server, path), size_max=50_000).body
    finally:
        exchange.close()


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("/endless", LinkRefused, "hq_answer_too_large"),
        ("/cut", LinkError, "HQ"),
        ("/redirect", LinkRefused, "http_302"),
        ("/redirect-no-text", LinkRefused, "http_302"),
        ("/redirect-no-url", LinkRefused, "http_302"),
        ("/redirect-endless", LinkRefused, "hq_answer_too_large"),
        ("/chunk-below-zero", LinkError, "HQ: ValueError"),
        ("/no-http", LinkError, r"HQ: BadStatusLine: \[31m$"),
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


@pytest.mark.parametrize("path", ["/drip-head", "/drip-body"])
def test_an_answer_that_drips_past_its_deadline_is_given_up(server: Server, path: str) -> None:
    readings = itertools.count(0, DEADLINE_MS // 10)
    with pytest.raises(LinkError, match="20 s"):
        get(server, path, lambda: MonotonicMs(next(readings)))


def test_an_answer_that_ends_with_its_connection_is_whole(server: Server) -> None:
    assert get(server, "/old") == b"old"
    assert get(server, "/closed") == b"closed"


def test_a_connection_is_kept_and_one_that_hq_closed_is_opened_anew(server: Server) -> None:
    exchange = Exchange(server.ca_path, lambda: MonotonicMs(0))
    for path in ("/ok", "/ok", "/cut", "/ok", "/old", "/ok", "/closed", "/ok"):
        with contextlib.suppress(LinkError):
            exchange.call("GET", url(server, path))
    exchange.close()
    assert server.connections == 4, "after each answer that ended its connection"


def test_a_server_that_another_authority_vouches_for_is_not_spoken_to(server: Server, tmp_path: Path) -> None:
    other = CertificateAuthority(tmp_path)
    other.make("pg.example.org", [], 1_793_520_000_000)
    exchange = Exchange(other.certificate_path, lambda: MonotonicMs(0))
    with pytest.raises(LinkError, match="its certificate is not believed"):
        exchange.call("GET", url(server, "/ok"))
    exchange.close()


def test_nobody_there_is_a_link_error(server: Server, tmp_path: Path) -> None:
    for ca_path, words in ((server.ca_path, "refused"), (tmp_path / "missing.pem", "missing.pem")):
        exchange = Exchange(ca_path, lambda: MonotonicMs(0))
        with pytest.raises(LinkError, match=words):
            exchange.call("GET", "https://127.0.0.1:1/")
        exchange.close()
