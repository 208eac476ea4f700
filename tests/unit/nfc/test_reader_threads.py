"""The daemon's side of the readers: every tap gets a verdict, late ones get none, trouble stays at its reader."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from queue import Queue
from threading import Event

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge.core.facts import Side, Tap, TokenRefusal, TokenVerdict
from edge.core.readings import MonotonicMs, UtcMs
from edge.runtime.child import FrameError
from edge.runtime.readers import PENDING_MAX, TAP_AGE_MS_MAX, ReaderEvents, ReaderPlace, Readers, judge_badge
from sync.formats.badge_token import BadgeClaims, IssuerKey, encode_and_sign, wrap_ndef

UID = bytes.fromhex("04112233445566")
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"issuer").digest())
ISSUER = IssuerKey(b"kid1", KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), 0, 2**50, "s014")
CLAIMS = BadgeClaims(bytes(8), 1_000, 2_000, bytes(16), UID, "s014", ("a1",), (7,), 3)
NDEF = wrap_ndef(encode_and_sign(CLAIMS, b"kid1", KEY))
NOW = 50_000
PLACES = (
    ReaderPlace("r1", "d1", Side.ENTRY, "udp:127.0.0.1:52001"),
    ReaderPlace("r2", "d1", Side.EXIT, "udp:127.0.0.1:52002"),
)


class Desk:
    """Collects what the readers say."""

    def __init__(self) -> None:
        self.taps: Queue[tuple[Tap, TokenVerdict]] = Queue()
        self.health: list[tuple[str, str]] = []
        self.unreadable: list[tuple[str, str]] = []
        self.failures: Queue[Exception] = Queue()
        self.broken = False
        self.held = Event()
        self.held.set()
        self.readers = Readers(
            PLACES,
            "s014",
            self._issuers,
            self._events(),
            clock=lambda: MonotonicMs(NOW),
            utc=lambda: UtcMs(1_500_000),
        )

    def _events(self) -> ReaderEvents:
        return ReaderEvents(
            on_tap=self._tap,
            on_health=lambda reader, state, why: self.health.append((reader, state)),
            on_unreadable=lambda reader, why: self.unreadable.append((reader, why)),
            on_failure=lambda reader, error: self.failures.put(error),
        )

    def _issuers(self) -> dict[bytes, IssuerKey]:
        if self.broken:
            raise OSError("no authority")
        return {ISSUER.key_id: ISSUER}

    def _tap(self, tap: Tap, verdict: TokenVerdict) -> None:
        self.taps.put((tap, verdict))
        assert self.held.wait(5)

    def leave(self, reader: str = "r1") -> None:
        self.readers.on_message({"k": "empty", "reader": reader})

    def say(self, reader: str = "r1", **change: object) -> None:
        message: dict[str, object] = {"k": "tap", "reader": reader, "uid": UID.hex(), "ndef": NDEF.hex()}
        self.readers.on_message(message | {"refusal": None, "read_ms": 3, "at_ms": NOW - 5} | change)

    def next_tap(self) -> tuple[Tap, TokenVerdict]:
        return self.taps.get(timeout=5)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.readers.start()
    yield desk
    desk.held.set()
    desk.readers.stop()


def test_a_good_badge_is_handed_on_with_its_token(desk: Desk) -> None:
    desk.say("r2")
    tap, verdict = desk.next_tap()
    assert (tap.reader, tap.door, tap.side, tap.uid, tap.taken_at_ms) == ("r2", "d1", Side.EXIT, UID.hex(), NOW - 5)
    assert verdict.refusal is None
    assert verdict.token is not None
    assert verdict.token.areas == ("a1",)
    assert verdict.token.permit_short_ids == (7,)
    assert (verdict.token.not_before_ms, verdict.token.not_after_ms) == (1_000_000, 2_000_000)
    assert verdict.token.key_id == b"kid1".hex()


def test_a_badge_is_good_no_longer_than_the_key_that_signed_it() -> None:
    key = replace(ISSUER, not_before_ms=1_200_000, not_after_ms=1_800_000)
    token = judge_badge(UID, NDEF, None, issuers={key.key_id: key}, site="s014", now_ms=1_200_000).token
    assert token is not None
    assert (token.not_before_ms, token.not_after_ms) == (1_200_000, 1_800_000)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ndef": None}, TokenRefusal.ABSENT),
        ({"ndef": "d101055500782e696f"}, TokenRefusal.ABSENT),
        ({"ndef": None, "refusal": "deadline"}, TokenRefusal.UNREADABLE),
        ({"ndef": "d4"}, TokenRefusal.UNREADABLE),
        ({"ndef": wrap_ndef(b"token").hex()}, TokenRefusal.MALFORMED),
        ({"ndef": NDEF[:-1].hex() + f"{NDEF[-1] ^ 1:02x}"}, TokenRefusal.SIGNATURE_BAD),
        ({"uid": "04112233445567"}, TokenRefusal.UID_MISMATCH),
    ],
)
def test_a_bad_badge_is_handed_on_with_its_refusal(
    desk: Desk, change: dict[str, object], expected: TokenRefusal
) -> None:
    desk.say(**change)
    assert desk.next_tap()[1] == TokenVerdict(None, expected)
    assert desk.unreadable == ([("r1", "deadline")] if change.get("refusal") else [])


def test_a_tap_from_long_ago_opens_nothing(desk: Desk) -> None:
    desk.say(at_ms=NOW - TAP_AGE_MS_MAX - 1)
    desk.leave()
    desk.say(at_ms=NOW - TAP_AGE_MS_MAX)
    assert desk.next_tap()[0].taken_at_ms == NOW - TAP_AGE_MS_MAX
    desk.readers.stop()
    assert desk.taps.empty()
    assert desk.readers.counters()["r1"].late == 1


def test_taps_that_pile_up_are_dropped_and_counted(desk: Desk) -> None:
    desk.held.clear()
    desk.say()
    desk.next_tap()
    for _ in range(PENDING_MAX + 3):
        desk.leave()
        desk.say()
    desk.say("r2")
    assert desk.next_tap()[0].reader == "r2"
    assert desk.readers.counters()["r1"].dropped == 3


def test_trouble_with_one_tap_leaves_the_reader_working(desk: Desk) -> None:
    desk.broken = True
    desk.say()
    assert isinstance(desk.failures.get(timeout=5), OSError)
    desk.broken = False
    desk.leave()
    desk.say()
    assert desk.next_tap()[1].token is not None


@pytest.mark.parametrize("change", [{}, {"ndef": None, "refusal": "deadline"}])
def test_a_card_that_lay_there_while_its_reader_was_away_is_no_tap(desk: Desk, change: dict[str, object]) -> None:
    desk.say()
    desk.next_tap()
    for state in ("lost", "back"):
        desk.readers.on_message({"k": "health", "reader": "r1", "state": state, "why": "killed"})
    desk.say(**change)
    desk.say()
    desk.say(uid="04112233445567")
    assert desk.next_tap()[0].uid == "04112233445567", "another card is one at once"
    desk.say()
    assert desk.next_tap()[0].uid == UID.hex(), "and the first one after it"
    desk.leave()
    desk.say()
    assert desk.next_tap()[0].uid == UID.hex(), "and after it was taken away"
    assert desk.taps.empty()


def test_a_card_that_can_be_read_at_last_is_a_tap(desk: Desk) -> None:
    desk.say(ndef=None, refusal="deadline")
    desk.say(ndef=None)
    desk.say()
    assert [desk.next_tap()[1].refusal for _ in range(3)] == [TokenRefusal.UNREADABLE, TokenRefusal.ABSENT, None]


def test_a_reader_is_said_to_be_lost_once_and_back_once(desk: Desk) -> None:
    lost = {"k": "health", "reader": "r1", "state": "lost", "why": "unplugged"}
    back = lost | {"state": "back", "why": "polling"}
    for message in (back, lost, lost, back, back):
        desk.readers.on_message(dict(message))
    assert desk.health == [("r1", "lost"), ("r1", "back")]
    assert desk.readers.lost() == {}


@pytest.mark.parametrize(
    "message",
    [
        {"k": "tap", "reader": "r9"},
        {"k": "open", "reader": "r1"},
        {"k": "tap", "reader": "r1"},
        {"k": "tap", "reader": "r1", "uid": "xy", "ndef": None, "refusal": None, "at_ms": 1},
        {"k": "tap", "reader": "r1", "uid": "00", "ndef": 5, "refusal": None, "at_ms": 1},
        {"k": "tap", "reader": "r1", "uid": "00" * 11, "ndef": None, "refusal": None, "at_ms": 1},
    ],
)
def test_a_message_not_as_agreed_is_a_broken_child(desk: Desk, message: dict[str, object]) -> None:
    with pytest.raises(FrameError):
        desk.readers.on_message(message)
