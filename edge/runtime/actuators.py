"""The daemon's side of the actuators process: plain values to frames, frames to callbacks. It decides nothing."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from drivers.lock.door_pins import DoorPins
from edge.core.readings import MonotonicMs
from edge.ports.devices import MonotonicClock
from edge.runtime.child import BackOff, ChildProcess
from edge.runtime.frames import FrameError, Message

ACTUATORS_ARGV = (sys.executable, "-P", "-m", "edge.app.actuators")
SILENCE_S = 2.0
"""It beats each 0.5 s; leases end on its clock, so a hung one must not be kept long."""


@dataclass(frozen=True, slots=True)
class SirenPin:
    """The siren of an area; ``lapse`` is its state while nobody vouches for the gateway."""

    area: str
    pin: int
    lapse: Literal["sounding", "quiet"] = "sounding"


@dataclass(frozen=True, slots=True)
class OutputsSetup:
    """Everything the actuators process must know. ``pins`` is ``lgpio`` or ``wired:PATH`` (only with ``simulate``)."""

    pins: str
    simulate: bool
    doors: Sequence[DoorPins]
    sirens: Sequence[SirenPin]
    standing_lapse_ms: int = 3_000

    def frame(self) -> Message:
        """The set-up frame."""
        return {
            "k": "setup",
            "pins": self.pins,
            "simulate": self.simulate,
            "doors": [asdict(door) for door in self.doors],
            "sirens": [asdict(siren) for siren in self.sirens],
            "standing_lapse_ms": self.standing_lapse_ms,
        }


@dataclass(frozen=True, slots=True)
class ActuatorsEvents:
    """Who is told. All but ``on_lost`` run in the child's reader thread and must be quick: put it in a queue.

    ``on_input(door, input, active, at)``: input is contact (active = open), bolt (thrown), rex (pressed) or fire; each
    is told once after every start of the process. ``on_done(door, what, entry, at)``: the lock was driven, what is
    unlocked or locked. ``on_fault(door, what, active)``: bolt_not_following, unlock_late or unlock_unvouched.
    ``on_lost(why)``: in the thread that ticks; all doors are locked by then, or will be when their lease ends.
    """

    on_input: Callable[[str, str, bool, MonotonicMs], None]
    on_done: Callable[[str, str, int | None, MonotonicMs], None]
    on_fault: Callable[[str, str, bool], None]
    on_lost: Callable[[str], None]


class Actuators:
    """Commands to doors and sirens. Nothing here waits; each answer says whether the frame was handed over."""

    def __init__(self, setup: OutputsSetup, clock: MonotonicClock, events: ActuatorsEvents) -> None:
        self._setup = setup.frame()
        self._events = events
        self.child = ChildProcess(
            "actuators",
            ACTUATORS_ARGV,
            clock,
            self._take,
            events.on_lost,
            silence_s=SILENCE_S,
            on_started=self._begin,
            back_off=BackOff(),
        )

    def tick(self, now: MonotonicMs) -> None:
        """Look after the process; call it a few times in a second."""
        self.child.tick(now)

    def stop(self) -> None:
        """End the process: doors lock, sirens go to their lapsed state."""
        self.child.stop()

    def unlock(self, door: str, entry: int, until: MonotonicMs) -> bool:
        """Unlock for entry until then, on the ground of that journal entry."""
        return self.child.send({"k": "unlock", "door": door, "entry": entry, "until_ms": until})

    def release_exit(self, door: str, until: MonotonicMs) -> bool:
        """Unlock for exit until then."""
        return self.child.send({"k": "release_exit", "door": door, "until_ms": until})

    def lock(self, door: str) -> bool:
        """End every release for entry of this door."""
        return self.child.send({"k": "lock", "door": door})

    def indicate(self, door: str, light: str, buzzer: str, until: MonotonicMs) -> bool:
        """Light green, red, amber or off; buzzer none, ok, refused or alarm; until then."""
        frame = {"k": "indicate", "door": door, "light": light, "buzzer": buzzer, "until_ms": until}
        return self.child.send(frame)

    def standing(self, sirens: Mapping[str, bool], at: MonotonicMs) -> bool:
        """Vouch for the gateway as of ``at`` and say which areas' sirens sound (others are quiet); each 1 s."""
        return self.child.send({"k": "standing", "sirens": dict(sirens), "at_ms": at})

    def _begin(self) -> None:
        self.child.send(self._setup)

    def _take(self, message: Message) -> None:
        match message:
            case {"k": "moved", "door": str(door), "input": str(name), "active": bool(active), "at_ms": int(at)}:
                self._events.on_input(door, name, active, MonotonicMs(at))
            case {"k": "done", "door": str(door), "what": str(what), "entry": int() | None as entry, "at_ms": int(at)}:
                self._events.on_done(door, what, entry, MonotonicMs(at))
            case {"k": "fault", "door": str(door), "what": str(what), "active": bool(active)}:
                self._events.on_fault(door, what, active)
            case _:
                raise FrameError(f"actuators: a message that is none: {str(message)[:120]}")
