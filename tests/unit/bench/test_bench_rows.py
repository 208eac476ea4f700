"""A benchmark's row says what it means: a miss is a miss, a ratio is a ratio, a percentile is a sample."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.bench.__main__ import BENCHMARKS
from hil.bench.poll_loss import Punctuality
from hil.bench.rows import Row, machine, median, percentile

PROMISED = [
    "decision_p99_ms",
    "decision_growth",
    "tap_to_lock_p99_ms",
    "gas_to_hold_ms",
    "gas_to_hold_slow_disk_ms",
    "modbus_per_cpu",
    "reading_cpu_ms_per_1k",
    "poll_loss_50ms",
    "dead_unit_stretch",
    "journal_single",
    "journal_batched_per_s",
    "delta_100_ms",
    "curve_ms",
    "reading_bytes",
    "ready_s",
    "rss_mib",
]


def row(value, bound="at most", unit="ms", baseline_unit="ms"):
    return Row("r", value, unit, "bare", 2.0, baseline_unit, 10.0, bound)


@pytest.mark.parametrize(
    ("bound", "value", "met"),
    [("at most", 10.0, True), ("at most", 10.01, False), ("at least", 10.0, True), ("at least", 9.99, False)],
)
def test_a_missed_budget_is_shown_as_missed(bound, value, met):
    assert row(value, bound).met is met
    assert row(value, bound).as_json()["met"] is met


def test_a_ratio_is_given_only_between_equal_units():
    assert row(5.0).ratio == 2.5
    assert row(1.2, unit="×").ratio == 1.2
    assert row(5.0, baseline_unit="per s").ratio is None


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=300), st.floats(0, 1))
def test_a_percentile_is_a_sample_that_no_more_than_the_rest_exceed(samples, share):
    found = percentile(samples, share)
    assert found in samples
    assert sum(each > found for each in samples) <= (1 - share) * len(samples) + 1
    assert percentile(samples, 1.0) == max(samples)


def test_the_median_and_p99_of_a_hundred():
    assert median(range(1, 101)) == 50
    assert percentile(range(1, 101), 0.99) == 99


def test_a_poll_that_fails_and_one_that_comes_late_are_lost_alike():
    now = [1_000]
    kept = Punctuality(1_000, lambda: now[0])
    for period in range(20):
        for unit in range(50):
            now[0] = 1_000 + 50 * period + unit
            if (unit, period) == (3, 12):
                continue
            if (unit, period) == (4, 12):
                now[0] += 50
            kept.note(f"unit-{unit}")
    assert kept.lost(0.5, 1.0) == 2
    assert kept.lost(0.0, 0.5) == 0


def test_every_promised_row_is_measured():
    assert list(BENCHMARKS) == PROMISED


def test_the_machine_is_named():
    assert {"cpu", "cores", "python", "sqlite"} <= machine().keys()
