"""The instrument register: whether what an instrument shows may count, by the checks that people did on it.

The ages allowed are the site's (``[policy]`` of the configuration), never above 24 h for a bump test (before each
day's use, ISEA statement [V2]), 180 days for a calibration (makers' manuals, commonly half a year [V2]) and 365 days
for the metrological verification (JJG 693, 695, 915 [V2]; JJG 365 [U]). That all three are demanded is [D].
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from edge.core.clock import Now
from edge.core.codec import LATER
from edge.core.readings import MonotonicMs
from edge.core.reasons import Reason


class Check(Enum):
    """What a person does to an instrument so that it may be believed."""

    BUMP = "bump"
    CALIBRATION = "calibration"
    VERIFICATION = "verification"


OVERDUE: Mapping[Check, Reason] = {
    Check.BUMP: Reason.BUMP_OVERDUE,
    Check.CALIBRATION: Reason.CALIBRATION_OVERDUE,
    Check.VERIFICATION: Reason.VERIFICATION_OVERDUE,
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A check that an instrument passed: when it was done (UTC ms), by whom, and the entry that says so."""

    done_ms: int
    by: str
    entry: int


Register: TypeAlias = Mapping[str, Mapping[str, Checked]]
"""By device, and then by ``Check.value``, the last passed check. What is not in it was never done, or failed since."""

Demanded: TypeAlias = tuple[tuple[Check, int], ...]
"""The checks that a site demands of an instrument, each with the greatest age in milliseconds."""


@dataclass(frozen=True, slots=True)
class CalibrationWord:
    """What an instrument itself says of its calibration, by the entry that recorded it.

    Either ``left_ms``, how long it held from then on, the boot ``boot_id`` at ``boottime_ms``; or ``done_ms``, the
    earliest UTC at which the day of the last one began. ``lowest_ms``: the earliest UTC of the entry, 0: unknown.
    """

    left_ms: int | None
    done_ms: int | None
    entry: int
    boot_id: str
    boottime_ms: MonotonicMs
    lowest_ms: int


_DAY_MS = 86_400_000
_AHEAD_MOST_MS = _DAY_MS
"""How far in the future the day of a last calibration may seem to be [D]: beyond it its calendar cannot be believed."""


def left_now_ms(said: CalibrationWord, now: Now) -> int | None:
    """How long the calibration still holds at least, by what the instrument said; None: it did not say, or unknown."""
    if said.left_ms is None:
        return None
    if said.boot_id == now.boot_id:
        return said.left_ms - (now.boottime_ms - said.boottime_ms)
    hi_ms = now.clock.hi_ms
    return None if hi_ms is None or not said.lowest_ms else said.left_ms - (hi_ms - said.lowest_ms)


def says_due(said: CalibrationWord | None, allowed_ms: int, now: Now) -> bool:
    """Whether by the instrument's own word its calibration is due, or may be. One that said nothing says no such thing.

    ``allowed_ms``: the greatest age of a calibration at the site, for instruments that say when the last one was.
    """
    if said is None:
        return False
    if said.done_ms is None:
        left_ms = left_now_ms(said, now)
        return left_ms is None or left_ms <= 0
    hi_ms = now.clock.hi_ms
    return hi_ms is None or not -_AHEAD_MOST_MS <= hi_ms - said.done_ms <= allowed_ms


@dataclass(frozen=True, slots=True)
class CheckAge:
    """How old a demanded check of an instrument may be, and is at most; None: never done, or the time is unknown.

    ``says_due``: whatever is recorded, the instrument itself says that it is due.
    """

    device: str
    check: Check
    age_ms: int | None
    allowed_ms: int
    says_due: bool = field(default=False, metadata=LATER)


def ages(
    device: str, demanded: Demanded, register: Register, said: Mapping[str, CalibrationWord], now: Now
) -> tuple[CheckAge, ...]:
    """The age of each check that is demanded of an instrument, by the latest that it can be now."""
    held, hi_ms = register.get(device, {}), now.clock.hi_ms

    def age(check: Check, allowed_ms: int) -> CheckAge:
        done = held.get(check.value)
        age_ms = None if done is None or hi_ms is None else hi_ms - done.done_ms
        due = check is Check.CALIBRATION and says_due(said.get(device), allowed_ms, now)
        return CheckAge(device, check, age_ms, allowed_ms, due)

    return tuple(age(check, allowed_ms) for check, allowed_ms in demanded)


def overdue(checks: Iterable[CheckAge]) -> Iterator[tuple[Reason, str]]:
    """(reason, device) of each check that is too old or missing. At its greatest age to the millisecond it counts."""
    for each in checks:
        if each.says_due or each.age_ms is None or each.age_ms > each.allowed_ms:
            yield OVERDUE[each.check], each.device


def with_check(register: Register, device: str, check: Check, passed: Checked | None) -> Register:
    """The register after a check; ``passed`` None: it failed.

    An instrument that failed one needs a full calibration and a bump test anew (ISEA statement [V2]).
    """
    held = register.get(device, {})
    if passed is not None:
        return {**register, device: {**held, check.value: passed}}
    void = {Check.BUMP.value, Check.CALIBRATION.value, check.value}
    return {**register, device: {name: each for name, each in held.items() if name not in void}}
