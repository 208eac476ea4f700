"""The journal's thread: commits entries in groups, signs checkpoints, verifies HQ's cosignatures.

Entries are retried with the same bytes for as long as it takes and never skipped: the controller decides what a slow or
failing journal means for the doors. Signing and checkpointing of the WAL wait while entries wait.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Event
from typing import NamedTuple

from edge.core.entries import Entry
from edge.ports.devices import MonotonicClock
from edge.ports.errors import PermitgateError, StoreError
from edge.ports.stores import JournalOwner

GROUP_MAX = 256
"""Entries in one commit."""

WAITING_MAX = 65_536
"""Entries that may wait; the controller refuses entry long before that."""

SIGN_PERIOD_MS = 60_000
"""A changed log is signed at least so often."""

WAL_CHECKPOINT_BYTES = 1024 * 1024
"""The WAL is copied into the file at this size, or when the thread is idle."""

_SAFETY_PREFIXES = ("access.", "door.", "fire.", "hold.", "permit.", "authority.applied", "integrity.failed")
_SIGN_LATEST_MS = 1_000
_IDLE_MS = 2_000
_LOOK_MS = 500
_BACK_OFF_FIRST_MS = 50
_BACK_OFF_LAST_MS = 2_000
_COSIGNED_MAX = 16


def is_safety_event(kind: str) -> bool:
    """Whether a checkpoint is signed right after the commit that holds such an entry."""
    return kind.startswith(_SAFETY_PREFIXES)


@dataclass(frozen=True, slots=True)
class JournalEvents:
    """Where the thread's news go; called in the journal's thread, must be quick and must not raise.

    ``recorded(through)``: all entries below are durable. ``failed(from_entry, error)``: none from there on is, for now.
    ``signed(note)``: a new checkpoint. ``acknowledged(size)``: HQ holds all entries below. ``trouble(what, error)``:
    signing failed or a cosignature was refused.
    """

    recorded: Callable[[int], None]
    failed: Callable[[int, str], None]
    signed: Callable[[str], None]
    acknowledged: Callable[[int], None]
    trouble: Callable[[str, str], None]


class _Batch(NamedTuple):
    entries: Sequence[Entry]
    saved_state: bytes | None


class JournalThread:
    """Feeds one ``JournalOwner``. ``submit`` and ``cosigned`` may be called by any thread and never wait for a disk."""

    def __init__(
        self,
        store: JournalOwner,
        clock: MonotonicClock,
        events: JournalEvents,
        *,
        grant_pending: Callable[[], bool],
        safety: Callable[[str], bool] = is_safety_event,
    ) -> None:
        self._store = store
        self._clock = clock
        self._events = events
        self._grant_pending = grant_pending
        self._safety = safety
        self._changed = Condition()
        self._batches: deque[_Batch] = deque()
        self._waiting = 0
        self._cosigned: deque[str] = deque(maxlen=_COSIGNED_MAX)
        self._retry_at_ms: int | None = None
        self._back_off_ms = _BACK_OFF_FIRST_MS
        self._sign_due_ms: int | None = None
        self._urgent = False
        self._sign_again_ms = 0
        self._committed_at_ms = 0
        self.progress = 0
        self.commits = 0
        self.failures = 0

    # ---- from other threads -----------------------------------------------------------------------------------------

    def submit(self, entries: Sequence[Entry], saved_state: bytes | None = None) -> None:
        """Hand over entries in the order of their numbers; ``saved_state`` is the state after the last of them.

        Raises StoreError when WAITING_MAX entries wait: the journal has been failing for long, and what cannot be
        recorded must not be done.
        """
        with self._changed:
            if self._waiting + len(entries) > WAITING_MAX:
                raise StoreError(f"{self._waiting} entries wait, allowed {WAITING_MAX}: repair the disk")
            self._batches.append(_Batch(tuple(entries), saved_state))
            self._waiting += len(entries)
            self._changed.notify()

    def cosigned(self, note: str) -> None:
        """Hand over what HQ answered; of more than a few waiting only the newest are kept: they cover the others."""
        with self._changed:
            self._cosigned.append(note)
            self._changed.notify()

    def wake(self) -> None:
        """Have the thread look at once whether it is to stop."""
        with self._changed:
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """Entries handed over and not durable yet."""
        return self._waiting

    # ---- the thread -------------------------------------------------------------------------------------------------

    def run(self, stop: Event) -> None:
        """Work until stopped; then commit what waits, if the store takes it, and sign the last checkpoint."""
        while not stop.is_set():
            wait_ms = self.step()
            with self._changed:
                if wait_ms and not self._cosigned and (self._retry_at_ms is not None or not self._batches):
                    self._changed.wait(wait_ms / 1000)
        self.finish()

    def finish(self) -> None:
        """Commit what waits until the store refuses once, and sign what changed."""
        self._retry_at_ms = None
        while self._batches and self._retry_at_ms is None:
            self._commit(self._clock())
        if self._sign_due_ms is not None:
            self._sign(self._clock())

    def step(self) -> int:
        """Do what is due; returns how many milliseconds may pass before the next call, 0: there is more to do."""
        now_ms = self._clock()
        self.progress += 1
        if self._batches and (self._retry_at_ms is None or now_ms >= self._retry_at_ms):
            self._commit(now_ms)
        overdue = self._sign_due_ms is not None and now_ms >= self._sign_due_ms
        if self._batches and self._retry_at_ms is None and not (overdue and self._urgent):
            return 0
        self._take_cosigned()
        if self._sign_due_ms is not None and (self._urgent or overdue) and now_ms >= self._sign_again_ms:
            self._sign(now_ms)
        self._copy_wal(now_ms)
        return self._wait_ms(now_ms)

    def _wait_ms(self, now_ms: int) -> int:
        dues = [now_ms + _LOOK_MS]
        if self._retry_at_ms is not None:
            dues.append(self._retry_at_ms)
        if self._sign_due_ms is not None:
            dues.append(max(self._sign_due_ms, self._sign_again_ms))
        return max(0 if self._batches else 1, min(dues) - now_ms)

    def _group(self) -> tuple[list[Entry], bytes | None, int]:
        """The entries of one commit; a saved state ends the group, as it is the state after its own batch."""
        entries: list[Entry] = []
        with self._changed:
            for taken, batch in enumerate(self._batches):
                if entries and len(entries) + len(batch.entries) > GROUP_MAX:
                    return entries, None, taken
                entries.extend(batch.entries)
                if batch.saved_state is not None:
                    return entries, batch.saved_state, taken + 1
            return entries, None, len(self._batches)

    def _commit(self, now_ms: int) -> None:
        entries, saved_state, batches = self._group()
        try:
            through = self._store.append(entries, saved_state)
        except PermitgateError as error:
            self.failures += 1
            self._retry_at_ms = now_ms + self._back_off_ms
            self._back_off_ms = min(2 * self._back_off_ms, _BACK_OFF_LAST_MS)
            self._events.failed(entries[0].seq, str(error))
            return
        with self._changed:
            for _ in range(batches):
                self._batches.popleft()
            self._waiting -= len(entries)
        self.commits += 1
        self._retry_at_ms = None
        self._back_off_ms = _BACK_OFF_FIRST_MS
        self._committed_at_ms = now_ms
        self._events.recorded(through)
        self._mark_unsigned(now_ms, any(self._safety(entry.kind) for entry in entries))

    def _mark_unsigned(self, now_ms: int, urgent: bool) -> None:
        due_ms = now_ms + (_SIGN_LATEST_MS if urgent else SIGN_PERIOD_MS)
        self._sign_due_ms = due_ms if self._sign_due_ms is None else min(self._sign_due_ms, due_ms)
        self._urgent = self._urgent or urgent

    def _sign(self, now_ms: int) -> None:
        try:
            note = self._store.sign_checkpoint()
        except PermitgateError as error:
            self._sign_again_ms = now_ms + _BACK_OFF_LAST_MS
            self._events.trouble("checkpoint_not_signed", str(error))
            return
        self._sign_due_ms, self._urgent = None, False
        self._events.signed(note)

    def _take_cosigned(self) -> None:
        while self._cosigned:
            note = self._cosigned.popleft()
            try:
                acknowledged = self._store.accept_cosignature(note)
            except StoreError as error:
                # Nothing is lost: HQ answers the next checkpoint with a cosignature that covers this one too.
                self._events.trouble("cosignature_not_stored", str(error))
            except PermitgateError as error:
                self._events.trouble("cosignature_refused", str(error))
            else:
                self._events.acknowledged(acknowledged)

    def _copy_wal(self, now_ms: int) -> None:
        waiting_bytes = self._store.wal_bytes()
        idle = not self._batches and now_ms - self._committed_at_ms >= _IDLE_MS
        if not waiting_bytes or not (waiting_bytes >= WAL_CHECKPOINT_BYTES or idle) or self._grant_pending():
            return
        try:
            self._store.checkpoint_wal()
        except PermitgateError as error:
            self._events.trouble("wal_not_copied", str(error))
