"""Re-hashing a whole journal: what was altered is named by its entry.

Never runs in the daemon: in a child, or for ``permitgate journal verify`` on the file or a copy of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from edge.ports.errors import DamagedError, RefusedError, UnusableError
from edge.ports.stores import READ_ROWS_MAX, Cosigned
from edge.storage.checkpoint_file import CheckpointDamagedError, open_note_file
from edge.storage.journal_reader import EntryRow, JournalReader
from edge.storage.leaves import read_leaf
from sync.formats.checkpoint import Checkpoint, open_checkpoint, parse
from sync.formats.cosignature import verify_cosignature
from sync.formats.errors import FormatError
from sync.formats.merkle import EMPTY, EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hash
from sync.formats.note import VerifierKey, split_note
from sync.formats.permit_chain import chain_link, chain_start


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing that is not as it was written. ``seq`` is the entry, None: no single entry can be named."""

    seq: int | None
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """``size`` entries were found good, those below ``pruned_to`` by their hashes only; ``root`` is theirs.

    ``finding`` is what stopped the walk, None: all is as written. ``signed_size`` and ``acked`` are the largest sizes
    whose checkpoint and cosignature agree with the entries, 0: none.
    """

    origin: str
    size: int
    pruned_to: int
    root: bytes
    signed_size: int
    acked: int
    finding: Finding | None

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return self.finding is None


class _FoundError(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.en)
        self.finding = finding


@dataclass(slots=True)
class _Walk:
    """How far the re-hash has come; ``chains`` holds (n, head, seq) of each permit seen."""

    reader: JournalReader
    log_key: VerifierKey | None
    mirror: VerifierKey | None
    pruned_to: int = 0
    frontier: Frontier = EMPTY
    chains: dict[str, tuple[int, bytes, int]] = field(default_factory=dict)
    signed_size: int = 0
    acked: int = 0


class _Coming:
    """Cosigned checkpoints in order, the next one in view: there may be millions."""

    def __init__(self, cosigned: Iterator[Cosigned]) -> None:
        self._rest = cosigned
        self.first = next(cosigned, None)

    def take(self) -> None:
        self.first = next(self._rest, None)


def verify_journal(
    path: Path,
    *,
    checkpoint_path: Path | None = None,
    log_key: VerifierKey | None = None,
    mirror: VerifierKey | None = None,
) -> VerifyReport:
    """Re-hash the file and say what is first wrong with it. Without keys, roots are judged and signatures are not.

    ``checkpoint_path`` is the second file of J3. Whatever is wrong with the file is a finding, not an exception. Raises
    StoreError or NewerDatabaseError if it cannot be judged: who may not read it finds nothing wrong with it.
    """
    try:
        if not path.is_file():
            raise DamagedError(f"{path}: there is no such file")
        reader = JournalReader(path)
    except DamagedError as error:
        return VerifyReport("", 0, 0, EMPTY_ROOT, 0, 0, _unreadable(None, error))
    walk = _Walk(reader, log_key, mirror)
    finding = None
    try:
        _verify(walk, checkpoint_path)
    except _FoundError as found:
        finding = found.finding
    except (DamagedError, RefusedError) as error:
        finding = _unreadable(walk.frontier.size, error)
    finally:
        reader.close()
    frontier = walk.frontier
    return VerifyReport(
        reader.origin, frontier.size, walk.pruned_to, frontier.root(), walk.signed_size, walk.acked, finding
    )


def _unreadable(seq: int | None, error: UnusableError) -> Finding:
    return Finding(seq, f"not readable: {error}", f"无法读取：{error}")


def _found(seq: int | None, en: str, zh: str) -> NoReturn:
    raise _FoundError(Finding(seq, en, zh))


def _verify(walk: _Walk, checkpoint_path: Path | None) -> None:
    # The file of a gateway that runs grows meanwhile. What was signed is read first, so the entries held are no fewer.
    reader, signed = walk.reader, _signed(walk, checkpoint_path)
    walk.pruned_to, size = reader.pruned_to(), reader.size()
    cosigned = _Coming(_cosigned(reader))
    _check_sizes(walk, signed, cosigned)
    for row in _entries(walk, size):
        _take(walk, row)
        _check_sizes(walk, signed, cosigned)
    more_cosigned = cosigned.first is not None and cosigned.first.size > reader.size()
    if more_cosigned or (signed is not None and signed.size > size):
        _found(size, f"entries from {size} on are missing: more were signed", f"自第 {size} 条起缺失：已签名的更多")
    _check_heads(walk)
    _check_saved_state(reader)


def _check_saved_state(reader: JournalReader) -> None:
    try:
        reader.saved_state()
    except DamagedError as error:
        _found(None, str(error), "保存的状态与写入时不符")


def _check_sizes(walk: _Walk, signed: Checkpoint | None, cosigned: _Coming) -> None:
    """Judge what was signed and cosigned over the entries so far."""
    size = walk.frontier.size
    while cosigned.first is not None and cosigned.first.size <= size:
        _check_cosigned(walk, cosigned.first)
        cosigned.take()
    if signed is not None and signed.size == size:
        _check_root(walk, signed)
        walk.signed_size = size


def _signed(walk: _Walk, checkpoint_path: Path | None) -> Checkpoint | None:
    if checkpoint_path is None or walk.log_key is None:
        return None
    try:
        found = open_note_file(checkpoint_path, walk.log_key)
    except CheckpointDamagedError as error:
        _found(None, str(error), f"检查点文件损坏：{checkpoint_path}")
    if found is None and walk.reader.acked():
        _found(None, f"{checkpoint_path}: gone, though HQ has cosigned", f"检查点文件缺失：{checkpoint_path}")
    return None if found is None else found[0]


def _cosigned(reader: JournalReader) -> Iterator[Cosigned]:
    size = -1
    while page := reader.cosigned_after(size):
        yield from page
        size = page[-1].size


def _entries(walk: _Walk, size: int) -> Iterator[EntryRow | None]:
    """Every entry in order, None for a pruned one; a gap or an unreadable page is found at its entry."""
    for _ in range(walk.pruned_to):
        yield None
    while walk.frontier.size < size:
        start = walk.frontier.size
        page = _page(walk.reader, start)
        for seq, row in enumerate(page, start):
            if row.seq != seq:
                _found(seq, f"entry {seq} is missing", f"第 {seq} 条缺失")
            yield row
        if not page:
            _found(start, f"entry {start} is missing", f"第 {start} 条缺失")


def _page(reader: JournalReader, start: int) -> tuple[EntryRow, ...]:
    """A page, or one entry of a page that cannot be read, so that the damaged entry is the one named."""
    try:
        return reader.rows(start, READ_ROWS_MAX)
    except DamagedError:
        return reader.rows(start, 1)


def _take(walk: _Walk, row: EntryRow | None) -> None:
    """Judge the next entry and extend the tree by it."""
    seq = walk.frontier.size
    stored = walk.reader.completed(seq) if row is None else row.hashes
    hashed = (stored or b"")[:HASH_BYTES] if row is None else leaf_hash(row.leaf)
    if stored is None or stored[:HASH_BYTES] != hashed:
        _found(seq, f"entry {seq} is not what was written", f"第 {seq} 条与写入时不符")
    if row is not None:
        _check_leaf(walk, row, hashed)
    frontier, nodes = walk.frontier.append(hashed)
    if stored != b"".join(node for _, _, node in nodes):
        _found(seq, f"a node that entry {seq} completed was altered", f"第 {seq} 条的节点被改动")
    walk.frontier = frontier


def _check_leaf(walk: _Walk, row: EntryRow, hashed: bytes) -> None:
    seq = row.seq
    try:
        leaf = read_leaf(row.leaf)
    except FormatError as error:
        _found(seq, f"entry {seq} is not canonical: {error}", f"第 {seq} 条格式不规范")
    if leaf["seq"] != seq or leaf["org"] != walk.reader.origin:
        _found(seq, f"entry {seq} says it is {leaf['seq']} of {leaf['org']}", f"第 {seq} 条的序号或来源不符")
    if (row.kind, row.permit, row.wall_ms) != (leaf["typ"], leaf.get("pid"), leaf["t"].get("w")):
        _found(seq, f"entry {seq} is listed under another kind, permit or time", f"第 {seq} 条的索引与内容不符")
    if row.evidence is not None and sha256(row.evidence).hexdigest() not in leaf["body"].values():
        _found(seq, f"the evidence of entry {seq} was altered", f"第 {seq} 条的证据被改动")
    if row.permit is not None:
        _check_link(walk, seq, leaf, hashed)


def _check_link(walk: _Walk, seq: int, leaf: dict[str, Any], hashed: bytes) -> None:
    """J6: contiguous n, and the head before it as recomputed; what came before pruning is taken as the entry says."""
    permit = leaf["pid"]
    known = walk.chains.get(permit)
    if known is not None:
        n, head = known[:2]
    elif walk.pruned_to:
        n, head = leaf["pn"] - 1, bytes.fromhex(leaf["pp"])
    else:
        n, head = 0, chain_start(walk.reader.origin, permit)
    if leaf["pn"] != n + 1 or leaf["pp"] != head.hex():
        _found(seq, f"entry {seq} breaks the chain of permit {permit}", f"第 {seq} 条打断作业票 {permit} 的链")
    walk.chains[permit] = (n + 1, chain_link(head, hashed), seq)


def _check_heads(walk: _Walk) -> None:
    for permit, (n, head, seq) in walk.chains.items():
        stored = walk.reader.chain_head(permit)
        moved_on = stored is not None and stored[0] > n and walk.reader.size() > walk.frontier.size
        if stored != (n, head) and not moved_on:
            _found(seq, f"the stored chain head of permit {permit} was altered", f"作业票 {permit} 的链头被改动")


def _check_root(walk: _Walk, checkpoint: Checkpoint) -> None:
    if checkpoint.root != walk.frontier.root():
        size = checkpoint.size
        _found(size - 1, f"the first {size} entries are not those signed", f"前 {size} 条与已签名的不符")


def _check_cosigned(walk: _Walk, cosigned: Cosigned) -> None:
    try:
        text = split_note(cosigned.note)[0]
        checkpoint = parse(text)
        if walk.log_key is not None:
            open_checkpoint(cosigned.note, walk.log_key)
        at_s = cosigned.at_s if walk.mirror is None else verify_cosignature(text, cosigned.note, walk.mirror)
    except FormatError as error:
        size = cosigned.size
        _found(size - 1, f"HQ's cosignature over {size} entries is false: {error}", f"总部对前 {size} 条的会签不成立")
    if (checkpoint.size, checkpoint.origin, at_s) != (cosigned.size, walk.reader.origin, cosigned.at_s):
        _found(
            cosigned.size - 1,
            "a cosigned checkpoint is listed under another size or time",
            "会签检查点的大小或时间不符",
        )
    _check_root(walk, checkpoint)
    walk.acked = checkpoint.size
