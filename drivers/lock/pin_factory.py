"""The pin factory by configuration: ``lgpio`` on a board, ``wired:PATH`` to the virtual site's process."""

import importlib
import warnings
from collections.abc import Callable
from typing import Any

from gpiozero import DigitalInputDevice, DigitalOutputDevice
from gpiozero.exc import GPIOZeroError

from drivers.lock.wired_pins import WiredFactory
from edge.ports.devices import MonotonicClock
from edge.ports.errors import DeviceError, RefusedError

_WIRED = "wired:"


def build_pin_factory(pins: str, simulate: bool, clock: MonotonicClock, on_lost: Callable[[], None]) -> Any:
    """A gpiozero pin factory; close it at the end.

    Raises ``DeviceError`` when the pins cannot be had now, ``RefusedError`` for an unknown name or wired pins without
    ``simulate``.
    """
    if pins.startswith(_WIRED):
        if not simulate:
            raise RefusedError(f'pins "{pins}": wired pins need simulate = true; a real door needs "lgpio"')
        return WiredFactory(pins.removeprefix(_WIRED), clock, on_lost)
    if pins == "lgpio":
        return _lgpio_factory()
    raise RefusedError(f'pins "{pins}": unknown; one of "lgpio", "wired:PATH"')


def output_device(pin: int, on: bool, factory: Any) -> Any:
    """An output that has its first level together with its direction. Raises ``RefusedError`` for an unusable pin."""
    try:
        return DigitalOutputDevice(pin, initial_value=on, pin_factory=factory)
    except GPIOZeroError as error:
        raise RefusedError(f"GPIO{pin} cannot be an output: {error}") from error


def input_device(pin: int, factory: Any) -> Any:
    """An input against a pull-up. Raises ``RefusedError`` for an unusable pin."""
    try:
        return DigitalInputDevice(pin, pull_up=True, pin_factory=factory)
    except GPIOZeroError as error:
        raise RefusedError(f"GPIO{pin} cannot be an input with pull-up: {error}") from error


def _lgpio_factory() -> Any:
    try:
        # Only a board has it, so it is no import of the module.
        lgpio_error: type[Exception] = importlib.import_module("lgpio").error
        from gpiozero.pins.lgpio import LGPIOFactory
    except ImportError as error:
        raise RefusedError('pins "lgpio": the lgpio library is missing; apt install python3-lgpio') from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return LGPIOFactory()
    except (GPIOZeroError, OSError, lgpio_error) as error:
        raise DeviceError(f'pins "lgpio": {error}; this needs a Raspberry Pi and access to /dev/gpiochip*') from error
