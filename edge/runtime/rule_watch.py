"""Looks at HQ's rule packs anew when they have moved, in a thread of its own: reading and binding one takes tens of
milliseconds, and no freeze of HQ's waits for that."""

from collections.abc import Callable
from threading import Event

import structlog

from edge.core.published import RulesChanged
from edge.ports.errors import PermitgateError
from edge.storage.authority_reader import AuthorityReader

_log = structlog.get_logger("rules")
_LOOK_S = 0.5
_AGAIN_S = 10.0


class RuleWatch:
    """``look`` gives what is believed now, and may raise errors of ours; ``post`` hands it to the controller."""

    def __init__(self, look: Callable[[], RulesChanged], post: Callable[[RulesChanged], object]) -> None:
        self._look = look
        self._post = post
        self._moved = Event()
        self._moved.set()
        self._mark: tuple[int | None, ...] = ()
        self._failing = ""

    @property
    def moved(self) -> bool:
        """Whether a look is owed."""
        return self._moved.is_set()

    def glance(self, reader: AuthorityReader) -> None:
        """HQ's word reached the cache: see whether it is about rule packs. Quick; raises as the reader does."""
        mark = reader.rules_mark()
        if mark != self._mark:
            self._mark = mark
            self._moved.set()

    def run(self, stop: Event) -> None:
        """Look once at the start, and whenever HQ's packs have moved. What could not be done is tried again."""
        while not stop.is_set():
            if self._moved.wait(_LOOK_S) and not stop.is_set():
                self._moved.clear()
                self._turn(stop)

    def _turn(self, stop: Event) -> None:
        try:
            self._post(self._look())
            self._failing = ""
        except PermitgateError as error:
            if str(error) != self._failing:
                self._failing = str(error)
                _log.error("rules_not_applied", why=str(error))
            self._moved.set()
            stop.wait(_AGAIN_S)
