"""Reads one version of a rule pack, strictly: every finding at once, as ``file:line: key: what, allowed, remedy``."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final, Literal

from edge.config_table import Table, read_table
from edge.config_wording import did_you_mean, listed
from edge.core.gases import Gas
from edge.core.reasons import Reason
from edge.core.rules import PermitType, Rule, RulePack, Trade, Unjudged
from edge.rules import fields
from edge.rules.floors import check_floors, check_gases
from edge.rules.toxic_floors import check_toxic
from edge.rules.work_facts import read_distances, with_heights

MOLAR_VOLUME = Decimal("24.05")
"""L/mol at 20 degC and 101.325 kPa [D]: a pack may declare another."""

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_MINUTES_MAX = 1_440
_VALIDITY_H_MAX = 8_784
"""A leap year: no standard lets a permit hold longer."""

_CODES: Final = {
    each.value: each
    for each in (
        Reason.GAS_OVER_LIMIT,
        Reason.TOXIC_OVER_LIMIT,
        Reason.OXYGEN_LOW,
        Reason.OXYGEN_HIGH,
        Reason.WIND_OVER_LIMIT,
    )
}
_BOUNDS: Final[dict[str, Literal["highest", "lowest"]]] = {"highest": "highest", "lowest": "lowest"}


def read_pack(data: bytes, file: str) -> tuple[RulePack, Table]:
    """The pack in ``data``, and its ``[pack]`` table for findings about its dates; ``file`` is the name to show.

    Raises ConfigurationError with every finding.
    """
    root = read_table(data, file)
    head = root.table("pack")
    types = [(_permit_type(each), each) for each in root.tables("permit_type", count_min=1, count_max=64)]
    types = with_heights(root, types)
    trades = [(_trade(each), each) for each in root.tables("trade", count_min=0, count_max=64)]
    rules = [(_rule(each), each) for each in root.tables("rule", count_min=0, count_max=512)]
    gases = [(_gas(each), each) for each in root.tables("gas", count_min=0, count_max=512)]
    demands = [(_unjudged(each), each) for each in root.tables("not_judged", count_min=0, count_max=256)]
    tables = ([each for each, _ in types], [each for each, _ in rules], [each for each, _ in gases])
    pack = _pack(head, *tables, [each for each, _ in demands])
    distances = read_distances(root, set(pack.permit_types))
    pack = replace(pack, distances=distances, trades=tuple(each for each, _ in trades))
    root.finish()
    _refuse_second([(each.code, table, "code") for each, table in types])
    named = [(each.rule, table, "id") for each, table in rules] + [
        (each.demand, table, "id") for each, table in demands
    ]
    _refuse_second(named)
    _refuse_second([(each.gas, table, "id") for each, table in gases])
    _refuse_second([(each.trade, table, "id") for each, table in trades])
    for trade, table in trades:
        _check_trade(pack, trade, table)
    for rule, table in rules:
        _check_rule(pack, rule, table)
    for demand, table in demands:
        _check_types(pack, demand.permit_types, table)
    check_floors(pack, rules, head)
    check_gases(gases)
    check_toxic(pack, gases, head)
    assert root.findings is not None
    root.findings.raise_if_any()
    return pack, head


def _pack(
    head: Table, types: list[PermitType], rules: list[Rule], gases: list[Gas], demands: list[Unjudged]
) -> RulePack:
    since, until = fields.dates(head)
    declared = fields.optional_decimal(head, "molar_volume")
    if declared is not None and not 20 <= declared <= 30:
        head.refuse("molar_volume", f"{declared} is out of range; give L/mol from 20 to 30")
    return RulePack(
        pack=fields.identity(head),
        version=head.getint("version", minimum=1, maximum=999_999),
        title_zh=fields.text(head, "title_zh"),
        title_en=fields.text(head, "title_en"),
        since=since,
        until=until,
        molar_volume=MOLAR_VOLUME if declared is None else declared,
        molar_volume_mark=fields.mark(head, "molar_volume_mark") if declared is not None else "D",
        permit_types={each.code: each for each in types},
        rules=tuple(rules),
        gases={each.gas: each for each in gases},
        unjudged=tuple(demands),
    )


def _permit_type(table: Table) -> PermitType:
    hours = table.getint("validity_h", minimum=1, maximum=_VALIDITY_H_MAX, unit="hours", default=None)
    return PermitType(
        code=fields.permit_type(table),
        name_zh=fields.text(table, "name_zh"),
        name_en=fields.text(table, "name_en"),
        certificates=table.getlist(
            "certificates", pattern=fields.TRADE, form=fields.TRADE_FORM, count_min=0, count_max=16
        ),
        guardian=table.getbool("guardian"),
        harness=table.getbool("harness"),
        clause=fields.text(table, "clause"),
        mark=fields.mark(table),
        validity_ms=None if hours is None else hours * _HOUR_MS,
        break_ms=_minutes(table, "break_min", 0),
        daily_analysis=table.getbool("daily_analysis", default=False),
        record_ms=_minutes(table, "record_min", 1),
        one_blind=table.getbool("one_blind", default=False),
        confirm=fields.confirmations(table),
        sample_ms=_minutes(table, "sample_min", 1),
        approver_zh=fields.text(table, "approver_zh"),
        approver_en=fields.text(table, "approver_en"),
    )


def _trade(table: Table) -> Trade:
    return Trade(
        trade=table.getstring("id", pattern=fields.TRADE, form=fields.TRADE_FORM),
        name_zh=fields.text(table, "name_zh"),
        name_en=fields.text(table, "name_en"),
    )


def _minutes(table: Table, key: str, minimum: int) -> int | None:
    minutes = table.getint(key, minimum=minimum, maximum=_MINUTES_MAX, unit="minutes", default=None)
    return None if minutes is None else minutes * _MINUTE_MS


def _rule(table: Table) -> Rule:
    since, until = fields.dates(table)
    of_gas = table.getbool("limit_of_gas", default=False)
    if of_gas and table.written("limit"):
        table.refuse("limit", "each gas has its own by limit_of_gas; take one of the two out")
    return Rule(
        rule=fields.identity(table),
        clause=fields.text(table, "clause"),
        mark=fields.mark(table),
        since=since,
        until=until,
        permit_types=fields.permit_types(table),
        quantity=table.getchoice("quantity", {each: each for each in fields.UNITS_OF}),
        limit=fields.optional_decimal(table, "limit") if of_gas else fields.decimal(table, "limit"),
        unit=table.getchoice("unit", fields.UNITS),
        bound=table.getchoice("bound", _BOUNDS),
        inclusive=table.getbool("inclusive"),
        code=table.getchoice("code", _CODES),
        alarm=fields.alarm(table),
        gas=fields.optional_identity(table, "gas"),
        gas_lel_from=fields.optional_decimal(table, "gas_lel_from"),
        gas_lel_below=fields.optional_decimal(table, "gas_lel_below"),
        where_fitted=table.getbool("where_fitted", default=False) or table.getbool("open_air", default=False),
        open_air=table.getbool("open_air", default=False),
        where_ex=table.getbool("where_ex", default=False),
        words_zh=fields.text(table, "words_zh"),
        words_en=fields.text(table, "words_en"),
        manual=fields.manual(table),
    )


def _gas(table: Table) -> Gas:
    gas = Gas(
        gas=fields.identity(table),
        name_zh=fields.text(table, "name_zh"),
        name_en=fields.text(table, "name_en"),
        lel_vol=fields.decimals(table, "lel_vol"),
        molar_mass=fields.optional_decimal(table, "molar_mass"),
        maximum=fields.optional_decimal(table, "mac"),
        short=fields.optional_decimal(table, "stel"),
        average=fields.optional_decimal(table, "twa"),
        clause=fields.text(table, "clause"),
        mark=fields.mark(table),
    )
    for lel_vol in gas.lel_vol:
        if not 0 < lel_vol <= 100:
            table.refuse("lel_vol", f"{lel_vol} is out of range; give %vol above 0 and up to 100")
    for key, figure in (
        ("molar_mass", gas.molar_mass),
        ("mac", gas.maximum),
        ("stel", gas.short),
        ("twa", gas.average),
    ):
        if figure == 0 and table.good(key):
            table.refuse(key, "0 is out of range; give the figure of the table, or take the key out")
    return gas


def _unjudged(table: Table) -> Unjudged:
    return Unjudged(
        demand=fields.identity(table),
        clause=fields.text(table, "clause"),
        mark=fields.mark(table),
        permit_types=fields.permit_types(table),
        alarm=fields.alarm(table),
        words_zh=fields.text(table, "words_zh"),
        words_en=fields.text(table, "words_en"),
    )


# ---- what no single key can show


def _refuse_second(uses: Iterable[tuple[str, Table, str]]) -> None:
    first: dict[str, int] = {}
    for name, table, key in uses:
        if not table.good(key):
            continue
        if name in first:
            table.refuse(key, f"{name!r} is used already at line {first[name]}; give each its own")
        first.setdefault(name, table.line(key))


def _check_trade(pack: RulePack, trade: Trade, table: Table) -> None:
    asked = sorted({each for known in pack.permit_types.values() for each in known.certificates})
    if trade.trade not in asked and table.good("id"):
        near = did_you_mean(trade.trade, asked)
        table.refuse(
            "id", f"{trade.trade!r} is in no certificates of this pack{near}; one of: {listed(asked)}, or take it out"
        )


def _check_rule(pack: RulePack, rule: Rule, table: Table) -> None:
    _check_types(pack, rule.permit_types, table)
    if rule.manual - rule.permit_types and table.good("manual", "permit_types"):
        strangers = ", ".join(sorted(rule.manual - rule.permit_types))
        table.refuse(
            "manual", f"{strangers} is no permit type of this rule; one of: {listed(sorted(rule.permit_types))}"
        )
    units = fields.UNITS_OF[rule.quantity]
    if table.good("unit", "quantity") and rule.unit not in units:
        table.refuse("unit", f"{rule.unit} is no unit of {rule.quantity}; one of: {listed(units)}")
    if table.good("code", "quantity", "bound") and rule.code is not (fits := _code(rule)):
        table.refuse("code", f"{rule.code.value} does not fit {rule.quantity}, bound {rule.bound}; give {fits.value}")
    if rule.limit is None and table.good("limit") and (rule.quantity, rule.unit) != ("toxic", "mg/m3"):
        table.refuse("limit_of_gas", "the gas table has limits of toxic gas in mg/m3 only; give limit instead")
    if rule.gas is not None and rule.gas not in pack.gases:
        near = did_you_mean(rule.gas, list(pack.gases))
        table.refuse("gas", f"{rule.gas!r} is no [[gas]] of this pack{near}; one of: {listed(sorted(pack.gases))}")
    for key in ("gas_lel_from", "gas_lel_below"):
        if table.written(key) and table.good("quantity") and rule.quantity != "combustible":
            table.refuse(key, f"{rule.quantity} has no explosive limit; take this key out")


def _code(rule: Rule) -> Reason:
    if rule.quantity == "oxygen":
        return Reason.OXYGEN_HIGH if rule.bound == "highest" else Reason.OXYGEN_LOW
    return _CODE_OF[rule.quantity]


_CODE_OF: Mapping[str, Reason] = {
    "combustible": Reason.GAS_OVER_LIMIT,
    "toxic": Reason.TOXIC_OVER_LIMIT,
    "wind_speed": Reason.WIND_OVER_LIMIT,
}


def _check_types(pack: RulePack, codes: frozenset[str], table: Table) -> None:
    unknown = sorted(codes - pack.permit_types.keys())
    if unknown and table.good("permit_types"):
        known = listed(sorted(pack.permit_types))
        table.refuse("permit_types", f"{', '.join(unknown)} is no [[permit_type]] of this pack; one of: {known}")
