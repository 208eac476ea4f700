"""HQ's store on SQLite: WAL, synchronous = FULL, several processes one at a time.

The serving process and the commands of the operator write the same file. A lock file keeps every commit apart from
every checkpoint: SQLite 3.7.0 to 3.51.2 can damage the file when the two race in different connections.
"""

import fcntl
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any, TextIO

from sync.formats.errors import FormatError
from sync.formats.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, NodeRow
from sync.hq.migrations import migrate
from sync.hq.refusals import Refusal, RefusalCode
from sync.hq.store import Enrolment, HeldFreeze, Log, LogRole, Record

_BUSY_TIMEOUT_S = 10.0
_LOCK_LOOKS = 1_000
_LOCK_LOOK_S = 0.005
_NEVER = Event()
"""To wait on between two looks: flock(2) itself waits for ever or not at all."""

_CHECKPOINT_BYTES = 4 * 1024 * 1024
_EVIDENCE_ROWS_MAX = 1_000


class SqliteStore:
    """hq.db, opened for this thread; the tables are brought up to date first."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock: TextIO = open(path.with_suffix(".lock"), "w", encoding="ascii")  # noqa: SIM115 - held open
        self._wal = path.with_name(path.name + "-wal")
        try:
            with self._alone(), _named_errors():
                migrate(path)
                path.chmod(0o600)
                self._connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
                for pragma in ("synchronous = FULL", "foreign_keys = ON", "wal_autocheckpoint = 0", "mmap_size = 0"):
                    self._connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Let go of the file. The last one to close empties the WAL."""
        try:
            with self._alone():
                self._connection.close()
        finally:
            self._lock.close()

    @contextmanager
    def reading(self) -> Iterator["SqliteTransaction"]:
        """A consistent view."""
        with _named_errors():
            self._connection.execute("BEGIN DEFERRED")
            try:
                yield SqliteTransaction(self._connection)
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator["SqliteTransaction"]:
        """Alone from the beginning; durable when it has ended."""
        with self._alone(), _named_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteTransaction(self._connection)
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            if self._wal.exists() and self._wal.stat().st_size > _CHECKPOINT_BYTES:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._wait_for_lock()
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _wait_for_lock(self) -> None:
        """Until the other process has ended its transaction. One that was stopped in the middle never does."""
        for _ in range(_LOCK_LOOKS):
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _NEVER.wait(_LOCK_LOOK_S)
            else:
                return
        held = f"{self._lock.name}: held for {_LOCK_LOOKS * _LOCK_LOOK_S:g} s by another permitgate hq"
        raise Refusal(RefusalCode.UNAVAILABLE, f"{held}; end that one, or let it go on")


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Refusal(RefusalCode.UNAVAILABLE, f"database: {error}; nothing was changed, try again") from error


class SqliteTransaction:
    """The statements of one open transaction; see ``sync.hq.store.HqTransaction``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[str, int] = {}

    def log(self, origin: str) -> Log | None:
        """See ``HqTransaction.log``."""
        row = self._one(f"SELECT {_LOG_COLUMNS} FROM log WHERE origin = ?", origin)
        return None if row is None else _log(row)

    def origin_of_digest(self, digest: str) -> str | None:
        """See ``HqTransaction.origin_of_digest``."""
        row = self._one("SELECT origin FROM log WHERE digest = ?", digest)
        return None if row is None else str(row[0])

    def gateway_logs(self) -> list[Log]:
        """See ``HqTransaction.gateway_logs``."""
        rows = self._connection.execute(f"SELECT {_LOG_COLUMNS} FROM log WHERE role = 'gateway' ORDER BY origin")
        return [_log(row) for row in rows]

    def add_log(self, origin: str, role: LogRole, vkey: str) -> None:
        """See ``HqTransaction.add_log``."""
        digest = sha256(origin.encode()).hexdigest()
        self._connection.execute(
            "INSERT INTO log (origin, digest, role, vkey, held, frontier, size, root)"
            " VALUES (?, ?, ?, ?, 0, x'', 0, ?)",
            (origin, digest, role.value, vkey, EMPTY_ROOT),
        )

    def leaves(self, origin: str, start: int, limit: int) -> list[bytes]:
        """See ``HqTransaction.leaves``."""
        rows = self._connection.execute(
            "SELECT leaf FROM entry WHERE log = ? AND idx >= ? ORDER BY idx LIMIT ?",
            (self._number(origin), start, limit),
        )
        return [bytes(row[0]) for row in rows]

    def node(self, origin: str, level: int, index: int) -> bytes:
        """See ``HqTransaction.node``."""
        number = self._number(origin)
        row = self._one("SELECT hash FROM node WHERE log = ? AND level = ? AND idx = ?", number, level, index)
        if row is None:
            raise FormatError(f"node ({level}, {index}) is not held", origin)
        return bytes(row[0])

    def add_leaves(
        self, origin: str, start: int, leaves: Sequence[bytes], held: Frontier, nodes: Iterable[NodeRow]
    ) -> None:
        """See ``HqTransaction.add_leaves``."""
        number = self._number(origin)
        rows = ((number, start + offset, leaf) for offset, leaf in enumerate(leaves))
        self._connection.executemany("INSERT INTO entry (log, idx, leaf) VALUES (?, ?, ?)", rows)
        self._connection.executemany(
            "INSERT INTO node (log, level, idx, hash) VALUES (?, ?, ?, ?)", ((number, *node) for node in nodes)
        )
        self._connection.execute(
            "UPDATE log SET held = ?, frontier = ? WHERE number = ?", (held.size, b"".join(held.hashes), number)
        )

    def set_head(self, origin: str, size: int, root: bytes, note: str) -> None:
        """See ``HqTransaction.set_head``."""
        self._connection.execute(
            "UPDATE log SET size = ?, root = ?, note = ? WHERE number = ?", (size, root, note, self._number(origin))
        )

    def freeze_log(self, origin: str, why: str) -> None:
        """See ``HqTransaction.freeze_log``."""
        self._connection.execute("UPDATE log SET frozen = ? WHERE number = ?", (why, self._number(origin)))

    def keep_evidence(self, origin: str, index: int, data: bytes, why: str) -> None:
        """See ``HqTransaction.keep_evidence``."""
        number = self._number(origin)
        self._connection.execute(
            "INSERT OR IGNORE INTO evidence (log, idx, digest, data, why) SELECT ?, ?, ?, ?, ?"
            " WHERE (SELECT count(*) FROM evidence WHERE log = ?) < ?",
            (number, index, sha256(data).digest(), data, why, number, _EVIDENCE_ROWS_MAX),
        )

    def operation_index(self, leaf_hash: bytes) -> int | None:
        """See ``HqTransaction.operation_index``."""
        row = self._one("SELECT idx FROM operation WHERE hash = ?", leaf_hash)
        return None if row is None else int(row[0])

    def add_operation(self, leaf_hash: bytes, index: int) -> None:
        """See ``HqTransaction.add_operation``."""
        self._connection.execute("INSERT INTO operation (hash, idx) VALUES (?, ?)", (leaf_hash, index))

    def record(self, kind: str, identity: str) -> Record | None:
        """See ``HqTransaction.record``."""
        row = self._one("SELECT revision, idx, revoked, short_id FROM record WHERE kind = ? AND id = ?", kind, identity)
        return None if row is None else Record(row[0], row[1], bool(row[2]), row[3])

    def identities(self, kind: str, beginning: str) -> list[str]:
        """See ``HqTransaction.identities``."""
        rows = self._connection.execute(
            "SELECT id FROM record WHERE kind = ?1 AND substr(id, 1, length(?2)) = ?2 AND idx IS NOT NULL ORDER BY id",
            (kind, beginning),
        )
        return [str(row[0]) for row in rows]

    def set_record(self, kind: str, identity: str, record: Record) -> None:
        """See ``HqTransaction.set_record``."""
        self._connection.execute(
            "INSERT OR REPLACE INTO record (kind, id, revision, idx, revoked, short_id) VALUES (?, ?, ?, ?, ?, ?)",
            (kind, identity, record.revision, record.index, int(record.revoked), record.short_id),
        )

    def short_id_owner(self, short_id: int) -> str | None:
        """See ``HqTransaction.short_id_owner``."""
        row = self._one("SELECT id FROM record WHERE short_id = ?", short_id)
        return None if row is None else str(row[0])

    def freezes(self) -> list[HeldFreeze]:
        """See ``HqTransaction.freezes``."""
        rows = self._connection.execute(
            "SELECT fid, scope, by_whom, why, released FROM freeze WHERE scope IS NOT NULL ORDER BY fid"
        )
        return [HeldFreeze(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]

    def has_freeze(self, freeze_id: str) -> bool:
        """See ``HqTransaction.has_freeze``."""
        return self._one("SELECT 1 FROM freeze WHERE fid = ? AND scope IS NOT NULL", freeze_id) is not None

    def add_freeze(self, freeze: HeldFreeze) -> None:
        """See ``HqTransaction.add_freeze``."""
        self._connection.execute(
            "INSERT INTO freeze (fid, scope, by_whom, why, released) VALUES (?, ?, ?, ?, 0)"
            " ON CONFLICT (fid) DO UPDATE SET scope = excluded.scope, by_whom = excluded.by_whom, why = excluded.why",
            (freeze.freeze_id, freeze.scope, freeze.by, freeze.why),
        )

    def release(self, freeze_ids: Sequence[str]) -> None:
        """See ``HqTransaction.release``."""
        self._connection.executemany(
            "INSERT INTO freeze (fid, released) VALUES (?, 1) ON CONFLICT (fid) DO UPDATE SET released = 1",
            ((freeze_id,) for freeze_id in freeze_ids),
        )

    def enrolment(self, code_hash: bytes) -> Enrolment | None:
        """See ``HqTransaction.enrolment``."""
        row = self._one("SELECT gateway, origin, expires_ms, used_vkey FROM enrolment WHERE code_hash = ?", code_hash)
        return None if row is None else Enrolment(row[0], row[1], row[2], row[3])

    def set_enrolment(self, code_hash: bytes, enrolment: Enrolment) -> None:
        """See ``HqTransaction.set_enrolment``."""
        self._connection.execute(
            "INSERT OR REPLACE INTO enrolment (code_hash, gateway, origin, expires_ms, used_vkey)"
            " VALUES (?, ?, ?, ?, ?)",
            (code_hash, enrolment.gateway, enrolment.origin, enrolment.expires_ms, enrolment.used_vkey),
        )

    def set_token(self, token_hash: bytes, origin: str) -> None:
        """See ``HqTransaction.set_token``."""
        self._connection.execute("INSERT OR REPLACE INTO token (origin, hash) VALUES (?, ?)", (origin, token_hash))

    def token_owner(self, token_hash: bytes) -> str | None:
        """See ``HqTransaction.token_owner``."""
        row = self._one("SELECT origin FROM token WHERE hash = ?", token_hash)
        return None if row is None else str(row[0])

    def _one(self, statement: str, *values: object) -> Any:
        return self._connection.execute(statement, values).fetchone()

    def _number(self, origin: str) -> int:
        number = self._numbers.get(origin)
        if number is None:
            row = self._one("SELECT number FROM log WHERE origin = ?", origin)
            if row is None:
                raise FormatError("no such log", origin)
            number = self._numbers[origin] = int(row[0])
        return number


_LOG_COLUMNS = "origin, role, vkey, held, frontier, size, root, note, frozen"


def _log(row: Sequence[Any]) -> Log:
    origin, role, vkey, held, frontier, size, root, note, frozen = row
    hashes = [frontier[place : place + HASH_BYTES] for place in range(0, len(frontier), HASH_BYTES)]
    return Log(origin, LogRole(role), vkey, Frontier.restore(held, hashes), size, bytes(root), note, frozen)
