"""Reads the profiles: one TOML file per device model, checked strictly, every finding named with file and line.

The keys are explained in ``drivers/profiles/generic.toml``.
"""

import re
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

from drivers.modbus.plan import PROTOCOL_MAX_REGISTERS
from drivers.modbus.register_map import (
    ChannelProfile,
    Kind,
    Manual,
    Profile,
    Quantity,
    Register,
    SerialSettings,
    Span,
    StatusRule,
    WordOrder,
)
from edge.config_table import REQUIRED, Required, Table, read_table
from edge.ports.devices import Quality
from edge.ports.errors import ConfigurationError

_MEANINGS = {
    "ok": Quality.GOOD,
    "warming_up": Quality.WARMING_UP,
    "inhibited": Quality.INHIBITED,
    "calibration": Quality.INHIBITED,
    "device_fault": Quality.DEVICE_FAULT,
    "over_range": Quality.OUT_OF_RANGE,
}
_BAUDS = {each: each for each in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)}
_PARITIES = {each: each for each in ("N", "E", "O")}
_MARKS = {each: each for each in ("V", "V2", "U", "D")}
_UNITS = {each: each for each in ("%LEL", "%vol", "ppm", "mg/m3", "m/s", "deg")}
_UNITS_OF = {
    Quantity.COMBUSTIBLE: ("%LEL", "%vol"),
    Quantity.OXYGEN: ("%vol",),
    Quantity.TOXIC: ("ppm", "mg/m3"),
    Quantity.WIND_SPEED: ("m/s",),
    Quantity.WIND_DIRECTION: ("deg",),
}
_QUANTITIES = {each.value: each for each in Quantity}
_KINDS = {each.value: each for each in Kind}
_ORDERS = {each.value: each for each in WordOrder}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NAME_FORM = "lower-case letters, digits and _, at most 40"
_LINE = re.compile(r"[^\n]{1,200}")
_DECIMAL = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")
_POSITIVE = re.compile(r"(?=.*[1-9])[0-9]{1,9}(\.[0-9]{1,9})?")
_BAUD = re.compile("|".join(map(str, _BAUDS)))
_WORD_MAX, _LONG_MAX = 0xFFFF, 0xFFFFFFFF
_STEPS_MAX = 10**9


def shipped_models() -> tuple[str, ...]:
    """The models whose profiles ship, in alphabetical order."""
    names = (each.name for each in files("drivers.profiles").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@lru_cache(maxsize=64)
def load_profile(model: str) -> Profile:
    """The shipped profile of that model. Raises ConfigurationError with every finding, or if there is none."""
    models = shipped_models()
    if model not in models:
        raise ConfigurationError([f"{model}.toml:1: profile: no such profile, one of: {', '.join(models)}"])
    text = (files("drivers.profiles") / f"{model}.toml").read_bytes()
    profile = parse_profile(text, f"drivers/profiles/{model}.toml")
    if profile.model != model:
        raise ConfigurationError([f"drivers/profiles/{model}.toml:1: model: must be {model!r}, the file's name"])
    return profile


def parse_profile(data: bytes, file: str) -> Profile:
    """A profile from TOML. Raises ConfigurationError with every finding as ``file:line: key: what``."""
    root = read_table(data, file)
    assert root.findings is not None
    profile = _profile(root)
    root.finish()
    root.findings.raise_if_any()
    return profile


def _profile(root: Table) -> Profile:
    registers = tuple(_register(table) for table in root.tables("register", count_min=1, count_max=200))
    by_name = {register.name: register for register in registers}
    channels = tuple(_channel(table, by_name) for table in root.tables("channel", count_min=1, count_max=64))
    names = tuple(channel.name for channel in channels)
    statuses = tuple(_status(table, by_name, names) for table in root.tables("status", count_min=0, count_max=32))
    profile = Profile(
        model=root.getstring("model", pattern=_NAME, form=_NAME_FORM),
        manufacturer=_line(root, "manufacturer"),
        product=_line(root, "product"),
        manual=_manual(root.table("manual")),
        gap=root.getint("gap", minimum=0, maximum=64, unit="registers"),
        max_registers=root.getint("max_registers", minimum=1, maximum=PROTOCOL_MAX_REGISTERS, unit="registers"),
        min_poll_ms=root.getmilliseconds("min_poll_s", minimum_ms=10, maximum_ms=60_000),
        longest_reply_ms=root.getmilliseconds("longest_reply_s", minimum_ms=50, maximum_ms=10_000),
        serial=_serial(root.table("serial")) if root.written("serial") else None,
        registers=registers,
        channels=channels,
        statuses=statuses,
    )
    _check_names(root, profile)
    return profile


def _line(table: Table, key: str) -> str:
    return table.getstring(key, pattern=_LINE, form="one line of at most 200 letters")


def _name(table: Table, key: str = "name") -> str:
    return table.getstring(key, pattern=_NAME, form=_NAME_FORM)


def _check_names(root: Table, profile: Profile) -> None:
    names = [register.name for register in profile.registers]
    channels = [channel.name for channel in profile.channels]
    for key, given in (("register", names), ("channel", channels)):
        for repeated in sorted({name for name in given if given.count(name) > 1}):
            root.refuse(key, f"two are named {repeated!r}; give each its own name")
    used = {channel.register for channel in profile.channels} | {rule.register for rule in profile.statuses}
    used |= {channel.unit_register for channel in profile.channels if channel.unit_register is not None}
    for name in names:
        if name not in used:
            root.refuse("register", f"{name!r} is used by no channel and no status; use it or take it out")
    ordered = sorted(profile.registers, key=lambda each: (each.function, each.address))
    for first, second in pairwise(ordered):
        if first.function == second.function and second.address < first.end:
            root.refuse("register", f"{first.name!r} and {second.name!r} overlap at address {second.address}")
    if any(register.kind.words > profile.max_registers for register in profile.registers):
        root.refuse("max_registers", "a register of this profile is longer; raise it to 2")


def _manual(table: Table) -> Manual:
    return Manual(
        _line(table, "title"), _line(table, "revision"), _line(table, "page"), table.getchoice("mark", _MARKS)
    )


def _serial(table: Table) -> SerialSettings:
    bauds = table.getlist("bauds", pattern=_BAUD, form="a baud rate in quotes", count_min=1, count_max=8)
    parities = table.getlist("parities", pattern=re.compile("[NEO]"), form="N, E or O", count_min=1, count_max=3)
    stops = table.getlist("stop_bits", pattern=re.compile("[12]"), form='"1" or "2"', count_min=1, count_max=2)
    settings = SerialSettings(
        bauds=tuple(map(int, bauds)),
        parities=parities,
        stop_bits=tuple(map(int, stops)),
        default_baud=table.getchoice("default_baud", _BAUDS),
        default_parity=table.getchoice("default_parity", _PARITIES),
        default_address=table.getint("default_address", minimum=1, maximum=247),
    )
    if table.good("bauds", "default_baud") and settings.default_baud not in settings.bauds:
        table.refuse("default_baud", f"{settings.default_baud} is not among bauds; add it there")
    if table.good("parities", "default_parity") and settings.default_parity not in settings.parities:
        table.refuse("default_parity", f"{settings.default_parity!r} is not among parities; add it there")
    return settings


def _register(table: Table) -> Register:
    kind = table.getchoice("type", _KINDS)
    if kind.words == 1 and table.written("order"):
        table.refuse("order", f"a {kind.value} is one register and has no word order; take it out")
    return Register(
        name=_name(table),
        function=table.getint("function", minimum=3, maximum=4, default=3),
        address=table.getint("address", minimum=0, maximum=_WORD_MAX + 1 - kind.words),
        printed=_line(table, "printed"),
        kind=kind,
        order=table.getchoice("order", _ORDERS, default=WordOrder.ABCD),
    )


def _known_register(table: Table, key: str, registers: dict[str, Register]) -> str:
    name = _name(table, key)
    if table.good(key) and name not in registers:
        table.refuse(key, f"no register is named {name!r}; one of: {', '.join(registers)}")
    return name


def _decimal(table: Table, key: str, default: str | Required = REQUIRED) -> Decimal:
    """An exact decimal above zero, written in quotes."""
    text = table.getstring(key, pattern=_POSITIVE, form="a decimal above 0 in quotes", default=default)
    return Decimal(text or "1")


def _channel(table: Table, registers: dict[str, Register]) -> ChannelProfile:
    quantity = table.getchoice("quantity", _QUANTITIES)
    register = _known_register(table, "register", registers)
    unit = table.getchoice("unit", {each: each for each in _UNITS_OF[quantity]})
    resolution = _decimal(table, "resolution")
    lowest_steps, highest_steps = _range_steps(table, resolution)
    unit_register, unit_code = _unit_code(table, unit, registers)
    pattern_max = _LONG_MAX if register in registers and registers[register].kind.words == 2 else _WORD_MAX
    return ChannelProfile(
        name=_name(table),
        quantity=quantity,
        register=register,
        unit=unit,
        scale=_decimal(table, "scale", default="1"),
        resolution=resolution,
        lowest_steps=lowest_steps,
        highest_steps=highest_steps,
        t90_s=table.getint("t90_s", minimum=0, maximum=600, unit="s"),
        sentinels=tuple(
            (each.getint("raw", minimum=0, maximum=pattern_max), _meaning(each))
            for each in table.tables("sentinels", count_min=0, count_max=32)
        ),
        unit_register=unit_register,
        unit_code=unit_code,
    )


def _range_steps(table: Table, resolution: Decimal) -> tuple[int, int]:
    bounds = table.getlist("range", pattern=_DECIMAL, form="a decimal in quotes", count_min=2, count_max=2)
    if not table.good("range", "resolution"):
        return 0, 0
    steps = [Decimal(bound) / resolution for bound in bounds]
    if any(step != step.to_integral_value() or abs(step) > _STEPS_MAX for step in steps):
        table.refuse("range", f"must be whole multiples of the resolution {resolution}, at most {_STEPS_MAX} of them")
    elif steps[0] >= steps[1]:
        table.refuse("range", "the first bound is not below the second; write the lower one first")
    else:
        return int(steps[0]), int(steps[1])
    return 0, 0


def _unit_code(table: Table, unit: str, registers: dict[str, Register]) -> tuple[str | None, int | None]:
    codes = [
        (each.getint("raw", minimum=0, maximum=_WORD_MAX), each.getchoice("unit", _UNITS))
        for each in table.tables("unit_codes", count_min=0, count_max=32)
    ]
    if not codes:
        return None, None
    register = _known_register(table, "unit_register", registers)
    found = [raw for raw, meant in codes if meant == unit]
    if len(found) != 1:
        table.refuse("unit_codes", f"the channel's unit {unit} must be among them exactly once")
        return register, None
    return register, found[0]


def _status(table: Table, registers: dict[str, Register], channels: tuple[str, ...]) -> StatusRule:
    name = _known_register(table, "register", registers)
    if name in registers and registers[name].kind not in (Kind.U16, Kind.U32):
        table.refuse("register", f"{name!r} is {registers[name].kind.value}; a status register is u16 or u32")
    raw_max = _LONG_MAX if name in registers and registers[name].kind.words == 2 else _WORD_MAX
    spoken_of = re.compile("|".join(map(re.escape, channels)) or "-")
    form = f"one of: {', '.join(channels)}"
    return StatusRule(
        register=name,
        channels=table.getlist("channels", pattern=spoken_of, form=form, count_min=1, count_max=64, default=()) or None,
        bits=tuple(
            (each.getint("mask", minimum=1, maximum=raw_max), _meaning(each))
            for each in table.tables("bits", count_min=0, count_max=32)
        ),
        spans=tuple(_span(each, raw_max) for each in table.tables("values", count_min=0, count_max=64)),
        otherwise=_meaning(table, "otherwise"),
    )


def _span(table: Table, raw_max: int) -> Span:
    if table.written("raw"):
        raw = table.getint("raw", minimum=0, maximum=raw_max)
        return Span(raw, raw, _meaning(table))
    lowest = table.getint("from", minimum=0, maximum=raw_max)
    highest = table.getint("to", minimum=0, maximum=raw_max)
    if table.good("from", "to") and lowest > highest:
        table.refuse("from", f"{lowest} is above to = {highest}; write the lower one first")
    return Span(lowest, highest, _meaning(table))


def _meaning(table: Table, key: str = "means") -> Quality:
    return table.getchoice(key, _MEANINGS)
