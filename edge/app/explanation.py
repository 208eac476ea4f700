"""What applies to a permit here now, and why: one value, made from the site, the permit and what the daemon reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from edge.core.clock import ClockInterval
from edge.core.distances import DistanceRule
from edge.core.facts import Permit
from edge.core.gases import Gas
from edge.core.interlocks import may_lack, rule_name
from edge.core.permit_facts import facts_failing
from edge.core.reasons import Reason
from edge.core.rules import Channel, Interlock, PermitType, Rule, RulePack, Unjudged, limit_in_unit
from edge.core.site import AreaPlan, Edition, permit_type_of


@dataclass(frozen=True, slots=True)
class ExplainedCondition:
    """One limit on one channel. ``here``: the limit in the channel's unit, exactly; ``stricter``: the names of rules
    on the same channel that are stricter, or as strict and named before; empty: this one decides."""

    pack: RulePack
    rule: Rule
    interlock: Interlock
    gas: Gas | None
    here: Fraction
    stricter: tuple[str, ...]
    reading: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ExplainedArea:
    """One area of a permit. ``missing``: rules that ask for a reading and nothing here gives it, so nobody enters;
    ``unfitted``: rules that would hold if it were measured; ``later``: versions at hand that do not speak yet;
    ``facts``: why what HQ says of the work itself is not enough; ``distances``: the rules that keep other work away."""

    area: str
    ex: bool
    packs: tuple[RulePack, ...]
    permit_type: PermitType | None
    ends_ms: int
    conditions: tuple[ExplainedCondition, ...]
    missing: tuple[tuple[RulePack, Rule], ...]
    unfitted: tuple[tuple[RulePack, Rule], ...]
    unjudged: tuple[tuple[RulePack, Unjudged], ...]
    later: tuple[Edition, ...]
    facts: tuple[tuple[Reason, str | None], ...]
    distances: tuple[tuple[str, DistanceRule], ...]


@dataclass(frozen=True, slots=True)
class Ground:
    """What an explanation rests on: the time, the versions that the work keeps, the daemon's readings by condition.

    ``permit_facts``: HQ must say what a permit is judged by; ``confirmed``: what was confirmed on site.
    """

    clock: ClockInterval
    kept: tuple[str, ...]
    readings: Mapping[str, Mapping[str, Any]]
    permit_facts: bool = False
    confirmed: tuple[str, ...] = ()


def explain_area(
    plan: AreaPlan, packs: tuple[RulePack, ...], channels: tuple[Channel, ...], permit: Permit, ground: Ground
) -> ExplainedArea:
    """What applies to a permit in one area; ``packs`` are all versions at hand there, ``channels`` what it has."""
    speaking = plan.speaking(ground.clock, ground.kept)
    names = [each.name for each in speaking]
    code = permit.permit_type
    held = [pack for pack in packs if pack.name in names]
    rules = [
        (pack, rule)
        for pack in held
        for rule in pack.rules
        if code in rule.permit_types and rule.validity.may_hold(ground.clock) and (plan.ex or not rule.where_ex)
    ]
    demands = plan.demanded(code, speaking, ground.clock)
    missing = {rule for _, rule in demands.missing}
    known, ends_ms = permit_type_of(code, speaking), permit.not_after_ms
    return ExplainedArea(
        area=plan.area,
        ex=plan.ex,
        packs=tuple(held),
        permit_type=known,
        ends_ms=ends_ms if known is None else known.end_ms(permit.not_before_ms, ends_ms),
        conditions=_conditions(demands.interlocks, rules, channels, ground),
        missing=tuple(each for each in rules if rule_name(*each) in missing),
        unfitted=tuple(each for each in rules if _unfitted(each[1], channels, plan.open_air)),
        unjudged=tuple((pack, each) for pack in held for each in pack.unjudged if code in each.permit_types),
        later=tuple(each for each in plan.editions if each.name not in names and _begins(each, ground.clock)),
        facts=facts_failing(permit, known, ground.confirmed, ground.permit_facts),
        distances=tuple(
            (f"{pack.name}/{rule.rule}", rule)
            for pack in held
            for rule in pack.distances
            if rule.first(permit) or rule.second(permit)
        ),
    )


def _conditions(
    interlocks: tuple[Interlock, ...],
    rules: list[tuple[RulePack, Rule]],
    channels: tuple[Channel, ...],
    ground: Ground,
) -> tuple[ExplainedCondition, ...]:
    by_name = {rule_name(pack, rule): (pack, rule) for pack, rule in rules}
    by_channel = {each.name: each for each in channels}
    found = []
    for each in interlocks:
        pack, rule = by_name[each.rule]
        channel = by_channel[f"{each.device}.{each.channel}"]
        same = [other for other in interlocks if (other.device, other.channel) == (each.device, each.channel)]
        found.append(
            ExplainedCondition(
                pack=pack,
                rule=rule,
                interlock=each,
                gas=None if channel.gas is None else pack.gases.get(channel.gas),
                here=limit_in_unit(pack, rule, channel),
                stricter=tuple(other.rule for other in same if _before(other, each, same)),
                reading=ground.readings.get(each.interlock),
            )
        )
    return tuple(found)


def _before(other: Interlock, each: Interlock, order: list[Interlock]) -> bool:
    """Whether another limit at the same end of the same channel decides before this one does."""
    if each.highest_good is not None and other.highest_good is not None:
        room = other.highest_good - each.highest_good
    elif each.lowest_good is not None and other.lowest_good is not None:
        room = each.lowest_good - other.lowest_good
    else:
        return False
    return room < 0 or (room == 0 and order.index(other) < order.index(each))


def _unfitted(rule: Rule, channels: tuple[Channel, ...], open_air: bool) -> bool:
    fitted = any(each.quantity == rule.quantity and rule.gas in (None, each.gas) for each in channels)
    return may_lack(rule, open_air) and not fitted


def _begins(edition: Edition, clock: ClockInterval) -> bool:
    return not edition.validity.over(clock.lo_ms)
