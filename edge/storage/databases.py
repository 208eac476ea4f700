"""Opening SQLite files: one owner each, readers that cannot write, damage kept and named."""

import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from edge.core.readings import UtcMs
from edge.ports.errors import DamagedError, PermitgateError, StoreError, UnusableError
from edge.ports.stores import DiskFullError, NewerDatabaseError, OwnedError

SCHEMA_VERSIONS = {"journal": 1, "authority": 1, "telemetry": 3}
"""PRAGMA user_version of each file as this code writes and reads it."""

WAL_SIZE_LIMIT_BYTES = 64 * 1024 * 1024
"""journal_size_limit: a WAL that once grew is cut back to this when it is next reset."""

QUICK_CHECK_MAX_BYTES = 64 * 1024 * 1024
"""Files up to this size get PRAGMA quick_check when opened; larger ones are checked by a child in the background."""

_MIGRATION_TIMEOUT_S = 600
_BUSY_TIMEOUT_S = 5.0
_READER_BUSY_TIMEOUT_S = 1.0


_Owner = TypeVar("_Owner")

# Of damage, but without a code that says so: a text column that is none (the sqlite3 module's own words), and a table,
# column or index that the file's version has and its schema has not.
_DAMAGED_WORDS = ("Could not decode", "no such table", "no such column", "no such index")

Migrate = Callable[[str, Path], None]
"""Brings the file of that kind up to date, creating it if need be."""


UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged file can raise: SQLite quotes a damaged schema, and Python decodes what it quotes."""

Kinds = tuple[type | tuple[type, ...], ...]
"""The type of each column of a row; several where NULL is allowed."""


def typed(path: Path, rows: Sequence[Any], kinds: Kinds) -> Sequence[Any]:
    """The rows, if every value is of its column's type: STRICT binds whoever writes, damage leaves anything.

    Raises DamagedError.
    """
    for row in rows:
        if not all(map(isinstance, row, kinds)):
            raise DamagedError(f"{path}: damaged: a row of it holds what was never written there")
    return rows


def translated(error: Exception, path: Path) -> PermitgateError:
    """Our error for one of ``UNREADABLE``; the type says whether trying again can help."""
    if isinstance(error, UnicodeDecodeError):
        return DamagedError(f"{path}: damaged: its schema is not text")
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if str(error).startswith(_DAMAGED_WORDS):
        return DamagedError(f"{path}: damaged: {error}")
    if primary == sqlite3.SQLITE_FULL:
        return DiskFullError(f"{path}: no room to write: free disk space; nothing was lost ({error})")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedError(f"{path}: damaged: {error}")
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return UnusableError(f"{path}: refused by the database: {error}")
    if primary == sqlite3.SQLITE_CANTOPEN:
        return StoreError(f"{path}: {error}: check that it is there, and that this user may read it")
    return StoreError(f"{path}: {error}")


def translated_os(error: OSError, path: Path) -> StoreError:
    """Our error for one of the operating system's while writing ``path``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"{path}: no room to write: free disk space")
    return StoreError(f"{path}: not written: {error.strerror}")


@contextmanager
def naming_errors(path: Path) -> Iterator[None]:
    """Translate SQLite's errors inside the block."""
    try:
        yield
    except UNREADABLE as error:
        raise translated(error, path) from error


def migrate_in_child(kind: str, path: Path) -> None:
    """Run the migrations in a short process of their own: their library costs 31 MiB that the daemon must not carry."""
    command = [sys.executable, "-P", "-m", "edge.storage.migrations", kind, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_MIGRATION_TIMEOUT_S, check=False)
    if done.returncode:
        raise UnusableError(f"{path}: the migration failed: {done.stderr.strip()[-500:]}")


def ensure_schema(kind: str, path: Path, migrate: Migrate = migrate_in_child) -> None:
    """Have the file in this code's schema. Raises NewerDatabaseError, DamagedError or UnusableError."""
    found = schema_version(path)
    if found:
        _judge_schema(kind, path, found)
    if found < SCHEMA_VERSIONS[kind]:
        path.parent.mkdir(parents=True, exist_ok=True)
        migrate(kind, path)


def schema_version(path: Path) -> int:
    """PRAGMA user_version; 0 for a file that does not exist yet."""
    if not path.exists():
        return 0
    with naming_errors(path):
        connection = _connect(path, "ro", _READER_BUSY_TIMEOUT_S)
        try:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        finally:
            connection.close()
    return version


class OwnerLock:
    """Holds ``<file>.owner`` locked: a second owner of one file would checkpoint under the first."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path.with_name(path.name + ".owner"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise OwnedError(f"{path}: another process writes this file: stop it, or use its socket") from None
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let go; may be called twice. Also happens when the process ends, however it ends."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def open_owner(path: Path, synchronous: str) -> sqlite3.Connection:
    """The one read-write connection of a file: WAL, no automatic checkpoint. ``synchronous``: FULL or NORMAL.

    May be handed to another thread, used by one at a time.
    """
    connection = _connect(path, "rw", _BUSY_TIMEOUT_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_SIZE_LIMIT_BYTES}")
        connection.execute("PRAGMA mmap_size = 0")
        # Without it INSERT OR REPLACE would slip past the triggers that keep rows.
        connection.execute("PRAGMA recursive_triggers = 1")
    except BaseException:
        connection.close()
        raise
    return connection


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A file to open as its owner: kind of schema, synchronous setting, and what becomes of it if it is damaged."""

    kind: str
    path: Path
    synchronous: str
    if_damaged: str
    check_bytes_max: int = QUICK_CHECK_MAX_BYTES


def open_owned(
    file: OwnedFile, now_ms: UtcMs, migrate: Migrate, build: Callable[[sqlite3.Connection, OwnerLock], _Owner]
) -> _Owner:
    """What ``build`` makes of the owner's connection: locked, migrated, checked; a damaged file is set aside.

    ``now_ms`` dates its new name. Raises DamagedError with that name, NewerDatabaseError, OwnedError, UnusableError,
    StoreError.
    """
    file.path.parent.mkdir(parents=True, exist_ok=True)
    lock = OwnerLock(file.path)
    try:
        return _open_locked(file, migrate, lambda connection: build(connection, lock))
    except DamagedError as error:
        kept = set_aside(file.path, now_ms)
        lock.release()
        raise DamagedError(f"{error}; kept as {kept}: {file.if_damaged}") from error
    except BaseException:
        lock.release()
        raise


def _open_locked(file: OwnedFile, migrate: Migrate, build: Callable[[sqlite3.Connection], _Owner]) -> _Owner:
    ensure_schema(file.kind, file.path, migrate)
    with naming_errors(file.path):
        connection = open_owner(file.path, file.synchronous)
    try:
        if file.path.stat().st_size <= file.check_bytes_max:
            quick_check(connection, file.path)
        return build(connection)
    except BaseException:
        connection.close()
        raise


def open_reader(path: Path, kind: str) -> sqlite3.Connection:
    """A connection that cannot write, for one thread.

    Raises StoreError if there is no file or it cannot be read, DamagedError if it is none of ours, NewerDatabaseError.
    """
    with naming_errors(path):
        try:
            return _open_reader(path, kind, "ro")
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) or not _lies_still(path):
                raise
            # A copy where nothing can be written, as on a stick: SQLite wants to write beside it unless told.
            return _open_reader(path, kind, "ro&immutable=1")


def _open_reader(path: Path, kind: str, mode: str) -> sqlite3.Connection:
    connection = _connect(path, mode, _READER_BUSY_TIMEOUT_S)
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("PRAGMA mmap_size = 0")
        _judge_schema(kind, path, connection.execute("PRAGMA user_version").fetchone()[0])
    except BaseException:
        connection.close()
        raise
    return connection


def _lies_still(path: Path) -> bool:
    """Whether nobody has the file open to write: an owner has a WAL beside it, and what is in one must be read."""
    wal = path.with_name(path.name + "-wal")
    return path.is_file() and os.access(path, os.R_OK) and not (wal.exists() and wal.stat().st_size)


def _judge_schema(kind: str, path: Path, found: int) -> None:
    wanted = SCHEMA_VERSIONS[kind]
    if found > wanted:
        raise NewerDatabaseError(f"{path}: schema {found}, this version knows {wanted}: install a newer permitgate")
    if found < 1:
        raise DamagedError(f"{path}: is no {kind} database, or an empty one")


def _connect(path: Path, mode: str, busy_timeout_s: float, check_same_thread: bool = True) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=busy_timeout_s,
        isolation_level=None,
        check_same_thread=check_same_thread,
        cached_statements=64,
    )


def quick_check(connection: sqlite3.Connection, path: Path) -> None:
    """PRAGMA quick_check. Raises DamagedError with SQLite's first finding."""
    with naming_errors(path):
        finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise DamagedError(f"{path}: damaged: {finding}")


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All or nothing: committed when the block ends, rolled back when it, or the commit, raises."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, UNREADABLE):
            raise translated(error, path) from error
        raise


def passive_checkpoint(connection: sqlite3.Connection, path: Path) -> bool:
    """PRAGMA wal_checkpoint(PASSIVE); True if the whole WAL is in the file now."""
    with naming_errors(path):
        busy, in_wal, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return not busy and in_wal == copied


def set_aside(path: Path, now_ms: UtcMs) -> Path:
    """Rename a damaged file, and its WAL with it, to ``<name>.damaged-<utc>``; returns the new name. Never deletes."""
    stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    sync_folder(path.parent)
    return kept


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, pieces: Iterable[bytes]) -> None:
    """Replace a file as a whole: temporary name, fsync, rename, fsync of the folder. Raises StoreError."""
    temporary = path.with_name(path.name + ".new")
    try:
        with open(temporary, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise translated_os(error, path) from error
