"""Operations of the authority log: what HQ says, one canonical object per log entry.

``put`` gives a record, ``revoke`` ends an id for ever, ``freeze`` stops a scope and ``release`` names the freezes it
lifts. What cannot be read as one of these is ``Unknown`` and counts as a freeze of the narrowest scope that can be
read from it, the whole site if none can: a gateway older than HQ's words only ever becomes stricter.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias, assert_never

import orjson

from sync.formats import canonical
from sync.formats.errors import FormatError
from sync.formats.permit_facts import check_position
from sync.formats.record_fields import (
    Choice,
    Field,
    Hexadecimal,
    Identifier,
    ListOf,
    Table,
    Text,
    Whole,
    checked_record,
    table_schema,
)
from sync.formats.record_tables import RECORDS, Kind
from sync.formats.rule_text import RulesId

VERSION = 1

MAX_LINE = 65_536
"""Longest line of an import file, in characters."""


class ScopeKind(Enum):
    """What a freeze can stop."""

    PERMIT = "permit"
    WORKER = "worker"
    AREA = "area"
    SITE = "site"


_ID = Identifier()
_FREEZE_ID = Identifier(128)
_REASON = Text(256)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a freeze stops. Its text ``kind:id`` is how facts name it."""

    kind: ScopeKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.id}"


@dataclass(frozen=True, slots=True)
class Put:
    """HQ's word on one record; among several of one id the larger revision, then the larger SHA-256, holds (C4)."""

    kind: Kind
    id: str
    revision: int
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Revoke:
    """The end of one id; nothing brings it back (C2)."""

    kind: Kind
    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """A stop that stands until a release names ``freeze_id`` (C3)."""

    freeze_id: str
    scope: Scope
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Release:
    """Lifts exactly the freezes it names."""

    freeze_ids: tuple[str, ...]
    by: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """An entry that cannot be read: a freeze of ``scope``, None meaning the whole site (C6).

    ``freeze_id`` comes from the entry's bytes, so that a later release can name it.
    """

    scope: Scope | None
    freeze_id: str
    why: str


KnownOperation: TypeAlias = Put | Revoke | Freeze | Release
Operation: TypeAlias = KnownOperation | Unknown

_ENVELOPES: Mapping[str, Table] = {
    "put": {"id": Field(_ID), "k": Field(_ID), "rev": Field(Whole(1, 2**53 - 1))},
    "revoke": {"id": Field(_ID), "k": Field(_ID), "why": Field(_REASON)},
    "freeze": {"fid": Field(_FREEZE_ID), "by": Field(_ID), "why": Field(_REASON, required=False)},
    "release": {"fids": Field(ListOf(_FREEZE_ID, least=1, most=64)), "by": Field(_ID)},
}
_OWN_IDS: Mapping[str, Any] = {Kind.GATEWAY.value: Identifier(128), Kind.RULES.value: RulesId()}
"""Kinds whose ids are of a form of their own: a gateway's record is named by the origin of its log, which is longer."""

_BADGE_ID = Hexadecimal(8, 8)

_SCOPE: Table = {"k": Field(Choice(tuple(kind.value for kind in ScopeKind))), "id": Field(_ID)}
_NESTED = {"put": "rec", "freeze": "scope"}


def parse_operation(data: bytes) -> Operation:
    """What one entry of the authority log says. Never raises: what cannot be read is ``Unknown``."""
    try:
        value = canonical.decode(data)
    except FormatError as error:
        return _unknown(data, {}, str(error))
    try:
        return _parse(value, written=False)
    except FormatError as error:
        return _unknown(data, value, str(error))


def read_written(line: str | bytes) -> KnownOperation:
    """One line of a file that a person or a system of HQ wrote: times in RFC 3339, ``v`` may be left out.

    Raises FormatError naming the field; unlike ``parse_operation`` it guesses nothing.
    """
    if len(line) > MAX_LINE:
        raise FormatError(f"longer than {MAX_LINE} characters", place="line")
    try:
        orjson.loads(line)
        value = json.loads(line, object_pairs_hook=_without_repeats)
    except orjson.JSONDecodeError as error:
        raise FormatError(f"not JSON: {error.msg}, at character {error.pos + 1}", place="line") from None
    except (RecursionError, UnicodeDecodeError) as error:
        raise FormatError(f"not JSON: {error}", place="line") from None
    if not isinstance(value, dict):
        raise FormatError("must be one JSON object", place="line")
    value.setdefault("v", VERSION)
    return _parse(value, written=True)


def encode_operation(operation: KnownOperation) -> bytes:
    """The canonical bytes of an operation, as an entry of the log.

    Raises FormatError for one that a gateway could not read: there it would be a freeze.
    """
    data = canonical.encode(_plain(operation))
    read = parse_operation(data)
    if isinstance(read, Unknown):
        raise FormatError(read.why)
    return data


def badge_id(text: str) -> str:
    """The id of a badge as gateways know it; capitals and colons of a print-out are forgiven. Raises FormatError."""
    return _BADGE_ID.checked(text.replace(":", "").lower(), "badge", written=True)


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one line of an import file."""
    puts = [_put_schema(kind, table) for kind, table in RECORDS.items() if kind is not Kind.RULES]
    others = [_envelope_schema(name) for name in ("revoke", "freeze", "release")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "permitgate: one operation of the authority log, as a line of an import file",
        "oneOf": puts + others,
    }


def _parse(value: Mapping[str, Any], written: bool) -> KnownOperation:
    name = value.get("op")
    if not isinstance(name, str) or name not in _ENVELOPES:
        raise FormatError(f"unknown operation; known: {', '.join(_ENVELOPES)}", place="op")
    if value.get("v") != VERSION or isinstance(value.get("v"), bool):
        raise FormatError(f"unknown version; known: {VERSION}", place="v")
    nested = _NESTED.get(name)
    envelope = {key: item for key, item in value.items() if key not in ("op", "v", nested)}
    fields = checked_record(_envelope(name, value.get("k")), envelope, name, written)
    match name:
        case "put":
            kind = _kind(fields["k"])
            if written and kind is Kind.RULES:
                raise FormatError("a rule pack is published from its file: `permitgate hq publish FILE`", place="k")
            record = checked_record(_table(kind), value.get("rec"), "rec", written)
            _check_window(record)
            check_position(record)
            return Put(kind, fields["id"], fields["rev"], record)
        case "revoke":
            revoked = Revoke(_kind(fields["k"]), fields["id"], fields["why"])
            if written and revoked.kind is Kind.BADGE:
                _BADGE_ID.checked(revoked.id, "revoke.id", written)
            return revoked
        case "freeze":
            scope = checked_record(_SCOPE, value.get("scope"), "scope", written)
            return Freeze(fields["fid"], Scope(ScopeKind(scope["k"]), scope["id"]), fields["by"], fields.get("why", ""))
        case _:
            return Release(tuple(fields["fids"]), fields["by"])


def _envelope(name: str, kind: Any) -> Table:
    table = _ENVELOPES[name]
    return {**table, "id": Field(_OWN_IDS.get(str(kind), _ID))} if "id" in table else table


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise FormatError("the same key is given twice", place="line")
    return value


def _kind(word: str) -> Kind:
    try:
        return Kind(word)
    except ValueError:
        raise FormatError(f"unknown kind; known: {', '.join(kind.value for kind in Kind)}", place="k") from None


def _table(kind: Kind) -> Table:
    table = RECORDS.get(kind)
    if table is None:
        raise FormatError(f"a {kind.value} has no record: it can only be revoked", place="k")
    return table


def _check_window(record: Mapping[str, Any]) -> None:
    for first, last in (("start", "end"), ("not_before", "not_after")):
        if first in record and record[last] < record[first]:
            raise FormatError(f"ends before its {first}", place=f"rec.{last}")


def _unknown(data: bytes, value: Mapping[str, Any], why: str) -> Unknown:
    return Unknown(_readable_scope(value), f"unknown-{hashlib.sha256(data).hexdigest()[:32]}", why)


def _readable_scope(value: Mapping[str, Any]) -> Scope | None:
    """The narrowest scope that an unreadable entry surely speaks of."""
    named = value.get("scope")
    scope = _scope(named.get("k"), named.get("id")) if isinstance(named, dict) else None
    if scope is not None:
        return scope
    scope = _scope(value.get("k"), value.get("id"))
    if scope is None and value.get("k") == Kind.CERTIFICATE.value and isinstance(value.get("rec"), dict):
        return _scope(ScopeKind.WORKER.value, value["rec"].get("worker"))
    return scope


def _scope(kind: Any, identity: Any) -> Scope | None:
    try:
        fields = checked_record(_SCOPE, {"k": kind, "id": identity}, "scope", written=False)
    except FormatError:
        return None
    return Scope(ScopeKind(fields["k"]), fields["id"])


def _plain(operation: KnownOperation) -> dict[str, Any]:
    match operation:
        case Put(kind, identity, revision, record):
            return {
                "id": identity,
                "k": kind.value,
                "op": "put",
                "rec": dict(record),
                "rev": revision,
                "v": VERSION,
            }
        case Revoke(kind, identity, why):
            return {"id": identity, "k": kind.value, "op": "revoke", "v": VERSION, "why": why}
        case Freeze(freeze_id, scope, by, why):
            scope_value = {"id": scope.id, "k": scope.kind.value}
            return {"by": by, "fid": freeze_id, "op": "freeze", "scope": scope_value, "v": VERSION, "why": why}
        case Release(freeze_ids, by):
            return {"by": by, "fids": list(freeze_ids), "op": "release", "v": VERSION}
        case _:
            assert_never(operation)


def _put_schema(kind: Kind, table: Table) -> dict[str, Any]:
    described = _envelope_schema("put", kind)
    described["properties"]["k"] = {"const": kind.value}
    described["properties"]["rec"] = table_schema(table)
    described["required"].append("rec")
    return described


def _envelope_schema(name: str, kind: Kind | None = None) -> dict[str, Any]:
    described = table_schema(_envelope(name, None if kind is None else kind.value))
    described["properties"] = {"op": {"const": name}, "v": {"const": VERSION}, **described["properties"]}
    described["required"] = ["op", *described["required"]]
    if name == "freeze":
        described["properties"]["scope"] = table_schema(_SCOPE)
        described["required"].append("scope")
    if name == "revoke":
        described["properties"]["k"] = {"enum": [each.value for each in Kind]}
        described["properties"]["id"] = _OWN_IDS[Kind.GATEWAY.value].schema()
        described["if"] = {"properties": {"k": {"const": Kind.BADGE.value}}}
        described["then"] = {"properties": {"id": _BADGE_ID.schema()}}
    return described
