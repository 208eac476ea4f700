"""State of the controller: what must outlive a restart (``Durable``, the fold of the journal) and what must not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from edge.core.bad_badges import Attack
from edge.core.clock import Anchor
from edge.core.codec import LATER
from edge.core.confirmations import Confirmed
from edge.core.doors import DoorState
from edge.core.facts import Facts, Permit, Tap
from edge.core.holds import Freezes, Trip
from edge.core.instruments import CalibrationWord, Register
from edge.core.interlocks import Bounds, DeviceMemory
from edge.core.overrides import Override
from edge.core.people import People
from edge.core.places import Forced, Lockdown
from edge.core.published import Published
from edge.core.readings import MonotonicMs
from edge.core.site import Site


@dataclass(frozen=True, slots=True)
class Presence:
    """Somebody did something for a permit at that moment of that boot; on another boot it no longer counts."""

    worker: str
    entry: int
    boot_id: str
    boottime_ms: MonotonicMs


@dataclass(frozen=True, slots=True)
class Moment:
    """When an entry was authored: on CLOCK_BOOTTIME of its boot, and the earliest UTC that it can have been.

    ``lowest_ms`` 0: the time was unknown.
    """

    entry: int
    boot_id: str
    boottime_ms: MonotonicMs
    lowest_ms: int


@dataclass(frozen=True, slots=True)
class Pause:
    """A break of work. ``retest``: the entry of a passing re-test since, None: none yet."""

    since: Moment
    retest: int | None


@dataclass(frozen=True, slots=True)
class Sample:
    """The last sample at one point of a permit, and of which version of it.

    ``age_ms`` is how old its oldest reading was ``at`` the moment when it was told.
    """

    at: Moment
    by: str
    passed: bool
    version: int
    age_ms: int


@dataclass(frozen=True, slots=True)
class Typed:
    """Figures that a person typed for a point of a permit, and the entry that says so: shown, and never judged."""

    entry: int
    by: str
    figures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Running:
    """Work that has begun: the entry that began it, and what must be known to watch over it when HQ's word is lost.

    ``packs`` are the versions of rule packs that it began under, which it keeps; those that began before entries said
    so have none. ``ends_ms`` is when it ends by what was known then, UTC, exclusive; ``overdue`` whether that was told.
    ``recorded`` and ``analysed`` are the last record of its readings and the last passing analysis; ``record_missed``:
    a record was overdue and none was made since. ``unguarded`` are areas whose guardian was told to be gone.
    ``certified`` tells of the people who went in when their certificates end, UTC ms, exclusive, until that is told.
    ``too_near``: other permits that were told to be too near.
    """

    permit: str
    entry: int
    permit_type: str
    areas: tuple[str, ...]
    packs: tuple[str, ...] = field(default=(), metadata=LATER)
    ends_ms: int | None = field(default=None, metadata=LATER)
    overdue: bool = field(default=False, metadata=LATER)
    recorded: Moment | None = field(default=None, metadata=LATER)
    record_missed: bool = field(default=False, metadata=LATER)
    analysed: Moment | None = field(default=None, metadata=LATER)
    unguarded: tuple[str, ...] = field(default=(), metadata=LATER)
    certified: Mapping[str, int] = field(default_factory=dict, metadata=LATER)
    too_near: tuple[str, ...] = field(default=(), metadata=LATER)


@dataclass(frozen=True, slots=True)
class Approval:
    """The approver of that version of a permit was at a door of its area."""

    worker: str
    version: int
    entry: int
    too_near: tuple[str, ...] = field(default=(), metadata=LATER)


Work: TypeAlias = Permit | Running
"""What is bound to readings: a permit as HQ says it, or else as it was when its work began."""


@dataclass(frozen=True, slots=True)
class Durable:
    """The fold of all entries.

    ``running`` holds the permits whose work has begun. ``guardians`` gives, by permit and area, who last tapped there
    as its guardian: somebody at one area watches over no other. ``whereabouts`` gives the area where each guardian
    was seen last, empty: they went in as a worker. ``confirmed`` gives, by permit, what was confirmed on site;
    ``samples`` the last sample by permit and point, ``typed`` what was last typed there; ``by_hand``, by permit and
    device, who stands in for it. ``closing`` are permits that HQ closed and that stay open here until the overrides
    made for them are lifted. ``people``: who is inside. ``forced``: doors that were forced and that nobody has
    acknowledged. ``lockdowns``: by area. ``calibration_words``: by device, what it says of its own calibration.
    ``rules`` are the versions of rule packs of HQ that were ever applied here, by name; ``rules_refused`` names the
    latest of its texts that were refused. ``lowest_ms`` is the greatest lower bound of the time that an entry was
    ever stamped with: it is not earlier now.
    """

    next_entry: int = 0
    authority_size: int = 0
    authority_root: str = ""
    fresh_ms: int | None = None
    freezes: Freezes = field(default_factory=Freezes)
    trips: Mapping[str, Trip] = field(default_factory=dict)
    running: Mapping[str, Running] = field(default_factory=dict)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    guardians: Mapping[str, Mapping[str, Presence]] = field(default_factory=dict)
    whereabouts: Mapping[str, str] = field(default_factory=dict, metadata=LATER)
    harness: Mapping[str, Presence] = field(default_factory=dict)
    approvers: Mapping[str, Approval] = field(default_factory=dict, metadata=LATER)
    instruments: Register = field(default_factory=dict)
    anchor: Anchor | None = None
    lowest_ms: int = 0
    rules: Mapping[str, Published] = field(default_factory=dict, metadata=LATER)
    rules_refused: tuple[str, ...] = field(default=(), metadata=LATER)
    confirmed: Mapping[str, Mapping[str, Confirmed]] = field(default_factory=dict, metadata=LATER)
    overrides: Mapping[str, Override] = field(default_factory=dict, metadata=LATER)
    closing: frozenset[str] = field(default=frozenset(), metadata=LATER)
    calibration_words: Mapping[str, CalibrationWord] = field(default_factory=dict, metadata=LATER)
    samples: Mapping[str, Mapping[str, Sample]] = field(default_factory=dict, metadata=LATER)
    typed: Mapping[str, Mapping[str, Typed]] = field(default_factory=dict, metadata=LATER)
    by_hand: Mapping[str, Mapping[str, Presence]] = field(default_factory=dict, metadata=LATER)
    people: People = field(default_factory=People, metadata=LATER)
    forced: Mapping[str, Forced] = field(default_factory=dict, metadata=LATER)
    lockdowns: Mapping[str, Lockdown] = field(default_factory=dict, metadata=LATER)


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant of entry that waits for its entry to be durable. Nothing has moved yet."""

    entry: int
    tap: Tap
    facts: Facts
    permit: str
    worker: str
    decided_at_ms: MonotonicMs
    give_up_at_ms: MonotonicMs


@dataclass(frozen=True, slots=True)
class Waiting:
    """Entries up to and including ``entry`` were authored at that time and are not known to be durable."""

    entry: int
    since_ms: MonotonicMs


@dataclass(frozen=True, slots=True)
class Watch:
    """A running permit that is bound to a device. ``bounds`` None: a block of it alone never shows that all is good."""

    permit: str
    bounds: Bounds | None


@dataclass(frozen=True, slots=True)
class State:
    """The whole state. Everything but ``durable`` begins empty at each start: readings are never_read, grants void.

    ``clear_since`` tells, for each tripped permit, since when all its conditions are good again. ``alarms_until``
    is, by area, when a timed siren ends; ``sirens`` what was last commanded. ``watched`` lists, by device, the running
    permits that an interlock binds to it. ``failing``: the journal's last commit failed. ``beside``: open permits of
    the whole site whose work may stand in the way of other work, see ``edge.core.beside``. ``started_ms``: when this
    run began, None: not yet. ``attacks``: bad badges of late, by reader.
    """

    site: Site
    durable: Durable = field(default_factory=Durable)
    recorded: int = 0
    waiting: tuple[Waiting, ...] = ()
    failing: bool = False
    doors: Mapping[str, DoorState] = field(default_factory=dict)
    memories: Mapping[str, DeviceMemory] = field(default_factory=dict)
    permits: Mapping[str, Permit] = field(default_factory=dict)
    beside: Mapping[str, Permit] = field(default_factory=dict)
    watched: Mapping[str, tuple[Watch, ...]] = field(default_factory=dict)
    pending: Mapping[int, Grant] = field(default_factory=dict)
    gathers: Mapping[str, int] = field(default_factory=dict)
    clear_since: Mapping[str, MonotonicMs] = field(default_factory=dict)
    alarms_until: Mapping[str, MonotonicMs] = field(default_factory=dict)
    sirens: Mapping[str, bool] = field(default_factory=dict)
    fire: frozenset[str] = frozenset()
    attacks: Mapping[str, Attack] = field(default_factory=dict)
    started_ms: MonotonicMs | None = None

    def work(self, permit: str) -> Work | None:
        """A permit that is open or runs here, as HQ last said it, else as it began."""
        return self.permits.get(permit) or self.durable.running.get(permit)

    def kept_packs(self, permit: str) -> tuple[str, ...]:
        """The versions of rule packs that a running permit began under; none for one that has not begun."""
        running = self.durable.running.get(permit)
        return () if running is None else running.packs
