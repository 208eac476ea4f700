"""Merging HQ's operations into tables by the conflict rules C1 to C6: state is a function of the set of operations.

Order and repetition do not matter, no clock is read: a record is its put of largest revision, then largest SHA-256 of
the operation's bytes; a revocation is terminal; what is frozen is what was frozen and not released by name. What cannot
be read freezes its scope.
"""

import hmac
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import assert_never

import orjson

from edge.core.holds import Freeze
from sync.formats import authority
from sync.formats.authority import Put, Release, Revoke, Scope, ScopeKind, Unknown
from sync.formats.record_tables import Kind

_TAG_BYTES = 16
_PROGRESS_EVERY = 512
_UNREADABLE_BY = "hq"

_PUT = """INSERT INTO record (kind, id, revision, digest, idx, data, tag, owner, short_id, status)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, digest = excluded.digest, idx = excluded.idx,
        data = excluded.data, owner = excluded.owner, short_id = excluded.short_id, status = excluded.status
    WHERE record.revision IS NULL OR (excluded.revision, excluded.digest) > (record.revision, record.digest)"""
_REVOKE = """INSERT INTO record (kind, id, revoked_idx, tag) VALUES (?, ?, ?, ?)
    ON CONFLICT (kind, id) DO UPDATE SET revoked_idx = ifnull(record.revoked_idx, excluded.revoked_idx)"""
# Of two freezes that differ in words only, the smaller words: any fixed choice, whatever came first.
_FREEZE = """INSERT INTO freeze (freeze_id, scope_kind, scope_id, by, why, released)
    VALUES (?1, ?2, ?3, ?4, ?5, EXISTS (SELECT 1 FROM released WHERE freeze_id = ?1))
    ON CONFLICT (freeze_id, scope_kind, scope_id) DO UPDATE SET by = excluded.by, why = excluded.why
    WHERE (excluded.by, excluded.why) < (freeze.by, freeze.why)"""
_RELEASE = "INSERT INTO released VALUES (?) ON CONFLICT DO NOTHING"
_LIFT = "UPDATE freeze SET released = 1 WHERE freeze_id = ? AND released = 0"


def worker_tag(pepper: bytes, worker: str) -> str:
    """What a badge carries instead of the worker's id: HMAC-SHA256(site pepper, id), first 16 bytes in hex."""
    return hmac.digest(pepper, worker.encode(), "sha256")[:_TAG_BYTES].hex()


@dataclass(slots=True)
class Changes:
    """What a run of operations touched, each once, in the log's order."""

    permits: dict[str, None] = field(default_factory=dict)
    freezes: dict[tuple[str, str], Freeze] = field(default_factory=dict)
    releases: dict[str, None] = field(default_factory=dict)


class Merger:
    """Applies operations within the caller's transaction."""

    def __init__(
        self, connection: sqlite3.Connection, site: str, pepper: bytes, on_progress: Callable[[], None] = lambda: None
    ) -> None:
        self._on_progress = on_progress
        self._connection = connection
        self._site = site
        self._pepper = pepper

    def merge(self, start: int, operations: Sequence[bytes]) -> Changes:
        """Apply the log's entries from index ``start`` on. Never refuses one: what cannot be read is a freeze."""
        changes = Changes()
        for index, data in enumerate(operations, start):
            if index % _PROGRESS_EVERY == 0:
                self._on_progress()
            self._merge_one(index, data, changes)
        return changes

    def _merge_one(self, index: int, data: bytes, changes: Changes) -> None:
        operation = authority.parse_operation(data)
        match operation:
            case Put():
                self._put(index, data, operation)
                if operation.kind is Kind.PERMIT:
                    changes.permits[operation.id] = None
            case Revoke(kind, identity, _):
                tag = worker_tag(self._pepper, identity) if kind is Kind.WORKER else None
                self._connection.execute(_REVOKE, (kind.value, identity, index, tag))
                if kind is Kind.PERMIT:
                    changes.permits[identity] = None
            case authority.Freeze(freeze_id, scope, by, why):
                self._freeze(freeze_id, scope, (by, why), changes)
            case Unknown(unknown_scope, freeze_id, why):
                whole = Scope(ScopeKind.SITE, self._site)
                self._freeze(freeze_id, unknown_scope or whole, (_UNREADABLE_BY, why), changes)
            case Release(freeze_ids, _):
                for freeze_id in freeze_ids:
                    self._connection.execute(_RELEASE, (freeze_id,))
                    self._connection.execute(_LIFT, (freeze_id,))
                    changes.releases[freeze_id] = None
            case _:
                assert_never(operation)

    def _put(self, index: int, data: bytes, put: Put) -> None:
        record = put.record
        values: tuple[str | None, str | None, int | None, int | None] = (None, None, None, None)
        match put.kind:
            case Kind.WORKER:
                values = (worker_tag(self._pepper, put.id), None, None, None)
            case Kind.CERTIFICATE:
                values = (None, record["worker"], None, None)
            case Kind.PERMIT:
                values = (None, None, record["short_id"], record["status"])
            case _:
                pass
        stored = orjson.dumps(dict(record))
        digest = sha256(data).digest()
        self._connection.execute(_PUT, (put.kind.value, put.id, put.revision, digest, index, stored, *values))

    def _freeze(self, freeze_id: str, scope: Scope, words: tuple[str, str], changes: Changes) -> None:
        # A site's log speaks of no other site: a freeze of any site is a freeze of this one.
        identity = self._site if scope.kind is ScopeKind.SITE else scope.id
        self._connection.execute(_FREEZE, (freeze_id, scope.kind.value, identity, *words))
        freeze = Freeze(freeze_id, f"{scope.kind.value}:{identity}", *words)
        changes.freezes[freeze_id, freeze.scope] = freeze
