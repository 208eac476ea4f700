"""Rule packs: dated limits as data, with clause and source mark, and what they mean on a channel of this site.

Everything is exact: limits are decimals, and ``bind`` turns them into whole steps of the channel's resolution, so that
judging a reading is an integer comparison. How a pack is written is the business of ``edge.rules``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from edge.core.clock import ClockInterval
from edge.core.codec import LATER
from edge.core.distances import DistanceRule
from edge.core.gases import GAS_UNITS, Gas, limit_in
from edge.core.heights import HeightRow
from edge.core.reasons import Reason

_SECOND_MS = 1_000
_CHINA = timezone(timedelta(hours=8))


class RulePackError(ValueError):
    """A rule that cannot be judged here; the text names the rule, what is wrong and what would do."""


@dataclass(frozen=True, slots=True)
class PermitType:
    """What a type of work demands besides readings. ``certificates``: any one of these trades; empty: none.

    ``validity_ms``: the longest that a permit of this type holds; ``break_ms``: the longest break without a new
    analysis; ``record_ms``: how often readings are recorded; ``sample_ms``: the longest time from a sample at a point
    of the permit to the start of work; None where the standard sets no time. ``daily_analysis``: one each day.
    ``approver``: who approves it. ``heights``: the table that grades work at height, empty: none does.
    ``one_blind``: such a permit is one blind and one operation, and alone on its pipe. ``confirm``: what must be
    confirmed before work, see ``edge.core.confirmations``.
    """

    code: str
    name_zh: str
    name_en: str
    certificates: tuple[str, ...]
    guardian: bool
    harness: bool
    clause: str
    mark: str
    validity_ms: int | None = field(default=None, metadata=LATER)
    break_ms: int | None = field(default=None, metadata=LATER)
    daily_analysis: bool = field(default=False, metadata=LATER)
    record_ms: int | None = field(default=None, metadata=LATER)
    approver_zh: str = field(default="", metadata=LATER)
    approver_en: str = field(default="", metadata=LATER)
    heights: tuple[HeightRow, ...] = field(default=(), metadata=LATER)
    one_blind: bool = field(default=False, metadata=LATER)
    confirm: tuple[str, ...] = field(default=(), metadata=LATER)
    sample_ms: int | None = field(default=None, metadata=LATER)

    def end_ms(self, begins_ms: int, ends_ms: int) -> int:
        """When a permit of this type ends, exclusive: at its own end, or once it has held as long as its type allows.

        The second at which that time is full is the last one, as with a permit's own end.
        """
        return ends_ms if self.validity_ms is None else min(ends_ms, begins_ms + self.validity_ms + _SECOND_MS)


@dataclass(frozen=True, slots=True)
class Validity:
    """From when on something holds, and until when, UTC ms, the end exclusive; None: no end."""

    since_ms: int
    until_ms: int | None

    def may_hold(self, clock: ClockInterval) -> bool:
        """True if it holds at some instant of the interval: in doubt it does."""
        return self.may_have_begun(clock) and not self.over(clock.lo_ms)

    def may_have_begun(self, clock: ClockInterval) -> bool:
        """True if it holds, or has held, at some instant of the interval."""
        return clock.hi_ms is None or clock.hi_ms >= self.since_ms

    def over(self, instant_ms: int) -> bool:
        """True if it has ended at that instant."""
        return self.until_ms is not None and self.until_ms <= instant_ms


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit of one quantity for some permit types, valid from ``since`` on (and before ``until`` if set).

    Both are days of the calendar in China and begin at 00:00 +08:00. ``limit`` None: each gas has its own, from the
    pack's table. ``gas``: only for detectors of that gas, and one must be there. ``where_fitted``: only where something
    measures it, or, of an ``open_air`` rule, where the area is in the open air; ``where_ex``: only in explosive areas.
    ``alarm``: code of AQ 3064.2-2025 A.4, where one fits.
    ``manual``: the permit types for which a named person may stand in for an instrument that does not answer.
    """

    rule: str
    clause: str
    mark: str
    since: date
    until: date | None
    permit_types: frozenset[str]
    quantity: str
    limit: Decimal | None
    unit: str
    bound: Literal["highest", "lowest"]
    inclusive: bool
    code: Reason
    alarm: str | None
    gas: str | None
    gas_lel_from: Decimal | None
    gas_lel_below: Decimal | None
    where_fitted: bool
    open_air: bool
    where_ex: bool
    words_zh: str
    words_en: str
    manual: frozenset[str] = frozenset()

    @property
    def validity(self) -> Validity:
        """When the rule holds."""
        return validity(self.since, self.until)


def validity(since: date, until: date | None) -> Validity:
    """The instants from the beginning of one day in China to that of another."""
    return Validity(_midnight_ms(since), None if until is None else _midnight_ms(until))


def _midnight_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=_CHINA).timestamp()) * 1000


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Something that the standard demands of some permit types and no instrument here can show: people keep it."""

    demand: str
    clause: str
    mark: str
    permit_types: frozenset[str]
    alarm: str | None
    words_zh: str
    words_en: str


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade in words; ``trade`` is how permit types and certificates name it."""

    trade: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class RulePack:
    """One version of one standard as data, in force from ``since`` on (and before ``until`` if set).

    ``molar_volume``, L/mol, ties ppm to mg/m3. ``trades`` gives words to trades of its permit types, maybe not to all.
    """

    pack: str
    version: int
    title_zh: str
    title_en: str
    since: date
    until: date | None
    molar_volume: Decimal
    molar_volume_mark: str
    permit_types: Mapping[str, PermitType]
    rules: tuple[Rule, ...]
    gases: Mapping[str, Gas]
    unjudged: tuple[Unjudged, ...]
    distances: tuple[DistanceRule, ...] = ()
    trades: tuple[Trade, ...] = ()

    @property
    def name(self) -> str:
        """``pack/version``, as decisions and trips record it."""
        return f"{self.pack}/{self.version}"


def hollow(pack: str, version: int, since: date) -> RulePack:
    """A version of which no more is known than that it holds from that day on: it has no permit types, and no rules."""
    return RulePack(pack, version, "", "", since, None, Decimal(1), "D", {}, (), {}, ())


def terms(versions: Sequence[RulePack]) -> dict[str, Validity]:
    """When each version of each pack speaks, by its name: until its own end, or until a later version begins."""
    found: dict[str, Validity] = {}
    for pack in dict.fromkeys(each.pack for each in versions):
        ordered = sorted((each for each in versions if each.pack == pack), key=lambda each: each.since)
        for held, later in pairwise([*ordered, None]):
            assert held is not None
            ends = [day for day in (held.until, None if later is None else later.since) if day is not None]
            found[held.name] = validity(held.since, min(ends, default=None))
    return found


def without_longest_time(pack: RulePack) -> RulePack:
    """The same pack, but no permit ends by its type: for simulated sites, whose records may hold for years."""
    types = {code: replace(each, validity_ms=None) for code, each in pack.permit_types.items()}
    return replace(pack, permit_types=types)


def strictest(known: Sequence[PermitType]) -> PermitType | None:
    """What several packs or versions demand of one permit type together, as the first names it; None: none knows it.

    Where no trade satisfies two of them the later one's count: that two packs of an area agree was checked before.
    """
    if not known:
        return None
    together = known[0]
    for each in known[1:]:
        trades = tuple(trade for trade in together.certificates if trade in each.certificates)
        together = replace(
            together,
            certificates=trades or each.certificates or together.certificates,
            guardian=together.guardian or each.guardian,
            harness=together.harness or each.harness,
            validity_ms=_shortest(together.validity_ms, each.validity_ms),
            break_ms=_shortest(together.break_ms, each.break_ms),
            daily_analysis=together.daily_analysis or each.daily_analysis,
            record_ms=_shortest(together.record_ms, each.record_ms),
            one_blind=together.one_blind or each.one_blind,
            confirm=tuple(dict.fromkeys((*together.confirm, *each.confirm))),
            heights=tuple(dict.fromkeys((*together.heights, *each.heights))),
            sample_ms=_shortest(together.sample_ms, each.sample_ms),
        )
    return together


def _shortest(*times_ms: int | None) -> int | None:
    return min((each for each in times_ms if each is not None), default=None)


@dataclass(frozen=True, slots=True)
class Channel:
    """One measured quantity of one device: its unit, its resolution (exact decimal) and the gas that it is set to.

    ``settle_ms``: how long this instrument must have been good before a reading of it counts.
    """

    device: str
    channel: str
    quantity: str
    unit: str
    resolution: str
    gas: str | None
    settle_ms: int = 0

    @property
    def name(self) -> str:
        """``device.channel``, unique on a site."""
        return f"{self.device}.{self.channel}"


@dataclass(frozen=True, slots=True)
class Interlock:
    """One rule on one channel: readings in ``[lowest_good, highest_good]`` steps pass; None: that side is open.

    ``window_ms`` > 0: the highest reading of that window counts (gusts); ``settle_ms``: how long readings must have
    been good before one counts; ``stale_ms``: the oldest reading that still counts. ``manual``: a named person may
    stand in for the instrument while it does not answer.
    """

    interlock: str
    rule: str
    clause: str
    device: str
    channel: str
    unit: str
    resolution: str
    lowest_good: int | None
    highest_good: int | None
    code: Reason
    window_ms: int
    settle_ms: int
    stale_ms: int
    manual: bool = field(default=False, metadata=LATER)


def limit_in_unit(pack: RulePack, rule: Rule, channel: Channel) -> Fraction:
    """The rule's limit in the channel's unit, exactly. Raises RulePackError where no conversion is known."""
    if rule.limit is not None and rule.unit == channel.unit:
        return Fraction(rule.limit)
    impossible = f"{rule.rule}: no conversion from {rule.unit} to {channel.unit} of channel {channel.name}"
    if rule.bound == "lowest" or not {rule.unit, channel.unit} <= GAS_UNITS:
        raise RulePackError(impossible)
    gas = gas_of(pack, channel)
    own = gas.occupational()
    limit = rule.limit if rule.limit is not None else None if own is None else own[1]
    if limit is None:
        raise RulePackError(f"{rule.rule}: the pack has no limit of {gas.gas} for channel {channel.name}")
    found = limit_in(Fraction(limit), (rule.unit, channel.unit), gas, pack.molar_volume)
    if found is None:
        raise RulePackError(impossible)
    return found


def gas_of(pack: RulePack, channel: Channel) -> Gas:
    """What the pack knows of the channel's gas. Raises RulePackError for a gas that it does not know."""
    gas = pack.gases.get(channel.gas or "")
    if gas is None:
        allowed = ", ".join(sorted(pack.gases))
        raise RulePackError(
            f"{channel.name}: gas {channel.gas!r} is not in the rule pack {pack.pack}; one of: {allowed}"
        )
    return gas


def applies_to_gas(pack: RulePack, rule: Rule, channel: Channel) -> bool:
    """Whether the rule is about the channel's gas: the one that it names, or its class of explosive limits.

    Of several listed explosive limits the lowest counts, which puts a gas into the stricter class.
    """
    if rule.gas is not None and rule.gas != channel.gas:
        return False
    if rule.gas_lel_from is None and rule.gas_lel_below is None:
        return True
    gas = gas_of(pack, channel)
    if not gas.lel_vol:
        raise RulePackError(f"{rule.rule}: no lower explosive limit of {gas.gas} is known for channel {channel.name}")
    lel_vol = min(gas.lel_vol)
    above = rule.gas_lel_from is None or lel_vol >= rule.gas_lel_from
    return above and (rule.gas_lel_below is None or lel_vol < rule.gas_lel_below)


def good_steps(rule: Rule, limit: Fraction, resolution: str) -> tuple[int | None, int | None]:
    """The lowest and highest whole step that passes; a limit between two steps is rounded to the safe side."""
    steps = limit / Fraction(Decimal(resolution))
    if rule.bound == "highest":
        highest = steps.numerator // steps.denominator
        if not rule.inclusive and highest == steps:
            highest -= 1
        return None, highest
    lowest = -(-steps.numerator // steps.denominator)
    if not rule.inclusive and lowest == steps:
        lowest += 1
    return lowest, None
