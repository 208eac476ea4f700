"""``permitgate muster``: who is inside, from the gateway's own files, whether it runs or not and HQ is there or not."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from edge.app.answers import answer
from edge.app.daemon_parts import fold_journal
from edge.app.muster_words import page
from edge.app.wording import printable
from edge.config import load
from edge.config_values import Area, Config
from edge.core.people import Inside, People
from edge.host import system_clock
from edge.ports.errors import PermitgateError
from edge.storage.authority_reader import AuthorityReader
from edge.storage.journal_reader import JournalReader


def muster(config_path: Path, area: str | None, json_to: str | None) -> None:
    """Everybody who is in, or may be, area by area. The names on the page stay on this machine: the JSON has none.

    Raises StoreError without a journal, DamagedError for one that cannot be folded.
    """
    config = load(config_path)
    areas = _areas(config, area)
    path = config.gateway.data_dir / "journal.db"
    durable = fold_journal(JournalReader(path))
    found = _found(config, areas, durable.people)
    found["through"] = durable.next_entry
    found["last_ms"] = _last_ms(path, durable.next_entry)
    workers = [person["worker"] for each in found["areas"] for person in each["people"]]
    answer(found, json_to, lambda: _say(found, _names(config.gateway.data_dir / "authority.db", workers)))


def _areas(config: Config, wanted: str | None) -> tuple[Area, ...]:
    """The area of that id or code; None: all."""
    if wanted is None:
        return config.areas
    found = tuple(each for each in config.areas if wanted in (each.id, *each.codes))
    if not found:
        known = ", ".join(each.id for each in config.areas)
        raise click.UsageError(f"--area {wanted}: no area of this gateway; one of: {known}")
    return found


def _found(config: Config, areas: Iterable[Area], people: People) -> dict[str, Any]:
    found = [_area(area, people) for area in areas]
    return {
        "ok": True,
        "simulated": config.gateway.simulate,
        "gateway": config.gateway.id,
        "site": config.gateway.site,
        "made_ms": system_clock.utc_ms(),
        "areas": found,
        "inside": sum(each["inside"] for each in found),
        "unknown": sum(each["unknown"] for each in found),
        "entering": sum(each["entering"] for each in found),
    }


def _area(area: Area, people: People) -> dict[str, Any]:
    held = sorted((each for each in people.inside.values() if each.area == area.id), key=lambda each: each.worker)
    coming = {each.worker for each in people.entering() if each.area == area.id} - {each.worker for each in held}
    return {
        "area": area.id,
        "name_zh": area.name_zh,
        "name_en": area.name_en,
        "most": area.people_max,
        "inside": sum(each.certain for each in held),
        "unknown": sum(not each.certain for each in held),
        "entering": len(coming),
        "people": [_person(each) for each in held],
    }


def _person(each: Inside) -> dict[str, Any]:
    return {
        "worker": each.worker,
        "state": each.state,
        "since_ms": each.since_ms,
        "door": each.door,
        "permit": each.permit,
        "entry": each.entry,
        "until_ms": each.until_ms,
        "overstayed": each.overstayed,
    }


def _last_ms(path: Path, next_entry: int) -> int | None:
    """When the last entry was made: after it nobody watched the doors if the gateway is down."""
    with closing(JournalReader(path)) as reader:
        entries = reader.entries(next_entry - 1, 1) if next_entry else ()
    return entries[0].stamp.wall_ms if entries else None


def _names(path: Path, workers: Iterable[str]) -> dict[str, str]:
    """What HQ calls these people, as far as the cache can be read: without it the ids still say who is missing."""
    try:
        with closing(AuthorityReader(path)) as reader:
            held = {worker: reader.record("worker", worker) for worker in workers}
    except PermitgateError as error:
        click.echo(f"没有姓名 / no names: {printable(str(error))}", err=True)
        return {}
    known = {worker: each.record for worker, each in held.items() if each is not None}
    return {worker: str(record.get("name", "")) for worker, record in known.items() if record is not None}


def _say(found: dict[str, Any], names: dict[str, str]) -> None:
    for line in page(found, names):
        click.echo(printable(line))
