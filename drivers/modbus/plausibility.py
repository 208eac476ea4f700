"""What a reading may not do although every register says that it is good: stand in for another device, lie still, leap.

Only profiles that state such a check pay for it. A reading that fails one has no number and is ``device_fault``; the
sentence says which and why. Nothing latches: it is good again as soon as the check holds.
"""

from collections.abc import Sequence
from typing import NamedTuple

from drivers.modbus.decode import Columns, pattern_of
from drivers.modbus.plan import Block
from drivers.modbus.register_map import ChannelProfile, Heartbeat, Identity, Plausible, Profile, Register
from edge.ports.devices import MonotonicMs, Quality

_RATE_WINDOW_MS = 1_000
"""Devices renew their figure about once a second: what changed between two faster polls took a second [D]."""


class Judged(NamedTuple):
    """Columns after the checks, and why something in them is not believed; empty when all of it is."""

    steps: tuple[int | None, ...]
    qualities: tuple[Quality, ...]
    why: str


class _Place(NamedTuple):
    """Where a register lies in the payloads."""

    register: Register
    block_index: int
    block: Block

    def pattern(self, payloads: Sequence[bytes]) -> int:
        return pattern_of(self.register, self.block, payloads[self.block_index])


class Plausibility:
    """The checks of one device. One per device, used by its bus's thread."""

    def __init__(self, profile: Profile, blocks: Sequence[Block]) -> None:
        self._product = profile.product
        self._identities = [(each, _place(each.register, blocks)) for each in profile.identities]
        beat = profile.heartbeat
        self._heartbeat = None if beat is None else _HeartbeatWatch(beat, _place(beat.register, blocks))
        self._channels = [
            (index, _ChannelWatch(channel, channel.plausible))
            for index, channel in enumerate(profile.channels)
            if channel.plausible is not None
        ]

    def judge(self, payloads: Sequence[bytes], columns: Columns, now: MonotonicMs) -> Judged:
        """The columns that ``payloads`` decoded to, asked for at ``now``, without what is not to be believed."""
        steps, qualities = columns
        if Quality.DEVICE_FAULT in qualities and (foreign := self._foreign(payloads)):
            return Judged(steps, qualities, foreign)
        still = "" if self._heartbeat is None else self._heartbeat.stopped(payloads, now)
        if still:
            return Judged((None,) * len(steps), (Quality.DEVICE_FAULT,) * len(steps), still)
        return self._judge_channels(columns, now) if self._channels else Judged(steps, qualities, "")

    def _foreign(self, payloads: Sequence[bytes]) -> str:
        """Why this is another device; the decoder has already refused its readings."""
        found = [identity_mismatch(each, place.register, place.pattern(payloads)) for each, place in self._identities]
        if not any(found):
            return ""
        what = "; ".join(filter(None, found))
        return f"not the {self._product} of this profile: {what}; check model, cable and unit number"

    def _judge_channels(self, columns: Columns, now: MonotonicMs) -> Judged:
        steps, qualities = list(columns[0]), list(columns[1])
        reasons: list[str] = []
        for index, watch in self._channels:
            found = steps[index]
            why = "" if found is None else watch.implausible(found, now)
            if why:
                steps[index], qualities[index] = None, Quality.DEVICE_FAULT
                reasons.append(why)
        return Judged(tuple(steps), tuple(qualities), "; ".join(reasons))


def plausibility_of(profile: Profile, blocks: Sequence[Block]) -> Plausibility | None:
    """The checks that the profile states; None if it states none, so that its devices pay nothing."""
    channels = any(channel.plausible is not None for channel in profile.channels)
    stated = profile.identities or profile.heartbeat is not None or channels
    return Plausibility(profile, blocks) if stated else None


def _place(name: str, blocks: Sequence[Block]) -> _Place:
    return next(
        _Place(register, index, block)
        for index, block in enumerate(blocks)
        for register in block.registers
        if register.name == name
    )


def identity_mismatch(identity: Identity, register: Register, pattern: int) -> str:
    """What is wrong with the identity register that holds ``pattern``; empty if it is as it must be."""
    held = pattern & identity.mask
    if any(held == content for content, _ in identity.allowed):
        return ""
    wanted = " or ".join(f"0x{content:X} ({words})" for content, words in identity.allowed)
    return f"{register.name} ({register.printed}) is 0x{held:X}, not {wanted}"


class _HeartbeatWatch:
    """How long the heartbeat was seen to stand still. Time in which the device was not read proves nothing."""

    def __init__(self, heartbeat: Heartbeat, place: _Place) -> None:
        self._heartbeat = heartbeat
        self._place = place
        self._last: int | None = None
        self._read_at = MonotonicMs(0)
        self._still_ms = 0

    def stopped(self, payloads: Sequence[bytes], now: MonotonicMs) -> str:
        """The sentence, empty while it moves."""
        held = self._place.pattern(payloads) & self._heartbeat.mask
        if held != self._last:
            self._still_ms = 0
        else:
            self._still_ms += min(now - self._read_at, self._heartbeat.moves_every_ms)
        self._last, self._read_at = held, now
        if self._still_ms <= self._heartbeat.still_max_ms:
            return ""
        register = self._place.register
        return f"heartbeat in {register.name} ({register.printed}) stands still; the device no longer measures"


class _ChannelWatch:
    """One channel's movement: where it has stood since when, and its last believed value."""

    def __init__(self, channel: ChannelProfile, plausible: Plausible) -> None:
        self._name = channel.name
        self._plausible = plausible
        self._anchor: int | None = None
        self._anchored_at = MonotonicMs(0)
        self._believed: int | None = None
        self._believed_at = MonotonicMs(0)

    def implausible(self, steps: int, now: MonotonicMs) -> str:
        """The sentence, empty if the value may be what is measured."""
        why = self._leapt(steps, now) or self._frozen(steps, now)
        if not why:
            self._believed, self._believed_at = steps, now
        return why

    def _leapt(self, steps: int, now: MonotonicMs) -> str:
        rate = self._plausible.rate_steps
        if rate is None or self._believed is None:
            return ""
        elapsed_ms = max(now - self._believed_at, _RATE_WINDOW_MS)
        if abs(steps - self._believed) * 1_000 <= rate * elapsed_ms:
            return ""
        return f"{self._name} changed faster than anything that it measures can"

    def _frozen(self, steps: int, now: MonotonicMs) -> str:
        limits = self._plausible
        if limits.frozen_after_ms is None:
            return ""
        moved = self._anchor is None or abs(steps - self._anchor) > limits.noise_steps
        if moved or steps in limits.rests_at:
            self._anchor, self._anchored_at = steps, now
        still_ms = now - self._anchored_at
        if still_ms <= limits.frozen_after_ms:
            return ""
        return f"{self._name} stands still for {still_ms / 1000:g} s: frozen"
