"""``permitgate devices curve``: what instruments measured over a time, without any permit."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from edge.app.answers import answer, write_file
from edge.app.curve_words import ON_THE_WAY_MS, ShownCurves, curve_lines, device_json, devices_asked, table
from edge.app.curves import Span, devices_of, read_curves
from edge.app.daemon_parts import polls_of
from edge.app.site_plan import profiles_of
from edge.app.wording import instant, printable, seconds
from edge.config import load
from edge.config_values import Config
from edge.host import system_clock
from edge.storage.blobs import BlobStore
from edge.storage.journal_reader import JournalReader
from edge.storage.telemetry_reader import TelemetryReader

READINGS_MAX = 2_000_000
"""As many are taken into memory at once beside the daemon: about two and a half days of eight channels at 1 Hz."""

_HEAD = {"en": "{devices}: {first} to {last}", "zh": "{devices}：{first} 至 {last}"}


@dataclass(frozen=True, slots=True)
class CurveOptions:
    """What is asked for, as the command line has it: devices or an area, a time in UTC, and in what form."""

    devices: tuple[str, ...]
    area: str | None
    since: datetime
    until: datetime | None
    channel: str | None
    csv_to: Path | None


def curve(config_path: Path, options: CurveOptions, json_to: str | None) -> None:
    """Show the curves. Exit 1 if a sealed file is not what it was, or a gap has no entry."""
    config = load(config_path)
    devices = _devices(config, options)
    span = _span(config, options, devices)
    shown = _read(config, devices, span, options.channel)
    if options.csv_to is not None:
        write_file(options.csv_to, table(shown))
    result = {
        "ok": shown.ok,
        "from_ms": span.from_ms,
        "to_ms": span.to_ms,
        "devices": [device_json(shown, told) for told in shown.curves],
        "troubles": shown.troubles,
    }
    head = _HEAD[config.gateway.language].format(
        devices=", ".join(told.curve.device for told in shown.curves),
        first=instant(span.from_ms),
        last=instant(span.to_ms),
    )

    def tell() -> None:
        for line in (head, *curve_lines(shown, config.gateway.language)):
            click.echo(printable(line))

    answer(result, json_to, tell, ok=shown.ok)


def _devices(config: Config, options: CurveOptions) -> tuple[str, ...]:
    """The devices named, then those of the area, each once, in that order."""
    if not options.devices and options.area is None:
        raise click.UsageError("name a DEVICE, or an area with --area")
    known = [device.id for device in config.devices]
    for device in options.devices:
        if device not in known:
            raise click.UsageError(f"{device}: no such device; one of: {', '.join(known)}")
    areas = [area.id for area in config.areas]
    if options.area is not None and options.area not in areas:
        raise click.UsageError(f"--area {options.area}: no such area; one of: {', '.join(areas)}")
    of_area = () if options.area is None else devices_of(config, [options.area])
    return tuple(dict.fromkeys((*options.devices, *of_area)))


def _span(config: Config, options: CurveOptions, devices: Sequence[str]) -> Span:
    from_ms = _utc_ms(options.since)
    to_ms = system_clock.utc_ms() - ON_THE_WAY_MS if options.until is None else _utc_ms(options.until)
    if to_ms <= from_ms:
        raise click.UsageError(f"--from {instant(from_ms)} is not before --to {instant(to_ms)}")
    polls, profiles = polls_of(config), profiles_of(config)
    longest_ms = int(READINGS_MAX / sum(len(profiles[device].channels) / polls[device] for device in devices))
    if to_ms - from_ms > longest_ms:
        raise click.UsageError(
            f"--from to --to is {seconds(to_ms - from_ms)}; of so many channels at most {seconds(longest_ms)} at once"
        )
    return Span(from_ms, to_ms)


def _utc_ms(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp()) * 1000


def _read(config: Config, devices: Sequence[str], span: Span, channel: str | None) -> ShownCurves:
    profiles, polls, data_dir = profiles_of(config), polls_of(config), config.gateway.data_dir
    asked = devices_asked(profiles, devices, channel)
    of_devices = {device: polls[device] for device in devices if device in asked}
    with (
        closing(JournalReader(data_dir / "journal.db")) as journal,
        closing(TelemetryReader(data_dir / "telemetry.db")) as telemetry,
    ):
        curves = read_curves(journal, telemetry, BlobStore(data_dir / "blobs"), of_devices, span)
    return ShownCurves(curves, profiles, channel)
