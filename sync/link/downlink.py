"""HQ's word on its way down: a head is believed only with both signatures, and only forwards.

The order of the checks is the order of the code. A refusal is named and changes nothing; the next good head is taken
as if the bad one had never come.

1. The note is one checkpoint of the pinned origin, signed by the pinned authority key.
2. The pinned mirror has cosigned it; the time of that is HQ's freshness mark.
3. The mark does not lie in the future of HQ's own time as last heard; before that was heard, of the machine's clock.
4. Its size is not below the believed size; at the same size the root is the same.
5. The entries up to its size extend the believed frontier to exactly its root.
"""

from dataclasses import dataclass
from typing import TypeAlias

from edge.ports.link import DownlinkTransport
from edge.ports.stores import Applied, AuthorityStore, Trusted
from sync.formats import checkpoint, cosignature, merkle, note, package
from sync.formats.errors import FormatError
from sync.link.refusals import LinkRefused

FUTURE_SLACK_MS = 60_000
"""How far HQ's two clocks (of its time answers and of its cosignatures) may be apart."""

FROM_FUTURE = "head_from_future"

MAX_DELTA_BYTES = 64 * 1024 * 1024
"""Most entries, in bytes, that one delta may hold in memory."""


@dataclass(frozen=True, slots=True)
class PinnedKeys:
    """Who speaks for HQ, from the trusted root. The authority's name is the pinned origin."""

    authority: note.VerifierKey
    mirror: note.VerifierKey


@dataclass(frozen=True, slots=True)
class Head:
    """A head whose two signatures were verified."""

    note: str
    checkpoint: checkpoint.Checkpoint
    fresh_ms: int


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Nothing new but a younger freshness mark."""

    fresh_ms: int


Polled: TypeAlias = Applied | Refreshed | None


def open_head(text: str, pinned: PinnedKeys) -> Head:
    """Rules 1 and 2. Raises LinkRefused."""
    try:
        body, _ = note.split_note(text)
        claimed = checkpoint.parse(body)
    except FormatError as error:
        raise LinkRefused("head_malformed", str(error)) from None
    if claimed.origin != pinned.authority.name:
        raise LinkRefused("head_wrong_origin", f"head of {claimed.origin}, pinned is {pinned.authority.name}")
    try:
        head = checkpoint.open_checkpoint(text, pinned.authority)
    except FormatError as error:
        raise LinkRefused("head_unsigned", str(error)) from None
    try:
        time_s = cosignature.find_cosignature(body, text, pinned.mirror)
    except FormatError as error:
        raise LinkRefused("head_cosignature_bad", str(error)) from None
    if time_s is None:
        raise LinkRefused("head_not_cosigned", f"no cosignature by {pinned.mirror.name}")
    return Head(text, head, time_s * 1000)


def judge(head: Head, trusted: Trusted, latest_ms: int) -> bool:
    """Rules 3 and 4: whether there are entries to fetch. ``latest_ms`` is the latest that it can be now.

    Raises LinkRefused.
    """
    if head.fresh_ms > latest_ms + FUTURE_SLACK_MS:
        ahead_s = (head.fresh_ms - latest_ms) // 1000
        raise LinkRefused(FROM_FUTURE, f"cosigned {ahead_s} s after the latest that it can be now")
    size, held = head.checkpoint.size, trusted.size
    if size < held:
        raise LinkRefused("head_rollback", f"head of {size} entries, {held} are believed already")
    if size == held and head.checkpoint.root != trusted.root:
        raise LinkRefused("head_fork", f"another root at {size} entries")
    return size > held


class Downlink:
    """Polls HQ and feeds the authority cache. Used by one thread, the cache's owner."""

    def __init__(self, transport: DownlinkTransport, store: AuthorityStore, pinned: PinnedKeys) -> None:
        self._transport = transport
        self._store = store
        self._pinned = pinned

    def poll(self, latest_ms: int) -> Polled:
        """One look at HQ's head. Raises LinkError, or LinkRefused after which all is as before."""
        head = open_head(self._transport.authority_head(), self._pinned)
        trusted = self._store.trusted()
        grows = judge(head, trusted, latest_ms)
        fresh_ms = max(head.fresh_ms, trusted.fresh_ms or 0)
        if not grows and trusted.fresh_ms is not None and fresh_ms <= trusted.fresh_ms:
            return None
        operations = self._fetch(trusted, head.checkpoint) if grows else []
        applied = self._store.apply(head.note, head.checkpoint, fresh_ms, operations)
        return applied if grows else Refreshed(applied.fresh_ms)

    def _fetch(self, trusted: Trusted, head: checkpoint.Checkpoint) -> list[bytes]:
        """Rule 5: the entries between, if they lead to the head's root."""
        entries: list[bytes] = []
        frontier = trusted.frontier
        total = 0
        while frontier.size < head.size:
            page = self._page(frontier.size)[: head.size - frontier.size]
            frontier, _ = frontier.extend(merkle.leaf_hash(entry) for entry in page)
            entries += page
            total += sum(map(len, page))
            if total > MAX_DELTA_BYTES:
                raise LinkRefused("delta_too_large", f"more than {MAX_DELTA_BYTES} bytes between two heads")
        if frontier.root() != head.root:
            raise LinkRefused("delta_wrong_root", f"the entries up to {head.size} lead to another root")
        return entries

    def _page(self, start: int) -> tuple[bytes, ...]:
        data = self._transport.authority_entries(start)
        if not data:
            raise LinkRefused("delta_short", f"HQ does not serve entry {start}, which its head covers")
        try:
            page = package.decode(data)
        except FormatError as error:
            raise LinkRefused("delta_malformed", str(error)) from None
        if page.origin != self._pinned.authority.name or page.start != start:
            raise LinkRefused("delta_misplaced", f"asked for entry {start}, got {page.start} of {page.origin}")
        return page.entries
