"""Reading the authority cache from any thread or process: facts for a tap in one short read transaction."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import orjson

from edge.core.facts import Certificate, Facts, Permit, Token, TokenRefusal, TokenVerdict, Worker
from edge.core.holds import Freeze
from edge.core.said import Said
from edge.ports.errors import DamagedError, RefusedError
from edge.ports.stores import READ_ROWS_MAX, AuthorityRecord, HqRules, Issuer
from edge.storage.databases import naming_errors, open_reader
from edge.storage.nodes import node_reader
from sync.formats.record_fields import end_ms
from sync.formats.rule_text import split_id

_HEAD = "SELECT size, fresh_ms FROM log"
# INDEXED BY: left to itself SQLite walks all records of a kind to save a sort of one row.
_WORKER_BY_TAG = "SELECT id, revoked_idx IS NOT NULL FROM record INDEXED BY record_by_tag WHERE tag = ? LIMIT 2"
_BADGE_REVOKED = "SELECT 1 FROM record WHERE kind = 'badge' AND id = ? AND revoked_idx IS NOT NULL"
_PERMIT_COLUMNS = "SELECT id, data, revoked_idx IS NOT NULL FROM record"
# The status figures of the schema's partial indexes, so that SQLite uses them.
_OPEN = "kind = 'permit' AND status IN (0, 1, 2, 6) AND revoked_idx IS NULL"
_OPEN_BY_SHORT_ID = f"{_PERMIT_COLUMNS} INDEXED BY permit_open_by_short_id WHERE {_OPEN} AND short_id = ? LIMIT 16"
_LAST_BY_SHORT_ID = f"{_PERMIT_COLUMNS} INDEXED BY record_by_short_id WHERE short_id = ? ORDER BY idx DESC LIMIT 1"
_OPEN_PAGE = f"{_PERMIT_COLUMNS} INDEXED BY permit_open_by_id WHERE {_OPEN} AND id > ? ORDER BY id LIMIT ?"
_CERTIFICATES = (
    "SELECT id, data, revoked_idx IS NOT NULL FROM record INDEXED BY record_by_owner"
    " WHERE owner = ? AND data IS NOT NULL ORDER BY id LIMIT 64"
)
_STANDING = (
    "SELECT freeze_id, scope_kind || ':' || scope_id, by, why FROM freeze WHERE released = 0"
    " ORDER BY freeze_id, scope_kind, scope_id"
)

_RULES = "SELECT id, data, idx, revoked_idx FROM record WHERE kind = 'rules'"

_T = TypeVar("_T")


class AuthorityReader:
    """The cache, read-only. For one thread: open one in each."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises StoreError if it is not there, DamagedError if it is no authority cache."""
        self._path = path
        self._connection: sqlite3.Connection = open_reader(path, "authority")
        self._node = node_reader(self._connection, path)
        try:
            row = self._row("SELECT origin FROM log")
            if row is None:
                raise DamagedError(f"{path}: is no authority cache, or an empty one")
        except BaseException:
            self._connection.close()
            raise
        self.origin: str = row[0]
        # Freezes and badge keys change only with the log's size, so between two sizes they are kept.
        self._kept_at = -1
        self._frozen: frozenset[str] = frozenset()
        self._keys: frozenset[str] = frozenset()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _rows(self, query: str, *values: object) -> list[Any]:
        with naming_errors(self._path):
            return self._connection.execute(query, values).fetchall()

    def _row(self, query: str, *values: object) -> Any:
        rows = self._rows(query, *values)
        return rows[0] if rows else None

    def _head(self, row: Any) -> tuple[int, int | None]:
        """Size and freshness. Raises DamagedError."""
        match row:
            case (int(size), int() | None as fresh_ms):
                return size, fresh_ms
        raise DamagedError(f"{self._path}: damaged: its head is not what was written")

    def _read(self, build: Callable[[Any], _T], rows: Iterable[Any]) -> tuple[_T, ...]:
        """What the rows hold. Raises DamagedError for a record that is not what was written."""
        try:
            return tuple(map(build, rows))
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(f"{self._path}: damaged: a record is not what was written ({error!r})") from None

    # ---- facts ------------------------------------------------------------------------------------------------------

    def gather(self, verdict: TokenVerdict, door_area: str) -> Facts:
        """See ``FactSource.gather``. Raises StoreError or DamagedError; the tap is then refused."""
        with naming_errors(self._path):
            execute = self._connection.execute
            execute("BEGIN")
            try:
                return self._gather(execute, verdict, door_area)
            finally:
                execute("COMMIT")

    def _gather(self, execute: Any, verdict: TokenVerdict, door_area: str) -> Facts:
        size, fresh_ms = self._head(execute(_HEAD).fetchone())
        if size != self._kept_at:
            self._frozen = frozenset(row[1] for row in execute(_STANDING))
            self._keys = frozenset(each.key_id.hex() for each in self.issuers() if not each.revoked)
            self._kept_at = size
        token = verdict.token
        if token is not None and token.key_id not in self._keys:
            # Revoked since the badge was read.
            token, verdict = None, TokenVerdict(None, TokenRefusal.ISSUER_UNKNOWN)
        if token is None:
            return Facts(size, fresh_ms, verdict, False, None, (), (), self._touching(None, (), door_area))
        revoked = execute(_BADGE_REVOKED, (token.token_id,)).fetchone() is not None
        found = execute(_WORKER_BY_TAG, (token.worker_tag,)).fetchall()
        worker = Worker(found[0][0], bool(found[0][1])) if len(found) == 1 else None
        certificates: tuple[Certificate, ...] = ()
        if worker is not None:
            certificates = self._read(_certificate, execute(_CERTIFICATES, (worker.worker,)))
        permits = self._permits(execute, token)
        linked = self.linked(permits)
        freezes = self._touching(worker, (*permits, *linked), door_area)
        return Facts(size, fresh_ms, verdict, revoked, worker, certificates, permits, freezes, linked)

    def _permits(self, execute: Any, token: Token) -> tuple[Permit, ...]:
        """By short id: those that are open, else the one last heard of, so that its end is the reason given."""
        permits: list[Permit] = []
        for short_id in token.permit_short_ids:
            rows = execute(_OPEN_BY_SHORT_ID, (short_id,)).fetchall()
            permits.extend(self._read(_permit, rows or execute(_LAST_BY_SHORT_ID, (short_id,))))
        return tuple(permits)

    def _touching(self, worker: Worker | None, permits: tuple[Permit, ...], door_area: str) -> tuple[str, ...]:
        if not self._frozen:
            return ()
        scopes = [f"area:{door_area}", *(f"permit:{permit.permit}" for permit in permits)]
        if worker is not None:
            scopes.append(f"worker:{worker.worker}")
        site = (scope for scope in self._frozen if scope.startswith("site:"))
        return tuple(sorted({*(scope for scope in scopes if scope in self._frozen), *site}))

    # ---- records ----------------------------------------------------------------------------------------------------

    def size(self) -> int:
        """Number of operations believed."""
        return self._head(self._row(_HEAD))[0]

    def fresh_at_ms(self) -> int | None:
        """UTC ms of HQ's last verified freshness mark, None: never had one."""
        return self._head(self._row(_HEAD))[1]

    def head_note(self) -> str | None:
        """The last believed head: checkpoint, authority signature, cosignatures; None before the first."""
        head: str | None = self._row("SELECT head FROM log")[0]
        return head

    def worker(self, identity: str) -> Worker | None:
        """A person on the roster, or one whose revocation is known; None: neither."""
        row = self._row("SELECT id, revoked_idx IS NOT NULL FROM record WHERE kind = 'worker' AND id = ?", identity)
        return None if row is None else Worker(row[0], bool(row[1]))

    def permit(self, identity: str) -> Permit | None:
        """A permit as HQ last said it, None: unknown (or only a revocation of it is known)."""
        row = self._row(f"{_PERMIT_COLUMNS} WHERE kind = 'permit' AND id = ? AND data IS NOT NULL", identity)
        return None if row is None else self._read(_permit, (row,))[0]

    def linked(self, permits: Iterable[Permit]) -> tuple[Permit, ...]:
        """The permits that these are linked to, each once, as HQ last said them, without their people.

        Unknown ones are left out.
        """
        names = dict.fromkeys(link for permit in permits for link in permit.links)
        found = map(self.permit, names)
        return tuple(replace(each, workers=(), guardians=(), approver=None) for each in found if each is not None)

    def certificates(self, worker: str) -> tuple[Certificate, ...]:
        """A worker's certificates, at most 64."""
        return self._read(_certificate, self._rows(_CERTIFICATES, worker))

    def permits_open(self) -> tuple[Permit, ...]:
        """Permits that are not closed, void, withdrawn or revoked, whatever their window; read in short transactions.

        AQ 3064.2-2025 A.1 TICKET_STATUS 0 not issued, 1 issued, 2 working, 6 suspended.
        """
        return tuple(permit for page in self._open_pages() for permit in page)

    def _open_pages(self) -> Iterator[tuple[Permit, ...]]:
        last = ""
        while rows := self._rows(_OPEN_PAGE, last, READ_ROWS_MAX):
            last = rows[-1][0]
            yield self._read(_permit, rows)

    def check(self) -> None:
        """Read what a start reads, and keep nothing of it. Raises DamagedError."""
        for _ in self._open_pages():
            pass
        self.issuers()
        self.rules()

    def issuers(self) -> tuple[Issuer, ...]:
        """Keys that may sign badges, the revoked ones marked."""
        rows = self._rows(
            "SELECT id, data, revoked_idx IS NOT NULL FROM record WHERE kind = 'issuer' AND data IS NOT NULL"
            " ORDER BY id LIMIT ?",
            READ_ROWS_MAX,
        )
        return self._read(_issuer, rows)

    def rules(self, pack: str | None = None) -> tuple[HqRules, ...]:
        """The versions of a rule pack, or of all, that HQ published or revoked, in the order of the log.

        The newest 256 at most.
        """
        beginning = "" if pack is None else f"{pack}/"
        query = f"{_RULES} AND substr(id, 1, length(?1)) = ?1 ORDER BY ifnull(idx, revoked_idx) DESC LIMIT ?2"
        return self._read(_hq_rules, reversed(self._rows(query, beginning, READ_ROWS_MAX)))

    def rules_mark(self) -> tuple[int | None, ...]:
        """What differs if HQ published or revoked a version of any rule pack since."""
        query = "SELECT count(idx), max(idx), count(revoked_idx), max(revoked_idx) FROM record WHERE kind = 'rules'"
        return tuple(self._row(query))

    def freezes(self) -> tuple[Freeze, ...]:
        """Every freeze that no release has named."""
        return tuple(Freeze(*row) for row in self._rows(_STANDING))

    def releases(self) -> tuple[str, ...]:
        """Every freeze id that a release has named, also of freezes not seen yet."""
        return tuple(row[0] for row in self._rows("SELECT freeze_id FROM released ORDER BY freeze_id"))

    # ---- the log behind them ----------------------------------------------------------------------------------------

    def record(self, kind: str, identity: str) -> AuthorityRecord | None:
        """A record with the indexes of the operations that said so, for proofs."""
        row = self._row(
            "SELECT kind, id, revision, data, idx, revoked_idx FROM record WHERE kind = ? AND id = ?", kind, identity
        )
        if row is None:
            return None
        data = None if row[3] is None else self._read(orjson.loads, (row[3],))[0]
        return AuthorityRecord(row[0], row[1], row[2], data, row[4], row[5])

    def operation(self, index: int) -> bytes:
        """Raw bytes of one operation. Raises RefusedError if there is none."""
        row = self._row("SELECT data FROM operation WHERE idx = ?", index)
        if row is None:
            raise RefusedError(f"{self._path}: operation {index} is not held")
        data: bytes = row[0]
        return data

    def leaves(self, start: int, limit: int = READ_ROWS_MAX) -> tuple[bytes, ...]:
        """Raw operations from ``start``, at most 256."""
        query = "SELECT data FROM operation WHERE idx >= ? ORDER BY idx LIMIT ?"
        return tuple(row[0] for row in self._rows(query, start, min(limit, READ_ROWS_MAX)))

    def node(self, level: int, index: int) -> bytes:
        """Hash of a full subtree of the authority log. Raises RefusedError for one that is not complete."""
        return self._node(level, index)


def _permit(row: tuple[str, bytes, int]) -> Permit:
    identity, data, revoked = row
    record = orjson.loads(data)
    return Permit(
        permit=identity,
        version=record.get("permit_version", 0),
        short_id=record["short_id"],
        permit_type=record["type"],
        areas=tuple(record["areas"]),
        workers=tuple(record["workers"]),
        guardians=tuple(record["guardians"]),
        not_before_ms=record["start"],
        not_after_ms=end_ms(record["end"]),
        status=record["status"],
        gas=record.get("gas"),
        revoked=bool(revoked),
        links=tuple(record.get("links", ())),
        grade=record.get("grade"),
        approver=record.get("approver"),
        approved_in=record.get("approved_in"),
        said=_said(record),
        points=tuple(record.get("points", ())),
    )


def _said(record: dict[str, Any]) -> Said:
    """What the record says of the work itself."""
    return Said(
        height_cm=record.get("height_cm"),
        factors=_words(record, "factors"),
        blinds=_words(record, "blinds"),
        operations=_words(record, "operations"),
        pipe=record.get("pipe"),
        confirmed=_words(record, "confirmed"),
        east_cm=record.get("east_cm"),
        north_cm=record.get("north_cm"),
        activities=_words(record, "activities"),
    )


def _words(record: dict[str, Any], name: str) -> tuple[str, ...] | None:
    return tuple(record[name]) if name in record else None


def _certificate(row: tuple[str, bytes, int]) -> Certificate:
    identity, data, revoked = row
    record = orjson.loads(data)
    review_due_ms = record.get("review_due")
    return Certificate(
        certificate=identity,
        worker=record["worker"],
        trade=record["trade"],
        status=record["status"],
        review_due_ms=None if review_due_ms is None else end_ms(review_due_ms),
        ends_ms=end_ms(record["ends"]),
        revoked=bool(revoked),
    )


def _hq_rules(row: tuple[str, bytes | None, int | None, int | None]) -> HqRules:
    identity, data, index, revoked_index = row
    record = None if data is None else orjson.loads(data)
    split_id(identity)
    if not isinstance(record, dict | None):
        raise TypeError("no record")
    return HqRules(identity, record, index, revoked_index)


def _issuer(row: tuple[str, bytes, int]) -> Issuer:
    identity, data, revoked = row
    record = orjson.loads(data)
    return Issuer(
        issuer=identity,
        key_id=bytes.fromhex(record["kid"]),
        public=bytes.fromhex(record["key"]),
        not_before_ms=record["not_before"],
        not_after_ms=end_ms(record["not_after"]),
        site=record["site"],
        revoked=bool(revoked),
    )
