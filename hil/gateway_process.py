"""A real ``permitgate`` process, started as people start it, and ended as power cuts and kernels end it.

Each has a session of its own: Ctrl-C at the terminal reaches only whoever started it, who then ends it in order.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.host.system_clock import monotonic_ms, sleep
from edge.ports.errors import TransientError

PERMITGATE: tuple[str, ...] = (sys.executable, "-P", "-m", "edge")
"""How this installation's command is started, whatever the search path says."""

_LOOK_S = 0.02
_END_S = 15.0
_FOLLOW_S = 8.0


class ServiceProcess:
    """One long-running command, such as ``run`` or ``hq serve``. What it prints goes to the end of ``log``."""

    def __init__(self, arguments: Sequence[str | Path], log: Path) -> None:
        self._argv = [*PERMITGATE, *map(str, arguments)]
        self._log = log
        self._said_before = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._children: list[int] = []

    def __enter__(self) -> "ServiceProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id. Raises TransientError when it does not run."""
        if self._process is None:
            raise TransientError(f"{self._argv[4]}: does not run")
        return self._process.pid

    def start(self) -> None:
        """Start it; it must not run."""
        assert not self.alive, "it runs already"
        with self._log.open("ab") as log:
            self._said_before = log.tell()
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def said(self) -> str:
        """What it and its children printed since it was started last."""
        return self._log.read_bytes()[self._said_before :].decode(errors="replace") if self._log.exists() else ""

    def wait_said(self, text: str, within_s: float) -> str:
        """The first line with this text. Raises TransientError with its last words if it ends or is late."""
        deadline_ms = monotonic_ms() + int(within_s * 1000)
        while True:
            alive, said = self.alive, self.said()
            found = next((line for line in said.splitlines() if text in line), None)
            if found is not None:
                return found
            if not alive or monotonic_ms() > deadline_ms:
                what = f"did not say {text!r} within {within_s:g} s" if alive else "ended"
                raise TransientError(f"permitgate {' '.join(self._argv[4:6])} {what}; its last words: {said[-400:]}")
            sleep(_LOOK_S)

    def stop(self) -> int | None:
        """Ask it to end, after 15 s make it; its exit code, None if it did not run. May be called twice."""
        process, self._process = self._process, None
        if process is None:
            return None
        children = descendants(process.pid)
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_END_S)
        end_all(children)
        return process.returncode

    def kill(self) -> None:
        """kill -9 and nothing else; its children notice by themselves, see ``wait_children``."""
        if self._process is not None:
            self._children = descendants(self._process.pid)
            self._process.kill()
            self._process.wait(_END_S)
            self._process = None

    def wait_children(self) -> int:
        """After ``kill``: how many children there were, once all of them ended. Raises TransientError if one stays."""
        stay = wait_ended(self._children, _FOLLOW_S)
        if stay:
            end_all(stay)
            raise TransientError(f"{len(stay)} of {len(self._children)} children outlived their daemon and were killed")
        return len(self._children)

    def pause(self) -> None:
        """SIGSTOP: it hangs, with every file and pipe open."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on."""
        os.kill(self.pid, signal.SIGCONT)


def descendants(pid: int) -> list[int]:
    """The ids of a process's children, their children, and so on (proc(5), task/children)."""
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(each) for each in listing.read_text(encoding="ascii").split()]
        except OSError:
            continue
    return found + [below for child in found for below in descendants(child)]


def wait_ended(pids: Sequence[int], within_s: float) -> list[int]:
    """Those of the processes that still run after that time; returns as soon as none does."""
    deadline_ms = monotonic_ms() + int(within_s * 1000)
    running = [pid for pid in pids if _runs(pid)]
    while running and monotonic_ms() < deadline_ms:
        sleep(_LOOK_S)
        running = [pid for pid in running if _runs(pid)]
    return running


def end_all(pids: Sequence[int]) -> None:
    """What still runs a second later is killed: nobody's child stays behind."""
    for pid in wait_ended(pids, 1.0):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _runs(pid: int) -> bool:
    """A zombie does not run: it holds nothing any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
