"""The journal's writer: append-only entries, Merkle nodes and permit chains in one file, one owner, one transaction.

Invariants J1 to J6 of the log; the triggers of the schema refuse what this code would never ask for.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from edge.core.entries import Entry
from edge.core.readings import UtcMs
from edge.ports.errors import DamagedError, RefusedError, UnusableError
from edge.ports.stores import READ_ROWS_MAX, BehindSigned, BehindSignedError
from edge.storage import checkpoint_file
from edge.storage.checkpoint_file import CheckpointDamagedError
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
from edge.storage.leaves import leaf_bytes
from edge.storage.nodes import node_reader, node_rows
from edge.storage.saved_state import seal, unseal
from sync.formats import checkpoint as checkpoints
from sync.formats.checkpoint import Checkpoint
from sync.formats.cosignature import verify_cosignature
from sync.formats.errors import FormatError
from sync.formats.merkle import Frontier, NodeRow, frontier_at, leaf_hash, root_at
from sync.formats.note import SigningKey, VerifierKey
from sync.formats.permit_chain import chain_link, chain_start

_HEADS_CACHED_MAX = 4_096
# Pages of a commit that are not the entry's own: index leaves, nodes, chain, state.
_WAL_BYTES_PER_COMMIT = 8 * 4_096


@dataclass(frozen=True, slots=True)
class JournalFiles:
    """Where the journal and the second file of J3 lie."""

    database: Path
    checkpoint: Path


@dataclass(frozen=True, slots=True)
class JournalKeys:
    """The log's key, named as its origin, and HQ's mirror key, whose cosignature acknowledges."""

    signing: SigningKey
    mirror: VerifierKey


@dataclass(frozen=True, slots=True)
class _Prepared:
    frontier: Frontier
    heads: dict[str, tuple[int, bytes]]
    entries: list[tuple[int, str, str | None, int | None, bytes]]
    nodes: list[NodeRow]
    evidence: list[tuple[int, bytes]]


class JournalWriter:
    """The journal's owner. Used by one thread at a time; ``open`` it, ``close`` it."""

    def __init__(self, connection: sqlite3.Connection, lock: OwnerLock, files: JournalFiles, keys: JournalKeys) -> None:
        self._connection = connection
        self._lock = lock
        self._files = files
        self._path = files.database
        self._keys = keys
        self._origin = keys.signing.name
        self._log_key = keys.signing.verifier()
        self._nodes = node_reader(connection, files.database)
        self._heads: dict[str, tuple[int, bytes]] = {}
        self._wal_bytes = 0
        self._own_origin()
        self._frontier = self._restore()
        self._acked = self._one("SELECT ifnull(max(size), 0) FROM cosigned")
        self._signed_note, self.behind = self._compare_signed()

    @classmethod
    def open(
        cls,
        files: JournalFiles,
        keys: JournalKeys,
        now_ms: UtcMs,
        *,
        migrate: Migrate = migrate_in_child,
        check_bytes_max: int = QUICK_CHECK_MAX_BYTES,
    ) -> "JournalWriter":
        """Open or create the journal. ``now_ms`` dates the name of a damaged file.

        Raises DamagedError naming where the damaged file was kept, NewerDatabaseError, OwnedError, StoreError.
        ``behind`` is set, and every append and signature refused, if less is held than was signed (J4), or nobody can
        tell because the checkpoint file is damaged, or gone though HQ has cosigned.
        """
        file = OwnedFile(
            "journal", files.database, "FULL", "send it to HQ; entry stays refused until HQ decides", check_bytes_max
        )
        return open_owned(file, now_ms, migrate, lambda connection, lock: cls(connection, lock, files, keys))

    def close(self) -> None:
        """Let go of the file; SQLite folds the WAL into it."""
        with naming_errors(self._path):
            self._connection.close()
        self._lock.release()

    @property
    def size(self) -> int:
        """Number of durable entries: the next index."""
        return self._frontier.size

    @property
    def acked(self) -> int:
        """HQ's mirror durably holds every entry below this."""
        return self._acked

    @property
    def origin(self) -> str:
        """The log's origin."""
        return self._origin

    # ---- opening ----------------------------------------------------------------------------------------------------

    def _one(self, query: str) -> int:
        with naming_errors(self._path):
            row = self._connection.execute(query).fetchone()
        value: int = typed(self._path, (row,), (int,))[0][0]
        return value

    def _own_origin(self) -> None:
        with naming_errors(self._path):
            row = self._connection.execute("SELECT origin FROM log").fetchone()
            if row is None:
                self._connection.execute("INSERT INTO log VALUES (0, ?)", (self._origin,))
                return
        if row[0] != self._origin:
            raise UnusableError(f"{self._path}: is the log {row[0]}, not {self._origin}: a log is never resumed")

    def _restore(self) -> Frontier:
        """The tree, and the entries that a start will fold: each must be the one that the tree holds."""
        size = self._one("SELECT ifnull(max(seq) + 1, 0) FROM entry")
        start = max(0, min(self._folded_from(), size - 1))
        try:
            frontier, known = frontier_at(size, self._nodes), frontier_at(start, self._nodes)
            while known.size < size:
                known, _ = known.extend(self._hashes(known.size))
        except RefusedError as error:
            raise DamagedError(f"{self._path}: damaged: {error}") from None
        if known != frontier:
            raise DamagedError(f"{self._path}: damaged: nodes of the last entries are not what was written")
        return frontier

    def _folded_from(self) -> int:
        """The entry that a start folds first: after the saved state, or 0 when that is damaged and nothing pruned."""
        with naming_errors(self._path):
            rows = self._connection.execute("SELECT next_entry, data FROM saved_state").fetchall()
        try:
            for next_entry, stored in typed(self._path, rows, (int, bytes)):
                unseal(self._path, stored)
                return int(next_entry)
        except DamagedError:
            if self._one("SELECT ifnull(max(value), 0) FROM mark WHERE name = 'pruned_to'"):
                raise
        return 0

    def _hashes(self, start: int) -> list[bytes]:
        """Leaf hashes of the entries from ``start`` on, at most 256, each held against its node."""
        with naming_errors(self._path):
            rows = self._connection.execute(
                "SELECT seq, leaf FROM entry WHERE seq >= ? ORDER BY seq LIMIT ?", (start, READ_ROWS_MAX)
            ).fetchall()
        if not rows:
            raise DamagedError(f"{self._path}: damaged: entry {start} is missing")
        hashes = []
        for seq, (found, leaf) in enumerate(typed(self._path, rows, (int, bytes)), start):
            hashes.append(leaf_hash(leaf))
            if found != seq or hashes[-1] != self._nodes(0, seq):
                raise DamagedError(f"{self._path}: damaged: entry {seq} is not what was written")
        return hashes

    def _compare_signed(self) -> tuple[str | None, BehindSigned | None]:
        """J4 and J5: what was signed must be a prefix of what is held."""
        try:
            signed = checkpoint_file.open_note_file(self._files.checkpoint, self._log_key)
        except CheckpointDamagedError:
            return None, BehindSigned(self.size, None)
        if signed is None:
            # What HQ cosigned was signed: then there was a file.
            return None, BehindSigned(self.size, None) if self._acked else None
        checkpoint, note = signed
        if max(checkpoint.size, self._acked) > self.size:
            return note, BehindSigned(self.size, max(checkpoint.size, self._acked))
        if root_at(checkpoint.size, self._nodes) != checkpoint.root:
            raise DamagedError(f"{self._path}: damaged: another root at {checkpoint.size} than the one signed")
        return note, None

    def _refuse_if_behind(self) -> None:
        if self.behind is None:
            return
        held, signed = self.behind.local_size, self.behind.signed_size
        if signed is None:
            raise BehindSignedError(f"{self._files.checkpoint}: damaged or gone: restore it from HQ's mirror")
        raise BehindSignedError(
            f"{self._path}: holds {held} entries, {signed} were signed: fetch the missing ones from HQ's mirror or"
            " enrol a new epoch"
        )

    # ---- appending --------------------------------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry], saved_state: bytes | None = None) -> int:
        """See ``JournalStore.append``. One transaction for entries, chain heads, nodes, evidence and state (J2)."""
        self._refuse_if_behind()
        try:
            prepared = self._prepare(entries)
        except FormatError as error:
            raise UnusableError(f"{self._path}: an entry cannot be written: {error}") from error
        size = prepared.frontier.size
        with transaction(self._connection, self._path):
            self._write(prepared)
            if saved_state is not None:
                self._connection.execute("REPLACE INTO saved_state VALUES (0, ?, ?)", (size, seal(saved_state)))
        if len(self._heads) > _HEADS_CACHED_MAX:
            self._heads.clear()
        self._heads.update(prepared.heads)
        self._frontier = prepared.frontier
        payload = sum(len(row[4]) for row in prepared.entries) + sum(len(row[1]) for row in prepared.evidence)
        self._wal_bytes += _WAL_BYTES_PER_COMMIT + 2 * payload + len(saved_state or b"")
        return size

    def _prepare(self, entries: Sequence[Entry]) -> _Prepared:
        """Bytes, chain and nodes of the entries: computed before the transaction, so that it is short."""
        seq = self._frontier.size
        heads: dict[str, tuple[int, bytes]] = {}
        rows: list[tuple[int, str, str | None, int | None, bytes]] = []
        hashes: list[bytes] = []
        evidence: list[tuple[int, bytes]] = []
        for entry in entries:
            if entry.seq != seq:
                raise UnusableError(f"{self._path}: entry {entry.seq} offered where {seq} is next (J6)")
            permit = entry.permit
            if permit is None:
                leaf = leaf_bytes(entry, self._origin, None)
                hashed = sha256(b"\x00" + leaf).digest()
            else:
                n, head = heads.get(permit) or self._head(permit)
                leaf = leaf_bytes(entry, self._origin, (n + 1, head))
                hashed = sha256(b"\x00" + leaf).digest()
                heads[permit] = (n + 1, chain_link(head, hashed))
            rows.append((seq, entry.kind, permit, entry.stamp.wall_ms, leaf))
            hashes.append(hashed)
            if entry.evidence is not None:
                evidence.append(self._evidence_row(entry, entry.evidence))
            seq += 1
        frontier, nodes = self._frontier.extend(hashes)
        return _Prepared(frontier, heads, rows, nodes, evidence)

    def _evidence_row(self, entry: Entry, evidence: bytes) -> tuple[int, bytes]:
        if sha256(evidence).hexdigest() not in entry.body.values():
            raise UnusableError(f"{self._path}: entry {entry.seq} does not name the SHA-256 of its evidence")
        return entry.seq, evidence

    def _head(self, permit: str) -> tuple[int, bytes]:
        cached = self._heads.get(permit)
        if cached is not None:
            return cached
        with naming_errors(self._path):
            row = self._connection.execute("SELECT n, head FROM chain WHERE permit = ?", (permit,)).fetchone()
        return (0, chain_start(self._origin, permit)) if row is None else (row[0], row[1])

    def _write(self, prepared: _Prepared) -> None:
        execute_many = self._connection.executemany
        execute_many("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", prepared.entries)
        execute_many("INSERT INTO node VALUES (?, ?)", node_rows(prepared.nodes))
        if prepared.heads:
            execute_many(
                "REPLACE INTO chain VALUES (?, ?, ?)", [(name, *head) for name, head in prepared.heads.items()]
            )
        if prepared.evidence:
            execute_many("INSERT INTO evidence VALUES (?, ?)", prepared.evidence)

    # ---- checkpoints and acknowledgement ----------------------------------------------------------------------------

    def sign_checkpoint(self) -> str:
        """See ``JournalStore.sign_checkpoint`` (J3). Only what was committed is in the frontier."""
        self._refuse_if_behind()
        note = checkpoints.sign(Checkpoint(self._origin, self.size, self._frontier.root()), self._keys.signing)
        if note != self._signed_note:
            checkpoint_file.write_note(self._files.checkpoint, note)
            self._signed_note = note
        return note

    def accept_cosignature(self, cosigned: str) -> int:
        """See ``JournalStore.accept_cosignature``. Repeating one changes nothing; the first of each size is kept."""
        note = cosigned if "\n\n" in cosigned else f"{self._signed_note or ''}{cosigned}"
        try:
            checkpoint = checkpoints.open_checkpoint(note, self._log_key)
            at_s = verify_cosignature(note, note, self._keys.mirror)
        except FormatError as error:
            raise RefusedError(f"cosignature refused: {error}") from None
        if checkpoint.size > self.size:
            raise RefusedError(f"cosignature refused: over {checkpoint.size} entries, {self.size} are held")
        if root_at(checkpoint.size, self._nodes) != checkpoint.root:
            raise RefusedError(f"cosignature refused: another root at {checkpoint.size}: FORK, tell HQ")
        with transaction(self._connection, self._path):
            self._connection.execute(
                "INSERT INTO cosigned VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (checkpoint.size, at_s, note)
            )
        self._wal_bytes += _WAL_BYTES_PER_COMMIT
        self._acked = max(self._acked, checkpoint.size)
        return self._acked

    # ---- housekeeping -----------------------------------------------------------------------------------------------

    def wal_bytes(self) -> int:
        """See ``WalOwner.wal_bytes``. An estimate: the WAL file itself keeps its size when it is reset."""
        return self._wal_bytes

    def checkpoint_wal(self) -> bool:
        """See ``WalOwner.checkpoint_wal``. Never while a grant is pending: the caller knows."""
        whole = passive_checkpoint(self._connection, self._path)
        if whole:
            self._wal_bytes = 0
        return whole

    def erase_evidence(self, entries: Sequence[int]) -> None:
        """Erase what lies beside these entries (the right to deletion); their leaves keep its hash."""
        with transaction(self._connection, self._path):
            self._connection.executemany("UPDATE evidence SET data = NULL WHERE seq = ?", [(seq,) for seq in entries])

    def prune(self, pruned_to: int) -> int:
        """Delete entries below ``pruned_to``, at most READ_ROWS_MAX a call; returns how many. Nodes and chains stay.

        A ``log.pruned`` entry whose body holds ``to`` = ``pruned_to`` must be durable first, HQ must have acknowledged
        all of them (J1, U2), and the saved state must not need them. Raises RefusedError.
        """
        if pruned_to > self._acked:
            raise RefusedError(f"{self._path}: {pruned_to} is not acknowledged, HQ holds {self._acked}")
        if pruned_to > self._one("SELECT ifnull(max(next_entry), 0) FROM saved_state"):
            raise RefusedError(f"{self._path}: the saved state is older than {pruned_to}: a start would miss entries")
        self._require_pruned_entry(pruned_to)
        with transaction(self._connection, self._path):
            self._connection.execute("UPDATE mark SET value = ? WHERE name = 'pruned_to'", (pruned_to,))
            through = (pruned_to, READ_ROWS_MAX)
            doomed = "SELECT seq FROM entry WHERE seq < ? ORDER BY seq LIMIT ?"
            self._connection.execute(f"DELETE FROM evidence WHERE seq IN ({doomed})", through)
            return self._connection.execute(f"DELETE FROM entry WHERE seq IN ({doomed})", through).rowcount

    def _require_pruned_entry(self, pruned_to: int) -> None:
        with naming_errors(self._path):
            found = self._connection.execute(
                "SELECT 1 FROM entry WHERE kind = 'log.pruned' AND leaf ->> '$.body.to' = ? AND seq >= ?",
                (pruned_to, pruned_to),
            ).fetchone()
        if found is None:
            raise RefusedError(f"{self._path}: no durable log.pruned entry names {pruned_to}")
