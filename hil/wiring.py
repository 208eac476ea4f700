"""The wires of the virtual site: strikes, magnets, bolts, contacts, buttons, lamps and sirens behind a unix socket.

Lives in the site's process and outlives every gateway: when a gateway hangs up, is killed or is cut off, its output
pins float, and each lock and siren falls to its fail state, as on metal. The protocol is in
``drivers/lock/wired_pins.py``. Physics kept: a door opens only when its lock is open, by the inside handle, or by
force; a shut door with its lock closed is shut.
"""

import json
import select
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Lock, Thread
from typing import Literal

from edge.core.readings import MonotonicMs
from edge.host.system_clock import monotonic_ms, sleep
from edge.ports.errors import RefusedError

_PATH_BYTES_MAX = 107
"""sun_path of unix(7), less its end."""

_LINE_BYTES_MAX = 4_096
_CONNECTIONS_MAX = 8
_HISTORY_MAX = 20_000
_SEND_S = 1.0
_EVER = MonotonicMs(0)

Lapse = Literal["sounding", "quiet"]


@dataclass(frozen=True, slots=True)
class WiredDoor:
    """Which wire of a door ends at which GPIO (BCM), and its fail state without power."""

    id: str
    fail: Literal["secure", "safe"]
    strike_pin: int
    contact_pin: int
    rex_pin: int
    green_pin: int
    red_pin: int
    amber_pin: int
    bolt_pin: int | None = None
    fire_pin: int | None = None
    buzzer_pin: int | None = None


@dataclass(frozen=True, slots=True)
class WiredSiren:
    """A siren; ``lapse`` is what it does without power."""

    area: str
    pin: int
    lapse: Lapse = "sounding"


@dataclass(frozen=True, slots=True)
class WireChange:
    """Something on the site changed: ``what`` of ``where`` (a door or an area) is ``now``.

    lock: locked, unlocked · bolt: locked, unlocked (differs from lock when stuck) · door: shut, open ·
    light: green, red, amber, off · buzzer: on, off · siren: sounding, quiet · rex: pressed, let_go · fire: on, off
    """

    at: MonotonicMs
    where: str
    what: str
    now: str


@dataclass(frozen=True, slots=True)
class DoorState:
    """How a door is now. ``lock`` is what power and fail state make of it; ``bolt`` what really holds."""

    lock: str
    bolt: str
    door: str
    light: str
    buzzer: str
    rex: str
    fire: str
    powered: bool


@dataclass(slots=True)
class _Physical:
    """The parts of one door that move."""

    wires: WiredDoor
    open: bool = False
    bolt_thrown: bool = True
    bolt_stuck: bool = False
    contact_cut: bool = False
    rex: bool = False
    fire: bool = False
    shown: dict[str, str] = field(default_factory=dict)


class Wiring:
    """The server. ``close`` it, or use it in a ``with``. Methods may be called from any thread.

    ``witness`` is told of every change of a lock before it takes effect; the site stands still meanwhile. Raises
    ``RefusedError`` for a path that cannot be a socket, two wires on one pin, or an unknown door.
    """

    def __init__(
        self,
        path: str | Path,
        doors: Sequence[WiredDoor],
        sirens: Sequence[WiredSiren] = (),
        witness: Callable[[WireChange], None] | None = None,
    ) -> None:
        self._path, self._witness = Path(path), witness
        self._doors = {door.id: _Physical(door) for door in doors}
        self._sirens = {siren.area: siren for siren in sirens}
        _refuse_shared_pins(doors, sirens)
        self._levels: dict[int, int] = {}
        self._owner: dict[int, socket.socket] = {}
        self._watched: dict[int, tuple[socket.socket, int]] = {}
        self._siren_shown: dict[str, str] = {}
        self._history: deque[WireChange] = deque(maxlen=_HISTORY_MAX)
        self._changed = Condition(Lock())
        self._connections: dict[socket.socket, Thread] = {}
        self._closed = False
        with self._changed:
            self._settle()
        self._server = _listen_at(self._path)
        self._thread = Thread(target=self._accept, name="wiring", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Wiring":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up everybody and remove the socket. May be called twice."""
        with self._changed:
            self._closed = True
            connections = dict(self._connections)
        for connection in (self._server, *connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(_SEND_S * 2)
        for thread in connections.values():
            thread.join(_SEND_S * 2)
        self._server.close()
        self._path.unlink(missing_ok=True)

    def push(self, door: str, from_inside: bool = False) -> bool:
        """Push or pull the door; whether it is open afterwards. The inside handle of a strike always opens."""
        with self._moving(door) as physical:
            handle = from_inside and physical.wires.fail == "secure"
            physical.open = physical.open or handle or not physical.bolt_thrown
            return physical.open

    def shut(self, door: str) -> None:
        """Shut the door; a strike's latch snaps in."""
        with self._moving(door) as physical:
            physical.open = False

    def force(self, door: str) -> None:
        """Open the door whatever its lock does."""
        with self._moving(door) as physical:
            physical.open = True

    def press_rex(self, door: str, held_s: float = 0.15) -> None:
        """Press the exit button that long; returns when it is let go."""
        with self._moving(door) as physical:
            physical.rex = True
        sleep(held_s)
        with self._moving(door) as physical:
            physical.rex = False

    def set_fire(self, door: str, on: bool) -> None:
        """The fire panel's line to this door."""
        with self._moving(door) as physical:
            physical.fire = on

    def stick_bolt(self, door: str, on: bool = True) -> None:
        """Fault ``stuck_bolt``: the bolt stays where it is, whatever the lock is told."""
        with self._moving(door) as physical:
            physical.bolt_stuck = on

    def cut_contact_line(self, door: str, on: bool = True) -> None:
        """Fault ``contact_line_open``: the contact's wire is cut, and reads as an open door."""
        with self._moving(door) as physical:
            physical.contact_cut = on

    def state(self, door: str) -> DoorState:
        """How the door is now."""
        with self._changed:
            physical = self._physical(door)
            return DoorState(**physical.shown, powered=physical.wires.strike_pin in self._levels)

    def siren(self, area: str) -> str:
        """``sounding`` or ``quiet``."""
        with self._changed:
            if area not in self._siren_shown:
                raise RefusedError(f"wiring: no siren in area {area!r}")
            return self._siren_shown[area]

    def history(self, since: MonotonicMs = _EVER) -> list[WireChange]:
        """All changes from then on, oldest first; the last 20,000 are kept."""
        with self._changed:
            return [change for change in self._history if change.at >= since]

    def wait_for(
        self, where: str, what: str, now: str | tuple[str, ...], *, within_s: float, since: MonotonicMs = _EVER
    ) -> WireChange | None:
        """The first such change from ``since`` on, of several ``now`` to any; None when none came within that time."""
        wanted = (now,) if isinstance(now, str) else now

        def found() -> WireChange | None:
            fits = (c for c in self._history if c.at >= since and (c.where, c.what) == (where, what))
            return next((c for c in fits if c.now in wanted), None)

        with self._changed:
            return self._changed.wait_for(found, within_s)

    @contextmanager
    def _moving(self, door: str) -> Iterator[_Physical]:
        with self._changed:
            yield self._physical(door)
            self._settle()

    def _physical(self, door: str) -> _Physical:
        physical = self._doors.get(door)
        if physical is None:
            raise RefusedError(f"wiring: no door {door!r}; there are {', '.join(sorted(self._doors))}")
        return physical

    def _settle(self) -> None:
        """Let every part follow its wires, note what changed, and tell the inputs. Under the lock."""
        now = monotonic_ms()
        for name, physical in self._doors.items():
            shown = self._follow(physical)
            self._note(now, name, physical.shown, shown)
        self._note_sirens(now)
        for pin, (connection, told) in list(self._watched.items()):
            level = self._input_level(pin)
            if level != told:
                self._watched[pin] = (connection, level)
                _tell(connection, pin, level)
        self._changed.notify_all()

    def _follow(self, physical: _Physical) -> dict[str, str]:
        wires = physical.wires
        energised = self._levels.get(wires.strike_pin) == 1
        unlocked = energised == (wires.fail == "secure")
        if not physical.bolt_stuck:
            physical.bolt_thrown = not unlocked
        lamps = {"green": wires.green_pin, "red": wires.red_pin, "amber": wires.amber_pin}
        lit = [colour for colour, pin in lamps.items() if self._levels.get(pin) == 1]
        buzzing = wires.buzzer_pin is not None and self._levels.get(wires.buzzer_pin) == 1
        return {
            "lock": "unlocked" if unlocked else "locked",
            "bolt": "locked" if physical.bolt_thrown else "unlocked",
            "door": "open" if physical.open else "shut",
            "light": "+".join(lit) or "off",
            "buzzer": "on" if buzzing else "off",
            "rex": "pressed" if physical.rex else "let_go",
            "fire": "on" if physical.fire else "off",
        }

    def _note(self, at: MonotonicMs, where: str, shown: dict[str, str], follows: Mapping[str, str]) -> None:
        for what, now in follows.items():
            if shown.get(what) != now:
                change = WireChange(at, where, what, now)
                if what == "lock" and self._witness is not None:
                    self._witness(change)
                shown[what] = now
                self._history.append(change)

    def _note_sirens(self, at: MonotonicMs) -> None:
        for area, siren in self._sirens.items():
            energised = self._levels.get(siren.pin) == 1
            sounding = energised != (siren.lapse == "sounding")
            now = "sounding" if sounding else "quiet"
            if self._siren_shown.get(area) != now:
                self._siren_shown[area] = now
                self._history.append(WireChange(at, area, "siren", now))

    def _input_level(self, pin: int) -> int:
        """Loops to ground against a pull-up: 1 is an open loop. A pin with nothing on it is pulled up."""
        for physical in self._doors.values():
            wires = physical.wires
            if pin == wires.contact_pin:
                return int(physical.open or physical.contact_cut)
            if pin == wires.bolt_pin:
                return int(not physical.bolt_thrown)
            if pin == wires.rex_pin:
                return int(not physical.rex)
            if pin == wires.fire_pin:
                return int(physical.fire)
        return 1

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                connection.settimeout(_SEND_S)
                self._admit(connection)

    def _admit(self, connection: socket.socket) -> None:
        thread = Thread(target=self._serve, args=(connection,), name="wiring-gateway", daemon=True)
        with self._changed:
            if self._closed or len(self._connections) >= _CONNECTIONS_MAX:
                connection.close()
                return
            self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        """One gateway, until it hangs up or talks nonsense; then its pins float."""
        waiting = b""
        with suppress(OSError, ValueError):
            while True:
                select.select([connection], [], [])
                data = connection.recv(_LINE_BYTES_MAX)
                *lines, waiting = (waiting + data).split(b"\n")
                if not data or len(waiting) > _LINE_BYTES_MAX:
                    break
                for line in lines:
                    self._take(connection, json.loads(line))
        with self._changed:
            for pin in [pin for pin, owner in self._owner.items() if owner is connection]:
                self._free(pin)
            self._connections.pop(connection, None)
            self._settle()
        connection.close()

    def _take(self, connection: socket.socket, message: object) -> None:
        """One line of a gateway. Raises ``ValueError`` for one that says nothing."""
        if not isinstance(message, dict) or not isinstance(message.get("pin"), int):
            raise ValueError("no pin")
        pin: int = message["pin"]
        with self._changed:
            match message:
                case {"mode": "output", "level": 0 | 1 as level}:
                    self._free(pin)
                    self._owner[pin], self._levels[pin] = connection, level
                case {"mode": "input"}:
                    self._free(pin)
                    level = self._input_level(pin)
                    self._owner[pin], self._watched[pin] = connection, (connection, level)
                    _tell(connection, pin, level)
                case {"mode": "free"}:
                    if self._owner.get(pin) is connection:
                        self._free(pin)
                case {"level": 0 | 1 as level} if self._owner.get(pin) is connection and pin in self._levels:
                    self._levels[pin] = level
                case _:
                    raise ValueError("no order for a pin of yours")
            self._settle()

    def _free(self, pin: int) -> None:
        self._owner.pop(pin, None)
        self._levels.pop(pin, None)
        self._watched.pop(pin, None)


def _tell(connection: socket.socket, pin: int, level: int) -> None:
    """A gateway that does not read within a second has a cut wire; its own thread will notice the hang-up."""
    try:
        connection.sendall(json.dumps({"pin": pin, "level": level}).encode() + b"\n")
    except OSError:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _listen_at(path: Path) -> socket.socket:
    if len(str(path).encode()) > _PATH_BYTES_MAX:
        raise RefusedError(f"wiring: {path}: over {_PATH_BYTES_MAX} bytes; choose a shorter directory")
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.bind(str(path))
        path.chmod(0o600)
        server.listen(_CONNECTIONS_MAX)
    except OSError as error:
        server.close()
        raise RefusedError(f"wiring: {path}: {error.strerror}; the directory must exist and be writable") from error
    return server


def _refuse_shared_pins(doors: Sequence[WiredDoor], sirens: Sequence[WiredSiren]) -> None:
    taken: dict[int, str] = {}
    names = ("strike_pin", "contact_pin", "rex_pin", "green_pin", "red_pin", "amber_pin", "bolt_pin", "fire_pin")
    wires = [(f"{door.id}.{name}", getattr(door, name)) for door in doors for name in (*names, "buzzer_pin")]
    wires += [(f"{siren.area}.siren", siren.pin) for siren in sirens]
    for name, pin in wires:
        if pin is not None and taken.setdefault(pin, name) != name:
            raise RefusedError(f"wiring: {name} and {taken[pin]} both at GPIO{pin}")
