"""``permitgate permit …``: permits on this gateway."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from edge.app.answers import NamedPath, config_option, json_option
from edge.core.confirmations import Confirmation

_FILE = NamedPath(dir_okay=False, path_type=Path)


@click.group()
def permit() -> None:
    """Permits on this gateway."""


@permit.command("show")
@config_option
@click.argument("permit_id")
@json_option
def permit_show(config_path: Path, permit_id: str, json_to: str | None) -> None:
    """A permit as HQ last said it, and what holds it here."""
    from edge.app import local_commands

    local_commands.ready(config_path, permit_id, json_to, judge=False)


@permit.command("ready")
@config_option
@click.argument("permit_id")
@json_option
def permit_ready(config_path: Path, permit_id: str, json_to: str | None) -> None:
    """All that is missing now, worker by worker, from the same judgement as the tap. Exit 0 if somebody may enter."""
    from edge.app import local_commands

    local_commands.ready(config_path, permit_id, json_to, judge=True)


def _by_a_person(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every act of a named person on a permit."""
    function = json_option(function)
    function = click.option("--photo", type=_FILE, help="A photo to keep as evidence.")(function)
    function = click.option("--reason", required=True, help="Why, in words.")(function)
    function = click.option("--by", required=True, help="The worker id of the person who acts.")(function)
    return config_option(click.argument("permit_id")(function))


@permit.command("confirm")
@_by_a_person
@click.option(
    "--what",
    type=click.Choice([each.value for each in Confirmation]),
    default=Confirmation.HARNESS.value,
    show_default=True,
    help="What is confirmed.",
)
def permit_confirm(
    config_path: Path, permit_id: str, by: str, reason: str, photo: Path | None, json_to: str | None, what: str
) -> None:
    """The guardian confirms that the harness is worn (height work, until a camera can), or what is due before work."""
    from edge.app import local_commands

    local_commands.act(config_path, ("confirm", permit_id, by, reason), photo, json_to, what)


def _act(action: str, words: str) -> None:
    """Add ``permit retest|release|…``: a named person acts, with a reason."""

    @permit.command(action, help=words)
    @_by_a_person
    def act(config_path: Path, permit_id: str, by: str, reason: str, photo: Path | None, json_to: str | None) -> None:
        from edge.app import local_commands

        local_commands.act(config_path, (action, permit_id, by, reason), photo, json_to)


_act("retest", "Re-test a tripped permit: the instruments' readings now decide whether it passes.")
_act("pause", "Stop work for now: nobody goes in until it is resumed.")
_act("resume", "Work goes on; after too long a break only with a passing re-test since it began.")
_act("release", "Lift a trip: the condition good, a passing re-test since, a named person.")


@permit.command("pack")
@config_option
@click.argument("permit_id")
@click.option("--out", "path", type=_FILE, help="The pack's file; default: PERMIT.pgpack here.")
@json_option
def permit_pack(config_path: Path, permit_id: str, path: Path | None, json_to: str | None) -> None:
    """The evidence pack of a permit: one file that a stranger verifies offline."""
    from edge.app import pack_commands

    pack_commands.build(config_path, permit_id, path, json_to)


@permit.command("curve")
@config_option
@click.argument("permit_id")
@click.option("--channel", help="Only this channel, such as lel, or gas-1.lel of one device.")
@click.option("--csv", "csv_to", type=_FILE, help="Write every reading and gap into this file.")
@json_option
def permit_curve(
    config_path: Path, permit_id: str, channel: str | None, csv_to: Path | None, json_to: str | None
) -> None:
    """What was measured while a permit's work ran, with quality, gaps and limits. Exit 1: a gap without its entry."""
    from edge.app import curve_command

    curve_command.curve(config_path, permit_id, channel, csv_to, json_to)
