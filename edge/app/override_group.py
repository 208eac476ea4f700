"""``permitgate override …``: detectors and protections that a named person puts out of action for a time."""

from datetime import datetime
from pathlib import Path

import click

from edge.app.answers import NamedPath, config_option, json_option

_FILE = NamedPath(dir_okay=False, path_type=Path)


@click.group()
def override() -> None:
    """Inhibits and overrides: whose, of what, until when, for which permits."""


@override.command("make")
@config_option
@click.option("--device", help="A device of this gateway: its readings do not count until the override is lifted.")
@click.option("--protection", help='Another protection of the plant, in words, such as "fire deluge T-301".')
@click.option("--permit", "permits", multiple=True, help="A permit that it is made for; it cannot close meanwhile.")
@click.option("--owner", required=True, help="The worker id of the person who answers for it.")
@click.option("--reason", required=True, help="Why, in words, and what is done instead.")
@click.option("--until", "until", type=click.DateTime(), required=True, help="When it ends, UTC; 12 h ahead at most.")
@click.option("--photo", type=_FILE, help="A photo to keep as evidence.")
@json_option
def make(
    config_path: Path,
    device: str | None,
    protection: str | None,
    permits: tuple[str, ...],
    owner: str,
    reason: str,
    until: datetime,
    photo: Path | None,
    json_to: str | None,
) -> None:
    """Put a device or a protection out of action. Exit 1 with every reason if it is refused."""
    from edge.app import override_commands

    asked = override_commands.Asked(device, protection, permits, owner, reason, until)
    override_commands.make(config_path, asked, photo, json_to)


@override.command("lift")
@config_option
@click.argument("override_id")
@click.option("--by", required=True, help="The worker id of the person who saw that it is back in action.")
@click.option("--reason", required=True, help="How that was seen, in words.")
@json_option
def lift(config_path: Path, override_id: str, by: str, reason: str, json_to: str | None) -> None:
    """Say that what was overridden is back in action. Permits that HQ closed meanwhile close now."""
    from edge.app import override_commands

    override_commands.lift(config_path, (override_id, by, reason), json_to)


@override.command("list")
@config_option
@json_option
def show(config_path: Path, json_to: str | None) -> None:
    """Every override that lives. Exit 1 if one is past its time."""
    from edge.app import override_commands

    override_commands.show(config_path, json_to)
