"""The figures of the acceptance rows over the wire: a simulated instrument shows them, and the gateway says what fails.

W03 wind, W04 gas and oxygen by both packs for confined spaces, W01 what an area lacks, W18 a trip and what lifts it.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from plants import Plant, Template, plant, records, until

from edge.host.system_clock import monotonic_ms
from hil.modbus_site import ModbusSite
from hil.modbus_unit import SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system

GENERIC = (Path(__file__).parents[3] / "drivers/profiles/generic.toml").read_text(encoding="utf-8")
GENERIC = "\n".join(line for line in GENERIC.splitlines() if not line.startswith("#"))

OWN_MODELS = {
    "own_vol": ('unit = "%LEL"', 'unit = "%vol"', 'resolution = "0.1"', 'resolution = "0.01"'),
    "own_mg": ('"combustible"', '"toxic"', 'unit = "%LEL"', 'unit = "mg/m3"'),
}
"""Detectors as a site would add them: the pattern of most transmitters, in the units that the rules are written in."""

DEVICES = {
    "ch4": ("own_vol", 1, "methane", "gas"),
    "c2h5oh": ("honeywell_xcd", 2, "ethanol", "gas"),
    "lel": ("generic", 3, "methane", "gas"),
    "o2": ("honeywell_xcd_oxygen", 4, None, "oxygen"),
    "h2s": ("own_mg", 5, "hydrogen-sulphide", "gas"),
    "co": ("own_mg", 6, "carbon-monoxide", "gas"),
    "wind": ("renke_rs_fsjt_n01", 7, None, "wind_speed"),
}
AT_REST = {"ch4": "0", "c2h5oh": "0", "lel": "0", "o2": "20.9", "h2s": "0", "co": "0", "wind": "2.0"}
JUDGED = re.compile(r"(gas|toxic|wind)_over_limit|oxygen_(low|high)|reading_.*|channel_missing")
TYPES = {"10": 20, "02": 21, "21": 22, "30": 23, "40": 24, "50": 25, "63": 26, "70": 27}


def own_model(name: str) -> str:
    text = GENERIC.replace('model = "generic"', f'model = "{name}"')
    changes = OWN_MODELS[name]
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    return text


def permits() -> list[dict[str, object]]:
    """One permit of each type in a1, named by its type."""
    (p1,) = [each for each in records() if each["id"] == "P1"]
    return [
        {**p1, "id": f"T{code}", "rec": {**p1["rec"], "type": code, "short_id": number}}
        for code, number in TYPES.items()
    ]


class Instruments:
    """What stands on the bus, and how it is told what to show."""

    def __init__(self, gateway: Plant, units: dict[str, SimulatedUnit]) -> None:
        self.gateway, self.units = gateway, units

    def show(self, device: str, value: str) -> None:
        self.units[device].set_value(DEVICES[device][3], value)

    def missing(self, permit: str) -> dict[str, set[str]]:
        """The conditions of readings that fail, with what they are about."""
        done = self.gateway.cli("permit", "ready", permit, "--json")
        found: dict[str, set[str]] = {}
        for worker in json.loads(done.stdout).get("workers", []) if done.stdout else []:
            for each in worker["missing"]:
                if JUDGED.fullmatch(each["code"]):
                    found.setdefault(each["code"], set()).add(str(each["detail"]))
        return found

    def expect(self, permit: str, codes: set[str]) -> None:
        until(f"{permit}: {codes or 'nothing'} fails", lambda: set(self.missing(permit)) == codes, 20)


def kinds(gateway: Plant) -> set[str]:
    return {each["typ"] for each in gateway.entries()}


@contextmanager
def standing(template: Template, folder: Path, packs: str, devices: tuple[str, ...]) -> Iterator[Instruments]:
    models = folder / "models"
    models.mkdir()
    for name in OWN_MODELS:
        (models / f"{name}.toml").write_text(own_model(name), encoding="utf-8")
    units = {}
    for device in devices:
        model, number, _, channel = DEVICES[device]
        units[device] = SimulatedUnit(load_profile_data(model, models if model in OWN_MODELS else None), number)
        units[device].set_value(channel, AT_REST[device])
    bus = ModbusSite(units.values())
    try:
        with plant(template, folder, _devices(bus.serve_tcp(), devices)) as gateway:
            text = gateway.config.read_text(encoding="utf-8")
            text = text.replace("simulate = true", f'simulate = true\nprofiles_dir = "{models}"')
            gateway.config.write_text(text.replace('["gb30871"]', packs, 1), encoding="utf-8")
            gateway.hq.start()
            gateway.start()
            gateway.hear(permits())
            yield Instruments(gateway, units)
    finally:
        bus.close()


def _devices(port: int, devices: tuple[str, ...]) -> str:
    lines = [f'[[bus]]\nid = "b1"\nkind = "tcp"\nhost = "127.0.0.1"\ntcp_port = {port}\ntimeout_s = 0.3\npoll_s = 0.5']
    for device in devices:
        model, number, gas, _ = DEVICES[device]
        lines.append(f'[[device]]\nid = "{device}"\nbus = "b1"\nunit = {number}\nprofile = "{model}"\narea = "a1"')
        lines += [f'gas = "{gas}"'] if gas else []
        lines += ['no_status_accepted_by = "Zhang San"'] if model.startswith("renke") else []
    return "\n".join(lines)


@pytest.fixture(scope="module")
def chemical(fresh: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instruments]:
    folder = tmp_path_factory.mktemp("chemical")
    with standing(fresh, folder, '["gb30871"]', ("ch4", "c2h5oh", "o2", "h2s", "wind")) as made:
        yield made


@pytest.mark.parametrize(
    ("device", "permit", "last_good", "first_bad", "code"),
    [
        ("o2", "T70", "19.5", "19.4", "oxygen_low"),
        ("o2", "T70", "21.0", "21.1", "oxygen_high"),
        ("ch4", "T70", "0.50", "0.51", "gas_over_limit"),
        ("ch4", "T02", "0.50", "0.51", "gas_over_limit"),
        ("ch4", "T10", "0.50", "0.51", "gas_over_limit"),
        ("c2h5oh", "T70", "6.0", "6.2", "gas_over_limit"),
        ("h2s", "T70", "10.0", "10.1", "toxic_over_limit"),
        ("wind", "T21", "7.9", "8.0", "wind_over_limit"),
        ("wind", "T02", "7.9", "8.0", "wind_over_limit"),
        ("wind", "T63", "10.7", "10.8", "wind_over_limit"),
    ],
)
def test_a_chemical_site_passes_the_last_good_figure_and_fails_the_first_bad_one(
    chemical: Instruments, device: str, permit: str, last_good: str, first_bad: str, code: str
) -> None:
    chemical.expect(permit, set())
    chemical.show(device, first_bad)
    chemical.expect(permit, {code})
    chemical.show(device, last_good)
    chemical.expect(permit, set())
    chemical.show(device, AT_REST[device])


def test_any_other_industry_has_its_own_figures_for_a_confined_space(fresh: Template, tmp_path: Path) -> None:
    with standing(fresh, tmp_path, '["gb46768"]', ("lel", "o2", "h2s", "co")) as general:
        general.expect("T70", set())
        for device, last_good, first_bad, code in (
            ("o2", "23.5", "23.6", "oxygen_high"),
            ("o2", "19.5", "19.4", "oxygen_low"),
            ("lel", "10.0", "10.1", "gas_over_limit"),
        ):
            general.show(device, first_bad)
            general.expect("T70", {code})
            general.show(device, last_good)
            general.expect("T70", set())
            general.show(device, AT_REST[device])


def test_an_area_without_instruments_arms_nothing_that_needs_one_and_says_what_is_missing(
    fresh: Template, tmp_path: Path
) -> None:
    with standing(fresh, tmp_path, '["gb30871"]\nopen_air = true', ()) as bare:
        lacking = {code: bare.missing(f"T{code}").get("channel_missing", set()) for code in TYPES}
    assert lacking == {
        "10": {"combustible"},
        "02": {"combustible", "wind_speed"},
        "21": {"wind_speed"},
        "30": set(),
        "40": set(),
        "50": set(),
        "63": {"wind_speed"},
        "70": {"combustible", "oxygen"},
    }


def test_a_trip_comes_within_three_seconds_and_only_a_passing_re_test_and_a_named_person_lift_it(
    fresh: Template, tmp_path: Path
) -> None:
    with standing(fresh, tmp_path, '["gb30871"]', ("ch4", "wind")) as site:
        gateway = site.gateway
        until("all readings are good", lambda: not site.missing("P1"), 20)
        assert gateway.admit()["decision"] == "granted"
        shown_at_ms = monotonic_ms()
        site.show("ch4", "0.51")
        until("the permit is tripped", lambda: "permit.tripped" in kinds(gateway), 3)
        assert monotonic_ms() - shown_at_ms < 3_000
        site.show("ch4", "0.50")
        until("the gas is good again", lambda: "gas_over_limit" not in site.missing("P1"), 20)
        assert "permit.trip_released" not in kinds(gateway), "nothing lifts itself"
        by = ("--by", "g1", "--reason", "checked at the spot")
        assert gateway.cli("permit", "release", "P1", *by).returncode == 1, "no re-test yet"
        assert gateway.cli("permit", "retest", "P1", *by).returncode == 0
        assert gateway.cli("permit", "release", "P1", *by).returncode == 0
        assert gateway.admit()["decision"] == "granted"
