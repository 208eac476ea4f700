"""The instrument register: whether what an instrument shows may count, by the checks that people did on it.

The ages allowed are the site's (``[policy]`` of the configuration), never above 24 h for a bump test (before each
day's use, ISEA statement [V2]), 180 days for a calibration (makers' manuals, commonly half a year [V2]) and 365 days
for the metrological verification (JJG 693, 695, 915 [V2]; JJG 365 [U]). That all three are demanded is [D].
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from edge.core.clock import ClockInterval
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
class CheckAge:
    """How old a demanded check of an instrument may be, and is at most; None: never done, or the time is unknown."""

    device: str
    check: Check
    age_ms: int | None
    allowed_ms: int


def ages(device: str, demanded: Demanded, register: Register, clock: ClockInterval) -> tuple[CheckAge, ...]:
    """The age of each check that is demanded of an instrument, by the latest that it can be now."""
    held = register.get(device, {})

    def age_ms(check: Check) -> int | None:
        done = held.get(check.value)
        return None if done is None or clock.hi_ms is None else clock.hi_ms - done.done_ms

    return tuple(CheckAge(device, check, age_ms(check), allowed_ms) for check, allowed_ms in demanded)


def overdue(checks: Iterable[CheckAge]) -> Iterator[tuple[Reason, str]]:
    """(reason, device) of each check that is too old or missing. At its greatest age to the millisecond it counts."""
    for each in checks:
        if each.age_ms is None or each.age_ms > each.allowed_ms:
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
