"""The actuators process: owns every output and holds the leases, on its own clock.

``python -m edge.app.actuators``, started by the daemon; frames on standard input and output. When the daemon hangs, the
leases end here; when it is gone, everything goes to rest at once and this process ends. The way out never depends on
the daemon: the exit button is served here.
"""

import os
import select
import signal
import sys
from dataclasses import fields
from typing import Any, NoReturn

from drivers.lock.door import Door, DoorEvent, Driven, LockFault, Moved
from drivers.lock.door_pins import DoorPins
from drivers.lock.indicate import Buzzer, Indication, Light
from drivers.lock.lease import STANDING_LAPSE_MS, StandingLease
from drivers.lock.pin_factory import build_pin_factory
from drivers.lock.siren import Siren
from edge.core.readings import MonotonicMs
from edge.host.system_clock import monotonic_ms
from edge.ports.errors import PermitgateError, RefusedError
from edge.runtime.frames import FrameError, Message, ParentPipe, PipeEnded

_BEAT_MS = 500


class Outputs:
    """All doors and sirens of one gateway. One thread; time is an argument.

    Raises ``RefusedError`` for a set-up that is none, ``DeviceError`` when a pin fails.
    """

    def __init__(self, setup: Message, factory: Any, wake: Any, now: MonotonicMs) -> None:
        lapse_ms = _integer(setup.get("standing_lapse_ms", STANDING_LAPSE_MS), "standing_lapse_ms")
        if not 100 <= lapse_ms <= STANDING_LAPSE_MS:
            raise RefusedError(f"set-up: standing_lapse_ms {lapse_ms}: 100 to {STANDING_LAPSE_MS}")
        self._standing = StandingLease(now, lapse_ms)
        self._lapsed = False
        self._doors: dict[str, Door] = {}
        for item in _objects(setup, "doors"):
            pins = _door_pins(item)
            self._doors[pins.id] = Door(pins, factory, wake)
        self._sirens: dict[str, Siren] = {}
        for item in _objects(setup, "sirens"):
            area, lapse = _text(item.get("area"), "siren area"), item.get("lapse", "sounding")
            if lapse != "sounding" and lapse != "quiet":
                raise RefusedError(f'set-up: siren {area}: lapse {lapse!r}: "sounding" or "quiet"')
            self._sirens[area] = Siren(area, _integer(item.get("pin"), "siren pin"), lapse, factory)

    def take(self, message: Message, now: MonotonicMs) -> list[DoorEvent]:
        """Do what a frame of the daemon says. Raises ``RefusedError`` for one that says nothing we know."""
        match message.get("k"):
            case "unlock":
                return self._unlock(message, now)
            case "release_exit":
                return self._door(message).release_exit(_moment(message, "until_ms"), now)
            case "lock":
                return self._door(message).lock(now)
            case "indicate":
                self._door(message).indicate(_indication(message, now))
            case "standing":
                self._renew(message, now)
            case other:
                raise RefusedError(f"frame: unknown kind {other!r}")
        return []

    def step(self, now: MonotonicMs) -> list[DoorEvent]:
        """Sample every input, end every lease that is over, drive every output."""
        events: list[DoorEvent] = []
        self._lapsed = self._standing.lapsed(now)
        for door in self._doors.values():
            if self._lapsed:
                events += door.lock(now)
            events += door.step(now, Light.RED if self._lapsed else Light.OFF)
        for siren in self._sirens.values():
            siren.drive(self._lapsed)
        return events

    def wait_ms(self, now: MonotonicMs, most_ms: int) -> int:
        """How long nothing is due, at most that."""
        moments = [door.due(now) for door in self._doors.values()]
        if not self._lapsed:
            moments.append(self._standing.due())
        soonest = min((moment for moment in moments if moment is not None), default=now + most_ms)
        return max(0, min(most_ms, soonest - now))

    def rest(self) -> None:
        """The daemon is gone: lock, sirens to their lapsed state, pins floating."""
        for siren in self._sirens.values():
            siren.drive(lapsed=True)
        for door in self._doors.values():
            door.rest()
        for door in self._doors.values():
            door.close()
        for siren in self._sirens.values():
            siren.close()

    def _door(self, message: Message) -> Door:
        name = message.get("door")
        door = self._doors.get(name) if isinstance(name, str) else None
        if door is None:
            raise RefusedError(f"frame: unknown door {name!r}")
        return door

    def _unlock(self, message: Message, now: MonotonicMs) -> list[DoorEvent]:
        door, entry = self._door(message), _integer(message.get("entry"), "entry")
        until = _moment(message, "until_ms")
        if self._standing.lapsed(now):
            # ``step`` would lock again at once: no pulse on the lock for a daemon that has not vouched since its hang.
            return [LockFault(door.id, "unlock_unvouched", True, now)]
        return door.unlock(entry, until, now)

    def _renew(self, message: Message, now: MonotonicMs) -> None:
        wanted = message.get("sirens")
        if not isinstance(wanted, dict):
            raise RefusedError("frame: standing without sirens")
        self._standing = self._standing.renew(_moment(message, "at_ms"), now)
        for area, siren in self._sirens.items():
            siren.want(wanted.get(area) is True)


def event_frame(event: DoorEvent) -> Message:
    """How an event is told to the daemon."""
    match event:
        case Moved():
            moved = {"input": event.input, "active": event.active}
            return {"k": "moved", "door": event.door, **moved, "at_ms": event.at}
        case LockFault():
            return {"k": "fault", "door": event.door, "what": event.what, "active": event.active, "at_ms": event.at}
        case Driven():
            return {"k": "done", "door": event.door, "what": event.what, "entry": event.entry, "at_ms": event.at}


def main() -> int:
    """Serve until the daemon is gone. Exit code 0: it was; 3: pins, set-up or pipe failed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    pipe = ParentPipe.standard()
    try:
        _serve(pipe)
    except PipeEnded:
        return 0
    except PermitgateError as error:
        sys.stderr.write(f"actuators: {error}\n")
        return 3
    finally:
        pipe.end()


def _serve(pipe: ParentPipe) -> NoReturn:
    setup, rest = _await_setup(pipe)
    waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    factory = build_pin_factory(
        _text(setup.get("pins"), "pins"), setup.get("simulate") is True, monotonic_ms, lambda: _wake(waker)
    )
    try:
        outputs = Outputs(setup, factory, lambda: _wake(waker), monotonic_ms())
        try:
            _loop(pipe, outputs, waker, rest)
        finally:
            outputs.rest()
    finally:
        factory.close()
        os.close(waker)


def _loop(pipe: ParentPipe, outputs: Outputs, waker: int, messages: list[Message]) -> NoReturn:
    beat_at = monotonic_ms()
    while True:
        events = [event for message in messages for event in _take(outputs, message)]
        now = monotonic_ms()
        for event in events + outputs.step(now):
            pipe.send(event_frame(event))
        if now >= beat_at:
            pipe.send({"k": "beat"})
            beat_at = MonotonicMs(now + _BEAT_MS)
        wait_ms = outputs.wait_ms(now, max(0, beat_at - now))
        ready, _, _ = select.select([pipe.input_descriptor, waker], [], [], wait_ms / 1000)
        if waker in ready:
            os.eventfd_read(waker)
        messages = pipe.receive(0)


def _take(outputs: Outputs, message: Message) -> list[DoorEvent]:
    """A frame that we cannot follow is told on standard error and costs nothing else."""
    try:
        return outputs.take(message, monotonic_ms())
    except RefusedError as error:
        sys.stderr.write(f"actuators: {error}\n")
        return []


def _await_setup(pipe: ParentPipe) -> tuple[Message, list[Message]]:
    while True:
        messages = pipe.receive(_BEAT_MS / 1000)
        if messages:
            break
        pipe.send({"k": "beat"})
    if messages[0].get("k") != "setup":
        raise FrameError("the first frame is not the set-up")
    return messages[0], messages[1:]


def _wake(waker: int) -> None:
    try:
        os.eventfd_write(waker, 1)
    except OSError as error:
        # Only after the end, when a last edge comes while the pins are being closed.
        sys.stderr.write(f"actuators: edge after the end: {error}\n")


def _end(_signal: int, _frame: object) -> NoReturn:
    raise PipeEnded("asked to end")


def _door_pins(item: Message) -> DoorPins:
    known = {field.name for field in fields(DoorPins)}
    if unknown := sorted(set(item) - known):
        raise RefusedError(f"set-up: door {item.get('id')!r}: unknown {', '.join(unknown)}")
    fail, release_s = item.get("fail"), item.get("release_s", 5.0)
    if fail != "secure" and fail != "safe":
        raise RefusedError(f'set-up: door {item.get("id")!r}: fail {fail!r}: "secure" or "safe"')
    if isinstance(release_s, bool) or not isinstance(release_s, int | float) or not 0 < release_s <= 60:
        raise RefusedError(f"set-up: door {item.get('id')!r}: release_s {release_s!r}: above 0, at most 60")
    needed = ("strike_pin", "contact_pin", "rex_pin", "green_pin", "red_pin", "amber_pin")
    optional = ("bolt_pin", "fire_pin", "buzzer_pin")
    pins = {name: _integer(item.get(name), name) for name in needed}
    pins |= {name: _integer(item[name], name) for name in optional if item.get(name) is not None}
    return DoorPins(id=_text(item.get("id"), "door id"), fail=fail, release_s=float(release_s), **pins)


def _indication(message: Message, now: MonotonicMs) -> Indication:
    try:
        light, buzzer = Light(message.get("light")), Buzzer(message.get("buzzer"))
    except ValueError as error:
        raise RefusedError(f"frame: indicate: {error}") from error
    return Indication(light, buzzer, now, _moment(message, "until_ms"))


def _objects(message: Message, key: str) -> list[Message]:
    items = message.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise RefusedError(f"set-up: {key} is no list of objects")
    return items


def _integer(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RefusedError(f"frame: {what} {value!r} is no whole number")
    return value


def _moment(message: Message, key: str) -> MonotonicMs:
    return MonotonicMs(_integer(message.get(key), key))


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise RefusedError(f"frame: {what} {value!r} is no text")
    return value


if __name__ == "__main__":
    sys.exit(main())
