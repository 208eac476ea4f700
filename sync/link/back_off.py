"""How long to leave HQ alone after a failure: 1 s, doubling to 120 s, with jitter so that gateways do not march."""

from collections.abc import Callable
from dataclasses import dataclass

FIRST_S = 1.0
MOST_S = 120.0


@dataclass(frozen=True, slots=True)
class LinkBackOff:
    """``failures`` in a row so far."""

    failures: int = 0

    def failed(self) -> "LinkBackOff":
        """After one more failure."""
        return LinkBackOff(self.failures + 1)

    def wait_s(self, chance: Callable[[], float]) -> float:
        """Seconds to wait; ``chance`` gives a number in [0, 1). Between half and all of the doubled time, 0 if well."""
        if self.failures == 0:
            return 0.0
        most = min(FIRST_S * 2.0 ** min(self.failures - 1, 16), MOST_S)
        return max(FIRST_S, most * (0.5 + chance() / 2))


class Way:
    """One of the ways of the link: when it is due, how long it rests after a failure, what was said of it already.

    ``cut``: HQ could not be reached on it when it was tried last.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._back_off = LinkBackOff()
        self._told: set[str] = set()
        self.due_ms = 0
        self.cut = False

    def worked(self, due_ms: int) -> None:
        """It worked; again at ``due_ms``. A refusal that comes after this is news again."""
        self._back_off = LinkBackOff()
        self._told.clear()
        self.due_ms = due_ms

    def failed(self, now_ms: int) -> None:
        """It did not work; again after a growing while."""
        self._back_off = self._back_off.failed()
        self.due_ms = now_ms + int(self._back_off.wait_s(self._chance) * 1000)

    @property
    def resting(self) -> bool:
        """Whether it failed last and has not worked since."""
        return self._back_off.failures > 0

    def poke(self) -> None:
        """Somebody asks for it now."""
        self.due_ms = 0

    def is_news(self, what: str) -> bool:
        """Whether this refusal was not told since the way last worked."""
        news = what not in self._told
        self._told.add(what)
        return news
