"""What a gateway believes of HQ's rule packs: from its journal, its cache and its files, over losses and restarts."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest
from gateways import write_config
from packs import operation, version
from sites import EPOCH_MS, Bench
from storages import AuthorityLog, open_authority, put, revoke

from edge import rules
from edge.app import hq_rules
from edge.app.site_plan import build_site
from edge.config import load
from edge.config_values import Config
from edge.core.entries import Entry
from edge.core.published import RulesChanged, Verdict
from edge.core.rules import RulePack
from edge.core.state import Durable, Running
from edge.ports.errors import StoreError
from edge.storage.authority import AuthorityWriter
from edge.storage.blobs import BlobStore

STRICT = version(3, "2023-01-01", "0.4")


@dataclass
class Place:
    """A gateway that runs: HQ's log, its cache, its files and its controller."""

    config: Config
    log: AuthorityLog
    writer: AuthorityWriter
    blobs: BlobStore
    bench: Bench
    path: Path

    def hear(self, *operations: bytes) -> None:
        self.log.feed(self.writer, *operations)

    def files(self) -> hq_rules.RulesOfHq:
        return hq_rules.RulesOfHq(self.config, self.path, self.blobs)

    def look(self) -> RulesChanged:
        return self.files().look(self.bench.state.durable)

    def turn(self) -> list[Entry]:
        """Look, and let the controller know."""
        return list(self.bench.go(self.look()).entries)

    def restart(self) -> list[Entry]:
        """A start from the journal, the files and whatever the cache holds; the entries of its first look."""
        durable = self.bench.state.durable
        held = self.files().at_start(durable)
        self.bench = Bench(build_site(self.config, held), durable)
        self.bench.now_ms = 3_000_000
        self.bench.start()
        return self.turn()

    def speaking(self) -> list[str]:
        return [each.name for each in self.bench.state.site.areas["north"].speaking(self.bench.now().clock)]

    def limit(self) -> int | None:
        """The highest good tenth of %LEL of methane for new work now."""
        plan = self.bench.state.site.areas["north"]
        clock = self.bench.now().clock
        (only,) = plan.demanded("02", plan.speaking(clock), clock).interlocks
        return only.highest_good


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    config = load(write_config(tmp_path))
    data = config.gateway.data_dir
    data.mkdir()
    writer, log = open_authority(data), AuthorityLog()
    bench = Bench(build_site(config)).start()
    made = Place(config, log, writer, BlobStore(data / "blobs"), bench, data / "authority.db")
    made.hear(put("worker", "w1", 1, name="Li"))
    yield made
    writer.close()


def lose_cache(place: Place) -> None:
    place.writer.close()
    for each in place.path.parent.glob("authority.db*"):
        each.rename(each.with_suffix(".damaged"))


def lose_files(place: Place) -> None:
    for each in (place.path.parent / "blobs").iterdir():
        each.unlink()


def test_a_version_of_hq_is_applied_kept_as_a_file_and_decides(place: Place) -> None:
    assert (place.turn(), place.speaking(), place.limit()) == ([], ["gb30871/2"], 100)
    place.hear(operation(STRICT, "gb30871/3"))
    (entry,) = place.turn()
    assert (entry.kind, entry.body["from"], entry.body["operation"]) == ("rules.applied", "2023-01-01", 1)
    assert (place.speaking(), place.limit()) == (["gb30871/3"], 80)
    assert place.blobs.read(str(entry.body["sha256"])) == STRICT.encode()
    assert entry.blobs[0].sha256 == entry.body["sha256"]


def test_a_second_look_and_a_restart_say_nothing_new(place: Place) -> None:
    place.hear(operation(STRICT, "gb30871/3"))
    place.turn()
    assert place.turn() == []
    assert [each.kind for each in place.restart()] == []
    assert place.limit() == 80


OTHER_PACK = version(3, "2023-01-01", "0.4", ('id = "gb30871"', 'id = "gb46768"'))
OTHER_GASES = version(3, "2023-01-01", "0.4", ('id = "methane"', 'id = "marsh-gas"'))


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (version(3, "2023-01-01", "0.6"), "gb30871/3", "laxer than the floor combustible"),
        (version(3, "2022-10-01", "0.4"), "gb30871/3", "a later version begins later"),
        (version(4, "2023-01-01", "0.4"), "gb30871/3", "the text says gb30871/4"),
        (
            version(3, "2023-01-01", "0.4", ('id = "gb30871"', 'id = "gb46768"')),
            "gb30871/3",
            "publish it under its own",
        ),
        (version(2, "2023-01-01", "0.4"), "gb30871/2", "is at hand already"),
        (
            version(3, "2023-01-01", "0.4", ('id = "methane"', 'id = "marsh-gas"')),
            "gb30871/3",
            "cannot be judged in area",
        ),
        ("[[[[", "gb30871/3", "not TOML"),
    ],
)
def test_what_cannot_be_believed_is_refused_with_its_place_and_the_old_stays(
    place: Place, text: str, name: str, said: str
) -> None:
    place.hear(operation(text, name))
    (entry,) = place.turn()
    findings = [str(each) for each in entry.body["findings"]]  # type: ignore[union-attr]
    assert entry.kind == "rules.refused"
    assert said in findings[0]
    assert findings[0].startswith(f"{name}:")
    assert (place.speaking(), place.limit()) == (["gb30871/2"], 100)
    assert place.turn() == []
    assert place.restart() == []
    assert place.limit() == 100


def test_a_packed_text_that_is_none_is_refused_and_what_comes_after_is_not(place: Place) -> None:
    five = version(5, "2023-01-01", "0.4")
    place.hear(put("rules", "gb30871/3", 1, sha256="0" * 64, text="AAAA"), operation(five, "gb30871/5"))
    told = [(each.kind, each.body["version"]) for each in place.turn()]
    assert told == [("rules.refused", 3), ("rules.applied", 5)]
    assert place.limit() == 80


def test_a_pack_that_no_area_names_speaks_nowhere(place: Place) -> None:
    text = (Path(rules.__file__).parent / "gb46768.toml").read_text(encoding="utf-8")
    place.hear(operation(text.replace("version = 1\n", "version = 2\n"), "gb46768/2"))
    assert place.turn() == []
    assert place.speaking() == ["gb30871/2"]


def test_what_ships_is_no_news_when_hq_publishes_it_too(place: Place) -> None:
    place.hear(operation(version(2, "2022-10-01"), "gb30871/2"))
    assert place.turn() == []


@pytest.mark.parametrize("lose", [lose_cache, lose_files])
def test_without_the_cache_or_without_the_files_what_was_applied_speaks_on(place: Place, lose: object) -> None:
    place.hear(operation(STRICT, "gb30871/3"))
    place.turn()
    lose(place)  # type: ignore[operator]
    assert [each.kind for each in place.restart()] == []
    assert (place.speaking(), place.limit()) == (["gb30871/3"], 80)


def test_a_file_that_was_changed_is_not_believed_and_is_mended_from_hqs_word(place: Place) -> None:
    place.hear(operation(STRICT, "gb30871/3"))
    (entry,) = place.turn()
    file = place.blobs.path(str(entry.body["sha256"]))
    file.write_bytes(version(3, "2023-01-01", "0.5").encode())
    place.restart()
    assert place.limit() == 80
    assert file.read_bytes() == STRICT.encode()


def test_with_both_lost_nobody_enters_until_hqs_word_is_back(place: Place) -> None:
    place.hear(operation(STRICT, "gb30871/3"))
    place.turn()
    lose_files(place)
    lose_cache(place)
    (lost,) = place.restart()
    assert (lost.kind, lost.body["lost"]) == ("rules.refused", True)
    plan, clock = place.bench.state.site.areas["north"], place.bench.now().clock
    (speaks,) = plan.speaking(clock)
    assert (speaks.name, speaks.lost) == ("gb30871/3", True)
    place.writer, place.log = open_authority(place.path.parent), AuthorityLog()
    place.hear(put("worker", "w1", 1, name="Li"), operation(STRICT, "gb30871/3"))
    assert [each.kind for each in place.turn()] == ["rules.applied"]
    assert place.limit() == 80


def test_a_program_that_refuses_what_was_applied_lets_nobody_enter_on_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later program may have stricter floors: the version before does not speak instead."""
    place.hear(operation(STRICT, "gb30871/3"))
    place.turn()
    floors = rules.floors.floors()
    stricter = tuple(replace(each, limit=each.limit / 10) if each.unit == "%vol" else each for each in floors)
    monkeypatch.setattr(rules.floors, "floors", lambda: stricter)
    (lost,) = place.restart()
    assert lost.body["lost"]
    assert "laxer than the floor" in str(lost.body["findings"])


@pytest.mark.parametrize(
    ("name", "since", "text"),
    [
        ("gb30871/3", "2023-01-01", "0.4"),
        ("gb30871/1001", "2023-01-01", "0.4"),
    ],
)
def test_an_update_of_the_program_takes_no_rules_from_hq(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str, since: str, text: str
) -> None:
    """The program later ships a version 3 of its own, under the same name or for a later day than HQ's 1001."""
    number = int(name.partition("/")[2])
    place.hear(operation(version(number, since, text), name))
    place.turn()
    mine = rules.admit(rules.versions("gb30871"), version(3, "2024-01-01", "0.5").encode(), "gb30871.3.toml")
    monkeypatch.setattr(rules, "versions", lambda pack: mine)
    assert place.restart() == []
    assert (place.speaking(), place.limit()) == ([name], 80)
    (held,) = place.files().at_start(place.bench.state.durable).values()
    assert [each.name for each in held] == ["gb30871/2", name]
    # HQ goes on from there.
    place.hear(operation(version(1002, "2025-01-01", "0.3"), "gb30871/1002"))
    assert [each.kind for each in place.turn()] == ["rules.applied"]
    assert place.limit() == 60


def test_another_text_under_the_name_of_one_that_was_applied_is_refused(place: Place) -> None:
    place.hear(operation(STRICT, "gb30871/3"))
    place.turn()
    place.hear(operation(version(3, "2023-01-01", "0.5"), "gb30871/3", rev=2))
    (entry,) = place.turn()
    assert (entry.kind, entry.body["lost"]) == ("rules.refused", False)
    assert "known here with another text" in str(entry.body["findings"])
    assert place.limit() == 80
    lose_files(place)
    assert [each.body["lost"] for each in place.restart()] == [True]


def test_a_revoked_version_is_not_believed_any_more_and_the_one_before_speaks(place: Place) -> None:
    place.hear(operation(STRICT, "gb30871/3"))
    place.turn()
    place.hear(revoke("rules", "gb30871/3"))
    (entry,) = place.turn()
    assert (entry.kind, entry.body["speaks"]) == ("rules.revoked", ["gb30871/2"])
    assert place.limit() == 100
    assert place.restart() == []
    assert place.limit() == 100
    lose_cache(place)
    assert place.restart() == []
    assert place.limit() == 100


def test_a_revocation_that_comes_while_the_gateway_is_off_holds_from_its_first_moment(place: Place) -> None:
    place.hear(operation(STRICT, "gb30871/3"))
    place.turn()
    place.hear(revoke("rules", "gb30871/3"))
    held = place.files().at_start(place.bench.state.durable)
    assert [each.name for each in held["gb30871"]] == ["gb30871/2"]
    assert [each.kind for each in place.restart()] == ["rules.revoked"]


def test_what_was_replaced_long_ago_is_read_at_a_start_only_while_work_keeps_it(place: Place) -> None:
    """A start reads each version in some 20 ms: it must not grow with the years."""
    place.hear(*(operation(version(each, f"2023-0{each}-01", "0.4"), f"gb30871/{each}") for each in range(3, 8)))
    assert len(place.turn()) == 5
    place.bench.wait(1_000)
    durable = place.bench.state.durable
    assert durable.lowest_ms > EPOCH_MS

    def names(held: Durable) -> list[str]:
        found = place.files().at_start(held)
        return [each.name for each in found["gb30871"]]

    assert names(durable) == ["gb30871/2", "gb30871/7"]
    running = {"P1": Running("P1", 0, "02", ("north",), ("gb30871/4",))}
    assert names(replace(durable, running=running)) == ["gb30871/2", "gb30871/4", "gb30871/7"]
    assert place.restart() == []


def test_a_text_that_cannot_be_kept_is_not_applied_and_is_tried_again(place: Place) -> None:
    place.hear(operation(STRICT, "gb30871/3"))
    folder = place.path.parent / "blobs"
    folder.rmdir()
    with pytest.raises(StoreError):
        place.look()
    assert place.limit() == 100
    folder.mkdir()
    assert [each.kind for each in place.turn()] == ["rules.applied"]
    assert os.listdir(folder) == [place.bench.entries[-1].body["sha256"]]


def test_a_pack_with_more_to_judge_than_any_standard_is_refused_with_the_figure(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hq_rules, "_CONDITIONS_MOST", 3)
    place.hear(operation(STRICT, "gb30871/3"))
    (entry,) = place.turn()
    assert "conditions, allowed at most 3" in str(entry.body["findings"])
    assert place.limit() == 100


def test_a_version_for_a_later_day_is_held_and_waits(place: Place) -> None:
    place.hear(operation(version(3, "2099-01-01", "0.4"), "gb30871/3"))
    (entry,) = place.turn()
    assert entry.body["from"] == "2099-01-01"
    assert (place.speaking(), place.limit()) == (["gb30871/2"], 100)
    held: tuple[RulePack, ...] = place.files().at_start(place.bench.state.durable)["gb30871"]
    assert [each.since for each in held] == [date(2022, 10, 1), date(2099, 1, 1)]
    assert place.bench.state.durable.rules["gb30871/3"].verdict is Verdict.APPLIED
