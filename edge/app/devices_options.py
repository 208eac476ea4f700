"""The options of ``permitgate devices``, with what each allows. Imports nothing that a command's help does not need."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from drivers.modbus.register_map import Quantity

QUANTITIES = [each.value for each in Quantity]
_BAUDS = ("1200", "2400", "4800", "9600", "19200", "38400", "57600", "115200")
_BUS_HELP = "A bus of the configuration, by its id."
_DISPLAY = re.compile(r"-?[0-9]{1,7}(\.[0-9]{1,6})?")
_UNITS = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?")
_OFFSET = re.compile(r"0[xX][0-9a-fA-F]{1,4}|[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class WireChoice:
    """What was said of the wire: ``bus``, or ``port`` with the line's settings, or ``host``. One of the three."""

    bus: str | None
    port: str | None
    baud: str
    parity: str
    stop_bits: str
    host: str | None
    tcp_port: int
    timeout: Decimal | None


class Seconds(click.ParamType[Decimal]):
    """A time-out in seconds, exact to the millisecond."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """The seconds, from 0.05 to 5 as in the configuration."""
        text = str(value)
        plain = text.replace(".", "", 1)
        if not plain.isascii() or not plain.isdigit() or not Decimal("0.05") <= Decimal(text) <= 5:
            self.fail(f"{text[:40]!a}: give seconds from 0.05 to 5", param, ctx)
        return Decimal(text)


def wire_options(*, bus_is_argument: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that ``WireChoice`` holds."""
    options = [
        click.argument("bus", required=False) if bus_is_argument else click.option("--bus", help=_BUS_HELP),
        click.option("--port", help="A serial port, such as /dev/ttyUSB0, whether configured or not."),
        click.option("--baud", type=click.Choice(_BAUDS), default="9600", show_default=True, help="Its baud rate."),
        click.option(
            "--parity", type=click.Choice(["N", "E", "O"]), default="N", show_default=True, help="Its parity."
        ),
        click.option(
            "--stop-bits", type=click.Choice(["1", "2"]), default="1", show_default=True, help="Its stop bits."
        ),
        click.option("--host", help="A Modbus/TCP host or address, whether configured or not."),
        click.option(
            "--tcp-port", type=click.IntRange(1, 65_535), default=502, show_default=True, help="Its TCP port."
        ),
        click.option("--timeout", type=Seconds(), help="Seconds to wait for an answer, 0.05 to 5; else as configured."),
    ]

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return add


class Offset(click.ParamType[int]):
    """A register's offset, as manuals print it: decimal, or hexadecimal with 0x."""

    name = "offset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The offset, 0 to 65535."""
        text = str(value)
        if not _OFFSET.fullmatch(text) or int(text, 0 if text[:2] in ("0x", "0X") else 10) > 0xFFFF:
            self.fail(f"{text[:40]!a}: give an offset from 0 to 65535, or 0x0000 to 0xFFFF", param, ctx)
        return int(text, 0 if text[:2] in ("0x", "0X") else 10)


class Units(click.ParamType[range]):
    """Unit numbers from A to B, both included."""

    name = "units"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> range:
        """The numbers, within 1 to 255."""
        if isinstance(value, range):
            return value
        match = _UNITS.fullmatch(str(value))
        first, last = (int(match.group(1)), int(match.group(2) or match.group(1))) if match else (0, 0)
        if not 1 <= first <= last <= 255:
            self.fail(f"{str(value)[:40]!a}: give A-B, or one number, within 1 to 255, the lower one first", param, ctx)
        return range(first, last + 1)


@dataclass(frozen=True, slots=True)
class TryOptions:
    """Which registers, what the display shows, an earlier look, and the draft that is wanted."""

    unit: int
    function: int
    start: int
    count: int
    display: str | None
    earlier: Path | None
    write: Path | None
    quantity: str | None
    measured_in: str | None
    span: tuple[str, str] | None


class Display(click.ParamType[str]):
    """A figure as a display shows it, its last place included."""

    name = "figure"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The figure as written. A zero is refused, as it fits every register that is zero."""
        text = str(value)
        problem = display_problem(text)
        if problem:
            self.fail(problem, param, ctx)
        return text


def display_problem(text: str) -> str:
    """What keeps a text from being a figure that tells something; empty: nothing."""
    if not _DISPLAY.fullmatch(text):
        return f"{text[:40]!a} is no figure as a display shows it, such as 20.9 / 请按显示输入数值，如 20.9"
    if not Decimal(text):
        return "a zero fits every register that is zero; give the instrument gas or wind first / 零不能区分，请先通气"
    return ""
