"""``permitgate devices list`` and ``show``: the device models that ship and those that the site wrote itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from drivers.modbus.catalogue import Catalogue, load_file, read_profile_file
from drivers.modbus.register_map import Profile
from edge.app.answers import answer
from edge.app.devices_place import workplace
from edge.app.profile_words import MARK_WORDS, map_json, profile_json, profile_lines
from edge.app.wording import LANGUAGES, Language, printable
from edge.config_wording import did_you_mean, listed
from edge.ports.errors import ConfigurationError

_TEXT = {
    "en": {
        "model": "{model}{own}: {manufacturer}, {product}",
        "own": " (own, {file})",
        "channels": "  {channels}; {status}; {serial}",
        "status": "says when it is broken",
        "no_status": "NO status: cannot say when it is broken",
        "serial": "as delivered {baud} 8{parity} unit {unit}",
        "tcp": "Modbus/TCP only",
        "manual": "  [{mark}] {words}: {title}, {revision}",
        "unusable": "{model} (own, {file}): CANNOT BE USED",
        "totals": "{count} models; one in full: permitgate devices show MODEL",
    },
    "zh": {
        "model": "{model}{own}：{manufacturer}，{product}",
        "own": "（自有，{file}）",
        "channels": "  {channels}；{status}；{serial}",
        "status": "能自报故障",
        "no_status": "无状态寄存器：不能自报故障",
        "serial": "出厂 {baud} 8{parity} 地址 {unit}",
        "tcp": "仅 Modbus/TCP",
        "manual": "  [{mark}] {words}：{title}，{revision}",
        "unusable": "{model}（自有，{file}）：不可用",
        "totals": "{count} 个型号；查看某一个：permitgate devices show MODEL",
    },
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One model of the catalogue: its profile, or every finding against it."""

    model: str
    file: str
    own: bool
    profile: Profile | None
    problems: Sequence[str]


def list_models(config_path: Path, json_to: str | None) -> None:
    """Every model. Exit 1: an own profile, or their folder, cannot be used."""
    place = workplace(config_path)
    models = [_listed(place.catalogue, model) for model in place.catalogue.models()]
    ok = not place.problems and all(each.profile is not None for each in models)
    result = {"ok": ok, "problems": list(place.problems), "models": [_json(each) for each in models]}

    def say() -> None:
        for problem in place.problems:
            click.echo(printable(problem), err=True)
        for each in models:
            for line in _lines(each, place.language):
                click.echo(printable(line))
        click.echo(_TEXT[place.language]["totals"].format(count=len(models)))

    answer(result, json_to, say, ok=ok)


def _listed(catalogue: Catalogue, model: str) -> Listed:
    file, own = catalogue.file(model), model in catalogue.own
    try:
        return Listed(model, file, own, catalogue.load(model), ())
    except ConfigurationError as error:
        return Listed(model, file, own, None, error.problems)


def _lines(each: Listed, language: Language) -> list[str]:
    words, profile = _TEXT[language], each.profile
    if profile is None:
        return [words["unusable"].format(model=each.model, file=each.file), *(f"  {said}" for said in each.problems)]
    channels = ", ".join(f"{channel.quantity.value} {channel.unit}" for channel in profile.channels)
    serial = words["tcp"]
    if profile.serial is not None:
        line = profile.serial
        serial = words["serial"].format(baud=line.default_baud, parity=line.default_parity, unit=line.default_address)
    status = words["status"] if profile.has_status else words["no_status"]
    manual = profile.manual
    marks = MARK_WORDS[manual.mark][LANGUAGES.index(language)]
    return [
        words["model"].format(
            model=each.model,
            own=words["own"].format(file=each.file) if each.own else "",
            manufacturer=profile.manufacturer,
            product=profile.product,
        ),
        words["channels"].format(channels=channels, status=status, serial=serial),
        words["manual"].format(mark=manual.mark, words=marks, title=manual.title, revision=manual.revision),
    ]


def _json(each: Listed) -> dict[str, Any]:
    known = {"model": each.model, "file": each.file, "own": each.own, "problems": list(each.problems)}
    return (
        {**known, "usable": False}
        if each.profile is None
        else {
            **profile_json(each.profile, each.file),
            **known,
            "usable": True,
        }
    )


def show_model(config_path: Path, model: str, json_to: str | None) -> None:
    """One model in full; ``model`` is a name of the list, or a file that ends in .toml and is in no folder yet."""
    place = workplace(config_path)
    if model.endswith(".toml"):
        file, text, profile = model, read_profile_file(Path(model)), load_file(Path(model))
    else:
        models = place.catalogue.models()
        if model not in models:
            hint = did_you_mean(model, models)
            raise click.UsageError(f"there is no model {model[:64]!a}{hint}; one of: {listed(models)}, or a FILE.toml")
        file, text, profile = place.catalogue.file(model), place.catalogue.text(model), place.catalogue.load(model)
    lines = {language: profile_lines(profile, text, file, language) for language in LANGUAGES}
    result = {"ok": True, **map_json(profile, text, file), "lines": lines}

    def say() -> None:
        for line in lines[place.language]:
            click.echo(printable(line))

    answer(result, json_to, say)
