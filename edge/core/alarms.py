"""Alarm codes of AQ 3064.2-2025, table A.4, for the reasons that have one."""

from collections.abc import Iterable, Mapping

from edge.core.reasons import Reason

ALARMS: Mapping[Reason, str] = {
    Reason.ANALYSIS_MISSING: "01",
    Reason.ANALYSIS_TOO_OLD: "02",
    Reason.ANALYSIS_NOT_TODAY: "04",
    Reason.PERMIT_EXPIRED: "10",
    Reason.PERMIT_LONGEST_OVER: "10",
    Reason.APPROVER_ABSENT: "30",
    Reason.BLIND_NOT_ONE: "20",
    Reason.GUARDIAN_ABSENT: "31",
    Reason.NOT_UPGRADED_HOLIDAY: "40",
    Reason.NOT_UPGRADED_REST_DAY: "41",
    Reason.NOT_UPGRADED_NIGHT: "42",
    Reason.NOT_UPGRADED_EVENT: "43",
    Reason.CERTIFICATE_MISSING: "50",
    Reason.CERTIFICATE_INVALID: "50",
    Reason.CERTIFICATE_EXPIRED: "51",
    Reason.PERMIT_UNKNOWN: "60",
    Reason.WRONG_AREA: "60",
    Reason.LINKED_PERMIT_NOT_IN_FORCE: "61",
    Reason.LINKED_PERMIT_MISSING: "62",
    Reason.BRIEFING_MISSING: "70",
    Reason.RISK_ANALYSIS_MISSING: "80",
    Reason.MEASURES_MISSING: "90",
}
"""01 no gas analysis before work · 02 too long from analysis to start · 04 no analysis on a further day · 10 permit
overdue · 20 not one blind and one operation · 30 approver not on site · 31 guardian absent · 40 to 43 hot work not
upgraded: holiday, rest day, night, major event · 50 no matching certificate · 51 certificate expired · 60 no permit
(for this place) · 61 linked permits incomplete · 62 links missing · 70 no briefing · 80 no risk analysis · 90 measures
not confirmed."""

BREAK_TOO_LONG = "03"
"""A break over its time and no new analysis."""

RECORD_MISSED = "05"
"""A record of the confined space's readings is overdue."""


def alarms_of(reasons: Iterable[Reason]) -> list[str]:
    """The codes of these reasons, each once, in order."""
    return sorted({ALARMS[each] for each in reasons if each in ALARMS})
