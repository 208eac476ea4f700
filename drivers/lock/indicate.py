"""Light and buzzer of a door: what is on when, as data. Time as an argument."""

from dataclasses import dataclass
from enum import Enum
from itertools import accumulate

from edge.ports.devices import MonotonicMs


class Light(Enum):
    """One lamp at a time."""

    OFF = "off"
    GREEN = "green"
    RED = "red"
    AMBER = "amber"


class Buzzer(Enum):
    """What the buzzer says."""

    NONE = "none"
    OK = "ok"
    REFUSED = "refused"
    ALARM = "alarm"


_ON_OFF_MS: dict[Buzzer, tuple[int, ...]] = {
    Buzzer.NONE: (),
    Buzzer.OK: (120,),
    Buzzer.REFUSED: (250, 150, 250),
    Buzzer.ALARM: (300, 200),
}
"""On, off, on … in milliseconds from the start; told apart without looking. Alarm repeats until its end. Ours."""


@dataclass(frozen=True, slots=True)
class Indication:
    """A light and a sound from ``since`` until ``until`` (exclusive)."""

    light: Light
    buzzer: Buzzer
    since: MonotonicMs
    until: MonotonicMs

    def sounds(self, now: MonotonicMs) -> bool:
        """Whether the buzzer is on now."""
        return now < self.until and any(start <= now < end for start, end in self._sounding(now))

    def due(self, now: MonotonicMs) -> MonotonicMs:
        """When light or sound change next; may be in the past when all is over."""
        edges = (edge for span in self._sounding(now) for edge in span if edge > now)
        return min((*edges, self.until))

    def _sounding(self, now: MonotonicMs) -> list[tuple[MonotonicMs, MonotonicMs]]:
        pattern = _ON_OFF_MS[self.buzzer]
        if not pattern:
            return []
        start: int = self.since
        if self.buzzer is Buzzer.ALARM:
            start = now - (now - self.since) % sum(pattern)
            pattern = pattern + pattern[:1]
        edges = [MonotonicMs(start + offset) for offset in accumulate(pattern, initial=0)]
        return list(zip(edges[::2], edges[1::2], strict=False))
