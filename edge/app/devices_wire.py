"""Which wire a technician tries: a bus of the configuration, or a port or host that no configuration knows yet."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import click

from drivers.modbus.client import BusSettings, Connection
from edge.app.answers import program
from edge.app.devices_options import WireChoice
from edge.app.devices_place import Workplace
from edge.app.probing import gateway_runs
from edge.app.wiring import bus_settings
from edge.config_wording import did_you_mean, listed
from edge.host import system_clock
from edge.ports.errors import RefusedError

_TIMEOUT_MS = {"rtu": 300, "tcp": 500}
"""As in the configuration."""


def chosen_wire(choice: WireChoice, place: Workplace) -> BusSettings:
    """The wire as its driver wants it. Raises UsageError, or RefusedError if a running gateway holds the line."""
    given = [each for each in (choice.bus, choice.port, choice.host) if each is not None]
    if len(given) != 1:
        raise click.UsageError(
            "say which wire: a BUS of the configuration, or --port PORT, or --host HOST; one of them"
        )
    settings = _configured(choice.bus, place) if choice.bus is not None else _written(choice)
    if choice.timeout is not None:
        settings = replace(settings, timeout_ms=int(choice.timeout * 1000))
    _mind_the_gateway(settings, place)
    return settings


def _configured(name: str, place: Workplace) -> BusSettings:
    for bus in place.buses:
        if bus.id == name:
            return bus_settings(bus)
    known = [bus.id for bus in place.buses]
    hint = did_you_mean(name, known)
    otherwise = f"see `{program()} check`, or give --port or --host"
    raise click.UsageError(f"there is no usable bus {name[:64]!a}{hint}; one of: {listed(known)}; {otherwise}")


def _written(choice: WireChoice) -> BusSettings:
    kind = "rtu" if choice.port is not None else "tcp"
    place = choice.port or choice.host or ""
    if not place or not place.isprintable() or " " in place:
        raise click.UsageError(f"--{'port' if kind == 'rtu' else 'host'}: {place[:64]!a} names no {kind} wire")
    return BusSettings(
        bus=place,
        kind=kind,
        timeout_ms=_TIMEOUT_MS[kind],
        port=choice.port or "",
        baud=int(choice.baud),
        parity=choice.parity,
        stop_bits=int(choice.stop_bits),
        host=choice.host or "",
        tcp_port=choice.tcp_port,
    )


def _mind_the_gateway(settings: BusSettings, place: Workplace) -> None:
    """A serial line has one master; the port itself refuses a second one too, this says whose it is. TCP may have two,
    but a device that takes only one connection drops one of them, and the readings of running work with it."""
    shared = [bus for bus in place.buses if _same_wire(bus_settings(bus), settings)]
    if not shared or not gateway_runs(place.run_dir):
        return
    name = shared[0].id
    if settings.kind == "rtu":
        raise RefusedError(
            f"{settings.port}: the running gateway reads bus {name} on it; stop it first: "
            "systemctl stop permitgate / 网关正在使用该串口，请先停止服务"
        )
    click.echo(
        f"the running gateway asks bus {name} there too; a device that takes one connection only may drop it, "
        "and running work trips / 网关也在询问该总线；只接受一个连接的设备可能断开网关，作业会跳闸",
        err=True,
    )


def _same_wire(one: BusSettings, other: BusSettings) -> bool:
    if one.kind != other.kind:
        return False
    if one.kind == "rtu":
        return os.path.realpath(one.port) == os.path.realpath(other.port)
    return (one.host, one.tcp_port) == (other.host, other.tcp_port)


@contextmanager
def opened(settings: BusSettings) -> Iterator[Connection]:
    """The guarded connection of a wire, let go of at the end. The first question opens it."""
    connection = Connection(settings, system_clock.monotonic_ms, system_clock.sleep)
    try:
        yield connection
    finally:
        connection.close()
