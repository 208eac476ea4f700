"""``permitgate area …``: areas that a named person locks down, and releases again."""

from pathlib import Path

import click

from edge.app.answers import config_option, json_option


@click.group()
def area() -> None:
    """Areas: lock-downs. Nobody goes in, everybody may leave."""


@area.command("lockdown")
@config_option
@click.argument("area_id", metavar="AREA")
@click.option("--by", required=True, help="The worker id of the person who answers for it.")
@click.option("--reason", required=True, help="Why, in words.")
@json_option
def lockdown(config_path: Path, area_id: str, by: str, reason: str, json_to: str | None) -> None:
    """Refuse all entry into an area at once, until somebody releases it. Exits, buttons and fire stay free."""
    from edge.app import place_commands

    place_commands.act(config_path, ("lockdown", area_id, by, reason), json_to)


@area.command("release")
@config_option
@click.argument("area_id", metavar="AREA")
@click.option("--by", required=True, help="The worker id of the person who answers for it.")
@click.option("--reason", required=True, help="Why it may be entered again, in words.")
@json_option
def release(config_path: Path, area_id: str, by: str, reason: str, json_to: str | None) -> None:
    """End a lock-down: entry is decided again as ever. Lifts no freeze, and exit 1 if the area is not locked down."""
    from edge.app import place_commands

    place_commands.act(config_path, ("release", area_id, by, reason), json_to)
