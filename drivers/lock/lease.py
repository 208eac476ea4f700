"""Leases on a door and on standing outputs: pure values, time as an argument.

An open lock is a lease: it ends by itself unless somebody who may ask for it asks again. Entry and exit are two
leases, so that no order to lock can ever end the way out.
"""

from dataclasses import dataclass, replace

from edge.ports.devices import MonotonicMs

LEASE_MS_MAX = 60_000
"""No lease is longer, whatever was asked: four times the longest extended release of access control practice (15 s)."""

EXIT_MS_MIN = 1_000
"""A release of the exit that came late still holds this long: egress is never refused."""

STANDING_LAPSE_MS = 3_000
"""A standing output that was not renewed for this long goes to its configured state; it is renewed each 1 s."""


@dataclass(frozen=True, slots=True)
class DoorLease:
    """What holds one door unlocked: at most one end for entry and one for exit, both on the monotonic clock."""

    entry: int | None = None
    entry_until: MonotonicMs | None = None
    exit_until: MonotonicMs | None = None

    def unlock(self, entry: int, until: MonotonicMs, now: MonotonicMs) -> "DoorLease | None":
        """Hold for entry until then; of two overlapping leases the later end wins. None: it is over already."""
        if until <= now:
            return None
        end = _earlier(until, MonotonicMs(now + LEASE_MS_MAX))
        if self.entry_until is not None and self.entry_until >= end:
            return self
        return replace(self, entry=entry, entry_until=end)

    def release_exit(self, until: MonotonicMs, now: MonotonicMs) -> "DoorLease":
        """Hold for exit until then, for 1 s at the least and 60 s at the most. Never refused."""
        end = _later(_earlier(until, MonotonicMs(now + LEASE_MS_MAX)), MonotonicMs(now + EXIT_MS_MIN))
        return replace(self, exit_until=end if self.exit_until is None else _later(end, self.exit_until))

    def lock(self) -> "DoorLease":
        """End every lease for entry; one for exit stays."""
        return replace(self, entry=None, entry_until=None)

    def at(self, now: MonotonicMs) -> "DoorLease":
        """The same without what has ended. The end itself is locked: a lease until T does not hold at T."""
        kept = self
        if kept.entry_until is not None and kept.entry_until <= now:
            kept = kept.lock()
        if kept.exit_until is not None and kept.exit_until <= now:
            kept = replace(kept, exit_until=None)
        return kept

    def released(self, now: MonotonicMs) -> bool:
        """Whether the lock is to be open now."""
        return any(end is not None and now < end for end in (self.entry_until, self.exit_until))

    def due(self) -> MonotonicMs | None:
        """When the next lease ends, or None."""
        return min((end for end in (self.entry_until, self.exit_until) if end is not None), default=None)


@dataclass(frozen=True, slots=True)
class StandingLease:
    """Renewal of everything that stands: counted from when the daemon said so, not from when we read it."""

    renewed_at: MonotonicMs
    lapse_ms: int = STANDING_LAPSE_MS

    def renew(self, at: MonotonicMs, now: MonotonicMs) -> "StandingLease":
        """The daemon vouched at ``at``; an older word, or one from the future, gains nothing."""
        return replace(self, renewed_at=_later(self.renewed_at, _earlier(at, now)))

    def lapsed(self, now: MonotonicMs) -> bool:
        """Whether the standing outputs must be in their configured state."""
        return now >= self.due()

    def due(self) -> MonotonicMs:
        """When it lapses without a renewal."""
        return MonotonicMs(self.renewed_at + self.lapse_ms)


def _earlier(one: MonotonicMs, other: MonotonicMs) -> MonotonicMs:
    return one if one <= other else other


def _later(one: MonotonicMs, other: MonotonicMs) -> MonotonicMs:
    return one if one >= other else other
