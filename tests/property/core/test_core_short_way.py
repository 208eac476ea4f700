"""The short way of judging a running permit never passes over a reading that the long way trips on."""

from hypothesis import example, given
from hypothesis import strategies as st

from edge.core.interlocks import Interlock, bounds_of, carries, judge, measure, remember_block, trips
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.core.reasons import Reason

STALE_MS = 30_000
READINGS = st.lists(
    st.tuples(st.integers(0, 2 * STALE_MS), st.sampled_from(list(Quality)), st.integers(90, 110)), max_size=6
)


def interlock(highest, lowest, window_ms):
    return Interlock(
        interlock="p/r@d.c",
        rule="p/r",
        clause="1",
        device="d",
        channel="c",
        unit="%LEL",
        resolution="0.1",
        lowest_good=lowest,
        highest_good=highest,
        code=Reason.GAS_OVER_LIMIT,
        window_ms=window_ms,
        settle_ms=60_000,
        stale_ms=STALE_MS,
    )


@given(
    READINGS,
    st.integers(0, 2 * STALE_MS),
    st.sampled_from([None, 100]),
    st.sampled_from([None, 95]),
    st.sampled_from([0, 60_000]),
)
@example([(0, Quality.GOOD, 100)], STALE_MS, 100, None, 0)
@example([(0, Quality.GOOD, 101)], 0, 100, None, 0)
@example([(0, Quality.GOOD, 100)], STALE_MS + 1, 100, None, 0)
@example([(0, Quality.GOOD, 101), (1_000, Quality.GOOD, 90)], 0, 100, None, 60_000)
def test_what_carries_never_trips(readings, waited_ms, highest, lowest, window_ms):
    bound = interlock(highest, lowest, window_ms)
    windows = {"c": window_ms} if window_ms else {}
    memory, now_ms = None, 1_000_000
    for gap_ms, quality, steps in readings:
        now_ms += gap_ms
        value = steps if quality is Quality.GOOD else None
        block = BlockRead("d", ("c",), (value,), (quality,), MonotonicMs(now_ms))
        memory = remember_block(memory, block, windows, STALE_MS)
    now_ms += waited_ms
    bounds = bounds_of([bound], ("c",))
    assert (bounds is None) is bool(window_ms)
    if bounds is not None and memory is not None and waited_ms <= STALE_MS and carries(bounds, memory.newest):
        condition = judge(measure(bound, memory, MonotonicMs(now_ms)))
        assert not trips(condition)
        assert condition.reason in (None, Reason.READING_SETTLING)


def test_a_good_reading_at_the_limit_carries_and_one_step_beyond_does_not():
    bounds = bounds_of([interlock(100, None, 0), interlock(None, 95, 0)], ("other", "c"))
    for steps, expected in ((94, False), (95, True), (100, True), (101, False), (None, False)):
        quality = Quality.COMM_FAIL if steps is None else Quality.GOOD
        block = BlockRead("d", ("other", "c"), (7, steps), (Quality.GOOD, quality), MonotonicMs(5_000))
        assert carries(bounds, block) is expected


def test_a_channel_that_a_devices_blocks_have_not_is_never_passed_over():
    assert bounds_of([interlock(100, None, 0)], ("other",)) is None
