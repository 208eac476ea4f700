"""The link between gateway and HQ can be cut hard and half open, and comes back."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from hil.link_cut import LinkCut, LinkState

pytestmark = pytest.mark.system


@contextmanager
def echo() -> Iterator[int]:
    """A server that gives back what it gets, one connection after the other, until it gets ``end``."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        data = b""
        while data != b"end":
            connection, _ = server.accept()
            with connection, suppress(ConnectionResetError):
                while data != b"end" and (data := connection.recv(1024)):
                    connection.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    port = server.getsockname()[1]
    try:
        yield port
    finally:
        with socket.create_connection(("127.0.0.1", port)) as last:
            last.sendall(b"end")
        thread.join(5)
        server.close()


def connect(link: LinkCut) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", link.port), timeout=3)
    connection.settimeout(3)
    return connection


def is_reset(link: LinkCut) -> bool:
    """Whether nothing can be said to the other side: a reset may come as early as the connection itself."""
    try:
        with closing(connect(link)) as near:
            near.sendall(b"hello")
            return near.recv(16) == b""
    except ConnectionError:
        return True


def test_a_whole_link_passes_both_ways_and_passes_the_end_on() -> None:
    with echo() as port, LinkCut(port) as link, closing(connect(link)) as near:
        near.sendall(b"one")
        assert near.recv(16) == b"one"
        near.shutdown(socket.SHUT_WR)
        assert near.recv(16) == b""


def test_a_cut_link_resets_what_stands_and_takes_nothing_until_it_is_mended() -> None:
    with echo() as port, LinkCut(port) as link:
        with closing(connect(link)) as near:
            near.sendall(b"one")
            assert near.recv(16) == b"one"
            link.cut()
            assert link.state is LinkState.CUT
            with pytest.raises(ConnectionResetError):
                near.recv(16)
        assert is_reset(link)
        link.mend()
        with closing(connect(link)) as near:
            near.sendall(b"three")
            assert near.recv(16) == b"three"


def test_a_half_open_link_takes_everything_and_answers_nothing_until_it_is_mended() -> None:
    with echo() as port, LinkCut(port) as link, closing(connect(link)) as near:
        near.sendall(b"one")
        assert near.recv(16) == b"one"
        link.half_open()
        near.sendall(b"two")
        near.settimeout(0.2)
        with pytest.raises(TimeoutError):
            near.recv(16)
        near.settimeout(3)
        link.mend()
        assert near.recv(16) == b"two"


def test_a_link_to_nobody_resets_and_survives() -> None:
    with echo() as port:
        pass
    with LinkCut(port) as link:
        assert is_reset(link)


def test_closing_frees_the_port_with_connections_standing() -> None:
    with echo() as port:
        link = LinkCut(port)
        near = connect(link)
        near.sendall(b"one")
        assert near.recv(16) == b"one"
        link.close()
        link.close()
        near.close()
        with closing(socket.socket()) as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", link.port))
