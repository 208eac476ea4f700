"""The control socket: local commands ask the running daemon, one JSON line each way, over a Unix socket.

Only the daemon changes things; a command that only reads opens the stores itself, read-only.
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

from edge.ports.errors import PermitgateError, TransientError

_log = structlog.get_logger("control")
_LINE_MOST = 65_536
_ANSWER_MOST = 16 * 1024 * 1024
"""``status`` of a site with thousands of permits is a few megabytes."""

_TIMEOUT_S = 10.0

Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ControlServer:
    """Answers requests one at a time in a thread of its own. ``handle`` may take seconds; it may raise our errors."""

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
        self._thread = Thread(target=self._serve, name="control", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and remove the socket."""
        self._stopped = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._thread.is_alive():
            self._thread.join(_TIMEOUT_S)
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
                try:
                    connection.sendall(orjson.dumps(self._answer(_line(connection, _LINE_MOST))) + b"\n")
                except OSError as error:
                    _log.info("control_client_gone", error=str(error))

    def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            request = orjson.loads(line)
            if not isinstance(request, dict):
                return {"ok": False, "error": "a JSON object was expected"}
            return self._handle(request)
        except orjson.JSONDecodeError as error:
            return {"ok": False, "error": f"not JSON: {error}"}
        except PermitgateError as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:  # noqa: BLE001 - top of a thread: a bad request never stops the daemon
            _log.error("control_fault", error=repr(error), exc_info=error)
            return {"ok": False, "error": f"internal: {error!r}"}


def _line(connection: socket.socket, bytes_most: int) -> bytes:
    found = bytearray()
    while not found.endswith(b"\n") and len(found) <= bytes_most:
        data = connection.recv(65_536)
        if not data:
            break
        found += data
    return bytes(found)


def request(path: Path, message: Mapping[str, Any], timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
    """Ask the daemon at that socket. Raises TransientError if none answers there."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(orjson.dumps(message) + b"\n")
            answer = orjson.loads(_line(connection, _ANSWER_MOST))
    except (OSError, orjson.JSONDecodeError) as error:
        raise TransientError(f"{path}: no gateway answers there ({error}): is `permitgate run` up?") from None
    assert isinstance(answer, dict)
    return answer
