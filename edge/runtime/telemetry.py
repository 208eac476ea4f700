"""The telemetry's thread: raw readings from the bus threads to disk, in batches, and sealed for the journal to name.

Readings never wait for a disk: when it does not keep up, the oldest waiting blocks are dropped, counted and told.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Event
from typing import NamedTuple, Protocol

from edge.core.messages import Noticed
from edge.core.readings import BlockRead
from edge.ports.devices import MonotonicClock
from edge.ports.errors import PermitgateError, StoreError
from edge.ports.stores import GapWhy, Lost, News, TelemetryStore, WalOwner

BLOCKS_WAITING_MAX = 8_192
"""Blocks that may wait; beyond it the oldest are dropped."""

SEAL_AGE_MS = 60_000
"""A device's readings are sealed at this age at the latest, unless the configuration says another."""

UNDER_WAY_MAX = 64
"""News that may be on their way to the journal: a restart after days without one does not flood the controller."""

_COMMIT_PERIOD_MS = 1_000
_COMMIT_BLOCKS = 256
_SEAL_PERIOD_MS = 1_000
_WAL_CHECKPOINT_BYTES = 1024 * 1024
_BACK_OFF_MS = 2_000
_CHORE_PERIOD_MS = 20
"""Between two pieces of 256 rows: a day of 100 readings a second takes eleven minutes, and nothing waits for it."""

_BUNDLE_PERIOD_MS = 250
"""Between two hours put together: each waits for the disk, on which the journal of a tap waits too."""


class _Chore(NamedTuple):
    """What is to be done again and again until it returns 0, with a pause in between."""

    piece: Callable[[], int]
    period_ms: int


class TelemetryOwner(TelemetryStore, WalOwner, Protocol):
    """All that the telemetry thread needs."""


@dataclass(frozen=True, slots=True)
class TelemetryEvents:
    """Where the news go; called in the telemetry thread, must be quick and must not raise.

    ``notice`` returns whether it was taken: what was not is offered again.
    """

    notice: Callable[[Noticed], bool]
    trouble: Callable[[str], None]


class TelemetryThread:
    """Feeds one ``TelemetryOwner``. ``offer``, ``thin``, ``expire`` and ``told`` are for any thread and never wait.

    ``wall_offset_ms`` gives UTC minus CLOCK_BOOTTIME, None while UTC is unknown.
    """

    def __init__(
        self,
        store: TelemetryOwner,
        clock: MonotonicClock,
        wall_offset_ms: Callable[[], int | None],
        events: TelemetryEvents,
        seal_age_ms: int = SEAL_AGE_MS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wall_offset_ms = wall_offset_ms
        self._events = events
        self._seal_age_ms = seal_age_ms
        self._changed = Condition()
        self._blocks: deque[BlockRead] = deque()
        self._lost: list[Lost] = []
        self._told: deque[tuple[int, str]] = deque()
        self._chores: deque[_Chore] = deque()
        self._last_news = 0
        self._under_way: set[str] = set()
        self._commit_due_ms = 0
        self._seal_due_ms = 0
        self._chore_due_ms = 0
        self.progress = 0
        self.stored = 0
        self.dropped = 0
        self.failures = 0

    def offer(self, block: BlockRead) -> None:
        """Take a block to store. If too many wait, the oldest is dropped and becomes part of a gap."""
        with self._changed:
            if len(self._blocks) >= BLOCKS_WAITING_MAX:
                self._drop(self._blocks.popleft(), GapWhy.QUEUE_FULL)
            self._blocks.append(block)
            if len(self._blocks) == _COMMIT_BLOCKS:
                self._changed.notify()

    def thin(self, before_ms: int) -> None:
        """Delete sealed readings from before that UTC time, little by little; the sealed files keep them."""
        with self._changed:
            self._chores.append(_Chore(lambda: self._store.thin(before_ms), _CHORE_PERIOD_MS))

    def bundle(self, before_ms: int) -> None:
        """Put sealed files of hours that ended before that UTC time together, little by little."""
        with self._changed:
            self._chores.append(_Chore(lambda: self._store.bundle(before_ms), _BUNDLE_PERIOD_MS))

    def expire(self, before_ms: int, acked: Callable[[], int]) -> None:
        """Give up sealed files that end before that UTC time, little by little.

        ``acked`` says, in the telemetry thread, below which number HQ holds every entry.
        """
        with self._changed:
            self._chores.append(_Chore(lambda: self._store.expire(before_ms, acked()), _CHORE_PERIOD_MS))

    def told(self, entries: Sequence[tuple[int, str]]) -> None:
        """(number, cause) of entries about readings that are durable now."""
        with self._changed:
            self._told.extend(entries)

    def _drop(self, block: BlockRead, why: GapWhy) -> None:
        """Note one lost block: with the one before it of the device, between which nothing was stored; else apart."""
        self.dropped += 1
        for place in range(len(self._lost) - 1, -1, -1):
            each = self._lost[place]
            if (each.device, each.why) == (block.device, why) and each.last_ms <= block.taken_at:
                self._lost[place] = Lost(block.device, each.first_ms, block.taken_at, each.count + 1, why)
                return
        self._lost.append(Lost(block.device, block.taken_at, block.taken_at, 1, why))

    def run(self, stop: Event) -> None:
        """Work until stopped; then store and seal what waits, if the store takes it."""
        while not stop.is_set():
            wait_ms = self.step()
            with self._changed:
                if wait_ms and len(self._blocks) < _COMMIT_BLOCKS:
                    self._changed.wait(wait_ms / 1000)
        self.finish()

    def finish(self) -> None:
        """Store what waits until the store refuses once, seal all of it, and offer what is to be told."""
        now_ms = self._clock()
        while self._blocks and self._commit(now_ms):
            pass
        self._seal(now_ms + 1)
        self._tell()

    def step(self) -> int:
        """Do what is due; returns how many milliseconds may pass before the next call, 0: there is more to do."""
        now_ms = self._clock()
        self.progress += 1
        if self._blocks and (now_ms >= self._commit_due_ms or self._full(now_ms)):
            self._commit_due_ms = now_ms + (_COMMIT_PERIOD_MS if self._commit(now_ms) else _BACK_OFF_MS)
        if now_ms >= self._seal_due_ms:
            sealed = self._seal(now_ms - self._seal_age_ms)
            self._seal_due_ms = now_ms + (_SEAL_PERIOD_MS if sealed and self._tell() else _BACK_OFF_MS)
        chore_due_ms = self._chore(now_ms)
        if self._full(now_ms):
            return 0
        # Without a block nothing is due, however long ago the last commit was; one that comes is looked at in a second.
        commit_due_ms = self._commit_due_ms if self._blocks else now_ms + _COMMIT_PERIOD_MS
        return max(1, min(commit_due_ms, self._seal_due_ms, chore_due_ms) - now_ms)

    def _full(self, now_ms: int) -> bool:
        """Enough for a commit before its time, unless the last one failed and backs off."""
        return len(self._blocks) >= _COMMIT_BLOCKS and self._commit_due_ms <= now_ms + _COMMIT_PERIOD_MS

    # ---- storing ----------------------------------------------------------------------------------------------------

    def _commit(self, now_ms: int) -> bool:
        with self._changed:
            blocks = [self._blocks.popleft() for _ in range(min(_COMMIT_BLOCKS, len(self._blocks)))]
            lost, self._lost = self._lost, []
        try:
            self._store.append(blocks, self._wall_offset_ms(), lost)
        except StoreError as error:
            return self._failed(error, blocks, lost)
        except PermitgateError as error:
            return self._one_by_one(error, blocks, lost)
        self.stored += len(blocks)
        self._copy_wal()
        return True

    def _failed(self, error: StoreError, blocks: Sequence[BlockRead], lost: Sequence[Lost]) -> bool:
        """Trying again may help: the blocks go back to the front, and what was lost before them is lost still."""
        self._trouble(error)
        with self._changed:
            newer, self._lost = self._lost, list(lost)
            self._blocks.extendleft(reversed(blocks))
            while len(self._blocks) > BLOCKS_WAITING_MAX:
                self._drop(self._blocks.popleft(), GapWhy.QUEUE_FULL)
            self._lost.extend(newer)
        return False

    def _one_by_one(self, error: PermitgateError, blocks: Sequence[BlockRead], lost: Sequence[Lost]) -> bool:
        """Trying again cannot help a block that can never be stored: it becomes a gap, and the others do not."""
        self._trouble(error)
        with self._changed:
            self._lost = [*lost, *self._lost]
        for place, block in enumerate(blocks):
            with self._changed:
                before, self._lost = self._lost, []
            try:
                self._store.append([block], self._wall_offset_ms(), before)
                self.stored += 1
            except StoreError as failed:
                return self._failed(failed, blocks[place:], before)
            except PermitgateError:
                with self._changed:
                    self._lost = [*before, *self._lost]
                    self._drop(block, GapWhy.REFUSED)
        return True

    def _trouble(self, error: PermitgateError) -> None:
        self.failures += 1
        self._events.trouble(str(error))

    def _copy_wal(self) -> None:
        if self._store.wal_bytes() < _WAL_CHECKPOINT_BYTES:
            return
        try:
            self._store.checkpoint_wal()
        except PermitgateError as error:
            self._events.trouble(str(error))

    def _seal(self, due_before_ms: int) -> bool:
        try:
            self._store.seal(due_before_ms)
        except PermitgateError as error:
            self._trouble(error)
            return False
        return True

    # ---- telling ----------------------------------------------------------------------------------------------------

    def _tell(self) -> bool:
        """Settle what the journal has told, and hand on what it has not; False if the store refused."""
        try:
            self._settle()
            while (room := UNDER_WAY_MAX - len(self._under_way)) > 0:
                found = self._store.news(self._last_news, room)
                if not found or not all(map(self._hand_on, found)):
                    return True
        except PermitgateError as error:
            self._trouble(error)
            return False
        return True

    def _hand_on(self, each: News) -> bool:
        taken = self._events.notice(each.notice)
        if taken and each.notice.cause is not None:
            self._under_way.add(each.notice.cause)
            self._last_news = each.number
        return taken

    def _settle(self) -> None:
        with self._changed:
            told = list(self._told)
        if told:
            self._store.told(told)
            self._under_way.difference_update(cause for _, cause in told)
            with self._changed:
                for _ in told:
                    self._told.popleft()
            self._copy_wal()

    # ---- chores -----------------------------------------------------------------------------------------------------

    def _chore(self, now_ms: int) -> int:
        """One piece of what was asked for; returns when to come again."""
        with self._changed:
            chore = self._chores[0] if self._chores else None
        if chore is None:
            return now_ms + _COMMIT_PERIOD_MS
        if now_ms >= self._chore_due_ms:
            self._chore_due_ms = now_ms + chore.period_ms
            if not self._piece(chore.piece):
                with self._changed:
                    self._chores.popleft()
        return self._chore_due_ms

    def _piece(self, chore: Callable[[], int]) -> int:
        try:
            count = chore()
        except PermitgateError as error:
            self._trouble(error)
            return 0
        if count:
            self._copy_wal()
        return count
