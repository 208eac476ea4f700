"""Schemas of the databases, as migrations: ``python -P -m edge.storage.migrations journal|authority|telemetry PATH``.

Runs in a process of its own, because importing sqlite_utils costs 31 MiB. A shipped migration is never renamed: its
name is its identity. Each sets PRAGMA user_version, which keeps older code from a newer file.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sqlite_utils import Database, Migrations

_JOURNAL = (
    "CREATE TABLE log (slot INTEGER PRIMARY KEY CHECK (slot = 0), origin TEXT NOT NULL) STRICT",
    """CREATE TABLE entry (
        seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, permit TEXT, wall_ms INTEGER, leaf BLOB NOT NULL) STRICT""",
    "CREATE INDEX entry_by_kind ON entry (kind)",
    "CREATE INDEX entry_by_permit ON entry (permit) WHERE permit IS NOT NULL",
    "CREATE INDEX entry_by_time ON entry (wall_ms) WHERE wall_ms IS NOT NULL",
    "CREATE TABLE node (leaf INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT",
    "CREATE TABLE chain (permit TEXT PRIMARY KEY, n INTEGER NOT NULL, head BLOB NOT NULL) STRICT, WITHOUT ROWID",
    # Data may be erased (NULL); its hash is in the leaf and stays.
    "CREATE TABLE evidence (seq INTEGER PRIMARY KEY, data BLOB) STRICT",
    """CREATE TABLE saved_state (
        slot INTEGER PRIMARY KEY CHECK (slot = 0), next_entry INTEGER NOT NULL, data BLOB NOT NULL) STRICT""",
    "CREATE TABLE cosigned (size INTEGER PRIMARY KEY, at_s INTEGER NOT NULL, note TEXT NOT NULL) STRICT",
    "CREATE TABLE mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "INSERT INTO mark VALUES ('pruned_to', 0)",
    # J1 and J6. INSERT OR REPLACE may fire no delete trigger, so an entry's insert must be at the end.
    """CREATE TRIGGER entry_only_at_the_end BEFORE INSERT ON entry
        WHEN NEW.seq <> ifnull((SELECT max(seq) + 1 FROM entry), 0)
        BEGIN SELECT RAISE(ABORT, 'J6: an entry may only be appended'); END""",
    """CREATE TRIGGER entry_never_changed BEFORE UPDATE ON entry
        BEGIN SELECT RAISE(ABORT, 'J1: an entry is never changed'); END""",
    """CREATE TRIGGER entry_kept BEFORE DELETE ON entry
        WHEN OLD.seq >= (SELECT value FROM mark WHERE name = 'pruned_to')
        BEGIN SELECT RAISE(ABORT, 'J1: an entry is kept until it is pruned'); END""",
    """CREATE TRIGGER node_never_changed BEFORE UPDATE ON node
        BEGIN SELECT RAISE(ABORT, 'J1: a node is never changed'); END""",
    """CREATE TRIGGER node_kept BEFORE DELETE ON node
        BEGIN SELECT RAISE(ABORT, 'J1: a node is kept for ever'); END""",
    """CREATE TRIGGER cosigned_never_changed BEFORE UPDATE ON cosigned
        BEGIN SELECT RAISE(ABORT, 'U4: an acknowledgement is never changed'); END""",
    """CREATE TRIGGER cosigned_kept BEFORE DELETE ON cosigned
        BEGIN SELECT RAISE(ABORT, 'U4: an acknowledgement is kept for ever'); END""",
    """CREATE TRIGGER mark_kept BEFORE DELETE ON mark
        BEGIN SELECT RAISE(ABORT, 'J1: a mark is kept'); END""",
    """CREATE TRIGGER pruned_only_below_acked BEFORE UPDATE ON mark
        WHEN OLD.name = 'pruned_to' AND (NEW.name <> OLD.name OR NEW.value < OLD.value
            OR NEW.value > ifnull((SELECT max(size) FROM cosigned), 0))
        BEGIN SELECT RAISE(ABORT, 'U2: only what HQ acknowledged is pruned'); END""",
    "PRAGMA user_version = 1",
)

_AUTHORITY = (
    """CREATE TABLE log (
        slot INTEGER PRIMARY KEY CHECK (slot = 0), origin TEXT NOT NULL, size INTEGER NOT NULL,
        fresh_ms INTEGER, head TEXT) STRICT""",
    # D1: the trusted size and freshness only grow, and the log stays the same one.
    """CREATE TRIGGER log_monotone BEFORE UPDATE ON log
        WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size
            OR (OLD.fresh_ms IS NOT NULL AND (NEW.fresh_ms IS NULL OR NEW.fresh_ms < OLD.fresh_ms))
        BEGIN SELECT RAISE(ABORT, 'D1: what is trusted only grows'); END""",
    """CREATE TRIGGER log_kept BEFORE DELETE ON log
        BEGIN SELECT RAISE(ABORT, 'D1: what is trusted is kept'); END""",
    "CREATE TABLE operation (idx INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
    "CREATE TABLE node (leaf INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT",
    # tag: a worker's badge tag; owner: a certificate's worker; short_id and status: a permit's.
    """CREATE TABLE record (
        number INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL,
        revision INTEGER, digest BLOB, idx INTEGER, data BLOB, revoked_idx INTEGER,
        tag TEXT, owner TEXT, short_id INTEGER, status INTEGER, UNIQUE (kind, id)) STRICT""",
    "CREATE INDEX record_by_tag ON record (tag) WHERE tag IS NOT NULL",
    "CREATE INDEX record_by_owner ON record (owner) WHERE owner IS NOT NULL",
    "CREATE INDEX record_by_short_id ON record (short_id, idx) WHERE short_id IS NOT NULL",
    """CREATE INDEX permit_open_by_short_id ON record (short_id)
        WHERE kind = 'permit' AND status IN (0, 1, 2, 6) AND revoked_idx IS NULL""",
    """CREATE INDEX permit_open_by_id ON record (id)
        WHERE kind = 'permit' AND status IN (0, 1, 2, 6) AND revoked_idx IS NULL""",
    """CREATE TABLE freeze (
        freeze_id TEXT NOT NULL, scope_kind TEXT NOT NULL, scope_id TEXT NOT NULL, by TEXT NOT NULL, why TEXT NOT NULL,
        released INTEGER NOT NULL, PRIMARY KEY (freeze_id, scope_kind, scope_id)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX freeze_standing ON freeze (freeze_id) WHERE released = 0",
    "CREATE TABLE released (freeze_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
    "PRAGMA user_version = 1",
)

_TELEMETRY = (
    # One stream per device, channel list and boot: monotonic times compare within one boot only.
    """CREATE TABLE stream (
        number INTEGER PRIMARY KEY, device TEXT NOT NULL, channels TEXT NOT NULL, boot_id TEXT NOT NULL,
        UNIQUE (device, channels, boot_id)) STRICT""",
    # No index beside the row number: rows come in order of time, and an index would write one page per device.
    """CREATE TABLE sample (
        number INTEGER PRIMARY KEY, stream INTEGER NOT NULL, taken_at_ms INTEGER NOT NULL, wall_ms INTEGER,
        packed BLOB NOT NULL) STRICT""",
    """CREATE TABLE batch (
        stream INTEGER NOT NULL, device TEXT NOT NULL, last_number INTEGER NOT NULL, first_number INTEGER NOT NULL,
        first_ms INTEGER, last_ms INTEGER, count INTEGER NOT NULL, sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL,
        PRIMARY KEY (device, last_number)) STRICT, WITHOUT ROWID""",
    # Rows below this number are all sealed.
    "CREATE TABLE mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "INSERT INTO mark VALUES ('unsealed_from', 0)",
    "PRAGMA user_version = 1",
)


_TELEMETRY_NEWS = (
    # entry: the number of the journal's entry that names the batch, NULL: none yet, -1: one of an earlier journal.
    # deletion: the number of the news that tells of its end.
    "ALTER TABLE batch ADD COLUMN last_taken_ms INTEGER",
    "ALTER TABLE batch ADD COLUMN entry INTEGER",
    "ALTER TABLE batch ADD COLUMN deletion INTEGER",
    "CREATE INDEX batch_by_time ON batch (device, last_ms)",
    "CREATE INDEX batch_by_age ON batch (last_ms) WHERE deletion IS NULL AND entry IS NOT NULL",
    "CREATE INDEX batch_given_up ON batch (deletion) WHERE deletion IS NOT NULL",
    "CREATE INDEX batch_unnamed ON batch (device, last_number) WHERE entry IS NULL",
    # What the journal must be told; a row goes when its entry is durable. Numbers are not used twice.
    """CREATE TABLE news (
        number INTEGER PRIMARY KEY AUTOINCREMENT, cause TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, subject TEXT NOT NULL,
        what TEXT NOT NULL, figures TEXT NOT NULL, blobs TEXT NOT NULL, batch INTEGER) STRICT""",
    "CREATE TABLE log (slot INTEGER PRIMARY KEY CHECK (slot = 0), origin TEXT NOT NULL) STRICT",
    # widest_ms: no batch spans more. thinned: rows deleted that are not told. told_through: the journal's entries below
    # it were compared with what is here.
    "INSERT INTO mark SELECT 'widest_ms', ifnull(max(last_ms - first_ms), 0) FROM batch",
    "INSERT INTO mark VALUES ('thinned', 0), ('told_through', 0)",
    "PRAGMA user_version = 2",
)

_TELEMETRY_HOURS = (
    # loose: 1: the batch lies in a file of its own and is to be put to its hour's; 0: it was, or cannot be.
    "ALTER TABLE batch ADD COLUMN loose INTEGER NOT NULL DEFAULT 1",
    "CREATE INDEX batch_loose ON batch (last_ms) WHERE loose = 1 AND entry >= 0 AND deletion IS NULL",
    "PRAGMA user_version = 3",
)

_STEPS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "journal": {"m001_first": _JOURNAL},
    "authority": {"m001_first": _AUTHORITY},
    "telemetry": {"m001_first": _TELEMETRY, "m002_news": _TELEMETRY_NEWS, "m003_hours": _TELEMETRY_HOURS},
}


def _migrations(kind: str) -> Migrations:
    migrations = Migrations(f"permitgate-{kind}")
    for name, statements in _STEPS[kind].items():
        migrations(name=name)(_running(statements))
    return migrations


def _running(statements: Sequence[str]) -> Callable[[Database], None]:
    def run(database: Database) -> None:
        for statement in statements:
            database.execute(statement)

    return run


def migrate(kind: str, path: Path) -> None:
    """Create the file or bring it up to date. Each migration is one transaction: after a crash, run it again."""
    database = Database(path)
    try:
        _migrations(kind).apply(database)
    finally:
        database.close()


if __name__ == "__main__":
    migrate(sys.argv[1], Path(sys.argv[2]))
