"""What the actuators' process says of doors, as inputs of the controller."""

from collections.abc import Callable, Iterable

import structlog

from edge.core.messages import DoorFaulted, DoorInput, DoorMoved, Input, Noticed
from edge.core.readings import MonotonicMs

_log = structlog.get_logger("doors")


class DoorNews:
    """Turns news into inputs. Remembers which doors cannot be moved until the actuators tell of them again.

    ``on_input`` and ``on_fault`` run in the pipe's thread, ``on_lost`` in the one that ticks, when the other has ended.
    """

    def __init__(self, doors: Iterable[str], post: Callable[[Input], object]) -> None:
        self._doors = tuple(doors)
        self._post = post
        self._unmoved: set[str] = set()

    def on_input(self, door: str, line: str, active: bool, at: MonotonicMs) -> None:
        """An input line settled at a level. Each is told once after every start of the actuators."""
        moved = DoorInput(line)
        self._post(DoorMoved(door, moved, active))
        if moved is DoorInput.CONTACT and door in self._unmoved:
            self._unmoved.discard(door)
            self._post(DoorFaulted(door, None))
            if not self._unmoved:
                self._post(Noticed("actuators.back", "actuators", "every door can be moved again"))

    def on_fault(self, door: str, what: str, active: bool) -> None:
        """The lock's read-back does not follow, or follows again; or a command came too late, which moved nothing."""
        if what == "bolt_not_following":
            self._post(DoorFaulted(door, what if active else None))
        else:
            _log.warning("actuators_refused", door=door, what=what)

    def on_lost(self, why: str) -> None:
        """Nobody moves a lock now: whoever taps is told so instead of being shown a green that opens nothing.

        Recorded once, however often they are started in vain until they are back.
        """
        if not self._unmoved:
            self._post(Noticed("actuators.lost", "actuators", why[:200]))
        for door in self._doors:
            self._unmoved.add(door)
            self._post(DoorFaulted(door, "actuators_lost"))
