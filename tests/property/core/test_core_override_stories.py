"""No sequence of overrides made, over and lifted, closes by HQ, restarts and lost clocks closes a permit too early."""

from hypothesis import given, settings
from hypothesis import strategies as st
from sites import EPOCH_MS, HOUR_MS, Bench, begun_bench, commands, facts, permit

from edge.core import codec
from edge.core.clock import ClockInterval, ClockSource
from edge.core.fold import fold
from edge.core.messages import Answer, SetTimer, Timer, TimerDue
from edge.core.readings import UtcMs
from edge.core.state import Durable
from edge.core.turn import Step

NAMES = ("P1", "P2", "P3")
SUBJECTS = ({"device": "gas1"}, {"device": "gas2"}, {"device": None, "protection": "fire deluge"})
ACTS = st.one_of(
    st.tuples(st.just("make"), st.sampled_from(SUBJECTS), st.sets(st.sampled_from(NAMES), max_size=3)),
    st.tuples(st.just("lift"), st.integers(0, 5)),
    st.tuples(st.just("close"), st.sampled_from(NAMES), st.sampled_from([3, 4, 5])),
    st.tuples(st.just("wait"), st.sampled_from([1, 60_000, HOUR_MS - 1, HOUR_MS])),
    st.tuples(st.just("restart"), st.sampled_from(["boot-1", "boot-2"])),
    st.tuples(st.just("clock"), st.sampled_from([None, -2 * HOUR_MS, 0, 2 * HOUR_MS])),
    st.tuples(st.just("tap")),
)


class Story:
    """Plays acts and keeps its own books of what lives and what HQ closed."""

    def __init__(self) -> None:
        self.bench = begun_bench()
        self.live: dict[str, frozenset[str]] = {}
        self.over: set[str] = set()
        self.ended: set[str] = set()
        self.closed: set[str] = set()
        self.timers: dict[str, int] = {}
        self.size = 5
        self.hear()

    def hear(self) -> None:
        self.size += 1
        self.check(self.bench.authority(*(permit(name) for name in NAMES if name not in self.ended), size=self.size))

    def make(self, subject: dict[str, str | None], permits: set[str]) -> None:
        named = tuple(sorted(permits))
        until_ms = self.bench.now().clock.lo_ms + HOUR_MS
        step = self.bench.override(**subject, permits=named, until_ms=until_ms)
        (answer,) = commands(step, Answer)
        open_here = not permits & self.ended
        assert answer.ok is (open_here and self.bench.now().clock.hi_ms is not None)
        if answer.ok:
            self.live[str(answer.entry)] = frozenset(named)
        self.check(step)

    def lift(self, place: int) -> None:
        name = dict(enumerate(self.live)).get(place, "none")
        self.live.pop(name, None)
        self.check(self.bench.lift(name))

    def close(self, name: str, status: int) -> None:
        self.ended.add(name)
        self.size += 1
        self.check(self.bench.authority(permit(name, status=status), size=self.size, complete=False))

    def wait(self, duration_ms: int) -> None:
        """Time passes; every timer that falls due in it is served, each at its time."""
        until_ms = self.bench.now_ms + duration_ms
        while self.timers and min(self.timers.values()) <= until_ms:
            name = min(self.timers, key=lambda each: self.timers[each])
            self.bench.now_ms = max(self.bench.now_ms, self.timers.pop(name))
            self.check(self.bench.go(TimerDue(Timer.OVERRIDE, name)))
        self.bench.now_ms = until_ms

    def restart(self, boot_id: str) -> None:
        held = self.bench
        self.bench = Bench(durable=codec.decode(codec.encode(held.state.durable), Durable))
        self.bench.entries, self.bench.clock, self.bench.boot_id = held.entries, held.clock, boot_id
        self.bench.now_ms, self.timers = held.now_ms, {}
        begun = len(self.bench.commands)
        self.bench.start()
        self.note(self.bench.commands[begun:])
        self.hear()

    def clock(self, shift_ms: int | None) -> None:
        at_ms = UtcMs(EPOCH_MS + self.bench.now_ms + (shift_ms or 0))
        known = ClockInterval(at_ms, at_ms, ClockSource.HQ)
        self.bench.clock = ClockInterval(at_ms, None, ClockSource.NONE) if shift_ms is None else known

    def tap(self) -> None:
        named = [permit(name) for name in NAMES if name not in self.ended]
        self.check(self.bench.tap(facts(permits=named, authority_size=self.size)))

    def note(self, made: list[object]) -> None:
        for each in made:
            if isinstance(each, SetTimer) and each.timer is Timer.OVERRIDE:
                self.timers[each.subject] = each.due_ms

    def check(self, step: Step) -> None:
        self.note(list(step.commands))
        for entry in step.entries:
            assert entry.permit not in self.closed, f"{entry.kind} follows the closing of {entry.permit}"
            if entry.kind == "permit.closed":
                assert entry.permit in self.ended
                assert not any(entry.permit in permits for permits in self.live.values())
                self.closed.add(entry.permit)
            if entry.kind == "override.expired":
                self.over.add(entry.body["override"])
        assert self.bench.state.durable.overrides.keys() == self.live.keys()


@settings(max_examples=80)
@given(st.lists(ACTS, max_size=20))
def test_no_permit_closes_while_an_override_made_for_it_lives_and_each_closes_with_the_last(acts):
    story = Story()
    for name, *given_ in acts:
        getattr(story, name)(*given_)
    assert fold_of(story.bench) == story.bench.state.durable
    waiting = {name for permits in story.live.values() for name in permits} & story.ended
    assert waiting <= story.bench.state.durable.closing
    while story.live:
        story.lift(0)
    assert waiting <= story.closed
    assert story.bench.state.durable.closing == frozenset()


@settings(max_examples=50)
@given(st.lists(ACTS, max_size=15))
def test_whatever_happens_each_override_that_is_not_lifted_is_told_to_be_over_in_its_time(acts):
    story = Story()
    for name, *given_ in acts:
        getattr(story, name)(*given_)
    story.wait(HOUR_MS)
    assert story.live.keys() <= story.over


def fold_of(bench: Bench) -> Durable:
    durable = Durable()
    for entry in bench.entries:
        durable = fold(durable, entry)
    return durable
