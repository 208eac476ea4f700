"""``permitgate devices probe``: the configured devices, or one of them, register by register."""

from pathlib import Path

import click

from edge.app.answers import answer
from edge.app.probing import gateway_runs, probe_devices, probed_json, probed_lines, running_line
from edge.app.wording import LANGUAGES, printable
from edge.config import load
from edge.config_wording import did_you_mean, listed


def probe(config_path: Path, device: str | None, json_to: str | None) -> None:
    """Exit 0: each register was read; 1: one was not; 2: the configuration, or no such device."""
    config = load(config_path)
    known = [each.id for each in config.devices]
    if device is not None and device not in known:
        hint = did_you_mean(device, known)
        raise click.UsageError(f"there is no device {device[:64]!a}{hint}; one of: {listed(known)}")
    running = gateway_runs(config.gateway.run_dir)
    probed = probe_devices(config, running, [each for each in config.devices if device in (None, each.id)])
    ok = all(each.answered for each in probed)
    lines = {language: [line for each in probed for line in probed_lines(each, language)] for language in LANGUAGES}
    result = {"ok": ok, "gateway_runs": running, "probe": [probed_json(each) for each in probed], "lines": lines}

    def say() -> None:
        if running:
            click.echo(running_line(config))
        for line in lines[config.gateway.language]:
            click.echo(printable(line))

    answer(result, json_to, say, ok=ok)
