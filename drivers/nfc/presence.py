"""A card held to the reader is one tap: pure, with time as an argument."""

from dataclasses import dataclass

from drivers.nfc.frontend import BadgeRead
from edge.ports.devices import MonotonicMs

GONE_MS, GONE_LOOKS = 300, 2
"""A field found empty that often, and for that long, means that the card was taken away; less is a weak field, or a tag
that missed one request.
"""

_NEVER = MonotonicMs(0)


@dataclass(frozen=True, slots=True)
class Presence:
    """Which card lies on the reader, by UID and content, and when it was last seen.

    The content counts as well: a tag that shows another message under the same UID is another tap. ``empty`` once the
    field was found so, not before; ``missed`` counts the looks in vain. A poll that failed tells nothing: no ``after``.
    """

    held: BadgeRead | None = None
    seen_at: MonotonicMs = _NEVER
    empty: bool = False
    missed: int = 0

    def after(self, read: BadgeRead | None, now: MonotonicMs) -> tuple["Presence", bool]:
        """The state after one poll, and whether what was read is a new tap.

        A held card that once cannot be read stays the card it was; a card that could not be read at first and then
        can is a new tap.
        """
        if read is None:
            missed = min(self.missed + 1, GONE_LOOKS)
            gone = self.held is None or (missed == GONE_LOOKS and now - self.seen_at >= GONE_MS)
            return Presence(None if gone else self.held, self.seen_at, gone, missed), False
        if self.held is not None and same_card(self.held, read):
            return Presence(self.held, now), False
        return Presence(read, now), True


def same_card(held: BadgeRead, read: BadgeRead) -> bool:
    """Whether what was read may be the card that lay there: same UID, and same content or not readable now."""
    return held.uid == read.uid and (read.refusal is not None or (held.ndef, held.refusal) == (read.ndef, None))
