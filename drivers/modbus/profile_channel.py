"""Reads a profile's channels: quantity, unit, scale, range, and what about a value is no measurement.

The keys are explained in ``drivers/profiles/generic.toml``.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from math import ceil, floor
from typing import NamedTuple

from drivers.modbus.register_map import ChannelProfile, CurrentLoop, Kind, Plausible, Quantity, Register, Span
from edge.config_table import REQUIRED, Required, Table
from edge.ports.devices import Quality

Registers = Mapping[str, Register]

WORD_MAX, LONG_MAX = 0xFFFF, 0xFFFFFFFF

_MEANINGS = {
    "ok": Quality.GOOD,
    "warming_up": Quality.WARMING_UP,
    "inhibited": Quality.INHIBITED,
    "calibration": Quality.INHIBITED,
    "device_fault": Quality.DEVICE_FAULT,
    "over_range": Quality.OUT_OF_RANGE,
}
_BAND_MEANINGS = {name: quality for name, quality in _MEANINGS.items() if quality is not Quality.GOOD}
_UNITS_OF = {
    Quantity.COMBUSTIBLE: ("%LEL", "%vol"),
    Quantity.OXYGEN: ("%vol",),
    Quantity.TOXIC: ("ppm", "mg/m3"),
    Quantity.WIND_SPEED: ("m/s",),
    Quantity.WIND_DIRECTION: ("deg",),
}
_UNITS = {unit: unit for units in _UNITS_OF.values() for unit in units}
_QUANTITIES = {each.value: each for each in Quantity}
_BY_HAND = {"by_hand": True}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LINE = re.compile(r"[^\n]{1,200}")
_DECIMAL = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")
_NOT_NEGATIVE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_POSITIVE = re.compile(r"(?=.*[1-9])[0-9]{1,9}(\.[0-9]{1,9})?")
_STEPS_MAX = 10**9
_ZERO_MA, _FULL_MA = Decimal(4), Decimal(20)
_NE43_LOWEST_MA = "3.8"
_NE43_BANDS = ((Decimal(0), Decimal("3.6")), (Decimal(21), Decimal(24)))
"""NAMUR NE 43 [U]: at or below 3.6 mA and at or above 21 mA the transmitter is broken; from 3.8 mA on it measures."""


class _Figures(NamedTuple):
    """How a raw number becomes steps, and what the range is in them."""

    scale: Decimal
    offset: Decimal
    resolution: Decimal
    lowest_steps: int
    highest_steps: int
    by_hand: bool


def read_line(table: Table, key: str) -> str:
    """One line of text."""
    return table.getstring(key, pattern=_LINE, form="one line of at most 200 letters")


def read_name(table: Table, key: str = "name") -> str:
    """The name of a model, a register or a channel."""
    return table.getstring(key, pattern=_NAME, form="lower-case letters, digits and _, at most 40")


def read_meaning(table: Table, key: str = "means") -> Quality:
    """What a status, a sentinel or a current means."""
    return table.getchoice(key, _MEANINGS)


def known_register(table: Table, key: str, registers: Registers) -> str:
    """The name of a register that the profile has."""
    name = read_name(table, key)
    if table.good(key) and name not in registers:
        table.refuse(key, f"no register is named {name!r}; one of: {', '.join(registers)}")
    return name


def raw_max(register: str, registers: Registers) -> int:
    """The largest bit pattern of that register; of one register where it is not known."""
    return LONG_MAX if register in registers and registers[register].kind.words == 2 else WORD_MAX


def read_channel(table: Table, registers: Registers) -> ChannelProfile:
    """One ``[[channel]]``."""
    quantity = table.getchoice("quantity", _QUANTITIES)
    register = known_register(table, "register", registers)
    unit = table.getchoice("unit", {each: each for each in _UNITS_OF[quantity]})
    unit_register, unit_code = _unit_code(table, unit, registers)
    loop_table = table.table("loop") if table.written("loop") else None
    figures = _figures(table, loop_table)
    loop = None if loop_table is None else _loop(loop_table, table, figures.scale, registers.get(register))
    if loop is not None:
        figures = _across_the_loop(figures)
    return ChannelProfile(
        name=read_name(table),
        quantity=quantity,
        register=register,
        unit=unit,
        scale=figures.scale,
        offset=figures.offset,
        resolution=figures.resolution,
        lowest_steps=figures.lowest_steps,
        highest_steps=figures.highest_steps,
        t90_s=table.getint("t90_s", minimum=0, maximum=600, unit="s"),
        sentinels=tuple(
            (each.getint("raw", minimum=0, maximum=raw_max(register, registers)), read_meaning(each))
            for each in table.tables("sentinels", count_min=0, count_max=32)
        ),
        unit_register=unit_register,
        unit_code=unit_code,
        loop=loop,
        plausible=_plausible(table, figures),
        decimals_by_hand=figures.by_hand,
    )


def _figures(table: Table, loop: Table | None) -> _Figures:
    """Scale, offset and resolution; in a loop the scale is that of its current, in mA."""
    by_hand = table.written("decimals")
    if by_hand:
        table.getchoice("decimals", _BY_HAND)
        for key in ("scale", "offset", "resolution", "loop", "noise_floor", "rate_max_per_s"):
            if table.written(key):
                table.refuse(key, "the configuration states the decimals of this channel, so this cannot stand here")
        resolution = Decimal(1)
    else:
        resolution = _positive(table, "resolution")
    if loop is not None and table.written("scale"):
        table.refuse("scale", "a current has its scale in loop.scale_ma; take it out")
    scale = _positive(table, "scale", default="1") if loop is None else _positive(loop, "scale_ma")
    offset = Decimal(table.getstring("offset", pattern=_DECIMAL, form="a decimal in quotes", default="0") or "0")
    if loop is not None and offset:
        table.refuse("offset", "a current has its zero at 4 mA; take it out")
    return _Figures(scale, offset, resolution, *_range_steps(table, resolution), by_hand)


def _positive(table: Table, key: str, default: str | Required = REQUIRED) -> Decimal:
    """An exact decimal above zero, written in quotes."""
    text = table.getstring(key, pattern=_POSITIVE, form="a decimal above 0 in quotes", default=default)
    return Decimal(text or "1")


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


def _unit_code(table: Table, unit: str, registers: Registers) -> tuple[str | None, int | None]:
    codes = [
        (each.getint("raw", minimum=0, maximum=WORD_MAX), each.getchoice("unit", _UNITS))
        for each in table.tables("unit_codes", count_min=0, count_max=32)
    ]
    if not codes:
        return None, None
    register = known_register(table, "unit_register", registers)
    found = [raw for raw, meant in codes if meant == unit]
    if len(found) != 1:
        table.refuse("unit_codes", f"the channel's unit {unit} must be among them exactly once")
        return register, None
    return register, found[0]


# ---- currents


def _loop(table: Table, channel: Table, scale_ma: Decimal, register: Register | None) -> CurrentLoop | None:
    if register is not None and register.kind is Kind.F32:
        channel.refuse("register", f"{register.name!r} is f32; a current is read as u16, s16, u32 or s32")
    zero_raw = _ZERO_MA / scale_ma
    if table.good("scale_ma") and zero_raw != zero_raw.to_integral_value():
        table.refuse(
            "scale_ma", f"4 mA is no whole number of counts of {scale_ma} mA; give what one count is, as 0.001"
        )
    lowest_ma = _milliamperes(table, "lowest_ma", default=_NE43_LOWEST_MA)
    if lowest_ma > _ZERO_MA:
        table.refuse("lowest_ma", f"{lowest_ma} is above 4 mA, where measuring begins; give 4 or less")
    looks_good = read_line(table, "looks_good") if table.written("looks_good") else ""
    return CurrentLoop(
        lowest_raw=ceil(lowest_ma / scale_ma),
        zero_raw=int(zero_raw),
        full_raw=int(_FULL_MA / scale_ma),
        bands=_bands(table, lowest_ma, scale_ma),
        looks_good=looks_good,
    )


def _bands(table: Table, lowest_ma: Decimal, scale_ma: Decimal) -> tuple[Span, ...]:
    if not table.written("bands"):
        spans = [(first, last, Quality.DEVICE_FAULT) for first, last in _NE43_BANDS]
    else:
        spans = []
        for each in table.tables("bands", count_min=1, count_max=16):
            first, last = _milliamperes(each, "from_ma"), _milliamperes(each, "to_ma")
            if each.good("from_ma", "to_ma") and (first > last or (last >= lowest_ma and first <= _FULL_MA)):
                what = f"{first} to {last} mA is no band below {lowest_ma} (lowest_ma) or above 20; there it measures"
                each.refuse("from_ma", what)
            elif any(first <= other_last and last >= other_first for other_first, other_last, _ in spans):
                each.refuse("from_ma", f"{first} to {last} mA lies over another band; let each current mean one thing")
            spans.append((first, last, each.getchoice("means", _BAND_MEANINGS)))
    return tuple(Span(ceil(first / scale_ma), floor(last / scale_ma), meaning) for first, last, meaning in spans)


def _milliamperes(table: Table, key: str, default: str | Required = REQUIRED) -> Decimal:
    return Decimal(table.getstring(key, pattern=_NOT_NEGATIVE, form="milliamperes in quotes", default=default) or "0")


def _across_the_loop(figures: _Figures) -> _Figures:
    """From counts of current to the channel's unit: 4 mA is the low end of the range, 20 mA the high one."""
    lowest = figures.lowest_steps * figures.resolution
    per_ma = (figures.highest_steps * figures.resolution - lowest) / (_FULL_MA - _ZERO_MA)
    return figures._replace(scale=figures.scale * per_ma, offset=lowest - _ZERO_MA * per_ma)


# ---- what a value may not do


def _plausible(table: Table, figures: _Figures) -> Plausible | None:
    frozen = table.written("frozen_after_s")
    for key in ("noise_floor", "rests_at"):
        if table.written(key) and not frozen:
            table.refuse(key, "says nothing without frozen_after_s; give that too, or take this out")
    rate = _steps(table, "rate_max_per_s", figures) if table.written("rate_max_per_s") else None
    if rate == 0:
        table.refuse("rate_max_per_s", f"is less than one step of the resolution {figures.resolution}; give more")
    if not frozen and rate is None:
        return None
    form = "a decimal in quotes"
    rests = table.getlist("rests_at", pattern=_DECIMAL, form=form, count_min=1, count_max=8, default=())
    return Plausible(
        noise_steps=_steps(table, "noise_floor", figures) if frozen else 0,
        frozen_after_ms=table.getint("frozen_after_s", minimum=10, maximum=86_400, unit="s") * 1000 if frozen else None,
        rests_at=tuple(_whole_steps(table, "rests_at", each, figures) for each in rests),
        rate_steps=rate,
    )


def _steps(table: Table, key: str, figures: _Figures) -> int:
    """A decimal of at least zero in whole steps of the resolution."""
    text = table.getstring(key, pattern=_NOT_NEGATIVE, form=f"a decimal in quotes, in steps of {figures.resolution}")
    return _whole_steps(table, key, text or "0", figures)


def _whole_steps(table: Table, key: str, text: str, figures: _Figures) -> int:
    steps = Decimal(text) / figures.resolution
    if steps != steps.to_integral_value():
        table.refuse(key, f"must be a whole multiple of the resolution {figures.resolution}")
    return int(steps)
