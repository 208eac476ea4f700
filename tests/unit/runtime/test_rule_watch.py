"""The thread that looks at HQ's rule packs: once at the start, again when they moved, and again when it could not."""

from pathlib import Path
from threading import Event

from storages import AuthorityLog, open_authority, put

from edge.core.published import RulesChanged
from edge.ports.errors import StoreError
from edge.runtime.rule_watch import RuleWatch
from edge.storage.authority_reader import AuthorityReader

NOTHING = RulesChanged({}, ())


class Looks:
    """Gives what it was told to give, one a look, and then ends the watch."""

    def __init__(self, *given: RulesChanged | StoreError) -> None:
        self.given = list(given)
        self.stop = Event()
        self.posted: list[RulesChanged] = []

    def look(self) -> RulesChanged:
        found = self.given.pop(0)
        if not self.given:
            self.stop.set()
        if isinstance(found, StoreError):
            raise found
        return found

    def watch(self) -> RuleWatch:
        return RuleWatch(self.look, self.posted.append)


def test_the_first_look_is_at_the_start_and_its_news_are_posted() -> None:
    looks = Looks(NOTHING)
    looks.watch().run(looks.stop)
    assert looks.posted == [NOTHING]


def test_only_a_change_of_rule_packs_calls_for_another_look(tmp_path: Path) -> None:
    log, writer = AuthorityLog(), open_authority(tmp_path)
    log.feed(writer, put("worker", "w1", 1, name="Li"))
    reader = AuthorityReader(tmp_path / "authority.db")
    looks = Looks(NOTHING)
    watch = looks.watch()
    watch.glance(reader)
    watch.run(looks.stop)
    for operation, moved in (
        (put("worker", "w2", 1, name="Li"), False),
        (put("rules", "a/1", 1, sha256="0" * 64, text=""), True),
    ):
        log.feed(writer, operation)
        looks.given = [NOTHING]
        looks.stop.clear()
        watch.glance(reader)
        assert watch.moved is moved
    watch.run(looks.stop)
    assert len(looks.posted) == 2
    reader.close()
    writer.close()


def test_a_look_that_failed_is_owed_still() -> None:
    looks = Looks(StoreError("disk full"))
    watch = looks.watch()
    watch.run(looks.stop)
    assert (looks.posted, watch.moved) == ([], True)
    looks.given = [NOTHING]
    looks.stop.clear()
    watch.run(looks.stop)
    assert (looks.posted, watch.moved) == ([NOTHING], False)
