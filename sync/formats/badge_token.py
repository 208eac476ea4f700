"""Badge tokens: what HQ writes on a badge, and how a gateway comes to believe it.

A token is a COSE_Sign1 (RFC 9052 section 4.2) under CBOR tag 18, signed with Ed25519 (RFC 8032)::

    18([ h'a201270444<kid>', {}, payload, signature ])          protected: {1: -8, 4: kid (4 bytes)}
    payload = { 4: exp, 5: nbf, 7: cti (8 bytes),                CWT claims, RFC 8392 section 3.1
                -65537: [1, worker (16 bytes), uid, site, [areas], [permit short ids], permit_version] }

There is one way to write a token, CBOR's core deterministic encoding (RFC 8949 section 4.2.1); all else is refused. We
write the tag; RFC 9052 section 4.2 leaves it to the issuer, so a token of another issuer may come without it. The
algorithm belongs to the key, not to the header: version 1 knows only -8 (EdDSA) with Ed25519 keys.

The token is an upper bound of what its holder may do, for one shift. Whether *now* lies in its window is not judged
here: the decision does that, with the clock's error in hand. On the tag the token is the only record of its NDEF
message, of the external type ``permitgate.org:b``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sync.formats.errors import FormatError

VERSION = 1

TOKEN_BYTES_MAX = 480
"""Longest token. With its NDEF record it fits the 492 bytes that an NTAG215 offers."""

WINDOW_S_MAX = 43_200
"""Longest window of a token: one shift of 12 h, so that a list of revoked tokens stays short."""

NDEF_TYPE = "permitgate.org:b"
"""NFC Forum external type (RTD 1.0 section 3.2.4); as a URN ``urn:nfc:ext:permitgate.org:b``."""

NDEF_BYTES_MAX = 1_024

_TAG = b"\xd2"
_HEAD = bytes.fromhex("8449a201270444")
_KEY_ID_BYTES = 4
_TOKEN_ID_BYTES = 8
_WORKER_TAG_BYTES = 16
_SIGNATURE_BYTES = 64
_SIGNATURE_HEAD = b"\x58\x40"
_UID_LENGTHS = (4, 7, 10)
_LIST_MAX = 16
_ID = re.compile(r"[!-~]{1,64}")
_EXP, _NBF, _CTI, _PERMITGATE = 4, 5, 7, -65537
_LATEST_S = 253_402_300_799
_EXTERNAL_TYPE = 4


class TokenRefused(Enum):
    """Why a token is not believed. The values are reason codes."""

    MALFORMED = "token_malformed"
    ISSUER_UNKNOWN = "issuer_unknown"
    ISSUER_EXPIRED = "issuer_expired"
    SIGNATURE_BAD = "signature_bad"
    UID_MISMATCH = "uid_mismatch"
    WRONG_SITE = "wrong_site"


class TokenError(FormatError):
    """The token is not believed; ``kind`` says why."""

    def __init__(self, kind: TokenRefused, message: str) -> None:
        super().__init__(message, place="token")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class BadgeClaims:
    """What a token says. Times are UTC seconds: ``not_before_s`` inclusive, ``expires_s`` exclusive.

    ``worker_tag`` is the first 16 bytes of HMAC-SHA256(site pepper, worker id); ``uid`` is the tag's own, 4, 7 or 10
    bytes; ``permit_short_ids`` are HQ's numbers for open permits, 1 to 65535.
    """

    token_id: bytes
    not_before_s: int
    expires_s: int
    worker_tag: bytes
    uid: bytes
    site: str
    areas: tuple[str, ...]
    permit_short_ids: tuple[int, ...]
    permit_version: int


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A well-formed token that nobody has checked: to be shown, never to be acted on."""

    key_id: bytes
    claims: BadgeClaims
    signature: bytes


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A key that may sign tokens, as HQ's authority log says it. ``not_after_ms`` is exclusive, UTC milliseconds."""

    key_id: bytes
    public_key: bytes
    not_before_ms: int
    not_after_ms: int
    site: str


@dataclass(frozen=True, slots=True)
class _Envelope:
    key_id: bytes
    payload: bytes
    signature: bytes


def encode_and_sign(claims: BadgeClaims, key_id: bytes, key: Ed25519PrivateKey) -> bytes:
    """The token's bytes. Raises ``TokenError`` (malformed) for claims that a gateway would refuse to read."""
    if len(key_id) != _KEY_ID_BYTES:
        raise _malformed(f"key id of {len(key_id)} bytes, must be {_KEY_ID_BYTES}")
    _check(claims)
    payload = _payload(claims)
    token = _TAG + _join(_Envelope(key_id, payload, key.sign(to_be_signed(_protected(key_id), payload))))
    if len(token) > TOKEN_BYTES_MAX:
        raise _malformed(f"{len(token)} bytes, at most {TOKEN_BYTES_MAX}: name fewer areas or permits")
    return token


def decode(token: bytes) -> UnverifiedToken:
    """What a token says, without asking who signed it. Raises ``TokenError`` (malformed) for anything else."""
    envelope = _split(token)
    return UnverifiedToken(envelope.key_id, _claims(envelope.payload), envelope.signature)


def verify(token: bytes, uid: bytes, issuers: Mapping[bytes, IssuerKey], site: str, now_ms: int) -> BadgeClaims:
    """The claims of a token that one of ``issuers`` signed, for this tag and this site.

    ``issuers`` maps key ids to keys; ``uid`` is what the reader saw; ``now_ms`` (UTC milliseconds) is held only
    against the key's window. The payload is read only once its signature is known to be good. Raises ``TokenError``
    with its ``kind``.
    """
    envelope = _split(token)
    issuer = issuers.get(envelope.key_id)
    if issuer is None:
        raise TokenError(TokenRefused.ISSUER_UNKNOWN, f"no issuer key {envelope.key_id.hex()} is known here")
    if not issuer.not_before_ms <= now_ms < issuer.not_after_ms:
        raise TokenError(TokenRefused.ISSUER_EXPIRED, f"issuer key {envelope.key_id.hex()} is outside its own window")
    _check_signature(envelope, issuer)
    claims = _claims(envelope.payload)
    if claims.uid != uid:
        raise TokenError(TokenRefused.UID_MISMATCH, f"issued to tag {claims.uid.hex()}, found on {uid.hex()}")
    if not claims.site == issuer.site == site:
        raise TokenError(TokenRefused.WRONG_SITE, f"issued for site {claims.site}, this is {site}")
    return claims


def key_id_of(token: bytes) -> bytes:
    """The 4 bytes that name the token's issuer key. Raises ``TokenError`` (malformed)."""
    return _split(token).key_id


def to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """RFC 9052 section 4.4, Sig_structure of a COSE_Sign1 without external data."""
    return cbor2.dumps(["Signature1", protected, b"", payload])


def wrap_ndef(token: bytes) -> bytes:
    """The NDEF message (NFC Forum NDEF 1.0 section 3.2) that holds one token and nothing else."""
    if not 0 < len(token) <= TOKEN_BYTES_MAX:
        raise _malformed(f"{len(token)} bytes, must be 1 to {TOKEN_BYTES_MAX}")
    record_type = NDEF_TYPE.encode("ascii")
    short = len(token) < 256
    flags = 0x80 | 0x40 | (0x10 if short else 0) | _EXTERNAL_TYPE
    return bytes([flags, len(record_type)]) + len(token).to_bytes(1 if short else 4, "big") + record_type + token


def unwrap_ndef(message: bytes) -> bytes | None:
    """The token in an NDEF message; None for a well-formed message (or none at all) without a token of ours.

    Raises ``FormatError`` for bytes that are no NDEF message, ``TokenError`` (malformed) when our record is not alone
    or is not written as ``wrap_ndef`` writes it.
    """
    records = _records(message)
    tokens = [payload for kind, payload in records if kind == (_EXTERNAL_TYPE, NDEF_TYPE.encode("ascii"))]
    if not tokens:
        return None
    if message != wrap_ndef(tokens[0]):
        raise _malformed("must be the only record of its NDEF message, written in one way")
    return tokens[0]


def _protected(key_id: bytes) -> bytes:
    return _HEAD[2:] + key_id


def _join(envelope: _Envelope) -> bytes:
    return _HEAD + envelope.key_id + b"\xa0" + cbor2.dumps(envelope.payload) + _SIGNATURE_HEAD + envelope.signature


def _split(token: bytes) -> _Envelope:
    """The four parts. All but the payload have a fixed length, so the frame needs no general reader of CBOR."""
    if len(token) > TOKEN_BYTES_MAX:
        raise _malformed(f"{len(token)} bytes, at most {TOKEN_BYTES_MAX}")
    bare = token.removeprefix(_TAG)
    start = len(_HEAD) + _KEY_ID_BYTES + 1
    end = len(bare) - _SIGNATURE_BYTES - len(_SIGNATURE_HEAD)
    envelope = _Envelope(bare[len(_HEAD) : start - 1], bare[start:end][_string_head(bare[start:]) :], bare[-64:])
    if end <= start or _join(envelope) != bare:
        raise _malformed("not a COSE_Sign1 with {1: -8, 4: kid}, written in the one allowed way")
    return envelope


def _string_head(data: bytes) -> int:
    """Bytes before the content of a CBOR byte string of up to 65535 bytes."""
    return {0x58: 2, 0x59: 3}.get(data[0], 1) if data else 0


def _check_signature(envelope: _Envelope, issuer: IssuerKey) -> None:
    message = to_be_signed(_protected(envelope.key_id), envelope.payload)
    try:
        Ed25519PublicKey.from_public_bytes(issuer.public_key).verify(envelope.signature, message)
    except InvalidSignature:
        why = f"the signature is not that of issuer key {envelope.key_id.hex()}"
        raise TokenError(TokenRefused.SIGNATURE_BAD, why) from None


def _payload(claims: BadgeClaims) -> bytes:
    own = [
        VERSION,
        claims.worker_tag,
        claims.uid,
        claims.site,
        list(claims.areas),
        list(claims.permit_short_ids),
        claims.permit_version,
    ]
    # Keys in the order of their encodings (RFC 8949 section 4.2.1): 04, 05, 07, 3a00010000.
    return cbor2.dumps({_EXP: claims.expires_s, _NBF: claims.not_before_s, _CTI: claims.token_id, _PERMITGATE: own})


def _claims(payload: bytes) -> BadgeClaims:
    try:
        value = cbor2.loads(payload, max_depth=4, allow_indefinite=False, allow_duplicate_keys=False)
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, MemoryError, RecursionError) as error:
        raise _malformed(f"payload is not CBOR: {type(error).__name__}") from None
    if not isinstance(value, dict) or list(value) != [_EXP, _NBF, _CTI, _PERMITGATE]:
        raise _malformed("payload must be a map of 4, 5, 7 and -65537, in this order")
    own = value[_PERMITGATE]
    if not isinstance(own, list) or len(own) != 7 or type(own[0]) is not int or own[0] != VERSION:
        raise _malformed(f"claim -65537 must be a list of 7 of version {VERSION}")
    if not isinstance(own[4], list) or not isinstance(own[5], list):
        raise _malformed("areas and permits must be lists")
    _, worker_tag, uid, site, areas, short_ids, version = own
    claims = BadgeClaims(
        value[_CTI], value[_NBF], value[_EXP], worker_tag, uid, site, tuple(areas), tuple(short_ids), version
    )
    _check(claims)
    if _payload(claims) != payload:
        raise _malformed("payload is not in CBOR's deterministic encoding")
    return claims


def _check(claims: BadgeClaims) -> None:
    """Types and ranges of all claims, whether they come from a tag or from our own caller."""
    _check_bytes("token id", claims.token_id, (_TOKEN_ID_BYTES,))
    _check_bytes("worker", claims.worker_tag, (_WORKER_TAG_BYTES,))
    _check_bytes("uid", claims.uid, _UID_LENGTHS)
    _check_whole("nbf", claims.not_before_s, 0, _LATEST_S)
    _check_whole("exp", claims.expires_s, 0, _LATEST_S)
    if not 0 < claims.expires_s - claims.not_before_s <= WINDOW_S_MAX:
        raise _malformed(f"exp must be 1 to {WINDOW_S_MAX} s after nbf")
    _check_id("site", claims.site)
    _check_list("areas", claims.areas)
    _check_list("permits", claims.permit_short_ids)
    for area in claims.areas:
        _check_id("area", area)
    for short_id in claims.permit_short_ids:
        _check_whole("permit short id", short_id, 1, 65_535)
    _check_whole("permit version", claims.permit_version, 0, 2**31 - 1)


def _check_bytes(name: str, value: Any, lengths: tuple[int, ...]) -> None:
    if type(value) is not bytes or len(value) not in lengths:
        raise _malformed(f"{name} must be a string of {' or '.join(map(str, lengths))} bytes")


def _check_whole(name: str, value: Any, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise _malformed(f"{name} must be a whole number, {least} to {most}")


def _check_id(name: str, value: Any) -> None:
    if type(value) is not str or not _ID.fullmatch(value):
        raise _malformed(f"{name} must be 1 to 64 visible ASCII characters without space")


def _check_list(name: str, values: Sequence[Any]) -> None:
    if not 1 <= len(values) <= _LIST_MAX or any(value in values[:index] for index, value in enumerate(values)):
        raise _malformed(f"{name} must be a list of 1 to {_LIST_MAX}, none twice")


def _malformed(message: str) -> TokenError:
    return TokenError(TokenRefused.MALFORMED, message)


def _records(message: bytes) -> list[tuple[tuple[int, bytes], bytes]]:
    """(type name format, type) and payload of each record of an NDEF message."""
    if len(message) > NDEF_BYTES_MAX:
        raise FormatError(f"{len(message)} bytes, at most {NDEF_BYTES_MAX}", place="ndef")
    records: list[tuple[tuple[int, bytes], bytes]] = []
    offset, ended = 0, False
    while offset < len(message):
        flags = message[offset]
        if ended or bool(flags & 0x80) != (not records):
            raise FormatError("begin and end flags do not frame one message", place=f"ndef byte {offset}")
        kind, payload, offset = _record(message, offset)
        records.append((kind, payload))
        ended = bool(flags & 0x40)
    if records and not ended:
        raise FormatError("the last record is missing", place="ndef")
    return records


def _record(message: bytes, start: int) -> tuple[tuple[int, bytes], bytes, int]:
    flags = message[start]
    if flags & 0x20 or flags & 0x07 == 7:
        raise FormatError("chunked or reserved record", place=f"ndef byte {start}")
    short, has_id = bool(flags & 0x10), bool(flags & 0x08)
    header_end = start + 2 + (1 if short else 4) + has_id
    header = message[start:header_end]
    if len(header) < header_end - start:
        raise FormatError("a record is cut off", place=f"ndef byte {start}")
    type_length = header[1]
    payload_length = int.from_bytes(header[2:3] if short else header[2:6], "big")
    type_end = header_end + type_length
    payload_start = type_end + (header[-1] if has_id else 0)
    end = payload_start + payload_length
    if end > len(message):
        raise FormatError("a record is cut off", place=f"ndef byte {start}")
    return (flags & 0x07, message[header_end:type_end]), message[payload_start:end], end
