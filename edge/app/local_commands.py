"""Commands that ask the running daemon: ``status``, ``permit …``, ``sync …``."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from edge.app.answers import answer
from edge.app.status_words import (
    SIMULATED,
    inside_lines,
    lockdown_lines,
    override_lines,
    permit_line,
    permit_lines,
    status_lines,
    sync_lines,
)
from edge.app.wording import Language, printable
from edge.config import load
from edge.config_values import Config
from edge.ports.errors import RefusedError, TransientError
from edge.runtime.control import request
from edge.runtime.request_checks import PHOTO_BYTES_MAX, act_details, check_act, photo_type

Understood = TypeVar("Understood")


def ask(config: Config, message: Mapping[str, Any], attached: int | None = None) -> dict[str, Any]:
    """Ask the daemon of this configuration. Raises TransientError if none answers, or it could not."""
    found = request(config.gateway.run_dir / "control.sock", message, attached=attached)
    if found.get("error"):
        raise TransientError(str(found["error"]))
    return found


def status(config_path: Path, json_to: str | None) -> None:
    """Everything the daemon sees, for people or as JSON."""
    config = load(config_path)
    found = ask(config, {"do": "status"})

    def say() -> None:
        lines = _understood(lambda: status_lines(found, config.gateway.language))
        if found["simulated"]:
            click.secho(SIMULATED, fg="yellow", bold=True)
        _say(lines)

    answer(found, json_to, say)


def _understood(make: Callable[[], Understood]) -> Understood:
    """What is made of an answer. Raises TransientError for one that lacks what this version looks for."""
    try:
        return make()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TransientError(f"the gateway answers as another version would ({error!r}): restart it") from None


def _say(lines: list[str]) -> None:
    for line in lines:
        click.echo(printable(line))


def ready(config_path: Path, permit_id: str, json_to: str | None, judge: bool) -> None:
    """What a permit lacks now (``judge``), or how it stands."""
    config = load(config_path)
    found = ask(config, {"do": "ready", "permit": permit_id})
    ok = bool(found.get("ok")) if judge else "status" in found
    answer(
        found, json_to, lambda: _say(_understood(lambda: _ready_lines(found, config.gateway.language, judge))), ok=ok
    )


def _ready_lines(found: Mapping[str, Any], language: Language, judge: bool) -> list[str]:
    lines: list[str] = []
    if "status" in found:
        lines += [permit_line(found["status"], language)] if judge else permit_lines(found["status"], language)
        lines += inside_lines(found["status"], language) if judge else []
        lines += override_lines(found["status"]["overrides"], language) if judge else []
        lines += lockdown_lines(found["status"]["lockdowns"], language) if judge else []
    lines += [f"  {each['code']}: {each['zh']} / {each['en']}" for each in found.get("missing", [])]
    for worker in found.get("workers", []) if judge else []:
        by_hand = f", 人工确认 / confirmed by hand: {', '.join(worker['by_hand'])}" if worker["by_hand"] else ""
        lines.append(f"  {worker['worker']} @ {worker['area']}: {worker['outcome']}{by_hand}")
        for each in worker["missing"]:
            detail = f" [{each['detail']}]" if each["detail"] else ""
            lines.append(f"    {each['code']}{detail}: {each['zh']} / {each['en']}")
    return lines


def act(
    config_path: Path,
    act_on: tuple[str, str, str, str],
    photo: Path | None,
    json_to: str | None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """A named person confirms, re-tests, samples or releases; ``more`` is what this act says besides."""
    action, permit, by, why = act_on
    config = load(config_path)
    details = dict(more or {})
    try:
        check_act(permit, by, why)
        act_details(details)
    except RefusedError as error:
        raise click.UsageError(str(error)) from None
    message = {"do": "act", "action": action, "permit": permit, "by": by, "why": why, **details}
    found = (
        ask(config, message)
        if photo is None
        else ask_with_file(config, {**message, "photo": True}, photo, ("--photo", photo_type))
    )

    say_act(found, f"{action} {permit} by {by}", json_to)


def say_act(found: Mapping[str, Any], what: str, json_to: str | None) -> None:
    """Whether an act was done, or every reason why not; exit 1 if it was not."""

    def say() -> None:
        _say([f"{what}: {'done / 完成' if found['ok'] else 'NO / 否'}, entry {found['entry']}"])
        _say([f"  {each['code']}: {each['zh']} / {each['en']}" for each in found["reasons"]])

    answer(found, json_to, say, ok=bool(found["ok"]))


def ask_with_file(
    config: Config, message: Mapping[str, Any], path: Path, option: tuple[str, Callable[[bytes], str]]
) -> dict[str, Any]:
    """The file goes along open: the daemon may not be allowed to look where it lies.

    ``option`` is its name on the command line, and what raises RefusedError for a file of another type.
    """
    name, type_of = option
    with path.open("rb") as file:
        start = file.read(PHOTO_BYTES_MAX + 1) if path.is_file() else b""
        try:
            type_of(start)
        except RefusedError as error:
            raise click.UsageError(f"{name} {path}: {error}") from None
        return ask(config, message, file.fileno())


def sync_status(config_path: Path, json_to: str | None) -> None:
    """What waits for HQ."""
    config = load(config_path)
    found = ask(config, {"do": "status"})
    result = _understood(lambda: _sync_result(found))
    answer(result, json_to, lambda: _say(_understood(lambda: sync_lines(found, config.gateway.language))))


def _sync_result(found: Mapping[str, Any]) -> dict[str, Any]:
    journal = found["journal"]
    return {
        "ok": True,
        "simulated": found["simulated"],
        "link": found["link"],
        "waiting": journal["durable"] - journal["acked"],
        "acked": journal["acked"],
        "authority": found["authority"],
    }


def sync_now(config_path: Path, json_to: str | None) -> None:
    """Ring the sync child's bell."""
    found = ask(load(config_path), {"do": "sync"})
    answer(found, json_to, lambda: click.echo("asked / 已请求: see `permitgate sync status`"))
