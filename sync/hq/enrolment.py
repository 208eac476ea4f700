"""How a gateway becomes known to HQ: a one-time code against its log key."""

import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from sync.formats import note
from sync.formats.authority import Put
from sync.formats.enrolment_code import EnrolmentCode, proof_text, secret_hash
from sync.formats.errors import FormatError
from sync.formats.record_tables import Kind
from sync.hq.authority_log import AuthorityLog
from sync.hq.place import Place
from sync.hq.refusals import Refusal, RefusalCode
from sync.hq.store import Enrolment, HqStore, LogRole

CODE_LIFE_MS = 7 * 24 * 3_600_000
"""A code lapses after seven days."""

_GATEWAY = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""As the gateway's own configuration has it."""

_FIELDS = {"v", "secret", "site", "vkey", "proof"}


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """What a gateway sends: the code's secret, its site, the public key of its log, and a note signed by that key."""

    secret: bytes
    site: str
    vkey: note.VerifierKey
    proof: str


def new_code(store: HqStore, place: Place, gateway: str, epoch: int, now_ms: int) -> EnrolmentCode:
    """A code for one gateway and epoch. Raises Refusal if that origin is enrolled already."""
    if not _GATEWAY.fullmatch(gateway) or not 1 <= epoch <= 9_999:
        raise Refusal(
            RefusalCode.SETTING, "gateway: 1 to 32 of a-z 0-9 - _, the first a letter or digit; epoch: 1 to 9999"
        )
    origin = place.gateway_origin(gateway, epoch)
    code = EnrolmentCode(secrets.token_bytes(16), place.certificates.fingerprint())
    with store.writing() as transaction:
        if transaction.log(origin) is not None:
            raise Refusal(
                RefusalCode.SETTING, f"{origin}: enrolled already; a new gateway there needs epoch {epoch + 1}"
            )
        transaction.set_enrolment(code.secret_hash(), Enrolment(gateway, origin, now_ms + CODE_LIFE_MS, None))
    return code


def parse_enrolment(body: bytes) -> EnrolmentRequest:
    """The body of /v1/enrol. Raises Refusal (malformed)."""
    try:
        value = orjson.loads(body)
        if not isinstance(value, dict) or set(value) != _FIELDS or value["v"] != 1:
            raise FormatError("must hold exactly v = 1, secret, site, vkey, proof", "body")
        secret = bytes.fromhex(value["secret"])
        vkey = note.VerifierKey.parse(value["vkey"])
    except (orjson.JSONDecodeError, ValueError, TypeError, AttributeError) as error:
        text = str(error) if isinstance(error, FormatError) else "body: not an enrolment request"
        raise Refusal(RefusalCode.MALFORMED, text) from None
    return EnrolmentRequest(secret, str(value["site"]), vkey, str(value["proof"]))


def enrol(
    store: HqStore, place: Place, authority: AuthorityLog, request: EnrolmentRequest, now_ms: int
) -> dict[str, Any]:
    """Take a gateway in and tell it all that it must know. The owner of the same key may send the same code again.

    Raises Refusal (code) for an unknown, used or lapsed code, or a key that is not named as its log.
    """
    token = secrets.token_hex(32)
    with store.writing() as transaction:
        enrolment = transaction.enrolment(secret_hash(request.secret))
        enrolment = _checked(enrolment, place, request, now_ms)
        vkey = str(request.vkey)
        log = transaction.log(enrolment.origin)
        if log is None:
            transaction.add_log(enrolment.origin, LogRole.GATEWAY, vkey)
            record = {"origin": enrolment.origin, "vkey": vkey}
            authority.add_surely(transaction, Put(Kind.GATEWAY, enrolment.origin, 1, record))
        elif log.vkey != vkey:
            raise Refusal(
                RefusalCode.CODE, f"{enrolment.origin}: enrolled already by another key; it needs a new epoch"
            )
        used = Enrolment(enrolment.gateway, enrolment.origin, enrolment.expires_ms, vkey)
        transaction.set_enrolment(secret_hash(request.secret), used)
        transaction.set_token(token_hash(token), enrolment.origin)
    return {
        "v": 1,
        "site": place.site,
        "organisation": place.organisation,
        "gateway": enrolment.gateway,
        "origin": enrolment.origin,
        "authority_origin": place.authority_origin,
        "authority_vkey": str(place.authority_key().verifier()),
        "mirror_vkey": str(place.mirror_key().cosigner()),
        "root": place.root(),
        "site_pepper": place.pepper().hex(),
        "link_token": token,
    }


def token_hash(token: str) -> bytes:
    """What HQ stores instead of a link token."""
    return sha256(b"permitgate-link-token/1\n" + token.encode()).digest()


def _checked(enrolment: Enrolment | None, place: Place, request: EnrolmentRequest, now_ms: int) -> Enrolment:
    if enrolment is None:
        raise Refusal(RefusalCode.CODE, "enrolment code: not known here; ask HQ for a new one")
    if enrolment.used_vkey not in (None, str(request.vkey)):
        raise Refusal(RefusalCode.CODE, "enrolment code: used already by another key; ask HQ for a new one")
    if now_ms >= enrolment.expires_ms:
        raise Refusal(RefusalCode.CODE, "enrolment code: lapsed; ask HQ for a new one")
    if request.site != place.site:
        raise Refusal(RefusalCode.CODE, f"site {request.site}: this HQ serves {place.site}; correct [gateway] site")
    if request.vkey.name != enrolment.origin or request.vkey.algorithm != note.ALGORITHM_ED25519:
        text = f"log key {request.vkey.name}: the code is for {enrolment.origin}; correct [gateway] id or epoch"
        raise Refusal(RefusalCode.CODE, text)
    _check_proof(request)
    return enrolment


def _check_proof(request: EnrolmentRequest) -> None:
    """The public key is no secret: only the signature shows that the gateway itself is asking, perhaps again."""
    try:
        text = note.open_note(request.proof, [request.vkey]).text
    except FormatError:
        text = ""
    if text != proof_text(request.secret, request.site):
        raise Refusal(RefusalCode.CODE, "enrolment: not signed by the log key that it names")
