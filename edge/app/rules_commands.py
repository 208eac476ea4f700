"""``permitgate rules list|show|diff|check``: what the packs at hand say, and whether a file could be one of them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from edge import rules
from edge.app.answers import USAGE, answer, write_json
from edge.app.explain_words import demand_lines
from edge.app.rules_at_hand import AtHand, at_hand, word_json
from edge.app.rules_words import (
    counts,
    counts_text,
    days,
    distance_lines,
    gas_line,
    height_rows,
    pack_json,
    rule_lines,
    source_text,
    trade_line,
    type_lines,
    unjudged_lines,
    word_lines,
)
from edge.app.said_words import row_line
from edge.app.wording import LANGUAGES, printable
from edge.config_table import SIZE_BYTES_MAX
from edge.core.rules import PermitType, RulePack, terms
from edge.ports.errors import ConfigurationError
from edge.rules.pack_file import read_pack

_CHINA_MS = 8 * 3_600_000
_EFFECT_WORDS = {"stricter": "更严 / stricter", "laxer": "更宽 / laxer"}


def list_packs(config_path: Path | None, json_to: str | None) -> None:
    """Every version at hand, who it is of, when it holds, and how its rules were read; and what is not believed."""
    held = at_hand(config_path)
    packs = held.packs()
    found = [_summary(pack, packs, held) for pack in packs]
    refused = held.not_believed()
    total = counts(rule.mark for pack in packs for rule in pack.rules)

    def say() -> None:
        for each in found:
            click.echo(f"{each['name']}: {each['zh']} / {each['en']}")
            click.echo(f"  {each['from']} – {each['until'] or ''}".rstrip())
            click.echo(f"  {source_text(each['name'], held.operations())}{_nowhere(each)}")
            click.echo(f"  规则 / rules {each['rules']}: {counts_text(each['marks'])}")
            click.echo(f"  作业类型 / permit types {each['permit_types']}")
            click.echo(f"  本机不判定、由人保证 / not judged here, kept by people {each['not_judged']}")
        click.echo(f"合计规则 / rules in all {sum(total.values())}: {counts_text(total)}")
        for line in (line for word in refused for line in word_lines(word, held.is_named(word))):
            click.echo(printable(line))

    result = {"ok": True, "packs": found, "rules": sum(total.values()), "marks": total}
    answer({**result, "not_believed": [word_json(each, held.is_named(each)) for each in refused]}, json_to, say)


def _nowhere(summary: Mapping[str, Any]) -> str:
    return "；本网关无区域使用 / no area of this gateway names it" if summary["named"] is False else ""


def _summary(pack: RulePack, packs: tuple[RulePack, ...], at: AtHand) -> dict[str, Any]:
    held = terms(packs)[pack.name]
    operations = at.operations()
    return {
        "name": pack.name,
        "pack": pack.pack,
        "version": pack.version,
        "zh": pack.title_zh,
        "en": pack.title_en,
        "from": str(pack.since),
        "until": None if held.until_ms is None else _day(held.until_ms),
        "rules": len(pack.rules),
        "marks": counts(rule.mark for rule in pack.rules),
        "permit_types": len(pack.permit_types),
        "not_judged": len(pack.unjudged),
        "source": "hq" if pack.name in operations else "package",
        "operation": operations.get(pack.name),
        "named": None if at.named is None else pack.pack in at.named,
    }


def _day(midnight_ms: int) -> str:
    return f"{datetime.fromtimestamp((midnight_ms + _CHINA_MS) // 1000, UTC):%Y-%m-%d}"


def show(config_path: Path | None, named: tuple[str, int | None], json_to: str | None) -> None:
    """One version whole."""
    held = at_hand(config_path)
    pack = _version(held, *named)

    def say() -> None:
        head, *rest = pack_lines(pack)
        for line in (head, f"  {source_text(pack.name, held.operations())}", *rest):
            click.echo(printable(line))

    source = {"source": "hq" if pack.name in held.operations() else "package"}
    answer({"ok": True, **pack_json(pack), **source}, json_to, say)


def pack_lines(pack: RulePack) -> list[str]:
    """A version in words."""
    lines = [f"{pack.name}: {pack.title_zh} / {pack.title_en}", f"  {days(pack.since, pack.until)}"]
    lines.append(f"  Vm {pack.molar_volume} L/mol [{pack.molar_volume_mark}]")
    lines.append(f"规则 / rules {len(pack.rules)}: {counts_text(counts(rule.mark for rule in pack.rules))}")
    for rule in pack.rules:
        lines += rule_lines(rule)
    lines.append("作业类型 / permit types")
    for each in pack.permit_types.values():
        lines += [*type_lines(each), *_demands(each, pack)]
    lines += ["工种 / trades", *map(trade_line, pack.trades)] if pack.trades else []
    lines += ["高处作业分级 / grades of work at height"] if height_rows(pack) else []
    for row in height_rows(pack):
        lines.append(f"  {row.row}:")
        lines += [f"  {row_line(row, language)}" for language in LANGUAGES]
    lines += ["距离 / distances"] if pack.distances else []
    for distance in pack.distances:
        lines += distance_lines(distance)
    lines.append("本机不判定、由人保证 / not judged here, kept by people")
    for demand in pack.unjudged:
        lines += unjudged_lines(demand)
    lines.append("气体 / gases")
    return [*lines, *map(gas_line, pack.gases.values())]


def _demands(known: PermitType, pack: RulePack) -> list[str]:
    """What a permit type demands besides readings, in both languages. The height table is shown once for all types."""
    alone = replace(known, heights=())
    both = (demand_lines(alone, pack.trades, language) for language in ("zh", "en"))
    return [f"    {zh.strip()} / {en.strip()}" for zh, en in zip(*both, strict=True)]


def _version(at: AtHand, name: str, version: int | None) -> RulePack:
    versions = [each for each in at.packs() if each.pack == name]
    if not versions:
        known = ", ".join(sorted({each.pack for each in at.packs()}))
        raise click.UsageError(f"there is no pack {name!r} at hand; one of: {known}")
    found = [each for each in versions if version in (None, each.version)]
    if not found:
        held = ", ".join(str(each.version) for each in versions)
        raise click.UsageError(f"there is no version {version} of {name} at hand; one of: {held}")
    return found[-1]


def diff(config_path: Path | None, name: str, between: tuple[str, str], json_to: str | None) -> None:
    """What differs between two versions, each a number at hand or a file."""
    held = at_hand(config_path)
    first, second = (_named(held, name, each) for each in between)
    changes = differences(pack_json(first), pack_json(second))
    effects = limit_effects(first, second)
    for each in changes:
        each["effect"] = effects.get(each["place"])

    def say() -> None:
        click.echo(f"{first.name} -> {second.name}: {len(changes)} 处不同 / differences")
        for each in changes:
            effect = f" ({_EFFECT_WORDS[each['effect']]})" if each["effect"] else ""
            click.echo(printable(f"  {each['place']}: {each['old']} -> {each['new']}{effect}"))

    answer({"ok": True, "old": first.name, "new": second.name, "changes": changes}, json_to, say)


def _named(held: AtHand, name: str, which: str) -> RulePack:
    if which.isascii() and which.isdigit():
        return _version(held, name, int(which))
    pack, _ = read_pack(_bytes_of(Path(which)), which)
    if pack.pack != name:
        raise click.UsageError(f"{which} is of pack {pack.pack!r}, not {name!r}")
    return pack


def limit_effects(old: RulePack, new: RulePack) -> dict[str, str]:
    """Of each limit that both versions state in one unit and at one end: whether the new one is stricter or laxer."""
    found = {}
    held = {rule.rule: rule for rule in old.rules}
    for rule in new.rules:
        before = held.get(rule.rule)
        if before is None or None in (before.limit, rule.limit):
            continue
        if (before.bound, before.unit) == (rule.bound, rule.unit) and before.limit != rule.limit:
            assert before.limit is not None
            assert rule.limit is not None
            lower = rule.limit < before.limit
            found[f"rules[{rule.rule}].limit"] = "stricter" if lower is (rule.bound == "highest") else "laxer"
    return found


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each place at which two versions differ, with what stands there; None: it is not there."""
    found = []
    held, given = dict(_flat(old)), dict(_flat(new))
    for place in dict.fromkeys([*held, *given]):
        if held.get(place) != given.get(place):
            found.append({"place": place, "old": held.get(place), "new": given.get(place)})
    return found


def _flat(pack: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in pack.items():
        if not isinstance(value, list):
            found.append((key, value))
            continue
        for each in value:
            name = f"{key}[{each.get('id') or each.get('code')}]"
            found += [(f"{name}.{inner}", figure) for inner, figure in each.items()]
    return found


def check(config_path: Path | None, path: Path, json_to: str | None) -> None:
    """Exit 0: the file could stand beside the versions at hand; 2: every finding as ``file:line: key: what``."""
    try:
        pack = _checked(at_hand(config_path), path)
    except ConfigurationError as error:
        write_json({"ok": False, "problems": error.problems}, json_to)
        for problem in error.problems if json_to != "-" else ():
            click.echo(problem, err=True)
        raise SystemExit(USAGE) from None
    marks = counts(rule.mark for rule in pack.rules)
    result = {"ok": True, "name": pack.name, "from": str(pack.since), "rules": len(pack.rules), "marks": marks}

    def say() -> None:
        words = f"{pack.name}, {days(pack.since, pack.until)}, 规则 / rules {len(pack.rules)}: {counts_text(marks)}"
        click.echo(printable(f"{path}: 可用 / usable: {words}"))

    answer(result, json_to, say)


def _checked(at: AtHand, path: Path) -> RulePack:
    """The pack of a file, judged alone and beside the versions at hand, unless it is one of them."""
    data = _bytes_of(path)
    pack, _ = read_pack(data, str(path))
    held = at.held.get(pack.pack, ())
    if pack not in held:
        rules.admit(held, data, str(path))
    return pack


def _bytes_of(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(SIZE_BYTES_MAX + 1)
