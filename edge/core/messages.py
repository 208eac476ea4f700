"""Inputs of the controller and its commands: all that ever crosses its edge."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from edge.core.clock import Anchor
from edge.core.confirmations import Confirmation
from edge.core.entries import BlobReference
from edge.core.facts import Facts, Permit, Tap, Worker
from edge.core.holds import Freeze
from edge.core.instruments import Check
from edge.core.places import PlaceOperator
from edge.core.published import RulesChanged
from edge.core.readings import BlockRead, CalibrationSaid, MonotonicMs
from edge.core.reasons import Reason

# ---- inputs ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The first input after the fold: why the daemon starts, its version, and what a person accepted in writing.

    ``acceptances`` are (device, name): devices without a status register that a named person answers for.
    """

    cause: str
    version: str
    acceptances: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Tapped:
    """A badge was read, its token verified and the facts about it gathered."""

    tap: Tap
    facts: Facts


class DoorInput(Enum):
    """A door's input lines."""

    CONTACT = "contact"
    BOLT = "bolt"
    REX = "rex"
    FIRE = "fire"


@dataclass(frozen=True, slots=True)
class DoorMoved:
    """An input line of a door changed. Active means: contact open, bolt thrown, button pressed, fire signalled."""

    door: str
    line: DoorInput
    active: bool


@dataclass(frozen=True, slots=True)
class DoorFaulted:
    """The lock's read-back does not follow its command, or a line is broken; ``what`` None: it is good again."""

    door: str
    what: str | None


@dataclass(frozen=True, slots=True)
class AuthorityApplied:
    """HQ's word reached the cache up to ``size``. ``complete``: these are all permits, freezes, releases there are."""

    size: int
    root: str
    fresh_ms: int | None
    permits: tuple[Permit, ...]
    freezes: tuple[Freeze, ...]
    releases: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """All entries below ``through`` are durable."""

    through: int


@dataclass(frozen=True, slots=True)
class RecordFailed:
    """The journal could not commit from that entry on; it keeps trying the same bytes."""

    from_entry: int
    error: str


class Timer(Enum):
    """What a timer is for; its subject is a door, an entry, a device, a permit, an area, an override or a reader."""

    DOOR = "door"
    GRANT = "grant"
    STALE = "stale"
    SIREN = "siren"
    BEAT = "beat"
    FIRE = "fire"
    WORK = "work"
    OVERRIDE = "override"
    INSIDE = "inside"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class TimerDue:
    """A timer set by ``SetTimer`` is due. The controller checks by its own state whether it still matters."""

    timer: Timer
    subject: str


class OperatorAction(Enum):
    """What a named person may do on site."""

    CONFIRM = "confirm"
    RETEST = "retest"
    RELEASE = "release"
    PAUSE = "pause"
    RESUME = "resume"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True)
class Operator:
    """A named person acts on a permit. ``person`` is what the authority cache knows of them, None: nobody known.

    ``point`` is where gas is sampled; ``typed`` are figures that a person typed instead, by name. ``what`` is what is
    confirmed, ``device`` the instrument that somebody stands in for.
    """

    action: OperatorAction
    permit: str
    by: str
    person: Worker | None
    why: str
    photo: BlobReference | None
    request: str
    point: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)
    what: Confirmation = Confirmation.HARNESS
    device: str = ""


@dataclass(frozen=True, slots=True)
class InstrumentChecked:
    """A named person checked an instrument at ``done_ms`` UTC; ``evidence`` shows what it said.

    The rest is as in ``Operator``.
    """

    device: str
    check: Check
    done_ms: int
    passed: bool
    by: str
    person: Worker | None
    why: str
    evidence: BlobReference
    request: str


@dataclass(frozen=True, slots=True)
class OverrideMade:
    """A named owner puts a device of ours, or another ``protection`` of the plant, out of action until ``until_ms``.

    Either is given, UTC ms is exclusive, ``permits`` are those that it is made for. The rest is as in ``Operator``.
    """

    device: str | None
    protection: str | None
    permits: tuple[str, ...]
    owner: str
    person: Worker | None
    why: str
    until_ms: int
    photo: BlobReference | None
    request: str


@dataclass(frozen=True, slots=True)
class OverrideLifted:
    """A named person says that what was overridden is back in action. The rest is as in ``Operator``."""

    override: str
    by: str
    person: Worker | None
    why: str
    request: str


@dataclass(frozen=True, slots=True)
class ClockAnchored:
    """A better source of time than the one held."""

    anchor: Anchor


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The machine's wall clock jumped against CLOCK_BOOTTIME by ``step_ms``. Decisions do not use it; people do."""

    step_ms: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something of the machinery worth an entry: a reader or HQ lost or back, authority refused, telemetry sealed.

    ``figures`` are named whole numbers that belong to it, such as how many readings were sealed. ``cause`` is of what
    must have exactly one entry: whoever notices it finds by it, after a crash, whether it has.
    """

    kind: str
    subject: str
    what: str
    blobs: tuple[BlobReference, ...] = ()
    figures: tuple[tuple[str, int], ...] = ()
    cause: str | None = None


Input: TypeAlias = (
    Started
    | Tapped
    | BlockRead
    | DoorMoved
    | DoorFaulted
    | AuthorityApplied
    | Recorded
    | RecordFailed
    | TimerDue
    | Operator
    | InstrumentChecked
    | CalibrationSaid
    | OverrideMade
    | OverrideLifted
    | PlaceOperator
    | ClockAnchored
    | ClockStepped
    | Noticed
    | RulesChanged
)

# ---- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unlock:
    """Release the lock for entry until then; made only by the step that handles ``Recorded``."""

    door: str
    entry: int
    until_ms: MonotonicMs


@dataclass(frozen=True, slots=True)
class ReleaseExit:
    """Release the lock for somebody to leave until then. Never waits, never refused."""

    door: str
    until_ms: MonotonicMs


@dataclass(frozen=True, slots=True)
class Lock:
    """End every release for entry of this door now."""

    door: str


class Light(Enum):
    """What the door's lamps show."""

    GREEN = "green"
    RED = "red"
    AMBER = "amber"


@dataclass(frozen=True, slots=True)
class Indicate:
    """Light and words at a door until then."""

    door: str
    light: Light
    reason: Reason
    until_ms: MonotonicMs


@dataclass(frozen=True, slots=True)
class Sound:
    """An area's siren on or off; standing until commanded otherwise."""

    area: str
    on: bool


@dataclass(frozen=True, slots=True)
class Gather:
    """Gather the facts of this tap again: they were older than the state."""

    tap: Tap


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Send ``TimerDue(timer, subject)`` at that time; replaces an earlier one of the same timer and subject."""

    timer: Timer
    subject: str
    due_ms: MonotonicMs


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an operator's request: done or not, with every reason that is missing."""

    request: str
    ok: bool
    reasons: tuple[str, ...]
    entry: int | None


Command: TypeAlias = Unlock | ReleaseExit | Lock | Indicate | Sound | Gather | SetTimer | Answer
