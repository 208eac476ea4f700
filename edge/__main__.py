"""The command line. Stable: scripts and checks rely on names, options, exit codes and JSON."""

from datetime import datetime
from pathlib import Path

import click

from edge.app.answers import Commands, NamedPath, config_option, hq_option, json_option
from edge.app.area_group import area
from edge.app.devices_group import devices
from edge.app.door_group import door
from edge.app.hq_group import hq
from edge.app.instrument_group import instrument
from edge.app.override_group import override
from edge.app.permit_group import permit
from edge.app.rules_group import rules

FILE = NamedPath(dir_okay=False, path_type=Path)
FOLDER = NamedPath(file_okay=False, path_type=Path)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="permitgate")
def main() -> None:
    """permitgate: the edge gateway that makes a work permit physical.

    Exit codes: 0 ok, 1 the answer is no, 2 usage or configuration, 3 could not run.
    """


@main.command()
@config_option
@json_option
def run(config_path: Path, json_to: str | None) -> None:
    """Run the gateway until SIGTERM. With --json it says once that it is ready."""
    from edge.app.answers import write_json
    from edge.host.withheld import withheld

    with withheld("rich"):
        from edge.app.daemon import run as run_daemon

    run_daemon(config_path, lambda after_ms: write_json({"ok": True, "ready_ms": after_ms}, json_to))


@main.command()
@config_option
@click.option("--probe", is_flag=True, help="Read each configured register once and show it in the four word orders.")
@json_option
def check(config_path: Path, probe: bool, json_to: str | None) -> None:
    """Check the configuration; starts nothing. Every finding at once, as file:line: key: what, range, remedy."""
    from edge.app.check_command import check as check_config

    check_config(config_path, probe, json_to)


@main.command()
@config_option
@json_option
def status(config_path: Path, json_to: str | None) -> None:
    """What the running gateway sees: doors, readings, permits, holds, link, counters."""
    from edge.app.local_commands import status as show_status

    show_status(config_path, json_to)


@main.command()
@config_option
@click.option("--area", help="Only this area, by its id or a code.")
@json_option
def muster(config_path: Path, area: str | None, json_to: str | None) -> None:
    """Who is inside, in or unknown, by area: one page to print, from this gateway's own files, HQ away or not."""
    from edge.host.withheld import withheld

    with withheld("rich"):
        from edge.app.muster_command import muster as list_inside

    list_inside(config_path, area, json_to)


@main.command()
@click.option("--stay", is_flag=True, help="Keep the site running after the story, until Ctrl-C.")
@click.option("--keep", type=FOLDER, help="Keep everything in this folder: gateway, HQ, tiles, keys, packs.")
@json_option
def demo(stay: bool, keep: Path | None, json_to: str | None) -> None:
    """Play one story on a site without hardware, each step with what should happen. Exit 0: all of it did."""
    from hil.demo import run_demo

    run_demo(stay, keep, json_to)


@main.command()
@config_option
@json_option
def site(config_path: Path, json_to: str | None) -> None:
    """Simulated detectors, badges, locks and lamps for a gateway with simulate = true; reads commands such as help.

    With --json it says once what stands where.
    """
    from hil.site_command import run_site

    run_site(config_path, json_to)


@main.command()
@config_option
@click.option("--hq", "url", required=True, help="HQ's address, such as https://hq.example.org:8443")
@click.option("--code", required=True, help="The one-time code that `permitgate hq init` printed.")
@json_option
def enrol(config_path: Path, url: str, code: str, json_to: str | None) -> None:
    """Exchange keys with HQ, once, with a one-time code."""
    from edge.app.enrol_command import enrol as enrol_gateway

    enrol_gateway(config_path, url, code, json_to)


@main.group()
def journal() -> None:
    """The journal: what was decided, in words, and proof that nobody rewrote it."""


@journal.command("verify")
@config_option
@click.option("--journal", "path", type=FILE, help="Verify this file, such as a copy, instead of the gateway's own.")
@json_option
def journal_verify(config_path: Path, path: Path | None, json_to: str | None) -> None:
    """Re-hash everything; the first thing that is not as it was written is named by its entry."""
    from edge.app import journal_commands

    journal_commands.verify(config_path, path, json_to)


@journal.command("replay")
@config_option
@click.option("--journal", "path", type=FILE, help="Replay this file instead of the gateway's own.")
@json_option
def journal_replay(config_path: Path, path: Path | None, json_to: str | None) -> None:
    """Decide every recorded decision again from its question; each must come out the same."""
    from edge.app import journal_commands

    journal_commands.replay(config_path, path, json_to)


@journal.command("search")
@config_option
@click.option("--kind", help="Only entries of this kind, such as access.decided")
@click.option("--permit", help="Only entries of this permit.")
@click.option("--from", "since", type=click.DateTime(), help="Only entries from this UTC time on.")
@click.option("--to", "until", type=click.DateTime(), help="Only entries up to this UTC time.")
@click.option("--start", default=0, type=click.IntRange(0), help="Begin at this entry.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")
@json_option
def journal_search(
    config_path: Path,
    kind: str | None,
    permit: str | None,
    since: datetime | None,
    until: datetime | None,
    start: int,
    limit: int,
    json_to: str | None,
) -> None:
    """Entries by kind, permit and time; any combination."""
    from edge.app import journal_commands

    journal_commands.search(config_path, (kind, permit), (since, until), (start, limit), json_to)


@journal.command("why")
@config_option
@click.argument("entry", type=click.IntRange(0))
@json_option
def journal_why(config_path: Path, entry: int, json_to: str | None) -> None:
    """One decision in words: what was asked, what it rested on, every reason."""
    from edge.app import journal_commands

    journal_commands.why(config_path, entry, json_to)


@journal.command("export")
@config_option
@click.option("--tiles", "folder", type=FOLDER, required=True, help="Write C2SP tlog-tiles into this folder.")
@json_option
def journal_export(config_path: Path, folder: Path, json_to: str | None) -> None:
    """The journal as C2SP tlog-tiles, with the newest cosigned checkpoint."""
    from edge.app import journal_commands

    journal_commands.export(config_path, folder, json_to)


main.add_command(devices)
main.add_command(permit)
main.add_command(instrument)
main.add_command(override)
main.add_command(door)
main.add_command(area)
main.add_command(rules)


@main.group()
def pack() -> None:
    """Evidence packs."""


@pack.command("verify")
@click.argument("path", type=FILE)
@click.option("--vkeys", type=FILE, help="Verifier keys that you trust, one a line in C2SP form.")
@json_option
def pack_verify(path: Path, vkeys: Path | None, json_to: str | None) -> None:
    """Verify a pack offline; needs no configuration. Exit 1 if it is refused."""
    from edge.app import pack_commands

    pack_commands.verify(path, vkeys, json_to)


@main.group()
def badge() -> None:
    """Badges: the permit, signed, on a tag."""


@badge.command("issue")
@hq_option
@click.option("--worker", required=True, help="The worker's id.")
@click.option("--permit", "permit_id", required=True, help="The permit's id.")
@click.option("--uid", required=True, help="The tag's UID in hexadecimal, 4, 7 or 10 bytes.")
@click.option("--ndef", "path", type=FILE, required=True, help="Write the NDEF message into this file.")
@json_option
def badge_issue(folder: Path, worker: str, permit_id: str, uid: str, path: Path, json_to: str | None) -> None:
    """Issue a badge token at HQ, without a reader: the NDEF message for a tag of that UID."""
    from edge.app import hq_commands

    hq_commands.issue_badge(folder, (worker, permit_id, uid), path, json_to)


@main.group()
def sync() -> None:
    """The link to HQ."""


@sync.command("status")
@config_option
@json_option
def sync_status(config_path: Path, json_to: str | None) -> None:
    """What waits for HQ, since when, and how old HQ's last word is."""
    from edge.app import local_commands

    local_commands.sync_status(config_path, json_to)


@sync.command("now")
@config_option
@json_option
def sync_now(config_path: Path, json_to: str | None) -> None:
    """Talk to HQ now instead of at the next poll."""
    from edge.app import local_commands

    local_commands.sync_now(config_path, json_to)


main.add_command(hq)


if __name__ == "__main__":
    main()
