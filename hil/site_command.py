"""``permitgate site``: what a configuration needs in hardware, simulated. Commands on standard input."""

import shlex
import signal
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from threading import Event

import click

from edge.app.answers import program, write_json
from edge.config import load
from edge.ports.errors import PermitgateError, RefusedError
from hil.virtual_site import FAULT_NAMES, VirtualSite
from hil.wiring import DoorState
from sync.formats.badge_token import NDEF_BYTES_MAX, decode, unwrap_ndef
from sync.formats.errors import FormatError

_LINE_MAX = 1_024

Act = Callable[[VirtualSite, Sequence[str]], str]


class QuitAsked(Exception):
    """The person is done."""


@dataclass(frozen=True, slots=True)
class SiteCommand:
    """One word that the site understands: its arguments, what it does, and how many arguments it takes."""

    arguments: str
    en: str
    zh: str
    count: tuple[int, int]
    act: Act


def run_site(config_path: Path, json_to: str | None) -> None:
    """Run the virtual site until ``quit``, Ctrl-C or SIGTERM. Raises our errors if it cannot stand."""
    config = load(config_path)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with VirtualSite(config) as site:
            standing = [asdict(each) for each in site.standing]
            write_json({"ok": True, "simulated": True, "standing": standing, "left_out": site.left_out}, json_to)
            if json_to != "-":
                _say_where(site, config_path)
            converse(site)
    except KeyboardInterrupt:
        click.echo("")
    click.echo("the site is gone / 现场已关闭")


def _say_where(site: VirtualSite, config_path: Path) -> None:
    click.echo(f"SIMULATED · 模拟: virtual hardware of {config_path} / 虚拟硬件")
    for line in place_lines(site):
        click.echo(line)
    click.echo(f"next: {program()} run --config {config_path}   (here: help / 帮助)")


def place_lines(site: VirtualSite) -> list[str]:
    """What stands where, and what only real hardware can be."""
    return [
        *(f"  {each.what:<32} {each.where}" for each in site.standing),
        *(f"  NOT simulated / 未模拟: {each}" for each in site.left_out),
    ]


def converse(site: VirtualSite) -> None:
    """Line by line until ``quit``; after the end of the input, or without one, until Ctrl-C or SIGTERM."""
    lines = () if sys.stdin is None else iter(lambda: sys.stdin.readline(_LINE_MAX), "")
    for line in lines:
        try:
            text = answer_line(site, line)
        except QuitAsked:
            return
        if text:
            click.echo(text)
    click.echo("no more input: the site stays until Ctrl-C / 输入已结束，按 Ctrl-C 退出")
    Event().wait()


def answer_line(site: VirtualSite, line: str) -> str:
    """What one command leads to, in words; a command that cannot be followed says why. Raises only for ``quit``."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        return f"? {error}"
    if not words:
        return ""
    name, *arguments = words
    command = COMMANDS.get(name)
    if command is None:
        return f"? {name[:20]!r}: no such command; {', '.join(COMMANDS)}"
    least, most = command.count
    if not least <= len(arguments) <= most:
        return f"? usage: {name} {command.arguments}"
    try:
        return command.act(site, arguments)
    except (PermitgateError, FormatError) as error:
        return f"? {error}"
    except OSError as error:
        return f"? {error.filename or name}: {error.strerror or error}"


# ---- what the words do ----------------------------------------------------------------------------------------------


def _tap(site: VirtualSite, arguments: Sequence[str]) -> str:
    """``R FILE``: the badge as issued; ``R UID FILE``: the same message on another tag; ``R UID``: an empty tag."""
    reader, *badge = arguments
    uid, ndef = _badge(badge)
    site.tap(reader, uid, ndef)
    return f"tapped {uid.hex()} ({len(ndef)} bytes) at {reader} / 已刷卡"


def _badge(words: Sequence[str]) -> tuple[bytes, bytes]:
    if len(words) == 2:
        return _uid(words[0]), _message(Path(words[1]))
    path = Path(words[0])
    if not path.exists():
        return _uid(words[0]), b""
    message = _message(path)
    token = unwrap_ndef(message)
    if token is None:
        raise RefusedError(f"{path}: holds no badge token; give the tag's UID before it")
    return decode(token).claims.uid, message


def _uid(text: str) -> bytes:
    try:
        uid = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        uid = b""
    if len(uid) not in (4, 7):
        raise RefusedError(f"{text[:40]!r}: neither a file nor a UID of 4 or 7 bytes in hexadecimal")
    return uid


def _message(path: Path) -> bytes:
    with path.open("rb") as file:
        message = file.read(NDEF_BYTES_MAX + 1)
    if len(message) > NDEF_BYTES_MAX:
        raise RefusedError(f"{path}: more than the {NDEF_BYTES_MAX} bytes of a badge")
    return message


def _measure(quantity: str) -> Act:
    def measure(site: VirtualSite, arguments: Sequence[str]) -> str:
        device, value = arguments
        site.instrument(device).set_value(quantity, value)
        return f"{device}: {site.instrument(device).words()}"

    return measure


def _fault(site: VirtualSite, arguments: Sequence[str]) -> str:
    device, name = arguments
    site.instrument(device).fault(name)
    return f"{device}: {site.instrument(device).words()}"


def _calibrate(site: VirtualSite, arguments: Sequence[str]) -> str:
    device, days = arguments
    try:
        site.instrument(device).unit.set_calibration_days(int(days))
    except (ValueError, struct.error) as error:
        raise RefusedError(f"calibration {days[:20]!r}: {error}; give whole days, 0 or less: due") from None
    return f"{device}: calibration holds {days} days / 校准剩余 {days} 天"


def _plug(site: VirtualSite, arguments: Sequence[str]) -> str:
    bus, state = arguments
    if state not in ("in", "out"):
        raise RefusedError(f"plug {state[:20]!r}: in or out")
    (site.plug_in if state == "in" else site.unplug)(bus)
    return f"{bus}: plug {state} / {'已插上' if state == 'in' else '已拔掉'}"


def _push(site: VirtualSite, arguments: Sequence[str]) -> str:
    opened = site.wiring.push(arguments[0])
    return f"{arguments[0]}: {'open / 门开了' if opened else 'does not open / 推不开'}"


def _shut(site: VirtualSite, arguments: Sequence[str]) -> str:
    site.wiring.shut(arguments[0])
    return _door(site, arguments[0])


def _force(site: VirtualSite, arguments: Sequence[str]) -> str:
    site.wiring.force(arguments[0])
    return _door(site, arguments[0])


def _request_exit(site: VirtualSite, arguments: Sequence[str]) -> str:
    site.wiring.press_rex(arguments[0])
    return _door(site, arguments[0])


def _fire(site: VirtualSite, arguments: Sequence[str]) -> str:
    door, state = arguments
    if state not in ("on", "off"):
        raise RefusedError(f"fire {state[:20]!r}: on or off")
    if any(each.id == door and each.fire_pin is None for each in site.config.doors):
        raise RefusedError(f"door {door}: no fire line is wired; give it a fire_pin")
    site.wiring.set_fire(door, state == "on")
    return _door(site, door)


def _state(site: VirtualSite, _arguments: Sequence[str]) -> str:
    lines = [_door(site, door.id) for door in site.config.doors]
    for area in site.config.areas:
        if area.siren_pin is not None:
            lines.append(f"siren {area.id}: {site.wiring.siren(area.id)}")
    lines += [f"{name}: {each.words()}, asked {each.unit.asked} times" for name, each in site.instruments.items()]
    return "\n".join(lines)


def _door(site: VirtualSite, door: str) -> str:
    state: DoorState = site.wiring.state(door)
    parts = (f"{each.name} {getattr(state, each.name)}" for each in fields(state) if each.name != "powered")
    return f"door {door}: {', '.join(parts)}, gateway {'connected' if state.powered else 'absent'}"


def _help(_site: VirtualSite, _arguments: Sequence[str]) -> str:
    lines = [f"{f'{name} {each.arguments}':<32} {each.en} / {each.zh}" for name, each in COMMANDS.items()]
    return "\n".join([*lines, f"faults / 故障: {', '.join(FAULT_NAMES)}"])


def _quit(_site: VirtualSite, _arguments: Sequence[str]) -> str:
    raise QuitAsked


COMMANDS: Mapping[str, SiteCommand] = {
    "tap": SiteCommand("READER FILE|UID [FILE]", "hold a badge to a reader", "刷卡", (2, 3), _tap),
    "gas": SiteCommand("DEVICE VALUE", "combustible gas from now on", "可燃气体浓度", (2, 2), _measure("combustible")),
    "wind": SiteCommand("DEVICE VALUE", "wind from now on", "风速", (2, 2), _measure("wind_speed")),
    "fault": SiteCommand("DEVICE FAULT", "break an instrument, or heal it", "仪器故障", (2, 2), _fault),
    "calibration": SiteCommand("DEVICE DAYS", "days its calibration still holds", "校准剩余天数", (2, 2), _calibrate),
    "plug": SiteCommand("BUS in|out", "the cable of a bus", "总线插头", (2, 2), _plug),
    "push": SiteCommand("DOOR", "push the door from outside", "从外推门", (1, 1), _push),
    "shut": SiteCommand("DOOR", "shut the door", "关门", (1, 1), _shut),
    "force": SiteCommand("DOOR", "force the door open", "强行开门", (1, 1), _force),
    "rex": SiteCommand("DOOR", "press the exit button", "按出门按钮", (1, 1), _request_exit),
    "fire": SiteCommand("DOOR on|off", "the fire panel's line", "消防联动", (2, 2), _fire),
    "state": SiteCommand("", "how everything is", "当前状态", (0, 0), _state),
    "help": SiteCommand("", "these words", "帮助", (0, 0), _help),
    "quit": SiteCommand("", "end the site", "退出", (0, 0), _quit),
}
"""Every command, by its word."""
