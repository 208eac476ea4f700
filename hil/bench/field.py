"""Simulated devices in a process of their own, so that their CPU time does not count: ``python -m hil.bench.field``.

Arguments: channels of each unit, units on each bus, then one word a bus: ``tcp``, ``rtu`` or ``rtu-dead`` (the last
unit is silent), with ``:MS`` for a reply that takes that long. Prints one line with the port or path of each bus, and
ends with its standard input.
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hil.modbus_site import ModbusSite
from hil.modbus_unit import Fault, FaultKind, SimulatedUnit

_HEAD = """
model = "trial"
manufacturer = "any"
product = "controller with {count} gas channels"
gap = 0
max_registers = 64
min_poll_s = 0.05
longest_reply_s = 0.3
[manual]
title = "none: a benchmark"
revision = "1"
page = "-"
mark = "D"
[serial]
bauds = ["9600", "19200"]
parities = ["N"]
stop_bits = ["1"]
default_baud = 19200
default_parity = "N"
default_address = 1
[[register]]
name = "status"
address = {count}
printed = "{status}"
type = "u16"
[[status]]
register = "status"
values = [{{ raw = 0, means = "ok" }}]
otherwise = "device_fault"
"""
_CHANNEL = """
[[register]]
name = "gas{number}"
address = {number}
printed = "{printed}"
type = "u16"
[[channel]]
name = "gas{number}"
quantity = "combustible"
register = "gas{number}"
unit = "%LEL"
scale = "0.1"
resolution = "0.1"
range = ["0", "100"]
t90_s = 30
"""


def profile_text(channels: int) -> bytes:
    """A controller with that many 16-bit gas channels and one status register: one block to read."""
    text = _HEAD.format(count=channels, status=40_001 + channels)
    text += "".join(_CHANNEL.format(number=number, printed=40_001 + number) for number in range(channels))
    return text.encode()


@contextmanager
def field(channels: int, units: int, buses: Sequence[str]) -> Iterator[list[str]]:
    """The port or path of each bus, while they are served."""
    argv = [sys.executable, "-P", "-m", "hil.bench.field", str(channels), str(units), *buses]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().split()
        finally:
            process.stdin.close()
            process.wait(10)


def _site(bus: str, channels: int, units: int) -> tuple[ModbusSite, str]:
    kind, _, late_ms = bus.partition(":")
    profile = tomllib.loads(profile_text(channels).decode())
    simulated = [SimulatedUnit(profile, unit) for unit in range(1, units + 1)]
    for unit in simulated:
        for number in range(channels):
            unit.set_value(f"gas{number}", "1.5")
        if late_ms:
            unit.break_with(Fault(FaultKind.LATE, seconds=int(late_ms) / 1000))
    if kind == "rtu-dead":
        simulated[-1].break_with(Fault(FaultKind.SILENCE))
    site = ModbusSite(simulated)
    return site, str(site.serve_tcp()) if kind == "tcp" else site.serve_rtu()


def main(arguments: Sequence[str]) -> None:
    """Serve until standard input ends."""
    channels, units = int(arguments[0]), int(arguments[1])
    sites = [_site(bus, channels, units) for bus in arguments[2:]]
    print(*(place for _, place in sites), flush=True)
    sys.stdin.read()
    for site, _ in sites:
        site.close()


if __name__ == "__main__":
    main(sys.argv[1:])
