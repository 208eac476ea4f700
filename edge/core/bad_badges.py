"""Bad badges at one reader: which they are, and how many in what time bring its entry side to rest.

A window that slides: a good badge in between takes nothing back, or whoever tries copies had only to tap his own badge
now and then. A card that was not read is no bad badge: rain, a glove and a hurry are no attack.
"""

from dataclasses import dataclass, replace

from edge.core.facts import Facts, TokenRefusal
from edge.core.readings import MonotonicMs

BAD_MOST = 5
"""The bad badge that brings a reader to rest [D]."""

BAD_WITHIN_MS = 60_000
"""From the first of them to the last, this long counted in [D]."""

_BAD = frozenset(TokenRefusal) - {TokenRefusal.UNREADABLE}


@dataclass(frozen=True, slots=True)
class Attack:
    """When bad badges came to a reader of late, at most ``BAD_MOST``, and until when it rests, None: it answers.

    ``refused`` are taps that were not looked at since it rests.
    """

    bad_ms: tuple[MonotonicMs, ...] = ()
    rests_until_ms: MonotonicMs | None = None
    refused: int = 0

    def rests(self, now_ms: MonotonicMs) -> bool:
        """Whether nobody is answered now; the end is exclusive."""
        return self.rests_until_ms is not None and now_ms < self.rests_until_ms

    def after_bad(self, now_ms: MonotonicMs, rest_ms: int) -> "Attack":
        """With one bad badge more: at ``BAD_MOST`` of them within ``BAD_WITHIN_MS`` the rest of that length begins."""
        late = tuple(each for each in self.bad_ms if now_ms - each <= BAD_WITHIN_MS)
        bad_ms = (*late, now_ms)
        until_ms = MonotonicMs(now_ms + rest_ms) if len(bad_ms) >= BAD_MOST else None
        return replace(self, bad_ms=bad_ms, rests_until_ms=until_ms)


def is_bad(facts: Facts) -> bool:
    """Whether a badge is empty, damaged, forged, copied, of another site, or revoked."""
    return facts.token.refusal in _BAD or facts.token_revoked
