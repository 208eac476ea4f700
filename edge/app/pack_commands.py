"""``permitgate permit pack`` and ``pack verify``: one file that a stranger verifies offline."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from edge.app.answers import answer, program
from edge.app.pack_contents import gather
from edge.app.wording import instant, printable
from edge.config import load
from edge.ports.errors import ConfigurationError, DamagedError
from edge.storage.databases import write_durably
from sync.formats.errors import FormatError
from sync.formats.note import VerifierKey
from sync.formats.pack import write_pack
from sync.formats.pack_archive import MAX_ARCHIVE_BYTES
from sync.formats.pack_checks import Bracket
from sync.formats.pack_verdict import PackVerdict, VerdictLine, verify_pack

_VKEYS_BYTES_MAX = 65_536
_PROBLEMS_MAX = 20


def build(config_path: Path, permit_id: str, path: Path | None, json_to: str | None) -> None:
    """Write the pack of a permit. What is written was verified first, with this gateway's own keys."""
    target = path or _default_path(permit_id)
    found = gather(load(config_path), permit_id)
    data = write_pack(found.contents)
    verdict = verify_pack(data, found.keys)
    if not verdict.ok:
        failing = "; ".join(line.text_en for line in verdict.lines if not line.ok)
        raise DamagedError(f"permit {permit_id}: no pack was written, it would be refused: {failing}")
    write_durably(target, [data])
    result = {
        "ok": True,
        "permit": permit_id,
        "file": str(target),
        "bytes": len(data),
        "entries": len(found.contents.entries),
        "authority": len(found.contents.authority),
        "blobs": len(found.contents.blobs),
        "size": found.size,
        "beyond": list(found.beyond),
        "left_out": found.left_out,
        "lines": [_line_json(line) for line in verdict.lines],
    }

    def tell() -> None:
        click.echo(f"{target}: {len(data)} bytes, {len(found.contents.entries)} entries of the first {found.size}")
        if found.beyond:
            numbers = ", ".join(map(str, found.beyond[:8]))
            click.echo(f"NOT in it, not cosigned by HQ yet / 尚未副署，未收入: {len(found.beyond)} ({numbers})")
        if found.left_out:
            click.echo(f"{found.left_out} batches of readings left out / 未收入的读数批次")
        _say_verdict(verdict)
        click.echo(f"next: {program()} pack verify {target}")

    answer(result, json_to, tell)


def _default_path(permit_id: str) -> Path:
    if "/" in permit_id or permit_id.startswith("."):
        raise click.UsageError(f"{permit_id!r} cannot name a file: give --out FILE")
    return Path(f"{permit_id}.pgpack")


def verify(path: Path, vkeys: Path | None, json_to: str | None) -> None:
    """Judge a pack, with the verifier's own keys if given. Exit 1 if it is refused, an unreadable one included."""
    pinned = None if vkeys is None else read_vkeys(vkeys)
    with open(path, "rb") as file:
        verdict = verify_pack(file.read(MAX_ARCHIVE_BYTES + 1), pinned)
    result = {
        "ok": verdict.ok,
        "file": str(path),
        "pinned": pinned is not None,
        "lines": [_line_json(line) for line in verdict.lines],
        "entries": [asdict(bracket) for bracket in verdict.brackets],
    }

    def tell() -> None:
        _say_verdict(verdict)
        click.echo(_last_words(verdict, pinned is not None))

    answer(result, json_to, tell, ok=verdict.ok)


def _last_words(verdict: PackVerdict, pinned: bool) -> str:
    """What the lines above come to. Without pinned keys a pack is never called verified: anybody could have made it."""
    if not verdict.ok:
        return "REFUSED / 不予采信"
    if pinned:
        return "VERIFIED / 校验通过"
    return "OF ONE PIECE, but by whom is not shown: give --vkeys FILE / 前后一致，但未核对签名者：请给出 --vkeys FILE"


def read_vkeys(path: Path) -> Sequence[VerifierKey]:
    """Verifier keys in C2SP form, one a line; blank lines and lines with # are passed by. Raises ConfigurationError."""
    with open(path, "rb") as file:
        lines = file.read(_VKEYS_BYTES_MAX).decode("utf-8-sig", "replace").splitlines()
    keys: list[VerifierKey] = []
    problems: list[str] = []
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        try:
            keys.append(VerifierKey.parse(line))
        except FormatError as error:
            problems.append(f"{path}:{number}: {_as_key(error)}; one <name>+<key id>+<base64 key> a line")
    if not keys and not problems:
        problems.append(f"{path}:1: verifier key: there is none; one <name>+<key id>+<base64 key> a line")
    rest = len(problems) - _PROBLEMS_MAX
    if rest > 0:
        problems[_PROBLEMS_MAX:] = [f"{path}:1: file: {rest} more lines like these; is this the right file?"]
    if problems:
        raise ConfigurationError(problems)
    return keys


def _as_key(error: FormatError) -> str:
    place = error.place or "verifier key"
    return f"{place}: {error.message}" if place.startswith("verifier key") else f"verifier key: {error}"


def _line_json(line: VerdictLine) -> dict[str, Any]:
    return {"name": line.name, "ok": line.ok, "warning": line.warning, "zh": line.text_zh, "en": line.text_en}


def _say_verdict(verdict: PackVerdict) -> None:
    """One line a question; files that are as named, which may be thousands, on one line together."""
    plain = [line for line in verdict.lines if line.name == "blobs" and line.ok and not line.warning]
    for line in verdict.lines:
        if len(plain) > 1 and line in plain:
            if line is plain[0]:
                click.echo(f"ok   {len(plain)} files present, each as named / {len(plain)} 个附件齐全且一致")
            continue
        mark = "note" if line.ok and line.warning else "ok  " if line.ok else "NO  "
        click.echo(printable(f"{mark} {line.text_en} / {line.text_zh}"))
        if line.name == "time":
            _say_brackets(verdict.brackets)


def _say_brackets(brackets: Sequence[Bracket]) -> None:
    """Between which instants each entry was written; neighbours with the same bounds on one line."""
    for bounds, group in groupby(brackets, key=lambda each: (each.not_before_ms, each.not_after_ms)):
        numbers = [each.index for each in group]
        entries = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]} ({len(numbers)})"
        after, before = map(instant, bounds)
        click.echo(f"     {entries}: after {after}, before {before} / 晚于 {after}，早于 {before}")
