"""Floors: limits that no rule pack may loosen, whoever wrote it. They are data too, in ``floors.toml``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources

from edge.config_table import Table, read_table
from edge.core.gases import Gas
from edge.core.rules import Rule, RulePack
from edge.rules import fields

FLOORS_FILE = "floors.toml"


@dataclass(frozen=True, slots=True)
class Floor:
    """The laxest limit that a rule of these permit types may state; ``limit`` in ``unit``, ``inclusive``: it passes.

    ``demanded``: a pack that knows one of the permit types must state such a rule.
    """

    floor: str
    clause: str
    mark: str
    permit_types: frozenset[str]
    quantity: str
    limit: Decimal
    unit: str
    bound: str
    inclusive: bool
    demanded: bool
    words_zh: str
    words_en: str

    def about(self, rule: Rule) -> bool:
        """Whether a rule states the kind of limit that this floor is of."""
        same = (rule.quantity, rule.bound) == (self.quantity, self.bound)
        return same and bool(rule.permit_types & self.permit_types)

    def keeps(self, rule: Rule) -> bool:
        """Whether a rule in the floor's unit is at least as strict. One by the gas's own limits is."""
        if rule.limit is None:
            return True
        if rule.limit == self.limit:
            return self.inclusive or not rule.inclusive
        return rule.limit < self.limit if self.bound == "highest" else rule.limit > self.limit


@dataclass(frozen=True, slots=True)
class ExplosiveLimit:
    """The lower explosive limits of a gas, %vol, that every pack which knows the gas must span."""

    gas: str
    lel_vol: tuple[Decimal, ...]
    clause: str
    mark: str

    def keeps(self, gas: Gas) -> bool:
        """Whether a gas's limits let no more pass: the highest is no lower, and the lowest no higher."""
        given, asked = gas.lel_vol, self.lel_vol
        return not given or (max(given) >= max(asked) and min(given) <= min(asked))


@dataclass(frozen=True, slots=True)
class ToxicFloor:
    """Where every pack judges each toxic gas by its own limit; ``molar_volume``, L/mol: at most this ties it to ppm."""

    floor: str
    clause: str
    mark: str
    permit_types: frozenset[str]
    molar_volume: Decimal
    molar_volume_mark: str
    words_zh: str
    words_en: str


@dataclass(frozen=True, slots=True)
class ToxicLimit:
    """The laxest limit, mg/m3, that may decide on a gas, and the least molar mass, g/mol, that ties it to ppm."""

    gas: str
    limit: Decimal
    molar_mass: Decimal
    clause: str
    mark: str


@dataclass(frozen=True, slots=True)
class NeverManual:
    """For which permit types no person ever stands in for an instrument of these quantities."""

    floor: str
    clause: str
    mark: str
    permit_types: frozenset[str]
    quantities: frozenset[str]
    words_zh: str
    words_en: str


def floors() -> tuple[Floor, ...]:
    """All floors. Raises ConfigurationError if their file cannot be used."""
    return _read()[0]


def explosive_limits() -> Mapping[str, ExplosiveLimit]:
    """What no pack may loosen of a gas's explosive limits, by gas. Raises as ``floors`` does."""
    return _read()[1]


def toxic_limits() -> tuple[ToxicFloor, Mapping[str, ToxicLimit]]:
    """What no pack may loosen of toxic gas: where it is judged, and the limits by gas. Raises as ``floors`` does."""
    return _read()[3]


@cache
def _read() -> tuple[
    tuple[Floor, ...],
    Mapping[str, ExplosiveLimit],
    tuple[NeverManual, ...],
    tuple[ToxicFloor, Mapping[str, ToxicLimit]],
]:
    root = read_table(resources.files(__package__).joinpath(FLOORS_FILE).read_bytes(), FLOORS_FILE)
    found = tuple(_floor(table) for table in root.tables("floor", count_min=1, count_max=64))
    limits = tuple(_explosive_limit(table) for table in root.tables("lel", count_min=1, count_max=256))
    never = tuple(_never_manual(table) for table in root.tables("never_manual", count_min=1, count_max=64))
    toxic = _toxic_floor(root.table("toxic"))
    by_gas = [_toxic_limit(table) for table in root.tables("toxic_limit", count_min=1, count_max=256)]
    root.finish()
    assert root.findings is not None
    root.findings.raise_if_any()
    return found, {each.gas: each for each in limits}, never, (toxic, {each.gas: each for each in by_gas})


def _explosive_limit(table: Table) -> ExplosiveLimit:
    return ExplosiveLimit(
        gas=fields.identity(table, "gas"),
        lel_vol=fields.decimals(table, "lel_vol"),
        clause=fields.text(table, "clause"),
        mark=fields.mark(table),
    )


def _toxic_floor(table: Table) -> ToxicFloor:
    return ToxicFloor(
        floor=fields.identity(table),
        clause=fields.text(table, "clause"),
        mark=fields.mark(table),
        permit_types=fields.permit_types(table),
        molar_volume=fields.decimal(table, "molar_volume"),
        molar_volume_mark=fields.mark(table, "molar_volume_mark"),
        words_zh=fields.text(table, "words_zh"),
        words_en=fields.text(table, "words_en"),
    )


def _toxic_limit(table: Table) -> ToxicLimit:
    return ToxicLimit(
        gas=fields.identity(table, "gas"),
        limit=fields.decimal(table, "limit"),
        molar_mass=fields.decimal(table, "molar_mass"),
        clause=fields.text(table, "clause"),
        mark=fields.mark(table),
    )


def check_gases(gases: Iterable[tuple[Gas, Table]]) -> None:
    """Note every gas whose explosive limits are laxer than a floor."""
    for gas, table in gases:
        limit = explosive_limits().get(gas.gas)
        if limit is not None and table.good("id", "lel_vol") and not limit.keeps(gas):
            given, asked = (", ".join(map(str, each)) for each in (gas.lel_vol, limit.lel_vol))
            what = f"{given} %vol is laxer than the floor of {gas.gas} ({limit.clause})"
            table.refuse("lel_vol", f"{what}: a reading would stand for more gas; list {asked} too")


def _never_manual(table: Table) -> NeverManual:
    return NeverManual(
        floor=fields.identity(table),
        clause=fields.text(table, "clause"),
        mark=fields.mark(table),
        permit_types=fields.permit_types(table),
        quantities=fields.quantities(table),
        words_zh=fields.text(table, "words_zh"),
        words_en=fields.text(table, "words_en"),
    )


def _floor(table: Table) -> Floor:
    quantities = {each: each for each in fields.UNITS_OF}
    return Floor(
        floor=fields.identity(table),
        clause=fields.text(table, "clause"),
        mark=fields.mark(table),
        permit_types=fields.permit_types(table),
        quantity=table.getchoice("quantity", quantities),
        limit=fields.decimal(table, "limit"),
        unit=table.getchoice("unit", fields.UNITS),
        bound=table.getchoice("bound", {"highest": "highest", "lowest": "lowest"}),
        inclusive=table.getbool("inclusive"),
        demanded=table.getbool("demanded"),
        words_zh=fields.text(table, "words_zh"),
        words_en=fields.text(table, "words_en"),
    )


def check_floors(pack: RulePack, rules: Sequence[tuple[Rule, Table]], place: Table) -> None:
    """Note every rule that is laxer than a floor, or by hand where none may be, and every floor left open some day."""
    for rule, table in rules:
        if table.good("limit", "unit", "bound", "quantity", "inclusive", "permit_types"):
            _check_rule(rule, table)
        if table.good("manual", "quantity"):
            _check_manual(rule, table)
    for floor in floors():
        if floor.demanded:
            _check_cover(pack, floor, place)


def _check_rule(rule: Rule, table: Table) -> None:
    about = [each for each in floors() if each.about(rule)]
    same_unit = [each for each in about if each.unit == rule.unit]
    lax = [each for each in same_unit if not each.keeps(rule)]
    for floor in lax:
        sign = "at most" if floor.bound == "highest" else "at least"
        strictly = "" if floor.inclusive else ", which itself must not pass (inclusive = false)"
        what = f"{rule.limit} {rule.unit} is laxer than the floor {floor.floor} ({floor.words_en}, {floor.clause})"
        table.refuse("limit", f"{what}; give {sign} {floor.limit} {floor.unit}{strictly}")
    if about and rule.limit is not None:
        covered = frozenset[str]().union(*(each.permit_types for each in same_unit))
        uncovered = sorted(frozenset[str]().union(*(each.permit_types for each in about)) & rule.permit_types - covered)
        if uncovered:
            units = ", ".join(sorted({each.unit for each in about}))
            what = f"no floor of {rule.quantity} is in {rule.unit} for permit types {', '.join(uncovered)}"
            table.refuse("unit", f"{what}; give {units}")


def _check_manual(rule: Rule, table: Table) -> None:
    for never in _read()[2]:
        codes = ", ".join(sorted(rule.manual & never.permit_types))
        if codes and rule.quantity in never.quantities:
            why = f"{never.words_en}, {never.clause}"
            table.refuse("manual", f"{codes} is against the floor {never.floor} ({why}); take it out")


def _check_cover(pack: RulePack, floor: Floor, place: Table) -> None:
    left: dict[date, list[str]] = {}
    for code in sorted(floor.permit_types & pack.permit_types.keys()):
        stating = [each for each in pack.rules if floor.about(each) and code in each.permit_types and _always(each)]
        uncovered = next((day for day in days_of_change(pack, stating) if not _covered(pack, stating, day)), None)
        if uncovered is not None:
            left.setdefault(uncovered, []).append(code)
    for day, codes in left.items():
        what = f"no rule of {floor.quantity}, bound {floor.bound}, holds on {day} for permit types {', '.join(codes)}"
        place.refuse("id", f"{what}: the floor {floor.floor} ({floor.words_en}) asks for one everywhere; add it")


def _always(rule: Rule) -> bool:
    """Whether a rule asks for a reading wherever the work is."""
    return not rule.where_fitted and not rule.where_ex


def days_of_change(pack: RulePack, rules: Iterable[Rule]) -> list[date]:
    """The first day of a pack, and those on which one of these rules has ended: what holds on all, holds every day."""
    ends = (each.until for each in rules if each.until is not None)
    return sorted({pack.since, *(day for day in ends if day > pack.since and (pack.until is None or day < pack.until))})


def _covered(pack: RulePack, rules: Iterable[Rule], day: date) -> bool:
    """Whether on that day some rule holds, and one for each gas that has an explosive limit if they are by gas."""
    holding = [each for each in rules if each.since <= day and (each.until is None or each.until > day)]
    classes = [each for each in holding if each.gas is None]
    limits = {min(gas.lel_vol) for gas in pack.gases.values() if gas.lel_vol} or {Decimal(0)}
    return all(any(_in_class(each, lel_vol) for each in classes) for lel_vol in limits)


def _in_class(rule: Rule, lel_vol: Decimal) -> bool:
    above = rule.gas_lel_from is None or lel_vol >= rule.gas_lel_from
    return above and (rule.gas_lel_below is None or lel_vol < rule.gas_lel_below)
