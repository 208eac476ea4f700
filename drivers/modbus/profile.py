"""Reads the profiles: one TOML file per device model, checked strictly, every finding named with file and line.

The keys are explained in ``drivers/profiles/generic.toml``.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

from drivers.modbus.plan import PROTOCOL_MAX_REGISTERS
from drivers.modbus.profile_channel import (
    LONG_MAX,
    WORD_MAX,
    known_register,
    raw_max,
    read_channel,
    read_line,
    read_meaning,
    read_name,
)
from drivers.modbus.register_map import (
    CalibrationRegister,
    CalibrationSays,
    Heartbeat,
    Identity,
    Kind,
    Manual,
    Profile,
    Register,
    SerialSettings,
    Span,
    StatusRule,
    WordOrder,
)
from edge.config_table import Table, read_table
from edge.ports.errors import ConfigurationError

_BAUDS = {each: each for each in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)}
_PARITIES = {each: each for each in ("N", "E", "O")}
_MARKS = {each: each for each in ("V", "V2", "U", "D")}
_KINDS = {each.value: each for each in Kind}
_SAYS = {each.value: each for each in CalibrationSays}
_ORDERS = {each.value: each for each in WordOrder}
_BAUD = re.compile("|".join(map(str, _BAUDS)))
_BEATS_MISSED = 2


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
    register_tables = root.tables("register", count_min=1, count_max=200)
    registers = tuple(map(_register, register_tables))
    by_name = {register.name: register for register in registers}
    channel_tables = root.tables("channel", count_min=1, count_max=64)
    channels = tuple(read_channel(table, by_name) for table in channel_tables)
    names = tuple(channel.name for channel in channels)
    statuses = tuple(_status(table, by_name, names) for table in root.tables("status", count_min=0, count_max=32))
    identities = tuple(_identity(table, by_name) for table in root.tables("identity", count_min=0, count_max=16))
    profile = Profile(
        model=read_name(root, "model"),
        manufacturer=read_line(root, "manufacturer"),
        product=read_line(root, "product"),
        manual=_manual(root.table("manual")),
        gap=root.getint("gap", minimum=0, maximum=64, unit="registers"),
        max_registers=root.getint("max_registers", minimum=1, maximum=PROTOCOL_MAX_REGISTERS, unit="registers"),
        min_poll_ms=root.getmilliseconds("min_poll_s", minimum_ms=10, maximum_ms=60_000),
        longest_reply_ms=root.getmilliseconds("longest_reply_s", minimum_ms=50, maximum_ms=10_000),
        serial=_serial(root.table("serial")) if root.written("serial") else None,
        registers=registers,
        channels=channels,
        statuses=statuses,
        identities=identities,
        heartbeat=_heartbeat(root.table("heartbeat"), by_name) if root.written("heartbeat") else None,
        calibration=_calibration(root.table("calibration")) if root.written("calibration") else None,
    )
    _check_names(root, profile)
    _check_registers(register_tables, profile)
    _check_hidden_states(channel_tables, profile)
    return profile


def _check_names(root: Table, profile: Profile) -> None:
    names = [register.name for register in profile.registers]
    channels = [channel.name for channel in profile.channels]
    for key, given in (("register", names), ("channel", channels)):
        for repeated in sorted({name for name in given if given.count(name) > 1}):
            root.refuse(key, f"two are named {repeated!r}; give each its own name")


def _used(profile: Profile) -> set[str | None]:
    used: set[str | None] = {channel.register for channel in profile.channels}
    used |= {channel.unit_register for channel in profile.channels}
    used |= {rule.register for rule in profile.statuses} | {each.register for each in profile.identities}
    return used if profile.heartbeat is None else used | {profile.heartbeat.register}


def _check_registers(tables: Sequence[Table], profile: Profile) -> None:
    """That each register is used, lies beside the others and fits into one request."""
    used = _used(profile)
    placed = list(zip(tables, profile.registers, strict=True))
    for table, register in placed:
        if register.name not in used:
            table.refuse("name", f"{register.name!r} is used by no channel and no status; use it or take it out")
        if register.kind.words > profile.max_registers:
            what = f"{register.kind.words} registers long, and max_registers of this device is {profile.max_registers}"
            table.refuse("type", f"{register.kind.value} is {what}; raise that, or choose a type of one register")
    placed.sort(key=lambda each: (each[1].function, each[1].address))
    for (first_table, first), (table, second) in pairwise(placed):
        if first.function == second.function and second.address < first.end:
            what = f"{second.address} is taken by {first.name!r} (line {first_table.line('address')})"
            table.refuse("address", f"{what}; {second.name!r} may overlap no other: give {first.end} or more")


def _check_hidden_states(tables: Sequence[Table], profile: Profile) -> None:
    """A loop that looks good while nothing is measured is believed only together with a status of another source."""
    for table, channel in zip(tables, profile.channels, strict=True):
        spoken_of = any(rule.channels is None or channel.name in rule.channels for rule in profile.statuses)
        if channel.loop is not None and channel.loop.looks_good and not spoken_of:
            what = f"{channel.loop.looks_good}: no current shows it"
            table.refuse(
                "loop", f"{what}; add a [[status]] of another source, such as the fail relay on a contact input"
            )


def _manual(table: Table) -> Manual:
    return Manual(
        read_line(table, "title"),
        read_line(table, "revision"),
        read_line(table, "page"),
        table.getchoice("mark", _MARKS),
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
        name=read_name(table),
        function=table.getint("function", minimum=3, maximum=4, default=3),
        address=table.getint("address", minimum=0, maximum=WORD_MAX + 1 - kind.words),
        printed=read_line(table, "printed"),
        kind=kind,
        order=table.getchoice("order", _ORDERS, default=WordOrder.ABCD),
    )


def _calibration(table: Table) -> CalibrationRegister:
    says = table.getchoice("says", _SAYS)
    dated = says is CalibrationSays.LAST_DATE
    if dated:
        for key in ("type", "order"):
            if table.written(key):
                table.refuse(key, "a last_date is three u16, year, month and day; take it out")
    kind = Kind.U16 if dated else table.getchoice("type", _KINDS)
    if kind.words == 1 and not dated and table.written("order"):
        table.refuse("order", f"a {kind.value} is one register and has no word order; take it out")
    register = Register(
        name="calibration",
        function=table.getint("function", minimum=3, maximum=4, default=3),
        address=table.getint("address", minimum=0, maximum=WORD_MAX + 1 - (3 if dated else kind.words)),
        printed=read_line(table, "printed"),
        kind=kind,
        order=WordOrder.ABCD if dated else table.getchoice("order", _ORDERS, default=WordOrder.ABCD),
    )
    return CalibrationRegister(says, register, read_line(table, "page"), table.getchoice("mark", _MARKS))


def _identity(table: Table, registers: dict[str, Register]) -> Identity:
    name = _pattern_register(table, registers)
    highest = raw_max(name, registers)
    mask = table.getint("mask", minimum=1, maximum=highest, default=highest)
    allowed = []
    for each in table.tables("allowed", count_min=1, count_max=32):
        allowed.append((_under_mask(each, "raw", 0, mask), read_line(each, "is")))
    return Identity(name, mask, tuple(allowed))


def _heartbeat(table: Table, registers: dict[str, Register]) -> Heartbeat:
    name = _pattern_register(table, registers)
    highest = raw_max(name, registers)
    moves_every_ms = table.getmilliseconds("moves_every_s", minimum_ms=100, maximum_ms=30_000)
    still_max_ms = table.getmilliseconds("still_max_s", minimum_ms=200, maximum_ms=60_000)
    if table.good("moves_every_s", "still_max_s") and still_max_ms < _BEATS_MISSED * moves_every_ms:
        least_s = _BEATS_MISSED * moves_every_ms / 1000
        table.refuse("still_max_s", f"is less than {_BEATS_MISSED} beats; give {least_s:g} or more")
    mask = table.getint("mask", minimum=1, maximum=highest, default=highest)
    return Heartbeat(name, mask, moves_every_ms, still_max_ms)


def _pattern_register(table: Table, registers: dict[str, Register]) -> str:
    """A register that holds bits or codes, not a measurement."""
    name = known_register(table, "register", registers)
    if name in registers and registers[name].kind not in (Kind.U16, Kind.U32):
        table.refuse("register", f"{name!r} is {registers[name].kind.value}; a status register is u16 or u32")
    return name


def _status(table: Table, registers: dict[str, Register], channels: tuple[str, ...]) -> StatusRule:
    name = _pattern_register(table, registers)
    highest = raw_max(name, registers)
    spoken_of = re.compile("|".join(map(re.escape, channels)) or "-")
    form = f"one of: {', '.join(channels)}"
    mask = table.getint("mask", minimum=1, maximum=highest, default=highest)
    return StatusRule(
        register=name,
        mask=mask,
        channels=table.getlist("channels", pattern=spoken_of, form=form, count_min=1, count_max=64, default=()) or None,
        bits=tuple(
            (_under_mask(each, "mask", 1, mask), read_meaning(each))
            for each in table.tables("bits", count_min=0, count_max=32)
        ),
        spans=tuple(_span(each, mask) for each in table.tables("values", count_min=0, count_max=64)),
        otherwise=read_meaning(table, "otherwise"),
    )


def _under_mask(table: Table, key: str, minimum: int, mask: int) -> int:
    """Bits or a content of a register of which only ``mask`` is looked at: what lies outside it would never be seen."""
    raw = table.getint(key, minimum=minimum, maximum=WORD_MAX if mask <= WORD_MAX else LONG_MAX)
    if raw & ~mask:
        table.refuse(key, f"0x{raw:X} has bits outside the mask 0x{mask:X}; give the content under the mask")
    return raw


def _span(table: Table, mask: int) -> Span:
    if table.written("raw"):
        raw = _under_mask(table, "raw", 0, mask)
        return Span(raw, raw, read_meaning(table))
    lowest = _under_mask(table, "from", 0, mask)
    highest = _under_mask(table, "to", 0, mask)
    if table.good("from", "to") and lowest > highest:
        table.refuse("from", f"{lowest} is above to = {highest}; write the lower one first")
    return Span(lowest, highest, read_meaning(table))
