"""What HQ's operator does from the command line. Each function may run while HQ is serving.

Every function takes the folder that ``init`` made; times are arguments, UTC milliseconds.
"""

import codecs
import hmac
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import orjson

from sync.formats import badge_token
from sync.formats.authority import (
    MAX_LINE,
    Freeze,
    KnownOperation,
    Put,
    Release,
    Revoke,
    Scope,
    ScopeKind,
    badge_id,
    read_written,
)
from sync.formats.errors import FormatError
from sync.formats.record_fields import Identifier, end_ms
from sync.formats.record_tables import Kind
from sync.hq.authority_log import AuthorityLog, current
from sync.hq.enrolment import new_code
from sync.hq.key_files import load_key, make_key, write_public, write_secret
from sync.hq.place import Place, check_names, open_place
from sync.hq.refusals import Refusal, RefusalCode
from sync.hq.store import HeldFreeze, HqTransaction
from sync.hq.trusted_root import make_root

ISSUER_DAYS = 365
_ISSUER = "issuer-1"
_DAY_MS = 86_400_000
_CLOCK_SLACK_MS = 300_000
_BATCH_LINES = 256
_OWN_FREEZE = "hq-"
_KEYS = ("root", "authority", "mirror", "issuer")


@dataclass(frozen=True, slots=True)
class InitReport:
    """``code`` is shown to the operator once; ``made`` says whether this call made the HQ itself; ``hosts`` are the
    names and addresses that its server certificate is good for."""

    folder: Path
    made: bool
    site: str
    organisation: str
    gateway_origin: str
    code: str = field(repr=False)
    code_expires_ms: int
    mirror_vkey: str
    authority_vkey: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """``refused`` names each bad line as ``file:line: place: what``; the good lines are in."""

    new: int
    known: int
    refused: tuple[str, ...]


def init(folder: Path, names: tuple[str, str], gateway: str, hosts: Sequence[str], now_ms: int) -> InitReport:
    """Make an HQ for ``names`` = (site, organisation), or add a code for a further gateway to the one that is there.

    ``hosts`` that its certificate does not name yet are added to it; who serves must be started again for them.
    ``gateway`` is an id, or ``id/epoch`` for a later epoch. Raises Refusal; may be called again after any failure.
    """
    site, organisation = names
    check_names(site, organisation)
    place = Place(folder, site, organisation)
    made = not (folder / "hq.json").exists()
    if not made and (found := open_place(folder)) != place:
        served = f"{folder}: serves {found.organisation} {found.site} already; use a new folder"
        raise Refusal(RefusalCode.SETTING, served)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.certificates.make(place.organisation, hosts, now_ms)
    if made:
        _make(place, now_ms)
    store = place.store()
    try:
        name, _, epoch = gateway.partition("/")
        code = new_code(store, place, name, _epoch(epoch), now_ms)
    finally:
        store.close()
    return InitReport(
        folder,
        made,
        site,
        organisation,
        place.gateway_origin(name, _epoch(epoch)),
        str(code),
        now_ms + 7 * _DAY_MS,
        str(place.mirror_key().cosigner()),
        str(place.authority_key().verifier()),
        tuple(sorted(place.certificates.names())),
    )


def import_file(folder: Path, path: Path) -> ImportReport:
    """Take in a file of JSON lines; a bad line is named and stops no other; what is known already adds nothing."""
    place = open_place(folder)
    store = place.store()
    new = known = 0
    refused: list[str] = []
    try:
        log = AuthorityLog(store, place.authority_origin, place.authority_key())
        with path.open("rb") as file:
            lines = enumerate(_bounded_lines(file), start=1)
            while batch := list(islice(lines, _BATCH_LINES)):
                numbers, operations, bad = _read(path, batch)
                added = log.add(operations)
                new, known = new + added.new, known + added.known
                refused += bad
                refused += [f"{path}:{numbers[position]}: {text}" for position, text in added.refused]
    except OSError as error:
        raise Refusal(RefusalCode.SETTING, f"{path}: {error.strerror}") from None
    finally:
        store.close()
    return ImportReport(new, known, tuple(refused))


def freeze(folder: Path, scope: str, identity: str, by: str, why: str) -> str:
    """Stop a ``permit``, ``worker``, ``area`` or ``site`` by id; gives the freeze's id, by which it is released."""
    try:
        kind = ScopeKind(scope)
    except ValueError:
        known = ", ".join(kind.value for kind in ScopeKind)
        raise Refusal(RefusalCode.OPERATION, f"scope {scope!r}: must be one of {known}") from None
    freeze_id = f"{_OWN_FREEZE}{secrets.token_hex(12)}"
    _add_one(folder, Freeze(freeze_id, Scope(kind, _identity(identity)), _identity(by), why))
    return freeze_id


def release(folder: Path, freeze_ids: Sequence[str], by: str) -> None:
    """Lift the freezes with these ids, HQ's own or a gateway's. Raises Refusal for one of HQ's that it never made."""
    for freeze_id in freeze_ids:
        _identity(freeze_id, 128)
    if not freeze_ids:
        raise Refusal(RefusalCode.OPERATION, "release: name at least one freeze id")
    made = {held.freeze_id for held in freezes(folder)}
    for freeze_id in freeze_ids:
        if freeze_id.startswith(_OWN_FREEZE) and freeze_id not in made:
            raise Refusal(RefusalCode.OPERATION, f"release {freeze_id}: HQ made no such freeze; copy its id whole")
    _add_one(folder, Release(tuple(dict.fromkeys(freeze_ids)), _identity(by)))


def revoke(folder: Path, kind: str, identity: str, why: str) -> bool:
    """End an id for ever; False if it was revoked already. A badge's id is its token id in hexadecimal."""
    try:
        known = Kind(kind)
    except ValueError:
        kinds = ", ".join(known.value for known in Kind)
        raise Refusal(RefusalCode.OPERATION, f"kind {kind!r}: must be one of {kinds}") from None
    return _add_one(folder, Revoke(known, _revoked_identity(known, identity), why))


def knows(folder: Path, kind: str, identity: str) -> bool:
    """Whether HQ ever had a record of that kind and id. ``site`` is known by its own name."""
    place = open_place(folder)
    if kind == ScopeKind.SITE.value:
        return identity == place.site
    store = place.store()
    try:
        with store.reading() as transaction:
            return transaction.record(kind, identity) is not None
    finally:
        store.close()


def freezes(folder: Path) -> list[HeldFreeze]:
    """Every freeze that HQ made, released or not."""
    store = open_place(folder).store()
    try:
        with store.reading() as transaction:
            return transaction.freezes()
    finally:
        store.close()


def issue_badge(folder: Path, worker: str, permit: str, uid: bytes, now_ms: int) -> bytes:
    """A signed badge token for one worker on one permit, bound to a tag's UID.

    Valid from five minutes ago (clocks differ), or the permit's start if that is later, to its end, at most 12 h.
    Raises Refusal saying what is missing.
    """
    place = open_place(folder)
    store = place.store()
    try:
        with store.reading() as transaction:
            claims = _claims(transaction, place, (worker, permit), uid, now_ms)
    finally:
        store.close()
    key = load_key(place.key_path("issuer"))
    try:
        return badge_token.encode_and_sign(claims, issuer_key_id(key.public_key().public_bytes_raw()), key)
    except FormatError as error:
        raise Refusal(RefusalCode.BADGE, str(error)) from None


def issuer_key_id(public: bytes) -> bytes:
    """The four bytes by which a badge names its issuer's key."""
    return sha256(public).digest()[:4]


def worker_tag(pepper: bytes, worker: str) -> bytes:
    """How a badge names a worker: the first 16 bytes of HMAC-SHA256(site pepper, worker id)."""
    return hmac.new(pepper, worker.encode(), sha256).digest()[:16]


def _make(place: Place, now_ms: int) -> None:
    for name in _KEYS:
        if not place.key_path(name).exists():
            make_key(place.key_path(name))
    if not place.pepper_path.exists():
        write_secret(place.pepper_path, secrets.token_hex(32).encode())
    if not place.root_path.exists():
        root_key = load_key(place.key_path("root"))
        root = make_root(root_key, place.authority_key().verifier(), place.mirror_key().cosigner(), now_ms)
        write_public(place.root_path, root)
    store = place.store()
    try:
        log = AuthorityLog(store, place.authority_origin, place.authority_key())
        log.begin()
        with store.reading() as transaction:
            announced = current(transaction, place.authority_origin, Kind.ISSUER, _ISSUER) is not None
        if not announced:
            with store.writing() as transaction:
                log.add_surely(transaction, _issuer(place, now_ms))
    finally:
        store.close()
    # Written last: its presence says that all the rest is there.
    names = {"v": 1, "site": place.site, "organisation": place.organisation}
    write_public(place.folder / "hq.json", orjson.dumps(names, option=orjson.OPT_INDENT_2))


def _issuer(place: Place, now_ms: int) -> Put:
    public = load_key(place.key_path("issuer")).public_key().public_bytes_raw()
    record = {
        "kid": issuer_key_id(public).hex(),
        "alg": -8,
        "key": public.hex(),
        # An HQ without a clock battery begins in 1970.
        "not_before": max(0, now_ms - _DAY_MS),
        "not_after": now_ms + ISSUER_DAYS * _DAY_MS,
        "site": place.site,
    }
    return Put(Kind.ISSUER, _ISSUER, 1, record)


def _epoch(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise Refusal(RefusalCode.SETTING, f"epoch {text!r}: must be a whole number, 1 to 9999")
    return int(text) if text else 1


def _bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines of a file; of one that is too long only so much that the codec refuses it. A byte order mark is no text."""
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)
    while line := file.readline(MAX_LINE + 1):
        yield line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE + 1)


def _read(path: Path, batch: Sequence[tuple[int, bytes]]) -> tuple[list[int], list[KnownOperation], list[str]]:
    numbers: list[int] = []
    operations: list[KnownOperation] = []
    bad: list[str] = []
    for number, line in batch:
        if not line.strip():
            continue
        try:
            operations.append(read_written(line))
            numbers.append(number)
        except FormatError as error:
            bad.append(f"{path}:{number}: {error}")
    return numbers, operations, bad


def _identity(text: str, longest: int = 64) -> str:
    try:
        return Identifier(longest).checked(text, "id", written=True)
    except FormatError as error:
        raise Refusal(RefusalCode.OPERATION, f"{text[:40]!r}: {error}") from None


def _revoked_identity(kind: Kind, text: str) -> str:
    if kind is not Kind.BADGE:
        return _identity(text, 128)
    try:
        return badge_id(text)
    except FormatError as error:
        raise Refusal(RefusalCode.OPERATION, f"{text[:40]!r}: {error}") from None


def _add_one(folder: Path, operation: KnownOperation) -> bool:
    place = open_place(folder)
    store = place.store()
    try:
        log = AuthorityLog(store, place.authority_origin, place.authority_key())
        with store.writing() as transaction:
            return log.add_surely(transaction, operation)
    finally:
        store.close()


def _claims(
    transaction: HqTransaction, place: Place, names: tuple[str, str], uid: bytes, now_ms: int
) -> badge_token.BadgeClaims:
    worker, permit = names
    if current(transaction, place.authority_origin, Kind.WORKER, worker) is None:
        raise Refusal(RefusalCode.BADGE, f"worker {worker}: unknown or revoked; import the worker first")
    found = current(transaction, place.authority_origin, Kind.PERMIT, permit)
    if found is None:
        raise Refusal(RefusalCode.BADGE, f"permit {permit}: unknown or revoked; import the permit first")
    record = found.record
    approves = worker == record.get("approver")
    if worker not in record["workers"] and worker not in record["guardians"] and not approves:
        raise Refusal(RefusalCode.BADGE, f"worker {worker}: no worker, guardian or approver of permit {permit}")
    issuer = current(transaction, place.authority_origin, Kind.ISSUER, _ISSUER)
    if issuer is None or now_ms >= end_ms(issuer.record["not_after"]):
        raise Refusal(RefusalCode.BADGE, f"issuer {_ISSUER}: revoked, or its year is over: gateways refuse its badges")
    # The approver comes to the place before the work may begin.
    begins_ms = now_ms - _CLOCK_SLACK_MS if approves else max(now_ms - _CLOCK_SLACK_MS, record["start"])
    not_before_s = begins_ms // 1000
    until_s = min(end_ms(record["end"]), end_ms(issuer.record["not_after"])) // 1000
    expires_s = min(until_s, not_before_s + badge_token.WINDOW_S_MAX)
    if expires_s <= max(not_before_s, now_ms // 1000):
        raise Refusal(RefusalCode.BADGE, f"permit {permit}: over since its end; it needs a new permit")
    return badge_token.BadgeClaims(
        token_id=secrets.token_bytes(8),
        not_before_s=not_before_s,
        expires_s=expires_s,
        worker_tag=worker_tag(place.pepper(), worker),
        uid=uid,
        site=place.site,
        areas=tuple(record["areas"]),
        permit_short_ids=(record["short_id"],),
        permit_version=record.get("permit_version", 0),
    )
