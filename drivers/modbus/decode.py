"""Register payloads to columns of steps and qualities. Pure; compiled once per device, as it runs for every poll.

A block is unpacked with one ``struct``; statuses are judged before values, because a detector that is warming up or
inhibited may show a perfect number. What cannot be believed has no number at all: steps None, and the reason.
"""

import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

from drivers.modbus.plan import Block
from drivers.modbus.quantise import float_quantiser, integer_quantiser
from drivers.modbus.register_map import (
    ChannelProfile,
    CurrentLoop,
    Identity,
    Kind,
    Profile,
    Register,
    StatusRule,
    WordOrder,
)
from drivers.modbus.word_order import in_order
from edge.ports.devices import Quality

_FORMATS = {Kind.U16: "H", Kind.S16: "h", Kind.U32: "I", Kind.S32: "i", Kind.F32: "f"}
_BYTE_ORDERS = {
    WordOrder.ABCD: (0, 1, 2, 3),
    WordOrder.CDAB: (2, 3, 0, 1),
    WordOrder.BADC: (1, 0, 3, 2),
    WordOrder.DCBA: (3, 2, 1, 0),
}
_WORST_FIRST = (
    Quality.DEVICE_FAULT,
    Quality.DECODE_FAIL,
    Quality.WARMING_UP,
    Quality.INHIBITED,
    Quality.OUT_OF_RANGE,
    Quality.GOOD,
)
_REMEMBERED_MAX = 1024

Columns = tuple[tuple[int | None, ...], tuple[Quality, ...]]
Values = tuple[int | float, ...]


def raw_value(kind: Kind, pattern: int) -> int | float:
    """The number that a raw bit pattern is in this kind."""
    if kind.words == 1:
        value: int | float = struct.unpack(f">{_FORMATS[kind]}", pattern.to_bytes(2, "big"))[0]
    else:
        value = struct.unpack(f">{_FORMATS[kind]}", pattern.to_bytes(4, "big"))[0]
    return value


def in_all_orders(kind: Kind, words: bytes) -> dict[WordOrder, int | float]:
    """The number that received bytes are in each order; a 16-bit value has only one."""
    if kind.words == 1:
        return {WordOrder.ABCD: raw_value(kind, int.from_bytes(words, "big"))}
    return {
        order: raw_value(kind, int.from_bytes(bytes(words[index] for index in indices), "big"))
        for order, indices in _BYTE_ORDERS.items()
    }


class _StatusJudge:
    """One status register: its meaning for a raw value, remembered, as a healthy device repeats a few of them."""

    def __init__(self, rule: StatusRule) -> None:
        self._rule = rule
        self._remembered: dict[int | float, Quality] = {}

    def judge(self, raw: int | float) -> Quality:
        found = self._remembered.get(raw)
        return self._look_up(int(raw)) if found is None else found

    def _look_up(self, whole: int) -> Quality:
        raw = whole & self._rule.mask
        raised = [meaning for mask, meaning in self._rule.bits if raw & mask]
        if raised:
            meaning = worst(raised)
        else:
            spans = self._rule.spans
            meaning = next((each.meaning for each in spans if each.lowest <= raw <= each.highest), self._rule.otherwise)
        if len(self._remembered) >= _REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[whole] = meaning
        return meaning


class _IdentityJudge:
    """One identity register: another model, or another variant, on this unit number is a fault of the device."""

    def __init__(self, identity: Identity) -> None:
        self._mask = identity.mask
        self._allowed = frozenset(content for content, _ in identity.allowed)

    def judge(self, raw: int | float) -> Quality:
        return Quality.GOOD if int(raw) & self._mask in self._allowed else Quality.DEVICE_FAULT


def worst(qualities: Sequence[Quality]) -> Quality:
    """The gravest of what several status registers say at once."""
    return min(qualities, key=_WORST_FIRST.index)


class _Sentinels:
    """The raw bit patterns of one register that are no measurement.

    ``suspects`` are their values, cheap to look among. The bits decide: NaN equals nothing, and 0.0 equals -0.0.
    """

    def __init__(self, channel: ChannelProfile, blocks: Sequence[Block]) -> None:
        self._block, self._register = next(
            (index, register)
            for index, block in enumerate(blocks)
            for register in block.registers
            if register.name == channel.register
        )
        self._layout = blocks[self._block]
        self._qualities = dict(channel.sentinels)
        self.suspects = frozenset(raw_value(self._register.kind, pattern) for pattern in self._qualities)

    def look_up(self, payloads: Sequence[bytes]) -> Quality | None:
        """What the register's bits mean; None: they are no sentinel."""
        return self._qualities.get(self._pattern(payloads))

    def raw(self, payloads: Sequence[bytes]) -> int | float:
        """The register's number."""
        return raw_value(self._register.kind, self._pattern(payloads))

    def _pattern(self, payloads: Sequence[bytes]) -> int:
        return pattern_of(self._register, self._layout, payloads[self._block])


class _LoopBands:
    """The currents of a loop that are no measurement, and any sentinels of the input that measures it.

    ``suspects`` are all counts outside the measuring band, and the sentinels.
    """

    def __init__(self, loop: CurrentLoop, sentinels: _Sentinels) -> None:
        self._bands = loop.bands
        self._lowest_raw, self._full_raw = loop.lowest_raw, loop.full_raw
        self._sentinels = sentinels
        self.suspects = self

    def __contains__(self, raw: int | float) -> bool:
        return not self._lowest_raw <= raw <= self._full_raw or raw in self._sentinels.suspects

    def look_up(self, payloads: Sequence[bytes]) -> Quality | None:
        """What the current means; None: it is a measurement."""
        meant = self._sentinels.look_up(payloads)
        if meant is not None:
            return meant
        raw = self._sentinels.raw(payloads)
        if self._lowest_raw <= raw <= self._full_raw:
            return None
        return next((each.meaning for each in self._bands if each.lowest <= raw <= each.highest), Quality.OUT_OF_RANGE)


class _Channel(NamedTuple):
    """What decoding one channel needs; ``quantise`` None: the raw integer is the number of steps."""

    position: int
    quantise: Callable[[int], int] | Callable[[float], int | None] | None
    lowest_steps: int
    highest_steps: int
    sentinels: _Sentinels | _LoopBands | None
    unit_position: int
    unit_code: int | None


class Decoder:
    """Decodes the payloads of one profile's blocks. One per device: what it remembers belongs to that device's bus."""

    def __init__(self, profile: Profile, blocks: Sequence[Block]) -> None:
        self.channels = tuple(channel.name for channel in profile.channels)
        self._unpackers = tuple(block_unpacker(block) for block in blocks)
        order = [register.name for block in blocks for register in block.registers]
        kinds = {register.name: register.kind for register in profile.registers}
        self._channels = tuple(
            _compile_channel(channel, kinds[channel.register], order, _Sentinels(channel, blocks))
            for channel in profile.channels
        )
        judges: list[tuple[str, _StatusJudge | _IdentityJudge]] = [
            (rule.register, _StatusJudge(rule)) for rule in profile.statuses if rule.channels is None
        ]
        judges += [(identity.register, _IdentityJudge(identity)) for identity in profile.identities]
        self._whole_device = tuple((order.index(register), judge) for register, judge in judges)
        self._by_channel = tuple(
            (order.index(rule.register), _StatusJudge(rule), frozenset(map(self.channels.index, rule.channels)))
            for rule in profile.statuses
            if rule.channels is not None
        )
        self._all_good = (Quality.GOOD,) * len(self.channels)

    def decode(self, payloads: Sequence[bytes]) -> Columns:
        """The columns of the device; ``payloads`` are the register bytes of each block, lengths already checked."""
        values = self._unpackers[0](payloads[0])
        for unpack, payload in zip(self._unpackers[1:], payloads[1:], strict=True):
            values += unpack(payload)
        for index, status in self._whole_device:
            if status.judge(values[index]) is not Quality.GOOD:
                return self._device_not_good(values)
        steps: list[int | None] = []
        faults: list[tuple[int, Quality]] = []
        for channel in self._channels:
            found, quality = _decode_channel(channel, values, payloads)
            if quality is not Quality.GOOD:
                faults.append((len(steps), quality))
            steps.append(found)
        for index, status, spoken_of in self._by_channel:
            quality = status.judge(values[index])
            if quality is not Quality.GOOD:
                faults.extend((channel_index, quality) for channel_index in spoken_of)
        if not faults:
            return tuple(steps), self._all_good
        return self._with_faults(steps, faults)

    def _device_not_good(self, values: Values) -> Columns:
        quality = worst([status.judge(values[index]) for index, status in self._whole_device])
        return (None,) * len(self.channels), (quality,) * len(self.channels)

    def _with_faults(self, steps: list[int | None], faults: list[tuple[int, Quality]]) -> Columns:
        qualities = list(self._all_good)
        for index, quality in faults:
            steps[index] = None
            qualities[index] = worst([qualities[index], quality])
        return tuple(steps), tuple(qualities)


def _decode_channel(channel: _Channel, values: Values, payloads: Sequence[bytes]) -> tuple[int | None, Quality]:
    position, quantise, lowest, highest, sentinels, unit_position, unit_code = channel
    raw = values[position]
    if sentinels is not None and (raw in sentinels.suspects or raw - raw != 0):  # NaN is among no suspects
        meant = sentinels.look_up(payloads)
        if meant is not None:
            return None, meant
    if unit_code is not None and values[unit_position] != unit_code:
        return None, Quality.DECODE_FAIL
    steps: int | None = raw if quantise is None else quantise(raw)  # type: ignore[arg-type, assignment]
    if steps is None:
        return None, Quality.DECODE_FAIL
    if lowest <= steps <= highest:
        return steps, Quality.GOOD
    return None, Quality.OUT_OF_RANGE


def _compile_channel(channel: ChannelProfile, kind: Kind, order: list[str], sentinels: _Sentinels) -> _Channel:
    return _Channel(
        position=order.index(channel.register),
        quantise=_quantiser(channel, kind),
        lowest_steps=channel.lowest_steps,
        highest_steps=channel.highest_steps,
        sentinels=_exclusions(channel, sentinels),
        unit_position=order.index(channel.unit_register) if channel.unit_register is not None else 0,
        unit_code=channel.unit_code,
    )


def _exclusions(channel: ChannelProfile, sentinels: _Sentinels) -> _Sentinels | _LoopBands | None:
    if channel.loop is not None:
        return _LoopBands(channel.loop, sentinels)
    return sentinels if channel.sentinels else None


def _quantiser(channel: ChannelProfile, kind: Kind) -> Callable[[int], int] | Callable[[float], int | None] | None:
    figures = (channel.scale, channel.resolution, channel.quantity, channel.offset)
    if kind is not Kind.F32:
        return _from_zero(channel.loop, integer_quantiser(*figures))
    steps = range(channel.lowest_steps, channel.highest_steps + 1)
    return in_order(float_quantiser(*figures), channel.scale, channel.resolution, steps, channel.offset)


def _from_zero(loop: CurrentLoop | None, steps_of: Callable[[int], int] | None) -> Callable[[int], int] | None:
    """In a loop, currents of a drifted zero are taken for 4 mA; outside one, ``steps_of`` as it is."""
    if loop is None:
        return steps_of
    zero_raw, from_zero = loop.zero_raw, steps_of or int
    return lambda raw: from_zero(max(raw, zero_raw))


def block_unpacker(block: Block) -> Callable[[bytes], Values]:
    """A function from the block's register bytes to its values, in the order of ``block.registers``."""
    layout = [">"]
    next_address = block.address
    for register in block.registers:
        layout.append(f"{2 * (register.address - next_address)}x{_FORMATS[register.kind]}")
        next_address = register.end
    layout.append(f"{2 * (block.address + block.count - next_address)}x")
    unpack = struct.Struct("".join(layout)).unpack
    permutation = _permutation(block)
    if permutation is None:
        return unpack
    rearrange = itemgetter(*permutation)
    return lambda payload: unpack(bytes(rearrange(payload)))


def _permutation(block: Block) -> list[int] | None:
    """Where each byte of the block comes from when a register is not in ABCD order; None when all are."""
    if all(register.order is WordOrder.ABCD for register in block.registers):
        return None
    permutation = list(range(2 * block.count))
    for register in block.registers:
        if register.kind.words == 2:
            start = 2 * (register.address - block.address)
            permutation[start : start + 4] = [start + index for index in _BYTE_ORDERS[register.order]]
    return permutation


def payload_of(register: Register, block: Block, payload: bytes) -> bytes:
    """The bytes of one register within its block's payload."""
    start = 2 * (register.address - block.address)
    return payload[start : start + 2 * register.kind.words]


def pattern_of(register: Register, block: Block, payload: bytes) -> int:
    """The bits of one register within its block's payload, as one number, word order undone."""
    words = payload_of(register, block, payload)
    if register.kind.words == 2:
        words = bytes(words[index] for index in _BYTE_ORDERS[register.order])
    return int.from_bytes(words, "big")
