"""The controller's commands as the actuators understand them, and the last answer shown at each door."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from edge.core.messages import Light
from edge.core.readings import MonotonicMs
from edge.core.reasons import WORDS, Reason
from edge.runtime.actuators import Actuators

_log = structlog.get_logger("outputs")

_BUZZER = {Light.GREEN: "ok", Light.RED: "refused", Light.AMBER: "none"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a door last showed, in both languages."""

    light: str
    reason: str
    zh: str
    en: str
    at_ms: MonotonicMs


class DoorOutputs:
    """Carries out commands without waiting. Sirens are standing outputs: ``renew`` vouches for them each second."""

    def __init__(self, actuators: Actuators, clock: Callable[[], MonotonicMs]) -> None:
        self._actuators = actuators
        self._clock = clock
        self._sirens: dict[str, bool] = {}
        self.shown: Mapping[str, Shown] = {}

    def unlock(self, door: str, entry: int, until_ms: int) -> None:
        """Release a lock for entry."""
        self._actuators.unlock(door, entry, MonotonicMs(until_ms))
        _log.info("unlock", door=door, entry=entry)

    def release_exit(self, door: str, until_ms: int) -> None:
        """Release a lock for somebody to leave."""
        self._actuators.release_exit(door, MonotonicMs(until_ms))

    def lock(self, door: str) -> None:
        """End every release for entry."""
        self._actuators.lock(door)

    def indicate(self, door: str, light: Light, reason: Reason, until_ms: int) -> None:
        """Light and buzzer at the door; the words go to the log and to ``status``."""
        self._actuators.indicate(door, light.value, _BUZZER[light], MonotonicMs(until_ms))
        words = WORDS[reason]
        shown = Shown(light.value, reason.value, words.zh, words.en, self._clock())
        self.shown = {**self.shown, door: shown}
        _log.info("shown", door=door, light=light.value, reason=reason.value)

    def sound(self, area: str, on: bool) -> None:
        """A siren changes at once, not at the next renewal."""
        self._sirens = {**self._sirens, area: on}
        self.renew()
        _log.warning("siren", area=area, on=on)

    def renew(self) -> None:
        """Vouch for the gateway; without it everything standing lapses within 3 s."""
        self._actuators.standing(self._sirens, self._clock())
