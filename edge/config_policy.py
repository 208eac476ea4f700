"""Reads the table of ages and times, ``[policy]``."""

from edge.config_table import Table
from edge.config_values import Policy

_DAY_MS = 86_400_000


def read_policy(table: Table, simulate: bool) -> Policy:
    """The table ``[policy]``. Laxer than the rules, or asking for less, only on a simulated site."""

    def ruled(key: str, bounds_ms: tuple[int, int], simulated_ms: tuple[int, int], default_ms: int) -> int:
        lowest, highest = simulated_ms if simulate else bounds_ms
        why = "" if simulate else "laxer only with simulate = true in [gateway]"
        return table.getmilliseconds(key, minimum_ms=lowest, maximum_ms=highest, default_ms=default_ms, why=why)

    def checked(key: str, highest: int, unit: str, unit_ms: int) -> int:
        # A simulated instrument needs no bump test unless somebody wants to see one asked for.
        default = 0 if simulate else highest
        return unit_ms * table.getint(key, minimum=0 if simulate else 1, maximum=highest, unit=unit, default=default)

    return Policy(
        guardian_ms=milliseconds(table, "guardian_s", 10_000, 28_800_000, 1_800_000),
        settle_ms=ruled("settle_s", (60_000, 3_600_000), (0, 3_600_000), 60_000),
        stale_ms=ruled("stale_s", (1_000, 30_000), (1_000, 300_000), 30_000),
        gust_window_ms=ruled("gust_window_s", (600_000, 3_600_000), (1_000, 3_600_000), 600_000),
        siren_ms=milliseconds(table, "siren_s", 1_000, 3_600_000, 30_000),
        # Rigs tap one bad badge after the other: a simulated reader rests only if somebody wants to see it.
        reader_rest_ms=ruled("reader_rest_s", (60_000, 3_600_000), (0, 3_600_000), 0 if simulate else 60_000),
        # The highest allowed are the defaults: a gateway never loosens what HQ's policy gives.
        offline_normal_ms=milliseconds(table, "offline_normal_s", 1_000, 86_400_000, 86_400_000),
        offline_ex_ms=milliseconds(table, "offline_ex_s", 1_000, 43_200_000, 43_200_000),
        offline_begun_ms=milliseconds(table, "offline_begun_s", 1_000, 259_200_000, 259_200_000),
        fresh_ms=milliseconds(table, "fresh_s", 1_000, 900_000, 900_000),
        seal_ms=milliseconds(table, "seal_s", 10_000, 300_000, 60_000),
        rows_kept_days=table.getint("rows_kept_d", minimum=1, maximum=366, unit="days", default=30),
        # AQ 3064.2-2025 4.2 [V]: a permit is kept a year at least, so what it rests on too [D]; some have 366 days.
        readings_kept_days=table.getint("readings_kept_d", minimum=366, maximum=3660, unit="days", default=400),
        bump_ms=checked("bump_h", 24, "hours", 3_600_000),
        calibration_ms=checked("calibration_d", 180, "days", _DAY_MS),
        verification_ms=checked("verification_d", 365, "days", _DAY_MS),
        longest_time=_demanded(table, "longest_time", simulate),
        permit_facts=_demanded(table, "permit_facts", simulate),
    )


def _demanded(table: Table, key: str, simulate: bool) -> bool:
    """What a simulated site asks for only if it is written, and every other site always."""
    asked = table.getbool(key, default=not simulate)
    if not asked and not simulate:
        table.refuse(key, "must be true; false only with simulate = true in [gateway]")
    return asked


def milliseconds(table: Table, key: str, minimum_ms: int, maximum_ms: int, default_ms: int) -> int:
    """Seconds as whole milliseconds, with bounds and a default."""
    return table.getmilliseconds(key, minimum_ms=minimum_ms, maximum_ms=maximum_ms, default_ms=default_ms)
