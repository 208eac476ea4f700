"""Evidence packs (`.pgpack`): all that a stranger needs to check one permit's story, offline, in one file.

    manifest.json               permit, log, members with size and SHA-256, blobs withheld: all of it recomputable
    policy.txt                  C2SP tlog-policy: the logs' keys, HQ's cosigners, the quorum
    root.json                   TUF roots 1..k: who HQ's keys were
    entries/<idx>.json          leaf bytes of every entry of the permit, and of the entries that those rest on
    chain.json                  [[n, idx, hex h_n], ...]
    proofs/<idx>.tlog-proof     inclusion of each entry, all under one cosigned checkpoint
    blobs/<sha256>              files that entries name (or absent: "withheld")
    authority/checkpoint        cosigned head of HQ's authority log
    authority/<idx>.json, .tlog-proof   records that the decisions relied on, with their inclusion

`write_pack` is deterministic; `sync.formats.pack_verdict.verify_pack` reads.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sync.formats import canonical, tlog_policy, tlog_proof, tuf_root
from sync.formats.errors import FormatError
from sync.formats.merkle import leaf_hash
from sync.formats.pack_archive import STRUCTURE, write_archive
from sync.formats.permit_chain import chain_link, chain_start

VERSION = 1
"""Version of the pack format, in the manifest."""

MAX_LIST_BYTES = 8_388_608
"""Largest manifest or chain list."""

CLOSING_KIND = "permit.closed"
"""Kind of the entry after which a permit has no further one."""

APPLIED_KIND = "authority.applied"
"""Kind of the entry that records HQ's freshness mark: it gives the entries after it their "not before"."""

MANIFEST, POLICY, ROOTS, CHAIN = "manifest.json", "policy.txt", "root.json", "chain.json"
AUTHORITY_HEAD = "authority/checkpoint"

GROUND_KINDS = frozenset({APPLIED_KIND, "telemetry.sealed", "telemetry.gap"})
"""Kinds of entries of no permit that a story rests on: HQ's marks, raw readings as files, and where there are none."""

_PLACES = (
    (re.compile(r"manifest\.json"), 0),
    (re.compile(r"policy\.txt"), 1),
    (re.compile(r"root\.json"), 2),
    (re.compile(r"entries/(0|[1-9][0-9]{0,15})\.json"), 3),
    (re.compile(r"chain\.json"), 4),
    (re.compile(r"proofs/(0|[1-9][0-9]{0,15})\.tlog-proof"), 5),
    (re.compile(r"blobs/[0-9a-f]{64}"), 6),
    (re.compile(r"authority/checkpoint"), 7),
    (re.compile(r"authority/(0|[1-9][0-9]{0,15})\.(?:json|tlog-proof)"), 8),
)


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """A log entry with its inclusion hashes under the log's checkpoint of the pack."""

    index: int
    data: bytes
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PackContents:
    """What goes into a pack. Checkpoints are whole signed notes with their cosignatures.

    `entries` are those of one permit, in order, and entries of `GROUND_KINDS` that they rest on.
    `roots` are TUF root documents 1..k as bytes; `blobs` are by lower-case hexadecimal SHA-256.
    """

    policy: tlog_policy.Policy
    roots: tuple[bytes, ...]
    checkpoint: str
    entries: tuple[ProvenEntry, ...]
    authority_checkpoint: str
    authority: tuple[ProvenEntry, ...]
    blobs: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Story:
    """What the entries of a pack say of themselves: log, permit, leaves by index (the permit's and the others)."""

    origin: str
    permit: str
    leaves: Mapping[int, Mapping[str, Any]]
    others: Mapping[int, Mapping[str, Any]]


def write_pack(contents: PackContents) -> bytes:
    """The pack as bytes, the same for the same contents; FormatError if they cannot be one permit's story.

    Nothing is verified: whoever hands a pack out runs `verify_pack` on it.
    """
    members: dict[str, bytes] = {
        POLICY: tlog_policy.encode(contents.policy),
        ROOTS: tuf_root.encode_chain(contents.roots),
        AUTHORITY_HEAD: contents.authority_checkpoint.encode(),
    }
    for entry in contents.entries:
        members[f"entries/{entry.index}.json"] = entry.data
        members[f"proofs/{entry.index}.tlog-proof"] = _proof(entry, contents.checkpoint)
    for entry in contents.authority:
        members[f"authority/{entry.index}.json"] = entry.data
        members[f"authority/{entry.index}.tlog-proof"] = _proof(entry, contents.authority_checkpoint)
    for digest, data in contents.blobs.items():
        members[f"blobs/{digest}"] = data
    members[CHAIN] = chain_list(read_story(members), members)
    members[MANIFEST] = manifest_of(members)
    return write_archive([(name, members[name]) for name in sorted(members, key=place_of)])


def place_of(name: str) -> tuple[int, int, str]:
    """Where a member stands in the archive; FormatError for a name that no pack has."""
    for pattern, place in _PLACES:
        match = pattern.fullmatch(name)
        if match is not None:
            return place, int(match[1]) if match.lastindex else 0, name
    raise FormatError(f"no member of a pack is named {name[:80]!a}", STRUCTURE)


def indexed(members: Mapping[str, bytes], folder: str, ending: str) -> dict[int, bytes]:
    """The members `<folder>/<index><ending>`, by index, in order."""
    pattern = re.compile(re.escape(folder) + r"/([0-9]+)" + re.escape(ending))
    found = {int(match[1]): data for name, data in members.items() if (match := pattern.fullmatch(name))}
    return dict(sorted(found.items()))


def read_story(members: Mapping[str, bytes]) -> Story:
    """Log, permit and leaves as the entries state them; FormatError, naming the entry, if they are not of one story."""
    leaves: dict[int, Mapping[str, Any]] = {}
    others: dict[int, Mapping[str, Any]] = {}
    for index, data in indexed(members, "entries", ".json").items():
        leaf: Mapping[str, Any] = _leaf(index, data)
        if leaf.get("pid") is not None:
            leaves[index] = leaf
        elif leaf.get("typ") in GROUND_KINDS:
            others[index] = leaf
        else:
            raise FormatError(f"neither of a permit nor {', '.join(sorted(GROUND_KINDS))}", f"entries/{index}.json")
    if not leaves:
        raise FormatError("no entry of a permit", "entries")
    first = next(iter(leaves.values()))
    origin, permit = first.get("org"), first.get("pid")
    for index, leaf in (leaves | others).items():
        if leaf.get("org") != origin or leaf.get("pid") not in (None, permit):
            raise FormatError("of another log or permit than the first entry", f"entries/{index}.json")
    if not isinstance(origin, str) or not isinstance(permit, str):
        raise FormatError("log or permit is not text", f"entries/{next(iter(leaves))}.json")
    if not (origin + permit).isprintable():
        raise FormatError("log or permit holds characters that cannot be shown", f"entries/{next(iter(leaves))}.json")
    return Story(origin, permit, leaves, others)


def chain_list(story: Story, members: Mapping[str, bytes]) -> bytes:
    """`chain.json` as the entries have it; FormatError, naming the entry, where the chain does not hold (J6)."""
    head = chain_start(story.origin, story.permit)
    rows: list[tuple[int, int, str]] = []
    for number, (index, leaf) in enumerate(story.leaves.items(), start=1):
        place = f"entries/{index}.json"
        if leaf.get("pn") != number or leaf.get("pp") != head.hex():
            raise FormatError(
                f"not number {number} of the permit's chain: one is missing, or another was changed", place
            )
        head = chain_link(head, leaf_hash(members[place]))
        rows.append((number, index, head.hex()))
    return canonical.encode_value(rows, bytes_max=MAX_LIST_BYTES)


def blob_references(story: Story) -> dict[str, int | None]:
    """Every blob that the entries name: lower-case hexadecimal SHA-256 → size in bytes; FormatError for a bad one."""
    found: dict[str, int | None] = {}
    for index, leaf in (dict(story.leaves) | dict(story.others)).items():
        references = leaf.get("blob") or []
        if not isinstance(references, list):
            raise FormatError("`blob` is not a list", f"entries/{index}.json")
        for reference in references:
            text = reference.get("h") if isinstance(reference, dict) else None
            if not isinstance(text, str) or re.fullmatch(r"sha256:[0-9a-f]{64}", text) is None:
                raise FormatError("a blob that is not sha256:<64 hex digits>", f"entries/{index}.json")
            size = reference.get("n")
            found[text.removeprefix("sha256:")] = size if type(size) is int else None
    return found


def manifest_of(members: Mapping[str, bytes]) -> bytes:
    """The one manifest that belongs to the other members; FormatError if they are not a pack."""
    story = read_story(members)
    rows: list[canonical.Json] = [
        {"name": name, "sha256": sha256(members[name]).hexdigest(), "size": len(members[name])}
        for name in sorted(members, key=place_of)
        if name != MANIFEST
    ]
    manifest: dict[str, canonical.Json] = {
        "members": rows,
        "org": story.origin,
        "pid": story.permit,
        "v": VERSION,
        "withheld": [name for name in sorted(blob_references(story)) if f"blobs/{name}" not in members],
    }
    return canonical.encode(manifest, bytes_max=MAX_LIST_BYTES)


def _leaf(index: int, data: bytes) -> dict[str, Any]:
    place = f"entries/{index}.json"
    try:
        leaf = canonical.decode(data)
    except FormatError as error:
        raise error.within(place) from None
    if leaf.get("seq") != index:
        raise FormatError("its `seq` is not its index", place)
    return leaf


def _proof(entry: ProvenEntry, note: str) -> bytes:
    return tlog_proof.encode(tlog_proof.TlogProof(entry.index, entry.hashes, note)).encode()
