"""The readers' process: ``python -P -m edge.app.readers``, started by the daemon.

A warm parent with one thread and no device imports everything once and forks a child per reader, which is the cheapest
way to give each reader a process of its own: a tag or a driver that hangs takes down one reader, and only until its
child is killed and forked again.

Frames (``edge.runtime.frames``). In, once: ``{"k": "setup", "readers": [{"id", "path"}], "simulate"}``. Out:
``{"k": "tap", "reader", "uid", "ndef", "refusal", "read_ms", "at_ms"}``, ``{"k": "empty", "reader"}`` (no card lies
there any more, or none did at the first look), ``{"k": "health", "reader", "state", "why"}``, ``{"k": "beat"}``. The
end of the input ends the process and its children.
"""

import contextlib
import gc
import os
import select
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.nfc.frontend import BadgeRead, BadgeReader
from drivers.nfc.presence import Presence
from edge.core.readings import MonotonicMs
from edge.host.system_clock import monotonic_ms, sleep
from edge.ports.errors import PermitgateError
from edge.runtime.child import BackOff
from edge.runtime.frames import FrameError, FrameReader, FrameWriter, Message, ParentPipe, PipeEnded

SILENCE_MS = 5_000
BEAT_MS = 1_000
LOST_AFTER = 3
"""Failures in a row before a reader is said to be lost."""

_POLL_PAUSE_S = 0.05
_RETRY_S_FIRST, _RETRY_S_MAX = 0.2, 2.0
_SETUP_WAIT_S = 10.0
_TURN_S = 0.2
_STOP_MS = 1_000
_READ_BYTES = 65_536
_NEVER = MonotonicMs(0)


@dataclass(frozen=True, slots=True)
class ReaderSetup:
    """One reader as the daemon names it."""

    reader: str
    path: str


def parse_setup(message: Mapping[str, object]) -> tuple[tuple[ReaderSetup, ...], bool]:
    """Readers and ``simulate`` of the first frame. Raises ``FrameError``."""
    readers, simulate = message.get("readers"), message.get("simulate")
    if message.get("k") != "setup" or not isinstance(readers, list) or not isinstance(simulate, bool):
        raise FrameError("readers: the first frame must be the set-up")
    setups = []
    for item in readers:
        if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not isinstance(item.get("path"), str):
            raise FrameError("readers: a reader in the set-up has no id or no path")
        setups.append(ReaderSetup(item["id"], item["path"]))
    return tuple(setups), simulate


def tap_message(reader: str, read: BadgeRead, at_ms: MonotonicMs) -> Message:
    """What the daemon is told of one tap; ``at_ms`` is when the badge was seen."""
    ndef = None if read.ndef is None else read.ndef.hex()
    return {
        "k": "tap",
        "reader": reader,
        "uid": read.uid.hex(),
        "ndef": ndef,
        "refusal": read.refusal,
        "read_ms": read.read_ms,
        "at_ms": at_ms,
    }


class ReaderHealth:
    """Says "lost" once after three failures in a row, and "back" once after the next success."""

    def __init__(self, reader: str) -> None:
        self._reader = reader
        self._failures = 0
        # The daemon takes a reader whose child was lost for lost: the first success is always told.
        self._told_good = False

    def failed(self, why: str) -> Message | None:
        """The message to send after a failed poll, if any."""
        self._failures += 1
        if self._failures != LOST_AFTER:
            return None
        self._told_good = False
        return {"k": "health", "reader": self._reader, "state": "lost", "why": why}

    def worked(self) -> Message | None:
        """The message to send after a poll that worked, if any."""
        self._failures = 0
        if self._told_good:
            return None
        self._told_good = True
        return {"k": "health", "reader": self._reader, "state": "back", "why": "polling"}

    @property
    def pause_s(self) -> float:
        """How long to wait before the next poll; always well under the silence limit."""
        if self._failures == 0:
            return _POLL_PAUSE_S
        return min(_RETRY_S_FIRST * 2.0 ** min(self._failures - 1, 8), _RETRY_S_MAX)


def watch_reader(setup: ReaderSetup, simulate: bool, writer: FrameWriter, parent: int) -> None:
    """A child's whole life: poll, report, beat; ends when its parent is gone."""
    reader = BadgeReader(setup.path, monotonic_ms, simulate=simulate)
    health = ReaderHealth(setup.reader)
    presence = Presence()
    try:
        while os.getppid() == parent:
            writer.send({"k": "beat", "reader": setup.reader})
            try:
                read = reader.poll()
            except PermitgateError as error:
                _tell(writer, health.failed(str(error)))
            else:
                _tell(writer, health.worked())
                presence = _seen(setup.reader, presence, read, writer)
            sleep(health.pause_s)
    finally:
        reader.close()


def _tell(writer: FrameWriter, news: Message | None) -> None:
    if news is not None:
        writer.send(news)


def _seen(reader: str, before: Presence, read: BadgeRead | None, writer: FrameWriter) -> Presence:
    """What one poll that worked found: the daemon is told of a tap, and of a field that is empty now."""
    now = monotonic_ms()
    after, tapped = before.after(read, now)
    if after.empty and not before.empty:
        writer.send({"k": "empty", "reader": reader})
    if tapped and read is not None:
        writer.send(tap_message(reader, read, MonotonicMs(now - read.read_ms)))
    return after


@dataclass(slots=True)
class _Child:
    """One reader's child, or the wait for its next start."""

    setup: ReaderSetup
    back_off: BackOff = field(default_factory=BackOff)
    start_at: MonotonicMs = _NEVER
    pid: int = 0
    descriptor: int = -1
    started_at: MonotonicMs = _NEVER
    heard_at: MonotonicMs = _NEVER
    frames: FrameReader = field(default_factory=FrameReader)


class Family:
    """The parent's work: keep one child per reader alive, pass on what they say."""

    def __init__(self, setups: tuple[ReaderSetup, ...], simulate: bool, pipe: ParentPipe) -> None:
        self._children = [_Child(setup) for setup in setups]
        self._simulate = simulate
        self._pipe = pipe
        self._beat_at = _NEVER
        self._turned_at = _NEVER

    def run(self) -> None:
        """Until the daemon ends the pipe."""
        try:
            while True:
                self._turn(monotonic_ms())
        except PipeEnded:
            return
        finally:
            self._end_all()

    def _turn(self, now: MonotonicMs) -> None:
        if now >= self._beat_at:
            self._pipe.send({"k": "beat"})
            self._beat_at = MonotonicMs(now + BEAT_MS)
        for child in self._children:
            if child.pid == 0 and now >= child.start_at:
                self._fork(child, now)
        by_descriptor = {child.descriptor: child for child in self._children if child.pid}
        readable, _, _ = select.select([self._pipe.input_descriptor, *by_descriptor], [], [], _TURN_S)
        for descriptor in readable:
            if descriptor in by_descriptor:
                self._hear(by_descriptor[descriptor])
        self._kill_silent(monotonic_ms())
        self._pipe.receive(0)

    def _kill_silent(self, now: MonotonicMs) -> None:
        # Having been stopped ourselves (SIGSTOP, suspend), we know nothing about the children's silence.
        stopped = now - self._turned_at > SILENCE_MS
        self._turned_at = now
        for child in self._children:
            if stopped:
                child.heard_at = now
            elif child.pid and now - child.heard_at > SILENCE_MS:
                self._lose(child, now, f"silent for {SILENCE_MS // 1000} s, killed")

    def _fork(self, child: _Child, now: MonotonicMs) -> None:
        inner, outer = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_child(child, inner, outer, parent)
        os.close(outer)
        child.pid, child.descriptor = pid, inner
        child.started_at = child.heard_at = now
        child.frames = FrameReader()

    def _become_child(self, child: _Child, inner: int, outer: int, parent: int) -> None:
        """In the fork: never returns into the parent's code."""
        code = 1
        try:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            os.close(inner)
            self._pipe.end()
            for other in self._children:
                if other.pid:
                    os.close(other.descriptor)
            watch_reader(child.setup, self._simulate, FrameWriter(outer), parent)
            code = 0
        except SystemExit:
            code = 0
        except Exception as error:  # noqa: BLE001 - top of a process: say why, then let the parent fork it again
            sys.stderr.write(f"reader {child.setup.reader}: {type(error).__name__}: {error}\n")
        finally:
            os._exit(code)

    def _hear(self, child: _Child) -> None:
        now = monotonic_ms()
        data = os.read(child.descriptor, _READ_BYTES)
        if not data:
            self._lose(child, now, "its process ended")
            return
        child.heard_at = now
        try:
            messages = child.frames.feed(data)
        except FrameError as error:
            self._lose(child, now, str(error))
            return
        for message in messages:
            if message.get("k") != "beat":
                self._pipe.send(message)

    def _lose(self, child: _Child, now: MonotonicMs, why: str) -> None:
        os.kill(child.pid, signal.SIGKILL)
        _bury(child)
        child.back_off = child.back_off.after_loss((now - child.started_at) / 1000)
        child.start_at = MonotonicMs(now + int(child.back_off.wait_s * 1000))
        self._pipe.send({"k": "health", "reader": child.setup.reader, "state": "lost", "why": why})

    def _end_all(self) -> None:
        """First asked, so that a reader's device is left at rest; after a second, killed."""
        living = [child for child in self._children if child.pid]
        for child in living:
            os.kill(child.pid, signal.SIGTERM)
        deadline = monotonic_ms() + _STOP_MS
        while living and monotonic_ms() < deadline:
            living = [child for child in living if os.waitpid(child.pid, os.WNOHANG) == (0, 0)]
            sleep(0.01)
        for child in living:
            os.kill(child.pid, signal.SIGKILL)
            _bury(child)


def _bury(child: _Child) -> None:
    os.waitpid(child.pid, 0)
    os.close(child.descriptor)
    child.pid, child.descriptor = 0, -1


def main() -> int:
    """Exit code 0 when the daemon ended the pipe, 3 when it did not say what to do."""
    pipe = ParentPipe.standard()
    deadline = monotonic_ms() + int(_SETUP_WAIT_S * 1000)
    messages: list[Message] = []
    with contextlib.suppress(PipeEnded):
        while not messages and monotonic_ms() < deadline:
            messages = pipe.receive(_TURN_S)
    try:
        setups, simulate = parse_setup(messages[0] if messages else {})
    except FrameError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    gc.collect()
    gc.freeze()
    Family(setups, simulate, pipe).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
