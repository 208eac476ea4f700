"""Commands that ask the running daemon: ``status``, ``permit …``, ``sync …``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edge.app.answers import answer
from edge.config import load
from edge.config_values import Config
from edge.runtime.control import request

SIMULATED = "SIMULATED · 模拟：no real hardware behind this gateway"


def ask(config: Config, message: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the daemon of this configuration. Raises TransientError if none answers."""
    found = request(config.gateway.run_dir / "control.sock", message)
    if found.get("error"):
        raise click.ClickException(str(found["error"]))
    return found


def status(config_path: Path, json_to: str | None) -> None:
    """Everything the daemon sees, for people or as JSON."""
    found = ask(load(config_path), {"do": "status"})
    answer(found, json_to, lambda: _say_status(found))


def _say_status(found: Mapping[str, Any]) -> None:
    if found["simulated"]:
        click.secho(SIMULATED, fg="yellow", bold=True)
    clock = found["clock"]
    doubt = "unbounded" if clock["hi_ms"] is None else f"±{(clock['hi_ms'] - clock['lo_ms']) // 2} ms"
    click.echo(f"{found['gateway']} at {found['site']} · clock {clock['source']} {doubt}")
    for door, each in found["doors"].items():
        shown = found["shown"].get(door)
        last = f" · last: {shown['reason']} {shown['zh']} / {shown['en']}" if shown else ""
        click.echo(f"door {door}: {each['phase']}{' FAULT ' + each['fault'] if each['fault'] else ''}{last}")
    for channel, each in found["readings"].items():
        click.echo(f"channel {channel}: {each['figure']} {each['quality']} ({_age(each['age_ms'])})")
    for permit in found["permits"]:
        _say_permit(permit)
    journal, link = found["journal"], found["link"]
    click.echo(f"journal: {journal['durable']} entries, {journal['durable'] - journal['acked']} not yet acknowledged")
    if journal["behind_signed"]:
        click.secho("journal DAMAGED or cut short: entry is refused; see `permitgate journal verify`", fg="red")
        click.secho("日志损坏或缺失：禁止进入；请运行 `permitgate journal verify`", fg="red")
    click.echo(f"HQ: {link['state']} ({link['why']}), authority {found['authority']['size']} operations")
    if link["refused"]:
        click.secho(f"REFUSED between here and HQ / 与总部之间有内容被拒绝: {link['refused']}", fg="red")
    for name, each in found["children"].items():
        click.echo(f"child {name}: {'up' if each['alive'] else 'DOWN'}, {each['restarts']} restarts")


def _age(age_ms: int | None) -> str:
    return "never" if age_ms is None else f"{age_ms / 1000:.1f} s ago"


def _say_permit(permit: Mapping[str, Any]) -> None:
    marks = ["running"] if permit["running"] else []
    marks += [f"FROZEN {name}" for name in permit["frozen"]]
    if permit["trip"]:
        marks.append(f"TRIPPED {permit['trip']['reason']} ({permit['trip']['interlock']})")
    areas = ", ".join(permit["areas"])
    click.echo(f"permit {permit['permit']}: type {permit['type']} in {areas} {'; '.join(marks)}")


def ready(config_path: Path, permit_id: str, json_to: str | None, judge: bool) -> None:
    """What a permit lacks now (``judge``), or how it stands."""
    found = ask(load(config_path), {"do": "ready", "permit": permit_id})

    def say() -> None:
        if "status" in found:
            _say_permit(found["status"])
        for missing in found.get("missing", []):
            click.echo(f"  {missing['code']}: {missing['zh']} / {missing['en']}")
        for worker in found.get("workers", []) if judge else []:
            click.echo(f"  {worker['worker']}: {worker['outcome']}")
            for missing in worker["missing"]:
                detail = f" [{missing['detail']}]" if missing["detail"] else ""
                click.echo(f"    {missing['code']}{detail}: {missing['zh']} / {missing['en']}")

    answer(found, json_to, say, ok=bool(found["ok"]) if judge else "status" in found)


def act(config_path: Path, act_on: tuple[str, str, str, str], photo: Path | None, json_to: str | None) -> None:
    """A named person confirms, re-tests or releases."""
    action, permit, by, why = act_on
    message = {"do": "act", "action": action, "permit": permit, "by": by, "why": why}
    if photo is not None:
        message["photo"] = str(photo.resolve())
    found = ask(load(config_path), message)

    def say() -> None:
        click.echo(f"{action} {permit} by {by}: {'done' if found['ok'] else 'NO'}, journal entry {found['entry']}")
        for reason in found["reasons"]:
            click.echo(f"  {reason['code']}: {reason['zh']} / {reason['en']}")

    answer(found, json_to, say, ok=bool(found["ok"]))


def sync_status(config_path: Path, json_to: str | None) -> None:
    """What waits for HQ."""
    found = ask(load(config_path), {"do": "status"})
    journal, link, authority = found["journal"], found["link"], found["authority"]
    result = {
        "ok": True,
        "simulated": found["simulated"],
        "link": link,
        "waiting": journal["durable"] - journal["acked"],
        "acked": journal["acked"],
        "authority": authority,
    }

    def say() -> None:
        click.echo(f"HQ {link['state']} for {link['since_s']} s: {link['why']}")
        click.echo(f"{result['waiting']} of {journal['durable']} entries not yet acknowledged")
        click.echo(f"authority: {authority['size']} operations, last word {_age(authority['age_ms'])}")

    answer(result, json_to, say)


def sync_now(config_path: Path, json_to: str | None) -> None:
    """Ring the sync child's bell."""
    found = ask(load(config_path), {"do": "sync"})
    answer(found, json_to, lambda: click.echo("asked: see `permitgate sync status`"))
