"""The controller's inbox: a bounded queue that is served first, and one newest-wins slot per device for readings."""

from collections import deque
from collections.abc import Callable
from threading import Condition

from edge.core.messages import AuthorityApplied, Input, Recorded
from edge.core.readings import BlockRead

CAPACITY = 4_096
_CALLS = 16

GATHER_S = 0.005
"""How long the first reading after a rest waits for others of its round: waking for each costs more than judging it."""


class Inbox:
    """Where every thread hands its inputs to the controller. Any thread may post; one takes."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._ready = Condition()
        self._queue: deque[Input] = deque()
        self._blocks: dict[str, BlockRead] = {}
        self._recorded: int | None = None
        self._calls: deque[Callable[[], None]] = deque(maxlen=_CALLS)
        self._gathering = False
        self.conflated = 0
        self.refused = 0

    def post(self, message: Input) -> bool:
        """Hand over an input. False, and counted, if the queue is full; word of the journal and of HQ always fits.

        Only the newest ``Recorded`` matters, so it has a slot of its own; so has the newest block of each device.
        """
        with self._ready:
            if isinstance(message, BlockRead):
                self.conflated += message.device in self._blocks
                self._blocks[message.device] = message
            elif isinstance(message, Recorded):
                self._recorded = max(message.through, self._recorded or 0)
            elif len(self._queue) >= self._capacity and not isinstance(message, AuthorityApplied):
                self.refused += 1
                return False
            else:
                self._queue.append(message)
            if not (self._gathering and isinstance(message, BlockRead)):
                self._ready.notify()
        return True

    def call(self, function: Callable[[], None]) -> None:
        """Have a function run in the controller's thread between two steps: progress checks, set-up."""
        with self._ready:
            self._calls.append(function)
            self._ready.notify()

    def take(self, timeout_s: float) -> Input | Callable[[], None] | None:
        """The next input, edges and taps before readings; None when that long has passed without one."""
        with self._ready:
            if not self._pending():
                self._ready.wait(timeout_s)
                self._gather()
            if self._calls:
                return self._calls.popleft()
            if self._recorded is not None:
                through, self._recorded = self._recorded, None
                return Recorded(through)
            if self._queue:
                return self._queue.popleft()
            if self._blocks:
                return self._blocks.pop(next(iter(self._blocks)))
            return None

    def _gather(self) -> None:
        """Woken by a reading alone: let those that follow it come too. Anything else ends the wait at once."""
        if self._blocks and not (self._calls or self._queue or self._recorded is not None):
            self._gathering = True
            self._ready.wait(GATHER_S)
            self._gathering = False

    def _pending(self) -> bool:
        return bool(self._calls or self._queue or self._blocks or self._recorded is not None)

    @property
    def waiting(self) -> int:
        """How many inputs wait in the queue."""
        return len(self._queue)
