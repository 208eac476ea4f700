"""A gateway with an instrument of each kind and ten permits of ten types, for what an inspector is shown."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from plants import Plant, Template, command, plant, records, until

from edge.runtime.control import request
from hil.modbus_site import ModbusSite
from hil.modbus_unit import SimulatedUnit, load_profile_data

TYPES = ("01", "02", "03", "10", "21", "30", "40", "50", "61", "70")
"""Hot work of three grades, temporary power, height, excavation, road closure, blinding, lifting, confined space."""

_UNITS = (
    ("gas-1", "honeywell_xcd", "gas", "1.5", 'gas = "methane"'),
    ("o2-1", "honeywell_xcd_oxygen", "oxygen", "20.9", ""),
    ("h2s-1", "honeywell_midas_toxic", "gas", "2.0", 'gas = "hydrogen-sulphide"'),
    ("wind-1", "renke_rs_fsjt_n01", "wind_speed", "3.4", 'no_status_accepted_by = "nobody: simulated"'),
)


def permit_id(code: str) -> str:
    """The permit of a type."""
    return f"PTW-2026-014-000{code}"


def permits() -> list[dict[str, Any]]:
    """One of each type, begun an hour ago, for four days: longer than some types allow."""
    begins = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    window = {"start": f"{begins:%Y-%m-%dT%H:%M:%SZ}", "end": f"{begins + timedelta(days=4):%Y-%m-%dT%H:%M:%SZ}"}
    people = {"areas": ["a1"], "workers": ["w1"], "guardians": ["g1"], "status": 1, "gas": "methane"}
    plain = records()[-1]
    return [
        {**plain, "id": permit_id(code), "rec": {**people, **window, "type": code, "short_id": 100 + number}}
        for number, code in enumerate(TYPES)
    ]


@contextmanager
def inspected_site(template: Template, folder: Path) -> Iterator[Plant]:
    """The gateway runs, HQ has issued the permits, every instrument was read."""
    units = []
    for number, (_, profile, channel, value, _) in enumerate(_UNITS, 1):
        unit = SimulatedUnit(load_profile_data(profile), number)
        unit.set_value(channel, value)
        units.append(unit)
    bus = ModbusSite(units)
    try:
        with plant(template, folder, devices=_devices(bus.serve_tcp())) as site:
            text = site.config.read_text(encoding="utf-8")
            site.config.write_text(text.replace("[policy]\n", "[policy]\nlongest_time = true\n"), encoding="utf-8")
            site.hq.start()
            site.start()
            site.hear(permits())
            until("every instrument is good", lambda: _all_good(site), 30)
            yield site
    finally:
        bus.close()


def _devices(port: int) -> str:
    lines = [f'[[bus]]\nid = "b1"\nkind = "tcp"\nhost = "127.0.0.1"\ntcp_port = {port}\ntimeout_s = 0.3\npoll_s = 1']
    for number, (name, profile, _, _, more) in enumerate(_UNITS, 1):
        lines.append(
            f'[[device]]\nid = "{name}"\nbus = "b1"\nunit = {number}\nprofile = "{profile}"\narea = "a1"\n{more}'
        )
    return "\n".join(lines)


def _all_good(site: Plant) -> bool:
    told = [request(site.run / "control.sock", {"do": "explain", "permit": permit_id(code)}) for code in TYPES]
    return all(each["reason"] is None for one in told for each in one["conditions"])


def explained(site: Plant, code: str, language: str) -> str:
    """What `rules explain` prints for the permit of a type."""
    config = site.folder / f"{language}.toml"
    text = site.config.read_text(encoding="utf-8")
    config.write_text(text.replace("[gateway]\n", f'[gateway]\nlanguage = "{language}"\n'), encoding="utf-8")
    done = command("rules", "explain", permit_id(code), "--config", config)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


_MOVING = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+08:00"), "TIME"),
    (re.compile(r"\d+(\.\d+)? s(?= old:|：| 以内|, by)"), "AGE"),
)


def without_what_moves(text: str) -> str:
    """The same with times and ages replaced: what is left is the same on any day."""
    for pattern, word in _MOVING:
        text = pattern.sub(word, text)
    return text
