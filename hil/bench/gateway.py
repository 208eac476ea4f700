"""A real gateway and a real HQ as processes, for benchmarks and drills: started, asked, killed, ended."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edge.host.system_clock import monotonic_ms, monotonic_us, sleep
from edge.ports.errors import TransientError
from edge.runtime.control import request

DAEMON = ("-P", "-m", "edge", "run", "--config")
SLOW_DAEMON = ("-P", "-m", "hil.bench.slow_daemon")
_READY_S = 30.0
_END_S = 15.0


class NotReadyError(AssertionError):
    """A process did not come up; the text ends with what it said last."""


class GatewayProcess:
    """``permitgate run`` (or the slow daemon) with a manager's socket of our own. ``start`` waits for READY=1."""

    def __init__(self, config: Path, run_dir: Path, log: Path, program: Sequence[str] = DAEMON) -> None:
        self._config = config
        self._control = run_dir / "control.sock"
        self._log = log
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.ready_ms = 0.0

    def start(self) -> None:
        """Start it and wait until it is ready; ``ready_ms`` says how long that took."""
        with _notified(self._log.parent) as (address, manager), self._log.open("ab") as log:
            argv = [sys.executable, *self._program, str(self._config)]
            began = monotonic_us()
            self._process = subprocess.Popen(
                argv, env={**os.environ, "NOTIFY_SOCKET": address}, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
            self._await_ready(manager)
            self.ready_ms = (monotonic_us() - began) / 1000

    def _await_ready(self, manager: socket.socket) -> None:
        until = monotonic_ms() + int(_READY_S * 1000)
        while monotonic_ms() < until:
            with suppress(TimeoutError):
                if b"READY=1" in manager.recv(4_096):
                    return
            if self.process.poll() is not None:
                break
        raise NotReadyError(f"the gateway is not ready:\n{self.log_tail()}")

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process; there must be one."""
        assert self._process is not None
        return self._process

    def signal(self, number: int) -> int:
        """Send it a signal; returns when that was, CLOCK_BOOTTIME in milliseconds."""
        self.process.send_signal(number)
        return monotonic_ms()

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """One request over the control socket."""
        return request(self._control, message)

    def status(self) -> dict[str, Any]:
        """What it sees; {} while it does not answer."""
        try:
            return self.ask({"do": "status"})
        except TransientError:
            return {}

    def stop(self) -> int:
        """SIGTERM; gives the exit code, killing it if it does not end in time. May be called twice."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        try:
            return process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def log_tail(self) -> str:
        """What it said last."""
        if not self._log.exists():
            return ""
        return self._log.read_text(encoding="utf-8", errors="replace")[-3_000:]


@contextmanager
def _notified(folder: Path) -> Iterator[tuple[str, socket.socket]]:
    path = folder / "notify.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(0.2)
        try:
            yield str(path), manager
        finally:
            path.unlink(missing_ok=True)


class HqProcess:
    """``permitgate hq serve`` over a folder that was made before. The port stays the same over restarts."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder = folder
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        argv = [sys.executable, "-P", "-m", "edge", "hq", "serve", "--dir", str(self._folder), "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL)
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        if "https://" not in line:
            self.kill()
            raise NotReadyError(f"HQ does not serve: {line!r}")
        self.port = int(line.rsplit(":", 1)[1])

    def kill(self) -> None:
        """kill -9. May be called twice."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def wait_until(what: str, met: Any, within_s: float = 10.0, every_s: float = 0.02) -> None:
    """Wait until ``met()`` is true. Raises AssertionError naming ``what`` did not happen in time."""
    until = monotonic_ms() + int(within_s * 1000)
    while not met():
        if monotonic_ms() > until:
            raise AssertionError(f"did not happen within {within_s} s: {what}")
        sleep(every_s)
