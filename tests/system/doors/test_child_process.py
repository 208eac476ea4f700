"""Children as real processes: beats, messages, silence, garbage, crash, stop."""

import os
import signal
import sys
from queue import SimpleQueue

import pytest

from edge.core.readings import MonotonicMs
from edge.host.system_clock import monotonic_ms, sleep
from edge.runtime.child import BackOff, ChildProcess

pytestmark = pytest.mark.system

CHILD = """
import os, sys
from edge.runtime.frames import ParentPipe, PipeEnded
pipe = ParentPipe.standard()
print("this is not a frame")
beating = True
try:
    while True:
        for message in pipe.receive(0.02):
            match message["k"]:
                case "echo": pipe.send({"k": "echoed", "what": message["what"]})
                case "hush": beating = False
                case "garbage": os.write(pipe._writer._descriptor, b"\\x00\\x00\\x00\\x03xyz")
                case "crash": os._exit(7)
        if beating:
            pipe.send({"k": "beat"})
except PipeEnded:
    sys.exit(0)
"""


class Watched:
    def __init__(self, silence_s=5.0, first_s=0.01):
        self.messages, self.lost, self.started = SimpleQueue(), [], 0
        self.child = ChildProcess(
            "echo",
            [sys.executable, "-P", "-c", CHILD],
            monotonic_ms,
            self.messages.put,
            self.lost.append,
            silence_s=silence_s,
            on_started=self._begun,
            back_off=BackOff(first_s=first_s),
        )

    def _begun(self):
        self.started += 1

    def until(self, good):
        for _ in range(500):
            self.child.tick(monotonic_ms())
            if good():
                return
            sleep(0.01)
        raise AssertionError("not within 5 s")

    def say_and_hear(self, word):
        assert self.child.send({"k": "echo", "what": word})
        assert self.messages.get(timeout=5) == {"k": "echoed", "what": word}


@pytest.fixture
def watched():
    made = Watched()
    made.child.tick(monotonic_ms())
    yield made
    made.child.stop()
    assert not made.child.alive


def test_a_message_goes_there_and_back_and_a_print_spoils_nothing(watched):
    watched.say_and_hear("one")
    assert watched.lost == []


@pytest.mark.parametrize(("order", "why"), [("garbage", "JSON"), ("crash", "ended with 7")])
def test_a_broken_child_is_lost_once_and_started_again(watched, order, why):
    watched.say_and_hear("before")
    watched.child.send({"k": order})
    watched.until(lambda: watched.started == 2)
    assert len(watched.lost) == 1
    assert why in watched.lost[0]
    watched.say_and_hear("after")


def test_a_child_that_hangs_is_killed_after_its_silence():
    watched = Watched(silence_s=0.4)
    watched.until(lambda: watched.child.alive)
    watched.say_and_hear("before")
    pid = watched.child.pid
    os.kill(pid, signal.SIGSTOP)
    watched.until(lambda: watched.started == 2)
    assert "silent" in watched.lost[0]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    watched.child.stop()


def test_a_late_supervisor_does_not_kill_a_child_whose_beats_it_has_not_read(watched):
    watched.say_and_hear("before")
    watched.child.tick(MonotonicMs(monotonic_ms() + 60_000))
    assert watched.lost == []
    assert watched.child.alive


def test_a_handler_that_fails_costs_the_child_and_nothing_else():
    lost = []

    def refuse(message):
        raise KeyError("door")

    child = ChildProcess("bad", [sys.executable, "-P", "-c", CHILD], monotonic_ms, refuse, lost.append)
    child.tick(monotonic_ms())
    child.send({"k": "echo", "what": 1})
    for _ in range(500):
        child.tick(monotonic_ms())
        if lost:
            break
        sleep(0.01)
    assert "KeyError" in lost[0]
    assert not child.send({"k": "echo", "what": 2})
    assert child.dropped == 1
    child.stop()


def test_what_cannot_be_started_is_reported_and_tried_again_later():
    lost = []
    child = ChildProcess("none", ["/nonexistent/program"], monotonic_ms, print, lost.append)
    child.tick(MonotonicMs(1000))
    child.tick(MonotonicMs(1499))
    assert len(lost) == 1
    child.tick(MonotonicMs(1500))
    assert len(lost) == 2
    assert "cannot be started" in lost[1]
    child.stop()
