"""Durable appends beside the bare commits that they are made of; and how fast HQ's word becomes live."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.core.controller import step
from edge.core.entries import Entry
from edge.core.messages import AuthorityApplied
from edge.core.readings import UtcMs
from edge.host.system_clock import monotonic_ms, monotonic_us
from edge.ports.stores import Applied
from edge.runtime.journal import GROUP_MAX, JournalEvents, JournalThread
from edge.storage.authority import AuthorityWriter
from edge.storage.authority_reader import AuthorityReader
from edge.storage.journal import JournalFiles, JournalKeys, JournalWriter
from hil.bench import caches
from hil.bench.decisions import NOW, Place, granted_entries, passage_entries
from hil.bench.rows import Row, median, percentile, spread
from sync.formats import checkpoint, package
from sync.formats.checkpoint import Checkpoint
from sync.formats.cosignature import add_line, cosign
from sync.formats.merkle import Frontier, leaf_hash
from sync.formats.note import SigningKey
from sync.link.downlink import Downlink, PinnedKeys

_SINGLE = 800
_BATCHED = 25_600
_PASS = 100
_BATCHED_PASSES = 4
"""What else runs on the machine can spoil a pass and can make none better: each side is its quietest pass."""

_DELTAS = 40
_DELTA = 100
_PEPPER = bytes(range(32))
_LOG = SigningKey(f"{caches.ORGANISATION}/gw/gw1/1", Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
_MIRROR = SigningKey(f"{caches.ORGANISATION}/hq/mirror", Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32))
_AUTHORITY = SigningKey(caches.AUTHORITY_ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32))


class BareCommits:
    """The least that durability costs: one table, one row, one commit, WAL and FULL."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._connection.execute("CREATE TABLE row (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)")

    def commit(self, rows: Sequence[bytes]) -> int:
        """Microseconds of one commit of those rows."""
        began = monotonic_us()
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO row (data) VALUES (?)", [(row,) for row in rows])
        self._connection.execute("COMMIT")
        return monotonic_us() - began

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


@contextmanager
def open_journal(folder: Path) -> Iterator[JournalWriter]:
    """A new journal in that folder, with the benchmarks' keys."""
    files = JournalFiles(folder / "journal.db", folder / "checkpoint")
    writer = JournalWriter.open(files, JournalKeys(_LOG, _MIRROR.cosigner()), UtcMs(NOW.clock.lo_ms))
    try:
        yield writer
    finally:
        writer.close()


@contextmanager
def _journal(folder: Path) -> Iterator[tuple[JournalWriter, BareCommits]]:
    """A journal and a bare table on the same disk."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as name, open_journal(Path(name)) as writer:
        bare = BareCommits(Path(name) / "bare.db")
        try:
            yield writer, bare
        finally:
            bare.close()


def _numbered(entries: Sequence[Entry], count: int) -> list[Entry]:
    return [replace(entries[number % len(entries)], seq=number) for number in range(count)]


def _bytes_of(folder: Path, entries: Sequence[Entry]) -> list[bytes]:
    """What the journal stores of each entry, leaf and evidence, as one blob: a row of the same size."""
    with TemporaryDirectory(dir=folder) as name:
        with open_journal(Path(name)) as writer:
            writer.append(entries)
        connection = sqlite3.connect(Path(name) / "journal.db")
        rows = connection.execute("SELECT leaf, data FROM entry LEFT JOIN evidence USING (seq) ORDER BY seq").fetchall()
        connection.close()
    return [leaf + (data or b"") for leaf, data in rows]


def journal_single(folder: Path) -> Row:
    """One decision with its evidence made durable, over one bare commit of as many bytes, in turns."""
    entries = _numbered(granted_entries(folder, 200), _SINGLE)
    rows = _bytes_of(folder, entries)
    ours, bare = [], []
    with _journal(folder) as (writer, table):
        for entry, row in zip(entries, rows, strict=True):
            bare.append(table.commit([row]))
            began = monotonic_us()
            writer.append([entry])
            ours.append(monotonic_us() - began)
    medians = [
        (median(ours[start : start + _PASS]), median(bare[start : start + _PASS])) for start in range(0, _SINGLE, _PASS)
    ]
    best_ours, best_bare = min(pair[0] for pair in medians), min(pair[1] for pair in medians)
    detail = {
        "durable": spread(ours),
        "bare": spread(bare),
        "ratio_of_each_pass": [round(one / other, 3) for one, other in medians],
        "row_bytes": sum(map(len, rows)) // len(rows),
    }
    return Row(
        "journal_single",
        best_ours / best_bare,
        "×",
        "one bare SQLite FULL commit of as many bytes, median of the quietest pass",
        best_bare / 1000,
        "ms",
        1.5,
        detail=detail,
    )


def journal_batched(folder: Path) -> Row:
    """Entries handed over one by one to the journal's thread, until the last is durable."""
    passages = passage_entries(folder, 200)
    entries = _numbered(passages, _BATCHED)
    rows = _bytes_of(folder, entries[:GROUP_MAX])
    passes = [_batched_pass(folder, entries, rows) for _ in range(_BATCHED_PASSES)]
    ours_s, bare_s = min(each[0] for each in passes), min(each[1] for each in passes)
    value = _BATCHED / ours_s
    detail = {
        "per_s_of_each_pass": [round(_BATCHED / each[0]) for each in passes],
        "entries": _BATCHED,
        "kinds": sorted({entry.kind for entry in passages}),
        "group": GROUP_MAX,
        "row_bytes": sum(map(len, rows)) // len(rows),
    }
    named = f"bare SQLite FULL commits of {GROUP_MAX} such rows"
    return Row(
        "journal_batched_per_s", value, "per s", named, _BATCHED / bare_s, "per s", 25_000, "at least", detail=detail
    )


def _batched_pass(folder: Path, entries: Sequence[Entry], rows: Sequence[bytes]) -> tuple[float, float]:
    """Seconds until all entries are durable in a new journal, and for bare commits of as many bytes."""
    with _journal(folder) as (writer, table):
        events = JournalEvents(_ignore, _fail, _ignore, _ignore, _ignore)
        thread = JournalThread(writer, monotonic_ms, events, grant_pending=lambda: False)
        for entry in entries:
            thread.submit([entry])
        began = monotonic_us()
        while thread.waiting:
            thread.step()
        ours_s = (monotonic_us() - began) / 1e6
        bare_s = sum(table.commit(rows) for _ in range(_BATCHED // GROUP_MAX)) / 1e6
        thread.finish()
    return ours_s, bare_s


def _ignore(*_: object) -> None:
    return


def _fail(from_entry: int, error: str) -> None:
    raise AssertionError(f"entry {from_entry}: {error}")


class _Hq:
    """HQ's side of the authority log as a transport: heads signed by both keys, entries in packages."""

    def __init__(self, frontier: Frontier) -> None:
        self._frontier = frontier
        self._start = frontier.size
        self._entries: list[bytes] = []
        self._at_s = NOW.clock.lo_ms // 1000

    def say(self, operations: Sequence[bytes]) -> None:
        self._frontier, _ = self._frontier.extend(map(leaf_hash, operations))
        self._entries += operations
        self._at_s += 1
        head = Checkpoint(caches.AUTHORITY_ORIGIN, self._frontier.size, self._frontier.root())
        signed = checkpoint.sign(head, _AUTHORITY)
        self._head = add_line(signed, cosign(signed, _MIRROR, self._at_s))

    def authority_head(self) -> str:
        """See ``DownlinkTransport``."""
        return self._head

    def authority_entries(self, start: int) -> bytes:
        """See ``DownlinkTransport``."""
        entries = self._entries[start - self._start :]
        return package.encode(caches.AUTHORITY_ORIGIN, start, entries[: package.fitting(entries)])


def delta(folder: Path) -> Row:
    """100 records of HQ: head verified, roots compared, merged, durable, read again, in the controller's state."""
    source = caches.cache(folder, caches.HUNDRED_THOUSANDS)
    with TemporaryDirectory(dir=folder) as name:
        path = Path(name) / "authority.db"
        path.write_bytes(source.read_bytes())
        writer = AuthorityWriter.open(path, caches.AUTHORITY_ORIGIN, caches.SITE, _PEPPER, UtcMs(NOW.clock.lo_ms))
        bare = BareCommits(Path(name) / "bare.db")
        samples, baseline = _deltas(writer, path, bare.commit)
        bare.close()
        writer.close()
    detail = {
        "cached": caches.HUNDRED_THOUSANDS.records,
        "delta": spread(samples),
        "link": "left out: a call in memory",
    }
    value = percentile(samples, 0.99) / 1000
    named = "one bare SQLite FULL commit of the same 100 records, median"
    return Row("delta_100_ms", value, "ms", named, median(baseline) / 1000, "ms", 50, detail=detail)


def _deltas(writer: AuthorityWriter, path: Path, bare: Callable[[Sequence[bytes]], int]) -> tuple[list[int], list[int]]:
    hq = _Hq(writer.trusted().frontier)
    downlink = Downlink(hq, writer, PinnedKeys(_AUTHORITY.verifier(), _MIRROR.cosigner()))
    state = Place.over(path, range(1)).state
    samples, baseline = [], []
    for turn in range(_DELTAS):
        operations = [caches.operation(200_000 + turn * _DELTA + number) for number in range(_DELTA)]
        hq.say(operations)
        baseline.append(bare(operations))
        began = monotonic_us()
        applied = downlink.poll(NOW.clock.lo_ms + 3_600_000)
        assert isinstance(applied, Applied)
        state = step(state, _read(path, applied), NOW).state
        samples.append(monotonic_us() - began)
        if applied.permits[-1] not in state.permits:
            raise AssertionError("the delta's last permit is not live")
    return samples, baseline


def _read(path: Path, applied: Applied) -> AuthorityApplied:
    """As the daemon's side of the link does on every word of the sync child: a reader of its own, what was named."""
    reader = AuthorityReader(path)
    try:
        found = tuple(each for each in map(reader.permit, applied.permits) if each is not None)
        fresh_ms = reader.fresh_at_ms()
        freezes, releases = reader.freezes(), reader.releases()
        return AuthorityApplied(applied.size, applied.root.hex(), fresh_ms, found, freezes, releases, False)
    finally:
        reader.close()
