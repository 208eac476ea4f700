"""Whatever bytes a badge holds: a value or our own error, and never an accepted forgery."""

import hashlib
from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as some

from sync.formats import badge_token
from sync.formats.badge_token import BadgeClaims, IssuerKey, TokenError
from sync.formats.errors import FormatError

KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"issuer").digest())
ISSUER = IssuerKey(b"kid1", KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), 0, 2**50, "s1")

ids = some.text(some.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
claims = some.builds(
    lambda begin, length, **rest: BadgeClaims(not_before_s=begin, expires_s=begin + length, **rest),
    begin=some.integers(0, 4_000_000_000),
    length=some.integers(1, badge_token.WINDOW_S_MAX),
    token_id=some.binary(min_size=8, max_size=8),
    worker_tag=some.binary(min_size=16, max_size=16),
    uid=some.sampled_from([4, 7, 10]).flatmap(lambda size: some.binary(min_size=size, max_size=size)),
    site=some.just("s1"),
    areas=some.lists(ids, min_size=1, max_size=8, unique=True).map(tuple),
    permit_short_ids=some.lists(some.integers(1, 65_535), min_size=1, max_size=8, unique=True).map(tuple),
    permit_version=some.integers(0, 2**31 - 1),
)


@given(claims)
@settings(max_examples=60, deadline=None)
def test_what_is_issued_is_what_is_read(written: BadgeClaims) -> None:
    token = badge_token.encode_and_sign(written, b"kid1", KEY)
    message = badge_token.wrap_ndef(token)
    assert badge_token.unwrap_ndef(message) == token
    assert badge_token.verify(token, written.uid, {b"kid1": ISSUER}, "s1", 0) == written


@given(some.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_a_value_or_our_error(data: bytes) -> None:
    with suppress(TokenError):
        badge_token.decode(data)
    with suppress(FormatError):
        badge_token.unwrap_ndef(data)


@given(some.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_payload_in_a_good_frame_gives_a_value_or_our_error(payload: bytes) -> None:
    length = bytes([0x40 | len(payload)]) if len(payload) < 24 else bytes([0x58, len(payload)])
    token = bytes.fromhex("d28449a201270444") + b"kid1\xa0" + length + payload + b"\x58\x40" + bytes(64)
    with suppress(TokenError):
        badge_token.decode(token)


@given(claims, some.data())
@settings(max_examples=80, deadline=None)
def test_no_changed_token_is_accepted(written: BadgeClaims, data: some.DataObject) -> None:
    token = bytearray(badge_token.encode_and_sign(written, b"kid1", KEY))
    at = data.draw(some.integers(0, len(token) - 1))
    token[at] ^= data.draw(some.integers(1, 255))
    try:
        badge_token.verify(bytes(token), written.uid, {b"kid1": ISSUER}, "s1", 0)
    except TokenError:
        return
    raise AssertionError(f"accepted with byte {at} changed")
