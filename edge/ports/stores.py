"""What storage must offer: the journal, HQ's authority log as cached here, telemetry. One writer each, many readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from edge.core.entries import BlobReference, Entry
from edge.core.facts import Facts, TokenVerdict
from edge.core.holds import Freeze
from edge.core.messages import Noticed
from edge.core.readings import BlockRead
from edge.ports.errors import StoreError, UnusableError
from sync.formats.checkpoint import Checkpoint
from sync.formats.merkle import Frontier

READ_ROWS_MAX = 256
"""Most rows that one read transaction may take: a long reader keeps the owner from checkpointing its WAL."""


class DiskFullError(StoreError):
    """No room for the write; nothing of it was stored. Free space, then the same write succeeds."""


class NewerDatabaseError(UnusableError):
    """The file was written by a newer permitgate; this one would misread it. Install that version or a later one."""


class OwnedError(UnusableError):
    """Another process owns this file. Stop it, or ask it."""


class BehindSignedError(UnusableError):
    """The journal holds less than was once signed (J4): appending or signing now would rewrite a signed past."""


@dataclass(frozen=True, slots=True)
class BehindSigned:
    """The journal's size at start and the larger size that the checkpoint file shows as signed.

    ``signed_size`` None: that file is damaged or gone, so nobody here knows what was signed.
    """

    local_size: int
    signed_size: int | None


@dataclass(frozen=True, slots=True)
class SavedState:
    """The controller's durable state after all entries below ``next_entry``."""

    next_entry: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that HQ's mirror cosigned: it held all entries below ``size`` at ``at_s`` (POSIX seconds)."""

    size: int
    at_s: int
    note: str


@dataclass(frozen=True, slots=True)
class ChainLink:
    """The n-th entry of a permit (n from 1) and the permit hash after it."""

    n: int
    seq: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Trusted:
    """What the authority cache believes: the log's size, frontier and root, HQ's last freshness mark and head note.

    ``fresh_ms`` and ``head_note`` are None before the first head was applied.
    """

    size: int
    frontier: Frontier
    root: bytes
    fresh_ms: int | None
    head_note: str | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What one delta changed. ``permits`` are the ids of permits that it put or revoked."""

    size: int
    root: bytes
    fresh_ms: int
    permits: tuple[str, ...]
    freezes: tuple[Freeze, ...]
    releases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Issuer:
    """A key that may sign badges. ``key_id`` and ``public`` are bytes; ``not_after_ms`` is exclusive."""

    issuer: str
    key_id: bytes
    public: bytes
    not_before_ms: int
    not_after_ms: int
    site: str
    revoked: bool


@dataclass(frozen=True, slots=True)
class AuthorityRecord:
    """A record as HQ's log has it. ``index`` and ``revoked_index`` are the operations that said so, None: none did."""

    kind: str
    id: str
    revision: int | None
    record: Mapping[str, Any] | None
    index: int | None
    revoked_index: int | None


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """One device's raw readings as a file, which an entry names. Times are UTC ms, None: wall clock was unknown."""

    device: str
    first_ms: int | None
    last_ms: int | None
    count: int
    blob: BlobReference


class GapWhy(Enum):
    """Why readings are not there. Codes are stable: they stand in entries of the journal."""

    QUEUE_FULL = "queue_full"
    REFUSED = "refused"
    RESTART = "restart"
    NOT_POLLED = "not_polled"


@dataclass(frozen=True, slots=True)
class Lost:
    """Blocks of one device that were read and could not be stored; CLOCK_BOOTTIME ms of the first and the last."""

    device: str
    first_ms: int
    last_ms: int
    count: int
    why: GapWhy


@dataclass(frozen=True, slots=True)
class News:
    """What the journal must be told of the readings. Numbers grow and none is used twice; ``notice.cause`` names it."""

    number: int
    notice: Noticed


class JournalStore(Protocol):
    """The journal's one writer, used by one thread at a time."""

    def append(self, entries: Sequence[Entry], saved_state: bytes | None) -> int:
        """Make the entries durable in one transaction; returns the durable size (the next index).

        ``saved_state`` is the controller's state after the last of them. Entries must continue the log without gap.
        Raises StoreError (nothing was stored, the same call may succeed later) or BehindSignedError.
        """
        ...

    def sign_checkpoint(self) -> str:
        """The signed note over all durable entries; size and root are safe in a second file before it returns."""
        ...

    def accept_cosignature(self, cosigned: str) -> int:
        """Verify HQ's cosignature against our own root at its size; returns the acknowledged size, which never falls.

        ``cosigned`` is the cosigned note, or signature lines for the last signed checkpoint. Raises RefusedError.
        """
        ...


class WalOwner(Protocol):
    """The connection that alone checkpoints its write-ahead log."""

    def wal_bytes(self) -> int:
        """About how much was written since the last complete checkpoint."""
        ...

    def checkpoint_wal(self) -> bool:
        """Copy what can be copied without waiting (PASSIVE); False if a reader kept something back."""
        ...


class JournalOwner(JournalStore, WalOwner, Protocol):
    """All that the journal thread needs."""


class LogSource(Protocol):
    """Reads a log's leaves and nodes; each call is one short read transaction."""

    def size(self) -> int:
        """Number of durable entries."""
        ...

    def leaves(self, start: int, limit: int) -> tuple[bytes, ...]:
        """Raw entries from ``start``, at most READ_ROWS_MAX."""
        ...

    def node(self, level: int, index: int) -> bytes:
        """Hash of a full subtree. Raises RefusedError for one that is not complete."""
        ...


class AuthorityStore(Protocol):
    """The authority cache's one writer."""

    def trusted(self) -> Trusted:
        """What is believed now."""
        ...

    def apply(self, head_note: str, checkpoint: Checkpoint, fresh_ms: int, operations: Sequence[bytes]) -> Applied:
        """Believe a verified head and the entries up to it, all or nothing. The caller verified its signatures.

        Raises RefusedError, before anything is written, for another origin, a smaller size, or another root.
        """
        ...


class FactSource(Protocol):
    """Gathers what a tap's decision needs."""

    def gather(self, verdict: TokenVerdict, door_area: str) -> Facts:
        """The facts about one tap, in one read transaction. A token whose issuer key has ended since is believed no
        more."""
        ...


class TelemetryStore(Protocol):
    """Raw readings, batched; may lose the last batch at a power cut, never more.

    Whatever it does that the journal must name becomes news in the same transaction, and stays so until ``told``.
    """

    def append(self, blocks: Sequence[BlockRead], wall_offset_ms: int | None, lost: Sequence[Lost] = ()) -> None:
        """Store blocks; UTC of a block is its ``taken_at`` plus the offset. Raises StoreError.

        ``lost`` were to be stored before these and never will be.
        """
        ...

    def seal(self, due_before_ms: int) -> tuple[SealedBatch, ...]:
        """Seal devices with enough samples, or whose oldest unsealed one was taken before then."""
        ...

    def thin(self, before_ms: int) -> int:
        """Delete sealed readings taken before that UTC time, at most 256; returns how many. Raises StoreError."""
        ...

    def bundle(self, before_ms: int) -> int:
        """Put the sealed files of one device and hour that ended before that UTC time into one file; returns how many.

        Each call takes another; 0: there is none left. Raises StoreError; DamagedError if that hour's file is damaged:
        its readings then stay in files of their own.
        """
        ...

    def expire(self, before_ms: int, acked: int) -> int:
        """Give up at most 100 files that end before that UTC time and whose entry is below ``acked``; returns how many.

        HQ holds every entry below ``acked``. Files are deleted when the entry that lists them is durable.
        """
        ...

    def news(self, after: int, limit: int) -> tuple[News, ...]:
        """What is not told yet, with a number above ``after``, in order. Raises StoreError."""
        ...

    def told(self, entries: Sequence[tuple[int, str]]) -> None:
        """(number, cause) of entries that are durable now. May be called twice with the same. Raises StoreError."""
        ...
