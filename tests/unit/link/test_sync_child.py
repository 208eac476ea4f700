"""The sync child's turns against an HQ that is slow, cut or ahead of its time: one state of the link, always a beat."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from gateways import HQ, enrol
from storages import MIRROR, AuthorityLog, cosigned, migrate, put

from edge.app import sync
from edge.app.trust import TrustFiles, write_public, write_secret
from edge.core.readings import MonotonicMs
from edge.host.system_clock import utc_ms
from edge.ports.errors import LinkError
from edge.storage.authority import AuthorityWriter
from sync.formats import package, time_note
from sync.formats.checkpoint import sign
from sync.link.https import HqAddress

WORKERS = 1_500


class Far:
    """HQ behind its calls: what each says can be changed. ``on_progress`` is the child's, as the real calls have it."""

    def __init__(self, address: HqAddress, clock: Callable[[], MonotonicMs], on_progress: Callable[[], None]) -> None:
        self.on_progress = on_progress
        self.log = AuthorityLog()
        self.leaves = [put("worker", f"w{number}", 1, name="x") for number in range(WORKERS)]
        self.head = self.log.extend(*self.leaves)
        self.ahead_s = 0
        self.cut: set[str] = set()
        self.asked: list[str] = []

    def _call(self, name: str) -> None:
        self.asked.append(name)
        if name in self.cut:
            raise LinkError(f"HQ: {name} is cut")
        self.on_progress()

    def authority_head(self) -> str:
        self._call("head")
        return cosigned(sign(self.head, HQ), utc_ms() // 1000 + self.ahead_s)

    def authority_entries(self, start: int) -> bytes:
        self._call("entries")
        return package.encode(self.head.origin, start, self.leaves[start : start + 256])

    def time(self, nonce: str) -> str:
        self._call("time")
        return time_note.sign_time(nonce, utc_ms() + 1000 * self.ahead_s, MIRROR)

    def close(self) -> None:
        """Nothing is open."""


class Child:
    """The child, its far side, and what it told the daemon, in order."""

    def __init__(self, data_dir: Path) -> None:
        self.said: list[Mapping[str, Any]] = []
        self.child = sync.SyncChild(sync.Setup(data_dir, "https://hq", 5_000, 100), self._send)
        far = self.child._hq
        assert isinstance(far, Far)
        self.far = far

    def _send(self, message: Mapping[str, Any]) -> bool:
        self.said.append(message)
        return True

    def turn(self) -> list[Mapping[str, Any]]:
        """Everything is asked for at once; what was said meanwhile, beats apart."""
        self.said.clear()
        self.child.take({"k": "poke"})
        self.child.turn()
        return [message for message in self.said if message["k"] != "beat"]

    def links(self) -> list[str]:
        return [str(message["state"]) for message in self.turn() if message["k"] == "link"]


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    enrol(tmp_path)
    files = TrustFiles(tmp_path)
    write_secret(files.link_token, b"00" * 32)
    write_public(files.ca, b"")
    opened = AuthorityWriter.open
    monkeypatch.setattr(sync, "HttpsHq", Far)
    monkeypatch.setattr(AuthorityWriter, "open", lambda *args, **named: opened(*args, **{"migrate": migrate, **named}))
    made = Child(tmp_path)
    yield made
    made.child.close()


def test_a_large_delta_is_fetched_and_applied_with_a_beat_all_along(child: Child) -> None:
    told = child.turn()
    assert [message["k"] for message in told] == ["link", "time", "applied"]
    beats = [place for place, message in enumerate(child.said) if message["k"] == "beat"]
    assert len(beats) >= 2 + WORKERS // 256 + WORKERS // 512, "one a call, and some while it is applied"
    assert child.said[beats[-1] + 1]["k"] == "applied"


def test_the_link_is_one_thing_and_does_not_flap_with_each_of_its_ways(child: Child) -> None:
    assert child.links() == ["up"]
    child.far.cut = {"head"}
    assert child.links() == ["down"]
    assert child.links() == [], "HQ's time is told, its word is not: still down"
    child.far.cut = set()
    assert child.links() == ["up"]


def test_a_way_that_works_again_wakes_the_others_that_were_cut(child: Child) -> None:
    child.far.cut = {"time", "head"}
    assert child.links() == ["down"]
    child.far.cut = set()
    child.far.asked.clear()
    child.child._down.poke()
    child.child.turn()
    child.child.turn()
    assert child.far.asked[0] == "head"
    assert child.far.asked[-1] == "time"


def test_before_hqs_time_was_heard_a_head_from_the_future_is_refused_all_the_same(child: Child) -> None:
    child.far.cut = {"time"}
    child.far.ahead_s = 3_600
    (refused,) = [message for message in child.turn() if message["k"] == "refused"]
    assert refused["what"] == "head_from_future"
    child.far.ahead_s = 0
    assert [message for message in child.turn() if message["k"] == "applied"]


def test_a_head_from_the_future_has_hqs_time_asked_again(child: Child) -> None:
    child.turn()
    child.far.ahead_s = 3_600
    child.far.asked.clear()
    for _ in range(2):
        child.child._down.poke()
        child.child.turn()
    assert child.far.asked == ["head", "time", "head"]
    assert [message for message in child.said if message["k"] == "fresh"], "HQ's clock was set forward, and it says so"
