"""What a way to HQ must offer: one to three calls each, so that another transport can take its place.

Every call ends within its own time-out. Raises LinkError when HQ cannot be reached or cannot answer now, RefusedError
when HQ, or a check of its answer, says no.
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """HQ's signature lines over the checkpoint; not verified yet."""

    lines: str


@dataclass(frozen=True, slots=True)
class SizeDiffers:
    """HQ last cosigned another size than the one that was named."""

    size: int


@dataclass(frozen=True, slots=True)
class EntriesWanted:
    """HQ lacks entries from ``next_index`` on."""

    next_index: int


CheckpointAnswer: TypeAlias = Acknowledged | SizeDiffers | EntriesWanted


class UplinkTransport(Protocol):
    """Carries the journal up."""

    def push_entries(self, package: bytes) -> int:
        """Hand over a package; gives the index that HQ wants next. May be called with the same package again."""
        ...

    def push_checkpoint(self, old_size: int, note: str) -> CheckpointAnswer:
        """Offer a signed checkpoint; ``old_size`` is the size that HQ is thought to have cosigned last."""
        ...


class DownlinkTransport(Protocol):
    """Fetches HQ's authority log."""

    def authority_head(self) -> str:
        """The head's note as HQ serves it; nothing of it is verified."""
        ...

    def authority_entries(self, start: int) -> bytes:
        """A package of entries from ``start`` on, or no bytes when there are none."""
        ...


class TimeTransport(Protocol):
    """Asks HQ what time it is."""

    def time(self, nonce: str) -> str:
        """The signed answer; not verified yet."""
        ...
