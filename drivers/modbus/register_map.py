"""The register map of a device model as values: what a profile says, checked, and nothing of how it was written.

Addresses are PDU offsets, counted from 0 (Modbus Application Protocol V1.1b3, 4.4): the manual's 40003 is offset 2.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum

from edge.ports.devices import Quality


class Kind(Enum):
    """How the bits of a register or a pair of registers are meant."""

    U16 = "u16"
    S16 = "s16"
    U32 = "u32"
    S32 = "s32"
    F32 = "f32"

    @property
    def words(self) -> int:
        """Registers of 16 bits that one value takes."""
        return 1 if self in (Kind.U16, Kind.S16) else 2


class WordOrder(Enum):
    """The order in which the bytes of a 32-bit value arrive; A is the most significant. 16-bit values have none."""

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"


class Quantity(Enum):
    """What a channel measures; it decides which side of a value is the unsafe one."""

    COMBUSTIBLE = "combustible"
    OXYGEN = "oxygen"
    TOXIC = "toxic"
    WIND_SPEED = "wind_speed"
    WIND_DIRECTION = "wind_direction"


@dataclass(frozen=True, slots=True)
class Register:
    """One value in the device's table; ``printed`` is the address as the manual prints it."""

    name: str
    function: int
    address: int
    printed: str
    kind: Kind
    order: WordOrder

    @property
    def end(self) -> int:
        """The first address after this value."""
        return self.address + self.kind.words


@dataclass(frozen=True, slots=True)
class Span:
    """Raw values from ``lowest`` to ``highest``, both included, and what they mean."""

    lowest: int
    highest: int
    meaning: Quality


@dataclass(frozen=True, slots=True)
class StatusRule:
    """What a status register says: bits first (any that is set), else the span of the value, else ``otherwise``.

    Only the bits in ``mask`` are looked at. ``channels`` names the channels that it speaks of; None: all.
    """

    register: str
    channels: tuple[str, ...] | None
    bits: tuple[tuple[int, Quality], ...]
    spans: tuple[Span, ...]
    otherwise: Quality
    mask: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Identity:
    """What a register, under ``mask``, holds in this model and no other: each content with what it is, in words."""

    register: str
    mask: int
    allowed: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Bits that a living device changes every ``moves_every_ms``; unchanged for ``still_max_ms`` it is not believed."""

    register: str
    mask: int
    moves_every_ms: int
    still_max_ms: int


class CalibrationSays(Enum):
    """In which form a device says how its calibration stands.

    ``DAYS_LEFT``: days until it is due, 0 or less when it is. ``LAST_DATE``: year, month and day of the last one, in
    three registers one after the other.
    """

    DAYS_LEFT = "days_left"
    LAST_DATE = "last_date"


@dataclass(frozen=True, slots=True)
class CalibrationRegister:
    """Where a device says how its calibration stands; not part of what is polled. ``register`` is the year of a date.

    ``page`` and ``mark``: where that was read, as in ``Manual``.
    """

    says: CalibrationSays
    register: Register
    page: str
    mark: str


@dataclass(frozen=True, slots=True)
class CurrentLoop:
    """A channel whose register holds the current of a 4-20 mA loop, in raw counts of the channel's ``scale_ma``.

    ``zero_raw`` and ``full_raw`` are 4 and 20 mA. From ``lowest_raw`` to ``zero_raw`` a drifted zero reads as the low
    end of the range. Outside ``lowest_raw`` to ``full_raw`` there is no number: ``bands`` say why, else it is out of
    range. ``looks_good`` says in words which states of the transmitter no current shows; empty: none.
    """

    lowest_raw: int
    zero_raw: int
    full_raw: int
    bands: tuple[Span, ...]
    looks_good: str


@dataclass(frozen=True, slots=True)
class Plausible:
    """What a value may not do. Each is off when None; both in whole steps of the channel's resolution.

    A value that stays within ``noise_steps`` of where it was for ``frozen_after_ms`` is frozen, unless it rests at one
    of ``rests_at``. A value that moves by more than ``rate_steps`` a second is none.
    """

    noise_steps: int
    frozen_after_ms: int | None
    rests_at: tuple[int, ...]
    rate_steps: int | None


@dataclass(frozen=True, slots=True)
class ChannelProfile:
    """One measured quantity: value = raw * scale + offset in ``unit``; range and readings in steps of ``resolution``.

    ``sentinels`` are raw bit patterns that are no measurement. ``unit_code``: the only content of ``unit_register``
    under which the value is in ``unit``; any other makes the reading undecodable, never a number in a wrong unit.
    ``decimals_by_hand``: only the configuration knows the scale (``with_decimals``); until then it stands at 1.
    """

    name: str
    quantity: Quantity
    register: str
    unit: str
    scale: Decimal
    resolution: Decimal
    lowest_steps: int
    highest_steps: int
    t90_s: int
    sentinels: tuple[tuple[int, Quality], ...]
    unit_register: str | None
    unit_code: int | None
    offset: Decimal = Decimal(0)
    loop: CurrentLoop | None = None
    plausible: Plausible | None = None
    decimals_by_hand: bool = False


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """What the device's serial port can be set to, and how it leaves the factory."""

    bauds: tuple[int, ...]
    parities: tuple[str, ...]
    stop_bits: tuple[int, ...]
    default_baud: int
    default_parity: str
    default_address: int


@dataclass(frozen=True, slots=True)
class Manual:
    """Where the map was read. ``mark``: V read in the manual, V2 in a secondary source, U unverified, D our default."""

    title: str
    revision: str
    page: str
    mark: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One device model.

    ``gap`` is how many unused registers a block may bridge, ``max_registers`` the longest block that the device
    answers, ``longest_reply_ms`` after how long it may still answer, ``min_poll_ms`` how often it may be asked.
    ``serial`` is None for a device that speaks Modbus/TCP only.
    """

    model: str
    manufacturer: str
    product: str
    manual: Manual
    gap: int
    max_registers: int
    min_poll_ms: int
    longest_reply_ms: int
    serial: SerialSettings | None
    registers: tuple[Register, ...]
    channels: tuple[ChannelProfile, ...]
    statuses: tuple[StatusRule, ...]
    identities: tuple[Identity, ...] = ()
    heartbeat: Heartbeat | None = None
    calibration: CalibrationRegister | None = None

    @property
    def has_status(self) -> bool:
        """Whether the device says of each channel, in a register or by a current, that it is broken."""
        return all(self._speaks_of(channel) for channel in self.channels)

    @property
    def decimals_by_hand(self) -> bool:
        """Whether the configuration must state the decimals, because no register and no manual does."""
        return any(channel.decimals_by_hand for channel in self.channels)

    def _speaks_of(self, channel: ChannelProfile) -> bool:
        if any(rule.channels is None or channel.name in rule.channels for rule in self.statuses):
            return True
        bands = channel.loop.bands if channel.loop is not None else ()
        return any(band.meaning is Quality.DEVICE_FAULT for band in bands)


def with_decimals(profile: Profile, decimals: int | None) -> Profile:
    """The profile with that many decimals, 0 to 4, in each channel whose decimals are set by hand; None: as it is."""
    if decimals is None:
        return profile
    return replace(profile, channels=tuple(_with_decimals(channel, decimals) for channel in profile.channels))


def _with_decimals(channel: ChannelProfile, decimals: int) -> ChannelProfile:
    if not channel.decimals_by_hand:
        return channel
    step, steps = Decimal(1).scaleb(-decimals), 10**decimals
    return replace(
        channel,
        scale=step,
        resolution=step,
        lowest_steps=channel.lowest_steps * steps,
        highest_steps=channel.highest_steps * steps,
    )
