"""The way up against HQ's own mirror code, and against an HQ that answers anything."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.ports.errors import LinkError
from edge.ports.link import Acknowledged, CheckpointAnswer, EntriesWanted, SizeDiffers
from sync.formats import canonical, checkpoint, cosignature, merkle, note, package
from sync.hq.mirror import Cosigned, EntriesMissing, Mirror, OtherSize, parse_request
from sync.hq.sqlite_store import SqliteStore
from sync.hq.store import LogRole
from sync.link.refusals import LinkRefused
from sync.link.uplink import RESEND_AFTER_MS, OfferCheckpoint, SendEntries, Uplink, UplinkState

ORIGIN = "pg.example.org/gw/gw1/1"
GATEWAY = note.SigningKey(ORIGIN, Ed25519PrivateKey.generate())
MIRROR = note.SigningKey("pg.example.org/hq/mirror", Ed25519PrivateKey.generate())
NOW_MS = 5_000


def leaf(index: int) -> bytes:
    return canonical.encode({"org": ORIGIN, "seq": index})


def signed(size: int) -> str:
    frontier, _ = merkle.EMPTY.extend(merkle.leaf_hash(leaf(index)) for index in range(size))
    return checkpoint.sign(checkpoint.Checkpoint(ORIGIN, size, frontier.root()), GATEWAY)


class Journal:
    """As much of a journal as the uplink reads."""

    def __init__(self, size: int) -> None:
        self.held = size

    def size(self) -> int:
        return self.held

    def leaves(self, start: int, limit: int) -> tuple[bytes, ...]:
        return tuple(leaf(index) for index in range(start, min(self.held, start + limit)))

    def node(self, level: int, index: int) -> bytes:
        raise NotImplementedError


@dataclass
class Wire:
    """HQ's mirror behind a wire that can be cut, and that loses answers."""

    mirror: Mirror
    calls: list[str] = field(default_factory=list)
    cut_after: int | None = None
    lose_answers: bool = False

    def push_entries(self, package_bytes: bytes) -> int:
        sent = package.decode(package_bytes)
        self._call(f"entries {sent.start}-{sent.end}")
        next_index = self.mirror.add_entries(sent)
        self._answer()
        return next_index

    def push_checkpoint(self, old_size: int, head: str) -> CheckpointAnswer:
        self._call(f"checkpoint {old_size}")
        reply = self.mirror.add_checkpoint(parse_request(f"old {old_size}\n\n{head}".encode()), 1_800_000_000_000)
        self._answer()
        match reply:
            case Cosigned(line):
                return Acknowledged(line)
            case OtherSize(size):
                return SizeDiffers(size)
            case EntriesMissing(_, next_index):
                return EntriesWanted(next_index)

    def _call(self, what: str) -> None:
        if self.cut_after is not None and len(self.calls) >= self.cut_after:
            raise LinkError("cut")
        self.calls.append(what)

    def _answer(self) -> None:
        if self.lose_answers:
            raise LinkError("no answer")


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    store = SqliteStore(tmp_path / "hq.db")
    with store.writing() as transaction:
        transaction.add_log(ORIGIN, LogRole.GATEWAY, str(GATEWAY.verifier()))
    yield Mirror(store, MIRROR)
    store.close()


def uplink(wire: Wire, size: int, acked: int = 0) -> Uplink:
    made = Uplink(wire, Journal(size), MIRROR.cosigner(), acked)
    made.offer(signed(size))
    return made


def drain(way: Uplink) -> str | None:
    for _ in range(20):
        turn = way.turn(NOW_MS)
        if turn.cosigned is not None:
            return turn.cosigned
    return None


def test_the_checkpoint_comes_first_then_what_hq_wants_then_the_acknowledgement(mirror: Mirror) -> None:
    wire = Wire(mirror)
    way = uplink(wire, 300)
    cosigned = drain(way)
    assert wire.calls == ["checkpoint 0", "entries 0-256", "entries 256-300", "checkpoint 0"]
    assert cosigned is not None
    cosignature.verify_cosignature(signed(300), cosigned, MIRROR.cosigner())
    checkpoint.open_checkpoint(cosigned, GATEWAY.verifier())
    assert way.state.next_step() is None


def test_nothing_is_sent_when_all_is_acknowledged(mirror: Mirror) -> None:
    wire = Wire(mirror)
    way = uplink(wire, 5, acked=5)
    assert not way.turn(NOW_MS).more
    assert wire.calls == []


def test_a_long_backlog_is_sent_in_turns(mirror: Mirror) -> None:
    wire = Wire(mirror)
    way = uplink(wire, 3_000)
    assert way.turn(NOW_MS).more
    assert len(wire.calls) == 6
    assert drain(way) is not None


@pytest.mark.parametrize("cut_after", range(5))
def test_a_cut_anywhere_loses_and_repeats_nothing_wrongly(mirror: Mirror, cut_after: int) -> None:
    wire = Wire(mirror, cut_after=cut_after)
    way = uplink(wire, 300)
    if cut_after < 4:
        with pytest.raises(LinkError):
            way.turn(NOW_MS)
    wire.cut_after = None
    if cut_after < 4:
        assert drain(way) is not None
    assert way.state.acked in (0, 300)


def test_lost_answers_are_made_good_after_a_reconnect(mirror: Mirror) -> None:
    wire = Wire(mirror, lose_answers=True)
    way = uplink(wire, 300)
    for _ in range(3):
        with pytest.raises(LinkError):
            way.turn(NOW_MS)
    wire.lose_answers = False
    assert drain(way) is not None


def test_an_acknowledgement_that_never_arrived_is_given_again(mirror: Mirror) -> None:
    drain(uplink(Wire(mirror), 10))
    again = Wire(mirror)
    assert drain(uplink(again, 10)) is not None
    assert again.calls == ["checkpoint 0", "checkpoint 10"]


def test_a_restored_hq_is_fed_again_and_reported(mirror: Mirror) -> None:
    way = uplink(Wire(mirror), 10, acked=8)
    turn = way.turn(NOW_MS)
    assert turn.cosigned is not None
    assert turn.hq_rolled_back


class Answers:
    """An HQ that answers as it was told."""

    def __init__(self, *checkpoints: CheckpointAnswer, next_index: int = 0) -> None:
        self.checkpoints = list(checkpoints)
        self.next_index = next_index

    def push_entries(self, package_bytes: bytes) -> int:
        return self.next_index

    def push_checkpoint(self, old_size: int, head: str) -> CheckpointAnswer:
        return self.checkpoints.pop(0) if len(self.checkpoints) > 1 else self.checkpoints[0]


def cosign(head: str, key: note.SigningKey = MIRROR) -> str:
    return cosignature.cosign(head, key, 1_800_000_000)


@pytest.mark.parametrize(
    ("what", "answers"),
    [
        ("cosignature_refused", Answers(Acknowledged(""))),
        ("cosignature_refused", Answers(Acknowledged("garbage"))),
        ("cosignature_refused", Answers(Acknowledged(cosign(signed(4))))),
        (
            "cosignature_refused",
            Answers(Acknowledged(cosign(signed(5), note.SigningKey(MIRROR.name, Ed25519PrivateKey.generate())))),
        ),
        ("hq_ahead", Answers(SizeDiffers(6))),
        ("hq_answer", Answers(SizeDiffers(0))),
        ("hq_answer", Answers(EntriesWanted(5))),
        ("hq_answer", Answers(EntriesWanted(2), next_index=2)),
    ],
)
def test_what_cannot_be_is_named_and_acknowledges_nothing(what: str, answers: Answers) -> None:
    way = Uplink(answers, Journal(5), MIRROR.cosigner(), 0)
    way.offer(signed(5))
    with pytest.raises(LinkRefused) as caught:
        way.turn(NOW_MS)
    assert caught.value.what == what
    assert way.state.acked == 0
    assert way.state.next_step() == OfferCheckpoint(way.state.old_size)


@pytest.mark.parametrize(
    "answers",
    [
        Answers(EntriesWanted(1), next_index=0),
        Answers(EntriesWanted(0), next_index=5),
        Answers(EntriesWanted(0), next_index=2**53),
        Answers(*[SizeDiffers(size) for size in (1, 2) * 20]),
    ],
)
def test_an_hq_that_swings_us_to_and_fro_is_named_and_left_alone_for_a_while(answers: Answers) -> None:
    way = Uplink(answers, Journal(5), MIRROR.cosigner(), 0)
    way.offer(signed(5))
    with pytest.raises(LinkRefused) as caught:
        way.turn(NOW_MS)
    assert caught.value.what == "hq_answer"
    assert way.state.next_step() == OfferCheckpoint(way.state.old_size), "the next turn begins anew"


def test_a_journal_that_lacks_what_it_signed_is_named() -> None:
    way = Uplink(Answers(EntriesWanted(0)), Journal(0), MIRROR.cosigner(), 0)
    way.offer(signed(5))
    with pytest.raises(LinkRefused) as caught:
        way.turn(NOW_MS)
    assert caught.value.what == "journal_short"


def test_an_older_checkpoint_is_not_offered() -> None:
    way = Uplink(Answers(SizeDiffers(0)), Journal(5), MIRROR.cosigner(), 0)
    way.offer(signed(5))
    way.offer(signed(3))
    assert way.state.signed_size == 5


def test_without_acknowledgement_for_long_it_begins_at_what_is_acknowledged() -> None:
    state = UplinkState(acked=2, old_size=2, signed_size=9, cursor=2).taken(2, 7, now_ms=0)
    assert state.next_step() == SendEntries(7, 9)
    assert state.late(RESEND_AFTER_MS - 1).next_step() == SendEntries(7, 9)
    assert state.late(RESEND_AFTER_MS).next_step() == SendEntries(2, 9)
    assert state.acknowledged(9).late(10 * RESEND_AFTER_MS).next_step() is None
