"""``permitgate check``: every finding of the configuration at once; with ``--probe``, what its devices say."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from edge.app.answers import USAGE, answer, write_json
from edge.app.probing import gateway_runs, probe_devices, probed_json, probed_lines, running_line
from edge.app.wording import LANGUAGES, printable
from edge.config import check as check_file
from edge.ports.errors import ConfigurationError


def check(config_path: Path, with_probe: bool, json_to: str | None) -> None:
    """Exit 0: usable; 1: a device did not answer ``--probe``; 2: every finding as ``file:line: key: what``."""
    try:
        report = check_file(config_path)
    except ConfigurationError as error:
        _refuse(error.problems, json_to)
        return
    config = report.config
    running = with_probe and gateway_runs(config.gateway.run_dir)
    probed = probe_devices(config, running, config.devices) if with_probe else []
    ok = all(each.answered for each in probed)
    result = {**report.as_json(), "ok": ok, "lines": {language: report.lines(language) for language in LANGUAGES}}
    if with_probe:
        result |= {"gateway_runs": running, "probe": [probed_json(each) for each in probed]}

    def say() -> None:
        language = config.gateway.language
        for line in report.lines(language):
            click.echo(line)
        if running:
            click.echo(running_line(config))
        for each in probed:
            for line in probed_lines(each, language):
                click.echo(printable(line))

    answer(result, json_to, say, ok=ok)


def _refuse(problems: Sequence[str], json_to: str | None) -> None:
    write_json({"ok": False, "problems": list(problems)}, json_to)
    if json_to != "-":
        for problem in problems:
            click.echo(problem, err=True)
    sys.exit(USAGE)
