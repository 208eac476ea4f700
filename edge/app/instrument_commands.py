"""What ``permitgate instrument`` asks of the running daemon."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from edge.app.answers import answer
from edge.app.local_commands import ask, ask_with_file
from edge.app.wording import Language, instant, printable
from edge.config import load
from edge.ports.errors import RefusedError
from edge.runtime.request_checks import check_words, evidence_type

_CHECKS: Mapping[Language, Mapping[str, str]] = {
    "en": {"bump": "bump test", "calibration": "calibration", "verification": "verification"},
    "zh": {"bump": "通气测试", "calibration": "校准", "verification": "检定"},
}
_TEXT: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "good": "{device}: {check} by {by} at {done}, good until {until}",
        "overdue": "{device}: {check} OVERDUE since {until}; last by {by} at {done}",
        "says_due": "{device}: {check} OVERDUE: the instrument itself says so; recorded last by {by} at {done}",
        "missing": "{device}: {check} MISSING: record it with `permitgate instrument record {device} --check {name} …`",
        "none": "no instrument check is demanded here",
    },
    "zh": {
        "good": "{device}：{check}，{by} 于 {done}，有效至 {until}",
        "overdue": "{device}：{check}已过期 OVERDUE，到期 {until}；最近由 {by} 于 {done}",
        "says_due": "{device}：{check}已过期 OVERDUE：检测仪自身显示到期；最近登记由 {by} 于 {done}",
        "missing": "{device}：缺少{check} MISSING：请用 `permitgate instrument record {device} --check {name} …` 登记",
        "none": "本处不要求检测仪检查",
    },
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What the command line says of a check; ``done_at`` is UTC, None: now."""

    device: str
    check: str
    by: str
    why: str
    done_at: datetime | None
    passed: bool


def record(config_path: Path, checked: Checked, evidence: Path, json_to: str | None) -> None:
    """Have a check recorded; its evidence goes along as an open file."""
    config = load(config_path)
    try:
        check_words(checked.device, checked.by, checked.why)
    except RefusedError as error:
        raise click.UsageError(str(error)) from None
    done_ms = None if checked.done_at is None else int(checked.done_at.replace(tzinfo=UTC).timestamp() * 1000)
    message = {
        "do": "check",
        "device": checked.device,
        "check": checked.check,
        "by": checked.by,
        "why": checked.why,
        "done_ms": done_ms,
        "passed": checked.passed,
    }
    found = ask_with_file(config, message, evidence, ("--evidence", evidence_type))

    def say() -> None:
        done = "done / 完成" if found["ok"] else "NO / 否"
        click.echo(printable(f"{checked.check} {checked.device} by {checked.by}: {done}, entry {found['entry']}"))
        for each in found["reasons"]:
            click.echo(printable(f"  {each['code']}: {each['zh']} / {each['en']}"))

    answer(found, json_to, say, ok=bool(found["ok"]))


def show(config_path: Path, json_to: str | None) -> None:
    """Every demanded check and how it stands."""
    config = load(config_path)
    found = ask(config, {"do": "status"})
    result = {"ok": not any(each["overdue"] for each in found["instruments"]), "instruments": found["instruments"]}

    def say() -> None:
        for line in _lines(found["instruments"], config.gateway.language):
            click.echo(printable(line))

    answer(result, json_to, say, ok=bool(result["ok"]))


def _lines(instruments: list[Mapping[str, Any]], language: Language) -> Iterator[str]:
    text = _TEXT[language]
    if not instruments:
        yield text["none"]
    for each in instruments:
        held = "says_due" if each["says_due"] else "overdue" if each["overdue"] else "good"
        state = "missing" if each["done_ms"] is None else held
        yield text[state].format(
            device=each["device"],
            check=_CHECKS[language][each["check"]],
            name=each["check"],
            by=each["by"],
            done=instant(each["done_ms"]),
            until=instant(None if each["done_ms"] is None else each["done_ms"] + each["allowed_ms"]),
        )
