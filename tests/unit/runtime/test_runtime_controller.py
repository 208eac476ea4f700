"""The controller's thread: commands at once, entries to the journal, and shut doors when the core is wrong."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sites import EPOCH_MS, SITE, facts, ready_bench

from edge.core.clock import ClockInterval, ClockSource, Now
from edge.core.controller import begin
from edge.core.entries import Entry
from edge.core.facts import Side, Tap
from edge.core.messages import (
    Answer,
    ClockStepped,
    DoorInput,
    DoorMoved,
    Gather,
    Input,
    Light,
    Operator,
    OperatorAction,
    Recorded,
    Tapped,
)
from edge.core.readings import MonotonicMs, UtcMs
from edge.core.reasons import Reason
from edge.core.state import Durable, State
from edge.runtime.controller import ControllerFailed, ControllerLoop
from edge.runtime.inbox import Inbox


def now_at(boottime_ms: int) -> Now:
    utc = UtcMs(EPOCH_MS + boottime_ms)
    return Now(MonotonicMs(boottime_ms), "boot", ClockInterval(utc, utc, ClockSource.HQ))


class Recorder:
    """Outputs that remember what they were told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def unlock(self, door: str, entry: int, until_ms: int) -> None:
        self.told.append(("unlock", door, entry))

    def release_exit(self, door: str, until_ms: int) -> None:
        self.told.append(("release_exit", door))

    def lock(self, door: str) -> None:
        self.told.append(("lock", door))

    def indicate(self, door: str, light: Light, reason: Reason, until_ms: int) -> None:
        self.told.append(("indicate", door, light, reason))

    def sound(self, area: str, on: bool) -> None:
        self.told.append(("sound", area, on))


class Bench:
    """A loop without a thread: the test serves one input after the other."""

    def __init__(self, durable: Durable | None = None) -> None:
        self.outputs = Recorder()
        self.entries: list[Entry] = []
        self.inbox = Inbox()
        self.at = 1_000
        state = begin(SITE, durable or Durable())
        self.loop = ControllerLoop(state, self.inbox, lambda state: now_at(self.at), self.outputs, self.submit)

    def submit(self, entries: Sequence[Entry], state: State) -> None:
        self.entries.extend(entries)

    def serve(self, message: Input) -> None:
        self.inbox.post(message)
        self.loop.serve_one(0)


def tap(door: str = "d1", side: Side = Side.ENTRY) -> Tap:
    return Tap("t1", "r1", door, side, "04", MonotonicMs(1_000))


def test_commands_are_carried_out_and_entries_handed_over_in_one_step() -> None:
    bench = Bench()
    bench.serve(DoorMoved("d1", DoorInput.REX, True))
    assert ("release_exit", "d1") in bench.outputs.told
    assert [entry.kind for entry in bench.entries] == ["exit.requested"]


def test_a_timer_that_the_core_asked_for_comes_back_when_it_is_due() -> None:
    bench = Bench()
    bench.serve(DoorMoved("d1", DoorInput.REX, True))
    bench.at += 5_001
    bench.loop.serve_one(0)
    assert ("lock", "d1") in bench.outputs.told
    assert bench.entries[-1].kind == "access.not_taken"


def test_facts_older_than_the_state_are_asked_for_again() -> None:
    bench = Bench(replace(Durable(), authority_size=50))
    asked: list[Gather] = []
    bench.loop.gather = asked.append
    bench.serve(Tapped(tap(), facts(authority_size=49)))
    assert [each.tap for each in asked] == [tap()]


def test_an_operators_answer_is_given_back() -> None:
    bench = Bench()
    given: list[Answer] = []
    bench.loop.answer = given.append
    bench.serve(Operator(OperatorAction.RETEST, "P9", "w1", None, "because", None, "request-1"))
    assert (given[0].request, given[0].ok) == ("request-1", False)


def test_when_the_core_raises_the_state_is_kept_all_doors_lock_and_the_input_is_kept() -> None:
    bench = Bench()
    kept: list[tuple[Input, Exception]] = []
    bench.loop.keep_fault = lambda message, error: kept.append((message, error))
    before = bench.loop.state
    bench.serve(Tapped(tap(door="no such door"), facts()))
    assert bench.loop.state is before
    assert {told for told in bench.outputs.told if told[0] == "lock"} == {("lock", door) for door in SITE.doors}
    assert ("indicate", "no such door", Light.RED, Reason.CONTROLLER_FAULT) in bench.outputs.told
    assert len(kept) == 1
    bench.serve(DoorMoved("d1", DoorInput.REX, True))
    assert ("release_exit", "d1") in bench.outputs.told


BROKEN = DoorMoved("no such door", DoorInput.CONTACT, True)
"""An input at which the core raises."""


def test_a_grant_that_waits_when_the_core_raises_is_void() -> None:
    """What the input said is missing from the state, so nothing may open on that state."""
    site = ready_bench()
    site.tap(facts())
    bench = Bench(site.state.durable)
    bench.loop.state = site.state
    bench.at = site.now_ms
    bench.serve(BROKEN)
    assert ("indicate", "d1", Light.RED, Reason.CONTROLLER_FAULT) in bench.outputs.told
    bench.serve(Recorded(site.state.durable.next_entry))
    assert not [told for told in bench.outputs.told if told[0] == "unlock"]
    assert bench.loop.state.recorded == site.state.durable.next_entry


@pytest.mark.parametrize(
    "leaving", [Tapped(tap(side=Side.EXIT), facts()), DoorMoved("d1", DoorInput.REX, True)], ids=["tap", "button"]
)
def test_whoever_leaves_is_let_out_even_when_the_core_raises(leaving: Input, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*given: object) -> None:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr("edge.runtime.controller.step", wrong)
    bench = Bench()
    bench.serve(leaving)
    assert bench.outputs.told[-1] == ("release_exit", "d1")


def test_three_faults_in_a_minute_end_the_daemon_and_two_do_not() -> None:
    bench = Bench()
    bench.serve(BROKEN)
    bench.serve(BROKEN)
    bench.at += 61_000
    bench.serve(BROKEN)
    bench.serve(BROKEN)
    with pytest.raises(ControllerFailed):
        bench.serve(BROKEN)


def test_progress_grows_only_when_the_thread_gets_to_it() -> None:
    bench = Bench()
    bench.loop.ping()
    assert bench.loop.progress == 0
    bench.loop.serve_one(0)
    assert bench.loop.progress == 1
    bench.serve(ClockStepped(2_000))
    assert bench.loop.progress == 1
