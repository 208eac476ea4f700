"""Reads each table of the configuration: every key, its range, its default. ``edge.config_check`` compares tables."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from edge import rules
from edge.config_calendar import read_calendar
from edge.config_policy import milliseconds, read_policy
from edge.config_ports import BY_PATH, bus_port_problem, reader_path_problem
from edge.config_profiles import NamedProfiles, open_catalogue, read_named
from edge.config_table import Table, path_is_plain
from edge.config_values import (
    RUN_DIR,
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
from edge.core.upgrades import Calendar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Sourced(Generic[Value]):
    """A value and the table that it was read from, for findings that name its line."""

    value: Value
    table: Table


@dataclass(frozen=True, slots=True)
class Reading:
    """The whole file as values beside their tables; complete only if nothing was found."""

    root: Table
    gateway: Sourced[Gateway]
    hq: Sourced[Hq]
    clock: Clock
    calendar: Calendar
    policy: Sourced[Policy]
    outputs: Sourced[Outputs]
    areas: tuple[Sourced[Area], ...]
    doors: tuple[Sourced[Door], ...]
    readers: tuple[Sourced[Reader], ...]
    buses: tuple[Sourced[Bus], ...]
    devices: tuple[Sourced[Device], ...]
    profiles: NamedProfiles

    def config(self) -> Config:
        """The values alone. Only after ``Findings.raise_if_any``."""
        return Config(
            gateway=self.gateway.value,
            hq=self.hq.value,
            clock=self.clock,
            calendar=self.calendar,
            policy=self.policy.value,
            outputs=self.outputs.value,
            areas=tuple(each.value for each in self.areas),
            doors=tuple(each.value for each in self.doors),
            readers=tuple(each.value for each in self.readers),
            buses=tuple(each.value for each in self.buses),
            devices=tuple(each.value for each in self.devices),
            profiles=self.profiles.loaded,
            own_profiles=self.profiles.own,
        )


_ID: Final[dict[str, Any]] = {
    "pattern": re.compile(r"[a-z0-9][a-z0-9_-]{0,31}"),
    "form": "1 to 32 of a-z 0-9 - _, beginning with a letter or digit",
}
_WORDS: Final[dict[str, Any]] = {
    "pattern": re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,64}"),
    "form": "1 to 64 characters on one line",
}
_CODE: Final[dict[str, Any]] = {
    "pattern": re.compile(r"[^\s\x00-\x1f\x7f-\x9f]{1,64}"),
    "form": "1 to 64 characters without blanks",
}
_DOMAIN: Final[dict[str, Any]] = {
    "pattern": re.compile(r"(?=.{1,64}\Z)[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+"),
    "form": "a domain name in small letters, such as pg.example.org, at most 64 characters",
}
_URL: Final[dict[str, Any]] = {
    "pattern": re.compile(r"https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?/?"),
    "form": "https://HOST or https://HOST:PORT",
}
_HOST: Final[dict[str, Any]] = {
    "pattern": re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-f:]{2,39}"),
    "form": "a host name or an IP address",
}
_NUMERIC_HOST = re.compile(r"[0-9.]+|[0-9a-f]*:[0-9a-f:]*")
"""What is meant as an address: no name server would know it."""

_GAS: Final[dict[str, Any]] = {
    "pattern": re.compile(r"[a-z0-9][a-z0-9-]{0,31}"),
    "form": "a gas of the rule packs, such as methane",
}
_PORT: Final[dict[str, Any]] = {"pattern": re.compile(r"[^\x00-\x1f\x7f]{1,255}"), "form": f"a path such as {BY_PATH}…"}
_PIN: Final[dict[str, Any]] = {"minimum": 2, "maximum": 27, "unit": "(BCM number)"}
"""BCM 0 and 1 are reserved for the ID EEPROM of a HAT (Raspberry Pi HAT specification, ID EEPROM)."""

_BAUDS = {baud: baud for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)}
_SOCKET_PATH_MAX = 90
"""Bytes, so that a socket's name in the directory still fits the 107 of ``sun_path`` (unix(7))."""


def gateway_name_problem(names: tuple[str, str], gateway: str) -> str | None:
    """What keeps (site, organisation) and a gateway's id from standing in a gateway's configuration; None: nothing."""
    site, organisation = names
    for name, text, allowed in (
        ("site", site, _ID),
        ("organisation", organisation, _DOMAIN),
        ("gateway", gateway, _ID),
    ):
        if allowed["pattern"].fullmatch(text) is None:
            return f"{name} {text[:64]!a}: give {allowed['form']}"
    return None


def hq_url_problem(url: str) -> str | None:
    """What keeps a URL from being HQ's address; None: nothing."""
    match = _URL["pattern"].fullmatch(url)
    if match is None:
        return f"{url[:120]!a} cannot be used; give {_URL['form']}"
    port = (match.group(1) or "").removeprefix(":")
    return f"port {port} is out of range, 1 to 65535" if port and not 1 <= int(port) <= 65_535 else None


def read_config(root: Table) -> Reading:
    """All tables. What is wrong is in ``root.findings``, unknown keys included."""
    gateway = _gateway(root.table("gateway"))
    simulate = gateway.value.simulate
    catalogue = open_catalogue(gateway.table, gateway.value.profiles_dir)
    devices = tuple(_device(table) for table in root.tables("device", count_min=0, count_max=1024))
    reading = Reading(
        root=root,
        gateway=gateway,
        hq=_hq(root.table("hq"), simulate),
        clock=_clock(root.table("clock", optional=True)),
        calendar=read_calendar(root.table("calendar", optional=True), simulate),
        policy=_policy(root.table("policy", optional=True), simulate),
        outputs=_outputs(root.table("outputs"), simulate),
        areas=tuple(_area(table, simulate) for table in root.tables("area", count_min=1, count_max=64)),
        doors=tuple(_door(table) for table in root.tables("door", count_min=1, count_max=16)),
        readers=tuple(_reader(table, simulate) for table in root.tables("reader", count_min=1, count_max=16)),
        buses=tuple(_bus(table, simulate) for table in root.tables("bus", count_min=0, count_max=32)),
        devices=devices,
        profiles=read_named(catalogue, [(each.table, each.value.profile) for each in devices]),
    )
    root.finish()
    return reading


def _gateway(table: Table) -> Sourced[Gateway]:
    languages = {"zh": "zh", "en": "en"}
    value = Gateway(
        id=table.getstring("id", **_ID),
        site=table.getstring("site", **_ID),
        organisation=table.getstring("organisation", **_DOMAIN),
        epoch=table.getint("epoch", minimum=1, maximum=9999, default=1),
        data_dir=table.getpath("data_dir", length_max=255, default=Path("/var/lib/permitgate")),
        run_dir=table.getpath("run_dir", length_max=_SOCKET_PATH_MAX, default=RUN_DIR),
        profiles_dir=table.getpath("profiles_dir", default=None),
        language="en" if table.getchoice("language", languages, default="zh") == "en" else "zh",
        simulate=table.getbool("simulate", default=False),
    )
    if table.good("data_dir", "run_dir") and value.data_dir == value.run_dir:
        table.refuse("run_dir", f"is data_dir too (line {table.line('data_dir')}); give each its own directory")
    return Sourced(value, table)


def _hq(table: Table, simulate: bool) -> Sourced[Hq]:
    url = table.getstring("url", **_URL)
    problem = hq_url_problem(url) if table.good("url") and url else None
    if problem is not None:
        table.refuse("url", problem)
    poll_ms = milliseconds(table, "poll_s", 200 if simulate else 1_000, 300_000, 5_000)
    return Sourced(Hq(url.rstrip("/"), poll_ms), table)


def _clock(table: Table) -> Clock:
    return Clock(table.getint("drift_ppm", minimum=1, maximum=1000, unit="ppm", default=100))


def _policy(table: Table, simulate: bool) -> Sourced[Policy]:
    return Sourced(read_policy(table, simulate), table)


def _outputs(table: Table, simulate: bool) -> Sourced[Outputs]:
    pins = table.getstring("pins", pattern=re.compile(r"lgpio|wired:/.*"), form='"lgpio" or "wired:/PATH"')
    path = pins.removeprefix("wired:")
    if pins.startswith("wired:") and not path_is_plain(path, 107):
        table.refuse("pins", "the socket's path must be absolute, without '..', at most 107 bytes")
    elif pins.startswith("wired:") and not simulate:
        table.refuse("pins", 'wired pins are simulated; write "lgpio", or simulate = true in [gateway]')
    return Sourced(Outputs(pins), table)


def _area(table: Table, simulate: bool) -> Sourced[Area]:
    packs = rules.names()
    value = Area(
        id=table.getstring("id", **_ID),
        name_zh=table.getstring("name_zh", **_WORDS),
        name_en=table.getstring("name_en", **_WORDS),
        codes=table.getlist("codes", **_CODE, count_min=0, count_max=32, default=()),
        ex=table.getbool("ex"),
        open_air=table.getbool("open_air", default=not simulate),
        people_max=table.getint("people_max", minimum=0, maximum=1_000, default=0) or None,
        rule_packs=table.getlist(
            "rule_packs",
            pattern=re.compile("|".join(re.escape(pack) for pack in packs)),
            form=f"one of: {', '.join(packs)}",
            count_min=1,
            count_max=8,
        ),
        siren_pin=_optional_pin(table, "siren_pin"),
    )
    return Sourced(value, table)


def _pin(table: Table, key: str) -> int:
    return table.getint(key, **_PIN)


def _optional_pin(table: Table, key: str) -> int | None:
    return table.getint(key, **_PIN, default=None)


def _door(table: Table) -> Sourced[Door]:
    value = Door(
        id=table.getstring("id", **_ID),
        area=table.getstring("area", **_ID),
        name_zh=table.getstring("name_zh", **_WORDS),
        name_en=table.getstring("name_en", **_WORDS),
        fail=table.getchoice("fail", {each.value: each for each in FailState}),
        strike_pin=_pin(table, "strike_pin"),
        contact_pin=_pin(table, "contact_pin"),
        bolt_pin=_optional_pin(table, "bolt_pin"),
        rex_pin=_pin(table, "rex_pin"),
        fire_pin=_optional_pin(table, "fire_pin"),
        green_pin=_pin(table, "green_pin"),
        red_pin=_pin(table, "red_pin"),
        amber_pin=_pin(table, "amber_pin"),
        buzzer_pin=_optional_pin(table, "buzzer_pin"),
        release_ms=milliseconds(table, "release_s", 1_000, 60_000, 5_000),
        open_ms=milliseconds(table, "open_s", 2_000, 600_000, 30_000),
        prealarm_ms=milliseconds(table, "prealarm_s", 0, 300_000, 10_000),
        access_grace_ms=milliseconds(table, "access_grace_s", 0, 60_000, 10_000),
    )
    if table.good("open_s", "prealarm_s") and value.prealarm_ms >= value.open_ms:
        table.refuse("prealarm_s", f"must be below open_s (line {table.line('open_s')}): it is the warning before it")
    return Sourced(value, table)


def _reader(table: Table, simulate: bool) -> Sourced[Reader]:
    value = Reader(
        id=table.getstring("id", **_ID),
        door=table.getstring("door", **_ID),
        side=table.getchoice("side", {each.value: each for each in Side}),
        path=table.getstring("path", **_PORT),
    )
    problem = reader_path_problem(value.path, simulate)
    if table.good("path") and problem is not None:
        table.refuse("path", problem)
    return Sourced(value, table)


def _bus(table: Table, simulate: bool) -> Sourced[Bus]:
    identity = table.getstring("id", **_ID)
    kind = table.getchoice("kind", {"rtu": "rtu", "tcp": "tcp"})
    if not table.good("kind"):
        table.say_no_more()
    bus = _tcp_bus(table, identity) if kind == "tcp" else _rtu_bus(table, identity, simulate)
    return Sourced(bus, table)


def _rtu_bus(table: Table, identity: str, simulate: bool) -> RtuBus:
    parities: Final[dict[str, Any]] = {"N": "N", "E": "E", "O": "O"}
    port = table.getstring("port", **_PORT)
    problem = bus_port_problem(port, simulate)
    if table.good("port") and problem is not None:
        table.refuse("port", problem)
    return RtuBus(
        id=identity,
        port=port,
        baud=table.getchoice("baud", _BAUDS),
        parity=table.getchoice("parity", parities, default="N"),
        stop_bits=2 if table.getchoice("stop_bits", {1: 1, 2: 2}, default=1) == 2 else 1,
        timeout_ms=milliseconds(table, "timeout_s", 50, 5_000, 300),
        poll_ms=milliseconds(table, "poll_s", 50, 60_000, 1_000),
    )


def _tcp_bus(table: Table, identity: str) -> TcpBus:
    host = table.getstring("host", **_HOST)
    if table.good("host") and _NUMERIC_HOST.fullmatch(host) and not _is_address(host):
        table.refuse("host", f"{host} is no IP address; give one such as 10.0.0.5, or a host name")
    return TcpBus(
        id=identity,
        host=host,
        tcp_port=table.getint("tcp_port", minimum=1, maximum=65_535, default=502),
        timeout_ms=milliseconds(table, "timeout_s", 50, 5_000, 500),
        poll_ms=milliseconds(table, "poll_s", 50, 60_000, 1_000),
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _device(table: Table) -> Sourced[Device]:
    value = Device(
        id=table.getstring("id", **_ID),
        bus=table.getstring("bus", **_ID),
        # Modbus over Serial Line V1.02, 2.2: 1 to 247; behind TCP also 248 to 255 (Messaging on TCP/IP V1.0b, 4.4.2).
        unit=table.getint("unit", minimum=1, maximum=255),
        profile=table.getstring("profile", **_ID),
        area=table.getstring("area", **_ID),
        gas=table.getstring("gas", **_GAS, default=None),
        no_status_accepted_by=table.getstring("no_status_accepted_by", **_WORDS, default=None),
        decimals=table.getint("decimals", minimum=0, maximum=4, default=None),
    )
    return Sourced(value, table)
