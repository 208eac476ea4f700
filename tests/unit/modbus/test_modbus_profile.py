"""Profiles: the shipped ones say what their manuals say, and a wrong one is refused by file, line and key."""

from decimal import Decimal
from importlib.resources import files

import pytest

from drivers.modbus.plan import plan_lines, plan_of
from drivers.modbus.profile import load_profile, parse_profile, shipped_models
from drivers.modbus.register_map import Quantity
from edge.ports.devices import Quality
from edge.ports.errors import ConfigurationError


def generic() -> str:
    return (files("drivers.profiles") / "generic.toml").read_text(encoding="utf-8")


def findings(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_profile(text.encode(), "mine.toml")
    return caught.value.problems


def test_every_shipped_profile_loads_and_names_its_manual() -> None:
    assert set(shipped_models()) >= {"honeywell_xcd", "renke_rs_fsjt_n01", "generic"}
    for model in shipped_models():
        profile = load_profile(model)
        assert profile.manual.title
        assert profile.manual.mark in ("V", "V2", "U", "D")
        assert all(register.printed for register in profile.registers)


def test_every_shipped_profile_is_in_the_list_of_models_with_its_status_and_mark() -> None:
    text = (files("drivers.profiles") / "MODELS.md").read_text(encoding="utf-8")
    rows = {row[1].strip(" `"): row for line in text.splitlines() if (row := line.split("|"))[1:2] and "`" in row[1]}
    assert set(rows) == set(shipped_models())
    for model, row in rows.items():
        profile = load_profile(model)
        status, mark, also = row[4].strip(), row[6].strip(), row[7]
        assert (status != "none") == profile.has_status, model
        assert mark == profile.manual.mark, model
        assert ("by hand" in also or also.strip() == "as above") or not profile.decimals_by_hand, model


def test_a_model_s_name_fits_where_the_configuration_names_it() -> None:
    assert max(map(len, shipped_models())) <= 32


def test_an_xcd_is_asked_for_printed_registers_only() -> None:
    profile = load_profile("honeywell_xcd")
    blocks = plan_of(profile)
    # 40008 to 40010 are not asked for: 40008 is in no table, and a device may refuse a request that names it.
    assert [(block.function, block.address, block.count) for block in blocks] == [(3, 2, 5), (3, 10, 1)]
    assert [register.printed for register in blocks[0].registers] == ["40003", "40005", "40006", "40007"]
    assert [register.printed for register in blocks[1].registers] == ["40011"]
    assert profile.has_status
    assert "40003" in plan_lines(7, blocks)[0]


def test_an_xcd_with_an_oxygen_cell_is_the_same_map_in_percent_by_volume() -> None:
    combustible, oxygen = load_profile("honeywell_xcd"), load_profile("honeywell_xcd_oxygen")
    assert oxygen.registers == combustible.registers
    assert oxygen.statuses == combustible.statuses
    (channel,) = oxygen.channels
    assert (channel.quantity, channel.unit, channel.unit_code) == (Quantity.OXYGEN, "%vol", 3)


def test_the_renke_has_no_status_and_counts_tenths() -> None:
    profile = load_profile("renke_rs_fsjt_n01")
    assert not profile.has_status
    (channel,) = profile.channels
    assert (channel.quantity, channel.unit, channel.scale) == (Quantity.WIND_SPEED, "m/s", Decimal("0.1"))
    assert channel.sentinels == ((0xFFFF, Quality.DEVICE_FAULT),)
    assert profile.serial is not None
    assert profile.serial.default_baud == 4800


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="honeywell_xcd"):
        load_profile("honeywel_xcd")


@pytest.mark.parametrize(
    ("written", "instead", "key", "said"),
    [
        ('type = "f32"', 'type = "f64"', "type", "f64"),
        ('order = "ABCD"', 'order = "ACBD"', "order", "CDAB"),
        ("address = 0", "address = 65535", "address", "65534"),
        ("function = 3", "function = 6", "function", "3 to 4"),
        ('resolution = "0.1"', 'resolution = "0"', "resolution", "above 0"),
        ('range = ["0", "100"]', 'range = ["0", "100.05"]', "range", "multiples"),
        ('range = ["0", "100"]', 'range = ["100", "0"]', "range", "below"),
        ('unit = "%LEL"', 'unit = "%lel"', "unit", "%LEL"),
        ('register = "gas"', 'register = "gaz"', "register", "gas, status"),
        ('otherwise = "device_fault"', 'otherwise = "broken"', "otherwise", "device_fault"),
        ('means = "over_range"', 'means = "over"', "means", "over_range"),
        ("gap = 4", "gap = 4\nretries = 3", "retries", "unknown key"),
        ("max_registers = 16", "max_registers = 200", "max_registers", "125"),
        ('printed = "40003"', 'printed = "40003"\norder = "CDAB"', "order", "no word order"),
        ("address = 2", "address = 1", "address", "may overlap no other"),
        ('name = "status"', 'name = "gas"', "register", "give each its own name"),
        ("default_baud = 9600", "default_baud = 1200", "default_baud", "not among bauds"),
        ('register = "status"', 'register = "gas"', "register", "u16 or u32"),
        ("mask = 0x0001", "mask = 0x10000", "mask", "1 to 65535"),
        ("values = [{ raw = 0,", "values = [{ raw = 65536,", "raw", "0 to 65535"),
    ],
)
def test_a_wrong_profile_is_refused_with_line_key_and_what_is_allowed(
    written: str, instead: str, key: str, said: str
) -> None:
    text = generic()
    start = text.index("\nmodel = ")
    wrong = text[:start] + text[start:].replace(written, instead, 1)
    assert wrong != text
    problems = findings(wrong)
    assert any(f"{key}: " in problem and said in problem for problem in problems), problems
    assert all(problem.startswith("mine.toml:") and problem.split(":")[1].isdigit() for problem in problems)


def test_all_findings_come_at_once() -> None:
    assert len(findings(generic().replace("gap = 4", "gap = 400").replace('mark = "D"', 'mark = "X"'))) == 2


def test_a_register_that_nothing_uses_is_a_finding() -> None:
    extra = '\n[[register]]\nname = "spare"\naddress = 9\nprinted = "40010"\ntype = "u16"\n'
    assert any("used by no channel" in problem for problem in findings(generic() + extra))


def test_text_that_is_no_toml_is_refused_without_a_traceback() -> None:
    assert findings("gap = = 3")[0].startswith("mine.toml:1")
