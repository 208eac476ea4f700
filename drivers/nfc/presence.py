"""A card held to the reader is one tap: pure, with time as an argument."""

from dataclasses import dataclass

from drivers.nfc.frontend import BadgeRead
from edge.ports.devices import MonotonicMs

GONE_MS = 300
"""An empty field for that long means that the card was taken away; a shorter gap is a weak field."""

FORGET_MS = 3_000
"""Without any word of the reader for that long, a card is taken for gone."""

_NEVER = MonotonicMs(0)


@dataclass(frozen=True, slots=True)
class Presence:
    """Which card lies on the reader, by UID and content, and when it was last seen.

    The content counts as well: a tag that shows another message under the same UID is another tap.
    """

    held: BadgeRead | None = None
    seen_at: MonotonicMs = _NEVER

    def after(self, read: BadgeRead | None, now: MonotonicMs) -> tuple["Presence", bool]:
        """The state after one poll, and whether what was read is a new tap.

        A held card that once cannot be read stays the card it was; a card that could not be read at first and then
        can is a new tap.
        """
        held = self.held if now - self.seen_at < FORGET_MS else None
        if read is None:
            return Presence(held if now - self.seen_at < GONE_MS else None, self.seen_at), False
        if held is not None and held.uid == read.uid and (read.refusal is not None or held == _like(read, held)):
            return Presence(held, now), False
        return Presence(read, now), True


def _like(read: BadgeRead, held: BadgeRead) -> BadgeRead:
    return BadgeRead(read.uid, read.ndef, read.refusal, held.read_ms)
