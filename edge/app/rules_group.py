"""``permitgate rules``: the names, options and help of its commands; what they do is loaded when one is called."""

from pathlib import Path

import click

from edge.app.answers import NamedPath, config_option, gateway_option, json_option

_FILE = NamedPath(dir_okay=False, path_type=Path)


@click.group()
def rules() -> None:
    """Rule packs: which limits hold, from when on, by which clause, and how that was read."""


@rules.command("list")
@gateway_option
@json_option
def rules_list(config_path: Path | None, json_to: str | None) -> None:
    """Every version at hand, shipped or published by HQ, its dates, and its rules counted by how they were read."""
    from edge.app import rules_commands

    rules_commands.list_packs(config_path, json_to)


@rules.command("show")
@gateway_option
@click.argument("pack")
@click.option("--version", type=click.IntRange(1), help="This version instead of the newest.")
@json_option
def rules_show(config_path: Path | None, pack: str, version: int | None, json_to: str | None) -> None:
    """One pack whole: rules, permit types, gases, and what it demands that no instrument shows."""
    from edge.app import rules_commands

    rules_commands.show(config_path, (pack, version), json_to)


@rules.command("explain")
@config_option
@click.argument("permit_id")
@json_option
def rules_explain(config_path: Path, permit_id: str, json_to: str | None) -> None:
    """What applies to a permit here now, and why: clause, limit as printed and as measured here, reading, mark."""
    from edge.app import explain_command

    explain_command.explain(config_path, permit_id, json_to)


@rules.command("diff")
@gateway_option
@click.argument("pack")
@click.argument("old")
@click.argument("new")
@json_option
def rules_diff(config_path: Path | None, pack: str, old: str, new: str, json_to: str | None) -> None:
    """What differs between two versions of a pack, OLD and NEW: each the number of one at hand, or a file."""
    from edge.app import rules_commands

    rules_commands.diff(config_path, pack, (old, new), json_to)


@rules.command("check")
@gateway_option
@click.argument("path", type=_FILE)
@json_option
def rules_check(config_path: Path | None, path: Path, json_to: str | None) -> None:
    """Check a file that is to be a rule pack. Every finding at once, as file:line: key: what, allowed, remedy."""
    from edge.app import rules_commands

    rules_commands.check(config_path, path, json_to)
