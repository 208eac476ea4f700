"""Children: the one way in which the daemon runs another process.

A child reads frames on standard input and writes frames to standard output; its standard error goes to the journal
of the machine as it is. It sends ``{"k": "beat"}`` (or anything else) more often than its silence limit, and ends by
itself when its input ends, so that none outlives the daemon. A crash, a leak or a hang there is killed and started
again, ever more slowly, and never touches a door.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Thread

from edge.core.readings import MonotonicMs
from edge.ports.devices import MonotonicClock
from edge.runtime.frames import (
    FRAME_BYTES_MAX,
    FrameError,
    FrameReader,
    FrameWriter,
    Message,
    ParentPipe,
    PipeEnded,
    encode_frame,
)

__all__ = [
    "FRAME_BYTES_MAX",
    "BackOff",
    "ChildProcess",
    "FrameError",
    "FrameReader",
    "FrameWriter",
    "Message",
    "ParentPipe",
    "PipeEnded",
    "encode_frame",
]

BEAT = "beat"
_READ_BYTES = 65_536
_STOP_WAIT_S = 3.0
_EXIT_GRACE_MS = 250
"""A child whose output ended is on its way out; that long we wait for its exit code, which says more."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait before the next start: 0.5 s, doubling to 30 s; from the beginning after a steady run.

    Source: the supervisor of readers, "back-off 0.5→30 s"; ``steady_s`` is ours.
    """

    first_s: float = 0.5
    most_s: float = 30.0
    steady_s: float = 60.0
    losses: int = 0

    @property
    def wait_s(self) -> float:
        """Seconds from the last loss to the next start; 0 before the first loss."""
        if self.losses == 0:
            return 0.0
        doublings = min(self.losses - 1, 16)
        return min(self.first_s * 2.0**doublings, self.most_s)

    def after_loss(self, lived_s: float) -> "BackOff":
        """The policy after a child that ran that long was lost."""
        losses = 1 if lived_s >= self.steady_s else self.losses + 1
        return BackOff(self.first_s, self.most_s, self.steady_s, losses)


class _Run:
    """One life of a child. The reader thread writes, the supervisor reads; each field has one writer."""

    def __init__(self, process: "subprocess.Popen[bytes]", started_at: MonotonicMs) -> None:
        assert process.stdin is not None
        self.process = process
        self.started_at = started_at
        self.heard_at = started_at
        self.broken: str | None = None
        self.ended_at: MonotonicMs | None = None
        # The writer owns its own descriptor, so that closing it cannot race with one that Popen closes.
        self.writer = FrameWriter(os.dup(process.stdin.fileno()))
        process.stdin.close()
        self.thread: Thread | None = None


class ChildProcess:
    """One supervised child.

    ``on_message(message)`` runs in the child's reader thread, for everything but beats, and must be quick; if it
    raises, the child is taken for broken. ``on_lost(why)`` and ``on_started()`` run in the thread that calls ``tick``;
    ``on_started`` is where the set-up frame is sent, again after each restart. ``tick`` is called by the supervisor,
    a few times in a second; it starts, watches, kills and restarts, and never waits. Any thread may ``send``.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        clock: MonotonicClock,
        on_message: Callable[[Message], None],
        on_lost: Callable[[str], None],
        *,
        silence_s: float = 5.0,
        on_started: Callable[[], None] | None = None,
        back_off: BackOff | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._argv = list(argv)
        self._clock = clock
        self._on_message = on_message
        self._on_lost = on_lost
        self._on_started = on_started
        self._silence_ms = int(silence_s * 1000)
        self._back_off = back_off if back_off is not None else BackOff()
        self._environment = environment
        self._run: _Run | None = None
        self._start_at: MonotonicMs | None = None
        self._ticked_at: MonotonicMs | None = None
        self._stopped = False
        self._dropped_before = 0
        self._unsent = 0
        self.restarts = 0

    @property
    def alive(self) -> bool:
        """Whether a process is there and has not been found lost."""
        return self._run is not None

    @property
    def pid(self) -> int | None:
        """The process id, or None while there is none."""
        run = self._run
        return None if run is None else run.process.pid

    @property
    def dropped(self) -> int:
        """Messages to the child that were dropped: it was behind, or not there."""
        run = self._run
        return self._dropped_before + self._unsent + (0 if run is None else run.writer.dropped)

    def send(self, message: Mapping[str, object]) -> bool:
        """Hand a message over without ever waiting; False when it was dropped (counted)."""
        run = self._run
        if run is None:
            self._unsent += 1
            return False
        return run.writer.send(message)

    def tick(self, now: MonotonicMs) -> None:
        """Look after the child once: start it when due, restart it when lost or silent."""
        late = self._ticked_at is not None and now - self._ticked_at > self._silence_ms
        self._ticked_at = now
        if self._stopped:
            return
        run = self._run
        if run is None:
            if self._start_at is None or now >= self._start_at:
                self._start(now)
            return
        if late:
            # We were stopped ourselves (SIGSTOP, suspend): the child's beats may still lie unread in the pipe.
            run.heard_at = now
        run.writer.flush()
        why = self._why_lost(run, now)
        if why is not None:
            self._lose(run, now, why)

    def stop(self, wait_s: float = _STOP_WAIT_S) -> None:
        """End the child: close its input, wait that long, then kill. It is not started again. May be called twice."""
        self._stopped = True
        run, self._run = self._run, None
        if run is None:
            return
        run.writer.end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.process.wait(wait_s)
        self._bury(run)

    def _start(self, now: MonotonicMs) -> None:
        try:
            process = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env=None if self._environment is None else dict(self._environment),
                # Its own group: a Ctrl-C meant for the daemon leaves it time to lock up, and a kill reaches its forks.
                start_new_session=True,
            )
        except OSError as error:
            self._plan_restart(now, 0.0)
            self._on_lost(f"{self.name}: cannot be started: {error}")
            return
        run = _Run(process, now)
        run.thread = Thread(target=self._listen, args=(run,), name=f"{self.name}-pipe", daemon=True)
        self._run = run
        run.thread.start()
        if self._on_started is not None:
            self._on_started()

    def _listen(self, run: _Run) -> None:
        """The reader thread: lives as long as this run's output is open."""
        assert run.process.stdout is not None
        descriptor = run.process.stdout.fileno()
        reader = FrameReader()
        try:
            while data := os.read(descriptor, _READ_BYTES):
                run.heard_at = self._clock()
                for message in (each for each in reader.feed(data) if each.get("k") != BEAT):
                    self._on_message(message)
            run.ended_at = self._clock()
        except FrameError as error:
            run.broken = str(error)
        except Exception as error:  # noqa: BLE001 - top of a thread: a message we cannot take means a broken child
            run.broken = f"a message could not be taken: {error!r}"

    def _why_lost(self, run: _Run, now: MonotonicMs) -> str | None:
        returned = run.process.poll()
        if returned is not None:
            return f"{self.name}: ended with {returned}"
        if run.broken is not None:
            return f"{self.name}: {run.broken}"
        if run.ended_at is not None and now - run.ended_at > _EXIT_GRACE_MS:
            return f"{self.name}: its output ended, killed"
        silent_ms = now - run.heard_at
        if silent_ms > self._silence_ms:
            return f"{self.name}: silent for {silent_ms / 1000:.1f} s, killed"
        return None

    def _lose(self, run: _Run, now: MonotonicMs, why: str) -> None:
        self._run = None
        self._dropped_before += run.writer.dropped
        run.writer.end()
        self._bury(run)
        self._plan_restart(now, (now - run.started_at) / 1000)
        self._on_lost(why)

    def _plan_restart(self, now: MonotonicMs, lived_s: float) -> None:
        self.restarts += 1
        self._back_off = self._back_off.after_loss(lived_s)
        self._start_at = MonotonicMs(now + int(self._back_off.wait_s * 1000))

    def _bury(self, run: _Run) -> None:
        """Kill the whole group, reap, and let the reader thread see the end of the pipe. SIGKILL makes this quick."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
        if run.thread is not None:
            run.thread.join(_STOP_WAIT_S)
        assert run.process.stdout is not None
        if run.thread is None or not run.thread.is_alive():
            run.process.stdout.close()
