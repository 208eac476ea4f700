"""The ``[calendar]`` table: what a site writes, what a real one has by default, what is refused and how."""

from datetime import date
from pathlib import Path

import pytest

from edge.config import load
from edge.config_calendar import read_calendar
from edge.config_table import read_table
from edge.core.upgrades import NO_CALENDAR, Calendar
from edge.ports.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


def read(text: str, *, simulate: bool = False) -> Calendar:
    root = read_table(f"[calendar]\n{text}".encode(), "gateway.toml")
    found = read_calendar(root.table("calendar", optional=True), simulate)
    root.finish()
    assert root.findings is not None
    root.findings.raise_if_any()
    return found


def day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def test_a_real_site_has_nights_and_rest_days_and_a_simulated_one_none_unless_written() -> None:
    assert read("") == Calendar(night=(1_200, 360), rest_days=True)
    assert read("", simulate=True) == NO_CALENDAR
    assert read('night = "22:30-05:15"', simulate=True) == Calendar(night=(1_350, 315))
    assert read('night = ""\nrest_days = false') == NO_CALENDAR


def test_days_and_events_are_days_of_the_calendar() -> None:
    found = read('holidays = ["2026-10-01"]\nworking_days = ["2026-10-10"]\nmajor_events = ["2026-03-02/2026-03-13"]')
    assert (found.holidays, found.working_days) == ({day("2026-10-01")}, {day("2026-10-10")})
    assert found.major_events == ((day("2026-03-02"), day("2026-03-13")),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('night = "8pm-6am"', 'gateway.toml:2: calendar.night: "8pm-6am" cannot be used'),
        ('night = "24:00-06:00"', "calendar.night"),
        ('holidays = ["2026-02-30"]', "is no day of the calendar"),
        ('holidays = ["1 Oct"]', 'a day such as "2026-10-01"'),
        ('major_events = ["2026-03-13/2026-03-02"]', "ends before it begins"),
        ('major_events = ["2026-03-13"]', "first and last day"),
        ("holiday = []", "holidays"),
    ],
)
def test_what_is_no_calendar_is_named_with_line_and_remedy(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(text)
    assert words in str(refused.value)


def test_the_example_is_a_calendar() -> None:
    assert load(EXAMPLE).calendar.holidays >= {day("2026-10-01")}
