"""The daemon's side of the link: what the cache holds reaches the controller, whatever became of the child's word."""

from collections.abc import Callable
from pathlib import Path

import pytest
from gateways import HQ
from storages import NOW_MS, AuthorityLog, cosigned, freeze, open_authority, permit_record, put

from edge.core.messages import AuthorityApplied, Input, Noticed
from edge.core.readings import MonotonicMs
from edge.runtime.hq_link import HqLink, LinkEvents, read_authority
from sync.formats.checkpoint import sign

PERMITS = [put("permit", f"P{number}", 1, **permit_record(short_id=number)) for number in (1, 2)]


class Cache:
    """A gateway's authority cache, written by the child that we do not start."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "authority.db"
        self._folder = folder
        self._log = AuthorityLog()

    def hear(self, *operations: bytes) -> None:
        writer = open_authority(self._folder)
        head = self._log.extend(*operations)
        writer.apply(cosigned(sign(head, HQ)), head, NOW_MS, operations)
        writer.close()


class Link:
    """The link and what it posted to the controller."""

    def __init__(self, path: Path) -> None:
        self.posted: list[Input] = []
        self.issuers_read = 0
        events = LinkEvents(self._post, lambda note: None, self._issuers)
        self.link = HqLink({}, path, "boot", lambda: MonotonicMs(0), events)
        self.link._begin()

    def _post(self, message: Input) -> bool:
        self.posted.append(message)
        return True

    def _issuers(self, reader: object) -> None:
        self.issuers_read += 1

    def restart(self) -> None:
        """The child was lost, and runs again."""
        self.link._lost("ended with -9")
        self.link._begin()

    def applied(self) -> AuthorityApplied:
        """The newest word of HQ's that was posted."""
        return [each for each in self.posted if isinstance(each, AuthorityApplied)][-1]


UP = {"k": "link", "state": "up", "why": ""}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    cache = Cache(tmp_path)
    cache.hear(PERMITS[0])
    return cache


def test_a_delta_is_read_from_the_cache_and_only_what_it_names(cache: Cache) -> None:
    link = Link(cache.path)
    cache.hear(PERMITS[1], freeze("f1", "permit", "P1"))
    link.link._take({"k": "applied", "permits": ["P2"]})
    applied = link.applied()
    assert (applied.complete, [each.permit for each in applied.permits]) == (False, ["P2"])
    assert [each.freeze for each in applied.freezes] == ["f1"]
    assert link.issuers_read == 1


def test_what_a_lost_child_applied_and_did_not_tell_is_read_when_it_is_back(cache: Cache) -> None:
    link = Link(cache.path)
    cache.hear(PERMITS[1], freeze("f1", "permit", "P1"))
    link.restart()
    link.link._take(UP)
    applied = link.applied()
    assert applied.complete
    assert [each.permit for each in applied.permits] == ["P1", "P2"]
    assert [each.freeze for each in applied.freezes] == ["f1"]
    link.posted.clear()
    link.link._take({"k": "fresh", "fresh_ms": 1})
    assert not link.applied().complete, "once is enough"


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for place in range(100, len(data), 64):
        data[place] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("spoil", [damage, Path.unlink])
def test_a_cache_that_cannot_be_read_is_read_whole_once_it_can(cache: Cache, spoil: Callable[[Path], None]) -> None:
    link = Link(cache.path)
    good = cache.path.read_bytes()
    spoil(cache.path)
    assert read_authority(cache.path) is None
    link.link.read_again()
    link.link._take({"k": "applied", "permits": []})
    assert not [each for each in link.posted if isinstance(each, AuthorityApplied)]
    cache.path.write_bytes(good)
    link.link._take(UP)
    assert link.applied().complete
    assert [each.permit for each in link.applied().permits] == ["P1"]


def test_the_link_is_told_when_it_changes_and_not_each_time(cache: Cache) -> None:
    link = Link(cache.path)
    for state in ("up", "up", "down", "down", "up"):
        link.link._take({**UP, "state": state})
    assert [each.kind for each in link.posted if isinstance(each, Noticed)] == ["link.up", "link.down", "link.up"]


def test_an_hq_that_lost_entries_is_a_kind_of_its_own(cache: Cache) -> None:
    link = Link(cache.path)
    link.link._take({"k": "refused", "what": "head_fork", "why": "another root"})
    link.link._take({"k": "refused", "what": "hq_rollback", "why": "HQ holds less"})
    assert link.posted == [
        Noticed("hq.refused", "head_fork", "another root"),
        Noticed("hq.rollback", "hq", "HQ holds less"),
    ]
