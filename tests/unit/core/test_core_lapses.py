"""A certificate that ends while its holder is at work (row P04): told by our own clock, once, HQ away."""

from dataclasses import replace

import pytest
from sites import (
    EPOCH_MS,
    Bench,
    begun_bench,
    certificate,
    commands,
    decided,
    facts,
    kinds,
    permit,
)

from edge.core.clock import ClockInterval, ClockSource
from edge.core.facts import Side
from edge.core.messages import SetTimer, Sound, Timer, TimerDue
from edge.core.readings import UtcMs

AHEAD_MS = 20_000


def lapsing_bench(**changes) -> tuple[Bench, int]:
    """w2 went in with a certificate that ends in 20 s, w1 before with one that ends in years."""
    bench = begun_bench()
    ends_ms = EPOCH_MS + bench.now_ms + AHEAD_MS
    held = (certificate("w2", ends_ms=ends_ms, **changes),)
    assert decided(bench.tap(facts("w2", certificates=held)))["decision"] == "granted"
    made = bench.record()
    assert min(each.due_ms for each in commands(made, SetTimer) if each.timer is Timer.WORK) <= bench.now_ms + AHEAD_MS
    return bench, ends_ms


def work_due(bench: Bench):
    return bench.go(TimerDue(Timer.WORK, "P1"))


def lapsed(made) -> list[str]:
    return [each.body["worker"] for each in made.entries if each.kind == "certificate.lapsed"]


def test_the_last_second_counts_and_the_first_one_after_is_told_once_with_alarm_51_and_the_siren():
    bench, ends_ms = lapsing_bench()
    assert lapsed(work_due(bench.wait(AHEAD_MS - 1))) == []
    made = work_due(bench.wait(1))
    assert kinds(made) == ["certificate.lapsed"]
    body = made.entries[0].body
    assert (body["worker"], body["ended_ms"], body["alarm"], made.entries[0].permit) == ("w2", ends_ms, "51", "P1")
    assert [(each.area, each.on) for each in commands(made, Sound)] == [("north", True)]
    assert lapsed(work_due(bench.wait(60_000))) == []


def test_the_review_date_counts_where_it_is_earlier():
    bench = begun_bench()
    ends_ms = EPOCH_MS + bench.now_ms + AHEAD_MS
    bench.tap(facts("w2", certificates=(certificate("w2", review_due_ms=ends_ms),)))
    bench.record()
    assert lapsed(work_due(bench.wait(AHEAD_MS))) == ["w2"]


def test_of_two_certificates_the_later_end_counts():
    bench = begun_bench()
    soon = certificate("w2", ends_ms=EPOCH_MS + bench.now_ms + AHEAD_MS)
    bench.tap(facts("w2", certificates=(soon, replace(certificate("w2"), certificate="c-2"))))
    bench.record()
    assert lapsed(work_due(bench.wait(AHEAD_MS))) == []


def test_who_went_out_is_at_no_work_any_more():
    bench, _ = lapsing_bench()
    bench.tap(facts("w2"), side=Side.EXIT)
    assert lapsed(work_due(bench.wait(AHEAD_MS))) == []


def test_doubt_about_the_time_tells_nothing_yet():
    bench, ends_ms = lapsing_bench()
    bench.wait(AHEAD_MS)
    bench.clock = ClockInterval(UtcMs(ends_ms - 1), UtcMs(ends_ms + 9), ClockSource.HQ)
    assert lapsed(work_due(bench)) == []


@pytest.mark.parametrize("boot", ["boot-1", "boot-2"])
def test_it_is_told_after_a_restart_and_after_a_power_cut(boot):
    before, _ = lapsing_bench()
    bench = Bench(durable=before.state.durable)
    bench.boot_id, bench.now_ms = boot, before.now_ms
    bench.start()
    bench.authority(permit(), size=6)
    assert lapsed(work_due(bench.wait(AHEAD_MS))) == ["w2"]
