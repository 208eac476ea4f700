"""Holds a pack's toxic gases against their floors: no pack lets more of a gas pass, in mg/m3 or in ppm."""

from collections.abc import Iterable
from datetime import date

from edge.config_table import Table
from edge.config_wording import listed
from edge.core.gases import Gas
from edge.core.rules import Rule, RulePack
from edge.rules.floors import ToxicLimit, days_of_change, toxic_limits

_KEY_OF = {"MAC": "mac", "PC-STEL": "stel", "PC-TWA": "twa"}


def check_toxic(pack: RulePack, gases: Iterable[tuple[Gas, Table]], place: Table) -> None:
    """Note every figure of a gas that lets more of it pass than its floor, and every gas left unjudged some day.

    ``place`` is the pack's own table, where its molar volume and its rules as a whole are found wrong.
    """
    floor, limits = toxic_limits()
    if pack.molar_volume > floor.molar_volume and place.good("molar_volume"):
        what = f"{pack.molar_volume} L/mol is laxer than the floor {floor.floor} ({floor.clause})"
        most = f"{floor.molar_volume} [{floor.molar_volume_mark}]"
        place.refuse("molar_volume", f"{what}: more ppm would pass; give at most {most}")
    for gas, table in gases:
        limit = limits.get(gas.gas)
        if limit is not None and table.good("id"):
            _check_limit(gas, limit, table)
            _check_mass(gas, limit, table)
    _check_judged(pack, place)


def _check_limit(gas: Gas, limit: ToxicLimit, table: Table) -> None:
    if not table.good(*_KEY_OF.values()):
        return
    own = gas.occupational()
    if own is None:
        what = f"missing, and stel and twa too: {gas.gas} has a floor ({limit.clause}) and would pass unjudged"
        table.refuse("mac", f"{what}; give one of at most {limit.limit} mg/m3")
    elif own[1] > limit.limit:
        what = f"{own[1]} mg/m3 decides on {gas.gas} and is laxer than its floor ({limit.clause})"
        table.refuse(_KEY_OF[own[0]], f"{what}; give at most {limit.limit}")


def _check_mass(gas: Gas, limit: ToxicLimit, table: Table) -> None:
    if gas.molar_mass is not None and table.good("molar_mass") and gas.molar_mass < limit.molar_mass:
        what = f"{gas.molar_mass} g/mol is laxer than the floor of {gas.gas} ({limit.clause})"
        table.refuse("molar_mass", f"{what}: more ppm would pass; give at least {limit.molar_mass}")


def _check_judged(pack: RulePack, place: Table) -> None:
    floor, limits = toxic_limits()
    gases = pack.gases.keys() & limits.keys()
    for code in sorted(floor.permit_types & pack.permit_types.keys()):
        stating = [each for each in pack.rules if _by_own_limit(each) and code in each.permit_types]
        for day in days_of_change(pack, stating):
            left = sorted(gas for gas in gases if not any(_judges(each, gas, day) for each in stating))
            if left:
                what = f"no rule with limit_of_gas holds on {day} for permit type {code} and {listed(left)}"
                why = f"the floor {floor.floor} ({floor.words_en}, {floor.clause})"
                place.refuse("id", f"{what}: {why} asks for one, where_fitted at least; add it")
                break


def _by_own_limit(rule: Rule) -> bool:
    """Whether a rule holds each toxic gas to its own limit wherever a detector of it is fitted."""
    return (rule.quantity, rule.bound, rule.limit) == ("toxic", "highest", None) and not rule.where_ex


def _judges(rule: Rule, gas: str, day: date) -> bool:
    return rule.gas in (None, gas) and rule.since <= day and (rule.until is None or rule.until > day)
