"""Holds: freezes, which only HQ's signed release naming them lifts, and trips, which are lifted on site.

Freezes are an observed-remove set: merging in any order, any number of times, gives the same, and a release that does
not name a freeze does not lift it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain


@dataclass(frozen=True, slots=True)
class Freeze:
    """One freeze. ``scope`` is ``permit:ID``, ``worker:ID``, ``area:ID`` or ``site:ID``."""

    freeze: str
    scope: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Freezes:
    """All freezes seen and all releases seen. Frozen is what was frozen and not released by name.

    ``by_scope`` holds those that stand, by scope and id: whoever gives one id to freezes of two scopes freezes both.
    """

    by_scope: Mapping[str, Mapping[str, Freeze]] = field(default_factory=dict)
    released: frozenset[str] = frozenset()

    def merge(self, freezes: Iterable[Freeze], releases: Iterable[str]) -> "Freezes":
        """The union with more freezes and releases; a release counts also when it comes before its freeze.

        Of two that differ in words only, the smaller words: any fixed choice, whatever came first.
        """
        released = self.released | frozenset(releases)
        by_scope: dict[str, dict[str, Freeze]] = {}
        for each in chain(self.standing(), freezes):
            if each.freeze not in released:
                held = by_scope.setdefault(each.scope, {})
                held[each.freeze] = min(each, held.get(each.freeze, each), key=_words)
        return Freezes(by_scope, released)

    def standing(self) -> Iterator[Freeze]:
        """Those that no release has named."""
        return chain.from_iterable(held.values() for held in self.by_scope.values())

    def of(self, scope: str) -> tuple[Freeze, ...]:
        """Those that stand and stop that scope."""
        return tuple(self.by_scope.get(scope, {}).values())

    def holds(self, scope: str) -> bool:
        """Whether that scope is frozen."""
        return scope in self.by_scope

    def knows(self, freeze: Freeze) -> bool:
        """Whether that freeze stands here or is released, whatever its words."""
        return freeze.freeze in self.released or freeze.freeze in self.by_scope.get(freeze.scope, {})


def _words(freeze: Freeze) -> tuple[str, str]:
    return freeze.by, freeze.why


@dataclass(frozen=True, slots=True)
class Trip:
    """An interlock of a running permit failed. ``retest``: the entry of a passing re-test since, None: none yet."""

    permit: str
    entry: int
    reason: str
    interlock: str
    retest: int | None
