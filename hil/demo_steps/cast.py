"""Who and what the story is about: people, certificates, permits, badges, and the configuration of their gateway."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SITE, ORGANISATION, GATEWAY = "s014", "pg.example.org", "gw1"
HOT, HOT_TOO, HEIGHT, ELSEWHERE, RENUMBERED = "PTW-0042", "PTW-0043", "PTW-0044", "PTW-0045", "PTW-0046"
"""Hot work in the tank farm, more of it, work at height, hot work on the platform, one that gets a new number."""

LI, WANG, WU, CHEN, ZHOU, HE = "w-li", "w-wang", "w-wu", "w-chen", "w-zhou", "w-he"
ZHAO, SUN = "w-zhao", "w-sun"
"""The guardians of hot work and of work at height."""

WU_CERTIFICATE = "cert-0003"

_HOUR = timedelta(hours=1)
_NAMES = {LI: "李娜", WANG: "王强", WU: "吴军", CHEN: "陈晨", ZHOU: "周涛", HE: "何敏", ZHAO: "赵敏", SUN: "孙丽"}
_LONG, _OVER = "2099-03-31", "2025-01-09"
_CERTIFICATES = (
    ("cert-0001", LI, "welding", _LONG),
    ("cert-0002", WANG, "welding", _OVER),
    (WU_CERTIFICATE, WU, "welding", _LONG),
    ("cert-0004", CHEN, "height", _LONG),
    ("cert-0005", ZHOU, "welding", _LONG),
    ("cert-0006", HE, "welding", _LONG),
)


@dataclass(frozen=True, slots=True)
class Badge:
    """A tag: its UID and the message on it."""

    uid: bytes
    ndef: bytes


BADGES: Mapping[str, tuple[str, str, bytes]] = {
    "li": (LI, HOT, bytes.fromhex("04a1b2c3d4e501")),
    "wang": (WANG, HOT, bytes.fromhex("04a1b2c3d4e502")),
    "wu": (WU, HOT_TOO, bytes.fromhex("04a1b2c3d4e503")),
    "chen": (CHEN, HEIGHT, bytes.fromhex("04a1b2c3d4e504")),
    "zhou": (ZHOU, ELSEWHERE, bytes.fromhex("04a1b2c3d4e505")),
    "he": (HE, RENUMBERED, bytes.fromhex("04a1b2c3d4e506")),
    "zhao": (ZHAO, HOT, bytes.fromhex("04a1b2c3d4e507")),
    "zhao-2": (ZHAO, HOT_TOO, bytes.fromhex("04a1b2c3d4e508")),
    "sun": (SUN, HEIGHT, bytes.fromhex("04a1b2c3d4e509")),
}
"""Badges by name: whose, for which permit, on which tag."""

OTHER_UID = bytes.fromhex("04ffeeddccbb99")
"""A blank tag from a shop."""


def records(now: datetime) -> list[dict[str, Any]]:
    """What HQ knows this morning, as lines for ``hq import``; permits run from an hour ago for eight hours."""
    people = [("worker", worker, {"name": name, "roster": "检修一班"}) for worker, name in _NAMES.items()]
    certificates = [
        ("cert", name, {"worker": worker, "trade": trade, "ends": ends, "status": "valid"})
        for name, worker, trade, ends in _CERTIFICATES
    ]
    areas = [
        ("area", "a1", {"name": "2号罐区 Tank farm 2", "codes": ["TF-02"], "doors": ["d1"], "ex": True}),
        ("area", "a2", {"name": "检修平台 Maintenance platform", "codes": ["MP-01"], "doors": ["d2"], "ex": False}),
    ]
    named = [*areas, *people, *certificates, *_permits(now)]
    return [{"v": 1, "op": "put", "k": kind, "id": name, "rev": 1, "rec": record} for kind, name, record in named]


def _permits(now: datetime) -> list[tuple[str, str, dict[str, Any]]]:
    def permit(kind: str, area: str, workers: list[str], guardian: str, short_id: int) -> dict[str, Any]:
        people = {"type": kind, "areas": [area], "workers": workers, "guardians": [guardian]}
        return {**people, **_window(now), "status": 1, "gas": "methane", "short_id": short_id}

    return [
        ("permit", HOT, permit("02", "a1", [LI, WANG], ZHAO, 42)),
        ("permit", HOT_TOO, permit("02", "a1", [WU], ZHAO, 43)),
        ("permit", HEIGHT, permit("21", "a2", [CHEN], SUN, 44)),
        ("permit", ELSEWHERE, permit("02", "a2", [ZHOU], SUN, 45)),
        ("permit", RENUMBERED, permit("02", "a1", [HE], ZHAO, 46)),
    ]


def renumbered(now: datetime) -> list[dict[str, Any]]:
    """The permit desk gives a permit another short number: badges that were written before name none any more."""
    (record,) = (each for kind, name, each in _permits(now) if name == RENUMBERED)
    return [{"v": 1, "op": "put", "k": "permit", "id": RENUMBERED, "rev": 2, "rec": {**record, "short_id": 146}}]


def _window(now: datetime) -> dict[str, str]:
    return {name: at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for name, at in _shift(now).items()}


def _shift(now: datetime) -> dict[str, datetime]:
    return {"start": now - _HOUR, "end": now + 7 * _HOUR}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the demo's gateway keeps and finds what. Ports are of 127.0.0.1."""

    data_dir: Path
    run_dir: Path
    hq_port: int
    modbus_port: int
    reader_ports: tuple[int, int]


def configuration(layout: Layout) -> str:
    """gateway.toml: two areas, a door and a reader each; a gas detector on TCP, an anemometer on a serial line."""
    return _CONFIGURATION.format(
        data=layout.data_dir,
        run=layout.run_dir,
        hq=layout.hq_port,
        modbus=layout.modbus_port,
        reader1=layout.reader_ports[0],
        reader2=layout.reader_ports[1],
    )


_CONFIGURATION = """\
# The gateway of `permitgate demo`: everything simulated, and times shorter than the rules allow, so that it fits into a
# minute. Run it again: permitgate site, hq serve and run, in three terminals, see the demo's last words.

[gateway]
id = "gw1"
site = "s014"
organisation = "pg.example.org"
data_dir = "{data}"
run_dir = "{run}"
language = "zh"
simulate = true

[hq]
url = "https://127.0.0.1:{hq}"
poll_s = 0.3

[policy]
settle_s = 1       # the rule: 60
stale_s = 2        # the rule: at most 30
gust_window_s = 1  # the rule: 600
siren_s = 1

[outputs]
pins = "wired:{run}/wiring.sock"

[[area]]
id = "a1"
name_zh = "2号罐区"
name_en = "Tank farm 2"
codes = ["TF-02"]
ex = true
rule_packs = ["gb30871"]
siren_pin = 22

[[area]]
id = "a2"
name_zh = "检修平台"
name_en = "Maintenance platform"
codes = ["MP-01"]
ex = false
rule_packs = ["gb30871"]
siren_pin = 11

[[door]]
id = "d1"
area = "a1"
name_zh = "2号罐区东门"
name_en = "Tank farm 2, east door"
fail = "secure"
strike_pin = 17
contact_pin = 27
bolt_pin = 5
rex_pin = 6
green_pin = 23
red_pin = 24
amber_pin = 25
release_s = 2

[[door]]
id = "d2"
area = "a2"
name_zh = "检修平台门"
name_en = "Platform door"
fail = "secure"
strike_pin = 2
contact_pin = 3
bolt_pin = 10
rex_pin = 4
green_pin = 7
red_pin = 8
amber_pin = 9
release_s = 2

[[reader]]
id = "r1"
door = "d1"
side = "entry"
path = "udp:127.0.0.1:{reader1}"

[[reader]]
id = "r2"
door = "d2"
side = "entry"
path = "udp:127.0.0.1:{reader2}"

[[bus]]
id = "b1"
kind = "tcp"
host = "127.0.0.1"
tcp_port = {modbus}
timeout_s = 0.3
poll_s = 0.5

[[bus]]
id = "b2"
kind = "rtu"
port = "{run}/tty-wind"
baud = 4800
timeout_s = 0.3
poll_s = 0.5

[[device]]
id = "gas-1"
bus = "b1"
unit = 1
profile = "honeywell_xcd"
area = "a1"
gas = "methane"

[[device]]
id = "wind-1"
bus = "b2"
unit = 2
profile = "renke_rs_fsjt_n01"
area = "a2"
no_status_accepted_by = "Wang Fang, HSE, for the demo"
"""
