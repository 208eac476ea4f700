"""``permitgate rules explain PERMIT``: from the gateway's own files, with readings if the daemon answers."""

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from edge.app.answers import answer
from edge.app.explain_words import area_lines, head_lines, note, time_line
from edge.app.explanation import ExplainedArea, ExplainedCondition, Ground, explain_area
from edge.app.local_commands import ask
from edge.app.rules_at_hand import AtHand, of_gateway
from edge.app.rules_words import distance_json, rule_json, type_json, unjudged_json
from edge.app.site_plan import build_site, channels_in, packs_of, profiles_of
from edge.app.status_words import lockdown_lines, override_lines, point_lines
from edge.app.wording import Language, printable, reason_words
from edge.config import load
from edge.config_values import Config
from edge.core.clock import ClockInterval, ClockSource
from edge.core.facts import Permit
from edge.core.interlocks import rule_name
from edge.core.readings import UtcMs
from edge.core.reasons import Reason
from edge.core.said import spoken
from edge.host import system_clock
from edge.ports.errors import TransientError
from edge.runtime.request_answers import reason_answer
from edge.storage.authority_reader import AuthorityReader


def explain(config_path: Path, permit_id: str, json_to: str | None) -> None:
    """Exit 0: explained; 1: no such permit here, or none of its areas, or a type that no pack here knows."""
    config = load(config_path)
    with closing(AuthorityReader(config.gateway.data_dir / "authority.db")) as authority:
        permit = authority.permit(permit_id)
    language = config.gateway.language
    if permit is None:
        unknown = Reason.PERMIT_UNKNOWN.value
        words = f"{permit_id}: {unknown}: {reason_words(unknown, language)}"
        nobody = {"ok": False, "permit": permit_id, "reason": unknown}
        answer(nobody, json_to, lambda: click.echo(printable(words)), ok=False)
    held = of_gateway(config)
    told = {**_told(config, permit_id), "hq_packs": dict(held.operations())}
    areas = _areas(config, permit, held, _ground(config, told))
    elsewhere = [area for area in permit.areas if area not in {each.area for each in areas}]
    ok = bool(areas) and all(each.permit_type is not None for each in areas)
    result = _json(permit, told, areas, elsewhere, ok)

    def say() -> None:
        for line in _lines(config, permit, told, areas, language):
            click.echo(printable(line))
        for area in elsewhere:
            click.echo(printable(note("elsewhere", language, area=area)))

    answer(result, json_to, say, ok=ok)


def _told(config: Config, permit_id: str) -> dict[str, Any]:
    """What the daemon says; if none answers, the same with nothing in it, and the time of this machine."""
    try:
        return {**ask(config, {"do": "explain", "permit": permit_id}), "answers": True}
    except TransientError as error:
        now_ms = system_clock.utc_ms()
        clock = {"source": None, "lo_ms": now_ms, "hi_ms": now_ms}
        return {
            "answers": False,
            "why": str(error),
            "running": False,
            "kept": [],
            "confirmed": [],
            "clock": clock,
            "conditions": [],
            "overrides": [],
            "lockdowns": [],
            "points": [],
        }


def _ground(config: Config, told: dict[str, Any]) -> Ground:
    clock = told["clock"]
    source = ClockSource.NONE if clock["source"] is None else ClockSource(clock["source"])
    hi_ms = None if clock["hi_ms"] is None else UtcMs(clock["hi_ms"])
    readings = {each["interlock"]: each for each in told["conditions"]}
    interval = ClockInterval(UtcMs(clock["lo_ms"]), hi_ms, source)
    return Ground(interval, tuple(told["kept"]), readings, config.policy.permit_facts, tuple(told["confirmed"]))


def _areas(config: Config, permit: Permit, held: AtHand, ground: Ground) -> list[ExplainedArea]:
    site, profiles = build_site(config, held.held), profiles_of(config)
    areas = [area for area in config.areas if area.id in permit.areas]
    packs = {area.id: packs_of(area, held.held) for area in areas}
    channels = {area.id: channels_in(config, area.id, profiles) for area in areas}
    return [explain_area(site.areas[name], packs[name], channels[name], permit, ground) for name in packs]


def _lines(
    config: Config, permit: Permit, told: dict[str, Any], areas: list[ExplainedArea], language: Language
) -> list[str]:
    models = {device.id: device.profile for device in config.devices}
    lines = [*head_lines(permit, tuple(told["confirmed"]), language), f"  {time_line(told['clock'], language)}"]
    if not told["answers"]:
        lines.append(f"  {note('guessed', language)} ({told['why']})")
    lines += [f"  {line}" for line in override_lines(told["overrides"], language)]
    lines += [f"  {line}" for line in lockdown_lines(told["lockdowns"], language)]
    lines += point_lines(told, language)
    for each in areas:
        lines += area_lines(each, models, (told["answers"], told["running"]), language, told["hq_packs"])
    return lines


def _json(
    permit: Permit, told: dict[str, Any], areas: list[ExplainedArea], elsewhere: list[str], ok: bool
) -> dict[str, Any]:
    return {
        "ok": ok,
        "permit": permit.permit,
        "type": permit.permit_type,
        "not_before_ms": permit.not_before_ms,
        "not_after_ms": permit.not_after_ms,
        "said": spoken(permit.said),
        "gateway_answers": told["answers"],
        "running": told["running"],
        "overrides": told["overrides"],
        "lockdowns": told["lockdowns"],
        "kept": told["kept"],
        "hq_packs": told["hq_packs"],
        "confirmed": told["confirmed"],
        "clock": told["clock"],
        "points": told["points"],
        "areas": [_area_json(each) for each in areas],
        "elsewhere": elsewhere,
    }


def _area_json(each: ExplainedArea) -> dict[str, Any]:
    return {
        "area": each.area,
        "ex": each.ex,
        "packs": [pack.name for pack in each.packs],
        "permit_type": None if each.permit_type is None else type_json(each.permit_type),
        "ends_ms": each.ends_ms,
        "facts": [reason_answer(reason, detail) for reason, detail in each.facts],
        "distances": [{"rule": name, **_without_id(distance_json(rule))} for name, rule in each.distances],
        "conditions": [_condition_json(condition) for condition in each.conditions],
        "missing": [{"rule": rule_name(*pair), **_without_id(rule_json(pair[1]))} for pair in each.missing],
        "not_fitted": [{"rule": rule_name(*pair), **_without_id(rule_json(pair[1]))} for pair in each.unfitted],
        "not_judged": [unjudged_json(demand) for _, demand in each.unjudged],
        "later": [{"pack": edition.name, "since_ms": edition.validity.since_ms} for edition in each.later],
    }


def _condition_json(each: ExplainedCondition) -> dict[str, Any]:
    interlock = each.interlock
    return {
        "interlock": interlock.interlock,
        "rule": interlock.rule,
        **_without_id(rule_json(each.rule)),
        "device": interlock.device,
        "channel": interlock.channel,
        "channel_unit": interlock.unit,
        "resolution": interlock.resolution,
        "lowest_good": interlock.lowest_good,
        "highest_good": interlock.highest_good,
        "exactly": f"{each.here.numerator}/{each.here.denominator}",
        "decides": not each.stricter,
        "stricter": list(each.stricter),
        "reading": each.reading,
    }


def _without_id(rule: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in rule.items() if name != "id"}
