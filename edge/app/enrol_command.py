"""``permitgate enrol``."""

from pathlib import Path

import click

from edge.app.answers import answer, program
from edge.app.enrol import enrol as enrol_gateway
from edge.config import load
from edge.config_read import hq_url_problem
from sync.formats.enrolment_code import parse_code
from sync.formats.errors import FormatError


def enrol(config_path: Path, url: str, code: str, json_to: str | None) -> None:
    """Exchange keys with HQ and say what was agreed; nothing secret is printed."""
    problem = hq_url_problem(url)
    if problem is not None:
        raise click.UsageError(f"--hq {problem}")
    try:
        parse_code(code)
    except FormatError as error:
        raise click.UsageError(f"--code: {error.message}") from None
    report = enrol_gateway(load(config_path).gateway, url, code)
    result = {
        "ok": True,
        "origin": report.origin,
        "log_vkey": report.log_vkey,
        "authority_origin": report.authority_origin,
        "mirror_vkey": report.mirror_vkey,
    }

    def say() -> None:
        click.echo(f"enrolled as {report.origin}")
        click.echo(f"log key    {report.log_vkey}")
        click.echo(f"mirror key {report.mirror_vkey}")
        click.echo(f"next: {program()} run --config {config_path}")

    answer(result, json_to, say)
