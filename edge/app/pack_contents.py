"""What goes into the evidence pack of a permit: its entries, what they rest on, and HQ's word on what they name.

Everything is read from this gateway's files, nothing is asked of HQ: a pack can be made while the link is cut.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from edge.app.authority_records import Named, records_about
from edge.app.log_keys import LogKeys, read_log_keys
from edge.app.replay import entries_of, read_entry
from edge.app.trust import TrustFiles
from edge.config_values import Config
from edge.ports.errors import DamagedError, RefusedError
from edge.storage import news
from edge.storage.authority_reader import AuthorityReader
from edge.storage.blobs import BlobStore
from edge.storage.hour_files import HourFiles
from edge.storage.journal_reader import JournalReader, Search
from sync.formats.checkpoint import parse
from sync.formats.merkle import inclusion_proof
from sync.formats.note import VerifierKey, split_note
from sync.formats.pack import PackContents, ProvenEntry
from sync.formats.tlog_policy import Log, Policy, Witness

BATCHES_MAX = 10_000
"""Most batches of raw readings in one pack; beyond it the later ones are left out, and that is said."""

BLOB_BYTES_MAX = 256 * 1024 * 1024
"""Most bytes of files in one pack; beyond it files are withheld, and the verdict says which."""

_SEALED_LATE_MS = 600_000
"""How long after its last reading a batch may be recorded: sealing takes a minute, a slow disk some more."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The contents, the cosigned size, entries of the permit ``beyond`` it, batches left out, whose keys they are."""

    contents: PackContents
    size: int
    beyond: tuple[int, ...]
    left_out: int
    keys: tuple[VerifierKey, ...]


@dataclass(frozen=True, slots=True)
class _Story:
    """The permit's own cosigned entries as (number, leaf), those beyond, and the size that HQ has cosigned."""

    own: tuple[tuple[int, Mapping[str, Any]], ...]
    beyond: tuple[int, ...]
    cosigned: int

    @property
    def first(self) -> int:
        return self.own[0][0]

    @property
    def last(self) -> int:
        return self.own[-1][0]


def gather(config: Config, permit_id: str) -> Gathered:
    """Everything for one permit. Raises RefusedError if nothing of it is cosigned yet, DamagedError, StoreError."""
    keys = read_log_keys(config)
    files = TrustFiles(config.gateway.data_dir)
    authority_key = files.read_enrolment().authority
    with (
        closing(JournalReader(config.gateway.data_dir / "journal.db")) as journal,
        closing(AuthorityReader(config.gateway.data_dir / "authority.db")) as authority,
    ):
        story = _story(journal, permit_id)
        try:
            grounds, left_out = _grounds(journal, authority, config, (permit_id, story))
        except (KeyError, TypeError) as error:
            raise DamagedError(f"the journal is damaged ({error!r}): run `permitgate journal verify`") from None
        wanted = sorted({*(seq for seq, _ in story.own), *grounds})
        head = journal.cosigned_after(wanted[-1], 1)[0]
        entries = tuple(_proven(journal, seq, head.size) for seq in wanted)
        head_note, records = _authority_part(authority, permit_id, story, keys)
    contents = PackContents(
        policy=Policy((Log(keys.log), Log(authority_key)), (Witness("mirror", keys.mirror),), (), "mirror"),
        roots=(files.root.read_bytes(),),
        checkpoint=head.note,
        entries=entries,
        authority_checkpoint=head_note,
        authority=records,
        blobs=_blobs(config, entries),
    )
    return Gathered(contents, head.size, story.beyond, left_out, (keys.log, keys.mirror, authority_key))


def _story(journal: JournalReader, permit_id: str) -> _Story:
    chain = journal.chain(permit_id)
    if not chain:
        raise RefusedError(f"permit {permit_id}: this gateway's journal has no entry of it")
    if chain[0].n != 1:
        raise RefusedError(
            f"permit {permit_id}: its first {chain[0].n - 1} entries were pruned; HQ's mirror holds them"
        )
    cosigned = journal.acked()
    own = tuple((link.seq, read_entry(link.seq, journal.leaf(link.seq))) for link in chain if link.seq < cosigned)
    if not own:
        raise RefusedError(f"permit {permit_id}: HQ has cosigned none of its entries yet; try again with a link to HQ")
    return _Story(own, tuple(link.seq for link in chain if link.seq >= cosigned), cosigned)


def _proven(journal: JournalReader, seq: int, size: int) -> ProvenEntry:
    return ProvenEntry(seq, journal.leaf(seq), inclusion_proof(seq, size, journal.node))


# ---- what the permit's entries rest on -----------------------------------------------------------------------------


def _grounds(
    journal: JournalReader, authority: AuthorityReader, config: Config, asked: tuple[str, _Story]
) -> tuple[set[int], int]:
    """Numbers of entries that the permit's own rest on, and how many batches of readings were left out."""
    permit_id, story = asked
    marks = [seq for seq, _ in entries_of(journal, Search(kind="authority.applied")) if seq < story.last]
    before = {marks[place - 1] for seq, _ in story.own if (place := bisect_left(marks, seq))}
    areas = _areas(authority, permit_id, story)
    batches, gaps = (_of_readings(journal, config, story, (kind, areas)) for kind in (news.SEALED, news.GAP))
    kept = [*batches[:BATCHES_MAX], *gaps[:BATCHES_MAX]]
    return {*before, *kept}, len(batches) + len(gaps) - len(kept)


def _areas(authority: AuthorityReader, permit_id: str, story: _Story) -> set[str]:
    permit = authority.permit(permit_id)
    named = {leaf["body"].get("area") for _, leaf in story.own}
    return {area for area in (*named, *(() if permit is None else permit.areas)) if isinstance(area, str)}


def _of_readings(journal: JournalReader, config: Config, story: _Story, asked: tuple[str, set[str]]) -> list[int]:
    """Entries of a kind about readings in the permit's areas that overlap the time of its work, oldest first.

    Readings that the first decision rested on are in: it looked back over the settling time and the stale limit. A gap
    is told when it is over, which may be long after.
    """
    kind, areas = asked
    began = [leaf["t"]["w"] for _, leaf in story.own if leaf["typ"] == "permit.begun" and leaf["t"]["w"] is not None]
    if not began:
        return []
    from_ms = began[0] - config.policy.settle_ms - config.policy.stale_ms
    last = story.own[-1][1]
    until_ms = last["t"]["w"] if last["typ"] == "permit.closed" else None
    devices = {device.id for device in config.devices if device.area in areas}
    late_ms = until_ms + _SEALED_LATE_MS if until_ms is not None and kind == news.SEALED else None
    found = []
    for seq, data in entries_of(journal, Search(kind=kind, from_ms=from_ms, to_ms=late_ms)):
        body = read_entry(seq, data)["body"]
        overlaps = body.get("last_ms", from_ms) >= from_ms
        overlaps = overlaps and (until_ms is None or body.get("first_ms", until_ms) <= until_ms)
        if seq < story.cosigned and overlaps and body.get("subject") in devices:
            found.append(seq)
    return found


def _blobs(config: Config, entries: Sequence[ProvenEntry]) -> dict[str, bytes]:
    """The files that the entries name, as far as they are held and fit; the rest counts as withheld."""
    store = HourFiles(BlobStore(config.gateway.data_dir / "blobs"))
    found: dict[str, bytes] = {}
    total = 0
    for entry in entries:
        leaf = read_entry(entry.index, entry.data)
        of_readings = (str(leaf["body"].get("subject")), leaf["body"].get("last_ms"))
        for blob in leaf.get("blob", ()):
            digest = str(blob["h"]).removeprefix("sha256:")
            if digest in found or total + blob["n"] > BLOB_BYTES_MAX:
                continue
            try:
                data = store.read(*of_readings, digest)
            except (RefusedError, DamagedError):
                continue
            found[digest] = data
            total += len(data)
    return found


# ---- HQ's word -----------------------------------------------------------------------------------------------------


def _authority_part(
    authority: AuthorityReader, permit_id: str, story: _Story, keys: LogKeys
) -> tuple[str, tuple[ProvenEntry, ...]]:
    """HQ's cosigned head, and every operation about what the entries name, proven under it."""
    note = authority.head_note()
    if note is None:
        raise RefusedError("nothing of HQ's authority log was received yet")
    size = parse(split_note(note)[0]).size
    bodies = [leaf["body"] for _, leaf in story.own]
    named = Named(
        permit=permit_id,
        origin=keys.log.name,
        workers=frozenset(_texts(bodies, "worker") | _texts(bodies, "by")),
        areas=frozenset(_texts(bodies, "area")),
        badges=frozenset(_texts(bodies, "badge")),
        freezes=frozenset(_texts(bodies, "freeze")),
    )
    indexes = records_about(authority, size, named)
    return note, tuple(
        ProvenEntry(index, authority.operation(index), inclusion_proof(index, size, authority.node))
        for index in indexes
    )


def _texts(bodies: Sequence[Mapping[str, Any]], name: str) -> set[str]:
    return {body[name] for body in bodies if isinstance(body.get(name), str)}
