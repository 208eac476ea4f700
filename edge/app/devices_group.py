"""The command line of ``permitgate devices``: from an unknown detector to a device of the configuration."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from edge.app.answers import NamedPath, config_option, json_option
from edge.app.devices_options import QUANTITIES, Display, Offset, TryOptions, Units, WireChoice, wire_options

FILE = NamedPath(dir_okay=False, path_type=Path)


@click.group()
def devices() -> None:
    """Detectors and anemometers: which models are known, and what an unknown one says."""


@devices.command("list")
@config_option
@json_option
def devices_list(config_path: Path, json_to: str | None) -> None:
    """Every model: those that ship and the site's own (profiles_dir). Exit 1 if one cannot be used."""
    from edge.app.devices_models import list_models

    list_models(config_path, json_to)


@devices.command("show")
@config_option
@click.argument("model")
@json_option
def devices_show(config_path: Path, model: str, json_to: str | None) -> None:
    """One model in full, by its name or as FILE.toml: registers, channels, status, requests, bus, what is doubtful."""
    from edge.app.devices_models import show_model

    show_model(config_path, model, json_to)


@devices.command("probe")
@config_option
@click.argument("device", required=False)
@json_option
def devices_probe(config_path: Path, device: str | None, json_to: str | None) -> None:
    """Read each register of the configured devices once, or of one: raw, in the four word orders, and decoded."""
    from edge.app.devices_probe import probe

    probe(config_path, device, json_to)


@devices.command("try")
@config_option
@wire_options()
@click.option("--unit", required=True, type=click.IntRange(1, 255), help="Its Modbus address.")
@click.option("--function", type=click.Choice(["3", "4"]), default="3", show_default=True, help="3: holding, 4: input.")
@click.option(
    "--start", type=Offset(), default=0, show_default=True, help="First offset, decimal or 0x...: 40001 is 0."
)
@click.option("--count", type=click.IntRange(1, 125), default=10, show_default=True, help="How many registers.")
@click.option("--display", type=Display(), help="What the display shows now, such as 20.9: mark what fits.")
@click.option("--fits", "earlier", type=FILE, help="Keep only what fitted in an earlier look: its --json FILE.")
@click.option("--write", type=FILE, help="Write a draft profile into this new MODEL.toml.")
@click.option("--quantity", type=click.Choice(QUANTITIES), help="For the draft: what it measures.")
@click.option("--measured-in", help="For the draft: its unit, such as ppm, where the quantity has no usual one.")
@click.option("--range", "span", nargs=2, metavar="LOW HIGH", help="For the draft: its range, in its unit.")
@json_option
def devices_try(config_path: Path, json_to: str | None, **named: Any) -> None:
    """Read registers of an unknown device: each in every decoding; --display marks what fits, --write drafts a profile.

    At a terminal it asks for further figures until one decoding is left. Exit 1: nothing answered, or nothing fits.
    """
    from edge.app.devices_try import try_device

    wire = WireChoice(**{each.name: named.pop(each.name) for each in fields(WireChoice)})
    function = int(named.pop("function"))
    try_device(config_path, wire, TryOptions(function=function, **named), json_to)


@devices.command("scan")
@config_option
@wire_options(bus_is_argument=True)
@click.option("--units", type=Units(), default="1-247", show_default=True, metavar="A-B", help="Which unit numbers.")
@click.option("--thorough", is_flag=True, help="Ask silent units for each known model's first register, not for one.")
@json_option
def devices_scan(config_path: Path, units: range, thorough: bool, json_to: str | None, **named: Any) -> None:
    """Ask each unit of a bus one short question: who is there, and which models fit what it answers.

    BUS is one of the configuration; or give --port or --host. Exit 1: nobody answers properly.
    """
    from edge.app.devices_scan import scan

    scan(config_path, WireChoice(**named), units, thorough, json_to)


@devices.command("curve")
@config_option
@click.argument("device", nargs=-1)
@click.option("--area", help="All devices that measure in this area.")
@click.option("--from", "since", required=True, type=click.DateTime(), help="From this UTC time on.")
@click.option("--to", "until", type=click.DateTime(), help="Up to this UTC time, not included; default: now.")
@click.option("--channel", help="Only this channel, such as lel, or gas-1.lel of one device.")
@click.option("--csv", "csv_to", type=FILE, help="Write every reading and gap into this file.")
@json_option
def devices_curve(config_path: Path, json_to: str | None, **named: Any) -> None:
    """What devices, or an area's, measured over a time, with quality and gaps. Exit 1: a gap without its entry."""
    from edge.app.devices_curve import CurveOptions, curve

    curve(config_path, CurveOptions(devices=named.pop("device"), **named), json_to)
