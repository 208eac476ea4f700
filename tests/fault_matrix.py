"""Device x fault: each shipped profile's device with every fault that it can have, read by the real driver on the wire.

Each device stands on a bus of its own, once for each fault, beside one that is well. What must happen is computed from
the profile alone (``expectation``); what cannot be known from a device's registers is in the table like all else.
The clock that the driver is given is the machine's, put forward between polls past breakers and limits.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from drivers.modbus.client import BusSettings
from drivers.modbus.decode import Columns, Decoder
from drivers.modbus.device import DeviceSettings, ModbusReader, build
from drivers.modbus.plan import plan_of
from drivers.modbus.profile import load_profile, shipped_models
from edge.host.system_clock import monotonic_ms, sleep
from edge.ports.devices import BlockRead, MonotonicMs, Quality
from hil.modbus_faults import FAULTS, Surroundings, can_have, mend
from hil.modbus_site import ModbusSite
from hil.modbus_unit import Fault, FaultKind, SimulatedUnit, load_profile_data

TIMEOUT_MS = 60
LONGEST_REPLY_MS = 150
"""In place of the profiles' half second, and above the 120 ms after which a late answer comes here."""

BREAKER_PAUSE_MS = 31_000
"""The longest pause of a breaker and a little more."""

TRIES = 20
FIGURES = 1_000
LOOKS = 20
SWAPS = 6
"""So many are tried on the wire; all of them are decoded."""

EXCEPTIONS = tuple(f"exception {code}" for code in range(1, 12))
NAMED = tuple(name for name in FAULTS if name != "exception")
TWIN, UNPLUGGED = "swapped with its twin", "unplugged"
NAMES = (*NAMED, *EXCEPTIONS, TWIN)
NEXT, SURVIVED, IMPOSSIBLE, UNKNOWN = "next poll", "survived", "cannot have it", "cannot be known"


class Expected(NamedTuple):
    """``verdict`` is one of the four above or "within N s"; ``why`` says what a device lacks by which it were known."""

    verdict: str
    limit_ms: int = 0
    why: str = ""


@cache
def expectation(name: str, model: str, wire: str) -> Expected:
    """What the driver owes for this fault on this device, from the profile as data."""
    profile = data_of(model)
    if name in FAULTS and not can_have(name, profile):
        return Expected(IMPOSSIBLE)
    match name:
        case "echo":
            return Expected(SURVIVED if wire == "rtu" else NEXT)
        case "doubled":
            return Expected(SURVIVED)
        case "frozen" | "heartbeat_stopped":
            return _stillness(profile)
        case "swapped":
            return _if_any(_not_told_apart(model))
        case "wrong_order" | "wrong_bytes":
            return _if_any(_misread(model, FaultKind(name)))
        case _ if name == TWIN:
            return Expected(UNKNOWN, why="no register says where a device hangs; its unit number is its only name")
    return Expected(NEXT)


def _stillness(profile: Mapping[str, Any]) -> Expected:
    """A heartbeat that stops, or a value that lies still longer than a living sensor's does."""
    if "heartbeat" in profile:
        still_ms = int(1000 * Decimal(str(profile["heartbeat"]["still_max_s"])))
        return Expected(f"within {still_ms / 1000:g} s", still_ms)
    limits = [each.get("frozen_after_s") for each in profile["channel"]]
    if all(limits):
        return Expected(f"within {max(limits)} s", 1000 * max(limits))
    return Expected(UNKNOWN, why="the profile states neither a heartbeat nor after how long a still value is frozen")


def _if_any(why: str) -> Expected:
    return Expected(UNKNOWN, why=why) if why else Expected(NEXT)


def lookalikes(model: str) -> set[str]:
    """The other shipped devices whose registers pass for this one's at some point of their range."""
    here = SimulatedUnit(data_of(model), 1)
    mend(here, values_at(here, B))
    truth = decoded(model, here)
    return {other.model for other in others_of(model) if _lies(decoded(model, other.unit), truth)}


def _identity_of(model: str) -> tuple[Any, ...]:
    """All by which its map says what the device is; nothing if it does not."""
    profile = data_of(model)
    units = [each["unit"] for each in profile["channel"] if "unit_codes" in each]
    return (*profile.get("identity", []), *units)


def _not_told_apart(model: str) -> str:
    """Why some of the look-alikes cannot be known: no register says what the device is, or the same of both."""
    identity = _identity_of(model)
    if not identity:
        return "no register says what the device is, and other shipped models pass for it" if lookalikes(model) else ""
    names = sorted(each for each in lookalikes(model) if _identity_of(each) == identity)
    return f"its identity is also that of {', '.join(names)}" if names else ""


def _misread(model: str, order: FaultKind) -> str:
    """How many of the figures of the range look like others of it in the wrong order."""
    unit = SimulatedUnit(data_of(model), 1)
    lies = 0
    for share in range(1, FIGURES + 1):
        measure(unit, values_at(unit, Decimal(share) / FIGURES))
        truth = decoded(model, unit)
        unit.break_with(Fault(order))
        lies += _lies(decoded(model, unit), truth)
        unit.heal()
    return (
        f"{lies} of {FIGURES} figures of the range look like others of it; check --probe shows all orders"
        if lies
        else ""
    )


def _lies(columns: Columns, truth: Columns) -> bool:
    """Whether a good reading is another than the true one, by more than the step by which a living sensor moves."""
    pairs = zip(*columns, truth[0], strict=True)
    return any(steps is not None and (true is None or abs(steps - true) > 1) for steps, _, true in pairs)


A, B = Decimal("0.30"), Decimal("0.55")
"""Where in its range a device measures before a fault, and while it lasts."""


def values_at(unit: SimulatedUnit, share: Decimal) -> dict[str, str]:
    """Each channel's value at that share of its range, in whole steps of its resolution."""
    found = {}
    for name, channel in unit.channels.items():
        lowest, highest = map(Decimal, channel["range"])
        resolution = Decimal(channel["resolution"])
        found[name] = str(lowest + int((highest - lowest) * share / resolution) * resolution)
    return found


def measure(unit: SimulatedUnit, values: Mapping[str, str]) -> None:
    """What the device measures from now on."""
    for channel, value in values.items():
        unit.set_value(channel, value)


@cache
def data_of(model: str) -> Mapping[str, Any]:
    """The profile as data."""
    return load_profile_data(model)


@cache
def _reading_of(model: str) -> tuple[tuple[bytes, ...], Decoder]:
    """The questions of one round, and what decodes their answers."""
    profile = load_profile(model)
    blocks = plan_of(profile)
    questions = tuple(struct.pack(">BHH", block.function, block.address, block.count) for block in blocks)
    return questions, Decoder(profile, blocks)


def decoded(model: str, unit: SimulatedUnit) -> Columns:
    """What the unit's registers mean to a gateway that takes it for a ``model``; a refusal is no number."""
    questions, decoder = _reading_of(model)
    replies = [unit.answer(question) for question in questions]
    if any(reply[0] != question[0] for reply, question in zip(replies, questions, strict=True)):
        return (None,) * len(decoder.channels), (Quality.COMM_FAIL,) * len(decoder.channels)
    return decoder.decode([reply[2:] for reply in replies])


class Other(NamedTuple):
    """A device of another model, somewhere in its range."""

    model: str
    unit: SimulatedUnit


@cache
def _all_models() -> tuple[Other, ...]:
    found = []
    for model in shipped_models():
        for share in (Decimal(0), A, Decimal("0.95")):
            unit = SimulatedUnit(data_of(model), 1)
            mend(unit, values_at(unit, share))
            found.append(Other(model, unit))
    return tuple(found)


def others_of(model: str) -> list[Other]:
    """Each other shipped model, at the foot, in the middle and near the top of its range."""
    return [each for each in _all_models() if each.model != model]


class SiteTime:
    """The machine's clock, put forward at will: a breaker's pause and a profile's limit pass without waiting."""

    def __init__(self) -> None:
        self._ahead_ms = 0

    def __call__(self) -> MonotonicMs:
        return MonotonicMs(monotonic_ms() + self._ahead_ms)

    def skip(self, by_ms: int) -> None:
        self._ahead_ms += by_ms


@dataclass(frozen=True)
class Result:
    """One field of the table, and the sentences of what went wrong in it."""

    model: str
    wire: str
    fault: str
    verdict: str
    why: str
    problems: tuple[str, ...]


class Bench:
    """One model on one bus: unit 1 is well, and each fault has a unit of its own after it."""

    def __init__(self, model: str, wire: str, folder: Path) -> None:
        self.model, self.wire, self.time = model, wire, SiteTime()
        profile = replace(load_profile(model), longest_reply_ms=LONGEST_REPLY_MS)
        data = data_of(model)
        self.names = [name for name in NAMES if self.expected(name).verdict != IMPOSSIBLE]
        units = [SimulatedUnit(data, number) for number in range(1, len(self.names) + 2)]
        for unit in units:
            mend(unit, values_at(unit, A))
        self.well, self.units = units[0], dict(zip(self.names, units[1:], strict=True))
        self.site = ModbusSite(units)
        settings = BusSettings("b1", wire, TIMEOUT_MS, baud=19_200)
        if wire == "tcp":
            settings = replace(settings, host="127.0.0.1", tcp_port=self.site.serve_tcp())
        else:
            settings = replace(settings, port=self.site.serve_rtu(folder / f"{model}.port"))
        devices = [DeviceSettings(f"unit-{unit.unit}", unit.unit, profile) for unit in units]
        self.bus = build(settings, devices, self.time, sleep)
        self.readers = dict(zip(self.names, self.bus.readers[1:], strict=True))
        self._truths: dict[Decimal, set[tuple[int | None, ...]]] = {A: set(), B: set()}

    def expected(self, name: str) -> Expected:
        return expectation(name, self.model, self.wire)

    def run(self) -> Iterator[Result]:
        """Every fault, one after the other, and at last the cable."""
        try:
            self._learn_truths()
            for name in self.names:
                expected, problems = self.expected(name), list(self._try(name))
                yield Result(self.model, self.wire, name, expected.verdict, expected.why, tuple(problems))
            yield Result(self.model, self.wire, UNPLUGGED, NEXT, "", tuple(self._unplug()))
        finally:
            self.bus.close()
            self.site.close()

    def _learn_truths(self) -> None:
        """What a healthy reading is at A and at B; a value that a living sensor moves by itself has several."""
        for share in (B, A):
            mend(self.well, values_at(self.well, share))
            self.time.skip(100_000)
            for _ in range(3):
                block = self._until_good(self.bus.readers[0])
                self._truths[share].add(block.steps)
        assert not self._truths[A] & self._truths[B]

    def _until_good(self, reader: ModbusReader) -> BlockRead:
        block = reader.read()
        for _ in range(TRIES):
            if _is_good(block):
                break
            self.time.skip(BREAKER_PAUSE_MS)
            block = reader.read()
        assert _is_good(block), f"{self.model} {self.wire}: never good: {block.qualities} {reader.trouble}"
        return block

    def _try(self, name: str) -> Iterator[str]:
        unit, reader, expected = self.units[name], self.readers[name], self.expected(name)
        before = self._until_good(reader)
        if before.steps not in self._truths[A]:
            yield f"before it: {before.steps}"
        self.time.skip(100_000)
        if name == "swapped" and expected.verdict == NEXT and lookalikes(self.model):
            yield f"taken for {sorted(lookalikes(self.model))}"
        for other in self._neighbours(name):
            self._begin(name, unit, other)
            yield from self._while_it_lasts(name, reader, expected)
        mend(self.well, values_at(self.well, A))
        yield from self._healed(unit, reader)

    def _neighbours(self, name: str) -> Sequence[SimulatedUnit]:
        """Whose content a swapped unit gives: other models that have registers there; else it does not matter."""
        if name != "swapped":
            return [self.well]
        units = [other.unit for other in others_of(self.model)]
        answering = [each for each in units if Quality.COMM_FAIL not in decoded(self.model, each)[1]]
        return (answering or units)[:SWAPS]

    def _begin(self, name: str, unit: SimulatedUnit, other: SimulatedUnit) -> None:
        now = values_at(unit, B)
        around = Surroundings(TIMEOUT_MS / 1000, other)
        if name == "frozen":
            FAULTS[name](unit, around)
        measure(unit, now)
        if name in EXCEPTIONS:
            unit.break_with(Fault(FaultKind.EXCEPTION, code=int(name.removeprefix("exception "))))
        elif name == TWIN:
            unit.break_with(Fault(FaultKind.SWAPPED, other=other))
        elif name != "frozen":
            FAULTS[name](unit, around)

    def _while_it_lasts(self, name: str, reader: ModbusReader, expected: Expected) -> Iterator[str]:
        self.time.skip(1_000)
        first = reader.read()
        if expected.verdict == NEXT and not self._late_in_time(name):
            yield from self._not_good("at the next poll", first, reader)
        yield from self._neighbour_is_well()
        for pause_ms in _pauses_ms(expected):
            self.time.skip(pause_ms)
            reader.read()
        for _ in range(2):
            self.time.skip(BREAKER_PAUSE_MS)
            block = reader.read()
            if expected.verdict == SURVIVED or name == "busy" or self._late_in_time(name):
                yield from self._true(block)
            elif expected.verdict == NEXT:
                yield from self._not_good("later", block, reader)
            elif expected.verdict.startswith("within"):
                yield from self._not_good(f"after {expected.limit_ms} ms", block, reader)
            yield from self._neighbour_is_well()

    def _late_in_time(self, name: str) -> bool:
        """Whether this machine stood still for so long that a late answer was there when it was looked for."""
        return name == "late" and self.time() - self.bus.connection.asked_at > 1.9 * TIMEOUT_MS

    def _neighbour_is_well(self) -> Iterator[str]:
        """Read after each broken answer, whose late rest, too, is over before the site's time is put forward."""
        block = self.bus.readers[0].read()
        if _is_good(block) and block.steps not in self._truths[A]:
            yield f"a healthy neighbour read {block.steps}"

    def _not_good(self, when: str, block: BlockRead, reader: ModbusReader) -> Iterator[str]:
        if Quality.GOOD in block.qualities or any(step is not None for step in block.steps):
            yield f"{when}: good, {block.steps}"
        if Quality.COMM_FAIL in block.qualities and not reader.trouble:
            yield f"{when}: not read, and nobody is told why"

    def _true(self, block: BlockRead) -> Iterator[str]:
        if _is_good(block) and block.steps not in self._truths[B]:
            yield f"good, but {block.steps} in place of {self._truths[B]}"

    def _healed(self, unit: SimulatedUnit, reader: ModbusReader) -> Iterator[str]:
        mend(unit, values_at(unit, A))
        self.time.skip(BREAKER_PAUSE_MS)
        if self._until_good(reader).steps not in self._truths[A]:
            yield "after it: wrong"

    def _unplug(self) -> Iterator[str]:
        reader = self.bus.readers[0]
        self._until_good(reader)
        self.site.unplug()
        for _ in range(3):
            yield from self._not_good("unplugged", reader.read(), reader)
            self.time.skip(BREAKER_PAUSE_MS)
        self.site.plug_in()
        if self._until_good(reader).steps not in self._truths[A]:
            yield "plugged in again: wrong"


def _pauses_ms(expected: Expected) -> list[int]:
    """Between the polls by which a device is seen to stand still for as long as its profile says, and a little more."""
    return [expected.limit_ms // LOOKS] * (LOOKS + LOOKS // 4) if expected.limit_ms else []


def _is_good(block: BlockRead) -> bool:
    return all(quality is Quality.GOOD for quality in block.qualities)


def serial_models() -> list[str]:
    """Those that have a serial port."""
    return [model for model in shipped_models() if load_profile(model).serial is not None]


MODELS: Mapping[str, Callable[[], Sequence[str]]] = {"tcp": shipped_models, "rtu": serial_models}
