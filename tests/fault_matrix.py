"""Device x fault: each shipped profile's device with every fault that it can have, read by the real driver on the wire.

Each device stands on a bus of its own, once for each fault, beside one that is well. What must happen is computed from
the profile alone (``expectation``); what cannot be known from a device's registers is in the table like all else.
The clock that the driver is given is the machine's, put forward between polls past breakers and limits.
"""

import json
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

FOLDER = Path(__file__).resolve().parents[1] / "build" / "fault_matrix"
TIMEOUT_MS = 60
LONGEST_REPLY_MS = 150
"""In place of the profiles' half second, and above the 120 ms after which a late answer comes here."""

BREAKER_PAUSE_MS = 31_000
"""The longest pause of a breaker and a little more."""

TRIES = 12
FIGURES = 1_000
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
    profile = load_profile_data(model)
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
            return Expected(NEXT) if _says_what_it_is(profile) else _if_any(_lookalikes(model))
        case "wrong_order" | "wrong_bytes":
            return _if_any(_misread(model, FaultKind(name)))
        case _ if name == TWIN:
            return Expected(UNKNOWN, why="no register says where a device hangs; its unit number is its only name")
    return Expected(NEXT)


def _says_what_it_is(profile: Mapping[str, Any]) -> bool:
    return "identity" in profile or all("unit_codes" in each for each in profile["channel"])


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


def _lookalikes(model: str) -> str:
    """The other shipped devices whose registers pass for this one's, as nothing in its map says what it is."""
    here = SimulatedUnit(load_profile_data(model), 1)
    mend(here, values_at(here, B))
    truth = decoded(model, here)
    found = {other.model for other in others_of(model) if _lies(decoded(model, other.unit), truth)}
    return f"no register says what the device is; taken for it can be {', '.join(sorted(found))}" if found else ""


def _misread(model: str, order: FaultKind) -> str:
    """How many of the figures of the range look like others of it in the wrong order."""
    unit = SimulatedUnit(load_profile_data(model), 1)
    lies = 0
    for share in range(1, FIGURES + 1):
        mend(unit, values_at(unit, Decimal(share) / FIGURES))
        truth = decoded(model, unit)
        unit.break_with(Fault(order))
        lies += _lies(decoded(model, unit), truth)
    return (
        f"{lies} of {FIGURES} figures of the range look like others of it; check --probe shows all orders"
        if lies
        else ""
    )


def _lies(columns: Columns, truth: Columns) -> bool:
    pairs = zip(*columns, truth[0], strict=True)
    return any(quality is Quality.GOOD and steps != true for steps, quality, true in pairs)


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


def decoded(model: str, unit: SimulatedUnit) -> Columns:
    """What the unit's registers mean to a gateway that takes it for a ``model``; a refusal is no number."""
    profile = load_profile(model)
    blocks = plan_of(profile)
    payloads = []
    for block in blocks:
        question = bytes([block.function]) + block.address.to_bytes(2, "big") + block.count.to_bytes(2, "big")
        reply = unit.answer(question)
        if reply[0] != block.function:
            return (None,) * len(profile.channels), (Quality.COMM_FAIL,) * len(profile.channels)
        payloads.append(reply[2:])
    return Decoder(profile, blocks).decode(payloads)


class Other(NamedTuple):
    """A device of another model."""

    model: str
    unit: SimulatedUnit


def others_of(model: str) -> list[Other]:
    """Each other shipped model, at the foot, in the middle and near the top of its range."""
    found = []
    for each in shipped_models():
        for share in (Decimal(0), A, Decimal("0.95")):
            if each != model:
                unit = SimulatedUnit(load_profile_data(each), 1)
                mend(unit, values_at(unit, share))
                found.append(Other(each, unit))
    return found


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
        data = load_profile_data(model)
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
        for other in self._neighbours(name):
            self._begin(name, unit, other)
            yield from self._while_it_lasts(name, reader, expected)
        mend(self.well, values_at(self.well, A))
        yield from self._healed(unit, reader)

    def _neighbours(self, name: str) -> Sequence[SimulatedUnit]:
        """Whose content a swapped unit gives: any other model's; for every other fault it does not matter."""
        if name == TWIN:
            return [self.well]
        return [each.unit for each in others_of(self.model)] if name == "swapped" else [self.well]

    def _begin(self, name: str, unit: SimulatedUnit, other: SimulatedUnit) -> None:
        now = values_at(unit, B)
        around = Surroundings(TIMEOUT_MS / 1000, other)
        if name == "frozen":
            FAULTS[name](unit, around)
        mend_values(unit, now)
        if name in EXCEPTIONS:
            unit.break_with(Fault(FaultKind.EXCEPTION, code=int(name.removeprefix("exception "))))
        elif name == TWIN:
            unit.break_with(Fault(FaultKind.SWAPPED, other=other))
        elif name != "frozen":
            FAULTS[name](unit, around)

    def _while_it_lasts(self, name: str, reader: ModbusReader, expected: Expected) -> Iterator[str]:
        self.time.skip(1_000)
        first = reader.read()
        yield from self._neighbour_is_well()
        if expected.verdict == NEXT:
            yield from self._not_good("at the next poll", first, reader)
        for pause_ms in (max(expected.limit_ms, BREAKER_PAUSE_MS), BREAKER_PAUSE_MS):
            self.time.skip(pause_ms)
            block = reader.read()
            yield from self._neighbour_is_well()
            if expected.verdict.startswith("within"):
                yield from self._not_good(f"after {expected.limit_ms} ms", block, reader)
            elif expected.verdict == NEXT and name != "busy":
                yield from self._not_good("later", block, reader)
            elif expected.verdict == SURVIVED or name == "busy":
                yield from self._true(block)

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


def mend_values(unit: SimulatedUnit, values: Mapping[str, str]) -> None:
    """What the device measures now."""
    for channel, value in values.items():
        unit.set_value(channel, value)


def _is_good(block: BlockRead) -> bool:
    return all(quality is Quality.GOOD for quality in block.qualities)


def keep(wire: str, results: Sequence[Result]) -> None:
    """For the report at the end of the session, which another process prints."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = [[each.model, each.wire, each.fault, each.verdict, each.why, len(each.problems)] for each in results]
    (FOLDER / f"{wire}.json").write_text(json.dumps(rows), encoding="utf-8")


# ---- the report


_MARKS = {NEXT: "x", SURVIVED: "=", UNKNOWN: "?", IMPOSSIBLE: "."}


def report(folder: Path = FOLDER) -> list[str]:
    """The table in lines, from what ``keep`` kept; empty if the matrix did not run."""
    rows = [row for path in sorted(folder.glob("*.json")) for row in json.loads(path.read_text(encoding="utf-8"))]
    if not rows:
        return []
    models = sorted({row[0] for row in rows})
    cells: dict[tuple[str, str], list[str]] = {}
    for model, _, fault, verdict, _, problems in rows:
        mark = "!" if problems else _MARKS.get(verdict, verdict.removeprefix("within "))
        cells.setdefault((_row(fault), model), []).append(mark)
    faults = list(dict.fromkeys(_row(row[2]) for row in rows))
    width = max(4, *(len("/".join(dict.fromkeys(each))) + 1 for each in cells.values()))
    lines = ["device x fault, each over the wire through the real driver (Modbus/TCP, and RTU where the device has it)"]
    lines += [f"  {number:>3} {model}" for number, model in enumerate(models, 1)]
    lines.append(" " * 24 + "".join(f"{number:>{width}}" for number in range(1, len(models) + 1)))
    for fault in faults:
        found = ("/".join(dict.fromkeys(cells.get((fault, model), ["."]))) for model in models)
        lines.append(f"{fault:<24}" + "".join(f"{each:>{width}}" for each in found))
    lines.append("x not good from the next poll on   = true or not good, never wrong   N s not good within N s")
    lines.append(". the device cannot have it        ? cannot be known, see below      ! WRONG")
    lines += [f"? {why}" for why in _unknowns(rows)]
    return lines


def _row(fault: str) -> str:
    """The exception codes share a row."""
    return "exception 1 to 11" if fault in EXCEPTIONS else fault


def _unknowns(rows: Sequence[Sequence[Any]]) -> list[str]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for model, _, fault, verdict, why, _ in rows:
        if verdict == UNKNOWN:
            reasons.setdefault((fault, why), []).append(model)
    return [f"{fault}: {why} ({', '.join(dict.fromkeys(models))})" for (fault, why), models in reasons.items()]


def serial_models() -> list[str]:
    """Those that have a serial port."""
    return [model for model in shipped_models() if load_profile(model).serial is not None]


MODELS: Mapping[str, Callable[[], Sequence[str]]] = {"tcp": shipped_models, "rtu": serial_models}
