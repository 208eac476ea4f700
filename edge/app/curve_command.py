"""``permitgate permit curve``: the readings of a permit's work, for people, as a table of figures, or as JSON."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from drivers.modbus.register_map import ChannelProfile, Profile
from edge.app.answers import answer, write_file
from edge.app.curves import (
    FILE_LOST,
    OPEN,
    PENDING,
    UNTOLD,
    CurveGap,
    ToldCurve,
    Work,
    devices_of,
    read_curves,
    work_of,
)
from edge.app.daemon_parts import polls_of
from edge.app.entry_words import what_words
from edge.app.site_plan import profiles_of
from edge.app.wording import Language, figure, instant, limits, printable, seconds
from edge.config import load
from edge.config_values import Config
from edge.core.reasons import Words
from edge.core.rules import Interlock
from edge.host import system_clock
from edge.storage.blobs import BlobStore
from edge.storage.journal_reader import JournalReader
from edge.storage.telemetry_reader import TelemetryReader

_GOOD = "good"
_GAP = "gap"
_COLUMNS = ("utc", "device", "channel", "figure", "unit", "quality", "until", "why")
_GAPS_SHOWN = 20

_ON_THE_WAY_MS = 3_000
"""A curve of work that goes on ends so long ago: later readings may still be on their way to the disk."""

_WHY = {
    FILE_LOST: Words("封存文件缺失或已损坏", "the sealed file is gone or damaged"),
    OPEN: Words("尚未恢复，日志尚无记录", "not over yet, so no entry tells of it"),
    PENDING: Words("其后的读数封存时记入日志", "told when the readings after it are sealed"),
    UNTOLD: Words("没有任何记录说明", "NO ENTRY TELLS OF IT"),
}

_TEXT = {
    "en": {
        "head": "permit {permit}: work from {first} to {last}",
        "now": "{last} (it goes on)",
        "limits": "limits as in entry {entry}, under which people entered",
        "configured": "limits as this configuration has them: no entry has them any more",
        "channel": "{name}: {count} readings, {good} good, lowest {lowest}, highest {highest}{at}",
        "at": " at {time}",
        "limit": "allowed {limits} ({clause}): {beyond} of the good readings beyond it",
        "sealed": "{device}: {sealed} of {count} readings from sealed files, each as its hash says",
        "gap": "gap {first} to {last} ({long}): {why}{entry}",
        "entry": ", entry {entry}",
        "more": "{count} more gaps: --json or --csv has them all",
        "no_gap": "no gap longer than two polls",
        "missing": "{device}: a limit names it and this configuration does not have it: NOT SHOWN",
    },
    "zh": {
        "head": "作业票 {permit}：作业时间 {first} 至 {last}",
        "now": "{last}（仍在进行）",
        "limits": "限值取自第 {entry} 条记录（人员当时据此进入）",
        "configured": "限值取自当前配置：日志中已无当时的限值",
        "channel": "{name}：读数 {count} 个，有效 {good} 个，最低 {lowest}，最高 {highest}{at}",
        "at": "（{time}）",
        "limit": "允许 {limits}（{clause}）：有效读数中 {beyond} 个超出",
        "sealed": "{device}：{count} 个读数中 {sealed} 个来自封存文件，散列均相符",
        "gap": "间断 {first} 至 {last}（{long}）：{why}{entry}",
        "entry": "，见第 {entry} 条",
        "more": "另有 {count} 处间断：见 --json 或 --csv",
        "no_gap": "没有超过两个轮询周期的间断",
        "missing": "{device}：限值涉及该设备，但当前配置中已没有：未显示",
    },
}


@dataclass(frozen=True, slots=True)
class _Shown:
    """A permit's work, whether it goes on, its curves, and the channels asked for, None: all."""

    work: Work
    goes_on: bool
    curves: Sequence[ToldCurve]
    profiles: Mapping[str, Profile]
    channel: str | None

    def channels(self, told: ToldCurve) -> list[ChannelProfile]:
        """The channels to show of a device: those of its profile that were stored."""
        device = told.curve.device
        known = (each for each in self.profiles[device].channels if each.name in told.curve.steps)
        return [each for each in known if self.channel in (None, each.name, f"{device}.{each.name}")]

    @property
    def ok(self) -> bool:
        """Whether every gap has its entry, and every file is what its hash says."""
        gaps = [gap for told in self.curves for gap in told.gaps]
        return not any(gap.why in (FILE_LOST, UNTOLD) for gap in gaps) and not self.troubles

    @property
    def missing(self) -> list[str]:
        """Devices whose limits held and that this configuration does not have any more: nothing of them is shown."""
        return sorted({limit.device for limit in self.work.limits} - self.profiles.keys())

    @property
    def troubles(self) -> list[str]:
        """What is wrong with sealed files."""
        return [trouble for told in self.curves for trouble in told.curve.troubles]


def curve(config_path: Path, permit_id: str, channel: str | None, csv_to: Path | None, json_to: str | None) -> None:
    """Show a permit's curves. Exit 1 if a sealed file is not what it was, or a gap has no entry."""
    config = load(config_path)
    shown = _read(config, permit_id, channel)
    if csv_to is not None:
        write_file(csv_to, _table(shown))
    answer(_result(shown), json_to, lambda: _say(_lines(shown, config.gateway.language)), ok=shown.ok)


def _read(config: Config, permit_id: str, channel: str | None) -> _Shown:
    data_dir = config.gateway.data_dir
    with (
        closing(JournalReader(data_dir / "journal.db")) as journal,
        closing(TelemetryReader(data_dir / "telemetry.db")) as telemetry,
    ):
        work = work_of(journal, config, permit_id)
        goes_on = work.to_ms is None
        if goes_on:
            work = replace(work, to_ms=system_clock.utc_ms() - _ON_THE_WAY_MS)
        polls = polls_of(config)
        asked_of = {device: polls[device] for device in devices_of(config, work.areas)}
        curves = read_curves(journal, telemetry, BlobStore(data_dir / "blobs"), asked_of, work)
    profiles = profiles_of(config)
    names = [f"{device}.{each.name}" for device in asked_of for each in profiles[device].channels]
    asked = [name for name in names if channel in (None, name, name.partition(".")[2])]
    if not asked:
        raise click.UsageError(f"--channel {channel}: no such channel there; one of: {', '.join(names)}")
    devices = {name.partition(".")[0] for name in asked}
    return _Shown(work, goes_on, [told for told in curves if told.curve.device in devices], profiles, channel)


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(printable(line))


# ---- for people ------------------------------------------------------------------------------------------------------


def _lines(shown: _Shown, language: Language) -> list[str]:
    text, work = _TEXT[language], shown.work
    last = instant(work.to_ms)
    last = text["now"].format(last=last) if shown.goes_on else last
    lines = [text["head"].format(permit=work.permit, first=instant(work.from_ms), last=last)]
    if work.limits:
        held = text["configured"] if work.limits_from is None else text["limits"].format(entry=work.limits_from)
        lines.append(held)
    lines += [text["missing"].format(device=device) for device in shown.missing]
    for told in shown.curves:
        for channel in shown.channels(told):
            lines += _channel_lines(shown, told, channel, language)
        count, sealed = len(told.curve.wall_ms), told.curve.sealed
        lines.append("  " + text["sealed"].format(device=told.curve.device, count=count, sealed=sealed))
        lines += [f"  {line}" for line in _gap_lines(told.gaps, language)]
        lines += [f"  {trouble}" for trouble in told.curve.troubles[:_GAPS_SHOWN]]
    return lines


def _channel_lines(shown: _Shown, told: ToldCurve, channel: ChannelProfile, language: Language) -> list[str]:
    text, steps = _TEXT[language], told.curve.steps[channel.name]
    good = [step for step in steps if step is not None]
    highest = max(good, default=None)
    at = "" if highest is None else text["at"].format(time=instant(told.curve.wall_ms[steps.index(highest)]))
    resolution, unit = str(channel.resolution), channel.unit
    line = text["channel"].format(
        name=f"{told.curve.device}.{channel.name}",
        count=len(steps),
        good=len(good),
        lowest=figure(min(good, default=None), resolution, unit),
        highest=figure(highest, resolution, unit),
        at=at,
    )
    held = [each for each in shown.work.limits if (each.device, each.channel) == (told.curve.device, channel.name)]
    return [line, *(f"  {_limit_line(each, good, language)}" for each in held)]


def _limit_line(limit: Interlock, good: Sequence[int], language: Language) -> str:
    lowest, highest = limit.lowest_good, limit.highest_good
    beyond = sum(
        1 for step in good if (lowest is not None and step < lowest) or (highest is not None and step > highest)
    )
    allowed = limits(lowest, highest, limit.resolution, limit.unit)
    return _TEXT[language]["limit"].format(limits=allowed, clause=limit.clause, beyond=beyond)


def _gap_lines(gaps: Sequence[CurveGap], language: Language) -> list[str]:
    text = _TEXT[language]
    if not gaps:
        return [text["no_gap"]]
    lines = [
        text["gap"].format(
            first=instant(gap.first_ms),
            last=instant(gap.last_ms),
            long=seconds(gap.last_ms - gap.first_ms),
            why=_why(gap, language),
            entry="" if gap.entry is None else text["entry"].format(entry=gap.entry),
        )
        for gap in gaps[:_GAPS_SHOWN]
    ]
    if len(gaps) > _GAPS_SHOWN:
        lines.append(text["more"].format(count=len(gaps) - _GAPS_SHOWN))
    return lines


def _why(gap: CurveGap, language: Language) -> str:
    words = _WHY.get(gap.why)
    if words is None:
        return what_words(gap.why, language)
    return words.zh if language == "zh" else words.en


# ---- for machines ----------------------------------------------------------------------------------------------------


def _result(shown: _Shown) -> dict[str, Any]:
    work = shown.work
    return {
        "ok": shown.ok,
        "permit": work.permit,
        "from_ms": work.from_ms,
        "to_ms": work.to_ms,
        "goes_on": shown.goes_on,
        "limits_from": work.limits_from,
        "limits": [_limit_json(each) for each in work.limits],
        "devices": [_device_json(shown, told) for told in shown.curves],
        "missing": shown.missing,
        "troubles": shown.troubles,
    }


def _limit_json(limit: Interlock) -> dict[str, Any]:
    names = ("interlock", "rule", "clause", "device", "channel", "unit", "resolution", "lowest_good", "highest_good")
    return {name: getattr(limit, name) for name in names}


def _device_json(shown: _Shown, told: ToldCurve) -> dict[str, Any]:
    """Figures are steps of the resolution; ``qualities`` are [place, count, quality] of those that are not good."""
    curve = told.curve
    return {
        "device": curve.device,
        "wall_ms": curve.wall_ms,
        "sealed": curve.sealed,
        "channels": [
            {
                "channel": channel.name,
                "unit": channel.unit,
                "resolution": str(channel.resolution),
                "steps": curve.steps[channel.name],
                "qualities": _runs(curve.qualities[channel.name]),
            }
            for channel in shown.channels(told)
        ],
        "gaps": [
            {
                "first_ms": gap.first_ms,
                "last_ms": gap.last_ms,
                "why": gap.why,
                "zh": _why(gap, "zh"),
                "en": _why(gap, "en"),
                "entry": gap.entry,
            }
            for gap in told.gaps
        ],
    }


def _runs(qualities: Sequence[str]) -> list[list[Any]]:
    found, place = [], 0
    for quality, run in groupby(qualities):
        count = sum(1 for _ in run)
        if quality != _GOOD:
            found.append([place, count, quality])
        place += count
    return found


def _table(shown: _Shown) -> bytes:
    """Comma-separated lines, each a reading or, with ``until`` and ``why``, a gap, by device, channel and time."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for told in shown.curves:
        for channel in shown.channels(told):
            writer.writerows(_rows(told, channel))
    return text.getvalue().encode()


def _rows(told: ToldCurve, channel: ChannelProfile) -> Iterator[tuple[str, ...]]:
    curve, unit = told.curve, channel.unit
    in_unit = cache(lambda step: "" if step is None else str(step * channel.resolution))
    gaps = iter((*told.gaps, None))
    gap = next(gaps)
    for wall, step, quality in zip(
        curve.wall_ms, curve.steps[channel.name], curve.qualities[channel.name], strict=True
    ):
        while gap is not None and gap.last_ms <= wall:
            yield _gap_row(gap, told, channel)
            gap = next(gaps)
        yield instant(wall), curve.device, channel.name, in_unit(step), unit, quality, "", ""
    while gap is not None:
        yield _gap_row(gap, told, channel)
        gap = next(gaps)


def _gap_row(gap: CurveGap, told: ToldCurve, channel: ChannelProfile) -> tuple[str, ...]:
    until = instant(gap.last_ms)
    return instant(gap.first_ms), told.curve.device, channel.name, "", channel.unit, _GAP, until, gap.why
