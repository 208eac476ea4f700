"""Holds: freezes, which only HQ's signed release naming them lifts, and trips, which are lifted on site.

Freezes are an observed-remove set: merging in any order, any number of times, gives the same, and a release that does
not name a freeze does not lift it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Freeze:
    """One freeze. ``scope`` is ``permit:ID``, ``worker:ID``, ``area:ID`` or ``site:ID``."""

    freeze: str
    scope: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Freezes:
    """All freezes seen and all releases seen. Frozen is what was frozen and not released by name."""

    standing: Mapping[str, Freeze] = field(default_factory=dict)
    released: frozenset[str] = frozenset()

    def merge(self, freezes: Iterable[Freeze], releases: Iterable[str]) -> "Freezes":
        """The union with more freezes and releases; a release counts also when it comes before its freeze."""
        released = self.released | frozenset(releases)
        found = {**self.standing, **{each.freeze: each for each in freezes}}
        return Freezes({name: each for name, each in found.items() if name not in released}, released)

    def holds(self, scope: str) -> bool:
        """Whether that scope is frozen."""
        return any(each.scope == scope for each in self.standing.values())


@dataclass(frozen=True, slots=True)
class Trip:
    """An interlock of a running permit failed. ``retest``: the entry of a passing re-test since, None: none yet."""

    permit: str
    entry: int
    reason: str
    interlock: str
    retest: int | None
