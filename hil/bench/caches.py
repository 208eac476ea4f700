"""Authority caches of any size, as HQ's log would have filled them: written in bulk, kept, and used again.

The keys are the benchmarks' own and worth nothing. Every tenth of a cache is written with the codecs that HQ uses and
compared, so that a changed format shows here first.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.core.readings import UtcMs
from edge.storage.authority import AuthorityWriter
from edge.storage.authority_merge import worker_tag
from edge.storage.nodes import node_rows
from sync.formats import authority, badge_token
from sync.formats.badge_token import BadgeClaims, wrap_ndef
from sync.formats.merkle import EMPTY, leaf_hash

SITE = "s014"
ORGANISATION = "pg.example.org"
AUTHORITY_ORIGIN = f"{ORGANISATION}/hq/authority/{SITE}/1"
AREA = "a1"
GUARDIAN = "g1"
START_MS = 1_790_000_000_000
"""2026-09-21: when every permit of a cache begins; they end in 2040, so that a kept cache stays good."""

END_MS = 2_208_988_800_000
_PEPPER = bytes(range(32))
_ISSUER = Ed25519PrivateKey.from_private_bytes(b"permitgate benchmark issuer key.")
_KEY_ID = sha256(_ISSUER.public_key().public_bytes_raw()).digest()[:4]
_LAYOUT = 3
_BATCH = 20_000
_CLOSED = 3
"""AQ 3064.2-2025 A.1 TICKET_STATUS 3: closed."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many of what. ``open_permits`` are in force, one for each of the first workers, short ids from 1."""

    workers: int
    certificates: int
    permits: int
    open_permits: int

    @property
    def records(self) -> int:
        """All records; the guardian and the issuer come on top."""
        return self.workers + self.certificates + self.permits


THOUSAND = Shape(400, 400, 200, 200)
HUNDRED_THOUSANDS = Shape(100_000, 100_000, 100_000, 60_000)
MILLION = Shape(400_000, 400_000, 200_000, 1_000)


def cache(folder: Path, shape: Shape) -> Path:
    """The cache of that shape, made now if it is not there yet."""
    path = folder / f"authority-{_LAYOUT}-{shape.records}-{shape.open_permits}.db"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        for leftover in folder.glob(part.name + "*"):
            leftover.unlink()
        _write(part, shape)
        part.rename(path)
    return path


def worker(number: int) -> str:
    """A worker's id."""
    return f"w-{number:06d}"


def permit(number: int) -> str:
    """A permit's id."""
    return f"PTW-{number:06d}"


def uid(number: int) -> bytes:
    """The tag of a worker's badge."""
    return b"\x04" + number.to_bytes(6, "big")


def badge(number: int, not_before_s: int, guard: bool = False) -> bytes:
    """The NDEF message of that worker's badge for the permit of the same number, or of its guardian's."""
    claims = BadgeClaims(
        token_id=number.to_bytes(8, "big"),
        not_before_s=not_before_s,
        expires_s=not_before_s + badge_token.WINDOW_S_MAX,
        worker_tag=bytes.fromhex(worker_tag(_PEPPER, GUARDIAN if guard else worker(number))),
        uid=uid(number),
        site=SITE,
        areas=(AREA,),
        permit_short_ids=(number + 1,),
        permit_version=1,
    )
    return wrap_ndef(badge_token.encode_and_sign(claims, _KEY_ID, _ISSUER))


def operation(number: int) -> bytes:
    """HQ's operation that issues the permit of that number, beyond those of a cache."""
    return _row(number, ("permit", permit(number), _permit(number, in_force=True)))[0]


def _write(path: Path, shape: Shape) -> None:
    AuthorityWriter.open(path, AUTHORITY_ORIGIN, SITE, _PEPPER, UtcMs(START_MS)).close()
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'record' AND sql IS NOT NULL"
        ).fetchall()
        connection.execute("BEGIN")
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        frontier, index = EMPTY, 0
        records = _records(shape)
        while batch := list(islice(records, _BATCH)):
            rows = [_row(index + place, record) for place, record in enumerate(batch)]
            frontier, nodes = frontier.extend(leaf_hash(row[0]) for row in rows)
            connection.executemany("INSERT INTO operation VALUES (?, ?)", [(row[1][4], row[0]) for row in rows])
            connection.executemany("INSERT INTO node VALUES (?, ?)", node_rows(nodes))
            connection.executemany(
                "INSERT INTO record (kind, id, revision, digest, idx, data, tag, owner, short_id, status)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [row[1] for row in rows],
            )
            index += len(batch)
        for _, statement in indexes:
            connection.execute(statement)
        connection.execute(
            "UPDATE log SET size = ?, fresh_ms = ?, head = ?", (index, START_MS, "written in bulk for benchmarks")
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


_Record = tuple[str, str, dict[str, object]]
_Values = tuple[str, str, int, bytes, int, bytes, str | None, str | None, object, object]


def _row(index: int, record: _Record) -> tuple[bytes, _Values]:
    """The operation's bytes and the row that merging it makes, as ``Merger`` does."""
    kind, identity, content = record
    operation = {"id": identity, "k": kind, "op": "put", "rec": content, "rev": 1, "v": 1}
    data = orjson.dumps(operation, option=orjson.OPT_SORT_KEYS)
    if index % 10_000 == 0:
        read = authority.parse_operation(data)
        assert isinstance(read, authority.Put), f"HQ would not write {data!r}"
    tag = worker_tag(_PEPPER, identity) if kind == "worker" else None
    owner = str(content["worker"]) if kind == "cert" else None
    digest = sha256(data).digest()
    stored = orjson.dumps(content)
    return data, (
        kind,
        identity,
        1,
        digest,
        index,
        stored,
        tag,
        owner,
        content.get("short_id"),
        content.get("status") if kind == "permit" else None,
    )


def _records(shape: Shape) -> Iterator[_Record]:
    public = _ISSUER.public_key().public_bytes_raw()
    yield (
        "issuer",
        "issuer-1",
        {
            "kid": _KEY_ID.hex(),
            "alg": -8,
            "key": public.hex(),
            "not_before": START_MS,
            "not_after": END_MS,
            "site": SITE,
        },
    )
    yield "worker", GUARDIAN, {"name": "李四"}
    for number in range(shape.workers):
        yield "worker", worker(number), {"name": f"工人{number}"}
    for number in range(shape.certificates):
        content = {"worker": worker(number % shape.workers), "trade": "welding", "ends": END_MS, "status": "valid"}
        yield "cert", f"c-{number:06d}", content
    for number in range(shape.permits):
        yield "permit", permit(number), _permit(number, number < shape.open_permits)


def _permit(number: int, in_force: bool) -> dict[str, object]:
    return {
        "type": "02",
        "areas": [AREA],
        "workers": [worker(number)],
        "guardians": [GUARDIAN],
        "start": START_MS,
        "end": END_MS,
        "status": 1 if in_force else _CLOSED,
        "short_id": number % 65_535 + 1,
        "gas": "methane",
        "permit_version": 1,
    }
