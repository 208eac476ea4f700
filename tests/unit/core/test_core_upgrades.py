"""Hot work one grade up on holidays, rest days, at night and during major events (N04), each at its boundary."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sites import EPOCH_MS, decided, facts, permit, ready_bench, replace_site

from edge.core.alarms import alarms_of
from edge.core.clock import ClockInterval, ClockSource
from edge.core.readings import UtcMs
from edge.core.upgrades import NO_CALENDAR, Calendar, not_upgraded

CHINA = timedelta(hours=8)


def day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def instant(text: str, *, later_ms: int = 0) -> int:
    """UTC ms of a time in China."""
    return int((datetime.fromisoformat(text).replace(tzinfo=UTC) - CHINA).timestamp() * 1000) + later_ms


def clock(lo_ms: int, hi_ms: int | None = None) -> ClockInterval:
    return ClockInterval(UtcMs(lo_ms), UtcMs(lo_ms if hi_ms is None else hi_ms), ClockSource.HQ)


WHOLE = Calendar(
    night=(20 * 60, 6 * 60),
    rest_days=True,
    working_days=frozenset({day("2026-10-10")}),
    holidays=frozenset({day("2026-10-01")}),
    major_events=((day("2026-03-02"), day("2026-03-13")),),
)


@pytest.mark.parametrize(
    ("at", "later_ms", "reasons", "alarms"),
    [
        ("2026-09-30T19:59:59", 999, [], []),
        ("2026-09-30T20:00:00", 0, ["not_upgraded_night"], ["42"]),
        ("2026-11-26T05:59:59", 999, ["not_upgraded_night"], ["42"]),
        ("2026-11-26T06:00:00", 0, [], []),
        ("2026-10-01T12:00:00", 0, ["not_upgraded_holiday"], ["40"]),
        ("2026-10-02T00:00:00", 0, ["not_upgraded_night"], ["42"]),
        ("2026-10-01T23:59:59", 999, ["not_upgraded_holiday", "not_upgraded_night"], ["40", "42"]),
        ("2026-11-27T12:00:00", 0, [], []),
        ("2026-11-28T12:00:00", 0, ["not_upgraded_rest_day"], ["41"]),
        ("2026-11-29T12:00:00", 0, ["not_upgraded_rest_day"], ["41"]),
        ("2026-11-30T12:00:00", 0, [], []),
        ("2026-10-10T12:00:00", 0, [], []),
        ("2026-10-11T12:00:00", 0, ["not_upgraded_rest_day"], ["41"]),
        ("2026-03-02T12:00:00", 0, ["not_upgraded_event"], ["43"]),
        ("2026-03-13T12:00:00", 0, ["not_upgraded_event"], ["43"]),
        ("2026-03-16T12:00:00", 0, [], []),
    ],
)
def test_each_occasion_begins_and_ends_with_its_first_millisecond_in_china(at, later_ms, reasons, alarms):
    found = not_upgraded(WHOLE, "03", None, clock(instant(at, later_ms=later_ms)))
    assert ([each.value for each in found], alarms_of(found)) == (reasons, alarms)


NIGHT_MS = instant("2026-11-26T22:00:00")


@pytest.mark.parametrize(
    ("permit_type", "grade", "enough"),
    [
        ("03", None, False),
        ("03", "03", False),
        ("02", None, False),
        ("02", "02", False),
        ("02", "03", True),
        ("01", None, True),
        ("01", "01", True),
        ("21", None, True),
        ("70", None, True),
    ],
)
def test_only_a_permit_one_grade_up_is_enough_and_above_special_grade_there_is_none(permit_type, grade, enough):
    assert (not_upgraded(WHOLE, permit_type, grade, clock(NIGHT_MS)) == ()) == enough


def test_in_doubt_about_the_time_every_occasion_that_it_may_be_counts():
    before_ms, after_ms = instant("2026-11-26T05:00:00"), instant("2026-11-26T21:00:00")
    noon_ms = instant("2026-11-26T12:00:00")
    assert not not_upgraded(WHOLE, "03", None, clock(noon_ms))
    assert not_upgraded(WHOLE, "03", None, clock(before_ms, noon_ms))
    assert not_upgraded(WHOLE, "03", None, clock(noon_ms, after_ms))
    assert not_upgraded(WHOLE, "03", None, clock(instant("2026-11-26T19:00:00"), instant("2026-11-27T07:00:00")))


def test_a_night_within_one_day_is_one_too():
    early = Calendar(night=(0, 5 * 60))
    assert not_upgraded(early, "03", None, clock(instant("2026-11-26T04:59:00")))
    assert not not_upgraded(early, "03", None, clock(instant("2026-11-26T05:00:00")))


def test_a_site_without_a_calendar_asks_for_no_upgrade():
    assert not_upgraded(NO_CALENDAR, "03", None, clock(NIGHT_MS)) == ()


def test_at_the_door_the_occasion_is_the_reason_and_hqs_word_on_the_grade_settles_it():
    bench = ready_bench()
    replace_site(
        bench, calendar=Calendar(holidays=frozenset({(EPOCH_MS + bench.now_ms + 8 * 3_600_000) // 86_400_000}))
    )
    body = decided(bench.tap(facts(permits=[permit()])))
    assert (body["reasons"], body["alarms"]) == (["not_upgraded_holiday"], ["40"])
    assert decided(bench.tap(facts(permits=[permit(grade="03")])))["decision"] == "granted"
