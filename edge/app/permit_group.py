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


def _act(action: str, words: str) -> None:
    """Add ``permit retest|pause|resume|release``: a named person acts, with a reason."""

    @permit.command(action, help=words)
    @_by_a_person
    def act(config_path: Path, permit_id: str, by: str, reason: str, photo: Path | None, json_to: str | None) -> None:
        from edge.app import local_commands

        local_commands.act(config_path, (action, permit_id, by, reason), photo, json_to)


_act("retest", "Re-test a tripped permit: the instruments' readings now decide whether it passes.")
_act("pause", "Stop work for now: nobody goes in until it is resumed.")
_act("resume", "Work goes on; after too long a break only with a passing re-test since it began.")
_act("release", "Lift a trip: the condition good, a passing re-test since, a named person.")


@permit.command("confirm")
@_by_a_person
@click.option(
    "--what",
    type=click.Choice([each.value for each in Confirmation]),
    default=Confirmation.HARNESS.value,
    show_default=True,
    help="The harness is worn, what is due before work, or an instrument that does not answer (with --device).",
)
@click.option("--device", default="", help="The instrument that does not answer, by its id in the configuration.")
def permit_confirm(
    config_path: Path,
    permit_id: str,
    by: str,
    reason: str,
    photo: Path | None,
    json_to: str | None,
    what: str,
    device: str,
) -> None:
    """The guardian confirms what no instrument shows: the harness, what is due before work, a silent instrument.

    The last needs a photo, and goes only where the rule pack allows it, never for the gas of confined spaces, pits or
    special hot work. It counts until the instrument answers, for half an hour at most, and every decision that rests on
    it says so.
    """
    from edge.app import local_commands

    if (what == Confirmation.EQUIPMENT.value) != bool(device):
        raise click.UsageError("--device: goes with --what equipment, which needs it")
    more = {"what": what, "device": device}
    local_commands.act(config_path, ("confirm", permit_id, by, reason), photo, json_to, more)


@permit.command("sample")
@_by_a_person
@click.option("--point", required=True, help="The sample point, as the permit names it, such as top.")
@click.option(
    "--typed",
    multiple=True,
    metavar="NAME=FIGURE",
    help="A figure typed by hand, such as oxygen=20.9: kept and shown as such, and never counted.",
)
def permit_sample(
    config_path: Path,
    permit_id: str,
    by: str,
    reason: str,
    photo: Path | None,
    json_to: str | None,
    point: str,
    typed: tuple[str, ...],
) -> None:
    """Sample gas at one point of a permit: what its gas instruments read now is the sample.

    The probe of a portable or pumped instrument, which is a device of this gateway, has lain at the point until the
    reading settled; at the next point it has to settle again. With --typed no sample is taken: the figures are
    only kept. Exit 1: no passing sample.
    """
    from edge.app import local_commands

    said = [each.partition("=") for each in typed]
    figures = {name: figure for name, _, figure in said}
    if len(figures) != len(said):
        raise click.UsageError("--typed: the same name is given twice; give each once")
    more = {"point": point, "typed": figures}
    local_commands.act(config_path, ("sample", permit_id, by, reason), photo, json_to, more)


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
