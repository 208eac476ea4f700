"""``permitgate hq …``: the thin head office."""

from pathlib import Path

import click

from edge.app.answers import NamedPath, hq_option, json_option

_FILE = NamedPath(dir_okay=False, path_type=Path)


@click.group()
def hq() -> None:
    """The thin head office."""


@hq.command("init")
@hq_option
@click.option("--site", required=True, help="The site's id.")
@click.option("--organisation", required=True, help="The organisation's log domain, such as pg.example.org")
@click.option("--gateway", required=True, help="The gateway to enrol; run again with another for a further code.")
@click.option("--host", "hosts", multiple=True, help="Names or addresses that gateways use; 127.0.0.1 is always in.")
@json_option
def hq_init(
    folder: Path, site: str, organisation: str, gateway: str, hosts: tuple[str, ...], json_to: str | None
) -> None:
    """Make keys, certificates and stores, and print a one-time enrolment code."""
    from edge.app import hq_commands

    hq_commands.init(folder, (site, organisation), gateway, hosts, json_to)


@hq.command("serve")
@hq_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8443, show_default=True, type=click.IntRange(0, 65535), help="Port; 0: a free one.")
@json_option
def hq_serve(folder: Path, host: str, port: int, json_to: str | None) -> None:
    """Serve over HTTPS until SIGTERM. With --json it says once where it listens."""
    from edge.app import hq_commands

    hq_commands.serve(folder, (host, port), json_to)


@hq.command("import")
@hq_option
@click.argument("path", required=False, type=_FILE)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of one line and end.")
@json_option
def hq_import(folder: Path, path: Path | None, schema: bool, json_to: str | None) -> None:
    """Take JSON lines of records: bad lines are named, good ones go in, running it again adds nothing."""
    from edge.app import hq_commands

    hq_commands.import_file(folder, path, schema, json_to)


@hq.command("publish")
@hq_option
@click.argument("path", type=_FILE)
@json_option
def hq_publish(folder: Path, path: Path, json_to: str | None) -> None:
    """Publish one version of a rule pack to every gateway of the site, checked as `rules check` does.

    A version is one text for ever: the same text again adds nothing, another text needs another version.
    """
    from edge.app import publish_command

    publish_command.publish(folder, path, json_to)


@hq.command("freeze")
@hq_option
@click.argument("scope", type=click.Choice(["permit", "worker", "area", "site"]))
@click.argument("scope_id")
@click.option("--by", required=True, help="Who freezes.")
@click.option("--reason", required=True, help="Why.")
@json_option
def hq_freeze(folder: Path, scope: str, scope_id: str, by: str, reason: str, json_to: str | None) -> None:
    """Freeze a permit, a worker, an area or the site. Prints the freeze's id."""
    from edge.app import hq_commands

    hq_commands.freeze(folder, (scope, scope_id), (by, reason), json_to)


@hq.command("release")
@hq_option
@click.argument("freezes", nargs=-1, required=True)
@click.option("--by", required=True, help="Who releases.")
@json_option
def hq_release(folder: Path, freezes: tuple[str, ...], by: str, json_to: str | None) -> None:
    """Release freezes by their ids, HQ's own or a gateway's."""
    from edge.app import hq_commands

    hq_commands.release(folder, freezes, by, json_to)


@hq.command("revoke")
@hq_option
@click.argument("kind", type=click.Choice(["worker", "cert", "permit", "badge", "issuer", "rules"]))
@click.argument("record_id")
@click.option("--reason", required=True, help="Why.")
@json_option
def hq_revoke(folder: Path, kind: str, record_id: str, reason: str, json_to: str | None) -> None:
    """Revoke a record for ever; a badge by its token id, a version of a rule pack as PACK/VERSION."""
    from edge.app import hq_commands

    hq_commands.revoke(folder, (kind, record_id), reason, json_to)
