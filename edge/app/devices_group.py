"""The command line of ``permitgate devices``: from an unknown detector to a device of the configuration."""

from pathlib import Path

import click

from edge.app.answers import NamedPath, config_option, json_option

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
