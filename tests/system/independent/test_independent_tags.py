"""A whole gateway and badges that are not ours; and every lie that a tag or its token can tell, at a real door."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from socket import SOCK_DGRAM
from threading import Thread

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nfc_tags import Card, RawTag, nfcpy_type2, nfcpy_type4, type2_card, type4_card
from plants import GUARDIAN_UID, SITE, WORKER_UID, Plant, Template, free_port, plant

from edge.host.system_clock import utc_ms
from sync.formats.badge_token import BadgeClaims, decode, encode_and_sign, unwrap_ndef, wrap_ndef
from sync.hq.key_files import load_key
from sync.hq.place import open_place

pytestmark = pytest.mark.system

SHORT_UID = bytes.fromhex("08aabbcc")


@pytest.fixture(scope="module")
def gateway(fresh: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with plant(fresh, tmp_path_factory.mktemp("plant"), bare={"d2": free_port(SOCK_DGRAM)}) as made:
        made.hq.start()
        made.start().wait_good()
        made.tap("g1")
        yield made


def raw_tap(gateway: Plant, uid: bytes, sak: int, card: Card) -> dict[str, object]:
    """What is answered to a tag of the test's own at the reader of d2."""
    gateway.wait_away("d2")
    start = gateway.size()
    with RawTag(gateway.bare["d2"], uid, sak, card):
        return gateway.decision(start, "d2")


def issuer(gateway: Plant) -> tuple[bytes, Ed25519PrivateKey]:
    """The key that HQ signs badges with, as a dishonest HQ clerk would have it."""
    token = unwrap_ndef(gateway.badges["w1"][1])
    assert token is not None
    return decode(token).key_id, load_key(open_place(gateway.hq.folder).key_path("issuer"))


def claims(gateway: Plant, **changes: object) -> BadgeClaims:
    token = unwrap_ndef(gateway.badges["w1"][1])
    assert token is not None
    return replace(decode(token).claims, token_id=secrets.token_bytes(8), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("emulate", [nfcpy_type4, nfcpy_type2])
def test_nfcpys_own_tags_are_read(gateway: Plant, emulate: object) -> None:
    assert callable(emulate)
    start = gateway.size()
    tag = Thread(target=emulate, args=(gateway.bare["d2"], SHORT_UID, gateway.hq.badge("w1", "P1", SHORT_UID)))
    tag.start()
    try:
        answer = gateway.decision(start, "d2")
    finally:
        tag.join(10)
    assert answer["decision"] == "granted"


@pytest.mark.parametrize(("sak", "make"), [(0x00, type2_card), (0x20, type4_card)], ids=["type 2", "type 4"])
def test_tags_written_from_the_standards_are_read(gateway: Plant, sak: int, make: object) -> None:
    assert callable(make)
    assert raw_tap(gateway, WORKER_UID, sak, make(gateway.badges["w1"][1]))["decision"] == "granted"


def test_a_type_4_tag_may_answer_in_many_short_blocks(gateway: Plant) -> None:
    assert raw_tap(gateway, WORKER_UID, 0x20, type4_card(gateway.badges["w1"][1], chunk=16))["decision"] == "granted"


@pytest.mark.parametrize(
    ("sak", "make", "announced", "reason"),
    [
        (0x00, type2_card, 490, "badge_unreadable"),
        (0x00, type2_card, 65_535, "badge_unreadable"),
        (0x20, type4_card, 1_022, "badge_unreadable"),
        (0x20, type4_card, 65_535, "badge_unreadable"),
        (0x00, type2_card, 0, "token_absent"),
        (0x20, type4_card, 0, "token_absent"),
    ],
)
def test_a_length_that_is_not_so_is_refused_by_name(
    gateway: Plant, sak: int, make: object, announced: int, reason: str
) -> None:
    assert callable(make)
    card = make(gateway.badges["w1"][1], announced)
    if sak == 0 and announced == 490:
        card = type2_card(gateway.badges["w1"][1], announced, data_bytes=192)
    assert raw_tap(gateway, WORKER_UID, sak, card)["reason"] == reason


def test_a_bare_clone_of_the_uid_opens_nothing(gateway: Plant) -> None:
    assert gateway.tap((WORKER_UID, b""))["reason"] == "token_absent"
    assert gateway.tap((WORKER_UID, bytes.fromhex("d00000")))["reason"] == "token_absent"


def test_a_token_on_another_uid_opens_nothing(gateway: Plant) -> None:
    assert gateway.tap((GUARDIAN_UID, gateway.badges["w1"][1]))["reason"] == "uid_mismatch"


@pytest.mark.parametrize("where", [0, 2, 20, 40, 60, 100, 140, -40, -1])
def test_one_flipped_bit_anywhere_opens_nothing(gateway: Plant, where: int) -> None:
    damaged = bytearray(gateway.badges["w1"][1])
    damaged[where] ^= 0x04
    assert gateway.tap((WORKER_UID, bytes(damaged)))["decision"] == "denied"


def test_tokens_that_are_signed_but_not_for_here_and_now_open_nothing(gateway: Plant) -> None:
    key_id, key = issuer(gateway)
    now_s = utc_ms() // 1000
    wrong = {
        "wrong_site": claims(gateway, site="s999"),
        "not_yet_valid": claims(gateway, not_before_s=now_s + 60, expires_s=now_s + 600),
        "badge_expired": claims(gateway, not_before_s=now_s - 600, expires_s=now_s - 1),
        "worker_unknown": claims(gateway, worker_tag=bytes(16)),
        "permit_unknown": claims(gateway, permit_short_ids=(999,)),
    }
    for reason, each in wrong.items():
        answer = gateway.tap((WORKER_UID, wrap_ndef(encode_and_sign(each, key_id, key))))
        assert (answer["reason"], answer["decision"]) == (reason, "denied"), answer
        gateway.lift_freezes()


def test_a_strangers_key_is_unknown_whatever_it_calls_itself(gateway: Plant) -> None:
    key_id, _ = issuer(gateway)
    stranger = Ed25519PrivateKey.generate()
    token = encode_and_sign(claims(gateway), b"\x01\x02\x03\x04", stranger)
    assert gateway.tap((WORKER_UID, wrap_ndef(token)))["reason"] == "issuer_unknown"
    token = encode_and_sign(claims(gateway), key_id, stranger)
    assert gateway.tap((WORKER_UID, wrap_ndef(token)))["reason"] == "signature_bad"


def test_a_token_for_more_than_a_shift_is_not_read(gateway: Plant) -> None:
    """Written here from access.md's text with cbor2 alone, as our own encoder refuses to."""
    key_id, key = issuer(gateway)
    for hours, reason in ((12, "granted"), (13, "token_malformed")):
        plain = claims(gateway)
        body = [
            1, plain.worker_tag, plain.uid, SITE, list(plain.areas), list(plain.permit_short_ids),
            plain.permit_version,
        ]  # fmt: skip
        times = {4: plain.not_before_s + hours * 3_600, 5: plain.not_before_s}
        payload = cbor2.dumps({**times, 7: secrets.token_bytes(8), -65537: body}, canonical=True)
        protected = cbor2.dumps({1: -8, 4: key_id}, canonical=True)
        signed = key.sign(cbor2.dumps(["Signature1", protected, b"", payload], canonical=True))
        token = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signed]), canonical=True)
        assert gateway.tap((WORKER_UID, wrap_ndef(token)))["reason"] == reason


def test_a_badge_older_than_its_permit_opens_nothing(gateway: Plant) -> None:
    """HQ changes the permit: badges of the version before are refused, the new one opens."""
    old = gateway.badges["w1"]
    gateway.change_permit("P1", rev=2, permit_version=2)
    assert gateway.tap(old)["reason"] == "badge_outdated"
    assert gateway.tap((WORKER_UID, gateway.hq.badge()))["decision"] == "granted"
