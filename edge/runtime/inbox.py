"""The controller's inbox: a bounded queue that is served first, and one newest-wins slot per device for readings."""

from collections import deque
from collections.abc import Callable
from math import inf
from threading import Condition

from edge.core.facts import Side
from edge.core.messages import (
    AuthorityApplied,
    DoorFaulted,
    DoorMoved,
    Input,
    Noticed,
    Recorded,
    RecordFailed,
    Tapped,
)
from edge.core.published import RulesChanged
from edge.core.readings import BlockRead

CAPACITY = 4_096
RESERVE = 1_024
"""Room above the capacity for what doors and the journal say and for exits: a flood of other things keeps none out."""

_CALLS = 16
_IN_A_ROW = 4
"""So many of the queue are served while readings wait, then a reading: a flood of taps hides no gas."""

GATHER_S = 0.005
"""How long the first reading after a rest waits for others of its round: waking for each costs more than judging it."""


class Inbox:
    """Where every thread hands its inputs to the controller. Any thread may post; one takes."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._ready = Condition()
        self._queue: deque[Input] = deque()
        self._blocks: dict[str, BlockRead] = {}
        self._calls: deque[Callable[[], None]] = deque(maxlen=_CALLS)
        self._gathering = False
        self._in_a_row = 0
        self._said = 0
        self.conflated = 0
        self.refused = 0

    def post(self, message: Input) -> bool:
        """Hand over an input. False, and counted, if the queue is full; ``Recorded`` and word of HQ always fit.

        The queue keeps its order: what was posted before a ``Recorded`` is known when that is judged. Of two in a row
        only the newer matters. The newest block of each device has a slot of its own.
        """
        with self._ready:
            if isinstance(message, BlockRead):
                self.conflated += message.device in self._blocks
                self._blocks[message.device] = message
            elif isinstance(message, Recorded):
                self._record(message)
            elif len(self._queue) >= self._room(message):
                self.refused += 1
                return False
            else:
                self._queue.append(message)
            if not (self._gathering and isinstance(message, BlockRead)):
                self._ready.notify()
        return True

    def _record(self, message: Recorded) -> None:
        last = self._queue[-1] if self._queue else None
        if isinstance(last, Recorded):
            self._queue[-1] = Recorded(max(last.through, message.through))
        else:
            self._queue.append(message)

    def _room(self, message: Input) -> float:
        match message:
            case AuthorityApplied() | RulesChanged():
                return inf
            case DoorMoved() | DoorFaulted() | RecordFailed():
                return self._capacity + RESERVE
            case Tapped(tap, _) if tap.side is Side.EXIT:
                return self._capacity + RESERVE
            case _:
                return self._capacity

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
            if self._queue and not (self._blocks and self._in_a_row >= _IN_A_ROW):
                self._in_a_row += 1
                return self._queue.popleft()
            self._in_a_row = 0
            return self._blocks.pop(next(iter(self._blocks))) if self._blocks else None

    def _gather(self) -> None:
        """Woken by a reading alone: let those that follow it come too. Anything else ends the wait at once."""
        if self._blocks and not (self._calls or self._queue):
            self._gathering = True
            self._ready.wait(GATHER_S)
            self._gathering = False

    def _pending(self) -> bool:
        return bool(self._calls or self._queue or self._blocks)

    def unsaid(self) -> Noticed | None:
        """Word for the journal that inputs were refused, once there is room for it; None: nothing new to say."""
        with self._ready:
            count = self.refused - self._said
            if not count or len(self._queue) >= self._capacity:
                return None
            self._said = self.refused
        return Noticed("inbox.full", "controller", "inputs were refused", (), (("count", count),))

    @property
    def waiting(self) -> int:
        """How many inputs wait in the queue."""
        return len(self._queue)
