"""Who is inside, by passage: what the journal's entries say of people and doors, as values. Part of the durable state.

A worker is *in* an area when they passed after a grant, not when they were granted; *out* when they passed after a tap
on the exit side, or are known to be in another area. Where nobody can tell who passed, nobody is certain any more: they
are *unknown*, which counts as in, until they are seen to go out, or at the area's outer reader. Such a passage is one
by the exit button, in a fire, through a forced or a held door, through a door whose contact is not heard, of two
releases that one opening ended, or while the gateway was down.

Entries of earlier versions do not say the area: they tell nothing here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edge.core.entries import Entry

INSIDE_MOST = 1_024
"""People known to be inside at one gateway at once [D]: far above what 16 doors let in; a bound of the state."""

_RELEASES_MOST = 256


@dataclass(frozen=True, slots=True)
class Inside:
    """A worker in an area: since which entry and when (UTC ms, None: the time was unknown), by which door and permit.

    ``certain`` False: they may have left unseen. ``until_ms`` is when badge or permit ended as known at the door, UTC,
    exclusive; ``overstayed``: that this time is over was told.
    """

    worker: str
    area: str
    door: str
    permit: str
    entry: int
    since_ms: int | None
    certain: bool
    until_ms: int | None
    overstayed: bool = False

    @property
    def state(self) -> str:
        """``in`` or ``unknown``, as lists say it."""
        return "in" if self.certain else "unknown"


@dataclass(frozen=True, slots=True)
class Release:
    """A door released to somebody: for entry by the grant's ``entry``, else to go out. ``worker`` None: by the button.

    ``ended``: nobody was seen to pass; the door may still open in its grace.
    """

    door: str
    area: str
    entry: int | None
    worker: str | None
    permit: str
    until_ms: int | None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class People:
    """``inside`` by worker; ``releases`` that have no end yet, or may still be used."""

    inside: Mapping[str, Inside] = field(default_factory=dict)
    releases: tuple[Release, ...] = ()

    def entering(self) -> tuple[Release, ...]:
        """Releases for entry that nobody has used yet."""
        return tuple(each for each in self.releases if each.entry is not None and not each.ended)


@dataclass(frozen=True, slots=True)
class Headcount:
    """People in an area: surely ``inside``, ``unknown``, ``entering`` now. ``most`` None: as many as come."""

    inside: int
    unknown: int
    entering: int
    most: int | None

    @property
    def total(self) -> int:
        """All that may be in."""
        return self.inside + self.unknown + self.entering

    @property
    def full(self) -> bool:
        """Whether one more is one too many."""
        return self.most is not None and self.total >= self.most


def people_after(people: People, entry: Entry) -> People:
    """Who is inside after one more entry; the very same value where it tells nothing of that."""
    told = _TOLD.get(entry.kind)
    if told is None or (entry.kind != "gateway.started" and entry.body.get("area") is None):
        return people
    return told(people, entry, entry.body)


def _put(people: People, release: Release, entry: Entry, *, certain: bool) -> People:
    """Somebody went in. If too many are known, whoever is least certain, and was there longest, is forgotten."""
    assert release.worker is not None
    known = {worker: each for worker, each in people.inside.items() if worker != release.worker}
    if len(known) >= INSIDE_MOST:
        oldest = min(known.values(), key=lambda each: (each.certain, each.entry))
        known.pop(oldest.worker)
    person = Inside(
        worker=release.worker,
        area=release.area,
        door=release.door,
        permit=release.permit,
        entry=entry.seq,
        since_ms=entry.stamp.wall_ms,
        certain=certain,
        until_ms=release.until_ms,
    )
    return replace(people, inside={**known, release.worker: person})


def _out(people: People, worker: str) -> People:
    if worker not in people.inside:
        return people
    return replace(people, inside={name: each for name, each in people.inside.items() if name != worker})


def _doubt(people: People, doubted: Callable[[Inside], bool]) -> People:
    """Of these people nobody knows any more whether they are in."""
    if not any(each.certain and doubted(each) for each in people.inside.values()):
        return people
    inside = {worker: replace(each, certain=False) if doubted(each) else each for worker, each in people.inside.items()}
    return replace(people, inside=inside)


def _unseen(people: People, release: Release, entry: Entry) -> People:
    """A release ended and nobody can tell whether it was used."""
    if release.entry is not None:
        return _put(people, release, entry, certain=False)
    if release.worker is None:
        return _doubt(people, lambda each: each.area == release.area)
    return _doubt(people, lambda each: each.worker == release.worker)


def _add(people: People, release: Release) -> People:
    """A new release at a door: what ended there before can be used no more."""
    kept = [each for each in people.releases if not (each.ended and each.door == release.door)]
    return replace(people, releases=(*kept, release)[-_RELEASES_MOST:])


def _take(people: People, body: Mapping[str, Any]) -> tuple[People, Release | None]:
    """The release that an end of a passage is about, and everything without it."""
    sought = (body["door"], body["entry"], body["worker"])
    for place, each in enumerate(people.releases):
        if (each.door, each.entry, each.worker) == sought and not each.ended:
            rest = people.releases[:place] + people.releases[place + 1 :]
            return replace(people, releases=rest), each
    return people, None


def _released(people: People, entry: Entry, body: Mapping[str, Any]) -> People:
    permit = entry.permit or ""
    release = Release(body["door"], body["area"], body["entry"], body["worker"], permit, body.get("until_ms"))
    return _add(people, release)


def _leaving(people: People, _: Entry, body: Mapping[str, Any]) -> People:
    return _add(people, Release(body["door"], body["area"], None, body.get("worker"), "", None))


def _taken(people: People, entry: Entry, body: Mapping[str, Any]) -> People:
    people, release = _take(people, body)
    if release is not None and release.entry is not None:
        return _put(people, release, entry, certain=not body["shared"])
    if body["worker"] is not None:
        worker = body["worker"]
        return _doubt(people, lambda each: each.worker == worker) if body["shared"] else _out(people, worker)
    # By the button, or in the grace of a release that ended: then whoever had that one may have gone in.
    late = [each for each in people.releases if each.ended and each.door == body["door"]]
    people = replace(people, releases=tuple(each for each in people.releases if each not in late))
    for each in late:
        people = _put(people, each, entry, certain=False)
    return _doubt(people, lambda each: each.area == body["area"])


def _not_taken(people: People, entry: Entry, body: Mapping[str, Any]) -> People:
    people, release = _take(people, body)
    if release is None:
        return people
    if not body["seen"]:
        return _unseen(people, release, entry)
    again = any((each.door, each.worker) == (release.door, release.worker) for each in people.entering())
    if release.entry is None or again:
        return people
    return replace(people, releases=(*people.releases, replace(release, ended=True)))


def _anybody(people: People, _: Entry, body: Mapping[str, Any]) -> People:
    """A door stood open to everybody."""
    return _doubt(people, lambda each: each.area == body["area"])


def _at_the_reader(people: People, _: Entry, body: Mapping[str, Any]) -> People:
    """Who taps at the outer reader of an area and was doubtful there has left it."""
    held = people.inside.get(body["worker"] or "")
    if held is None or held.certain or held.area != body["area"]:
        return people
    return _out(people, held.worker)


def _started(people: People, entry: Entry, _: Mapping[str, Any]) -> People:
    """Of releases that the run before did not see end nobody knows whether they were used."""
    if not people.releases:
        return people
    left = [each for each in people.releases if not each.ended]
    people = replace(people, releases=())
    for each in left:
        people = _unseen(people, each, entry)
    return people


def _overstayed(people: People, _: Entry, body: Mapping[str, Any]) -> People:
    held = people.inside.get(body["worker"])
    if held is None:
        return people
    return replace(people, inside={**people.inside, held.worker: replace(held, overstayed=True)})


_TOLD: Mapping[str, Callable[[People, Entry, Mapping[str, Any]], People]] = {
    "access.decided": _at_the_reader,
    "access.released": _released,
    "access.taken": _taken,
    "access.not_taken": _not_taken,
    "exit.tapped": _leaving,
    "exit.requested": _leaving,
    "door.forced": _anybody,
    "door.held": _anybody,
    "door.opened_in_fire": _anybody,
    "gateway.started": _started,
    "person.overstayed": _overstayed,
}
