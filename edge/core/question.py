"""The question that a tap poses and the answer to it, as values."""

from dataclasses import dataclass, field
from enum import Enum

from edge.core.by_hand import StandIn
from edge.core.clock import ClockInterval
from edge.core.codec import LATER
from edge.core.distances import Neighbour
from edge.core.facts import Facts, Permit, Tap
from edge.core.instruments import CheckAge
from edge.core.interlocks import Condition, Measured
from edge.core.overrides import Bearing
from edge.core.people import Headcount
from edge.core.permits import ends_ms
from edge.core.places import Lockdown
from edge.core.reasons import Reason
from edge.core.rules import PermitType
from edge.core.samples import PointAge


class Outcome(Enum):
    """The answer to a tap on the entry side. ``NOTED``: a guardian's presence was recorded, nothing opens."""

    GRANTED = "granted"
    DENIED = "denied"
    REVIEW = "review"
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Limits:
    """How old things may be, in milliseconds: the guardian's last tap, and HQ's last verified word.

    ``permit_facts``: HQ must say of a permit what its type is judged by; what it leaves out is failing.
    """

    guardian_ms: int
    offline_normal_ms: int
    offline_begun_ms: int
    permit_facts: bool = field(default=False, metadata=LATER)


@dataclass(frozen=True, slots=True)
class PermitSlice:
    """One permit that the token names, with the slice of state that bears on it.

    ``guardian_age_ms`` is the age of the guardian's last tap in this area, ``harness_age_ms`` that of the confirmation,
    None: none that counts. ``missing`` are quantities that a rule demands and nothing in the area measures. ``checks``
    are those of the instruments that measure. ``analysed_today`` is False for work that needs an analysis each day and
    has none of this one. ``unlinked`` are permits that it names and that do not name it, or are not known;
    ``incomplete`` those that are not in force now. ``same_pipe`` are other permits on its pipe,
    ``confirmed`` what was confirmed on site for this version of it. ``near`` is other work that a rule keeps away.
    ``overrides`` are those that bear on it in this area. ``points`` are its sample points, none once its work has
    begun; ``by_hand`` are who stands in for an instrument that does not answer.
    """

    permit: Permit
    permit_type: PermitType | None
    frozen: bool
    tripped: bool
    begun: bool
    guardian_age_ms: int | None
    harness_age_ms: int | None
    missing: tuple[str, ...]
    measured: tuple[Measured, ...]
    checks: tuple[CheckAge, ...] = field(default=(), metadata=LATER)
    paused: bool = field(default=False, metadata=LATER)
    unlinked: tuple[str, ...] = field(default=(), metadata=LATER)
    incomplete: tuple[str, ...] = field(default=(), metadata=LATER)
    not_upgraded: tuple[Reason, ...] = field(default=(), metadata=LATER)
    analysed_today: bool = field(default=True, metadata=LATER)
    approver_seen: bool = field(default=False, metadata=LATER)
    same_pipe: tuple[str, ...] = field(default=(), metadata=LATER)
    confirmed: tuple[str, ...] = field(default=(), metadata=LATER)
    near: tuple[Neighbour, ...] = field(default=(), metadata=LATER)
    overrides: tuple[Bearing, ...] = field(default=(), metadata=LATER)
    points: tuple[PointAge, ...] = field(default=(), metadata=LATER)
    by_hand: tuple[StandIn, ...] = field(default=(), metadata=LATER)

    @property
    def ends_ms(self) -> int:
        """See ``edge.core.permits.ends_ms``."""
        return ends_ms(self.permit, self.permit_type)


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that a decision rests on; its bytes lie beside the entry so that it can be decided again.

    ``people`` counts the others in this area; None: an earlier version did not count.
    """

    tap: Tap
    facts: Facts
    area: str
    packs: tuple[str, ...]
    door_fault: bool
    fire: bool
    journal_slow: bool
    site_frozen: bool
    area_frozen: bool
    worker_frozen: bool
    permits: tuple[PermitSlice, ...]
    clock: ClockInterval
    limits: Limits
    people: Headcount | None = field(default=None, metadata=LATER)
    locked_down: Lockdown | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, slots=True)
class Failing:
    """One failing reason, of one permit if it is about one; ``detail`` names the channel or quantity."""

    reason: Reason
    permit: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. ``permit`` is the one that granted; ``guards`` those whose guardian this is.

    ``freeze`` are permits to freeze with an alarm: out of area, or overtime. ``approves`` are those whose approver is
    here now. ``by_hand`` are those on whose word a grant rests in the place of an instrument.
    """

    outcome: Outcome
    primary: Reason
    failing: tuple[Failing, ...]
    permit: str | None
    worker: str | None
    guards: tuple[str, ...]
    freeze: tuple[str, ...]
    conditions: tuple[Condition, ...]
    approves: tuple[str, ...] = ()
    by_hand: tuple[StandIn, ...] = ()
