"""Polls under random faults: no good reading differs from what the instrument showed when it was asked.

The driver, from its quiet and its guard to its breaker and decoder, is real; the bytes lie in memory and time is
virtual (``tests/memory_bus.py``). A failure names its seed. A million take minutes: ``PERMITGATE_POLLS=1000000`` asks
for them, and 200,000 belong to every run.

Left out, because no byte on the wire tells them from the truth (``tests/fault_matrix.py`` lists them): a frozen device,
one that gives another's content, exchanged bytes. Late answers are late by at most the profile's ``longest_reply_s``.
"""

import os
import random

import pytest
from memory_bus import Line, MemoryConnection, VirtualTime

from drivers.modbus.breaker import Breaker
from drivers.modbus.client import BusSettings
from drivers.modbus.device import DeviceSettings, ModbusReader
from drivers.modbus.profile import load_profile
from edge.ports.devices import BlockRead, Quality
from hil.modbus_faults import FAULTS, STATUSES, Surroundings, can_have, mend
from hil.modbus_unit import Fault, FaultKind, SimulatedUnit, load_profile_data

POLLS = int(os.environ.get("PERMITGATE_POLLS", "200000"))
PARTS = 10
FIRST_SEED = 2_026_000
MODELS = ("generic", "honeywell_xcd", "renke_rs_fsjt_n01", "honeywell_xcd_oxygen", "honeywell_xrl_combustible")
"""One block, two blocks, one register, floats and integers, identity and heartbeat; each twice on the bus."""

UNTOLD = {"frozen", "swapped", "wrong_bytes"}
SPOILS = {"foreign", "sentinel", "not_a_number", "infinite", "above_range", *STATUSES}
"""While these last no reading at all may be good."""

CALIBRATED_MS = 90 * 86_400_000
"""What the simulated units say of their calibration, where they say it. Asking for it must spoil no reading."""

TIMEOUT_MS = 100
BREAKS, MENDS, UNPLUGS, MOVES_ON = 0.05, 0.25, 0.002, 0.5


class Instrument:
    """One device: what it shows, and the fault that it has, if any."""

    def __init__(self, model: str, number: int) -> None:
        data = load_profile_data(model)
        self.profile = load_profile(model)
        self.unit = SimulatedUnit(data, number)
        self.faults = [name for name in FAULTS if name not in UNTOLD and can_have(name, data)]
        self.name = ""
        self.steps: tuple[int, ...] = ()
        mend(self.unit, {})

    def show(self, chance: random.Random) -> None:
        """Another value from now on."""
        channels = self.profile.channels
        self.steps = tuple(chance.randint(each.lowest_steps, each.highest_steps) for each in channels)
        if self.name not in SPOILS:
            for each, steps in zip(channels, self.steps, strict=True):
                self.unit.set_value(each.name, steps * each.resolution)

    def change(self, chance: random.Random) -> None:
        """Now and then a fault begins or ends."""
        if self.name and chance.random() < MENDS:
            self.name = ""
            mend(self.unit, {})
        elif not self.name and chance.random() < BREAKS:
            self.name = chance.choice(self.faults)
            if self.name == FaultKind.LATE.value:
                late_s = chance.randrange(self.profile.longest_reply_ms - 40) / 1000
                self.unit.break_with(Fault(FaultKind.LATE, seconds=late_s))
            else:
                FAULTS[self.name](self.unit, Surroundings(TIMEOUT_MS / 1000))

    def lie(self, block: BlockRead) -> str:
        """What is wrong with a reading of it, empty if nothing is."""
        if Quality.GOOD not in block.qualities:
            return ""
        if self.name in SPOILS:
            return f"good while {self.name}: {block.steps}"
        return "" if block.steps == self.steps else f"{block.steps} in place of {self.steps}, fault {self.name!r}"


class World:
    """One bus with its devices, from a seed."""

    def __init__(self, seed: int, kind: str) -> None:
        self.chance = random.Random(seed)
        self.time = VirtualTime()
        self.devices = [Instrument(model, number) for number, model in enumerate(2 * MODELS, 1)]
        self.line = Line(kind, {each.unit.unit: each.unit for each in self.devices}, self.time, self.chance)
        connection = MemoryConnection(BusSettings("b1", kind, TIMEOUT_MS, port="memory", baud=19_200), self.line)
        self.readers = [
            ModbusReader(
                DeviceSettings(f"d{each.unit.unit}", each.unit.unit, each.profile),
                connection,
                Breaker(each.unit.unit),
                self.time,
            )
            for each in self.devices
        ]
        self.index = 0
        self.good = 0
        self.said = 0

    def poll(self) -> str:
        """One poll of one device; what was wrong with it."""
        if self.chance.random() < MOVES_ON:
            self.index = self.chance.randrange(len(self.devices))
        device, reader = self.devices[self.index], self.readers[self.index]
        device.change(self.chance)
        device.show(self.chance)
        if self.chance.random() < UNPLUGS:
            self.line.plugged = not self.line.plugged
        elif not self.line.plugged and self.chance.random() < MENDS:
            self.line.plugged = True
        block = reader.read()
        self.good += block.qualities.count(Quality.GOOD) > 0
        said = reader.calibration_said(block)
        if said is not None and not device.name:
            self.said += 1
            if said.left_ms != CALIBRATED_MS:
                return f"calibration {said} in place of {CALIBRATED_MS}"
        self.time.now_ms += self.chance.choice((0, 5, 50, 700))
        return device.lie(block)


@pytest.mark.system
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_good_reading_differs_from_what_the_instrument_showed(part: int) -> None:
    seed = FIRST_SEED + part
    world = World(seed, "rtu" if part % 2 else "tcp")
    for number in range(POLLS // PARTS):
        wrong = world.poll()
        assert not wrong, f"seed {seed}, poll {number}: {wrong}"
    assert world.good > POLLS // PARTS // 3, "mostly well, as devices are"
    assert world.line.asked > POLLS // PARTS // 2
    assert world.said > POLLS // PARTS // 100, "calibrations are asked for, too"


def test_a_driver_that_believed_late_answers_would_be_found_out() -> None:
    """The same world, with the quiet and the probe after a failure taken out of the driver: it lies soon."""
    world = World(FIRST_SEED, "rtu")
    for reader in world.readers:
        reader._prove = lambda: None
        reader._connection._late_ms = lambda question: 0
    assert any(world.poll() for _ in range(20_000))
