"""The controller's thread: takes inputs, steps the core, has commands done at once, hands entries to the journal."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Event
from typing import Protocol, assert_never

import structlog

from edge.core.clock import Now
from edge.core.controller import step
from edge.core.entries import Entry
from edge.core.facts import Side
from edge.core.messages import (
    Answer,
    Command,
    DoorInput,
    DoorMoved,
    Gather,
    Indicate,
    Input,
    Light,
    Lock,
    ReleaseExit,
    SetTimer,
    Sound,
    Tapped,
    Unlock,
)
from edge.core.readings import MonotonicMs
from edge.core.reasons import Reason
from edge.core.state import State
from edge.runtime.inbox import Inbox
from edge.runtime.timers import TimerHeap

_log = structlog.get_logger("controller")
_IDLE_S = 0.5
_FAULTS_MOST = 3
_FAULTS_WITHIN_MS = 60_000
_SHOWN_MS = 3_000


class ControllerFailed(Exception):
    """The core raised three times within a minute: the daemon must end and be started afresh."""


class Outputs(Protocol):
    """What carries out the commands that move or show something. No call may wait."""

    def unlock(self, door: str, entry: int, until_ms: int) -> object:
        """Release a lock for entry."""

    def release_exit(self, door: str, until_ms: int) -> object:
        """Release a lock for somebody to leave."""

    def lock(self, door: str) -> object:
        """End every release for entry."""

    def indicate(self, door: str, light: Light, reason: Reason, until_ms: int) -> object:
        """Show light and words."""

    def sound(self, area: str, on: bool) -> object:
        """Siren on or off."""


class ControllerLoop:
    """Owns the state. ``state`` may be read by any thread: it is a frozen value, replaced as a whole.

    ``submit`` takes entries for the journal; ``gather`` a tap whose facts are to be gathered again; ``answer`` an
    operator's answer; ``keep_fault`` the input at which the core raised. None of them may wait.
    """

    def __init__(
        self,
        state: State,
        inbox: Inbox,
        now: Callable[[State], Now],
        outputs: Outputs,
        submit: Callable[[Sequence[Entry], State], None],
    ) -> None:
        self.state = state
        self.inbox = inbox
        self.progress = 0
        self.steps = 0
        self.gather: Callable[[Gather], None] = lambda command: None
        self.answer: Callable[[Answer], None] = lambda command: None
        self.keep_fault: Callable[[Input, Exception], None] = lambda message, error: None
        self._now = now
        self._outputs = outputs
        self._submit = submit
        self._timers = TimerHeap()
        self._faults: deque[int] = deque(maxlen=_FAULTS_MOST)

    def run(self, stop: Event) -> None:
        """Serve until stopped. Raises ControllerFailed when the core keeps raising."""
        while not stop.is_set():
            self.serve_one(self._wait_s())

    def serve_one(self, timeout_s: float) -> None:
        """Serve what is due, or one input, waiting at most that long for it."""
        now = self._now(self.state)
        due = self._timers.pop_due(now.boottime_ms)
        if due is not None:
            self._step(due)
            return
        taken = self.inbox.take(timeout_s)
        if taken is None:
            return
        if callable(taken):
            taken()
        else:
            self._step(taken)

    def ping(self) -> None:
        """Ask the thread to show that it is alive: ``progress`` grows when it gets to it."""
        self.inbox.call(self._progressed)

    def _progressed(self) -> None:
        self.progress += 1

    def _wait_s(self) -> float:
        due = self._timers.next_ms()
        if due is None:
            return _IDLE_S
        wait_ms = due - self._now(self.state).boottime_ms
        return min(_IDLE_S, max(0, wait_ms) / 1000)

    def _step(self, message: Input) -> None:
        now = self._now(self.state)
        try:
            taken = step(self.state, message, now)
        except Exception as error:  # noqa: BLE001 - the one place that keeps the doors shut when the core is wrong
            self._fault(message, error, now.boottime_ms)
            return
        self.state = taken.state
        self.steps += 1
        for command in taken.commands:
            self._do(command)
        if taken.entries:
            self._submit(taken.entries, taken.state)

    def _do(self, command: Command) -> None:
        match command:
            case SetTimer(timer, subject, due_ms):
                self._timers.set(timer, subject, due_ms)
            case Unlock(door, entry, until_ms):
                self._outputs.unlock(door, entry, until_ms)
            case ReleaseExit(door, until_ms):
                self._outputs.release_exit(door, until_ms)
            case Lock(door):
                self._outputs.lock(door)
            case Indicate(door, light, reason, until_ms):
                self._outputs.indicate(door, light, reason, until_ms)
            case Sound(area, on):
                self._outputs.sound(area, on)
            case Gather():
                self.gather(command)
            case Answer():
                self.answer(command)
            case _:
                assert_never(command)

    def _void_grants(self, now_ms: MonotonicMs) -> None:
        for grant in self.state.pending.values():
            self._outputs.indicate(grant.tap.door, Light.RED, Reason.CONTROLLER_FAULT, now_ms + _SHOWN_MS)
        if self.state.pending:
            self.state = replace(self.state, pending={})

    def _release_exit(self, door: str, now_ms: MonotonicMs) -> None:
        plan = self.state.site.doors.get(door)
        if plan is not None:
            self._outputs.release_exit(door, now_ms + plan.timing.release_ms)

    def _fault(self, message: Input, error: Exception, now_ms: MonotonicMs) -> None:
        """The core raised: every door is shut to entry, and grants that wait are void: what the input said is missing.

        The rest of the state is kept, and the input. Whoever leaves does not wait for the core to be right.
        """
        _log.error("controller_fault", input=type(message).__name__, error=repr(error), exc_info=error)
        for door in self.state.site.doors:
            self._outputs.lock(door)
        self._void_grants(now_ms)
        match message:
            case Tapped(tap) if tap.side is Side.EXIT:
                self._release_exit(tap.door, now_ms)
            case Tapped(tap):
                self._outputs.indicate(tap.door, Light.RED, Reason.CONTROLLER_FAULT, now_ms + _SHOWN_MS)
            case DoorMoved(door, DoorInput.REX, True):
                self._release_exit(door, now_ms)
            case _:
                pass
        self.keep_fault(message, error)
        self._faults.append(now_ms)
        if len(self._faults) == _FAULTS_MOST and now_ms - self._faults[0] <= _FAULTS_WITHIN_MS:
            raise ControllerFailed(f"the core raised {_FAULTS_MOST} times in a minute, last: {error!r}") from error
