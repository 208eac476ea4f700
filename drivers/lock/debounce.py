"""Contacts that bounce, and locks that do not follow: pure values, time as an argument.

Ours and not the pin library's, because its bounce time cannot be tested without metal.
"""

from dataclasses import dataclass, replace

from edge.ports.devices import MonotonicMs

SETTLE_MS = 30
"""A contact counts as moved when it stayed moved this long. Ours; relay and reed contacts bounce for 1-10 ms."""

READ_BACK_MS = 1_000
"""A bolt has this long to follow the lock's command. Ours; strikes and motor bolts take 50-800 ms."""


@dataclass(frozen=True, slots=True)
class Debounce:
    """One input. ``stable`` is the level that counts; ``moved_at`` is since when the raw level differs from it."""

    stable: bool
    moved_at: MonotonicMs | None = None
    settle_ms: int = SETTLE_MS

    def sample(self, raw: bool, now: MonotonicMs) -> "Debounce":
        """The input was seen at this raw level now."""
        if raw == self.stable:
            return self if self.moved_at is None else replace(self, moved_at=None)
        since = now if self.moved_at is None else self.moved_at
        if now - since >= self.settle_ms:
            return replace(self, stable=raw, moved_at=None)
        return self if self.moved_at is not None else replace(self, moved_at=since)

    def unwatched(self, raw: bool, now: MonotonicMs) -> bool:
        """Whether it was seen moved, is back now, and nobody looked in the time in which it would have counted."""
        return raw == self.stable and self.moved_at is not None and now - self.moved_at >= self.settle_ms

    def due(self) -> MonotonicMs | None:
        """When to sample again although no edge came, or None."""
        return None if self.moved_at is None else MonotonicMs(self.moved_at + self.settle_ms)


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Command against bolt. ``faulty`` once they differed for longer than allowed, until they agree again."""

    differs_since: MonotonicMs | None = None
    faulty: bool = False
    allowed_ms: int = READ_BACK_MS

    def check(self, agree: bool, now: MonotonicMs) -> "ReadBack":
        """Command and bolt agree, or not, now."""
        if agree:
            return replace(self, differs_since=None, faulty=False)
        since = now if self.differs_since is None else self.differs_since
        return replace(self, differs_since=since, faulty=self.faulty or now - since > self.allowed_ms)

    def commanded(self) -> "ReadBack":
        """The command has just changed: the bolt has its time anew, a standing fault stays."""
        return replace(self, differs_since=None)

    def due(self) -> MonotonicMs | None:
        """When a difference becomes a fault, or None."""
        if self.differs_since is None or self.faulty:
            return None
        return MonotonicMs(self.differs_since + self.allowed_ms + 1)
