"""The short way of judging a running permit never passes over a reading that the long way trips on."""

from hypothesis import example, given
from hypothesis import strategies as st

from edge.core.interlocks import Interlock, carries, judge, measure, remember_block, trips
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
    if carries(bound, memory, MonotonicMs(now_ms)):
        condition = judge(measure(bound, memory, MonotonicMs(now_ms)))
        assert not trips(condition)
        assert condition.reason in (None, Reason.READING_SETTLING)


def test_a_fresh_good_reading_at_the_limit_carries_and_one_step_above_does_not():
    bound = interlock(100, None, 0)
    at = MonotonicMs(5_000)
    for steps, expected in ((100, True), (101, False)):
        memory = remember_block(None, BlockRead("d", ("c",), (steps,), (Quality.GOOD,), at), {}, STALE_MS)
        assert carries(bound, memory, at) is expected
        assert carries(bound, memory, MonotonicMs(at + STALE_MS)) is expected
        assert not carries(bound, memory, MonotonicMs(at + STALE_MS + 1))
    assert not carries(bound, None, at)
