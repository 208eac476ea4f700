"""The site as the controller sees it: what the configuration and the rule packs say, bound at start, and
anew when HQ publishes rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from edge.core.clock import ClockInterval
from edge.core.distances import DistanceRule
from edge.core.doors import DoorTiming
from edge.core.instruments import Demanded
from edge.core.interlocks import NO_DEMANDS, Demands, Timing, bind
from edge.core.rules import Channel, PermitType, RulePack, RulePackError, Validity, strictest, terms
from edge.core.upgrades import NO_CALENDAR, Calendar


@dataclass(frozen=True, slots=True)
class DoorPlan:
    """A door, the area that it leads into, its timing and its readers."""

    door: str
    area: str
    timing: DoorTiming


@dataclass(frozen=True, slots=True)
class Edition:
    """One version of one rule pack: when it speaks, the permit types that it knows, the distances that it asks for.

    One without types is lost: HQ demands it, and its text is not at hand. On it nobody enters.
    """

    pack: str
    version: int
    validity: Validity
    permit_types: Mapping[str, PermitType]
    distances: tuple[DistanceRule, ...]

    @property
    def name(self) -> str:
        """``pack/version``, as decisions record it."""
        return f"{self.pack}/{self.version}"

    @property
    def lost(self) -> bool:
        """Whether no more is known than that this version holds."""
        return not self.permit_types


@dataclass(frozen=True, slots=True)
class AreaPlan:
    """An area: the versions of the packs that hold there, in the order of the configuration, and what they demand.

    ``demands`` gives for each permit type what all those versions demand; which of them speak depends on the time, and
    on when the work began. ``ex`` areas allow less time without HQ; ``open_air`` ones need an anemometer for work that
    wind forbids. ``people_max``: nobody more is let in, None: as many as come.
    """

    area: str
    ex: bool
    editions: tuple[Edition, ...]
    demands: Mapping[str, Demands]
    open_air: bool = False
    people_max: int | None = None

    def speaking(self, clock: ClockInterval, kept: tuple[str, ...] = ()) -> tuple[Edition, ...]:
        """The versions that hold now, or may; of a pack that work began under, the version that it ``kept``.

        A kept version that is not at hand any more cannot speak: then every version of that pack that ever held does,
        and the strictest decides.
        """
        held = self._held(kept, clock) if kept else {}
        return tuple(
            each
            for each in self.editions
            if (each.name in held[each.pack] if each.pack in held else each.validity.may_hold(clock))
        )

    def _held(self, kept: tuple[str, ...], clock: ClockInterval) -> dict[str, set[str]]:
        """What stands for the versions of ``kept``, by pack."""
        at_hand = [each for each in self.editions if not each.lost]
        held: dict[str, set[str]] = {}
        for name in kept:
            pack = name.partition("/")[0]
            same = {each.name for each in at_hand if each.name == name}
            begun = {each.name for each in at_hand if each.pack == pack and each.validity.may_have_begun(clock)}
            held.setdefault(pack, set()).update(same or begun)
        return held

    def demanded(self, permit_type: str, speaking: Iterable[Edition], clock: ClockInterval) -> Demands:
        """What these versions demand of a permit type now."""
        demands = self.demands.get(permit_type)
        return NO_DEMANDS if demands is None else demands.in_force({each.name for each in speaking}, clock)


def permit_type_of(code: str, speaking: Iterable[Edition]) -> PermitType | None:
    """What these versions say of a permit type, the strictest of each; None if none knows it, or one of them is lost:
    nobody knows what that one would say."""
    speaking = tuple(speaking)
    if any(each.lost for each in speaking):
        return None
    return strictest([each.permit_types[code] for each in speaking if code in each.permit_types])


def plan_area(
    area: str,
    ex: bool,
    packs: tuple[RulePack, ...],
    channels: tuple[Channel, ...],
    timing: Timing,
    *,
    open_air: bool = False,
    people_max: int | None = None,
) -> AreaPlan:
    """An area under all these versions of packs. Raises RulePackError if they cannot be judged there, or contradict."""
    held = terms(packs)
    editions = tuple(
        Edition(each.pack, each.version, held[each.name], each.permit_types, each.distances) for each in packs
    )
    codes = sorted({code for each in packs for code in each.permit_types})
    for code in codes:
        _check_trades(code, editions)
    demands = {code: bind(packs, code, channels, timing, ex=ex, open_air=open_air) for code in codes}
    return AreaPlan(area, ex, editions, demands, open_air, people_max)


def _check_trades(code: str, editions: tuple[Edition, ...]) -> None:
    """Two packs of one area must leave some certificate with which the work may be done."""
    asked = [(each, set(each.permit_types[code].certificates)) for each in editions if code in each.permit_types]
    for first, second in combinations([(each, trades) for each, trades in asked if trades], 2):
        if first[0].pack != second[0].pack and not first[1] & second[1]:
            raise RulePackError(
                f"permit type {code}: {first[0].name} and {second[0].name} ask for certificates of different trades"
            )


@dataclass(frozen=True, slots=True)
class Policy:
    """Ages and times in milliseconds; see config.example.toml for each.

    ``permit_facts``: HQ must say of a permit what its type is judged by. ``silent_ms``: how long an instrument has not
    answered before a person may stand in for it, ``by_hand_ms``: for how long one does [D].
    ``reader_rest_ms``: how long a reader rests after too many bad badges [D], 0: never.
    """

    guardian_ms: int
    siren_ms: int
    stale_ms: int
    offline_normal_ms: int
    offline_ex_ms: int
    offline_begun_ms: int
    drift_ppm: int
    give_up_ms: int = 1_500
    slow_ms: int = 2_000
    slow_waiting: int = 1_000
    silent_ms: int = 5_000
    by_hand_ms: int = 1_800_000
    reader_rest_ms: int = 60_000
    permit_facts: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """Everything static but ``areas``, which follow HQ's rule packs. ``windows`` gives, by device and channel, the gust
    window of channels that have one.

    ``channels`` names each device's channels, in the order of its blocks. ``checks`` are those demanded of a device,
    ``calendar`` tells when hot work is managed one grade up.
    """

    gateway: str
    site: str
    origin: str
    simulated: bool
    areas: Mapping[str, AreaPlan]
    doors: Mapping[str, DoorPlan]
    channels: Mapping[str, tuple[str, ...]]
    windows: Mapping[str, Mapping[str, int]]
    policy: Policy
    checks: Mapping[str, Demanded] = field(default_factory=dict)
    calendar: Calendar = NO_CALENDAR
