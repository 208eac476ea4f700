"""``permitgate check``: every finding of the configuration at once; with ``--probe``, what its devices say."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from edge.app.answers import USAGE, answer, write_json
from edge.app.probing import gateway_runs, probe_devices, probed_json, probed_lines, running_line
from edge.app.rules_at_hand import of_gateway, word_json
from edge.app.rules_words import word_lines
from edge.app.wording import LANGUAGES, printable
from edge.config import check as check_file
from edge.config_values import Config
from edge.ports.errors import ConfigurationError, PermitgateError


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
    told, rules = _hq_rules(config)
    result = {**report.as_json(), "ok": ok, "lines": {language: report.lines(language) for language in LANGUAGES}}
    result["hq_rules"] = told
    if with_probe:
        result |= {"gateway_runs": running, "probe": [probed_json(each) for each in probed]}

    def say() -> None:
        language = config.gateway.language
        for line in report.lines(language):
            click.echo(line)
        for line in rules:
            click.echo(printable(line))
        if running:
            click.echo(running_line(config))
        for each in probed:
            for line in probed_lines(each, language):
                click.echo(printable(line))

    answer(result, json_to, say, ok=ok)


def _hq_rules(config: Config) -> tuple[list[dict[str, Any]], list[str]]:
    """What became of the rule packs that HQ published here, for machines and for people; nothing before enrolment.

    Files that cannot be read are said, and make no configuration unusable.
    """
    try:
        held = of_gateway(config)
    except PermitgateError as error:
        return [], [f"总部规则包无法读取 / HQ's rule packs cannot be read: {error}"]
    told = [(word, held.is_named(word)) for word in held.words]
    return [word_json(*each) for each in told], [line for each in told for line in word_lines(*each)]


def _refuse(problems: Sequence[str], json_to: str | None) -> None:
    write_json({"ok": False, "problems": list(problems)}, json_to)
    if json_to != "-":
        for problem in problems:
            click.echo(problem, err=True)
    sys.exit(USAGE)
