"""Curves in words, as a table of figures, and as JSON: of a permit's work, or of any time."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import click

from drivers.modbus.register_map import ChannelProfile, Profile
from edge.app.curves import FILE_LOST, OPEN, PENDING, UNTOLD, CurveGap, ToldCurve
from edge.app.entry_words import what_words
from edge.app.wording import Language, figure, instant, limits, seconds
from edge.core.reasons import Words
from edge.core.rules import Interlock

ON_THE_WAY_MS = 3_000
"""A curve up to now ends so long ago: later readings may still be on their way to the disk."""

_GOOD = "good"
_GAP = "gap"
_COLUMNS = ("utc", "device", "channel", "figure", "unit", "quality", "until", "why")
_GAPS_SHOWN = 20

_WHY = {
    FILE_LOST: Words("封存文件缺失或已损坏", "the sealed file is gone or damaged"),
    OPEN: Words("尚未恢复，日志尚无记录", "not over yet, so no entry tells of it"),
    PENDING: Words("其后的读数封存时记入日志", "told when the readings after it are sealed"),
    UNTOLD: Words("没有任何记录说明", "NO ENTRY TELLS OF IT"),
}

_TEXT = {
    "en": {
        "channel": "{name}: {count} readings, {good} good, lowest {lowest}, highest {highest}{at}",
        "at": " at {time}",
        "limit": "allowed {limits} ({clause}): {beyond} of the good readings beyond it",
        "sealed": "{device}: {sealed} of {count} readings from sealed files, each as its hash says",
        "gap": "gap {first} to {last} ({long}): {why}{entry}",
        "entry": ", entry {entry}",
        "more": "{count} more gaps: --json or --csv has them all",
        "no_gap": "no gap longer than two polls",
    },
    "zh": {
        "channel": "{name}：读数 {count} 个，有效 {good} 个，最低 {lowest}，最高 {highest}{at}",
        "at": "（{time}）",
        "limit": "允许 {limits}（{clause}）：有效读数中 {beyond} 个超出",
        "sealed": "{device}：{count} 个读数中 {sealed} 个来自封存文件，散列均相符",
        "gap": "间断 {first} 至 {last}（{long}）：{why}{entry}",
        "entry": "，见第 {entry} 条",
        "more": "另有 {count} 处间断：见 --json 或 --csv",
        "no_gap": "没有超过两个轮询周期的间断",
    },
}


@dataclass(frozen=True, slots=True)
class ShownCurves:
    """Curves, the profiles of their devices, the channel asked for, None: all, and the limits that held, if any."""

    curves: Sequence[ToldCurve]
    profiles: Mapping[str, Profile]
    channel: str | None
    limits: Sequence[Interlock] = ()

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
    def troubles(self) -> list[str]:
        """What is wrong with sealed files."""
        return [trouble for told in self.curves for trouble in told.curve.troubles]


def devices_asked(profiles: Mapping[str, Profile], devices: Iterable[str], channel: str | None) -> set[str]:
    """Those of the devices that have the channel. Raises UsageError naming those there are if none has."""
    names = [f"{device}.{each.name}" for device in devices for each in profiles[device].channels]
    asked = [name for name in names if channel in (None, name, name.partition(".")[2])]
    if not asked:
        raise click.UsageError(f"--channel {channel}: no such channel there; one of: {', '.join(names)}")
    return {name.partition(".")[0] for name in asked}


# ---- for people ------------------------------------------------------------------------------------------------------


def curve_lines(shown: ShownCurves, language: Language) -> list[str]:
    """Each channel with its limits, then what of the device is sealed, its gaps, and what is wrong with its files."""
    text, lines = _TEXT[language], []
    for told in shown.curves:
        for channel in shown.channels(told):
            lines += _channel_lines(shown, told, channel, language)
        count, sealed = len(told.curve.wall_ms), told.curve.sealed
        lines.append("  " + text["sealed"].format(device=told.curve.device, count=count, sealed=sealed))
        lines += [f"  {line}" for line in _gap_lines(told.gaps, language)]
        lines += [f"  {trouble}" for trouble in told.curve.troubles[:_GAPS_SHOWN]]
    return lines


def _channel_lines(shown: ShownCurves, told: ToldCurve, channel: ChannelProfile, language: Language) -> list[str]:
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
    held = [each for each in shown.limits if (each.device, each.channel) == (told.curve.device, channel.name)]
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


def device_json(shown: ShownCurves, told: ToldCurve) -> dict[str, Any]:
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


def table(shown: ShownCurves) -> bytes:
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
