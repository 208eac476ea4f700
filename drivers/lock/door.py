"""One door's pins: strike or magnet, contact, bolt, exit button, fire line, lamps, buzzer.

Wiring, and what a cut wire means:

- Lock output: energised is unlocked for ``fail = "secure"`` (strike), locked for ``fail = "safe"`` (magnet). Without
  power, and with a floating pin, the door is in its fail state; the wiring must see to that.
- Contact, bolt and fire line close to ground against the pull-up and are read as loops: a cut wire reads as door open,
  bolt not thrown, fire. The exit button closes to ground when pressed.
- Lamps and buzzer: energised is on.

The exit button unlocks here, in this process, and asks nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from drivers.lock.debounce import Debounce, ReadBack
from drivers.lock.door_pins import DoorPins
from drivers.lock.indicate import Indication, Light
from drivers.lock.lease import DoorLease
from drivers.lock.pin_factory import input_device, output_device
from edge.ports.devices import MonotonicMs

Input = Literal["contact", "bolt", "rex", "fire"]
"""Active means: door open, bolt thrown, button pressed, fire."""

_ACTIVE_AT_LOW: dict[Input, bool] = {"contact": False, "bolt": True, "rex": True, "fire": False}


@dataclass(frozen=True, slots=True)
class Moved:
    """An input settled at a new level, or was seen for the first time."""

    door: str
    input: Input
    active: bool
    at: MonotonicMs


@dataclass(frozen=True, slots=True)
class LockFault:
    """``what`` is ``bolt_not_following``, ``unlock_late`` (its lease was over when it came) or ``unlock_unvouched``.

    The last: the standing renewals had lapsed. ``active`` False says that it is over, which only a bolt does.
    """

    door: str
    what: str
    active: bool
    at: MonotonicMs


@dataclass(frozen=True, slots=True)
class Driven:
    """The lock output was driven; ``entry`` is the journal entry that a release for entry rests on."""

    door: str
    what: Literal["unlocked", "locked"]
    entry: int | None
    at: MonotonicMs


DoorEvent = Moved | LockFault | Driven


class Door:
    """The pins of one door and its leases. One thread; time is an argument; ``step`` after each change.

    Building it drives the lock to locked with the pin's direction, without a pulse. ``close`` leaves the pins floating.
    """

    def __init__(self, pins: DoorPins, factory: Any, wake: Callable[[], None]) -> None:
        self._pins = pins
        self._lease = DoorLease()
        self._unlocked = False
        self._read_back = ReadBack()
        self._indication: Indication | None = None
        self._settled: dict[Input, Debounce] = {}
        self._devices: list[Any] = []
        self._strike = self._output(pins.strike_pin, factory, on=pins.fail == "safe")
        self._lamps = {
            Light.GREEN: self._output(pins.green_pin, factory),
            Light.RED: self._output(pins.red_pin, factory),
            Light.AMBER: self._output(pins.amber_pin, factory),
        }
        self._buzzer = None if pins.buzzer_pin is None else self._output(pins.buzzer_pin, factory)
        self._inputs: dict[Input, Any] = {}
        wanted: list[tuple[Input, int | None]] = [
            ("contact", pins.contact_pin),
            ("bolt", pins.bolt_pin),
            ("rex", pins.rex_pin),
            ("fire", pins.fire_pin),
        ]
        for name, pin in wanted:
            if pin is not None:
                self._inputs[name] = self._input(pin, factory, wake)

    @property
    def id(self) -> str:
        """The door's name in the configuration."""
        return self._pins.id

    @property
    def unlocked(self) -> bool:
        """What the lock output was last driven to."""
        return self._unlocked

    def unlock(self, entry: int, until: MonotonicMs, now: MonotonicMs) -> list[DoorEvent]:
        """Unlock for entry until then; already over: a fault, and nothing moves."""
        lease = self._lease.at(now).unlock(entry, until, now)
        if lease is None:
            return [LockFault(self._pins.id, "unlock_late", True, now)]
        again = self._unlocked
        self._lease = lease
        events = self._drive(now)
        return [Driven(self._pins.id, "unlocked", entry, now)] if again else events

    def release_exit(self, until: MonotonicMs, now: MonotonicMs) -> list[DoorEvent]:
        """Unlock for exit until then; never refused."""
        self._lease = self._lease.at(now).release_exit(until, now)
        return self._drive(now)

    def lock(self, now: MonotonicMs) -> list[DoorEvent]:
        """End every release for entry; one for exit runs on."""
        self._lease = self._lease.at(now).lock()
        return self._drive(now)

    def indicate(self, indication: Indication) -> None:
        """Show and sound this instead of what is on."""
        self._indication = indication

    def step(self, now: MonotonicMs, idle: Light) -> list[DoorEvent]:
        """Read inputs, let ended leases end, drive everything. ``idle`` is the light while nothing is indicated."""
        events = [event for name in self._inputs for event in self._sample(name, now)]
        events += self._drive(now)
        events += self._judge_bolt(now)
        self._show(now, idle)
        return events

    def due(self, now: MonotonicMs) -> MonotonicMs | None:
        """When ``step`` is needed although no pin moves, or None."""
        moments = [self._lease.due(), self._read_back.due(), *(settled.due() for settled in self._settled.values())]
        if self._indication is not None:
            moments.append(self._indication.due(now))
        return min((moment for moment in moments if moment is not None), default=None)

    def rest(self) -> None:
        """Nobody holds leases any more: lock, lamps and buzzer off."""
        self._lease = DoorLease()
        self._unlocked = False
        self._strike.value = self._pins.fail == "safe"
        for lamp in self._lamps.values():
            lamp.off()
        if self._buzzer is not None:
            self._buzzer.off()

    def close(self) -> None:
        """Give up the pins: they float. May be called twice."""
        for device in self._devices:
            device.close()
        self._devices.clear()

    def _output(self, pin: int, factory: Any, on: bool = False) -> Any:
        device = output_device(pin, on, factory)
        self._devices.append(device)
        return device

    def _input(self, pin: int, factory: Any, wake: Callable[[], None]) -> Any:
        device = input_device(pin, factory)
        device.when_activated = wake
        device.when_deactivated = wake
        self._devices.append(device)
        return device

    def _sample(self, name: Input, now: MonotonicMs) -> list[DoorEvent]:
        # ``is_active`` of a pulled-up device is "low".
        raw = bool(self._inputs[name].is_active) == _ACTIVE_AT_LOW[name]
        before = self._settled.get(name)
        after = Debounce(raw) if before is None else before.sample(raw, now)
        self._settled[name] = after
        if name == "rex" and not raw and before is not None and before.unwatched(raw, now):
            # Pressed and let go while this process did not run: in doubt whoever wants to leave does.
            return [*self._pressed(now), Moved(self._pins.id, name, False, now)]
        if before is not None and before.stable == after.stable:
            return []
        if name == "rex" and after.stable:
            return self._pressed(now)
        return [Moved(self._pins.id, name, after.stable, now)]

    def _pressed(self, now: MonotonicMs) -> list[DoorEvent]:
        """The exit button: the door opens at once, whatever the daemon says."""
        until = MonotonicMs(now + int(self._pins.release_s * 1000))
        return [Moved(self._pins.id, "rex", True, now), *self.release_exit(until, now)]

    def _drive(self, now: MonotonicMs) -> list[DoorEvent]:
        entry = self._lease.entry
        self._lease = self._lease.at(now)
        unlocked = self._lease.released(now)
        if unlocked == self._unlocked:
            return []
        self._strike.value = unlocked == (self._pins.fail == "secure")
        self._unlocked = unlocked
        self._read_back = self._read_back.commanded()
        return [Driven(self._pins.id, "unlocked" if unlocked else "locked", entry, now)]

    def _judge_bolt(self, now: MonotonicMs) -> list[DoorEvent]:
        bolt = self._settled.get("bolt")
        if bolt is None:
            return []
        before = self._read_back
        self._read_back = before.check(bolt.stable == (not self._unlocked), now)
        if self._read_back.faulty == before.faulty:
            return []
        return [LockFault(self._pins.id, "bolt_not_following", self._read_back.faulty, now)]

    def _show(self, now: MonotonicMs, idle: Light) -> None:
        if self._indication is not None and now >= self._indication.until:
            self._indication = None
        light = idle if self._indication is None else self._indication.light
        for colour, lamp in self._lamps.items():
            if bool(lamp.value) != (colour is light):
                lamp.value = colour is light
        sounds = self._indication is not None and self._indication.sounds(now)
        if self._buzzer is not None and bool(self._buzzer.value) != sounds:
            self._buzzer.value = sounds
