"""What ``permitgate door`` and ``permitgate area`` ask of the running daemon."""

from pathlib import Path

import click

from edge.app.local_commands import ask, say_act
from edge.config import load
from edge.ports.errors import RefusedError
from edge.runtime.place_requests import place_asked


def act(config_path: Path, asked: tuple[str, str, str, str], json_to: str | None) -> None:
    """A named person acts on a door or an area: action, place, who, why."""
    action, place, by, why = asked
    config = load(config_path)
    message = {"do": "place", "action": action, "place": place, "by": by, "why": why}
    try:
        place_asked(message)
    except RefusedError as error:
        raise click.UsageError(str(error)) from None
    say_act(ask(config, message), f"{action} {place} by {by}", json_to)
