"""Facts for taps: gathered in the reader's own thread, and again here when they proved older than the state."""

from collections import OrderedDict
from collections.abc import Callable
from queue import Empty, Full, Queue
from threading import Event, Lock, local

import structlog

from edge.core.facts import Facts, Tap, TokenVerdict
from edge.core.messages import Gather, Input, Tapped
from edge.ports.errors import PermitgateError
from edge.ports.stores import FactSource

_log = structlog.get_logger("gatherer")
_REMEMBERED = 64
_WAITING = 64
_LOOK_S = 0.2


class Gatherer:
    """Turns a verified badge into ``Tapped``. Each thread has its own connection to the authority cache.

    ``identity`` says which file the cache is now: one that was damaged is set aside and replaced while we run, and who
    kept the old one open would ask it for ever.
    """

    def __init__(
        self,
        open_source: Callable[[], FactSource],
        area_of: Callable[[str], str],
        post: Callable[[Input], bool],
        identity: Callable[[], object],
    ) -> None:
        self._open_source = open_source
        self._area_of = area_of
        self._post = post
        self._identity = identity
        self._own = local()
        self._verdicts: OrderedDict[str, TokenVerdict] = OrderedDict()
        self._lock = Lock()
        self._again: Queue[Tap] = Queue(_WAITING)

    def on_tap(self, tap: Tap, verdict: TokenVerdict) -> None:
        """A badge was read: gather and hand over. Runs in the reader's thread."""
        with self._lock:
            self._verdicts[tap.tap_id] = verdict
            while len(self._verdicts) > _REMEMBERED:
                self._verdicts.popitem(last=False)
        self._post(Tapped(tap, self._gather(tap, verdict)))

    def again(self, command: Gather) -> None:
        """Gather a tap's facts again, in the gatherer's own thread. Never waits."""
        try:
            self._again.put_nowait(command.tap)
        except Full:
            _log.warning("gather_dropped", tap=command.tap.tap_id)

    def run(self, stop: Event) -> None:
        """The thread that gathers again."""
        while not stop.is_set():
            try:
                tap = self._again.get(timeout=_LOOK_S)
            except Empty:
                continue
            with self._lock:
                verdict = self._verdicts.get(tap.tap_id)
            if verdict is not None:
                self._post(Tapped(tap, self._gather(tap, verdict)))

    def _source(self) -> FactSource:
        """This thread's own connection to the file that is the cache now."""
        identity = self._identity()
        source: FactSource | None = getattr(self._own, "source", None)
        if source is None or self._own.identity != identity:
            self._own.identity = identity
            source = self._own.source = self._open_source()
        return source

    def _gather(self, tap: Tap, verdict: TokenVerdict) -> Facts:
        """The facts; an unreadable cache knows nothing and nobody, which refuses entry and never an exit."""
        try:
            return self._source().gather(verdict, self._area_of(tap.door))
        except PermitgateError as error:
            self._own.source = None
            _log.error("authority_unreadable", error=str(error))
            return Facts(-1, None, verdict, False, None, (), (), ())
