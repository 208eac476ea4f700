"""The clock as an interval: drift widens it, a floor holds it up, a new boot or a set-back clock ends trust."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sites import EPOCH_MS, Bench, kinds, ready_bench

from edge.core.clock import Anchor, ClockInterval, ClockSource, better, interval
from edge.core.messages import ClockAnchored, ClockStepped

ANCHOR = Anchor(ClockSource.NTP, 1_000_000_000, 20, "boot-1", 50_000)


def test_drift_widens_the_interval_on_both_sides_and_rounds_outward():
    a_day_ms = 86_400_000
    got = interval(ANCHOR, 0, 50_000 + a_day_ms, "boot-1", 100)
    assert got == ClockInterval(1_000_000_000 + a_day_ms - 8_660, 1_000_000_000 + a_day_ms + 8_660, ClockSource.NTP)
    one = interval(ANCHOR, 0, 50_001, "boot-1", 100)
    assert (one.lo_ms, one.hi_ms) == (1_000_000_001 - 21, 1_000_000_001 + 21)


def test_the_floor_raises_the_lower_end_only():
    got = interval(ANCHOR, 1_000_000_010, 50_000, "boot-1", 100)
    assert (got.lo_ms, got.hi_ms) == (1_000_000_010, 1_000_000_020)


def test_an_anchor_that_was_set_back_below_the_floor_proves_nothing():
    assert interval(ANCHOR, 1_000_000_021, 50_000, "boot-1", 100) == ClockInterval(
        1_000_000_021, None, ClockSource.NONE
    )
    assert interval(ANCHOR, 1_000_000_020, 50_000, "boot-1", 100).hi_ms == 1_000_000_020


@pytest.mark.parametrize("anchor", [None, ANCHOR])
def test_no_anchor_of_this_boot_leaves_the_floor_alone(anchor):
    assert interval(anchor, 77, 50_000, "boot-2", 100) == ClockInterval(77, None, ClockSource.NONE)


def test_surely_and_maybe():
    got = ClockInterval(10, 20, ClockSource.HQ)
    assert got.surely_after(10)
    assert not got.surely_after(11)
    assert got.maybe_before(11)
    assert not got.maybe_before(10)


@given(st.integers(0, 10**10), st.integers(0, 1_000), st.integers(-100, 100))
def test_the_true_time_is_inside_the_interval_while_the_drift_bound_holds(elapsed_ms, uncertainty_ms, drift_ppm):
    anchor = Anchor(ClockSource.HQ, 10**12, uncertainty_ms, "b", 0)
    got = interval(anchor, 0, elapsed_ms, "b", 100)
    true_ms = 10**12 + elapsed_ms + elapsed_ms * drift_ppm // 1_000_000
    assert got.hi_ms is not None
    assert got.lo_ms <= true_ms <= got.hi_ms


def _anchor(source=ClockSource.NTP, uncertainty_ms=20, boot_id="boot-1", boottime_ms=50_000, off_ms=0):
    """An anchor of the same clock at any moment, ``off_ms`` beside it."""
    return Anchor(source, 1_000_000_000 + boottime_ms - 50_000 + off_ms, uncertainty_ms, boot_id, boottime_ms)


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        (_anchor(ClockSource.HQ, 10_000), True),
        (_anchor(ClockSource.RTC, 0), False),
        (_anchor(uncertainty_ms=20), True),
        (_anchor(uncertainty_ms=21), False),
        (_anchor(uncertainty_ms=21, boottime_ms=60_000), True),
        (_anchor(ClockSource.ESTIMATE, 99_999, boot_id="boot-2"), True),
        (_anchor(uncertainty_ms=21, off_ms=41), False),
        (_anchor(uncertainty_ms=21, off_ms=42), True),
        (_anchor(uncertainty_ms=21, off_ms=-42), True),
        (_anchor(ClockSource.RTC, 21, off_ms=-9_999), False),
    ],
)
def test_a_better_anchor_is_of_a_higher_source_or_less_doubt_by_now(offered, taken):
    assert better(ANCHOR, offered, 100) is taken
    assert better(None, offered, 100)


def test_an_anchor_is_recorded_when_it_matters_and_not_each_second():
    bench = Bench()
    hour_ms = 3_600_000

    def offer(**changes):
        return kinds(bench.go(ClockAnchored(_anchor(**{"boottime_ms": bench.now_ms, **changes}))))

    assert offer() == ["clock.anchored"]
    assert bench.state.durable.anchor == _anchor(boottime_ms=1_000_000)
    assert offer() == []
    assert offer(source=ClockSource.RTC, uncertainty_ms=0) == []
    assert offer(uncertainty_ms=11) == []
    assert offer(uncertainty_ms=10) == ["clock.anchored"]
    assert offer(source=ClockSource.HQ) == ["clock.anchored"]
    assert offer(source=ClockSource.HQ, off_ms=60_000) == ["clock.anchored"], "HQ's clock was set right"
    assert offer(source=ClockSource.HQ, off_ms=60_000) == []
    bench.wait(hour_ms)
    assert offer(source=ClockSource.HQ, off_ms=60_000) == ["clock.anchored"]


@pytest.mark.parametrize("source", [ClockSource.NTP, ClockSource.HQ])
@pytest.mark.parametrize("off_ms", [-3_600_000, -51, -45, 45, 51, 3_600_000])
def test_a_source_that_was_set_is_followed_at_once_and_one_that_only_wavers_is_not(source, off_ms):
    """An hour with the wrong time would be an hour of the wrong windows; what is earlier is refused by the floor."""
    bench = Bench()
    bench.go(ClockAnchored(_anchor(source, boottime_ms=bench.now_ms)))
    bench.wait(60_000)
    later = _anchor(source, 25, boottime_ms=bench.now_ms, off_ms=off_ms)
    assert bool(kinds(bench.go(ClockAnchored(later)))) is (abs(off_ms) > 20 + 25 + 6)


def test_a_source_that_was_set_is_not_followed_against_a_higher_one():
    bench = Bench()
    bench.go(ClockAnchored(_anchor(ClockSource.HQ, boottime_ms=bench.now_ms)))
    later = Anchor(ClockSource.NTP, 2_000_000_000, 1, "boot-1", bench.now_ms)
    assert kinds(bench.go(ClockAnchored(later))) == []


def test_the_journal_remembers_the_earliest_that_it_can_be():
    bench = ready_bench()
    lo_ms = EPOCH_MS + bench.now_ms + 1_000
    for interval_ms, lowest_ms in (
        ((lo_ms, lo_ms + 301), lo_ms),
        ((lo_ms - 50, lo_ms + 9), lo_ms),
        ((lo_ms, None), lo_ms),
    ):
        bench.clock = ClockInterval(*interval_ms, ClockSource.NTP)
        bench.go(ClockStepped(5_000))
        assert bench.state.durable.lowest_ms == lowest_ms
        stamp = bench.entries[-1].stamp
        if stamp.wall_ms is not None:
            assert stamp.wall_ms - stamp.uncertainty_ms == interval_ms[0]
            assert stamp.wall_ms + stamp.uncertainty_ms >= interval_ms[1], "a stamp says no less doubt than there is"


def test_a_step_of_the_wall_clock_is_recorded_and_decides_nothing():
    bench = Bench()
    made = bench.go(ClockStepped(-86_400_000))
    assert [(entry.kind, dict(entry.body)) for entry in made.entries] == [("clock.stepped", {"step_ms": -86_400_000})]
    assert made.commands == ()
