"""The register map of a device model as values: what a profile says, checked, and nothing of how it was written.

Addresses are PDU offsets, counted from 0 (Modbus Application Protocol V1.1b3, 4.4): the manual's 40003 is offset 2.
"""

from dataclasses import dataclass
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

    ``channels`` names the channels that it speaks of; None: all.
    """

    register: str
    channels: tuple[str, ...] | None
    bits: tuple[tuple[int, Quality], ...]
    spans: tuple[Span, ...]
    otherwise: Quality


@dataclass(frozen=True, slots=True)
class ChannelProfile:
    """One measured quantity: value = raw * scale in ``unit``; range and readings in whole steps of ``resolution``.

    ``sentinels`` are raw bit patterns that are no measurement. ``unit_code``: the only content of ``unit_register``
    under which the value is in ``unit``; any other makes the reading undecodable, never a number in a wrong unit.
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

    @property
    def has_status(self) -> bool:
        """Whether the device says itself that it is warming up, inhibited or broken."""
        return bool(self.statuses)
