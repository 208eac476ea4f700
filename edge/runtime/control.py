"""The control socket: local commands ask the running daemon, one JSON line each way, over a Unix socket.

Only the daemon changes things; a command that only reads opens the stores itself, read-only. A file that goes with a
request travels as an open descriptor: the daemon may not look into the folders of whoever asks, nor need it.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import structlog

from edge.ports.errors import PermitgateError, TransientError, UnusableError

_log = structlog.get_logger("control")
_LINE_MOST = 65_536
_PIECE = 65_536
_ANSWER_MOST = 16 * 1024 * 1024
"""``status`` of a site with thousands of permits is a few megabytes."""

_TIMEOUT_S = 10.0
_THREADS = 4

Handler = Callable[[Mapping[str, Any], int | None], Mapping[str, Any]]
"""Answers a request, with the descriptor of the file that came with it, which it must not close."""


class ControlServer:
    """Answers requests in a few threads of its own, so that a client that says nothing keeps no other waiting.

    ``handle`` is called in any of them, may take seconds and may raise our errors.
    """

    def __init__(self, path: Path, handle: Handler) -> None:
        self._handle = handle
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.bind(str(path))
        os.chmod(path, 0o660)
        self._socket.listen(8)
        self._stopped = False
        names = [f"control-{number}" for number in range(_THREADS)]
        self._threads = [Thread(target=self._serve, name=name, daemon=True) for name in names]

    def start(self) -> None:
        """Begin to answer."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop answering and remove the socket."""
        self._stopped = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_TIMEOUT_S)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _serve(self) -> None:
        while not self._stopped:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(_TIMEOUT_S)
                self._serve_one(connection)

    def _serve_one(self, connection: socket.socket) -> None:
        attached: list[int] = []
        try:
            line = _line(connection, _LINE_MOST, attached)
            connection.sendall(orjson.dumps(self._answer(line, attached[0] if attached else None)) + b"\n")
        except OSError as error:
            _log.info("control_client_gone", error=str(error))
        finally:
            for descriptor in attached:
                os.close(descriptor)

    def _answer(self, line: bytes, attached: int | None) -> Mapping[str, Any]:
        try:
            request = orjson.loads(line)
            if not isinstance(request, dict):
                return {"ok": False, "error": "a JSON object was expected"}
            return self._handle(request, attached)
        except orjson.JSONDecodeError as error:
            return {"ok": False, "error": f"not JSON: {error}"}
        except PermitgateError as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:  # noqa: BLE001 - top of a thread: a bad request never stops the daemon
            _log.error("control_fault", error=repr(error), exc_info=error)
            return {"ok": False, "error": f"internal: {error!r}"}


def _line(connection: socket.socket, bytes_most: int, attached: list[int] | None = None) -> bytes:
    """One line. Descriptors that come with it are added to ``attached``, if that is given."""
    found = bytearray()
    while not found.endswith(b"\n") and len(found) <= bytes_most:
        if attached is None:
            data = connection.recv(_PIECE)
        else:
            data, descriptors, _, _ = socket.recv_fds(connection, _PIECE, 1)
            attached += descriptors
        if not data:
            break
        found += data
    return bytes(found)


def request(
    path: Path, message: Mapping[str, Any], timeout_s: float = _TIMEOUT_S, attached: int | None = None
) -> dict[str, Any]:
    """Ask the daemon at that socket; ``attached`` is an open file that goes with it.

    Raises TransientError if none answers there, UnusableError if this user may not ask.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            line = orjson.dumps(message) + b"\n"
            sent = 0 if attached is None else socket.send_fds(connection, [line], [attached])
            if sent < len(line):
                connection.sendall(line[sent:])
            answer = orjson.loads(_line(connection, _ANSWER_MOST))
    except PermissionError:
        raise UnusableError(f"{path}: this user may not ask the gateway; run it as the user that it runs as") from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise TransientError(f"{path}: no gateway answers there ({error}): is `permitgate run` up?") from None
    if not isinstance(answer, dict):
        raise TransientError(f"{path}: what answers there is no gateway: is `permitgate run` up?")
    return answer
