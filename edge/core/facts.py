"""Facts: what was known about a tap when its badge was read, gathered in one read transaction with the tap.

Times of windows are UTC milliseconds; ``not_after_ms`` is exclusive: a permit whose last valid second is 16:00:00 has
``not_after_ms`` of 16:00:01.
"""

from dataclasses import dataclass, field
from enum import Enum

from edge.core.codec import LATER
from edge.core.readings import MonotonicMs
from edge.core.said import NOTHING_SAID, Said


class Side(Enum):
    """Which side of its door a reader is on. A tap on the exit side is recorded and never refused."""

    ENTRY = "entry"
    EXIT = "exit"


class TokenRefusal(Enum):
    """Why a badge's token is not believed. The values are reason codes."""

    ABSENT = "token_absent"
    UNREADABLE = "badge_unreadable"
    MALFORMED = "token_malformed"
    ISSUER_UNKNOWN = "issuer_unknown"
    ISSUER_EXPIRED = "issuer_expired"
    SIGNATURE_BAD = "signature_bad"
    UID_MISMATCH = "uid_mismatch"
    WRONG_SITE = "wrong_site"


@dataclass(frozen=True, slots=True)
class Tap:
    """One badge held to one reader. ``tap_id`` is unique per boot; ``taken_at_ms`` is when the badge was seen."""

    tap_id: str
    reader: str
    door: str
    side: Side
    uid: str
    taken_at_ms: MonotonicMs


@dataclass(frozen=True, slots=True)
class Token:
    """A verified token: who it was issued to and the most that it can allow. The gateway can only subtract from it.

    ``worker_tag`` is the first 16 bytes, in hex, of HMAC-SHA256(site pepper, worker id).
    """

    token_id: str
    key_id: str
    worker_tag: str
    site: str
    areas: tuple[str, ...]
    permit_short_ids: tuple[int, ...]
    permit_version: int
    not_before_ms: int
    not_after_ms: int


@dataclass(frozen=True, slots=True)
class TokenVerdict:
    """Exactly one of ``token`` and ``refusal`` is set."""

    token: Token | None
    refusal: TokenRefusal | None


@dataclass(frozen=True, slots=True)
class Worker:
    """A person on the roster, by HQ's id. No name leaves the authority cache with it."""

    worker: str
    revoked: bool


@dataclass(frozen=True, slots=True)
class Certificate:
    """A trade certificate. ``review_due_ms`` and ``ends_ms`` are exclusive instants; the earlier of the two counts."""

    certificate: str
    worker: str
    trade: str
    status: str
    review_due_ms: int | None
    ends_ms: int
    revoked: bool


@dataclass(frozen=True, slots=True)
class Permit:
    """A permit as HQ last said it. ``status`` is the AQ 3064.2-2025 A.1 TICKET_STATUS figure, 0 to 6.

    ``version`` counts changes of content; a badge issued for an older version opens nothing. ``links`` are the permits
    of the other special work of the same job. ``grade`` is the permit type that the work would have by itself where it
    is managed one grade up, None: HQ does not say. ``approver`` is who approved it, and ``approved_in`` the area where
    HQ was shown that they were. ``said`` is what it says of the work itself. ``points`` are where gas is sampled before
    work begins, none: the live reading is the analysis.
    """

    permit: str
    version: int
    short_id: int
    permit_type: str
    areas: tuple[str, ...]
    workers: tuple[str, ...]
    guardians: tuple[str, ...]
    not_before_ms: int
    not_after_ms: int
    status: int
    gas: str | None
    revoked: bool
    links: tuple[str, ...] = field(default=(), metadata=LATER)
    grade: str | None = field(default=None, metadata=LATER)
    approver: str | None = field(default=None, metadata=LATER)
    approved_in: str | None = field(default=None, metadata=LATER)
    said: Said = field(default=NOTHING_SAID, metadata=LATER)
    points: tuple[str, ...] = field(default=(), metadata=LATER)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the authority cache said about one tap, in one read transaction at ``authority_size``.

    ``fresh_at_ms`` is the UTC time of HQ's last verified freshness mark (None: never). ``permits`` are those whose
    ``short_id`` the token names; a short id that names none is missing from it. ``freezes`` are the scopes
    (``"permit:ID"``, ``"worker:ID"``, ``"area:ID"``, ``"site:ID"``) that HQ has frozen and not released and that
    touch this worker, these permits, those that they are linked to, or this door's area. ``linked`` are the permits
    that these are linked to, without their people, as far as they are known.
    """

    authority_size: int
    fresh_at_ms: int | None
    token: TokenVerdict
    token_revoked: bool
    worker: Worker | None
    certificates: tuple[Certificate, ...]
    permits: tuple[Permit, ...]
    freezes: tuple[str, ...]
    linked: tuple[Permit, ...] = field(default=(), metadata=LATER)
