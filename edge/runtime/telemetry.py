"""The telemetry's thread: raw readings from the bus threads to disk, in batches, and sealed for the journal to name.

Readings never wait for a disk: when it does not keep up, the oldest waiting blocks are dropped, counted and told.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Event
from typing import Protocol

from edge.core.readings import BlockRead
from edge.ports.devices import MonotonicClock
from edge.ports.errors import PermitgateError, StoreError
from edge.ports.stores import SealedBatch, TelemetryStore, WalOwner

BLOCKS_WAITING_MAX = 8_192
"""Blocks that may wait; beyond it the oldest are dropped."""

SEAL_AGE_MS = 60_000
"""A device's readings are sealed at this age at the latest."""

_COMMIT_PERIOD_MS = 1_000
_COMMIT_BLOCKS = 256
_SEAL_PERIOD_MS = 1_000
_WAL_CHECKPOINT_BYTES = 1024 * 1024
_BACK_OFF_MS = 2_000
_THIN_PERIOD_MS = 20
"""Between two thinnings of 256 rows: a day of 100 readings a second takes eleven minutes, and nothing waits for it."""


@dataclass(slots=True)
class _Thinning:
    before_ms: int
    told: Callable[[int], None]
    count: int = 0


class TelemetryOwner(TelemetryStore, WalOwner, Protocol):
    """All that the telemetry thread needs."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Readings that were dropped: monotonic ms of the first and last, how many blocks, and why."""

    first_ms: int
    last_ms: int
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class TelemetryEvents:
    """Where the news go; called in the telemetry thread, must be quick and must not raise."""

    sealed: Callable[[SealedBatch], None]
    gap: Callable[[Gap], None]
    trouble: Callable[[str], None]


class TelemetryThread:
    """Feeds one ``TelemetryOwner``. ``offer`` may be called by any thread and never waits.

    ``wall_offset_ms`` gives UTC minus CLOCK_BOOTTIME, None while UTC is unknown.
    """

    def __init__(
        self,
        store: TelemetryOwner,
        clock: MonotonicClock,
        wall_offset_ms: Callable[[], int | None],
        events: TelemetryEvents,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wall_offset_ms = wall_offset_ms
        self._events = events
        self._changed = Condition()
        self._blocks: deque[BlockRead] = deque()
        self._lost: Gap | None = None
        self._thinning: _Thinning | None = None
        self._commit_due_ms = 0
        self._seal_due_ms = 0
        self._thin_due_ms = 0
        self.progress = 0
        self.stored = 0
        self.dropped = 0
        self.failures = 0

    def offer(self, block: BlockRead) -> None:
        """Take a block to store. If too many wait, the oldest is dropped and becomes part of a gap."""
        with self._changed:
            if len(self._blocks) >= BLOCKS_WAITING_MAX:
                self._drop(self._blocks.popleft(), "telemetry queue full")
            self._blocks.append(block)
            if len(self._blocks) == _COMMIT_BLOCKS:
                self._changed.notify()

    def thin(self, before_ms: int, told: Callable[[int], None]) -> None:
        """Delete sealed readings from before that UTC time, little by little; the sealed files keep them.

        ``told`` is called in the telemetry thread, with how many it were, at the end or when the store refuses.
        """
        with self._changed:
            self._thinning = _Thinning(before_ms, told)

    def _drop(self, block: BlockRead, why: str) -> None:
        self.dropped += 1
        lost = self._lost
        first_ms, count = (block.taken_at, 1) if lost is None else (lost.first_ms, lost.count + 1)
        self._lost = Gap(first_ms, block.taken_at, count, why)

    def run(self, stop: Event) -> None:
        """Work until stopped; then store and seal what waits, if the store takes it."""
        while not stop.is_set():
            wait_ms = self.step()
            with self._changed:
                if wait_ms and len(self._blocks) < _COMMIT_BLOCKS:
                    self._changed.wait(wait_ms / 1000)
        self.finish()

    def finish(self) -> None:
        """Store what waits until the store refuses once, and seal all of it."""
        now_ms = self._clock()
        while self._blocks and self._commit(now_ms):
            pass
        self._seal(now_ms + 1)

    def step(self) -> int:
        """Do what is due; returns how many milliseconds may pass before the next call, 0: there is more to do."""
        now_ms = self._clock()
        self.progress += 1
        if self._blocks and (now_ms >= self._commit_due_ms or self._full(now_ms)):
            self._commit_due_ms = now_ms + (_COMMIT_PERIOD_MS if self._commit(now_ms) else _BACK_OFF_MS)
        self._tell_gap()
        if now_ms >= self._seal_due_ms:
            self._seal_due_ms = now_ms + (_SEAL_PERIOD_MS if self._seal(now_ms - SEAL_AGE_MS) else _BACK_OFF_MS)
        thin_due_ms = self._thin(now_ms)
        if self._full(now_ms):
            return 0
        return max(1, min(self._commit_due_ms, self._seal_due_ms, thin_due_ms) - now_ms)

    def _full(self, now_ms: int) -> bool:
        """Enough for a commit before its time, unless the last one failed and backs off."""
        return len(self._blocks) >= _COMMIT_BLOCKS and self._commit_due_ms <= now_ms + _COMMIT_PERIOD_MS

    def _commit(self, now_ms: int) -> bool:
        with self._changed:
            blocks = [self._blocks.popleft() for _ in range(min(_COMMIT_BLOCKS, len(self._blocks)))]
        try:
            self._store.append(blocks, self._wall_offset_ms())
        except StoreError as error:
            return self._failed(str(error), blocks)
        except PermitgateError as error:
            self._refused(str(error), blocks)
            return True
        self.stored += len(blocks)
        self._copy_wal()
        return True

    def _failed(self, error: str, blocks: list[BlockRead]) -> bool:
        """Trying again may help: the blocks go back to the front."""
        self.failures += 1
        with self._changed:
            self._blocks.extendleft(reversed(blocks))
            while len(self._blocks) > BLOCKS_WAITING_MAX:
                self._drop(self._blocks.popleft(), "telemetry queue full")
        self._events.trouble(error)
        return False

    def _refused(self, error: str, blocks: list[BlockRead]) -> None:
        """Trying again cannot help: the blocks become a gap."""
        self.failures += 1
        with self._changed:
            for block in blocks:
                self._drop(block, error)
        self._events.trouble(error)

    def _copy_wal(self) -> None:
        if self._store.wal_bytes() < _WAL_CHECKPOINT_BYTES:
            return
        try:
            self._store.checkpoint_wal()
        except PermitgateError as error:
            self._events.trouble(str(error))

    def _seal(self, due_before_ms: int) -> bool:
        try:
            sealed = self._store.seal(due_before_ms)
        except PermitgateError as error:
            self.failures += 1
            self._events.trouble(str(error))
            return False
        for batch in sealed:
            self._events.sealed(batch)
        return True

    def _thin(self, now_ms: int) -> int:
        """One piece of the thinning that was asked for; returns when to come again."""
        thinning = self._thinning
        if thinning is None:
            return now_ms + _COMMIT_PERIOD_MS
        if now_ms >= self._thin_due_ms:
            self._thin_due_ms = now_ms + _THIN_PERIOD_MS
            count = self._thin_once(thinning.before_ms)
            thinning.count += count
            if not count:
                self._thinning = None
                thinning.told(thinning.count)
        return self._thin_due_ms

    def _thin_once(self, before_ms: int) -> int:
        try:
            count = self._store.thin(before_ms)
        except PermitgateError as error:
            self.failures += 1
            self._events.trouble(str(error))
            return 0
        if count:
            self._copy_wal()
        return count

    def _tell_gap(self) -> None:
        with self._changed:
            lost, self._lost = self._lost, None
        if lost is not None:
            self._events.gap(lost)
