"""``permitgate hq …`` and ``badge issue``: HQ's folder, from the command line."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from edge.app import hq
from edge.app.answers import answer
from edge.host import journal_log
from edge.ports.errors import RefusedError
from sync.formats import authority
from sync.formats.badge_token import wrap_ndef
from sync.hq import admin


def init(folder: Path, names: tuple[str, str], gateway: str, hosts: Sequence[str], json_to: str | None) -> None:
    """Make an HQ, or only a further enrolment code, and print the code once."""
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
    }

    def say() -> None:
        click.echo(f"HQ in {report.folder}: {'made' if report.made else 'was there already'}, site {report.site}")
        click.echo(f"enrolment code for {report.gateway_origin} (once, 注册码，仅用一次):")
        click.echo(f"  {report.code}")
        click.echo(f"next: permitgate hq serve --dir {report.folder}")

    answer(result, json_to, say)


def serve(folder: Path, host: str, port: int) -> None:
    """Serve until SIGTERM; says where, once it listens."""
    journal_log.configure(simulated=False)
    hq.serve(folder, host, port, lambda url: click.echo(f"HQ serves {folder} on {url}"))


def import_file(folder: Path, path: Path | None, schema: bool, json_to: str | None) -> None:
    """Import JSON lines, or print their schema. Exit 1 if a line was refused."""
    if schema:
        click.echo(json.dumps(authority.schema(), indent=2, ensure_ascii=False))
        return
    if path is None:
        raise click.UsageError("FILE is missing (or give --schema)")
    report = admin.import_file(folder, path)
    result = {"ok": not report.refused, "new": report.new, "known": report.known, "refused": list(report.refused)}

    def say() -> None:
        click.echo(f"{report.new} new, {report.known} known already, {len(report.refused)} refused")
        for line in report.refused:
            click.echo(f"  {line}")

    answer(result, json_to, say, ok=not report.refused)


def freeze(folder: Path, scope: tuple[str, str], who: tuple[str, str], json_to: str | None) -> None:
    """Freeze a scope."""
    freeze_id = admin.freeze(folder, scope[0], scope[1], who[0], who[1])
    answer({"ok": True, "freeze": freeze_id}, json_to, lambda: click.echo(f"frozen: {freeze_id}"))


def release(folder: Path, freezes: Sequence[str], by: str, json_to: str | None) -> None:
    """Release freezes by id."""
    admin.release(folder, freezes, by)
    answer({"ok": True, "released": list(freezes)}, json_to, lambda: click.echo(f"released: {', '.join(freezes)}"))


def revoke(folder: Path, record: tuple[str, str], reason: str, json_to: str | None) -> None:
    """Revoke a record."""
    new = admin.revoke(folder, record[0], record[1], reason)
    words = "revoked" if new else "was revoked already"
    answer({"ok": True, "new": new}, json_to, lambda: click.echo(f"{record[0]} {record[1]}: {words}"))


def issue_badge(folder: Path, names: tuple[str, str, str], path: Path, json_to: str | None) -> None:
    """Write the NDEF message of a fresh badge. The token is not printed: whoever has it and a tag has a badge."""
    worker, permit, uid_text = names
    try:
        uid = bytes.fromhex(uid_text.replace(":", ""))
    except ValueError:
        uid = b""
    if len(uid) not in (4, 7, 10):
        raise RefusedError(f"--uid {uid_text!r}: 4, 7 or 10 bytes in hexadecimal, as the tag shows them")
    message = wrap_ndef(hq.issue_badge(folder, worker, permit, uid))
    path.write_bytes(message)
    result = {
        "ok": True,
        "worker": worker,
        "permit": permit,
        "uid": uid.hex(),
        "bytes": len(message),
        "file": str(path),
    }
    answer(result, json_to, lambda: click.echo(f"badge for {worker} on {permit}, tag {uid.hex()}: {path}"))
