"""The single questions that an evidence pack is asked. Each answers in words, or raises FormatError naming the part.

No check trusts another to have run: each parses what it needs from the members. None uses a network or a clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from typing import Any

from sync.formats import canonical, checkpoint, note, tlog_policy, tuf_root
from sync.formats.errors import FormatError
from sync.formats.merkle import leaf_hash, verify_inclusion
from sync.formats.pack import (
    APPLIED_KIND,
    AUTHORITY_HEAD,
    CHAIN,
    CLOSING_KIND,
    MANIFEST,
    POLICY,
    ROOTS,
    Story,
    blob_references,
    chain_list,
    indexed,
    manifest_of,
    place_of,
    read_story,
)
from sync.formats.pack_archive import STRUCTURE, Member, check_structure
from sync.formats.pack_heads import (
    cosigned_s,
    cosigners,
    journal_head,
    member_of,
    open_head,
    policy_of,
    proofs_in,
    text_of,
)

_NAMED_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """A check that did not fail, in words. `warning`: true as far as it goes, but the reader must know."""

    en: str
    zh: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Bracket:
    """Between which instants (UTC ms) an entry was written; None where nothing in the pack bounds it."""

    index: int
    not_before_ms: int | None
    not_after_ms: int | None


def signers(members: Mapping[str, bytes], pinned: Sequence[note.VerifierKey] | None) -> Answer:
    """Whether the keys that the pack is judged by are the verifier's own.

    The journal's key and every cosigner must be pinned; the authority log's key too, or a pinned cosigner vouches
    for its head: a mirror cosigns only logs whose key it knows, and of those only HQ's own is the authority's. It
    cosigns every gateway's log as well, in which that gateway may write what it likes.
    """
    if pinned is None:
        return Answer("signers NOT pinned: keys are the pack's own", "签名者未固定：密钥来自证据包自身", warning=True)
    policy = policy_of(members)
    head = journal_head(members, policy)[0]
    missing = [item.key.name for item in policy.witnesses if item.key not in pinned]
    missing += [head.origin] if policy.log_key(head.origin) not in pinned else []
    if missing:
        raise FormatError(f"not among the pinned keys: {', '.join(missing)}", POLICY)
    authority_note = text_of(members, AUTHORITY_HEAD)
    authority = open_head(authority_note, policy, AUTHORITY_HEAD)
    if policy.log_key(authority.origin) in pinned:
        return Answer("signers pinned: logs and cosigners", "签名者已固定：日志与副署者")
    vouched = [key.name for key in pinned if cosigned_s(authority_note, key) is not None]
    if not vouched:
        raise FormatError(f"not among the pinned keys: {authority.origin}", POLICY)
    if not any(authority.origin.startswith(f"{_hq_of(name)}/hq/authority/") for name in vouched):
        raise FormatError(f"{authority.origin} is not the authority log of {vouched[0]}", AUTHORITY_HEAD)
    return Answer(
        f"signers pinned; the authority log by the cosignature of {vouched[0]}",
        f"签名者已固定；授权日志由 {vouched[0]} 副署担保",
    )


def _hq_of(cosigner: str) -> str:
    """The organisation that a cosigner named `<organisation>/hq/<role>` belongs to."""
    return cosigner.rpartition("/hq/")[0]


def archive(data: bytes, parts: Sequence[Member]) -> Answer:
    """Whether the archive is, byte for byte, what its members make."""
    check_structure(data, parts)
    places = [place_of(member.name) for member in parts]
    for before, after in pairwise(places):
        if before > after:
            raise FormatError(f"{after[2]} is not in its place", STRUCTURE)
    return Answer(f"archive structure as written, {len(parts)} members", f"归档结构完整，共 {len(parts)} 个成员")


def contents(parts: Sequence[Member], members: Mapping[str, bytes]) -> Answer:
    """Whether each member is the one that the manifest, which is recomputed whole, describes."""
    damaged = [member.name for member in parts if member.damaged]
    if damaged:
        raise FormatError("bytes damaged (CRC-32)", _some(damaged))
    stated = _rows(canonical.decode(member_of(members, MANIFEST), bytes_max=len(members[MANIFEST])))
    missing = [name for name in stated if name not in members]
    if missing:
        raise FormatError("missing, though manifest.json describes it", _some(missing))
    for name, data in members.items():
        if name != MANIFEST and stated.get(name) != (sha256(data).hexdigest(), len(data)):
            raise FormatError("not as manifest.json describes it", name)
    if manifest_of(members) != members[MANIFEST]:
        raise FormatError("does not describe this pack", MANIFEST)
    return Answer("every member as the manifest describes it", "各成员与清单一致")


def root(members: Mapping[str, bytes]) -> Answer:
    """Whether the TUF roots hang together and name the keys that the policy uses for HQ."""
    policy = policy_of(members)
    try:
        newest = tuf_root.verify_chain(tuf_root.parse_chain(member_of(members, ROOTS)))
    except FormatError as error:
        raise error.within(ROOTS) from None
    authority = policy.log_key(open_head(text_of(members, AUTHORITY_HEAD), policy, AUTHORITY_HEAD).origin)
    if authority is None or authority.public not in newest.role_keys("targets"):
        raise FormatError("its targets role does not hold the authority log's key", ROOTS)
    for witness in policy.witnesses:
        if witness.key.public not in newest.role_keys("timestamp", "snapshot"):
            raise FormatError(f"its timestamp role does not hold the key of {witness.key.name}", ROOTS)
    return Answer(
        f"HQ's root, version {newest.version}, names the authority and cosigner keys",
        f"总部根密钥第 {newest.version} 版指明授权与副署密钥",
    )


def signatures(members: Mapping[str, bytes]) -> Answer:
    """Whether both logs signed their heads, and every proof carries the one head of its log."""
    policy = policy_of(members)
    journal = journal_head(members, policy)[0]
    authority = open_head(text_of(members, AUTHORITY_HEAD), policy, AUTHORITY_HEAD)
    for name, proof in proofs_in(members, "authority"):
        if proof.note != text_of(members, AUTHORITY_HEAD):
            raise FormatError("carries another head than authority/checkpoint", name)
    return Answer(
        f"log heads signed: {journal.origin} at {journal.size}, {authority.origin} at {authority.size}",
        f"日志头签名有效：{journal.origin} 共 {journal.size} 条，{authority.origin} 共 {authority.size} 条",
    )


def inclusion(members: Mapping[str, bytes]) -> Answer:
    """Whether every entry stands in the log at its index."""
    head, head_note = journal_head(members, policy_of(members))
    if head.origin != read_story(members).origin:
        raise FormatError(f"the proofs are of the log {head.origin}, the entries of another", "proofs")
    count = _check_inclusion(members, ("entries", "proofs"), head, head_note)
    return Answer(f"{count} of {count} entries are in the log", f"{count} 条记录全部在日志中")


def authority(members: Mapping[str, bytes]) -> Answer:
    """Whether every authority record stands in HQ's log; a gateway record must name the journal's key."""
    policy = policy_of(members)
    head = open_head(text_of(members, AUTHORITY_HEAD), policy, AUTHORITY_HEAD)
    journal = read_story(members).origin
    if head.origin == journal:
        raise FormatError("is the journal's head, not the authority log's", AUTHORITY_HEAD)
    count = _check_inclusion(members, ("authority", "authority"), head, text_of(members, AUTHORITY_HEAD))
    if not count:
        return Answer("no authority records in the pack", "证据包不含授权记录", warning=True)
    for index, data in indexed(members, "authority", ".json").items():
        record = _record(data, f"authority/{index}.json")
        if record.get("origin") == journal and record.get("vkey") != str(policy.log_key(journal)):
            raise FormatError("HQ names another key for the journal", f"authority/{index}.json")
    return Answer(f"{count} authority records are in HQ's log", f"{count} 条授权记录在总部日志中")


def chain(members: Mapping[str, bytes]) -> Answer:
    """Whether the permit's story has no gap from its first entry to entry n."""
    story = read_story(members)
    if chain_list(story, members) != member_of(members, CHAIN):
        raise FormatError("not the chain of these entries", CHAIN)
    count = len(story.leaves)
    return Answer(f"chain of {story.permit} complete to {count}", f"作业票 {story.permit} 记录链完整至第 {count} 条")


def closure(members: Mapping[str, bytes]) -> Answer:
    """Whether the permit was closed: only then is entry n known to be the last."""
    story = read_story(members)
    kinds = [leaf.get("typ") for leaf in story.leaves.values()]
    count = len(kinds)
    if CLOSING_KIND in kinds[:-1]:
        index = list(story.leaves)[kinds.index(CLOSING_KIND) + 1]
        raise FormatError("written after the permit was closed", f"entries/{index}.json")
    if kinds[-1] == CLOSING_KIND:
        return Answer(f"permit closed at {count}", f"作业票已于第 {count} 条关闭")
    return Answer("permit open: newer entries may exist", "作业票未关闭：可能还有更新的记录", warning=True)


def blob(members: Mapping[str, bytes], digest: str, size: int | None) -> Answer:
    """Whether one file that the entries name is there, whole, or withheld."""
    data = members.get(f"blobs/{digest}")
    if data is None:
        return Answer(f"{digest[:16]}… withheld", f"{digest[:16]}… 未附", warning=True)
    if sha256(data).hexdigest() != digest or size not in (None, len(data)):
        raise FormatError("mismatch: not the file that the entries name", f"blobs/{digest}")
    return Answer(f"{digest[:16]}… present, {len(data)} bytes", f"{digest[:16]}… 已附，{len(data)} 字节")


def blobs(members: Mapping[str, bytes]) -> dict[str, int | None]:
    """Every blob named by an entry, with its size; FormatError for a file in the pack that none names."""
    named = blob_references(read_story(members))
    for name in members:
        if name.startswith("blobs/") and name.removeprefix("blobs/") not in named:
            raise FormatError("no entry names this file", name)
    return named


def time(members: Mapping[str, bytes]) -> Answer:
    """Whether every entry's bracket is possible, and how many clocks of the gateway lay outside it."""
    story = read_story(members)
    rows = brackets(members, story)
    for row in rows:
        if row.not_before_ms is not None and row.not_after_ms is not None and row.not_before_ms > row.not_after_ms:
            raise FormatError("its HQ mark is later than the cosignature over it", f"entries/{row.index}.json")
    outside = sum(_outside(story.leaves[row.index], row) for row in rows)
    unbounded = sum(row.not_before_ms is None or row.not_after_ms is None for row in rows)
    first, last = _instant(rows[0].not_before_ms), _instant(rows[-1].not_after_ms)
    return Answer(
        f"{len(rows)} entries between {first} and {last}; {unbounded} without one bound, "
        f"{outside} with the gateway's clock outside",
        f"{len(rows)} 条记录介于 {first} 与 {last}；{unbounded} 条缺一端界限，{outside} 条网关时钟在界限外",
        warning=bool(outside or unbounded),
    )


def brackets(members: Mapping[str, bytes], story: Story) -> tuple[Bracket, ...]:
    """For each entry of the permit: HQ's last freshness mark journalled before it, and HQ's cosignature over it.

    Cosignature timestamps are whole seconds, cut off: the upper bound is the end of that second.
    """
    policy = policy_of(members)
    head_note = journal_head(members, policy)[1]
    times_s = [time_s for _, time_s in cosigners(head_note, policy)]
    not_after_ms = min(times_s) * 1000 + 999 if times_s else None
    marks = {index: _mark(leaf) for index, leaf in story.others.items()}
    rows = []
    for index in story.leaves:
        earlier = [mark for place, mark in marks.items() if place < index and mark is not None]
        rows.append(Bracket(index, max(earlier, default=None), not_after_ms))
    return tuple(rows)


def quorum(members: Mapping[str, bytes]) -> Answer:
    """Whether enough of HQ's cosigners stand under both heads."""
    policy = policy_of(members)
    if policy.quorum == tlog_policy.QUORUM_NONE:
        raise FormatError("asks for no cosigner, allowed a quorum of at least one", POLICY)
    names: list[str] = []
    heads = (("proofs", journal_head(members, policy)[1]), (AUTHORITY_HEAD, text_of(members, AUTHORITY_HEAD)))
    for place, head_note in heads:
        try:
            names = [name for name, _ in cosigners(head_note, policy)]
        except FormatError as error:
            raise error.within(place) from None
        if not policy.quorum_met(names):
            raise FormatError(f"quorum {policy.quorum} not met by {', '.join(names) or 'no cosigner'}", place)
    return Answer(
        f"quorum {policy.quorum} met by {', '.join(names)}", f"法定副署 {policy.quorum} 已满足：{', '.join(names)}"
    )


def forks(members: Mapping[str, bytes]) -> Answer:
    """Whether the pack itself shows two histories. Other heads can only be compared with HQ's."""
    heads: dict[tuple[str, int], tuple[bytes, str]] = {}
    named = [*proofs_in(members, "proofs"), *proofs_in(members, "authority")]
    for name, proof in named:
        head = checkpoint.parse(note.split_note(proof.note)[0])
        known = heads.setdefault((head.origin, head.size), (head.root, name))
        if known[0] != head.root:
            raise FormatError(f"fork: another root than in {known[1]} at size {head.size}", name)
    return Answer("no fork known to this pack", "证据包内未见分叉")


def _check_inclusion(
    members: Mapping[str, bytes], folders: tuple[str, str], head: checkpoint.Checkpoint, head_note: str
) -> int:
    entries = indexed(members, folders[0], ".json")
    proofs = dict(proofs_in(members, folders[1]))
    named = {f"{folders[1]}/{index}.tlog-proof": index for index in entries}
    for name in sorted(named.keys() ^ proofs.keys()):
        raise FormatError("a proof without its entry, or missing", name)
    for name, index in named.items():
        proof = proofs[name]
        if proof.index != index or proof.extra is not None or proof.note != head_note:
            raise FormatError("for another index or head, or with extra data", name)
        try:
            verify_inclusion(leaf_hash(entries[index]), index, head.size, proof.hashes, head.root)
        except FormatError as error:
            raise error.within(f"{folders[0]}/{index}.json by {name}") from None
    return len(entries)


def _rows(manifest: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    rows = manifest.get("members")
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return {str(row.get("name")): (row.get("sha256"), row.get("size")) for row in found}


def _record(data: bytes, place: str) -> Mapping[str, Any]:
    try:
        record = canonical.decode(data).get("rec")
    except FormatError as error:
        raise error.within(place) from None
    return record if isinstance(record, dict) else {}


def _mark(leaf: Mapping[str, Any]) -> int | None:
    body = leaf.get("body") if leaf.get("typ") == APPLIED_KIND else None
    mark = body.get("fresh_ms") if isinstance(body, dict) else None
    return mark if type(mark) is int else None


def _outside(leaf: Mapping[str, Any], row: Bracket) -> bool:
    stamp = leaf.get("t")
    wall = stamp.get("w") if isinstance(stamp, dict) else None
    if type(wall) is not int:
        return False
    early = row.not_before_ms is not None and wall < row.not_before_ms
    return early or (row.not_after_ms is not None and wall > row.not_after_ms)


def _instant(time_ms: int | None) -> str:
    if time_ms is None:
        return "?"
    try:
        return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{time_ms} ms"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED_AT_ONCE} more" if len(names) > _NAMED_AT_ONCE else ""
    return ", ".join(names[:_NAMED_AT_ONCE]) + more
