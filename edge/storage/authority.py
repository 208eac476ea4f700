"""The authority cache's writer, in the sync child: what HQ signed, believed all or nothing.

D1: trusted size and freshness only grow, in the same transaction as the data. D2, D3: that transaction is the only way
in, so a crash leaves the old state or the new one.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from types import NoneType

from edge.core.readings import UtcMs
from edge.ports.errors import DamagedError, RefusedError, UnusableError
from edge.ports.stores import Applied, Trusted
from edge.storage.authority_merge import Merger
from edge.storage.authority_reader import AuthorityReader
from edge.storage.databases import (
    QUICK_CHECK_MAX_BYTES,
    Migrate,
    OwnedFile,
    OwnerLock,
    migrate_in_child,
    naming_errors,
    open_owned,
    passive_checkpoint,
    transaction,
    typed,
)
from edge.storage.nodes import node_reader, node_rows
from sync.formats.checkpoint import Checkpoint
from sync.formats.merkle import Frontier, NodeRow, frontier_at, leaf_hash

_WAL_BYTES_PER_COMMIT = 8 * 4_096


class AuthorityWriter:
    """The cache's owner. Used by one thread at a time; ``open`` it, ``close`` it."""

    def __init__(
        self, connection: sqlite3.Connection, lock: OwnerLock, path: Path, origin: str, merger: Merger
    ) -> None:
        self._connection = connection
        self._lock = lock
        self._path = path
        self._origin = origin
        self._merger = merger
        self._wal_bytes = 0
        self._own_origin()
        self._trusted = self._restore()

    @classmethod
    def open(
        cls,
        path: Path,
        origin: str,
        site: str,
        pepper: bytes,
        now_ms: UtcMs,
        *,
        migrate: Migrate = migrate_in_child,
        check_bytes_max: int = QUICK_CHECK_MAX_BYTES,
        on_progress: Callable[[], None] = lambda: None,
    ) -> "AuthorityWriter":
        """Open or create the cache of the authority log ``origin``. ``now_ms`` dates the name of a damaged file;
        ``on_progress`` is called now and then while a large delta is applied.

        Raises DamagedError naming where the damaged file was kept (the next open starts empty and HQ fills it again),
        NewerDatabaseError, OwnedError, UnusableError for another origin, StoreError.
        """
        file = OwnedFile("authority", path, "FULL", "HQ's word is fetched again from the start", check_bytes_max)

        def build(connection: sqlite3.Connection, lock: OwnerLock) -> "AuthorityWriter":
            writer = cls(connection, lock, path, origin, Merger(connection, site, pepper, on_progress))
            if path.stat().st_size <= check_bytes_max:
                _check_records(path)
            return writer

        return open_owned(file, now_ms, migrate, build)

    def close(self) -> None:
        """Let go of the file."""
        with naming_errors(self._path):
            self._connection.close()
        self._lock.release()

    def _own_origin(self) -> None:
        with naming_errors(self._path):
            row = self._connection.execute("SELECT origin FROM log").fetchone()
            if row is None:
                self._connection.execute("INSERT INTO log VALUES (0, ?, 0, NULL, NULL)", (self._origin,))
                return
        if row[0] != self._origin:
            raise UnusableError(f"{self._path}: caches {row[0]}, the pinned authority is {self._origin}")

    def _restore(self) -> Trusted:
        with naming_errors(self._path):
            row = self._connection.execute("SELECT size, fresh_ms, head FROM log").fetchone()
        size, fresh_ms, head = typed(self._path, (row,), (int, (int, NoneType), (str, NoneType)))[0]
        try:
            frontier = frontier_at(size, node_reader(self._connection, self._path))
        except RefusedError as error:
            raise DamagedError(f"{self._path}: damaged: {error}") from None
        return Trusted(size, frontier, frontier.root(), fresh_ms, head)

    def trusted(self) -> Trusted:
        """See ``AuthorityStore.trusted``."""
        return self._trusted

    def apply(self, head_note: str, checkpoint: Checkpoint, fresh_ms: int, operations: Sequence[bytes]) -> Applied:
        """See ``AuthorityStore.apply``. An older freshness mark over the same tree changes nothing."""
        old = self._trusted
        frontier, nodes = self._extended(checkpoint, operations)
        newer = old.fresh_ms is None or fresh_ms > old.fresh_ms or frontier.size > old.size
        if not newer:
            assert old.fresh_ms is not None
            return Applied(old.size, old.root, old.fresh_ms, (), (), ())
        kept_ms = fresh_ms if old.fresh_ms is None else max(fresh_ms, old.fresh_ms)
        with transaction(self._connection, self._path):
            changes = self._merger.merge(old.size, operations)
            execute_many = self._connection.executemany
            execute_many("INSERT INTO operation VALUES (?, ?)", list(enumerate(operations, old.size)))
            execute_many("INSERT INTO node VALUES (?, ?)", node_rows(nodes))
            self._connection.execute(
                "UPDATE log SET size = ?, fresh_ms = ?, head = ?", (frontier.size, kept_ms, head_note)
            )
        self._wal_bytes += _WAL_BYTES_PER_COMMIT + 4 * sum(map(len, operations))
        self._trusted = Trusted(frontier.size, frontier, checkpoint.root, kept_ms, head_note)
        return Applied(
            frontier.size,
            checkpoint.root,
            kept_ms,
            tuple(changes.permits),
            tuple(changes.freezes.values()),
            tuple(changes.releases),
        )

    def _extended(self, checkpoint: Checkpoint, operations: Sequence[bytes]) -> tuple[Frontier, list[NodeRow]]:
        """The tree with these operations, if it is the head's; nothing is written before this agrees."""
        old = self._trusted
        if checkpoint.origin != self._origin:
            raise RefusedError(f"head of {checkpoint.origin}: only {self._origin} is believed here")
        if checkpoint.size < old.size:
            raise RefusedError(f"ROLLBACK: head of {checkpoint.size} entries, {old.size} were believed before")
        if checkpoint.size != old.size + len(operations):
            held = old.size + len(operations)
            raise RefusedError(f"head of {checkpoint.size} entries, but {held} are at hand: fetch the rest first")
        frontier, nodes = old.frontier.extend(map(leaf_hash, operations))
        if frontier.root() != checkpoint.root:
            what = "FORK: another tree of the same size" if not operations else "these entries are not the head's"
            raise RefusedError(f"{what} at {checkpoint.size}: nothing of it is believed")
        return frontier, nodes

    def wal_bytes(self) -> int:
        """See ``WalOwner.wal_bytes``."""
        return self._wal_bytes

    def checkpoint_wal(self) -> bool:
        """See ``WalOwner.checkpoint_wal``."""
        whole = passive_checkpoint(self._connection, self._path)
        if whole:
            self._wal_bytes = 0
        return whole


def _check_records(path: Path) -> None:
    """What a start of the daemon reads must be readable: otherwise HQ's word is fetched again. Raises DamagedError."""
    reader = AuthorityReader(path)
    try:
        reader.check()
    finally:
        reader.close()
