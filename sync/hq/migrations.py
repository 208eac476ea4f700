"""The tables of hq.db, by numbered migrations. A shipped one is never changed nor renamed."""

import sqlite3
from pathlib import Path

from sqlite_utils import Database, Migrations

from sync.hq.refusals import Refusal, RefusalCode

SCHEMA_VERSION = 1
"""PRAGMA user_version that this code writes and the newest that it reads."""

_MIGRATIONS = Migrations("permitgate_hq")


@_MIGRATIONS()
def m001_logs_operations_enrolments(database: Database) -> None:
    """Logs with entries and nodes; operations, records and freezes; one-time codes and link tokens."""
    for statement in _M001.strip().split(";\n"):
        database.execute(statement)


_M001 = """
CREATE TABLE log (
    number INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, digest TEXT NOT NULL UNIQUE, role TEXT NOT NULL,
    vkey TEXT NOT NULL, held INTEGER NOT NULL, frontier BLOB NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
    note TEXT, frozen TEXT) STRICT;
CREATE TABLE entry (
    log INTEGER NOT NULL REFERENCES log (number), idx INTEGER NOT NULL, leaf BLOB NOT NULL,
    PRIMARY KEY (log, idx)) STRICT, WITHOUT ROWID;
CREATE TABLE node (
    log INTEGER NOT NULL REFERENCES log (number), level INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (log, level, idx)) STRICT, WITHOUT ROWID;
CREATE TABLE evidence (
    log INTEGER NOT NULL REFERENCES log (number), idx INTEGER NOT NULL, digest BLOB NOT NULL, data BLOB NOT NULL,
    why TEXT NOT NULL, PRIMARY KEY (log, idx, digest)) STRICT, WITHOUT ROWID;
CREATE TABLE operation (hash BLOB PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE record (
    kind TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, idx INTEGER, revoked INTEGER NOT NULL,
    short_id INTEGER UNIQUE, PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID;
CREATE TABLE freeze (
    fid TEXT PRIMARY KEY, scope TEXT, by_whom TEXT, why TEXT, released INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE enrolment (
    code_hash BLOB PRIMARY KEY, gateway TEXT NOT NULL, origin TEXT NOT NULL, expires_ms INTEGER NOT NULL,
    used_vkey TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE token (origin TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE) STRICT, WITHOUT ROWID;
CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER entry_is_never_deleted BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END
"""


def migrate(path: Path) -> None:
    """Bring hq.db up to this code's tables. Raises Refusal for a database of a newer version."""
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            raise Refusal(
                RefusalCode.SETTING,
                f"{path}: written by a newer permitgate (tables {found}, known {SCHEMA_VERSION}): install that one",
            )
        if found == SCHEMA_VERSION:
            return
        connection.execute("PRAGMA journal_mode = WAL")
        _MIGRATIONS.apply(Database(connection))
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.commit()
    finally:
        connection.close()
