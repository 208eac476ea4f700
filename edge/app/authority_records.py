"""Which operations of HQ's authority log speak of one permit's people, places, badges and holds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from edge.storage.authority_reader import AuthorityReader


@dataclass(frozen=True, slots=True)
class Named:
    """What the entries of a permit name: by id; ``freezes`` are those that this gateway made."""

    permit: str
    origin: str
    workers: frozenset[str]
    areas: frozenset[str]
    badges: frozenset[str]
    freezes: frozenset[str]


@dataclass(slots=True)
class _Wanted:
    """Ids whose operations are wanted, by kind of record; freezes by their own ids."""

    ids: dict[str, set[str]]
    freezes: set[str]
    found: list[int] = field(default_factory=list)


def records_about(reader: AuthorityReader, size: int, named: Named) -> list[int]:
    """Indexes, in order, of every operation below ``size`` about them: all versions, revocations, freezes, releases.

    The log is read twice: which workers the permit names must be known before their records can be told.
    """
    permit = named.permit.encode()
    versions = [each for _, each in _operations(reader, size, permit) if _is(each, "permit", named.permit)]
    records = [each["rec"] for each in versions if isinstance(each.get("rec"), dict)]
    people = (filter(None, (*rec["workers"], *rec["guardians"], rec.get("approver"))) for rec in records)
    workers = named.workers | {worker for each in people for worker in each}
    wanted = _Wanted(
        {
            "permit": {named.permit},
            "worker": set(workers),
            "area": {*named.areas, *(area for rec in records for area in rec["areas"])},
            "badge": set(named.badges),
            "cert": set(),
            "issuer": set(),
            "gateway": set(),
        },
        set(named.freezes),
    )
    revoked: list[tuple[int, Mapping[str, Any]]] = []
    for index, each in _operations(reader, size):
        if each.get("op") == "revoke":
            revoked.append((index, each))
        elif _about(each, wanted, named.origin):
            wanted.found.append(index)
    ended = [index for index, each in revoked if each.get("id") in wanted.ids.get(str(each.get("k")), ())]
    return sorted({*wanted.found, *ended})


def _operations(reader: AuthorityReader, size: int, holding: bytes = b"") -> Iterator[tuple[int, dict[str, Any]]]:
    """(index, operation) of those whose bytes hold that text, in short transactions; what is no object is passed by."""
    start = 0
    while start < size:
        page = reader.leaves(start)[: size - start]
        if not page:
            return
        for index, data in enumerate(page, start):
            if holding in data and isinstance(value := _object(data), dict):
                yield index, value
        start += len(page)


def _object(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _is(operation: Mapping[str, Any], kind: str, identity: str) -> bool:
    return operation.get("k") == kind and operation.get("id") == identity


def _about(operation: Mapping[str, Any], wanted: _Wanted, origin: str) -> bool:
    """Whether a put, freeze or release is wanted; certificates and freezes so found are wanted from then on."""
    match operation:
        case {"op": "put", "k": "cert", "id": str(identity), "rec": {"worker": str(worker)}}:
            if worker in wanted.ids["worker"]:
                wanted.ids["cert"].add(identity)
            return worker in wanted.ids["worker"]
        case {"op": "put", "k": "gateway", "id": str(identity), "rec": {"origin": str(named)}}:
            if named == origin:
                wanted.ids["gateway"].add(identity)
            return named == origin
        case {"op": "put", "k": "issuer", "id": str(identity)}:
            wanted.ids["issuer"].add(identity)
            return True
        case {"op": "put", "k": str(kind), "id": str(identity)}:
            return identity in wanted.ids.get(kind, ())
        case {"op": "freeze", "fid": str(freeze), "scope": {"k": str(kind), "id": str(identity)}}:
            touches = kind == "site" or identity in wanted.ids.get(kind, ())
            wanted.freezes |= {freeze} if touches else set()
            return touches
        case {"op": "release", "fids": list(freezes)}:
            return not wanted.freezes.isdisjoint(each for each in freezes if isinstance(each, str))
    return False
