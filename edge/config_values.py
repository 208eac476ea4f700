"""The configuration as frozen values: what the file said, checked, in the units that the daemon uses.

Every time is whole milliseconds; paths are as written. ``edge.config.load`` makes them and nothing else does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal, TypeAlias

from drivers.modbus.register_map import Profile

__all__ = [
    "Area",
    "Bus",
    "Clock",
    "Config",
    "Device",
    "Door",
    "FailState",
    "Gateway",
    "Hq",
    "Outputs",
    "Policy",
    "Reader",
    "RtuBus",
    "Side",
    "TcpBus",
]

from edge.core.upgrades import Calendar

RUN_DIR = Path("/run/permitgate")
"""Where a gateway answers unless its configuration says otherwise."""


class FailState(Enum):
    """What a lock does without power: ``SAFE`` opens (maglock), ``SECURE`` stays shut (strike, free handle inside)."""

    SAFE = "safe"
    SECURE = "secure"


class Side(Enum):
    """Which way a tap at this reader asks to go."""

    ENTRY = "entry"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class Gateway:
    """Who this gateway is and where its files lie. ``epoch`` counts the journals that it ever began.

    ``profiles_dir`` holds the site's own device models; None: only those that ship.
    """

    id: str
    site: str
    organisation: str
    epoch: int
    data_dir: Path
    run_dir: Path
    profiles_dir: Path | None
    language: Literal["zh", "en"]
    simulate: bool

    @property
    def origin(self) -> str:
        """The name of this gateway's log (C2SP tlog-checkpoint, origin line); a new epoch is a new log."""
        return f"{self.organisation}/gw/{self.id}/{self.epoch}"


@dataclass(frozen=True, slots=True)
class Hq:
    """Where HQ is and how often it is asked."""

    url: str
    poll_ms: int


@dataclass(frozen=True, slots=True)
class Clock:
    """How far the machine's clock may run off between two proofs of the time."""

    drift_ppm: int


@dataclass(frozen=True, slots=True)
class Policy:
    """Ages and times, in milliseconds or days as named; ``config.example.toml`` says what each means.

    ``bump_ms``, ``calibration_ms`` and ``verification_ms`` are 0 where a simulated site asks for no such check.
    ``longest_time``: whether a permit ends after the longest time of its type, whatever HQ wrote.
    ``permit_facts``: whether HQ must say of a permit what its type is judged by; said, it is judged anyway.
    """

    guardian_ms: int
    settle_ms: int
    stale_ms: int
    gust_window_ms: int
    siren_ms: int
    reader_rest_ms: int
    offline_normal_ms: int
    offline_ex_ms: int
    offline_begun_ms: int
    fresh_ms: int
    seal_ms: int
    rows_kept_days: int
    readings_kept_days: int
    bump_ms: int
    calibration_ms: int
    verification_ms: int
    longest_time: bool
    permit_facts: bool


@dataclass(frozen=True, slots=True)
class Outputs:
    """What moves the pins: ``lgpio``, or ``wired:PATH``, a simulated wiring behind a Unix socket."""

    pins: str

    @property
    def wired(self) -> Path | None:
        """The socket of the simulated wiring; None on real pins."""
        return Path(self.pins.removeprefix("wired:")) if self.pins.startswith("wired:") else None


@dataclass(frozen=True, slots=True)
class Area:
    """A physical place. ``codes`` are all names, old and new, that mean it; ``siren_pin`` is a BCM number.

    ``open_air``: work that wind forbids needs an anemometer there. ``people_max``: at most so many
    inside, None: no limit.
    """

    id: str
    name_zh: str
    name_en: str
    codes: tuple[str, ...]
    ex: bool
    open_air: bool
    people_max: int | None
    rule_packs: tuple[str, ...]
    siren_pin: int | None


@dataclass(frozen=True, slots=True)
class Door:
    """A door into an area. Pins are BCM numbers; None: not wired."""

    id: str
    area: str
    name_zh: str
    name_en: str
    fail: FailState
    strike_pin: int
    contact_pin: int
    bolt_pin: int | None
    rex_pin: int
    fire_pin: int | None
    green_pin: int
    red_pin: int
    amber_pin: int
    buzzer_pin: int | None
    release_ms: int
    open_ms: int
    prealarm_ms: int
    access_grace_ms: int


@dataclass(frozen=True, slots=True)
class Reader:
    """A badge reader at one side of a door. ``path``: ``usb:…``, a by-path device, or ``udp:HOST:PORT`` (simulated)."""

    id: str
    door: str
    side: Side
    path: str


@dataclass(frozen=True, slots=True)
class RtuBus:
    """A serial Modbus line: all units on it share its baud rate, parity and stop bits."""

    id: str
    port: str
    baud: int
    parity: Literal["N", "E", "O"]
    stop_bits: Literal[1, 2]
    timeout_ms: int
    poll_ms: int


@dataclass(frozen=True, slots=True)
class TcpBus:
    """A Modbus/TCP host and the units behind it."""

    id: str
    host: str
    tcp_port: int
    timeout_ms: int
    poll_ms: int


Bus: TypeAlias = RtuBus | TcpBus


@dataclass(frozen=True, slots=True)
class Device:
    """A unit on a bus that measures in an area. ``gas`` is what a combustible channel is set to.

    ``no_status_accepted_by`` names who accepted that this model cannot say when it is broken. ``decimals``: where no
    register says them, how many the device's whole numbers have (2090 with 2 is 20.90); else None.
    """

    id: str
    bus: str
    unit: int
    profile: str
    area: str
    gas: str | None
    no_status_accepted_by: str | None
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file. Ids are unique, every reference exists, and ``edge.config_check`` found nothing against it.

    ``profiles``: of each model that a device names, as it was when the file was checked; ``own_profiles``: the SHA-256
    of each file among them that is the site's own.
    """

    gateway: Gateway
    hq: Hq
    clock: Clock
    calendar: Calendar
    policy: Policy
    outputs: Outputs
    areas: tuple[Area, ...]
    doors: tuple[Door, ...]
    readers: tuple[Reader, ...]
    buses: tuple[Bus, ...]
    devices: tuple[Device, ...]
    profiles: Mapping[str, Profile]
    own_profiles: Mapping[str, str]
