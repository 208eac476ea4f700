"""One suite for a door, on gpiozero's own mock pins and on pins wired to the virtual site."""

from threading import Event

import pytest
from gpiozero.pins.mock import MockFactory

from drivers.lock.door import Door, Driven, LockFault, Moved
from drivers.lock.door_pins import DoorPins
from drivers.lock.indicate import Buzzer, Indication, Light
from drivers.lock.pin_factory import build_pin_factory
from drivers.lock.siren import Siren
from edge.ports.errors import RefusedError
from hil.wiring import WiredDoor, WiredSiren, Wiring

PINS = {
    "strike_pin": 17,
    "contact_pin": 27,
    "bolt_pin": 5,
    "rex_pin": 6,
    "fire_pin": 13,
    "green_pin": 23,
    "red_pin": 24,
    "amber_pin": 25,
    "buzzer_pin": 12,
}
SIREN_PIN = 22


class MockBench:
    """The physics are the test's: the bolt follows the strike, levels are driven by hand."""

    def __init__(self, fail, _directory):
        self.fail, self.stuck = fail, False
        self.factory = MockFactory()

    def begin(self):
        for pin in ("contact_pin", "fire_pin"):
            self.factory.pin(PINS[pin]).drive_low()
        self.follow()

    def follow(self):
        if not self.stuck:
            (self._bolt.drive_high if self.lock() == "unlocked" else self._bolt.drive_low)()

    @property
    def _bolt(self):
        return self.factory.pin(PINS["bolt_pin"])

    def lock(self):
        pin = self.factory.pin(PINS["strike_pin"])
        energised = pin.function == "output" and bool(pin.state)
        return "unlocked" if energised == (self.fail == "secure") else "locked"

    def floating(self):
        return self.factory.pin(PINS["strike_pin"]).function == "input"

    def _drive(self, name, high):
        pin = self.factory.pin(PINS[name])
        (pin.drive_high if high else pin.drive_low)()

    def open(self, is_open):
        self._drive("contact_pin", is_open)

    def press(self, pressed):
        self._drive("rex_pin", not pressed)

    def fire(self, on):
        self._drive("fire_pin", on)

    def lit(self):
        lamps = ("green", "red", "amber")
        return {lamp for lamp in lamps if self.factory.pin(PINS[f"{lamp}_pin"]).state}

    def siren(self):
        pin = self.factory.pin(SIREN_PIN)
        return "quiet" if pin.function == "output" and pin.state else "sounding"

    def close(self):
        self.factory.close()


class WiredBench:
    """The real thing of a gateway without metal; levels arrive by a thread, so each move waits for its edge."""

    def __init__(self, fail, directory):
        self.wiring = Wiring(directory / "w.sock", [WiredDoor("d1", fail, **PINS)], [WiredSiren("a1", SIREN_PIN)])
        self.lost = Event()
        self.factory = build_pin_factory(f"wired:{directory}/w.sock", True, lambda: 0, self.lost.set)

    def begin(self):
        self.follow()

    def follow(self):
        self.lock()
        self._arrived("bolt_pin", int(self.state().bolt == "unlocked"))

    def _arrived(self, name, level):
        pin = self.factory.pin(PINS[name])
        for _ in range(200):
            if pin.state == level:
                return
            Event().wait(0.005)
        raise AssertionError(f"{name} never became {level}")

    def state(self):
        return self.wiring.state("d1")

    def lock(self):
        # A round trip on the same socket: what was said before has been taken.
        self.factory.claim_input(26, "up")
        return self.state().lock

    def floating(self):
        self.factory.claim_input(26, "up")
        return not self.state().powered

    def open(self, is_open):
        (self.wiring.force if is_open else self.wiring.shut)("d1")
        self._arrived("contact_pin", int(is_open))

    def press(self, pressed):
        with self.wiring._moving("d1") as physical:
            physical.rex = pressed
        self._arrived("rex_pin", int(not pressed))

    def fire(self, on):
        self.wiring.set_fire("d1", on)
        self._arrived("fire_pin", int(on))

    @property
    def stuck(self):
        return False

    @stuck.setter
    def stuck(self, on):
        self.wiring.stick_bolt("d1", on)

    def lit(self):
        self.lock()
        return set(self.state().light.split("+")) - {"off"}

    def siren(self):
        self.lock()
        return self.wiring.siren("a1")

    def close(self):
        self.factory.close()
        self.wiring.close()


@pytest.fixture(params=[MockBench, WiredBench])
def make_bench(request, tmp_path):
    benches = []

    def make(fail="secure"):
        benches.append(request.param(fail, tmp_path))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


def begun(bench, fail="secure", **changes):
    door = Door(DoorPins("d1", fail, **{**PINS, **changes}), bench.factory, lambda: None)
    bench.begin()
    return door, door.step(0, Light.OFF)


@pytest.mark.parametrize("fail", ["secure", "safe"])
def test_a_door_starts_locked_and_tells_every_input_once(make_bench, fail):
    bench = make_bench(fail)
    door, events = begun(bench, fail)
    assert bench.lock() == "locked"
    told = {(event.input, event.active) for event in events}
    assert told == {("contact", False), ("bolt", True), ("rex", False), ("fire", False)}
    assert door.step(1_000, Light.OFF) == []
    assert door.due(1_000) is None
    door.close()


@pytest.mark.parametrize("fail", ["secure", "safe"])
def test_an_unlock_ends_by_itself(make_bench, fail):
    bench = make_bench(fail)
    door, _ = begun(bench, fail)
    assert door.unlock(12, 5_000, 100) == [Driven("d1", "unlocked", 12, 100)]
    assert bench.lock() == "unlocked"
    bench.follow()
    assert door.due(100) == 5_000
    door.step(4_999, Light.OFF)
    assert bench.lock() == "unlocked"
    assert Driven("d1", "locked", 12, 5_000) in door.step(5_000, Light.OFF)
    assert bench.lock() == "locked"
    door.close()


def test_a_late_unlock_moves_nothing_and_is_told(make_bench):
    bench = make_bench()
    door, _ = begun(bench)
    assert door.unlock(12, 5_000, 5_000) == [LockFault("d1", "unlock_late", True, 5_000)]
    assert bench.lock() == "locked"
    door.close()


def test_a_second_grant_is_told_with_its_own_entry(make_bench):
    bench = make_bench()
    door, _ = begun(bench)
    door.unlock(12, 5_000, 100)
    assert door.unlock(13, 6_000, 200) == [Driven("d1", "unlocked", 13, 200)]
    assert Driven("d1", "locked", 13, 6_000) in door.step(6_000, Light.OFF)
    door.close()


def test_an_order_to_lock_ends_entry_and_never_the_way_out(make_bench):
    bench = make_bench()
    door, _ = begun(bench)
    door.unlock(12, 9_000, 0)
    door.release_exit(5_000, 0)
    door.lock(10)
    assert bench.lock() == "unlocked"
    door.step(5_000, Light.OFF)
    assert bench.lock() == "locked"
    door.close()


def test_the_exit_button_unlocks_without_anybody_and_for_its_time(make_bench):
    bench = make_bench()
    door, _ = begun(bench, release_s=5.0)
    bench.press(True)
    assert door.step(100, Light.OFF) == []
    assert door.due(100) == 130
    assert Moved("d1", "rex", True, 130) in door.step(130, Light.OFF)
    assert bench.lock() == "unlocked"
    bench.press(False)
    door.step(200, Light.OFF)
    door.step(5_130, Light.OFF)
    assert bench.lock() == "locked"
    door.close()


@pytest.mark.parametrize(("looked_at", "unlocked"), [(129, False), (130, True), (900, True)])
def test_a_press_of_the_exit_button_is_not_lost_when_the_machine_stood_still(make_bench, looked_at, unlocked):
    bench = make_bench()
    door, _ = begun(bench, release_s=5.0)
    bench.press(True)
    assert door.step(100, Light.OFF) == []
    bench.press(False)
    told = [each for each in door.step(looked_at, Light.OFF) if isinstance(each, Moved)]
    assert (bench.lock() == "unlocked") == unlocked
    assert [each.active for each in told] == ([True, False] if unlocked else [])
    assert [each for each in door.step(looked_at + 100, Light.OFF) if isinstance(each, Moved)] == []
    door.close()


def test_a_contact_and_the_fire_line_are_told_when_they_settled(make_bench):
    bench = make_bench()
    door, _ = begun(bench)
    bench.open(True)
    bench.fire(True)
    assert door.step(100, Light.OFF) == []
    assert door.step(131, Light.OFF) == [Moved("d1", "contact", True, 131), Moved("d1", "fire", True, 131)]
    bench.open(False)
    door.step(200, Light.OFF)
    assert door.step(231, Light.OFF) == [Moved("d1", "contact", False, 231)]
    door.close()


def test_a_bolt_that_does_not_follow_is_a_fault_once_and_its_end_too(make_bench):
    bench = make_bench()
    door, _ = begun(bench)
    bench.stuck = True
    door.unlock(12, 60_000, 0)
    door.step(0, Light.OFF)
    assert door.step(1_000, Light.OFF) == []
    assert door.step(1_001, Light.OFF) == [LockFault("d1", "bolt_not_following", True, 1_001)]
    assert door.step(2_000, Light.OFF) == []
    bench.stuck = False
    bench.follow()
    door.step(2_100, Light.OFF)
    assert LockFault("d1", "bolt_not_following", False, 2_130) in door.step(2_130, Light.OFF)
    door.close()


def test_one_lamp_at_a_time_and_the_idle_light_after(make_bench):
    bench = make_bench()
    door, _ = begun(bench)
    door.indicate(Indication(Light.GREEN, Buzzer.OK, 0, 1_000))
    door.step(0, Light.OFF)
    assert bench.lit() == {"green"}
    door.indicate(Indication(Light.RED, Buzzer.REFUSED, 500, 1_500))
    door.step(500, Light.OFF)
    assert bench.lit() == {"red"}
    door.step(1_500, Light.AMBER)
    assert bench.lit() == {"amber"}
    door.step(1_600, Light.OFF)
    assert bench.lit() == set()
    door.close()


def test_a_closed_door_lets_its_pins_float(make_bench):
    bench = make_bench()
    door, _ = begun(bench)
    assert not bench.floating()
    door.unlock(1, 5_000, 0)
    door.rest()
    assert bench.lock() == "locked"
    door.close()
    door.close()
    assert bench.floating()


def test_a_siren_is_quiet_while_vouched_for_and_sounds_on_lapse_and_without_power(make_bench):
    bench = make_bench()
    siren = Siren("a1", SIREN_PIN, "sounding", bench.factory)
    siren.drive(lapsed=False)
    assert bench.siren() == "quiet"
    siren.want(True)
    siren.drive(lapsed=False)
    assert bench.siren() == "sounding"
    siren.want(False)
    siren.drive(lapsed=False)
    assert bench.siren() == "quiet"
    siren.drive(lapsed=True)
    assert bench.siren() == "sounding"
    siren.drive(lapsed=False)
    siren.close()
    assert bench.siren() == "sounding"


def test_two_devices_on_one_pin_are_refused(make_bench):
    bench = make_bench()
    door, _ = begun(bench)
    with pytest.raises(RefusedError, match="GPIO17"):
        Siren("a1", 17, "quiet", bench.factory)
    door.close()
