"""What the daemon does once a day: re-hash its journal, and thin old readings."""

from collections.abc import Callable

import structlog

from edge.app import integrity
from edge.app.trust import TrustFiles
from edge.config_values import Config
from edge.core.messages import Noticed
from edge.core.readings import UtcMs
from edge.runtime.housekeeping import DailyJob, Housekeeping, Integrity, IntegrityCheck

_log = structlog.get_logger("housekeeping")

READINGS_KEPT_DAYS = 30
"""Rows of readings that can be looked up at once. Sealed batches, which the journal names by hash, are kept."""

_DAY_MS = 86_400_000
_CHECK_AT = (18, 30)
_THIN_AT = (19, 30)
"""Hours and minutes in UTC: 02:30 and 03:30 in China, when the fewest doors move."""

Thin = Callable[[int, Callable[[int], None]], None]
"""``TelemetryThread.thin``."""


def build_housekeeping(
    config: Config, thin: Thin, lowest_utc_ms: Callable[[], UtcMs], post: Callable[[Noticed], None]
) -> Housekeeping:
    """The daily jobs of this gateway. What they find goes to the journal through ``post``; any thread may call it.

    ``lowest_utc_ms`` is the lower bound of the time: an unknown clock makes readings look younger, never older.
    """
    check = IntegrityCheck(_check_argv(config), lambda found: _tell(found, post))

    def thin_old() -> None:
        before_ms = lowest_utc_ms() - READINGS_KEPT_DAYS * _DAY_MS
        thin(before_ms, lambda count: _thinned(count, before_ms, post))

    return Housekeeping(
        (
            DailyJob("journal_check", check.run, *_CHECK_AT, stop=check.stop),
            DailyJob("telemetry_thinning", thin_old, *_THIN_AT),
        )
    )


def _check_argv(config: Config) -> list[str]:
    data_dir = config.gateway.data_dir
    files = TrustFiles(data_dir)
    enrolment = files.read_enrolment()
    log_key = files.read_log_key(enrolment.origin).verifier()
    return integrity.arguments(data_dir / "journal.db", data_dir / "checkpoint", log_key, enrolment.mirror)


def _tell(found: Integrity, post: Callable[[Noticed], None]) -> None:
    figures = (("size", found.size), ("signed", found.signed), ("cosigned", found.cosigned))
    if found.finding is None:
        post(Noticed("integrity.checked", "journal", "as written", (), figures))
        return
    _log.error("journal_altered", entry=found.entry, finding=found.finding)
    at = () if found.entry is None else (("entry", found.entry),)
    post(Noticed("integrity.failed", "journal", found.finding[:200], (), (*figures, *at)))


def _thinned(count: int, before_ms: int, post: Callable[[Noticed], None]) -> None:
    if count:
        figures = (("count", count), ("before_ms", before_ms))
        post(Noticed("telemetry.thinned", "telemetry", "sealed batches are kept", (), figures))
