"""``permitgate hq …`` and ``badge issue``: HQ's folder, from the command line."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from edge.app import hq
from edge.app.answers import answer, program, write_file, write_json
from edge.app.wording import instant, printable
from edge.config_read import gateway_name_problem
from edge.host import journal_log
from sync.formats import authority
from sync.formats.badge_token import wrap_ndef
from sync.hq import admin

_REFUSED_SHOWN = 50
"""Lines of a wrong file that are told one by one."""


def init(folder: Path, names: tuple[str, str], gateway: str, hosts: Sequence[str], json_to: str | None) -> None:
    """Make an HQ, or only a further enrolment code, and print the code once."""
    problem = gateway_name_problem(names, gateway.partition("/")[0])
    if problem is not None:
        raise click.UsageError(problem)
    report = hq.init(folder, names, gateway, hosts)
    result = {
        "ok": True,
        "folder": str(report.folder),
        "made": report.made,
        "site": report.site,
        "origin": report.gateway_origin,
        "code": report.code,
        "code_expires_ms": report.code_expires_ms,
        "mirror_vkey": report.mirror_vkey,
        "authority_vkey": report.authority_vkey,
        "hosts": list(report.hosts),
    }

    def say() -> None:
        click.echo(f"HQ in {report.folder}: {'made' if report.made else 'was there already'}, site {report.site}")
        click.echo(f"gateways may call it / 网关可用地址: {', '.join(report.hosts)}")
        until = instant(report.code_expires_ms)
        click.echo(f"enrolment code for {report.gateway_origin}, once, until {until} / 注册码，仅用一次:")
        click.echo(f"  {report.code}")
        click.echo(f"next: {program()} hq serve --dir {report.folder}")

    answer(result, json_to, say)


def serve(folder: Path, place: tuple[str, int], json_to: str | None) -> None:
    """Serve until SIGTERM; says where, once it listens."""
    journal_log.configure(simulated=False)

    def listening(url: str) -> None:
        write_json({"ok": True, "folder": str(folder), "url": url}, json_to)
        if json_to != "-":
            click.echo(f"HQ serves {folder} on {url}")

    hq.serve(folder, *place, listening)


def import_file(folder: Path, path: Path | None, schema: bool, json_to: str | None) -> None:
    """Import JSON lines, or print their schema. Exit 1 if a line was refused."""
    if schema:
        shape = authority.schema()
        answer(shape, json_to, lambda: click.echo(json.dumps(shape, indent=2, ensure_ascii=False)))
    if path is None:
        raise click.UsageError("FILE is missing (or give --schema)")
    report = admin.import_file(folder, path)
    result = {"ok": not report.refused, "new": report.new, "known": report.known, "refused": list(report.refused)}

    def say() -> None:
        click.echo(f"{report.new} new, {report.known} known already, {len(report.refused)} refused")
        for line in report.refused[:_REFUSED_SHOWN]:
            click.echo(printable(f"  {line}"))
        if rest := len(report.refused[_REFUSED_SHOWN:]):
            click.echo(f"  … {rest} more: --json shows all; is this the right file?")

    answer(result, json_to, say, ok=not report.refused)


def freeze(folder: Path, scope: tuple[str, str], who: tuple[str, str], json_to: str | None) -> None:
    """Freeze a scope; an id that HQ never heard of is frozen too, and said to be unknown."""
    _check_reason(who[1])
    freeze_id = admin.freeze(folder, scope[0], scope[1], who[0], who[1])
    known = admin.knows(folder, scope[0], scope[1])

    def say() -> None:
        click.echo(f"frozen: {freeze_id}")
        click.echo("已冻结；凭此编号由总部解除 / only a release by HQ that names this id lifts it")
        _say_unknown(known, scope)

    answer({"ok": True, "freeze": freeze_id, "known": known}, json_to, say)


def release(folder: Path, freezes: Sequence[str], by: str, json_to: str | None) -> None:
    """Release freezes by id; those that HQ itself did not make, or had released, are said."""
    before = {each.freeze_id: each.released for each in admin.freezes(folder)}
    admin.release(folder, freezes, by)
    foreign = [each for each in freezes if each not in before]
    again = [each for each in freezes if before.get(each)]

    def say() -> None:
        click.echo(f"released: {', '.join(freezes)}")
        for each in foreign:
            click.echo(f"NOTE: {each} is no freeze of HQ's own; it lifts one of that id at a gateway / 非总部所作冻结")
        for each in again:
            click.echo(f"NOTE: {each} was released already / 此前已解除")

    result = {"ok": True, "released": list(freezes), "foreign": foreign, "again": again}
    answer(result, json_to, say)


def revoke(folder: Path, record: tuple[str, str], reason: str, json_to: str | None) -> None:
    """Revoke a record; one that HQ never heard of is revoked too, and said to be unknown."""
    _check_reason(reason)
    known = record[0] == "badge" or admin.knows(folder, record[0], record[1])
    new = admin.revoke(folder, record[0], record[1], reason)
    words = "revoked / 已撤销" if new else "was revoked already / 此前已撤销"

    def say() -> None:
        click.echo(f"{record[0]} {record[1]}: {words}")
        _say_unknown(known, record)

    answer({"ok": True, "new": new, "known": known}, json_to, say)


def _say_unknown(known: bool, named: tuple[str, str]) -> None:
    if not known:
        click.echo(f"NOTE: HQ has no {named[0]} {named[1]}: check the id / 总部没有该编号，请核对", err=True)


def _check_reason(reason: str) -> None:
    """A reason that says nothing, or that a terminal would obey, stops nobody from being asked for a better one."""
    if not reason.strip() or any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in reason):
        raise click.UsageError("--reason: words on one line, without control characters")


def issue_badge(folder: Path, names: tuple[str, str, str], path: Path, json_to: str | None) -> None:
    """Write the NDEF message of a fresh badge. The token is not printed: whoever has it and a tag has a badge."""
    worker, permit, uid_text = names
    try:
        uid = bytes.fromhex(uid_text.replace(":", ""))
    except ValueError:
        uid = b""
    if len(uid) not in (4, 7, 10):
        raise click.UsageError(f"--uid {uid_text[:40]!a}: 4, 7 or 10 bytes in hexadecimal, as the tag shows them")
    message = wrap_ndef(hq.issue_badge(folder, worker, permit, uid))
    write_file(path, message)
    result = {
        "ok": True,
        "worker": worker,
        "permit": permit,
        "uid": uid.hex(),
        "bytes": len(message),
        "file": str(path),
    }
    answer(result, json_to, lambda: click.echo(f"badge for {worker} on {permit}, tag {uid.hex()}: {path}"))
