"""The site as the controller sees it: what the configuration and the rule packs say, bound once at start."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.core.doors import DoorTiming
from edge.core.instruments import Demanded
from edge.core.interlocks import Demands
from edge.core.rules import PermitType


@dataclass(frozen=True, slots=True)
class DoorPlan:
    """A door, the area that it leads into, its timing and its readers."""

    door: str
    area: str
    timing: DoorTiming


@dataclass(frozen=True, slots=True)
class AreaPlan:
    """An area: the permit types that its packs know, and what each demands here.

    ``packs`` names each pack with its version, as decisions record it. ``ex`` areas allow less time without HQ.
    """

    area: str
    ex: bool
    packs: tuple[str, ...]
    permit_types: Mapping[str, PermitType]
    demands: Mapping[str, Demands]


@dataclass(frozen=True, slots=True)
class Policy:
    """Ages and times in milliseconds; see config.example.toml for each."""

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


@dataclass(frozen=True, slots=True)
class Site:
    """Everything static. ``windows`` gives, by device and channel, the gust window of channels that have one.

    ``channels`` names each device's channels, in the order of its blocks. ``checks`` are those demanded of a device.
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
