"""Entries: what the controller wants recorded, before the journal gives it its bytes.

The controller is the only author; ``seq`` is its number and the leaf index in the journal's Merkle log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Stamp:
    """When an entry was authored: order is ``seq``, this is time as an interval of doubt.

    ``wall_ms`` is None when no source of time was ever known; ``uncertainty_ms`` None means unbounded.
    ``quality`` is the rank of the source: ``hq``, ``ntp``, ``rtc``, ``est`` or ``none``.
    """

    wall_ms: int | None
    boottime_ms: int
    boot_id: str
    quality: str
    uncertainty_ms: int | None

    @property
    def lowest_ms(self) -> int:
        """The earliest that it can have been, 0 when nothing is known."""
        return 0 if self.wall_ms is None or self.uncertainty_ms is None else self.wall_ms - self.uncertainty_ms


@dataclass(frozen=True, slots=True)
class BlobReference:
    """A file that an entry rests on, by content."""

    sha256: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One record to append. ``evidence`` goes beside it into an erasable table; its SHA-256 is in ``body``."""

    seq: int
    kind: str
    body: Mapping[str, Json]
    stamp: Stamp
    permit: str | None = None
    cause: str | None = None
    actor: Mapping[str, Json] | None = None
    blobs: tuple[BlobReference, ...] = field(default=())
    evidence: bytes | None = None
