"""What a device says of its calibration: asked for when it begins to measure and once a day, read to the safe side."""

import random
import struct
from importlib.resources import files

import pytest
from memory_bus import Line, MemoryConnection, VirtualTime

from drivers.modbus.breaker import Breaker
from drivers.modbus.calibration import CalibrationWatch
from drivers.modbus.client import BusSettings
from drivers.modbus.device import DeviceSettings, ModbusReader
from drivers.modbus.plan import plan_of
from drivers.modbus.profile import load_profile, parse_profile, shipped_models
from drivers.modbus.register_map import CalibrationRegister, CalibrationSays, Kind, Register, WordOrder
from edge.ports.devices import BlockRead, CalibrationSaid, MonotonicMs, Quality
from edge.ports.errors import ConfigurationError
from hil.modbus_unit import Fault, FaultKind, SimulatedUnit, load_profile_data

DAY_MS = 86_400_000
SAYING = tuple(model for model in shipped_models() if load_profile(model).calibration is not None)


def watch(kind: Kind = Kind.F32, says: CalibrationSays = CalibrationSays.DAYS_LEFT) -> CalibrationWatch:
    register = Register("calibration", 3, 8, "40009", kind, WordOrder.ABCD)
    return CalibrationWatch(CalibrationRegister(says, register, "1", "V"), 1, 500)


def block(at_ms: int, *qualities: Quality) -> BlockRead:
    given = qualities or (Quality.GOOD,)
    return BlockRead("d", ("gas",) * len(given), (None,) * len(given), given, MonotonicMs(at_ms))


class OnABus:
    """A shipped model as the driver reads it, on a line in memory."""

    def __init__(self, model: str, kind: str = "rtu") -> None:
        self.time = VirtualTime()
        self.unit = SimulatedUnit(load_profile_data(model), 1)
        self.line = Line(kind, {1: self.unit}, self.time, random.Random(7))
        connection = MemoryConnection(BusSettings("b1", kind, 100, port="memory", baud=19_200), self.line)
        self.reader = ModbusReader(DeviceSettings("d", 1, load_profile(model)), connection, Breaker(1), self.time)

    def poll(self, after_ms: int = 1_000) -> tuple[BlockRead, CalibrationSaid | None]:
        self.time.now_ms += after_ms
        read = self.reader.read()
        return read, self.reader.calibration_said(read)


# ---- when it is asked ------------------------------------------------------------------------------------------------


def test_it_is_asked_with_the_first_good_reading_and_then_once_a_day() -> None:
    asked = watch()
    assert not asked.is_time(block(0, Quality.WARMING_UP))
    assert asked.is_time(block(1_000))
    assert not asked.is_time(block(1_000 + DAY_MS - 1))
    assert asked.is_time(block(1_000 + DAY_MS))


def test_it_is_asked_again_when_the_device_measures_again_after_anything_else() -> None:
    """It may have been exchanged, or calibrated: in calibration the readings are not good."""
    asked = watch()
    assert asked.is_time(block(0))
    assert not asked.is_time(block(20_000, Quality.INHIBITED))
    assert asked.is_time(block(21_000))
    assert not asked.is_time(block(22_000))


def test_a_device_that_comes_and_goes_is_asked_each_ten_seconds_at_most() -> None:
    asked = watch()
    assert asked.is_time(block(0))
    assert not asked.is_time(block(1_000, Quality.COMM_FAIL))
    assert not asked.is_time(block(9_999))
    assert asked.is_time(block(10_000))


# ---- what the answer means -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "payload", "left_ms"),
    [
        (Kind.F32, struct.pack(">f", 89.5), 89 * DAY_MS + DAY_MS // 2),
        (Kind.F32, struct.pack(">f", 0.0), 0),
        (Kind.F32, struct.pack(">f", -3.0), -3 * DAY_MS),
        (Kind.F32, struct.pack(">f", 0.1), DAY_MS // 10),
        (Kind.F32, struct.pack(">f", float("nan")), None),
        (Kind.F32, struct.pack(">f", float("-inf")), None),
        (Kind.F32, struct.pack(">f", 3_651.0), None),
        (Kind.F32, struct.pack(">f", 1e-30), 0),
        (Kind.S16, struct.pack(">h", -1), -DAY_MS),
        (Kind.S16, struct.pack(">h", 180), 180 * DAY_MS),
        (Kind.U16, struct.pack(">H", 65_535), None),
    ],
)
def test_days_left_are_exact_and_what_is_no_number_of_days_says_nothing(
    kind: Kind, payload: bytes, left_ms: int | None
) -> None:
    said = watch(kind).understood("d", payload, MonotonicMs(5))
    assert said == (None if left_ms is None else CalibrationSaid("d", left_ms, None, MonotonicMs(5)))


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ((1970, 1, 2), 1),
        ((2026, 11, 28), 20_785),
        ((2024, 2, 29), 19_782),
        ((2026, 2, 29), None),
        ((0, 0, 0), None),
        ((26, 0, 1), None),
        ((65_535, 1, 1), None),
    ],
)
def test_a_date_is_a_day_of_the_calendar_and_what_is_none_says_nothing(
    words: tuple[int, int, int], day: int | None
) -> None:
    said = watch(says=CalibrationSays.LAST_DATE).understood("d", struct.pack(">3H", *words), MonotonicMs(5))
    assert said == (None if day is None else CalibrationSaid("d", None, day, MonotonicMs(5)))


# ---- the shipped models ----------------------------------------------------------------------------------------------


def test_the_models_whose_manuals_have_such_a_register_say_it_and_their_list_names_it() -> None:
    xcd, xrl, ultima = "honeywell_xcd", "honeywell_xrl", "msa_ultima_x"
    measuring = ("combustible", "oxygen", "toxic")
    wanted = {xcd, f"{xcd}_oxygen", *(f"{model}_{each}" for model in (xrl, ultima) for each in measuring)}
    assert set(SAYING) == wanted
    text = (files("drivers.profiles") / "MODELS.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    named = {model for model, line in rows.items() if "calibration" in line}
    assert named | {f"{ultima}_oxygen", f"{ultima}_toxic"} == wanted, "of those two it says: as above"


@pytest.mark.parametrize("model", SAYING)
def test_it_is_not_part_of_what_is_polled(model: str) -> None:
    """A day's question, not each poll's: and a device that has not the register is read as before."""
    profile = load_profile(model)
    assert profile.calibration is not None
    address = profile.calibration.register.address
    assert all(each.address != address for block in plan_of(profile) for each in block.registers)


@pytest.mark.parametrize("model", [each for each in SAYING if not each.startswith("msa")])
@pytest.mark.parametrize("kind", ["rtu", "tcp"])
def test_a_simulated_unit_says_its_days_over_the_line(model: str, kind: str) -> None:
    bus = OnABus(model, kind)
    assert bus.poll()[1] == CalibrationSaid("d", 90 * DAY_MS, None, MonotonicMs(1_000))
    bus.unit.set_calibration_days(-2)
    assert bus.poll()[1] is None
    said = bus.poll(DAY_MS)[1]
    assert said is not None
    assert said.left_ms == -2 * DAY_MS


def test_a_simulated_ultima_says_its_date_over_the_line_once_it_knows_one() -> None:
    bus = OnABus("msa_ultima_x_combustible")
    assert bus.poll()[1] is None
    bus.unit.set_calibration_date(2026, 11, 28)
    said = bus.poll(DAY_MS)[1]
    assert said is not None
    assert (said.left_ms, said.done_day) == (None, 20_785)


def test_a_device_that_does_not_answer_that_question_is_read_on_and_no_late_answer_is_believed() -> None:
    bus = OnABus("honeywell_xcd")
    bus.unit.set_value("gas", "12.5")
    bus.time.now_ms += 1_000
    read = bus.reader.read()
    bus.unit.break_with(Fault(FaultKind.LATE, seconds=0.3, times=1))
    assert bus.reader.calibration_said(read) is None
    asked = bus.line.asked
    for polls in range(1, 6):
        again, _said = bus.poll()
        assert (again.steps, again.qualities) == ((125,), (Quality.GOOD,))
        proof = 1
        assert bus.line.asked == asked + proof + polls * len(plan_of(load_profile("honeywell_xcd")))


def test_a_device_that_refuses_that_question_is_read_on_at_once() -> None:
    bus = OnABus("honeywell_xcd")
    bus.time.now_ms += 1_000
    read = bus.reader.read()
    bus.unit.break_with(Fault(FaultKind.EXCEPTION, code=2, times=1))
    assert bus.reader.calibration_said(read) is None
    asked = bus.line.asked
    assert bus.poll()[0].qualities == (Quality.GOOD,)
    assert bus.line.asked == asked + len(plan_of(load_profile("honeywell_xcd")))


def test_a_model_without_the_register_is_never_asked() -> None:
    bus = OnABus("renke_rs_fsjt_n01")
    read, said = bus.poll()
    assert (read.qualities, said, bus.line.asked) == ((Quality.GOOD,), None, 1)
    with pytest.raises(ValueError, match="does not say how many days"):
        bus.unit.set_calibration_days(1)
    with pytest.raises(ValueError, match="does not say when"):
        bus.unit.set_calibration_date(2026, 1, 1)


# ---- the profile -----------------------------------------------------------------------------------------------------


def generic(table: str) -> bytes:
    text = (files("drivers.profiles") / "generic.toml").read_text(encoding="utf-8")
    return f"{text}\n[calibration]\n{table}\n".encode()


GOOD = 'says = "days_left"\naddress = 8\nprinted = "40009"\ntype = "f32"\npage = "1"\nmark = "V"'


def test_a_calibration_register_is_read_with_its_page_and_mark() -> None:
    stated = parse_profile(generic(GOOD), "mine.toml").calibration
    assert stated is not None
    assert (stated.says, stated.register.kind, stated.register.order) == (
        CalibrationSays.DAYS_LEFT,
        Kind.F32,
        WordOrder.ABCD,
    )
    assert (stated.register.function, stated.register.address, stated.page, stated.mark) == (3, 8, "1", "V")


@pytest.mark.parametrize(
    ("written", "instead", "key", "said"),
    [
        ('says = "days_left"', 'says = "months"', "says", "days_left"),
        ('type = "f32"', 'type = "f64"', "type", "f32"),
        ('type = "f32"', 'type = "u16"\norder = "CDAB"', "order", "no word order"),
        ("address = 8", "address = 65535", "address", "65534"),
        ('page = "1"', "", "page", "missing"),
        ('mark = "V"', 'mark = "X"', "mark", "V2"),
        ('mark = "V"', 'mark = "V"\nmonths = 6', "months", "unknown key"),
        ('says = "days_left"', 'says = "last_date"', "type", "take it out"),
    ],
)
def test_a_wrong_calibration_register_is_refused_by_line_and_key(
    written: str, instead: str, key: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_profile(generic(GOOD.replace(written, instead)), "mine.toml")
    assert any(f"{key}: " in each and said in each for each in caught.value.problems), caught.value.problems
