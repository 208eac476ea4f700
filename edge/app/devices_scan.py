"""``permitgate devices scan``: which units answer on a bus, and which models their registers could be."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from drivers.modbus.catalogue import Catalogue
from drivers.modbus.client import BusSettings
from drivers.modbus.probe import ProbeRow
from drivers.modbus.register_map import Profile
from drivers.modbus.scan import (
    Heard,
    Match,
    Presence,
    answers_for_all,
    can_be_on,
    greetings,
    listen,
    longest_ms,
    matches,
)
from edge.app.answers import answer, program
from edge.app.devices_options import WireChoice
from edge.app.devices_place import Workplace, workplace
from edge.app.devices_wire import chosen_wire, opened
from edge.app.wording import LANGUAGES, Language, printable
from edge.config import Device
from edge.host import system_clock
from edge.ports.errors import ConfigurationError

_RTU_UNIT_MAX = 247
_PROGRESS_SHOWN = 10
_DOUBTFUL_SHOWN = 8

_TEXT = {
    "en": {
        "begin": "{wire}: asking units {first} to {last}, at most about {seconds} s",
        "answers": "unit {unit}: answers",
        "refuses": "unit {unit}: is there, and refuses the question ({detail})",
        "garbled": "unit {unit}: GARBLED ({detail}): two units of that number, or another baud rate or parity",
        "configured": "  configured as {device}, model {model}",
        "misfit": "  configured as {device}, model {model}: which does NOT fit what it answers",
        "fits": "  {model} fits: {values}",
        "not": "  {model} does not: {register} ({printed}): {words}",
        "also": "  with doubts could be, too: {models}",
        "others": "  {count} other models do not fit",
        "several": "  several models fit: the instrument's label and display must tell",
        "doubtful": "  {model} could be it: {values}; {doubts}",
        "more": "  and {count} more that could be, each with its doubts",
        "none": "  no known model fits beyond doubt: permitgate devices try {wire} --unit {unit}",
        "everyone": "EVERY unit says the same: one device or gateway that ignores numbers; unit {unit} stands for all",
        "total": "{there} of {asked} units are there. A plausible figure proves nothing: compare it with the display",
        "silence": "nobody answers: check wiring, power, baud, parity. Some answer known registers only: --thorough",
    },
    "zh": {
        "begin": "{wire}：询问地址 {first} 至 {last}，最多约 {seconds} 秒",
        "answers": "地址 {unit}：有应答",
        "refuses": "地址 {unit}：有设备，但拒绝该询问（{detail}）",
        "garbled": "地址 {unit}：应答混乱（{detail}）：两台设备同址，或波特率、校验不同",
        "configured": "  已配置为 {device}，型号 {model}",
        "misfit": "  已配置为 {device}，型号 {model}：与其应答不符",
        "fits": "  {model} 吻合：{values}",
        "not": "  {model} 不符：{register}（{printed}）：{words}",
        "also": "  存疑但也有可能：{models}",
        "others": "  另有 {count} 个型号不符",
        "several": "  不止一个型号吻合：须看铭牌和显示",
        "doubtful": "  {model} 有可能：{values}；{doubts}",
        "more": "  另有 {count} 个型号有可能，均存疑",
        "none": "  没有型号可以确定：permitgate devices try {wire} --unit {unit}",
        "everyone": "所有地址的应答都一样：是一台不辨地址的设备或网关，以地址 {unit} 为代表",
        "total": "{asked} 个地址中有 {there} 个有设备。数值合理不等于正确，请与仪表显示核对",
        "silence": "没有应答：请检查接线、电源、波特率和校验；有的设备只应答已知寄存器，可加 --thorough",
    },
}


@dataclass(frozen=True, slots=True)
class Found:
    """A unit that is there: what it said, what it is configured as if at all, and each model held against it."""

    heard: Heard
    device: Device | None
    models: tuple[Match, ...]


def scan(config_path: Path, choice: WireChoice, units: range, thorough: bool, json_to: str | None) -> None:
    """Exit 0: somebody answers; 1: nobody does, or not properly; 2: usage; 3: the wire cannot be had."""
    place = workplace(config_path)
    settings = chosen_wire(choice, place)
    if settings.kind == "rtu" and units[-1] > _RTU_UNIT_MAX:
        raise click.UsageError(f"--units: a serial bus has units 1 to {_RTU_UNIT_MAX}")
    profiles = _profiles(place.catalogue, settings)
    questions = greetings(profiles)[: None if thorough else 1]
    aloud = json_to != "-"
    if aloud:
        seconds = -(-longest_ms(len(units), len(questions), settings.timeout_ms) // 1000)
        begin = _TEXT[place.language]["begin"]
        click.echo(begin.format(wire=_wire_words(settings), first=units[0], last=units[-1], seconds=seconds))
    with opened(settings) as connection:
        heard = []
        for each in listen(connection, units, questions, system_clock.sleep):
            heard.append(each)
            _show_progress(heard, units, aloud)
        everyone = answers_for_all(heard)
        there = [each for each in heard if each.there][: 1 if everyone else None]
        found = [
            Found(each, _configured(place, choice, each.unit), tuple(matches(connection, each.unit, profiles)))
            for each in there
            if each.presence is not Presence.GARBLED
        ]
    ok = any(each.there and each.presence is not Presence.GARBLED for each in heard)
    lines = {each: _lines(found, heard, everyone, (settings, each)) for each in LANGUAGES}
    result = _result(ok, everyone, units, heard, found)
    answer({**result, "lines": lines}, json_to, lambda: _say(lines[place.language]), ok=ok)


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(printable(line))


def _profiles(catalogue: Catalogue, settings: BusSettings) -> list[Profile]:
    """Every model that can be on such a wire; an own one that cannot be used is `devices list`'s to tell."""
    line = (settings.baud, settings.parity, settings.stop_bits) if settings.kind == "rtu" else None
    found = []
    for model in catalogue.models():
        try:
            found.append(catalogue.load(model))
        except ConfigurationError:
            continue
    return [profile for profile in found if can_be_on(profile, line)]


def _configured(place: Workplace, choice: WireChoice, unit: int) -> Device | None:
    return next((each for each in place.devices if each.bus == choice.bus and each.unit == unit), None)


def _show_progress(heard: Sequence[Heard], units: range, aloud: bool) -> None:
    """One line that is written over, for a person only; who breaks off still sees who was there."""
    if not aloud or sys.stderr is None or not sys.stderr.isatty():
        return
    there = [str(each.unit) for each in heard if each.there]
    shown = f"\r  {heard[-1].unit}/{units[-1]}: {' '.join(there[-_PROGRESS_SHOWN:])} "
    click.echo(shown, err=True, nl=len(heard) == len(units))


def _wire_words(settings: BusSettings) -> str:
    if settings.kind == "rtu":
        return f"{settings.port} {settings.baud} 8{settings.parity}{settings.stop_bits}"
    return f"{settings.host}:{settings.tcp_port}"


def _wire_options(settings: BusSettings) -> str:
    """The options that name this wire to another command."""
    if settings.kind == "tcp":
        return f"--host {settings.host} --tcp-port {settings.tcp_port}"
    line = f"--baud {settings.baud} --parity {settings.parity} --stop-bits {settings.stop_bits}"
    return f"--port {settings.port} {line}"


def _heard_line(heard: Heard, language: Language) -> str:
    return _TEXT[language][heard.presence.value].format(
        unit=heard.unit, detail=heard.detail.removeprefix(f"unit {heard.unit}: ")
    )


def _lines(
    found: Sequence[Found], heard: Sequence[Heard], everyone: bool, told: tuple[BusSettings, Language]
) -> list[str]:
    settings, language = told
    text = _TEXT[language]
    there = sum(each.there for each in heard)
    if not there:
        return [text["silence"]]
    lines = [text["everyone"].format(unit=heard[0].unit)] if everyone else []
    for each in found:
        lines += _found_lines(each, settings, language)
    return [*lines, text["total"].format(there=there, asked=len(heard))]


def _found_lines(found: Found, settings: BusSettings, language: Language) -> list[str]:
    text, fitting = _TEXT[language], [match for match in found.models if match.fits]
    lines = [_heard_line(found.heard, language)]
    if found.device is not None:
        fits = any(match.model == found.device.profile for match in fitting)
        key = "configured" if fits else "misfit"
        lines.append(text[key].format(device=found.device.id, model=found.device.profile))
    sure = [match for match in fitting if not match.doubts]
    lines += [text["fits"].format(model=match.model, values=", ".join(_values(match.rows))) for match in sure]
    if len(sure) > 1:
        lines.append(text["several"])
    doubtful = [match for match in fitting if match.doubts]
    if sure and doubtful:
        lines.append(text["also"].format(models=", ".join(match.model for match in doubtful)))
    if not sure:
        lines += _doubtful_lines(doubtful, language)
        line = text["none"].format(wire=_wire_options(settings), unit=found.heard.unit)
        lines.append(line.replace("permitgate", program(), 1))
    return lines + _misfit_lines(found.models, bool(fitting), language)


def _doubtful_lines(doubtful: Sequence[Match], language: Language) -> list[str]:
    text, lines = _TEXT[language], []
    for match in doubtful[:_DOUBTFUL_SHOWN]:
        doubts = "; ".join(each.words_zh if language == "zh" else each.words_en for each in match.doubts)
        values = ", ".join(_values(match.rows))
        lines.append(text["doubtful"].format(model=match.model, values=values, doubts=doubts))
    if len(doubtful) > _DOUBTFUL_SHOWN:
        lines.append(text["more"].format(count=len(doubtful) - _DOUBTFUL_SHOWN))
    return lines


def _misfit_lines(models: Sequence[Match], something_fits: bool, language: Language) -> list[str]:
    """Why each model does not fit; only how many where another does."""
    text, lines = _TEXT[language], []
    others = [(match.model, match.against) for match in models if match.against is not None]
    if something_fits and others:
        return [text["others"].format(count=len(others))]
    for model, row in others:
        assert row is not None
        words = row.verdict.words_zh if language == "zh" else row.verdict.words_en
        lines.append(text["not"].format(model=model, register=row.register, printed=row.printed, words=words))
    return lines


def _values(rows: Sequence[ProbeRow]) -> list[str]:
    return [f"{row.register} {row.decoded}" for row in rows if row.decoded]


def _result(
    ok: bool, everyone: bool, units: range, heard: Sequence[Heard], found: Sequence[Found]
) -> Mapping[str, Any]:
    details = {each.heard.unit: each for each in found}
    return {
        "ok": ok,
        "asked": [units[0], units[-1]],
        "same_for_all": everyone,
        "units": [
            {
                "unit": each.unit,
                "presence": each.presence.value,
                "detail": each.detail,
                **(_found_json(details[each.unit]) if each.unit in details else {"device": None, "models": []}),
            }
            for each in heard
            if each.there
        ],
    }


def _found_json(found: Found) -> dict[str, Any]:
    models = [
        {
            "model": match.model,
            "fits": match.fits,
            "values": _values(match.rows),
            "doubts": [{"code": each.code, "zh": each.words_zh, "en": each.words_en} for each in match.doubts],
            "against": None if match.against is None else match.against.register,
            "verdict": None if match.against is None else match.against.verdict.code,
        }
        for match in found.models
    ]
    return {"device": None if found.device is None else found.device.id, "models": models}
