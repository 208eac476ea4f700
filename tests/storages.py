"""Real stores for tests: keys, entries and operations, opened without a migration child."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.core.entries import Entry, Stamp
from edge.core.readings import UtcMs
from edge.ports.stores import Applied
from edge.storage import migrations
from edge.storage.authority import AuthorityWriter
from edge.storage.journal import JournalFiles, JournalKeys, JournalWriter
from sync.formats import canonical
from sync.formats.checkpoint import Checkpoint
from sync.formats.cosignature import add_line, cosign
from sync.formats.merkle import EMPTY, leaf_hash
from sync.formats.note import SigningKey

ORIGIN = "pg.example.org/gw/gw1/1"
AUTHORITY_ORIGIN = "pg.example.org/hq/authority/s014/1"
SITE = "s014"
PEPPER = bytes(range(32))
NOW_MS = UtcMs(1_793_900_000_000)


def _key(name: str, seed: int) -> SigningKey:
    return SigningKey(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


LOG = _key(ORIGIN, 1)
MIRROR = _key("pg.example.org/hq/mirror", 2)
STRANGER = _key("pg.example.org/hq/mirror", 3)
KEYS = JournalKeys(LOG, MIRROR.cosigner())


@cache
def empty_database(kind: str) -> bytes:
    """The bytes of a file of that kind as the migrations leave it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / kind
        migrations.migrate(kind, path)
        return path.read_bytes()


def migrate(kind: str, path: Path) -> None:
    """The real migrations, run once per kind of file; an existing file gets them run on it."""
    if path.exists():
        migrations.migrate(kind, path)
    else:
        path.write_bytes(empty_database(kind))


def entry(seq: int, kind: str = "access.decided", permit: str | None = None, **more: Any) -> Entry:
    """An entry like the core's; ``evidence`` is named in its body, as the core does."""
    body: dict[str, Any] = {"door": "d1", "step": seq, **more.pop("body", {})}
    evidence = more.get("evidence")
    if evidence is not None:
        body["question"] = sha256(evidence).hexdigest()
    return Entry(seq, kind, body, Stamp(NOW_MS + seq * 1000, 5_000 + seq, "1a38f183", "hq", 40), permit, **more)


def entries(start: int, count: int) -> list[Entry]:
    """Entries of three permits and of none, in turns."""
    permits = ("PTW-1", None, "PTW-2", "PTW-1", "PTW-3")
    return [entry(seq, permit=permits[seq % len(permits)]) for seq in range(start, start + count)]


def files(folder: Path) -> JournalFiles:
    """Where a test's journal lies."""
    return JournalFiles(folder / "journal.db", folder / "checkpoint")


def open_journal(folder: Path, keys: JournalKeys = KEYS) -> JournalWriter:
    """A journal in this folder."""
    return JournalWriter.open(files(folder), keys, NOW_MS, migrate=migrate)


def cosigned(note: str, at_s: int = NOW_MS // 1000, key: SigningKey = MIRROR) -> str:
    """The note as HQ returns it."""
    return add_line(note, cosign(note, key, at_s))


def open_authority(folder: Path) -> AuthorityWriter:
    """An authority cache in this folder."""
    return AuthorityWriter.open(folder / "authority.db", AUTHORITY_ORIGIN, SITE, PEPPER, NOW_MS, migrate=migrate)


class AuthorityLog:
    """HQ's side: the log as it grows, and heads over it."""

    def __init__(self) -> None:
        self.frontier = EMPTY

    def extend(self, *operations: bytes) -> Checkpoint:
        """The checkpoint after these operations."""
        self.frontier, _ = self.frontier.extend(map(leaf_hash, operations))
        return self.head()

    def head(self, origin: str = AUTHORITY_ORIGIN) -> Checkpoint:
        """The checkpoint now."""
        return Checkpoint(origin, self.frontier.size, self.frontier.root())

    def feed(self, writer: AuthorityWriter, *operations: bytes, fresh_ms: int = NOW_MS) -> Applied:
        """Say it and have it believed."""
        return writer.apply(f"head {self.frontier.size}", self.extend(*operations), fresh_ms, operations)


def put(kind: str, identity: str, revision: int, **record: Any) -> bytes:
    """A put operation's bytes."""
    return canonical.encode({"id": identity, "k": kind, "op": "put", "rec": record, "rev": revision, "v": 1})


def revoke(kind: str, identity: str) -> bytes:
    """A revoke operation's bytes."""
    return canonical.encode({"id": identity, "k": kind, "op": "revoke", "v": 1, "why": "lost"})


def freeze(freeze_id: str, kind: str, identity: str, by: str = "hq-1", why: str = "drill") -> bytes:
    """A freeze operation's bytes."""
    scope = {"id": identity, "k": kind}
    return canonical.encode({"by": by, "fid": freeze_id, "op": "freeze", "scope": scope, "v": 1, "why": why})


def release(*freeze_ids: str) -> bytes:
    """A release operation's bytes."""
    return canonical.encode({"by": "hq-1", "fids": list(freeze_ids), "op": "release", "v": 1})


def permit_record(**changes: Any) -> dict[str, Any]:
    """A permit's record."""
    record = {
        "type": "01",
        "areas": ["a1"],
        "workers": ["w1"],
        "guardians": ["g1"],
        "start": NOW_MS,
        "end": NOW_MS + 3_599_000,
        "status": 1,
        "short_id": 7,
    }
    return {**record, **changes}


def issuer_record(**changes: Any) -> dict[str, Any]:
    """A badge key's record."""
    record = {"alg": -8, "kid": "a1b2c3d4", "key": "11" * 32, "site": SITE}
    return {**record, "not_before": NOW_MS, "not_after": NOW_MS + 59_000, **changes}


def certificate_record(**changes: Any) -> dict[str, Any]:
    """A certificate's record."""
    record = {"worker": "w1", "trade": "height", "ends": NOW_MS + 86_399_000, "status": "valid"}
    return {**record, **changes}
