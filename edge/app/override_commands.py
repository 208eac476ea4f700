"""What ``permitgate override`` asks of the running daemon."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from edge.app.answers import answer
from edge.app.local_commands import ask, ask_with_file, say_act
from edge.app.status_words import override_lines
from edge.app.wording import Language, printable
from edge.config import load
from edge.ports.errors import RefusedError
from edge.runtime.override_requests import override_asked
from edge.runtime.request_checks import check_override, photo_type

_NONE: Mapping[Language, str] = {"en": "no override lives", "zh": "没有旁路"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says of an override to be made; ``until`` is UTC."""

    device: str | None
    protection: str | None
    permits: tuple[str, ...]
    owner: str
    why: str
    until: datetime


def make(config_path: Path, asked: Asked, photo: Path | None, json_to: str | None) -> None:
    """Have an override made; its photo goes along as an open file."""
    config = load(config_path)
    message = {
        "do": "override",
        "device": asked.device,
        "protection": asked.protection,
        "permits": list(asked.permits),
        "owner": asked.owner,
        "why": asked.why,
        "until_ms": int(asked.until.replace(tzinfo=UTC).timestamp() * 1000),
    }
    try:
        override_asked(message)
    except RefusedError as error:
        raise click.UsageError(str(error)) from None
    found = (
        ask(config, message)
        if photo is None
        else ask_with_file(config, {**message, "photo": True}, photo, ("--photo", photo_type))
    )
    subject = asked.device or asked.protection
    say_act(found, f"override {subject} by {asked.owner}", json_to)


def lift(config_path: Path, act: tuple[str, str, str], json_to: str | None) -> None:
    """Have an override lifted."""
    override, by, why = act
    config = load(config_path)
    try:
        check_override(override, (), by, why)
    except RefusedError as error:
        raise click.UsageError(str(error)) from None
    found = ask(config, {"do": "lift", "override": override, "by": by, "why": why})
    say_act(found, f"lift {override} by {by}", json_to)


def show(config_path: Path, json_to: str | None) -> None:
    """Every override that lives, and permits whose close waits for one."""
    config = load(config_path)
    found = ask(config, {"do": "status"})
    overrides = found["overrides"]
    result = {"ok": not any(each["over"] for each in overrides), "overrides": overrides, "closing": found["closing"]}

    def say() -> None:
        lines = override_lines(overrides, config.gateway.language)
        for line in lines or [_NONE[config.gateway.language]]:
            click.echo(printable(line))

    answer(result, json_to, say, ok=bool(result["ok"]))
