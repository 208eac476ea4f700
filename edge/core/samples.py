"""Gas samples at the points of a permit, before its work begins.

GB 30871-2022 5.3.1, 6.3; GB 46768-2025 5.8.6, 5.9.1.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class PointAge:
    """How old the sample at a point is at most, and may be.

    ``age_ms`` None: no passing one, or nobody knows how old; ``allowed_ms`` None: the standard sets no time.
    """

    point: str
    age_ms: int | None
    allowed_ms: int | None


def unsampled(points: Iterable[PointAge]) -> Iterator[tuple[Reason, str]]:
    """(reason, point) of each point whose sample is missing or too old. At its greatest age it still counts."""
    for each in points:
        if each.age_ms is None:
            yield Reason.ANALYSIS_MISSING, each.point
        elif each.allowed_ms is not None and each.age_ms > each.allowed_ms:
            yield Reason.ANALYSIS_TOO_OLD, each.point
