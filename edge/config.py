"""The configuration of a gateway: one TOML file in, one frozen ``Config`` out, or every finding at once."""

from dataclasses import dataclass
from pathlib import Path

from drivers.modbus.catalogue import Catalogue
from edge.config_check import check_reading
from edge.config_read import read_config
from edge.config_report import CheckReport, report_on
from edge.config_table import Table, read_file, read_table
from edge.config_values import (
    Area,
    Bus,
    Clock,
    Config,
    Device,
    Door,
    FailState,
    Gateway,
    Hq,
    Outputs,
    Policy,
    Reader,
    RtuBus,
    Side,
    TcpBus,
)
from edge.ports.errors import ConfigurationError

__all__ = [
    "Area",
    "Bus",
    "CheckReport",
    "Clock",
    "Config",
    "Device",
    "Door",
    "FailState",
    "Gateway",
    "Glance",
    "Hq",
    "Outputs",
    "Policy",
    "Reader",
    "RtuBus",
    "Side",
    "TcpBus",
    "check",
    "glance",
    "load",
    "parse",
]


def load(path: Path) -> Config:
    """The configuration in that file. Raises ConfigurationError with every finding as ``file:line: key: …``."""
    return _checked(read_file(path))


def parse(data: bytes, file: str) -> Config:
    """The configuration in those bytes; ``file`` is the name that findings give. Raises as ``load`` does."""
    return _checked(read_table(data, file))


def check(path: Path) -> CheckReport:
    """What the file would run: areas, doors, requests and load of each bus. Starts nothing. Raises as ``load`` does."""
    return report_on(load(path))


@dataclass(frozen=True, slots=True)
class Glance:
    """What a configuration that is still being written gives already.

    ``buses`` and ``devices``: those without a finding; ``problems``: every finding about single keys.
    """

    gateway: Gateway
    catalogue: Catalogue
    buses: tuple[Bus, ...]
    devices: tuple[Device, ...] = ()
    problems: tuple[str, ...] = ()


_WIRE_KEYS = ("id", "kind", "port", "baud", "parity", "stop_bits", "host", "tcp_port", "timeout_s")


def glance(path: Path) -> Glance:
    """What stands in the file, whatever else is wrong with it. Raises ConfigurationError if it is no TOML at all."""
    root = read_file(path)
    reading = read_config(root)
    assert root.findings is not None
    problems: list[str] = []
    try:
        root.findings.raise_if_any()
    except ConfigurationError as error:
        problems = error.problems
    return Glance(
        gateway=reading.gateway.value,
        catalogue=reading.profiles.catalogue,
        buses=tuple(each.value for each in reading.buses if each.table.good(*_WIRE_KEYS)),
        devices=tuple(each.value for each in reading.devices if each.table.good("id", "bus", "unit", "profile")),
        problems=tuple(problems),
    )


def _checked(root: Table) -> Config:
    reading = read_config(root)
    check_reading(reading)
    assert root.findings is not None
    try:
        root.findings.raise_if_any()
    except ConfigurationError as error:
        # A device that names a broken profile is a finding of this file; what breaks the profile is one of its own.
        raise ConfigurationError([*error.problems, *reading.profiles.problems]) from None
    return reading.config()
