"""``permitgate enrol``."""

from pathlib import Path

import click

from edge.app.answers import answer
from edge.app.enrol import enrol as enrol_gateway
from edge.config import load


def enrol(config_path: Path, url: str, code: str, json_to: str | None) -> None:
    """Exchange keys with HQ and say what was agreed; nothing secret is printed."""
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
        click.echo(f"next: permitgate run --config {config_path}")

    answer(result, json_to, say)
