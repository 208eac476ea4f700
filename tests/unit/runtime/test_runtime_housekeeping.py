"""Housekeeping: daily, one at a time, planned anew when the clock steps, ended at once. No real time passes."""

import logging
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest
from apscheduler.triggers.base import BaseTrigger

from edge.ports.errors import UnusableError
from edge.runtime.housekeeping import DailyJob, Housekeeping, Integrity, IntegrityCheck, daily

WAIT_S = 5.0


class _AtOnce(BaseTrigger):  # type: ignore[misc]
    """Due long ago when the scheduler starts, and then in a day."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return datetime(2020, 1, 1, tzinfo=UTC) if previous_fire_time is None else now + timedelta(days=1)


def at_once(job: DailyJob) -> Any:
    """A trigger by which the job is late already."""
    return _AtOnce()


def job(run: Callable[[], None], stop: Callable[[], None] = lambda: None) -> DailyJob:
    return DailyJob("check", run, 18, 30, stop)


def test_a_daily_job_is_planned_for_its_time_in_utc_on_every_day_of_a_year() -> None:
    trigger, last = daily(job(lambda: None)), datetime(2026, 1, 1, tzinfo=UTC)
    for day in range(1, 366):
        following = trigger.get_next_fire_time(None, last)
        assert (following.hour, following.minute) == (18, 30)
        assert following.date() == (datetime(2025, 12, 31, tzinfo=UTC) + timedelta(days=day)).date()
        last = following + timedelta(seconds=1)


def test_a_job_runs_when_due_however_late_and_not_before() -> None:
    ran, planned = Event(), Event()
    housekeeping = Housekeeping((job(planned.set),))
    housekeeping.start()
    housekeeping.stop()
    assert not planned.is_set()
    housekeeping = Housekeeping((job(ran.set),), at_once)
    housekeeping.start()
    assert ran.wait(WAIT_S)
    housekeeping.stop()


def test_a_job_that_raises_is_told_in_one_line_and_leaves_the_others_alone(capfd: pytest.CaptureFixture[str]) -> None:
    ran = Event()

    def fails() -> None:
        raise UnusableError("no disk")

    jobs = (DailyJob("first", fails, 0, 0), DailyJob("second", ran.set, 0, 0))
    housekeeping = Housekeeping(jobs, at_once)
    housekeeping.start()
    assert ran.wait(WAIT_S)
    housekeeping.stop()
    assert logging.getLogger("apscheduler").level == logging.CRITICAL
    said = "".join(capfd.readouterr())
    assert "no disk" in said
    assert "Traceback" not in said


def test_a_clock_step_plans_anew_without_waiting_and_without_a_second_run_beside_the_first() -> None:
    started, released, runs = Event(), Event(), []

    def run() -> None:
        runs.append(1)
        started.set()
        released.wait(WAIT_S)

    housekeeping = Housekeeping((job(run, released.set),), at_once)
    housekeeping.start()
    assert started.wait(WAIT_S)
    housekeeping.rebuild()
    assert not released.is_set()
    housekeeping.stop()
    assert runs == [1]


def test_stop_is_harmless_twice_and_without_start() -> None:
    housekeeping = Housekeeping((job(lambda: None),))
    housekeeping.stop()
    housekeeping.start()
    housekeeping.stop()
    housekeeping.stop()


GOOD = b'{"cosigned":1,"entry":null,"finding":null,"ok":true,"signed":2,"size":3}'


def child(code: str) -> Sequence[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def test_what_the_child_found_is_told() -> None:
    found: list[Integrity] = []
    IntegrityCheck(child(f"print({GOOD.decode()!r})"), found.append).run()
    altered = GOOD.replace(b'"entry":null,"finding":null', b'"entry":2,"finding":"entry 2 is not what was written"')
    IntegrityCheck(child(f"print({altered.decode()!r}); raise SystemExit(1)"), found.append).run()
    assert found == [
        Integrity(3, 2, 1, None, None),
        Integrity(3, 2, 1, 2, "entry 2 is not what was written"),
    ]


@pytest.mark.parametrize("code", ["pass", "print('no')", "print('[]')", "print('{}')", "raise SystemExit(3)"])
def test_a_child_without_an_answer_is_an_error_and_no_finding(code: str) -> None:
    found: list[Integrity] = []
    with pytest.raises(UnusableError, match="no answer"):
        IntegrityCheck(child(code), found.append).run()
    assert not found


def test_a_child_that_cannot_start_or_does_not_end_is_an_error() -> None:
    with pytest.raises(UnusableError, match="not checked"):
        IntegrityCheck(["/nowhere/python"], pytest.fail).run()
    with pytest.raises(UnusableError, match=r"within 0\.05 s"):
        IntegrityCheck(child("import time; time.sleep(60)"), pytest.fail, limit_s=0.05).run()


def test_a_check_that_is_stopped_ends_and_tells_nothing() -> None:
    check = IntegrityCheck(child("import time; time.sleep(60)"), pytest.fail)
    thread = Thread(target=check.run)
    thread.start()
    while check._process is None and thread.is_alive():
        pass
    check.stop()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    check.run()
