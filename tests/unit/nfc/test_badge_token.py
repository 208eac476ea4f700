"""Badge tokens: one way to write them, and six reasons not to believe one."""

import hashlib
from dataclasses import replace

import cbor2
import ndef
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sync.formats import badge_token
from sync.formats.badge_token import BadgeClaims, IssuerKey, TokenError, TokenRefused
from sync.formats.errors import FormatError

UID = bytes.fromhex("04112233445566")
KEY_ID = b"\x01\x02\x03\x04"
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"issuer of the tests").digest())
NOW_S = 1_780_000_000
NOW_MS = NOW_S * 1_000
CLAIMS = BadgeClaims(
    token_id=bytes(range(8)),
    not_before_s=NOW_S - 60,
    expires_s=NOW_S + 3_600,
    worker_tag=bytes(range(16)),
    uid=UID,
    site="s014",
    areas=("a1",),
    permit_short_ids=(4_711,),
    permit_version=1,
)
ISSUER = IssuerKey(
    KEY_ID, KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), NOW_MS - 10, NOW_MS + 10, "s014"
)
ISSUERS = {KEY_ID: ISSUER}
TOKEN = badge_token.encode_and_sign(CLAIMS, KEY_ID, KEY)

# RFC 8032 section 7.1, TEST 1 to 3: secret key, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def refusal(token: bytes, uid: bytes = UID, issuer: IssuerKey = ISSUER, now_ms: int = NOW_MS) -> TokenRefused:
    with pytest.raises(TokenError) as caught:
        badge_token.verify(token, uid, {issuer.key_id: issuer}, "s014", now_ms)
    return caught.value.kind


def signed(payload: bytes, protected: bytes | None = None) -> bytes:
    """A token with a good signature over whatever payload."""
    protected = cbor2.dumps({1: -8, 4: KEY_ID}) if protected is None else protected
    signature = KEY.sign(badge_token.to_be_signed(protected, payload))
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC_8032)
def test_the_signature_is_the_ed25519_of_rfc_8032(secret: str, public: str, message: str, signature: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    assert key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(
            bytes.fromhex(signature), bytes.fromhex(message) + b"x"
        )


def test_what_is_signed_is_the_sig_structure_of_cose() -> None:
    # cose-wg/Examples, eddsa-examples/eddsa-sig-02.json, intermediates.ToBeSign_hex (of an Ed448 key; the bytes to be
    # signed do not depend on the curve).
    expected = "846A5369676E61747572653143A101274054546869732069732074686520636F6E74656E742E"
    assert badge_token.to_be_signed(bytes.fromhex("a10127"), b"This is the content.").hex() == expected.lower()


def test_a_general_cbor_reader_finds_the_documented_structure() -> None:
    value = cbor2.loads(TOKEN)
    assert isinstance(value, cbor2.CBORTag)
    assert value.tag == 18
    protected, unprotected, payload, signature = value.value
    assert cbor2.loads(protected) == {1: -8, 4: KEY_ID}
    assert unprotected == {}
    assert len(signature) == 64
    assert cbor2.loads(payload) == {
        7: CLAIMS.token_id,
        5: CLAIMS.not_before_s,
        4: CLAIMS.expires_s,
        -65537: [1, CLAIMS.worker_tag, UID, "s014", ["a1"], [4_711], 1],
    }
    assert cbor2.dumps(value, canonical=True) == TOKEN


def test_a_token_for_one_permit_keeps_its_size() -> None:
    # 143 bytes with site and area as one-byte numbers and no tag; here tag 18 (+1), "s014" (+4) and ["a1"] (+2).
    assert len(TOKEN) == 150
    several = replace(CLAIMS, permit_short_ids=tuple(range(1_000, 1_008)))
    assert len(badge_token.encode_and_sign(several, KEY_ID, KEY)) == 150 + 7 * 3
    assert len(badge_token.wrap_ndef(TOKEN)) == 150 + 19


def test_an_authentic_token_gives_its_claims() -> None:
    assert badge_token.verify(TOKEN, UID, ISSUERS, "s014", NOW_MS) == CLAIMS
    assert badge_token.decode(TOKEN).claims == CLAIMS
    assert badge_token.decode(TOKEN).key_id == badge_token.key_id_of(TOKEN) == KEY_ID


def test_a_token_of_an_issuer_who_writes_no_tag_is_as_good() -> None:
    """RFC 9052 section 4.2: tagged or untagged; written here with cbor2 alone."""
    protected = cbor2.dumps({1: -8, 4: KEY_ID}, canonical=True)
    signature = KEY.sign(cbor2.dumps(["Signature1", protected, b"", GOOD_PAYLOAD], canonical=True))
    bare = cbor2.dumps([protected, {}, GOOD_PAYLOAD, signature], canonical=True)
    assert badge_token.verify(bare, UID, ISSUERS, "s014", NOW_MS) == CLAIMS
    assert badge_token.key_id_of(bare) == KEY_ID
    assert badge_token.unwrap_ndef(badge_token.wrap_ndef(bare)) == bare
    kinds = {refusal(_flipped(bare, bit)) for bit in range(len(bare) * 8)}
    assert kinds == {TokenRefused.MALFORMED, TokenRefused.ISSUER_UNKNOWN, TokenRefused.SIGNATURE_BAD}
    assert refusal(b"\xd2" + TOKEN) is TokenRefused.MALFORMED


def test_an_unknown_issuer_is_refused() -> None:
    assert refusal(TOKEN, issuer=replace(ISSUER, key_id=b"else")) is TokenRefused.ISSUER_UNKNOWN


@pytest.mark.parametrize(
    ("now_ms", "good"), [(NOW_MS - 11, False), (NOW_MS - 10, True), (NOW_MS + 9, True), (NOW_MS + 10, False)]
)
def test_an_issuer_key_counts_only_in_its_own_window(now_ms: int, good: bool) -> None:
    if good:
        assert badge_token.verify(TOKEN, UID, ISSUERS, "s014", now_ms) == CLAIMS
    else:
        assert refusal(TOKEN, now_ms=now_ms) is TokenRefused.ISSUER_EXPIRED


def test_a_token_of_another_key_is_refused() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert refusal(badge_token.encode_and_sign(CLAIMS, KEY_ID, other)) is TokenRefused.SIGNATURE_BAD


def test_a_token_copied_to_another_tag_is_refused() -> None:
    assert refusal(TOKEN, uid=UID[:-1] + b"\x67") is TokenRefused.UID_MISMATCH


def test_a_token_or_an_issuer_of_another_site_is_refused() -> None:
    elsewhere = badge_token.encode_and_sign(replace(CLAIMS, site="s015"), KEY_ID, KEY)
    assert refusal(elsewhere) is TokenRefused.WRONG_SITE
    assert refusal(TOKEN, issuer=replace(ISSUER, site="s015")) is TokenRefused.WRONG_SITE


def test_a_flip_of_any_one_bit_is_never_accepted() -> None:
    kinds = {refusal(_flipped(TOKEN, bit)) for bit in range(len(TOKEN) * 8)}
    assert kinds == {TokenRefused.MALFORMED, TokenRefused.ISSUER_UNKNOWN, TokenRefused.SIGNATURE_BAD}


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


OWN = [1, CLAIMS.worker_tag, UID, "s014", ["a1"], [4_711], 1]
GOOD_MAP = {4: CLAIMS.expires_s, 5: CLAIMS.not_before_s, 7: CLAIMS.token_id, -65537: OWN}
GOOD_PAYLOAD = cbor2.dumps(GOOD_MAP)


def _own(index: int, value: object) -> bytes:
    return cbor2.dumps({**GOOD_MAP, -65537: [*OWN[:index], value, *OWN[index + 1 :]]})


@pytest.mark.parametrize(
    "payload",
    [
        cbor2.dumps({5: CLAIMS.not_before_s, 4: CLAIMS.expires_s, 7: CLAIMS.token_id, -65537: OWN}),
        cbor2.dumps({**GOOD_MAP, 6: 1}),
        cbor2.dumps({4: CLAIMS.expires_s, 5: CLAIMS.not_before_s, 7: CLAIMS.token_id}),
        b"\xa5\x04\x00" + GOOD_PAYLOAD[1:],
        b"\xbf" + GOOD_PAYLOAD[1:] + b"\xff",
        GOOD_PAYLOAD + b"\x00",
        GOOD_PAYLOAD[:-1],
        GOOD_PAYLOAD[:-1] + b"\x18\x01",
        b"",
        cbor2.dumps({**GOOD_MAP, 4: float(CLAIMS.expires_s)}),
        cbor2.dumps({**GOOD_MAP, 4: CLAIMS.not_before_s}),
        cbor2.dumps({**GOOD_MAP, 4: CLAIMS.not_before_s + 43_201}),
        cbor2.dumps({**GOOD_MAP, 5: -1}),
        cbor2.dumps({**GOOD_MAP, 7: bytes(7)}),
        cbor2.dumps({**GOOD_MAP, 7: "12345678"}),
        cbor2.dumps(cbor2.CBORTag(55799, GOOD_MAP)),
        _own(0, 2),
        _own(0, True),
        _own(1, bytes(15)),
        _own(2, bytes(5)),
        _own(3, "with space"),
        _own(3, 14),
        _own(4, []),
        _own(4, ["a1", "a1"]),
        _own(4, "a1"),
        _own(4, [["a1"]]),
        _own(5, [0]),
        _own(5, [65_536]),
        _own(5, [True]),
        _own(5, list(range(1, 18))),
        _own(6, -1),
        _own(6, None),
    ],
)
def test_an_odd_payload_is_refused_though_its_signature_is_good(payload: bytes) -> None:
    assert badge_token.verify(signed(GOOD_PAYLOAD), UID, ISSUERS, "s014", NOW_MS) == CLAIMS
    assert refusal(signed(payload)) is TokenRefused.MALFORMED
    with pytest.raises(TokenError):
        badge_token.decode(signed(payload))


@pytest.mark.parametrize(
    "token",
    [
        TOKEN[2:],
        TOKEN + b"\x00",
        TOKEN[:-1],
        b"",
        b"\xd1" + TOKEN[1:],
        signed(GOOD_PAYLOAD, cbor2.dumps({1: -19, 4: KEY_ID})),
        signed(GOOD_PAYLOAD, cbor2.dumps({1: -7, 4: KEY_ID})),
        signed(GOOD_PAYLOAD, cbor2.dumps({4: KEY_ID, 1: -8})),
        signed(GOOD_PAYLOAD, cbor2.dumps({1: -8})),
        signed(GOOD_PAYLOAD, cbor2.dumps({1: -8, 4: b"12345"})),
        TOKEN.replace(b"\xa0", b"\xa1\x01\x02", 1),
        bytes(481),
    ],
)
def test_another_frame_than_the_one_allowed_is_refused(token: bytes) -> None:
    assert refusal(token) is TokenRefused.MALFORMED


@pytest.mark.parametrize(
    "change",
    [
        {"expires_s": CLAIMS.not_before_s},
        {"expires_s": CLAIMS.not_before_s + badge_token.WINDOW_S_MAX + 1},
        {"uid": b"12345"},
        {"areas": ()},
        {"permit_short_ids": (1, 1)},
        {"areas": tuple(f"{number:064d}" for number in range(16))},
    ],
)
def test_claims_that_a_gateway_would_refuse_are_not_signed(change: dict[str, object]) -> None:
    with pytest.raises(TokenError):
        badge_token.encode_and_sign(replace(CLAIMS, **change), KEY_ID, KEY)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 150, 255, 256, 480])
def test_the_ndef_message_is_what_another_library_reads(size: int) -> None:
    token = bytes(range(256)) * 2
    message = badge_token.wrap_ndef(token[:size])
    (record,) = ndef.message_decoder(message)
    assert record.type == "urn:nfc:ext:permitgate.org:b"
    assert record.data == token[:size]
    assert b"".join(ndef.message_encoder([record])) == message
    assert badge_token.unwrap_ndef(message) == token[:size]


def test_a_message_without_a_token_of_ours_is_no_error() -> None:
    assert badge_token.unwrap_ndef(b"") is None
    assert badge_token.unwrap_ndef(b"".join(ndef.message_encoder([ndef.UriRecord("https://example.org/")]))) is None


def test_the_token_must_be_the_only_record() -> None:
    own = ndef.Record("urn:nfc:ext:permitgate.org:b", "", TOKEN)
    named = ndef.Record("urn:nfc:ext:permitgate.org:b", "name", TOKEN)
    for records in ([own, own], [own, ndef.UriRecord("https://example.org/")], [named]):
        with pytest.raises(TokenError) as caught:
            badge_token.unwrap_ndef(b"".join(ndef.message_encoder(records)))
        assert caught.value.kind is TokenRefused.MALFORMED


@pytest.mark.parametrize("message", [b"\xd4", b"\xd4\x10\x96perm", b"\x00" * 8, b"\x91\x01\x00U", bytes(1_025)])
def test_bytes_that_are_no_ndef_message_are_refused(message: bytes) -> None:
    with pytest.raises(FormatError):
        badge_token.unwrap_ndef(message)
