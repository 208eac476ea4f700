"""Where a door's wires end: plain data, apart from the pins so that the daemon need not load a pin library."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DoorPins:
    """GPIO numbers of one door (BCM), its fail state and how long its exit button releases it."""

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
    release_s: float = 5.0
