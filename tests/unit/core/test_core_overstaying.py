"""Whoever is inside past the end of their permit or badge: alarm 10, once, also over a restart."""

from dataclasses import replace

import pytest
from sites import EPOCH_MS, UNTIL_MS, Bench, commands, facts, kinds, token
from test_core_people import P1, contact, go_in, restarted, site_bench, tap_out

from edge.core.clock import ClockInterval, ClockSource
from edge.core.facts import TokenVerdict
from edge.core.messages import DoorInput, DoorMoved, SetTimer, Sound, Timer, TimerDue
from edge.core.readings import UtcMs

END_MS = UNTIL_MS - EPOCH_MS


def inside_bench() -> Bench:
    bench = site_bench()
    go_in(bench, "w1")
    return bench


def due(bench: Bench, now_ms: int):
    bench.now_ms = now_ms
    return bench.go(TimerDue(Timer.INSIDE, ""))


def overstayed(made) -> list[str]:
    return [each.body["worker"] for each in made.entries if each.kind == "person.overstayed"]


def test_somebody_inside_at_the_end_of_the_permit_is_told_once_with_alarm_10_at_that_millisecond():
    bench = inside_bench()
    made = due(bench, END_MS - 1)
    assert overstayed(made) == []
    assert [each.due_ms for each in commands(made, SetTimer) if each.timer is Timer.INSIDE] == [END_MS]
    made = due(bench, END_MS)
    (entry,) = made.entries
    body = entry.body
    assert (entry.kind, entry.permit, body["worker"], body["area"]) == ("person.overstayed", "P1", "w1", "north")
    assert (body["until_ms"], body["state"], body["alarm"]) == (UNTIL_MS, "in", "10")
    assert [(each.area, each.on) for each in commands(made, Sound)] == [("north", True)]
    assert bench.state.durable.people.inside["w1"].overstayed
    made = due(bench, END_MS + 60_000)
    assert (overstayed(made), commands(made, SetTimer)) == ([], [])


def test_passing_in_and_starting_again_set_the_timer():
    bench = site_bench()
    bench.tap(facts("w1", [P1], authority_size=6))
    bench.record()
    made = contact(bench, True)
    assert Timer.INSIDE in {each.timer for each in commands(made, SetTimer)}
    again = restarted(bench, "boot-2")
    assert Timer.INSIDE in {each.timer for each in again.commands if isinstance(each, SetTimer)}


def test_a_badge_that_ends_before_the_permit_counts_on_its_own():
    bench = site_bench()
    short = token("w1", [P1], not_after_ms=EPOCH_MS + bench.now_ms + 600_000)
    bench.tap(facts("w1", [P1], authority_size=6, token=TokenVerdict(short, None)))
    ends_ms = bench.now_ms + 600_000
    bench.record()
    contact(bench, True)
    assert overstayed(due(bench, ends_ms - 1)) == []
    assert overstayed(due(bench, ends_ms)) == ["w1"]


def test_an_earlier_end_that_hq_gives_the_permit_counts():
    bench = inside_bench()
    bench.authority(replace(P1, version=2, not_after_ms=UNTIL_MS - 3_600_000), size=7)
    assert overstayed(due(bench, END_MS - 3_600_000 - 1)) == []
    assert overstayed(due(bench, END_MS - 3_600_000)) == ["w1"]


def test_who_went_out_in_time_is_not_told():
    bench = inside_bench()
    tap_out(bench, "w1")
    contact(bench, True)
    assert kinds(due(bench, END_MS)) == []


def test_who_goes_out_late_is_cleared():
    bench = inside_bench()
    due(bench, END_MS)
    tap_out(bench, "w1")
    contact(bench, True)
    assert bench.state.durable.people.inside == {}


def test_who_may_have_left_unseen_is_told_as_unknown():
    bench = inside_bench()
    bench.go(DoorMoved("d1", DoorInput.REX, True))
    contact(bench, True)
    (entry,) = due(bench, END_MS).entries
    assert entry.body["state"] == "unknown"


@pytest.mark.parametrize(("told_before", "expected"), [(False, ["w1"]), (True, [])])
def test_a_restart_loses_no_overstay_and_repeats_none(told_before, expected):
    before = inside_bench()
    if told_before:
        due(before, END_MS)
    bench = restarted(before, "boot-2")
    assert overstayed(due(bench, END_MS)) == expected


def test_while_the_time_is_in_doubt_nobody_is_overdue_before_it_is_certain():
    bench = inside_bench()
    bench.clock = ClockInterval(UtcMs(UNTIL_MS - 1), UtcMs(UNTIL_MS + 60_000), ClockSource.HQ)
    assert overstayed(due(bench, END_MS)) == []
    bench.clock = ClockInterval(UtcMs(UNTIL_MS), UtcMs(UNTIL_MS + 60_000), ClockSource.HQ)
    assert overstayed(due(bench, END_MS)) == ["w1"]
