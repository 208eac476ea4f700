"""HQ's word reaches the controller whole, also when the child that fetched it died before it could say what changed."""

from pathlib import Path

from storages import AuthorityLog, open_authority, permit_record, put

from edge.core.messages import AuthorityApplied, Input
from edge.core.readings import MonotonicMs
from edge.runtime.hq_link import HqLink, LinkEvents


class Link:
    """A link over a real cache; its child never runs, the test says what it would."""

    def __init__(self, folder: Path) -> None:
        self.told: list[Input] = []
        self.writer = open_authority(folder)
        self.log = AuthorityLog()
        events = LinkEvents(self._post, lambda note: None, lambda reader: None)
        self.link = HqLink({}, folder / "authority.db", "boot", lambda: MonotonicMs(0), events)

    def _post(self, message: Input) -> bool:
        self.told.append(message)
        return True

    def hq_says(self, name: str) -> None:
        self.log.feed(self.writer, put("permit", name, 1, **permit_record(short_id=int(name[1:]))))

    def heard(self, **message: object) -> AuthorityApplied:
        """What the controller was told upon this message of the child."""
        self.link._take(dict(message))
        told = self.told.pop()
        assert isinstance(told, AuthorityApplied)
        return told

    def restarted(self) -> None:
        self.link.child.restarts += 1
        self.link._begin()


def test_the_permits_that_a_delta_names_are_read_from_the_cache(tmp_path: Path) -> None:
    link = Link(tmp_path)
    for name in ("P1", "P2"):
        link.hq_says(name)
    told = link.heard(k="applied", permits=["P2"])
    assert ([each.permit for each in told.permits], told.size, told.complete) == (["P2"], 2, False)
    assert link.heard(k="fresh", fresh_ms=1).permits == ()


def test_after_a_restart_of_the_child_everything_is_told_once(tmp_path: Path) -> None:
    """It may have put a delta into the cache and died: nobody would ever name those permits again."""
    link = Link(tmp_path)
    link.link._begin()
    for name in ("P1", "P2"):
        link.hq_says(name)
    link.restarted()
    told = link.heard(k="fresh", fresh_ms=1)
    assert ([each.permit for each in told.permits], told.complete) == (["P1", "P2"], True)
    assert link.heard(k="fresh", fresh_ms=2).complete is False


def test_a_word_that_could_not_be_read_is_made_up_for_by_the_next(tmp_path: Path) -> None:
    link = Link(tmp_path)
    link.hq_says("P1")
    path = tmp_path / "authority.db"
    path.rename(tmp_path / "away.db")
    link.link._take({"k": "applied", "permits": ["P1"]})
    assert link.told == []
    (tmp_path / "away.db").rename(path)
    told = link.heard(k="fresh", fresh_ms=1)
    assert ([each.permit for each in told.permits], told.complete) == (["P1"], True)
