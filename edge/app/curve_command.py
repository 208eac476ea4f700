"""``permitgate permit curve``: the readings of a permit's work, for people, as a table of figures, or as JSON."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from edge.app.answers import answer, write_file
from edge.app.curve_words import ON_THE_WAY_MS, ShownCurves, curve_lines, device_json, devices_asked, table
from edge.app.curves import Span, Work, devices_of, read_curves, work_of
from edge.app.daemon_parts import polls_of
from edge.app.site_plan import profiles_of
from edge.app.wording import Language, instant, printable
from edge.config import load
from edge.config_values import Config
from edge.core.rules import Interlock
from edge.host import system_clock
from edge.storage.blobs import BlobStore
from edge.storage.journal_reader import JournalReader
from edge.storage.telemetry_reader import TelemetryReader

_TEXT = {
    "en": {
        "head": "permit {permit}: work from {first} to {last}",
        "now": "{last} (it goes on)",
        "limits": "limits as in entry {entry}, under which people entered",
        "configured": "limits as this configuration has them: no entry has them any more",
        "missing": "{device}: a limit names it and this configuration does not have it: NOT SHOWN",
    },
    "zh": {
        "head": "作业票 {permit}：作业时间 {first} 至 {last}",
        "now": "{last}（仍在进行）",
        "limits": "限值取自第 {entry} 条记录（人员当时据此进入）",
        "configured": "限值取自当前配置：日志中已无当时的限值",
        "missing": "{device}：限值涉及该设备，但当前配置中已没有：未显示",
    },
}


@dataclass(frozen=True, slots=True)
class _Shown:
    """A permit's work, whether it goes on, and its curves."""

    work: Work
    goes_on: bool
    curves: ShownCurves

    @property
    def missing(self) -> list[str]:
        """Devices whose limits held and that this configuration does not have any more: nothing of them is shown."""
        return sorted({limit.device for limit in self.work.limits} - self.curves.profiles.keys())


def curve(config_path: Path, permit_id: str, channel: str | None, csv_to: Path | None, json_to: str | None) -> None:
    """Show a permit's curves. Exit 1 if a sealed file is not what it was, or a gap has no entry."""
    config = load(config_path)
    shown = _read(config, permit_id, channel)
    if csv_to is not None:
        write_file(csv_to, table(shown.curves))
    answer(_result(shown), json_to, lambda: _say(_lines(shown, config.gateway.language)), ok=shown.curves.ok)


def _read(config: Config, permit_id: str, channel: str | None) -> _Shown:
    data_dir = config.gateway.data_dir
    with (
        closing(JournalReader(data_dir / "journal.db")) as journal,
        closing(TelemetryReader(data_dir / "telemetry.db")) as telemetry,
    ):
        work = work_of(journal, config, permit_id)
        goes_on = work.to_ms is None
        to_ms = system_clock.utc_ms() - ON_THE_WAY_MS if work.to_ms is None else work.to_ms
        polls = polls_of(config)
        asked_of = {device: polls[device] for device in devices_of(config, work.areas)}
        span = Span(work.from_ms, max(to_ms, work.from_ms + 1), work.first_entry)
        curves = read_curves(journal, telemetry, BlobStore(data_dir / "blobs"), asked_of, span)
    profiles = profiles_of(config)
    devices = devices_asked(profiles, asked_of, channel)
    wanted = [told for told in curves if told.curve.device in devices]
    return _Shown(replace(work, to_ms=to_ms), goes_on, ShownCurves(wanted, profiles, channel, work.limits))


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(printable(line))


def _lines(shown: _Shown, language: Language) -> list[str]:
    text, work = _TEXT[language], shown.work
    last = instant(work.to_ms)
    last = text["now"].format(last=last) if shown.goes_on else last
    lines = [text["head"].format(permit=work.permit, first=instant(work.from_ms), last=last)]
    if work.limits:
        held = text["configured"] if work.limits_from is None else text["limits"].format(entry=work.limits_from)
        lines.append(held)
    lines += [text["missing"].format(device=device) for device in shown.missing]
    return lines + curve_lines(shown.curves, language)


def _result(shown: _Shown) -> dict[str, Any]:
    work = shown.work
    return {
        "ok": shown.curves.ok,
        "permit": work.permit,
        "from_ms": work.from_ms,
        "to_ms": work.to_ms,
        "goes_on": shown.goes_on,
        "limits_from": work.limits_from,
        "limits": [_limit_json(each) for each in work.limits],
        "devices": [device_json(shown.curves, told) for told in shown.curves.curves],
        "missing": shown.missing,
        "troubles": shown.curves.troubles,
    }


def _limit_json(limit: Interlock) -> dict[str, Any]:
    names = ("interlock", "rule", "clause", "device", "channel", "unit", "resolution", "lowest_good", "highest_good")
    return {name: getattr(limit, name) for name in names}
