"""A hostile HQ: whatever it serves is refused by name, changes nothing, and the next good head is applied."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.core.readings import UtcMs
from edge.ports.stores import Applied
from edge.storage.authority import AuthorityWriter
from edge.storage.migrations import migrate
from sync.formats import checkpoint, cosignature, merkle, note, package
from sync.formats.authority import Freeze, Put, Release, Scope, ScopeKind, encode_operation
from sync.formats.record_tables import Kind
from sync.link.downlink import FUTURE_SLACK_MS, Downlink, PinnedKeys, Refreshed
from sync.link.refusals import LinkRefused

ORIGIN = "pg.example.org/hq/authority/s014/1"
OTHER = "pg.example.org/hq/authority/s015/1"
AUTHORITY = note.SigningKey(ORIGIN, Ed25519PrivateKey.generate())
MIRROR = note.SigningKey("pg.example.org/hq/mirror", Ed25519PrivateKey.generate())
PINNED = PinnedKeys(AUTHORITY.verifier(), MIRROR.cosigner())
NOW_S = 1_800_000_000
LEAVES = [
    encode_operation(Put(Kind.WORKER, "w1", 1, {"name": "Li"})),
    encode_operation(Freeze("f1", Scope(ScopeKind.WORKER, "w1"), "hq", "why")),
    encode_operation(Release(("f1",), "hq")),
    encode_operation(Put(Kind.WORKER, "w2", 1, {"name": "Wang"})),
]
FORGED = [LEAVES[0], LEAVES[1], encode_operation(Put(Kind.WORKER, "w9", 1, {"name": "Nobody"})), LEAVES[3]]


def head(size: int, *, leaves: list[bytes] = LEAVES, at_s: int = NOW_S, key: note.SigningKey = AUTHORITY) -> str:
    frontier, _ = merkle.EMPTY.extend(map(merkle.leaf_hash, leaves[:size]))
    signed = checkpoint.sign(checkpoint.Checkpoint(key.name, size, frontier.root()), key)
    return cosignature.add_line(signed, cosignature.cosign(signed, MIRROR, at_s))


@dataclass
class FarSide:
    """HQ as its messages: what it serves can be anything."""

    served: str = ""
    leaves: list[bytes] = field(default_factory=lambda: list(LEAVES))
    origin: str = ORIGIN
    page: int = 2
    pages: Callable[[int], bytes] | None = None

    def authority_head(self) -> str:
        return self.served

    def authority_entries(self, start: int) -> bytes:
        if self.pages is not None:
            return self.pages(start)
        entries = self.leaves[start : start + self.page]
        return package.encode(self.origin, start, entries) if entries else b""


@dataclass
class Gateway:
    far: FarSide
    store: AuthorityWriter
    downlink: Downlink

    def poll(self, served: str, latest_ms: int = NOW_S * 1000 + 3_600_000) -> object:
        self.far.served = served
        return self.downlink.poll(latest_ms)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    store = AuthorityWriter.open(tmp_path / "authority.db", ORIGIN, "s014", bytes(32), UtcMs(0), migrate=migrate)
    far = FarSide()
    yield Gateway(far, store, Downlink(far, store, PINNED))
    store.close()


def test_a_good_head_is_applied_page_by_page(gateway: Gateway) -> None:
    applied = gateway.poll(head(4))
    assert isinstance(applied, Applied)
    assert applied.size == 4
    assert applied.fresh_ms == NOW_S * 1000
    assert applied.releases == ("f1",)
    assert gateway.store.trusted().root == applied.root


def test_entries_beyond_the_head_are_left_for_the_next(gateway: Gateway) -> None:
    applied = gateway.poll(head(3))
    assert isinstance(applied, Applied)
    assert applied.size == 3
    assert gateway.store.trusted().size == 3


def test_a_younger_mark_over_the_same_tree_refreshes(gateway: Gateway) -> None:
    gateway.poll(head(4))
    assert gateway.poll(head(4)) is None
    assert gateway.poll(head(4, at_s=NOW_S + 60)) == Refreshed((NOW_S + 60) * 1000)


def test_an_older_mark_over_the_same_tree_changes_nothing(gateway: Gateway) -> None:
    gateway.poll(head(4))
    before = gateway.store.trusted()
    assert gateway.poll(head(4, at_s=NOW_S - 60)) is None
    assert gateway.store.trusted() == before


def unsigned(text: str) -> str:
    body, lines = note.split_note(text)
    return body + "\n" + str(lines[1])


def uncosigned(text: str) -> str:
    body, lines = note.split_note(text)
    return body + "\n" + str(lines[0])


def cosigned_by_another() -> str:
    signed = uncosigned(head(4))
    stranger = note.SigningKey(MIRROR.name, Ed25519PrivateKey.generate())
    return cosignature.add_line(signed, cosignature.cosign(signed, stranger, NOW_S))


def cosignature_of_another_tree() -> str:
    body, lines = note.split_note(head(4))
    _, others = note.split_note(head(3))
    return f"{body}\n{lines[0]}{others[1]}"


def with_size(text: str, size: int) -> str:
    lines = text.split("\n")
    return "\n".join([lines[0], str(size), *lines[2:]])


HOSTILE_HEADS = [
    ("head_malformed", lambda: ""),
    ("head_malformed", lambda: "garbage\n"),
    ("head_malformed", lambda: head(4)[:-1]),
    ("head_malformed", lambda: "x" * 200_000),
    ("head_unsigned", lambda: unsigned(head(4))),
    ("head_unsigned", lambda: with_size(head(4), 5)),
    ("head_unsigned", lambda: head(4, key=note.SigningKey(ORIGIN, Ed25519PrivateKey.generate()))),
    ("head_wrong_origin", lambda: head(4, key=note.SigningKey(OTHER, AUTHORITY.private))),
    ("head_not_cosigned", lambda: uncosigned(head(4))),
    ("head_not_cosigned", cosigned_by_another),
    ("head_cosignature_bad", cosignature_of_another_tree),
    ("head_rollback", lambda: head(1)),
    ("head_rollback", lambda: head(0)),
    ("head_fork", lambda: head(2, leaves=[LEAVES[1], LEAVES[0]])),
    ("head_from_future", lambda: head(4, at_s=NOW_S + FUTURE_SLACK_MS // 1000 + 1)),
    ("delta_wrong_root", lambda: head(4, leaves=FORGED)),
    ("delta_short", lambda: head(5, leaves=[*LEAVES, LEAVES[0]])),
]


@pytest.mark.parametrize(("what", "served"), HOSTILE_HEADS)
def test_a_hostile_head_is_refused_and_the_next_good_one_applied(
    gateway: Gateway, what: str, served: Callable[[], str]
) -> None:
    gateway.poll(head(2))
    before = gateway.store.trusted()
    with pytest.raises(LinkRefused) as caught:
        gateway.poll(served(), latest_ms=NOW_S * 1000)
    assert caught.value.what == what
    assert gateway.store.trusted() == before
    applied = gateway.poll(head(4), latest_ms=NOW_S * 1000)
    assert isinstance(applied, Applied)
    assert applied.size == 4


HOSTILE_PAGES = [
    ("delta_malformed", lambda start: b"\xff" * 50),
    ("delta_malformed", lambda start: package.encode(ORIGIN, start, LEAVES[2:4])[:-1]),
    ("delta_misplaced", lambda start: package.encode(ORIGIN, start + 1, LEAVES[2:4])),
    ("delta_misplaced", lambda start: package.encode(OTHER, start, LEAVES[2:4])),
    ("delta_short", lambda start: b""),
    ("delta_wrong_root", lambda start: package.encode(ORIGIN, start, [LEAVES[3], LEAVES[2]])),
    ("delta_wrong_root", lambda start: package.encode(ORIGIN, start, [LEAVES[2], LEAVES[2]])),
    ("delta_wrong_root", lambda start: package.encode(ORIGIN, start, FORGED[2:4])),
]


@pytest.mark.parametrize(("what", "pages"), HOSTILE_PAGES)
def test_hostile_entries_are_refused_and_the_next_good_ones_applied(
    gateway: Gateway, what: str, pages: Callable[[int], bytes]
) -> None:
    gateway.poll(head(2))
    before = gateway.store.trusted()
    gateway.far.pages = pages
    with pytest.raises(LinkRefused) as caught:
        gateway.poll(head(4))
    assert caught.value.what == what
    assert gateway.store.trusted() == before
    gateway.far.pages = None
    assert isinstance(gateway.poll(head(4)), Applied)


@pytest.mark.parametrize("at_s", [NOW_S + 10_000_000, 2**53, 2**63 - 1])
def test_no_mark_is_so_far_in_the_future_that_it_is_anything_but_refused(gateway: Gateway, at_s: int) -> None:
    with pytest.raises(LinkRefused) as caught:
        gateway.poll(head(4, at_s=at_s))
    assert caught.value.what == "head_from_future"
    assert isinstance(gateway.poll(head(4)), Applied)
