"""What the daemon does once a day: re-hash its journal, thin old readings, give up files past their time, and put the
sealed files of each hour together."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from edge.app import integrity
from edge.app.trust import TrustFiles
from edge.config_values import Config
from edge.core.messages import Noticed
from edge.core.readings import UtcMs
from edge.runtime.housekeeping import DailyJob, Housekeeping, Integrity, IntegrityCheck

_log = structlog.get_logger("housekeeping")

_DAY_MS = 86_400_000
_CHECK_AT = (18, 30)
_THIN_AT = (19, 30)
_EXPIRE_AT = (20, 0)
_BUNDLE_AT = (20, 30)
"""Hours and minutes in UTC: 02:30, 03:30, 04:00 and 04:30 in China, when the fewest doors move."""

_BUNDLED_AFTER_MS = 3_600_000
"""An hour's files are put together when it ended so long ago: by then its last readings are sealed and told."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What is done to stored readings: ``thin``, ``expire`` and ``bundle`` of ``TelemetryThread``.

    ``lowest_utc_ms`` is the lower bound of the time: an unknown clock makes readings look younger, never older.
    ``acked``: HQ holds every entry below it.
    """

    thin: Callable[[int], None]
    expire: Callable[[int, Callable[[], int]], None]
    bundle: Callable[[int], None]
    lowest_utc_ms: Callable[[], UtcMs]
    acked: Callable[[], int]


def build_housekeeping(config: Config, readings: Readings, post: Callable[[Noticed], None]) -> Housekeeping:
    """The daily jobs of this gateway. What they find goes to the journal through ``post``; any thread may call it."""
    check = IntegrityCheck(_check_argv(config), lambda found: _tell(found, post))
    policy = config.policy

    def thin_old() -> None:
        readings.thin(readings.lowest_utc_ms() - policy.rows_kept_days * _DAY_MS)

    def expire_old() -> None:
        readings.expire(readings.lowest_utc_ms() - policy.readings_kept_days * _DAY_MS, readings.acked)

    def bundle_files() -> None:
        readings.bundle(readings.lowest_utc_ms() - _BUNDLED_AFTER_MS)

    return Housekeeping(
        (
            DailyJob("journal_check", check.run, *_CHECK_AT, stop=check.stop),
            DailyJob("telemetry_thinning", thin_old, *_THIN_AT),
            DailyJob("telemetry_expiry", expire_old, *_EXPIRE_AT),
            DailyJob("telemetry_bundling", bundle_files, *_BUNDLE_AT),
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
