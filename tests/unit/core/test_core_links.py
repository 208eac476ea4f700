"""Linked permits (N03): a job of several special works goes on only while every permit of it is there and in force."""

import pytest
from sites import FROM_MS, HOUR_MS, UNTIL_MS, decided, facts, freeze, permit, ready_bench

from edge.core.clock import ClockInterval, ClockSource
from edge.core.readings import UtcMs

P1 = permit(links=("P2",))


def judged(other, prepare=lambda bench: None, **changes):
    """What w1 is told whose permit P1 names P2, which is ``other``, None: HQ never said it."""
    bench = ready_bench()
    prepare(bench)
    body = decided(bench.tap(facts(permits=[P1], linked=() if other is None else (other,), **changes)))
    return body["reasons"], body["alarms"]


def test_a_job_whose_permits_name_each_other_and_are_in_force_goes_on():
    assert judged(permit("P2", links=("P1",))) == ([], [])


@pytest.mark.parametrize("other", [None, permit("P2"), permit("P2", links=("P9",))])
def test_a_permit_that_is_not_there_or_does_not_name_this_one_is_missing(other):
    assert judged(other) == (["linked_permit_missing"], ["62"])


@pytest.mark.parametrize(
    "changes",
    [{"status": 0}, {"status": 3}, {"status": 6}, {"revoked": True}, {"not_after_ms": FROM_MS + 1}],
)
def test_a_permit_that_is_not_in_force_leaves_the_job_incomplete(changes):
    assert judged(permit("P2", links=("P1",), **changes)) == (["linked_permit_not_in_force"], ["61"])


def test_a_linked_permit_that_is_frozen_leaves_the_job_incomplete():
    other = permit("P2", links=("P1",))
    incomplete = (["linked_permit_not_in_force"], ["61"])
    assert judged(other, freezes=("permit:P2",)) == incomplete

    def hold(bench):
        bench.authority(permit(), size=6, freezes=(freeze("permit:P2"),))

    assert judged(other, hold, authority_size=6) == incomplete


@pytest.mark.parametrize(("hi_ms", "reasons"), [(-1, []), (0, ["linked_permit_not_in_force"])])
def test_a_linked_permit_counts_to_its_last_millisecond_by_the_latest_that_it_can_be(hi_ms, reasons):
    other = permit("P2", links=("P1",), not_after_ms=UNTIL_MS - HOUR_MS)

    def late(bench):
        bench.clock = ClockInterval(UtcMs(FROM_MS + 1_100_000), UtcMs(UNTIL_MS - HOUR_MS + hi_ms), ClockSource.HQ)

    assert judged(other, late)[0] == reasons


def test_a_permit_without_links_asks_for_none():
    assert decided(ready_bench().tap(facts(permits=[permit()])))["decision"] == "granted"
