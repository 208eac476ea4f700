"""Hot work is managed one grade up on holidays, rest days, at night and during major events (GB 30871-2022 5.1.1).

The standard does not say when night is; the site's calendar does. All days and hours are those of China.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge.core.clock import ClockInterval
from edge.core.reasons import Reason

DAY_MS = 86_400_000
_CHINA_MS = 8 * 3_600_000
_MINUTE_MS = 60_000
_THURSDAY = 4
"""1970-01-01 was a Thursday: day 0 of the calendar is day 4 of a week that begins on a Sunday."""

SECOND_GRADE, FIRST_GRADE = "03", "02"
"""AQ 3064.2-2025 A.2. Above special grade, 01, there is none to go up to."""

_MANAGED_AS: Mapping[str, frozenset[str]] = {SECOND_GRADE: frozenset(), FIRST_GRADE: frozenset({SECOND_GRADE})}
"""By permit type, what the work may be by itself when it has to be managed one grade up."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days are numbers of days since 1970-01-01, in China. ``night``: from and until minute of the day, None: no night.

    ``working_days`` are Saturdays and Sundays that are no rest days; ``major_events`` first and last days.
    """

    night: tuple[int, int] | None = None
    rest_days: bool = False
    working_days: frozenset[int] = frozenset()
    holidays: frozenset[int] = frozenset()
    major_events: tuple[tuple[int, int], ...] = ()


NO_CALENDAR = Calendar()
"""No occasion asks for an upgrade."""


def not_upgraded(calendar: Calendar, permit_type: str, grade: str | None, clock: ClockInterval) -> tuple[Reason, ...]:
    """Why a hot work permit of this type is not enough now: each occasion that asks for one grade up.

    ``grade`` is what the work is by itself, None: HQ does not say, and then it is taken for the permit's own. In doubt
    about the time every occasion that it may be counts.
    """
    allowed = _MANAGED_AS.get(permit_type)
    if allowed is None or grade in allowed or calendar == NO_CALENDAR:
        return ()
    hi_ms = clock.lo_ms if clock.hi_ms is None else clock.hi_ms
    found = {reason for instant_ms in _looks(clock.lo_ms, hi_ms) for reason in _occasions(calendar, instant_ms)}
    return tuple(reason for reason in Reason if reason in found)


def _looks(lo_ms: int, hi_ms: int) -> Iterator[int]:
    """The ends of the interval, and each minute between: no occasion is shorter. At most a day of them."""
    yield lo_ms
    yield from range(lo_ms + _MINUTE_MS, min(hi_ms, lo_ms + DAY_MS), _MINUTE_MS)
    yield hi_ms


def _occasions(calendar: Calendar, instant_ms: int) -> Iterator[Reason]:
    day, of_day_ms = divmod(instant_ms + _CHINA_MS, DAY_MS)
    if day in calendar.holidays:
        yield Reason.NOT_UPGRADED_HOLIDAY
    weekend = (day + _THURSDAY) % 7 in (0, 6)
    if calendar.rest_days and weekend and day not in calendar.working_days:
        yield Reason.NOT_UPGRADED_REST_DAY
    if calendar.night is not None and _is_night(calendar.night, of_day_ms // _MINUTE_MS):
        yield Reason.NOT_UPGRADED_NIGHT
    if any(first <= day <= last for first, last in calendar.major_events):
        yield Reason.NOT_UPGRADED_EVENT


def _is_night(night: tuple[int, int], minute: int) -> bool:
    """The first minute is night, the last is not; most nights go over midnight."""
    begins, ends = night
    return begins <= minute < ends if begins <= ends else minute >= begins or minute < ends
