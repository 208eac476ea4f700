"""gpiozero pins whose wires end in another process, over a unix socket: for a gateway without metal.

One JSON object a line. To the wiring: ``{"pin":17,"mode":"output","level":1}`` claims an output with its first
level, ``{"pin":17,"level":0}`` sets it, ``{"pin":27,"mode":"input","pull":"up"}`` claims an input,
``{"pin":17,"mode":"free"}`` gives a pin up. From the wiring: ``{"pin":27,"level":0}``, at once for a claimed input and
then at each change. Whoever hangs up leaves his pins floating, as on metal.
"""

import json
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread

from gpiozero.exc import PinFixedPull, PinInvalidFunction, PinInvalidPull, PinSetInput
from gpiozero.pins.pi import PiFactory, PiPin

from edge.ports.devices import MonotonicClock
from edge.ports.errors import DeviceError

_BOARD_REVISION = 0xA02082
"""The pins exist as on a Raspberry Pi 3B; any 40-pin board has the same."""

_ANSWER_S = 2.0
_LINE_BYTES_MAX = 4_096
_PULLS = ("floating", "up", "down")


class WiredPin(PiPin):  # type: ignore[misc]
    """One pin; made by the factory only."""

    def __init__(self, factory: "WiredFactory", info: object) -> None:
        super().__init__(factory, info)
        self._mode = "input"
        self._wanted_pull = "floating"
        self._level = False
        self._watching = False

    @property
    def gpio(self) -> int:
        """The GPIO number, as on the wire."""
        number: int = self._number
        return number

    def close(self) -> None:
        """Give the pin up: it floats."""
        self.when_changed = None
        self._mode, self._wanted_pull = "input", "floating"
        self._factory.say({"pin": self.gpio, "mode": "free"}, must=False)

    def output_with_state(self, state: bool) -> None:
        """Direction and first level in one word: no blip."""
        self._mode, self._level = "output", bool(state)
        self._factory.say({"pin": self.gpio, "mode": "output", "level": int(self._level)})

    def input_with_pull(self, pull: str) -> None:
        """Make it an input and wait for the level that is there."""
        self._mode = "input"
        self._set_pull(pull)

    def take_level(self, level: bool) -> None:
        """The wiring says that the level is now this. Runs in the factory's thread."""
        changed, self._level = level != self._level, level
        if changed and self._watching and self._mode == "input":
            with self._when_changed_lock:
                if self._when_changed is not None:
                    self._call_when_changed(self._factory.ticks(), level)

    def _get_function(self) -> str:
        return self._mode

    def _set_function(self, value: str) -> None:
        if value == "output":
            self.output_with_state(False)
        elif value == "input":
            if self._mode != "input":
                self._mode, self._wanted_pull = "input", "floating"
                self._factory.say({"pin": self.gpio, "mode": "free"})
        else:
            raise PinInvalidFunction(f'invalid function "{value}" for pin {self!r}')

    def _get_state(self) -> int:
        self._factory.check()
        return int(self._level)

    def _set_state(self, value: float) -> None:
        if self._mode != "output":
            raise PinSetInput(f"cannot set state of pin {self!r}")
        self._level = bool(value)
        self._factory.say({"pin": self.gpio, "level": int(self._level)})

    def _get_pull(self) -> str:
        return self._wanted_pull

    def _set_pull(self, value: str) -> None:
        if self._mode != "input":
            raise PinFixedPull(f"cannot set pull on non-input pin {self!r}")
        if value not in _PULLS:
            raise PinInvalidPull(f'invalid pull "{value}" for pin {self!r}')
        self._wanted_pull = value
        self._factory.claim_input(self.gpio, value)

    def _get_bounce(self) -> None:
        return None

    def _set_bounce(self, value: float | None) -> None:
        """Only None: contacts are settled by ``drivers.lock.debounce``."""
        if value is not None:
            raise PinInvalidFunction(f"pin {self!r} has no bounce time")

    def _get_edges(self) -> str:
        return "both"

    def _set_edges(self, value: str) -> None:
        if value != "both":
            raise PinInvalidFunction(f"pin {self!r} watches both edges")

    def _enable_event_detect(self) -> None:
        self._watching = True

    def _disable_event_detect(self) -> None:
        self._watching = False


class WiredFactory(PiFactory):  # type: ignore[misc]
    """Connects at once; raises ``DeviceError`` when nobody listens.

    ``on_lost`` runs once, in the factory's thread, when the wiring hangs up; from then on each use raises
    ``DeviceError``. ``clock`` only orders events.
    """

    def __init__(self, path: str, clock: MonotonicClock, on_lost: Callable[[], None]) -> None:
        super().__init__()
        self.pin_class = WiredPin
        self._path = path
        self._clock = clock
        self._on_lost = on_lost
        self._lost: str | None = None
        self._answers: dict[int, bool] = {}
        self._answered = Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_ANSWER_S)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise DeviceError(f"pins wired:{path}: nobody listens there ({error}); start `permitgate site`") from error
        self._thread = Thread(target=self._listen, name="wired-pins", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let every pin float and hang up. May be called twice."""
        super().close()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(_ANSWER_S)
        self._socket.close()

    def ticks(self) -> int:
        """Milliseconds of the clock that was handed in."""
        return self._clock()

    def ticks_diff(self, later: int, earlier: int) -> float:
        """Seconds between two ``ticks``."""
        return (later - earlier) / 1000

    def check(self) -> None:
        """Raise ``DeviceError`` if the wiring is gone."""
        if self._lost is not None:
            raise DeviceError(f"pins wired:{self._path}: {self._lost}")

    def say(self, message: dict[str, object], must: bool = True) -> None:
        """One line to the wiring; with ``must`` a lost wiring raises ``DeviceError``."""
        try:
            self.check()
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            self._lost = self._lost or f"cannot be written: {error}"
            if must:
                raise DeviceError(f"pins wired:{self._path}: {self._lost}") from error
        except DeviceError:
            if must:
                raise

    def claim_input(self, gpio: int, pull: str) -> None:
        """Make a pin an input and wait, at most 2 s, for its level."""
        with self._answered:
            self._answers.pop(gpio, None)
        self.say({"pin": gpio, "mode": "input", "pull": pull})
        with self._answered:
            if not self._answered.wait_for(lambda: gpio in self._answers or self._lost is not None, _ANSWER_S):
                raise DeviceError(f"pins wired:{self._path}: no level for GPIO{gpio} within {_ANSWER_S:g} s")
        self.check()

    def _get_revision(self) -> int:
        return _BOARD_REVISION

    def _listen(self) -> None:
        waiting = b""
        try:
            while True:
                select.select([self._socket], [], [])
                data = self._socket.recv(_LINE_BYTES_MAX)
                if not data:
                    raise DeviceError("the wiring hung up")
                *lines, waiting = (waiting + data).split(b"\n")
                if len(waiting) > _LINE_BYTES_MAX:
                    raise DeviceError(f"the wiring sent a line over {_LINE_BYTES_MAX} bytes")
                for line in lines:
                    self._take(line)
        except (OSError, ValueError, DeviceError) as error:
            with self._answered:
                self._lost = self._lost or str(error)
                self._answered.notify_all()
        self._on_lost()

    def _take(self, line: bytes) -> None:
        message = json.loads(line)
        if not isinstance(message, dict):
            raise DeviceError("the wiring sent a line that is no object")
        gpio, level = message.get("pin"), message.get("level")
        if not isinstance(gpio, int) or level not in (0, 1):
            raise DeviceError(f"the wiring sent no pin and level: {line[:80]!r}")
        pin: WiredPin | None = next((known for known in list(self.pins.values()) if known.gpio == gpio), None)
        if pin is not None:
            pin.take_level(bool(level))
        with self._answered:
            self._answers[gpio] = bool(level)
            self._answered.notify_all()
