"""``permitgate instrument …``: the register of bump tests, calibrations and verifications."""

from datetime import datetime
from pathlib import Path

import click

from edge.app.answers import NamedPath, config_option, json_option
from edge.core.instruments import Check

_FILE = NamedPath(dir_okay=False, path_type=Path)


@click.group()
def instrument() -> None:
    """The instrument register: who checked which detector, how and when."""


@instrument.command("record")
@config_option
@click.argument("device")
@click.option(
    "--check", "check", required=True, type=click.Choice([each.value for each in Check]), help="What was done."
)
@click.option("--by", required=True, help="The worker id of the technician who did it.")
@click.option("--reason", required=True, help="With what, and where the paper is: gas bottle, certificate number.")
@click.option("--evidence", type=_FILE, required=True, help="A photo of the display or certificate, or its PDF.")
@click.option("--at", "done_at", type=click.DateTime(), help="When it was done, UTC; default: now.")
@click.option("--failed", is_flag=True, help="The instrument did not pass: work that relies on it stops.")
@json_option
def record(
    config_path: Path,
    device: str,
    check: str,
    by: str,
    reason: str,
    evidence: Path,
    done_at: datetime | None,
    failed: bool,
    json_to: str | None,
) -> None:
    """Record a check of an instrument, with evidence. Exit 1 with every reason if it is not taken."""
    from edge.app import instrument_commands

    checked = instrument_commands.Checked(device, check, by, reason, done_at, not failed)
    instrument_commands.record(config_path, checked, evidence, json_to)


@instrument.command("list")
@config_option
@json_option
def show(config_path: Path, json_to: str | None) -> None:
    """Each instrument's checks: when, by whom, until when they are good. Exit 1 if one is missing or overdue."""
    from edge.app import instrument_commands

    instrument_commands.show(config_path, json_to)
