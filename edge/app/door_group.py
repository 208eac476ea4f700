"""``permitgate door …``: alarms of doors that a named person acknowledges."""

from pathlib import Path

import click

from edge.app.answers import config_option, json_option


@click.group()
def door() -> None:
    """Doors: who has seen that one was forced."""


@door.command("acknowledge")
@config_option
@click.argument("door_id", metavar="DOOR")
@click.option("--by", required=True, help="The worker id of the person who has looked at the door.")
@click.option("--reason", required=True, help="What was found there, in words.")
@json_option
def acknowledge(config_path: Path, door_id: str, by: str, reason: str, json_to: str | None) -> None:
    """End the alarm of a forced door. Opens and shuts nothing; exit 1 if no alarm waits there."""
    from edge.app import place_commands

    place_commands.act(config_path, ("acknowledge", door_id, by, reason), json_to)
