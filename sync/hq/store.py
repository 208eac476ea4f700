"""What HQ needs of a database: transactions over logs, operations and enrolments. SQLite today."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from sync.formats.merkle import Frontier, NodeRow


class LogRole(Enum):
    """Who writes a log that HQ holds."""

    GATEWAY = "gateway"
    AUTHORITY = "authority"


@dataclass(frozen=True, slots=True)
class Log:
    """One log at HQ.

    ``held`` covers every entry that is durable here; ``size``, ``root`` and ``note`` are of the newest checkpoint
    that HQ cosigned (of the authority log: signed). ``frozen`` says why nothing more is believed of it.
    """

    origin: str
    role: LogRole
    vkey: str
    held: Frontier
    size: int
    root: bytes
    note: str | None
    frozen: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """HQ's current word on one id: the entry that holds it, and whether it is revoked.

    ``short_id`` is that of a permit which may still be worked, None of all else.
    """

    revision: int
    index: int | None
    revoked: bool
    short_id: int | None


@dataclass(frozen=True, slots=True)
class HeldFreeze:
    """A freeze of the authority log, and whether a release has named it."""

    freeze_id: str
    scope: str
    by: str
    why: str
    released: bool


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A one-time code: for which gateway, until when, and which key used it."""

    gateway: str
    origin: str
    expires_ms: int
    used_vkey: str | None


class HqTransaction(Protocol):
    """What can be read and written in one transaction; kept only if it ends without an error."""

    def log(self, origin: str) -> Log | None:
        """The log of that origin, or None."""
        ...

    def origin_of_digest(self, digest: str) -> str | None:
        """The origin whose SHA-256 is ``digest`` in hexadecimal, or None."""
        ...

    def gateway_logs(self) -> list[Log]:
        """Every gateway's log, by origin."""
        ...

    def add_log(self, origin: str, role: LogRole, vkey: str) -> None:
        """Begin an empty log."""
        ...

    def leaves(self, origin: str, start: int, limit: int) -> list[bytes]:
        """Up to ``limit`` entries from ``start`` on."""
        ...

    def node(self, origin: str, level: int, index: int) -> bytes:
        """Root hash of a full subtree. Raises FormatError for one that is not held."""
        ...

    def add_leaves(
        self, origin: str, start: int, leaves: Sequence[bytes], held: Frontier, nodes: Iterable[NodeRow]
    ) -> None:
        """Append entries with the nodes they completed."""
        ...

    def set_head(self, origin: str, size: int, root: bytes, note: str) -> None:
        """Move the cosigned (signed) checkpoint."""
        ...

    def freeze_log(self, origin: str, why: str) -> None:
        """Believe nothing more of a log."""
        ...

    def keep_evidence(self, origin: str, index: int, data: bytes, why: str) -> None:
        """Keep what contradicts a log; the same bytes at the same index are kept once, at most 1,000 a log."""
        ...

    def operation_index(self, leaf_hash: bytes) -> int | None:
        """Where an operation stands in the authority log, by its leaf hash."""
        ...

    def add_operation(self, leaf_hash: bytes, index: int) -> None:
        """Remember where an operation stands."""
        ...

    def record(self, kind: str, identity: str) -> Record | None:
        """The current record of an id."""
        ...

    def identities(self, kind: str, beginning: str) -> list[str]:
        """The ids of a kind that begin so and were ever put, revoked or not, in order."""
        ...

    def set_record(self, kind: str, identity: str, record: Record) -> None:
        """Replace the current record of an id."""
        ...

    def short_id_owner(self, short_id: int) -> str | None:
        """The permit that has this short id now."""
        ...

    def freezes(self) -> list[HeldFreeze]:
        """Every freeze, by id."""
        ...

    def has_freeze(self, freeze_id: str) -> bool:
        """Whether a freeze has this id, released or not."""
        ...

    def add_freeze(self, freeze: HeldFreeze) -> None:
        """Remember a freeze; a release that came first keeps it released."""
        ...

    def release(self, freeze_ids: Sequence[str]) -> None:
        """Remember that these freeze ids are released, known or not."""
        ...

    def enrolment(self, code_hash: bytes) -> Enrolment | None:
        """The one-time code with that hash."""
        ...

    def set_enrolment(self, code_hash: bytes, enrolment: Enrolment) -> None:
        """Add a code, or mark it as used."""
        ...

    def set_token(self, token_hash: bytes, origin: str) -> None:
        """Give a gateway its link token, in place of the one it had."""
        ...

    def token_owner(self, token_hash: bytes) -> str | None:
        """The origin that a link token belongs to."""
        ...


class HqStore(Protocol):
    """Opens transactions. A writing one is alone from its beginning and durable when it has ended."""

    def reading(self) -> AbstractContextManager[HqTransaction]:
        """A consistent view."""
        ...

    def writing(self) -> AbstractContextManager[HqTransaction]:
        """Alone; rolled back if its body raises."""
        ...
