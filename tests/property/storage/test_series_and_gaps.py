"""What is stored is what was offered, less what is told as a gap: under drops, refusals, failing disks and kills.

The real thread and the real store; the disk fails and the process dies where Hypothesis says.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from storages import NOW_MS, migrate

from edge.core.messages import Noticed
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.ports.errors import StoreError
from edge.ports.stores import Lost, SealedBatch
from edge.runtime import telemetry as thread_module
from edge.runtime.telemetry import TelemetryEvents, TelemetryThread
from edge.storage.blobs import BlobStore
from edge.storage.telemetry import TelemetryWriter
from edge.storage.telemetry_reader import TelemetryReader

POLL_MS = 1_000
WAITING_MAX = 20
DEVICES = ("gas-1", "gas-2")
AWAY_MS = st.one_of(st.sampled_from([999, 1_000, 1_001, 1_700, 900_000]), st.integers(1, 9_000))


class Disk(TelemetryWriter):
    """The real store on a disk that fails when told to."""

    failing = False

    def append(self, blocks: Sequence[BlockRead], wall_offset_ms: int | None, lost: Sequence[Lost] = ()) -> None:
        """As the store's."""
        if self.failing:
            raise StoreError("no room")
        super().append(blocks, wall_offset_ms, lost)

    def seal(self, due_before_ms: int) -> tuple[SealedBatch, ...]:
        """As the store's."""
        if self.failing:
            raise StoreError("no room")
        return super().seal(due_before_ms)


class Site(RuleBasedStateMachine):
    """A bus that polls two devices each second, a daemon that dies and starts again, and HQ's view of the gaps."""

    @initialize()
    def begin(self) -> None:
        """An empty folder."""
        self.folder = TemporaryDirectory()
        self.now_ms = 100_000
        self.offered: dict[str, set[int]] = {device: set() for device in DEVICES}
        self.told: list[Noticed] = []
        self.under_way: list[Noticed] = []
        self.killed = False
        self.before_waiting = thread_module.BLOCKS_WAITING_MAX
        thread_module.BLOCKS_WAITING_MAX = WAITING_MAX
        self._start()

    def _start(self) -> None:
        path = Path(self.folder.name)
        blobs = BlobStore(path / "blobs")
        self.disk = Disk.open(path / "telemetry.db", blobs, "boot1", NOW_MS, migrate=migrate)
        assert isinstance(self.disk, Disk)
        self.disk.expect(dict.fromkeys(DEVICES, POLL_MS))
        # As comparing with the journal does: what is durable there is told, what was on its way is told again.
        self.disk.told([(0, each.cause) for each in self.told if each.cause is not None])
        self.under_way.clear()
        events = TelemetryEvents(self._notice, lambda why: None)
        self.thread = TelemetryThread(self.disk, lambda: MonotonicMs(self.now_ms), lambda: NOW_MS, events, 10_000)

    def _notice(self, notice: Noticed) -> bool:
        assert notice.cause not in {each.cause for each in (*self.told, *self.under_way)}, "told twice"
        self.under_way.append(notice)
        return True

    @rule()
    def journal_commits(self) -> None:
        """Entries become durable, and the telemetry hears of it."""
        self.told += self.under_way
        self.thread.told([(0, each.cause) for each in self.under_way if each.cause is not None])
        self.under_way.clear()

    @rule(seconds=st.integers(1, 30), bad=st.integers(0, 40))
    def poll(self, seconds: int, bad: int) -> None:
        """The bus works; one reading may be one that cannot be stored."""
        for second in range(seconds):
            self.now_ms += POLL_MS
            for device in DEVICES:
                step = 2**70 if second == bad else 1
                self.thread.offer(BlockRead(device, ("lel",), (step,), (Quality.GOOD,), MonotonicMs(self.now_ms)))
                self.offered[device].add(self.now_ms)
            if second % 3:
                self.thread.step()

    @rule(milliseconds=AWAY_MS)
    def stand_still(self, milliseconds: int) -> None:
        """The bus does not poll; the thread works on."""
        self.now_ms += milliseconds
        self.thread.step()

    @rule(hours=st.integers(0, 3))
    def put_together(self, hours: int) -> None:
        """Sealed files move into those of their hours."""
        self.disk.bundle(NOW_MS + hours * 3_600_000)

    @rule(failing=st.booleans())
    def disk_changes(self, failing: bool) -> None:
        """The disk fills, or has room again."""
        self.disk.failing = failing

    @rule(finished=st.booleans(), recorded=st.booleans(), away_ms=AWAY_MS)
    def restart(self, finished: bool, recorded: bool, away_ms: int) -> None:
        """Stopped in order, or killed: then what is in memory is gone, and perhaps what went to the journal."""
        if recorded:
            self.told += self.under_way
            self.under_way.clear()
        if finished:
            self.thread.finish()
        else:
            self.killed = True
        # What waits in memory, and what the run would have told of it, dies with the process.
        self.killed = self.killed or self.disk.failing
        self.disk.close()
        self.now_ms += away_ms
        self._start()

    def teardown(self) -> None:
        """The disk has room, one more reading comes, all is sealed: now every difference must be told."""
        if not hasattr(self, "disk"):
            return
        self.disk.failing = False
        self.now_ms += 5_000
        self.thread.step()
        for device in DEVICES:
            self.thread.offer(BlockRead(device, ("lel",), (1,), (Quality.GOOD,), MonotonicMs(self.now_ms)))
            self.offered[device].add(self.now_ms)
        for _ in range(40):
            self.now_ms += 3_000
            self.thread.step()
            self.journal_commits()
        self.thread.finish()
        self.journal_commits()
        self.disk.close()
        thread_module.BLOCKS_WAITING_MAX = self.before_waiting
        with self.folder:
            for device in DEVICES:
                self._judge(device)

    def _judge(self, device: str) -> None:
        stored = self._stored(device)
        assert stored == sorted(set(stored)), "a reading twice, or out of order"
        assert set(stored) <= self.offered[device], "a reading that nobody offered"
        gaps = [
            (figures["first_ms"] - NOW_MS, figures["last_ms"] - NOW_MS)
            for each in self.told
            if each.kind == "telemetry.gap" and each.subject == device
            for figures in [dict(each.figures)]
        ]
        for before, after in pairwise(stored):
            told = any(first <= before and after <= last for first, last in gaps)
            missing = [taken for taken in self.offered[device] if before < taken < after]
            assert told or after - before <= 2 * POLL_MS, f"untold hole from {before} to {after}"
            assert told or not missing or self.killed, f"untold loss of {missing}"

    def _stored(self, device: str) -> list[int]:
        path = Path(self.folder.name)
        reader = TelemetryReader(path / "telemetry.db")
        found: list[Any] = []
        for piece in reader.series(device, 0, 2**52, BlobStore(path / "blobs")):
            assert piece.sealed, piece.trouble
            assert piece.columns is not None
            found += piece.columns.taken_at_ms
        reader.close()
        return found


TestSite = Site.TestCase
TestSite.settings = settings(
    max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
