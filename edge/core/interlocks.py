"""Interlocks: what a permit type demands of the readings, judged exactly and always to the safe side."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from edge.core.clock import ClockInterval
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.core.reasons import Reason
from edge.core.rules import Channel, Interlock, Rule, RulePack, Validity, applies_to_gas, good_steps, limit_in_unit

_UNSAFE = {
    Quality.STALE: Reason.READING_STALE,
    Quality.COMM_FAIL: Reason.READING_COMM_FAIL,
    Quality.DECODE_FAIL: Reason.READING_DECODE_FAIL,
    Quality.DEVICE_FAULT: Reason.READING_DEVICE_FAULT,
    Quality.WARMING_UP: Reason.READING_WARMING_UP,
    Quality.INHIBITED: Reason.READING_INHIBITED,
    Quality.OUT_OF_RANGE: Reason.READING_OUT_OF_RANGE,
    Quality.NEVER_READ: Reason.READING_NEVER_READ,
}

LOST = frozenset({Quality.COMM_FAIL})
"""Qualities that say that nothing was heard, as against a device that says that it cannot measure.

``decode_fail`` is none: the frame came whole, and the device put no number of this unit into it (NaN, another unit).
"""


Gusts: TypeAlias = tuple[tuple[int, int], ...]
"""The falling staircase of (taken_at_ms, steps) whose first is the highest of the window."""


@dataclass(frozen=True, slots=True)
class ChannelMemory:
    """What is remembered of one channel between readings.

    ``good_at_ms``: the last good reading; ``settled_from_ms``: since when readings are good without a gap longer than
    the stale limit.
    """

    steps: int | None
    quality: Quality
    taken_at_ms: MonotonicMs | None
    good_at_ms: MonotonicMs | None
    settled_from_ms: MonotonicMs | None
    gusts: Gusts


NEVER = ChannelMemory(None, Quality.NEVER_READ, None, None, None, ())


@dataclass(frozen=True, slots=True)
class Measured:
    """One interlock with what was known of its channel, as ages at the moment of judging: all that ``judge`` needs.

    ``steps`` is the figure that counts (the highest of the window where the rule has one); ``newest`` the last one.
    """

    interlock: Interlock
    steps: int | None
    newest: int | None
    quality: Quality
    age_ms: int | None
    good_age_ms: int | None
    settled_ms: int


@dataclass(frozen=True, slots=True)
class Condition:
    """The verdict on one interlock: ``reason`` None means that it is good."""

    measured: Measured
    reason: Reason | None


def remember(
    memory: ChannelMemory, steps: int | None, quality: Quality, taken_at: MonotonicMs, stale_ms: int
) -> ChannelMemory:
    """The memory after one reading of a channel without a window."""
    if quality is not Quality.GOOD:
        heard = quality in LOST
        return ChannelMemory(
            None, quality, taken_at, memory.good_at_ms, memory.settled_from_ms if heard else None, memory.gusts
        )
    gap = memory.good_at_ms is None or memory.settled_from_ms is None or taken_at - memory.good_at_ms > stale_ms
    settled_from = taken_at if gap else memory.settled_from_ms
    return ChannelMemory(steps, quality, taken_at, taken_at, settled_from, () if gap else memory.gusts)


def remember_gust(gusts: Gusts, steps: int, taken_at: MonotonicMs, window_ms: int) -> Gusts:
    """Fold one good reading into a window's staircase."""
    horizon = taken_at - window_ms
    kept = tuple(gust for gust in gusts if gust[0] > horizon and gust[1] > steps)
    return (*kept, (int(taken_at), steps))


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """The memory of all channels of one device, column by column as in its blocks.

    ``last_word``: while the device does not answer, the last block in which it did; see ``word``.
    """

    newest: BlockRead
    good_at: tuple[MonotonicMs | None, ...]
    settled_from: tuple[MonotonicMs | None, ...]
    gusts: Mapping[str, Gusts]
    last_word: BlockRead | None = None

    @property
    def word(self) -> BlockRead | None:
        """The newest block in which the device answered, whatever it said; None: it has not since the start."""
        return self.newest if answers(self.newest) else self.last_word

    @property
    def heard_at(self) -> MonotonicMs:
        """The time of the newest block, or of the last good reading of a channel that was lost since, if earlier."""
        block = self.newest
        if None not in block.steps:
            return block.taken_at
        known = zip(block.qualities, self.good_at, strict=True)
        return min((block.taken_at, *(good for quality, good in known if quality in LOST and good is not None)))

    def channel(self, name: str) -> ChannelMemory:
        """The memory of one channel, ``NEVER`` if the device has none of that name."""
        block = self.newest
        if name not in block.channels:
            return NEVER
        place = block.channels.index(name)
        return ChannelMemory(
            block.steps[place],
            block.qualities[place],
            block.taken_at,
            self.good_at[place],
            self.settled_from[place],
            self.gusts.get(name, ()),
        )


def answers(block: BlockRead) -> bool:
    """Whether the device said anything in this block, be it that it cannot measure."""
    return any(quality not in LOST for quality in block.qualities)


def remember_block(
    memory: DeviceMemory | None, block: BlockRead, windows: Mapping[str, int], stale_ms: int
) -> DeviceMemory:
    """A device's memory after one block; ``windows`` gives the gust window of channels that have one."""
    count = len(block.channels)
    # The common case by far: good before, good now, no gap. It costs the same for one channel and for ten.
    steady = (
        memory is not None
        and not windows
        and block.qualities == (Quality.GOOD,) * count
        and memory.good_at == (memory.newest.taken_at,) * count
        and block.taken_at - memory.newest.taken_at <= stale_ms
        and None not in memory.settled_from
    )
    if steady and memory is not None:
        return DeviceMemory(block, (block.taken_at,) * count, memory.settled_from, memory.gusts)
    good_at, settled_from, gusts = [], [], {}
    for name, steps, quality in zip(block.channels, block.steps, block.qualities, strict=True):
        before = NEVER if memory is None else memory.channel(name)
        after = remember(before, steps, quality, block.taken_at, stale_ms)
        good_at.append(after.good_at_ms)
        settled_from.append(after.settled_from_ms)
        if name in windows:
            gusts[name] = (
                remember_gust(after.gusts, after.steps, block.taken_at, windows[name])
                if after.steps is not None
                else after.gusts
            )
    last_word = None if memory is None or answers(block) else memory.word
    return DeviceMemory(block, tuple(good_at), tuple(settled_from), gusts, last_word)


def measure(interlock: Interlock, device: DeviceMemory | None, now_ms: MonotonicMs) -> Measured:
    """What is known about an interlock now, in ages. ``device`` None: it was never read."""
    memory = NEVER if device is None else device.channel(interlock.channel)
    steps = memory.steps
    if interlock.window_ms and steps is not None:
        horizon = now_ms - interlock.window_ms
        steps = max(chain((steps,), (gust for at, gust in memory.gusts if at > horizon)))
    return Measured(
        interlock=interlock,
        steps=steps,
        newest=memory.steps,
        quality=memory.quality,
        age_ms=None if memory.taken_at_ms is None else now_ms - memory.taken_at_ms,
        good_age_ms=None if memory.good_at_ms is None else now_ms - memory.good_at_ms,
        settled_ms=0 if memory.settled_from_ms is None else max(0, now_ms - memory.settled_from_ms),
    )


def judge(measured: Measured) -> Condition:
    """The verdict for entry. Anything but a fresh, settled, good reading inside the limits fails."""
    interlock = measured.interlock
    too_old = measured.good_age_ms is None or measured.good_age_ms > interlock.stale_ms
    if measured.quality is not Quality.GOOD:
        lost_long = measured.quality in LOST and measured.good_age_ms is not None and too_old
        return Condition(measured, Reason.READING_STALE if lost_long else _UNSAFE[measured.quality])
    if measured.steps is None or too_old:
        return Condition(measured, Reason.READING_STALE)
    if over(interlock, measured.steps):
        return Condition(measured, interlock.code)
    if measured.settled_ms < max(interlock.settle_ms, interlock.window_ms):
        return Condition(measured, Reason.READING_SETTLING)
    return Condition(measured, None)


Bounds: TypeAlias = tuple[tuple[int, int, int], ...]
"""Of each interlock on a device: its channel's place in the device's blocks, the lowest and the highest good steps."""

_UNBOUNDED = 1 << 63


def bounds_of(interlocks: Iterable[Interlock], channels: tuple[str, ...]) -> Bounds | None:
    """The bounds of interlocks of one device whose blocks have these channels; None if a block alone decides nothing.

    A gust is judged over its window.
    """
    bounds = []
    for each in interlocks:
        if each.window_ms or each.channel not in channels:
            return None
        lowest = -_UNBOUNDED if each.lowest_good is None else each.lowest_good
        highest = _UNBOUNDED if each.highest_good is None else each.highest_good
        bounds.append((channels.index(each.channel), lowest, highest))
    return tuple(bounds)


def carries(bounds: Bounds, block: BlockRead) -> bool:
    """Whether a fresh block alone shows that nothing trips: every bound reading good and inside its limits.

    The short way for the thousands of readings that are so; never true where ``trips(judge(measure(...)))`` is. False
    says nothing: what is lost or crossed is left to the long way.
    """
    steps = block.steps
    for place, lowest, highest in bounds:
        value = steps[place]
        if value is None or not lowest <= value <= highest:
            return False
    return True


def over(interlock: Interlock, steps: int) -> bool:
    """Whether a figure is outside the interlock's limits."""
    too_high = interlock.highest_good is not None and steps > interlock.highest_good
    too_low = interlock.lowest_good is not None and steps < interlock.lowest_good
    return too_high or too_low


def trips(condition: Condition) -> bool:
    """Whether a running permit must stop for this condition.

    A value over its limit, or a device that says that it cannot measure, trips at once. A poll that failed does not:
    the last good reading carries until it is stale. Settling is a condition of entry only.
    """
    measured = condition.measured
    if condition.reason in (None, Reason.READING_SETTLING):
        return False
    if measured.quality in LOST and measured.good_age_ms is not None:
        return measured.good_age_ms > measured.interlock.stale_ms
    return True


def bind(
    packs: tuple[RulePack, ...],
    permit_type: str,
    channels: tuple[Channel, ...],
    timing: "Timing",
    *,
    ex: bool = True,
    open_air: bool = False,
) -> "Demands":
    """What packs demand of a permit type on the channels that an area has; ``ex``: it is an explosive one.

    ``open_air``: a rule about open air asks there for what it measures.

    All versions may be bound at once: ``Demands`` tells them apart. Raises RulePackError if a channel cannot be judged
    by a rule (unknown gas, no conversion).
    """
    interlocks: list[Interlock] = []
    missing: set[tuple[str, str]] = set()
    rules = [
        (pack, rule)
        for pack in packs
        for rule in pack.rules
        if permit_type in rule.permit_types and (ex or not rule.where_ex)
    ]
    for pack, rule in rules:
        fitted = [each for each in channels if each.quantity == rule.quantity and rule.gas in (None, each.gas)]
        if not fitted and not may_lack(rule, open_air):
            missing.add((measured_by(rule), rule_name(pack, rule)))
        judged = [channel for channel in fitted if applies_to_gas(pack, rule, channel)]
        manual = permit_type in rule.manual
        interlocks.extend(_interlock(pack, rule, channel, timing, manual) for channel in judged)
    held = {rule_name(pack, rule): Term(pack.name, rule.validity) for pack, rule in rules}
    return Demands(tuple(interlocks), tuple(sorted(missing)), held)


def may_lack(rule: Rule, open_air: bool) -> bool:
    """Whether a rule asks nothing of an area that has no instrument for it."""
    return rule.where_fitted and not (rule.open_air and open_air)


def rule_name(pack: RulePack, rule: Rule) -> str:
    """``pack/version/rule``: by it the version of the pack stands in every condition and trip."""
    return f"{pack.name}/{rule.rule}"


def measured_by(rule: Rule) -> str:
    """What a rule needs measured: its quantity, with the gas if it is about one."""
    return rule.quantity if rule.gas is None else f"{rule.quantity} ({rule.gas})"


def _interlock(pack: RulePack, rule: Rule, channel: Channel, timing: "Timing", manual: bool) -> Interlock:
    lowest, highest = good_steps(rule, limit_in_unit(pack, rule, channel), channel.resolution)
    wind = channel.quantity == "wind_speed"
    return Interlock(
        interlock=f"{rule_name(pack, rule)}@{channel.name}",
        rule=rule_name(pack, rule),
        clause=rule.clause,
        device=channel.device,
        channel=channel.channel,
        unit=channel.unit,
        resolution=channel.resolution,
        lowest_good=lowest,
        highest_good=highest,
        code=rule.code,
        window_ms=timing.gust_window_ms if wind else 0,
        settle_ms=0 if wind else max(timing.settle_ms, channel.settle_ms),
        stale_ms=timing.stale_ms,
        manual=manual,
    )


@dataclass(frozen=True, slots=True)
class Timing:
    """How long readings must settle, may age, and how long a gust counts, in milliseconds."""

    settle_ms: int
    stale_ms: int
    gust_window_ms: int


@dataclass(frozen=True, slots=True)
class Term:
    """Of one rule: the version of the pack that it stands in, and from when to when it holds there."""

    edition: str
    validity: Validity


@dataclass(frozen=True, slots=True)
class Demands:
    """The interlocks of one permit type in one area, and what nothing there measures, as (quantity, rule).

    ``terms`` tells of each rule, by its name, when it holds. All versions of the area's packs are in it.
    """

    interlocks: tuple[Interlock, ...]
    missing: tuple[tuple[str, str], ...]
    terms: Mapping[str, Term]

    def in_force(self, editions: Container[str], clock: ClockInterval) -> "Demands":
        """Those of these versions, by rules that hold now, or may."""
        held = {rule for rule, term in self.terms.items() if term.edition in editions and term.validity.may_hold(clock)}
        if len(held) == len(self.terms):
            return self
        interlocks = tuple(each for each in self.interlocks if each.rule in held)
        return Demands(interlocks, tuple(each for each in self.missing if each[1] in held), self.terms)

    def on(self, device: str) -> tuple[Interlock, ...]:
        """The interlocks of one device, whether they hold yet or not."""
        return tuple(each for each in self.interlocks if each.device == device)

    def quantities(self) -> tuple[str, ...]:
        """What nothing measures, each once."""
        return tuple(dict.fromkeys(quantity for quantity, _ in self.missing))


NO_DEMANDS = Demands((), (), {})
"""Of a permit that is for elsewhere, or of a type that no pack of the area knows."""
