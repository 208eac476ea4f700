"""Reading the journal from any thread or process: short transactions, never a write."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from edge.core.entries import Entry
from edge.ports.errors import DamagedError, RefusedError
from edge.ports.stores import READ_ROWS_MAX, ChainLink, Cosigned, SavedState
from edge.storage.databases import Kinds, naming_errors, open_reader, typed
from edge.storage.leaves import entry_of, read_leaf
from edge.storage.nodes import node_reader
from edge.storage.saved_state import unseal
from sync.formats.errors import FormatError
from sync.formats.merkle import leaf_hash
from sync.formats.permit_chain import chain_link

_LEAF: Kinds = (int, bytes)
_COSIGNED: Kinds = (int, int, str)
_TEXT, _DATA = (str, NoneType), (bytes, NoneType)
_ROW: Kinds = (int, str, _TEXT, (int, NoneType), bytes, _DATA, _DATA)


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; None: anything. Times are UTC ms, ``to_ms`` exclusive; an entry without one never matches."""

    kind: str | None = None
    permit: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A row as it is stored, with what lies beside it; ``hashes`` are the nodes that the entry completed."""

    seq: int
    kind: str
    permit: str | None
    wall_ms: int | None
    leaf: bytes
    evidence: bytes | None
    hashes: bytes | None


class JournalReader:
    """The journal, read-only. For one thread; every call is one read transaction of at most 256 rows."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises StoreError if it is not there, DamagedError if it is no journal."""
        self._path = path
        self._connection: sqlite3.Connection = open_reader(path, "journal")
        self._node = node_reader(self._connection, path)
        try:
            row = self._row((str,), "SELECT origin FROM log")
            if row is None:
                raise DamagedError(f"{path}: is no journal, or an empty one")
        except BaseException:
            self._connection.close()
            raise
        self.origin: str = row[0]

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _rows(self, kinds: Kinds, query: str, *values: object) -> Sequence[Any]:
        with naming_errors(self._path):
            rows = self._connection.execute(query, values).fetchall()
        return typed(self._path, rows, kinds)

    def _row(self, kinds: Kinds, query: str, *values: object) -> Any:
        rows = self._rows(kinds, query, *values)
        return rows[0] if rows else None

    def size(self) -> int:
        """Number of durable entries."""
        size: int = self._row((int,), "SELECT ifnull(max(seq) + 1, 0) FROM entry")[0]
        return size

    def pruned_to(self) -> int:
        """Entries below this are gone; their nodes are not."""
        pruned_to: int = self._mark("pruned_to") or 0
        return pruned_to

    def _mark(self, name: str) -> int | None:
        row = self._row((int,), "SELECT value FROM mark WHERE name = ?", name)
        return None if row is None else row[0]

    def node(self, level: int, index: int) -> bytes:
        """Hash of a full subtree. Raises RefusedError for one that is not complete."""
        return self._node(level, index)

    def completed(self, seq: int) -> bytes | None:
        """Hashes of the nodes that an entry completed, its own first, one after the other; None: not held."""
        row = self._row((bytes,), "SELECT hashes FROM node WHERE leaf = ?", seq)
        return None if row is None else row[0]

    def leaf(self, seq: int) -> bytes:
        """Raw bytes of one entry. Raises RefusedError if it is not held."""
        row = self._row((bytes,), "SELECT leaf FROM entry WHERE seq = ?", seq)
        if row is None:
            raise RefusedError(
                f"{self._path}: entry {seq} is not held (entries {self.pruned_to()} to {self.size() - 1})"
            )
        leaf: bytes = row[0]
        return leaf

    def leaves(self, start: int, limit: int = READ_ROWS_MAX) -> tuple[bytes, ...]:
        """Raw entries from ``start``, at most 256, without gap. Raises RefusedError if ``start`` was pruned."""
        rows = self._rows(
            _LEAF, "SELECT seq, leaf FROM entry WHERE seq >= ? ORDER BY seq LIMIT ?", start, min(limit, READ_ROWS_MAX)
        )
        if rows and rows[0][0] != start:
            raise RefusedError(f"{self._path}: entry {start} was pruned; the first held is {rows[0][0]}")
        return tuple(row[1] for row in rows)

    def rows(self, start: int, limit: int = READ_ROWS_MAX) -> tuple[EntryRow, ...]:
        """Rows from ``start`` with their evidence, at most 256, as stored: nothing is judged."""
        rows = self._rows(
            _ROW,
            "SELECT e.seq, e.kind, e.permit, e.wall_ms, e.leaf, v.data, n.hashes"
            " FROM entry e LEFT JOIN evidence v ON v.seq = e.seq LEFT JOIN node n ON n.leaf = e.seq"
            " WHERE e.seq >= ? ORDER BY e.seq LIMIT ?",
            start,
            min(limit, READ_ROWS_MAX),
        )
        return tuple(EntryRow(*row) for row in rows)

    def entries(self, start: int, limit: int = READ_ROWS_MAX) -> tuple[Entry, ...]:
        """Entries from ``start``, at most 256, without their evidence. Raises DamagedError."""
        entries = []
        for seq, leaf in enumerate(self.leaves(start, limit), start):
            try:
                entries.append(entry_of(leaf))
            except FormatError as error:
                raise DamagedError(f"{self._path}: entry {seq}: {error}") from None
        return tuple(entries)

    def evidence(self, seq: int) -> bytes | None:
        """What lies beside an entry, None if it has none or it was erased."""
        row = self._row((_DATA,), "SELECT data FROM evidence WHERE seq = ?", seq)
        return None if row is None else row[0]

    def saved_state(self) -> SavedState | None:
        """The last saved state of the controller; entries from ``next_entry`` on are folded onto it.

        Raises DamagedError.
        """
        row = self._row((int, bytes), "SELECT next_entry, data FROM saved_state")
        return None if row is None else SavedState(row[0], unseal(self._path, row[1]))

    def chain_head(self, permit: str) -> tuple[int, bytes] | None:
        """(n, permit hash) of a permit as last stored, None: it has no entry."""
        row = self._row((int, bytes), "SELECT n, head FROM chain WHERE permit = ?", permit)
        return None if row is None else (row[0], row[1])

    def chain(self, permit: str) -> tuple[ChainLink, ...]:
        """Every entry of a permit that is held, with the permit hash after it. Raises DamagedError."""
        links: list[ChainLink] = []
        while rows := self._rows(
            _LEAF,
            "SELECT seq, leaf FROM entry WHERE permit = ? AND seq > ? ORDER BY seq LIMIT ?",
            permit,
            links[-1].seq if links else -1,
            READ_ROWS_MAX,
        ):
            links.extend(self._link(seq, leaf) for seq, leaf in rows)
        return tuple(links)

    def _link(self, seq: int, data: bytes) -> ChainLink:
        try:
            leaf = read_leaf(data)
            return ChainLink(leaf["pn"], seq, chain_link(bytes.fromhex(leaf["pp"]), leaf_hash(data)))
        except (FormatError, KeyError, TypeError, ValueError) as error:
            raise DamagedError(f"{self._path}: entry {seq}: {error}") from None

    def acked(self) -> int:
        """HQ's mirror durably holds every entry below this."""
        acked: int = self._row((int,), "SELECT ifnull(max(size), 0) FROM cosigned")[0]
        return acked

    def cosigned(self) -> Cosigned | None:
        """The largest checkpoint that HQ's mirror cosigned."""
        row = self._row(_COSIGNED, "SELECT size, at_s, note FROM cosigned ORDER BY size DESC LIMIT 1")
        return None if row is None else Cosigned(*row)

    def cosigned_after(self, size: int, limit: int = READ_ROWS_MAX) -> tuple[Cosigned, ...]:
        """Cosigned checkpoints over more than ``size`` entries, smallest first, at most 256."""
        rows = self._rows(
            _COSIGNED,
            "SELECT size, at_s, note FROM cosigned WHERE size > ? ORDER BY size LIMIT ?",
            size,
            min(limit, READ_ROWS_MAX),
        )
        return tuple(Cosigned(*row) for row in rows)

    def bracket(self, seq: int) -> tuple[int | None, int | None]:
        """Provable bounds of an entry's time, UTC ms: HQ's freshness mark before it, HQ's cosignature after it."""
        before = self._row(
            (bytes,),
            "SELECT leaf FROM entry WHERE kind = 'authority.applied' AND seq < ? ORDER BY seq DESC LIMIT 1",
            seq,
        )
        fresh_ms = None if before is None else read_leaf(before[0])["body"].get("fresh_ms")
        after = self.cosigned_after(seq, 1)
        return fresh_ms, after[0].at_s * 1000 if after else None

    def search(self, wanted: Search, start: int = 0, limit: int = READ_ROWS_MAX) -> tuple[tuple[int, bytes], ...]:
        """(seq, leaf) of entries from ``start`` on that match, in order, at most 256."""
        conditions = {
            "kind = ?": wanted.kind,
            "permit = ?": wanted.permit,
            "wall_ms >= ?": wanted.from_ms,
            "wall_ms < ?": wanted.to_ms,
        }
        asked = {text: value for text, value in conditions.items() if value is not None}
        where = " AND ".join(("seq >= ?", *asked))
        return tuple(
            self._rows(
                _LEAF,
                f"SELECT seq, leaf FROM entry WHERE {where} ORDER BY seq LIMIT ?",
                start,
                *asked.values(),
                min(limit, READ_ROWS_MAX),
            )
        )
