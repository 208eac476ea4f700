"""Holes in a device's series of readings: where nothing is stored for longer than two polls, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge.ports.stores import GapWhy, Lost

POLL_MS_MAX = 60_000
"""The longest poll that a configuration may have: by it a device is judged that it no longer names."""


@dataclass(frozen=True, slots=True)
class Point:
    """One stored block: when it was taken, None where that is not known, of which boot, and its row's number."""

    number: int
    taken_at_ms: int | None
    wall_ms: int | None
    boot_id: str | None

    def ms_until(self, after: "Point") -> int | None:
        """Milliseconds to a later block. None: two boots, and not both times in UTC are known, or they contradict."""
        same_boot = self.boot_id is not None and self.boot_id == after.boot_id
        if same_boot and self.taken_at_ms is not None and after.taken_at_ms is not None:
            return after.taken_at_ms - self.taken_at_ms
        if self.wall_ms is None or after.wall_ms is None or after.wall_ms < self.wall_ms:
            return None
        return after.wall_ms - self.wall_ms


@dataclass(frozen=True, slots=True)
class Hole:
    """Nothing is stored between these two. ``missing`` readings, None: nobody can tell how many."""

    before: Point
    after: Point
    missing: int | None
    why: GapWhy


def holes(points: Sequence[Point], poll_ms: int, run_from: int, lost: Sequence[Lost]) -> list[Hole]:
    """The holes between neighbours that are longer than two polls, and those where readings are known to be lost.

    ``run_from`` is the number of the first row of this run: a hole that ends there is the restart's.
    """
    found = []
    for before, after in pairwise(points):
        long_ms = before.ms_until(after)
        dropped = [each for each in lost if _between(before, each, after)]
        if dropped:
            found.append(Hole(before, after, sum(each.count for each in dropped), dropped[0].why))
        elif long_ms is None or long_ms > 2 * poll_ms:
            why = GapWhy.RESTART if before.number < run_from <= after.number else GapWhy.NOT_POLLED
            missing = None if long_ms is None else max(1, (long_ms + poll_ms // 2) // poll_ms - 1)
            found.append(Hole(before, after, missing, why))
    return found


def _between(before: Point, lost: Lost, after: Point) -> bool:
    """Whether they were lost between these two; what is lost is always of this boot."""
    if after.taken_at_ms is None or not lost.last_ms <= after.taken_at_ms:
        return False
    return before.boot_id != after.boot_id or before.taken_at_ms is None or lost.first_ms >= before.taken_at_ms


def figures(found: Sequence[Hole]) -> tuple[tuple[str, int], ...]:
    """Holes of one reason as an entry tells them: from where to where, how many, how many readings are missing.

    Times are UTC ms; where that is unknown, CLOCK_BOOTTIME ms; ``count`` is left out where nobody can tell.
    """
    first, last = found[0].before, found[-1].after
    missing = [hole.missing for hole in found if hole.missing is not None]
    named = {
        "first_ms": first.wall_ms,
        "first_boottime_ms": first.taken_at_ms if first.wall_ms is None else None,
        "last_ms": last.wall_ms,
        "last_boottime_ms": last.taken_at_ms if last.wall_ms is None else None,
        "holes": len(found),
        "count": sum(missing) if len(missing) == len(found) else None,
    }
    return tuple((name, value) for name, value in named.items() if value is not None)


def by_why(found: Sequence[Hole]) -> Mapping[GapWhy, list[Hole]]:
    """The holes of each reason, in order."""
    sorted_out: dict[GapWhy, list[Hole]] = {}
    for hole in found:
        sorted_out.setdefault(hole.why, []).append(hole)
    return sorted_out
