"""What HQ says of the work on a permit itself, beyond who, where and when. None: it does not say, which is no "no"."""

from dataclasses import asdict, dataclass, field
from typing import Any

from edge.core.codec import LATER


@dataclass(frozen=True, slots=True)
class Said:
    """``height_cm``: how high above the level of a fall, rounded up. ``factors``: the hazards of work at height.

    ``blinds`` and ``operations`` (``insert``, ``remove``): what is done on a ``pipe``. ``confirmed``: what
    HQ vouches for. ``east_cm``, ``north_cm``: where, on the site's own grid.
    ``activities``: what it does to work near it.
    """

    height_cm: int | None = field(default=None, metadata=LATER)
    factors: tuple[str, ...] | None = field(default=None, metadata=LATER)
    blinds: tuple[str, ...] | None = field(default=None, metadata=LATER)
    operations: tuple[str, ...] | None = field(default=None, metadata=LATER)
    pipe: str | None = field(default=None, metadata=LATER)
    confirmed: tuple[str, ...] | None = field(default=None, metadata=LATER)
    east_cm: int | None = field(default=None, metadata=LATER)
    north_cm: int | None = field(default=None, metadata=LATER)
    activities: tuple[str, ...] | None = field(default=None, metadata=LATER)

    @property
    def placed(self) -> bool:
        """Whether it says where the work is."""
        return self.east_cm is not None and self.north_cm is not None


NOTHING_SAID = Said()


def spoken(said: Said) -> dict[str, Any]:
    """What is said, by the names of the record's fields; what is not said is left out."""
    named = asdict(said).items()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in named if value is not None}
