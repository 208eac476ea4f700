"""The monotonic heap: what is due when. Wall clock steps do not touch it."""

import heapq

from edge.core.messages import Timer, TimerDue
from edge.core.readings import MonotonicMs


class TimerHeap:
    """Timers by (timer, subject); setting one again replaces it. Used by the controller's thread only."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str, str]] = []
        self._due: dict[tuple[str, str], int] = {}

    def set(self, timer: Timer, subject: str, due_ms: MonotonicMs) -> None:
        """Make a timer due at that time."""
        key = (timer.value, subject)
        if self._due.get(key) == due_ms:
            return
        self._due[key] = due_ms
        heapq.heappush(self._heap, (due_ms, *key))

    def next_ms(self) -> MonotonicMs | None:
        """When the next timer is due, None if there is none."""
        self._drop_replaced()
        return MonotonicMs(self._heap[0][0]) if self._heap else None

    def pop_due(self, now_ms: MonotonicMs) -> TimerDue | None:
        """One timer that is due, None if none is."""
        self._drop_replaced()
        if not self._heap or self._heap[0][0] > now_ms:
            return None
        _, timer, subject = heapq.heappop(self._heap)
        del self._due[(timer, subject)]
        return TimerDue(Timer(timer), subject)

    def _drop_replaced(self) -> None:
        while self._heap and self._due.get(self._heap[0][1:]) != self._heap[0][0]:
            heapq.heappop(self._heap)
