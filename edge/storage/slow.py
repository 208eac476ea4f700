"""A journal on a bad disk, for drills and benchmarks: a real store behind delays and failures that are handed in."""

from collections.abc import Callable, Sequence

from edge.core.entries import Entry
from edge.ports.devices import Sleep
from edge.ports.errors import StoreError
from edge.ports.stores import JournalOwner


class SlowJournal:
    """Every append first waits ``delay_s()`` seconds, then fails if ``fails()`` is true, else goes to the store."""

    def __init__(
        self,
        inner: JournalOwner,
        sleep: Sleep,
        delay_s: Callable[[], float],
        fails: Callable[[], bool] = lambda: False,
    ) -> None:
        self._inner = inner
        self._sleep = sleep
        self._delay_s = delay_s
        self._fails = fails

    def append(self, entries: Sequence[Entry], saved_state: bytes | None = None) -> int:
        """As ``JournalStore.append``, late, or a StoreError with nothing stored."""
        self._sleep(self._delay_s())
        if self._fails():
            raise StoreError("the drill says that this commit fails")
        return self._inner.append(entries, saved_state)

    def sign_checkpoint(self) -> str:
        """As ``JournalStore.sign_checkpoint``."""
        return self._inner.sign_checkpoint()

    def accept_cosignature(self, cosigned: str) -> int:
        """As ``JournalStore.accept_cosignature``."""
        return self._inner.accept_cosignature(cosigned)

    def wal_bytes(self) -> int:
        """As ``WalOwner.wal_bytes``."""
        return self._inner.wal_bytes()

    def checkpoint_wal(self) -> bool:
        """As ``WalOwner.checkpoint_wal``."""
        return self._inner.checkpoint_wal()
