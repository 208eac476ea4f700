"""Rule packs: dated limits as data, with clause and source mark, and what they mean on a channel of this site.

Everything is exact: limits are decimals, and ``bind`` turns them into whole steps of the channel's resolution, so that
judging a reading is an integer comparison.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Literal

from edge.core.clock import ClockInterval
from edge.core.reasons import Reason

_MARKS = frozenset({"V", "V2", "U", "D"})
_CHINA = timezone(timedelta(hours=8))
_UNITS = frozenset({"%vol", "%LEL", "m/s"})


class RulePackError(ValueError):
    """A rule pack that cannot be used; the text names pack, table, key and what is allowed."""


@dataclass(frozen=True, slots=True)
class PermitType:
    """What a type of work demands besides readings. ``certificates``: any one of these trades; empty: none."""

    code: str
    name_zh: str
    name_en: str
    certificates: tuple[str, ...]
    guardian: bool
    harness: bool
    clause: str
    mark: str


@dataclass(frozen=True, slots=True)
class Validity:
    """From when on a rule holds, and until when, UTC ms, the end exclusive; None: no end."""

    since_ms: int
    until_ms: int | None

    def may_hold(self, clock: ClockInterval) -> bool:
        """True if the rule holds at some instant of the interval: in doubt it does."""
        begun = clock.hi_ms is None or clock.hi_ms >= self.since_ms
        return begun and (self.until_ms is None or clock.lo_ms < self.until_ms)

    def holds_from(self, instant_ms: int) -> bool:
        """True if the rule holds at that instant and ever after."""
        return self.since_ms <= instant_ms and self.until_ms is None


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit of one quantity for some permit types, valid from ``since`` on (and before ``until`` if set).

    Both are days of the calendar in China and begin at 00:00 +08:00.
    """

    rule: str
    clause: str
    mark: str
    since: date
    until: date | None
    permit_types: frozenset[str]
    quantity: str
    limit: Decimal
    unit: str
    bound: Literal["highest", "lowest"]
    inclusive: bool
    code: Reason
    gas_lel_from: Decimal | None
    gas_lel_below: Decimal | None
    where_fitted: bool
    words_zh: str
    words_en: str

    @property
    def validity(self) -> Validity:
        """When the rule holds."""
        return Validity(_midnight_ms(self.since), None if self.until is None else _midnight_ms(self.until))


def _midnight_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=_CHINA).timestamp()) * 1000


@dataclass(frozen=True, slots=True)
class RulePack:
    """One standard as data. ``gases`` gives each gas's highest listed lower explosive limit in %vol."""

    pack: str
    version: int
    title_zh: str
    title_en: str
    permit_types: Mapping[str, PermitType]
    rules: tuple[Rule, ...]
    gases: Mapping[str, Decimal]


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
    been good before one counts; ``stale_ms``: the oldest reading that still counts.
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


def limit_in_unit(rule: Rule, channel: Channel, gases: Mapping[str, Decimal]) -> Fraction:
    """The rule's limit in the channel's unit, exactly. Raises RulePackError where no conversion is known.

    %vol to %LEL divides by the named gas's highest listed LEL, which gives the lowest limit.
    """
    limit = Fraction(rule.limit)
    if rule.unit == channel.unit:
        return limit
    if rule.unit == "%vol" and channel.unit == "%LEL":
        return limit / Fraction(_lel_vol(channel, gases)) * 100
    raise RulePackError(f"{rule.rule}: no conversion from {rule.unit} to {channel.unit} of channel {channel.name}")


def _lel_vol(channel: Channel, gases: Mapping[str, Decimal]) -> Decimal:
    lel_vol = gases.get(channel.gas or "")
    if lel_vol is None:
        allowed = ", ".join(sorted(gases))
        raise RulePackError(f"{channel.name}: gas {channel.gas!r} is not in the rule pack; one of: {allowed}")
    return lel_vol


def applies_to_gas(rule: Rule, channel: Channel, gases: Mapping[str, Decimal]) -> bool:
    """Whether the rule's gas class (lower explosive limit from / below) holds for the channel's gas."""
    if rule.gas_lel_from is None and rule.gas_lel_below is None:
        return True
    lel_vol = _lel_vol(channel, gases)
    above = rule.gas_lel_from is None or lel_vol >= rule.gas_lel_from
    below = rule.gas_lel_below is None or lel_vol < rule.gas_lel_below
    return above and below


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


def parse_pack(table: Mapping[str, Any]) -> RulePack:
    """A rule pack from its TOML tables, strictly. Raises RulePackError naming the table and key."""
    pack = _fields(table, "top level", required={"pack", "permit_type", "rule", "gas"})
    head = _fields(pack["pack"], "[pack]", required={"id", "title_zh", "title_en", "version", "from"})
    permit_types = [_permit_type(each) for each in pack["permit_type"]]
    rules = tuple(_rule(each) for each in pack["rule"])
    gases = {each["id"]: _decimal(each["lel_vol"], f"[[gas]] {each['id']}: lel_vol") for each in map(_gas, pack["gas"])}
    return RulePack(
        pack=head["id"],
        version=head["version"],
        title_zh=head["title_zh"],
        title_en=head["title_en"],
        permit_types={each.code: each for each in permit_types},
        rules=rules,
        gases=gases,
    )


def _gas(table: Mapping[str, Any]) -> Mapping[str, Any]:
    return _fields(table, "[[gas]]", required={"id", "lel_vol", "mark"})


def _permit_type(table: Mapping[str, Any]) -> PermitType:
    names = {"code", "name_zh", "name_en", "certificates", "guardian", "harness", "clause", "mark"}
    values = _fields(table, "[[permit_type]]", required=names)
    return PermitType(**{**values, "certificates": tuple(values["certificates"])})


_RULE_REQUIRED = frozenset(
    [
        "id",
        "clause",
        "mark",
        "from",
        "permit_types",
        "quantity",
        "limit",
        "unit",
        "bound",
        "inclusive",
        "code",
        "words_zh",
        "words_en",
    ]
)
_RULE_OPTIONAL = frozenset({"until", "gas_lel_from", "gas_lel_below", "where_fitted"})


def _rule(table: Mapping[str, Any]) -> Rule:
    place = f"[[rule]] {table.get('id', '?')}"
    values = _fields(table, place, required=_RULE_REQUIRED, optional=_RULE_OPTIONAL)
    if values["unit"] not in _UNITS:
        raise RulePackError(f"{place}: unit: {values['unit']!r}; one of: {', '.join(sorted(_UNITS))}")
    if values["bound"] not in ("highest", "lowest"):
        raise RulePackError(f"{place}: bound: {values['bound']!r}; one of: highest, lowest")
    lel_from, lel_below = values.get("gas_lel_from"), values.get("gas_lel_below")
    return Rule(
        rule=values["id"],
        clause=values["clause"],
        mark=values["mark"],
        since=values["from"],
        until=values.get("until"),
        permit_types=frozenset(values["permit_types"]),
        quantity=values["quantity"],
        limit=_decimal(values["limit"], f"{place}: limit"),
        unit=values["unit"],
        bound=values["bound"],
        inclusive=values["inclusive"],
        code=_reason(values["code"], place),
        gas_lel_from=None if lel_from is None else _decimal(lel_from, f"{place}: gas_lel_from"),
        gas_lel_below=None if lel_below is None else _decimal(lel_below, f"{place}: gas_lel_below"),
        where_fitted=values.get("where_fitted", False),
        words_zh=values["words_zh"],
        words_en=values["words_en"],
    )


def _reason(code: str, place: str) -> Reason:
    try:
        return Reason(code)
    except ValueError:
        raise RulePackError(f"{place}: code: {code!r} is not a reason code") from None


def _fields(
    table: Mapping[str, Any], place: str, *, required: frozenset[str] | set[str], optional: frozenset[str] = frozenset()
) -> Mapping[str, Any]:
    missing, unknown = required - table.keys(), table.keys() - required - optional
    if missing or unknown:
        raise RulePackError(f"{place}: missing {sorted(missing)}, unknown {sorted(unknown)}")
    mark = table.get("mark")
    if mark is not None and mark not in _MARKS:
        raise RulePackError(f"{place}: mark: {mark!r}; one of: {', '.join(sorted(_MARKS))}")
    return table


def _decimal(text: Any, place: str) -> Decimal:
    try:
        value = Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite():
        raise RulePackError(f'{place}: {text!r}; an exact decimal in quotes, such as "0.5"')
    return value
