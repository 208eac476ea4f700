"""Overrides: a detector or another protection of the plant is out of action, by a named owner, until a time (row N14).

While one of a device of ours lives, the device's readings count as inhibited, whatever they are: what it never allowed,
its end does not allow either. One of another protection is known to us by a person's word alone; the work that it was
made for goes on under it, as that is what it is made for, and nobody more goes in once its time is over. Either lives
until a named person lifts it: nobody else knows that the protection is back.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from edge.core.clock import Now
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.core.reasons import Reason

LIVE_MOST = 64
"""Overrides that may live at one gateway at once [D]: far above any shift's, and a bound for the durable state."""

PERMITS_MOST = 8
"""Permits that one override may be made for [D]: each of them gets entries of its own."""

LONGEST_MS = 12 * 3_600_000
"""How far ahead the end of an override may lie [D]: a shift. Work that goes on longer needs its owner's word anew."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Override:
    """One that nobody has lifted. Either ``device`` or ``protection`` is given; ``override`` is its entry's number.

    ``until_ms`` is its end, UTC, exclusive; ``lasts_ms`` how long that was from when it was made, on the boot
    ``boot_id`` at ``boottime_ms``, by the latest that it can have been then. ``expired``: its end was told.
    """

    override: str
    device: str | None
    protection: str | None
    permits: tuple[str, ...]
    owner: str
    why: str
    until_ms: int
    lasts_ms: int
    boot_id: str
    boottime_ms: MonotonicMs
    expired: bool

    @property
    def subject(self) -> str:
        """What is out of action, by its id or in the owner's words."""
        return self.device or self.protection or ""


Overrides: TypeAlias = Mapping[str, Override]
"""Those that live, by ``Override.override``."""


@dataclass(frozen=True, slots=True)
class Bearing:
    """An override that bears on one permit in one area.

    ``relied``: a reading that the permit demands there comes from the device; ``made_for``: the owner named the permit;
    ``over``: its time is over, or may be.
    """

    override: str
    subject: str
    owner: str
    until_ms: int
    relied: bool
    made_for: bool
    over: bool


def time_left_ms(override: Override, now: Now) -> int:
    """How long it lasts at most from now, in ms; 0 or less: its time is over.

    Whichever is over first counts: its end by the latest that it can be now, or the time that it was given, counted on
    CLOCK_BOOTTIME, so that a clock that is set back prolongs nothing. After a restart of the machine at least the time
    since then has passed.
    """
    same_boot = override.boot_id == now.boot_id
    elapsed_ms = now.boottime_ms - override.boottime_ms if same_boot else now.boottime_ms
    left_ms = override.lasts_ms - elapsed_ms
    hi_ms = now.clock.hi_ms
    return left_ms if hi_ms is None else min(left_ms, override.until_ms - hi_ms)


def over(override: Override, now: Now) -> bool:
    """Whether it allows nothing more. A gateway that does not know the time does not know that it still does."""
    return override.expired or now.clock.hi_ms is None or time_left_ms(override, now) <= 0


def made_for(overrides: Overrides, permit: str) -> tuple[str, ...]:
    """Those made for a permit, in the order in which they were made."""
    return tuple(name for name, each in overrides.items() if permit in each.permits)


def bearing(overrides: Overrides, permit: str, devices: Container[str], now: Now) -> tuple[Bearing, ...]:
    """Those that bear on a permit that relies on these devices."""
    found = []
    for each in overrides.values():
        relied, named = each.device in devices, permit in each.permits
        if relied or named:
            is_over = over(each, now)
            found.append(Bearing(each.override, each.subject, each.owner, each.until_ms, relied, named, is_over))
    return tuple(found)


def failing(overrides: tuple[Bearing, ...]) -> Iterator[tuple[Reason, str]]:
    """(reason, which one) of each that keeps people out."""
    for each in overrides:
        named = f"{each.override} {each.subject}, {each.owner}, {_utc(each.until_ms)}"
        if each.relied:
            yield Reason.OVERRIDE_LIVE, named
        if each.made_for and each.over:
            yield Reason.OVERRIDE_EXPIRED, named


def _utc(time_ms: int) -> str:
    try:
        return f"{_EPOCH + timedelta(milliseconds=time_ms):%Y-%m-%dT%H:%M:%SZ}"
    except OverflowError:
        return f"{time_ms} ms"


def as_counted(overrides: Overrides, block: BlockRead) -> BlockRead:
    """The block as it counts: of a device that is overridden no channel is data."""
    if not any(each.device == block.device for each in overrides.values()):
        return block
    count = len(block.channels)
    return block._replace(steps=(None,) * count, qualities=(Quality.INHIBITED,) * count)


def with_expired(overrides: Overrides, name: str) -> Overrides:
    """The same, with the end of one told."""
    held = overrides.get(name)
    return overrides if held is None else {**overrides, name: replace(held, expired=True)}
