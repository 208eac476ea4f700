"""Time is an interval above a floor; a source of time is offered, a step is told, and the floor is kept."""

from dataclasses import replace

from sites import SITE

from edge.core.clock import Anchor, ClockSource
from edge.core.messages import ClockAnchored, ClockStepped
from edge.core.readings import MonotonicMs, UtcMs
from edge.core.state import State
from edge.runtime.timekeeper import BUILD_MS, Clocks, Timekeeper

NOON_MS = BUILD_MS + 1_000_000_000


class Machine:
    """A machine's clocks, set by the test."""

    def __init__(self) -> None:
        self.monotonic = 10_000
        self.utc = NOON_MS
        self.error_ms: int | None = None
        self.kept: list[int] = []

    def timekeeper(self, floor_ms: int = 0) -> Timekeeper:
        clocks = Clocks(
            "boot",
            lambda: MonotonicMs(self.monotonic),
            lambda: UtcMs(self.utc),
            lambda: self.error_ms,
        )
        return Timekeeper(clocks, 100, floor_ms, self.kept.append)


def anchored(state: State, boot_id: str, utc_ms: int = NOON_MS) -> State:
    anchor = Anchor(ClockSource.HQ, UtcMs(utc_ms), 20, boot_id, MonotonicMs(10_000))
    return replace(state, durable=replace(state.durable, anchor=anchor))


def test_without_a_source_time_has_a_floor_and_no_ceiling_whatever_the_wall_clock_says() -> None:
    machine = Machine()
    now = machine.timekeeper(floor_ms=NOON_MS - 5).now(State(SITE))
    assert (now.clock.lo_ms, now.clock.hi_ms, now.clock.source) == (NOON_MS - 5, None, ClockSource.NONE)


def test_the_floor_is_never_below_this_software_nor_below_hqs_last_word() -> None:
    machine = Machine()
    assert machine.timekeeper().now(State(SITE)).clock.lo_ms == BUILD_MS
    heard = State(SITE)
    heard = replace(heard, durable=replace(heard.durable, fresh_ms=NOON_MS))
    assert machine.timekeeper().now(heard).clock.lo_ms == NOON_MS


def test_an_anchor_of_this_boot_counts_and_one_of_another_does_not() -> None:
    machine = Machine()
    machine.monotonic = 11_000
    timekeeper = machine.timekeeper()
    clock = timekeeper.now(anchored(State(SITE), "boot")).clock
    assert clock.hi_ms is not None
    assert clock.lo_ms <= NOON_MS + 1_000 <= clock.hi_ms
    assert timekeeper.now(anchored(State(SITE), "other")).clock.hi_ms is None


def test_a_source_that_goes_back_by_less_than_a_minute_revives_nothing() -> None:
    machine = Machine()
    timekeeper = machine.timekeeper()
    timekeeper.tick(anchored(State(SITE), "boot"))
    ended_ms = timekeeper.now(anchored(State(SITE), "boot", NOON_MS + 45_000)).clock.lo_ms
    machine.monotonic += 1_000
    back = timekeeper.now(anchored(State(SITE), "boot")).clock
    assert (back.lo_ms, back.hi_ms) == (ended_ms, None), "neither trusted nor earlier"
    machine.monotonic += 45_000
    caught_up = timekeeper.now(anchored(State(SITE), "boot")).clock
    assert caught_up.hi_ms is not None
    assert caught_up.lo_ms >= ended_ms


def test_a_step_of_the_wall_clock_is_told_once_and_changes_no_decision() -> None:
    machine = Machine()
    timekeeper = machine.timekeeper()
    before = timekeeper.now(State(SITE)).clock
    machine.utc -= 3_600_000
    assert [each for each in timekeeper.tick(State(SITE)) if isinstance(each, ClockStepped)] == [
        ClockStepped(-3_600_000)
    ]
    assert not [each for each in timekeeper.tick(State(SITE)) if isinstance(each, ClockStepped)]
    assert timekeeper.now(State(SITE)).clock == before


def test_a_better_source_that_says_less_revives_nothing_that_had_ended() -> None:
    """HQ's clock is half a minute behind the time that the kernel had vouched for: a window that ended stays ended."""
    machine = Machine()
    timekeeper = machine.timekeeper()
    state = anchored(State(SITE), "boot")
    machine.monotonic += 50_000
    ended_ms = timekeeper.now(state).clock.lo_ms
    behind = Anchor(ClockSource.HQ, UtcMs(ended_ms - 30_000), 5, "boot", MonotonicMs(machine.monotonic))
    state = replace(state, durable=replace(state.durable, anchor=behind))
    now = timekeeper.now(state).clock
    assert (now.lo_ms, now.hi_ms) == (ended_ms, None)
    machine.monotonic += 31_000
    assert timekeeper.now(state).clock.hi_ms is not None, "trusted again when it is later than ever before"
    assert timekeeper.now(state).clock.lo_ms >= ended_ms


def test_it_is_never_earlier_than_an_entry_says() -> None:
    """The file of the floor is a convenience: a start without it goes by the journal."""
    machine = Machine()
    state = State(SITE)
    state = replace(state, durable=replace(state.durable, lowest_ms=NOON_MS + 7))
    assert machine.timekeeper().now(state).clock.lo_ms == NOON_MS + 7
    assert machine.timekeeper().now(anchored(state, "boot")).clock.lo_ms == NOON_MS + 7


def test_the_kernel_is_asked_at_once_after_a_step() -> None:
    machine = Machine()
    timekeeper = machine.timekeeper()
    machine.error_ms = 12
    timekeeper.tick(State(SITE))
    assert timekeeper.tick(State(SITE)) == []
    machine.utc += 5_000
    stepped, offered = timekeeper.tick(State(SITE))
    assert stepped == ClockStepped(5_000)
    assert isinstance(offered, ClockAnchored)


def test_the_kernels_time_is_offered_only_while_the_kernel_vouches_for_it() -> None:
    machine = Machine()
    timekeeper = machine.timekeeper()
    assert not [each for each in timekeeper.tick(State(SITE)) if isinstance(each, ClockAnchored)]
    machine.error_ms = 12
    machine.monotonic += 20_000
    machine.utc += 20_000
    (offered,) = (each for each in timekeeper.tick(State(SITE)) if isinstance(each, ClockAnchored))
    assert (offered.anchor.source, offered.anchor.uncertainty_ms) == (ClockSource.NTP, 12)


def test_the_floor_is_kept_each_minute_and_only_grows() -> None:
    machine = Machine()
    timekeeper = machine.timekeeper()
    state = anchored(State(SITE), "boot")
    for seconds in (0, 30, 61, 122):
        machine.monotonic = 10_000 + 1_000 * seconds
        machine.utc = NOON_MS + 1_000 * seconds
        timekeeper.tick(state)
    assert len(machine.kept) == 3
    assert machine.kept == sorted(machine.kept)
    assert machine.kept[-1] > NOON_MS + 121_000
