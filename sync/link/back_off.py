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
