"""A million events through controller, journal and telemetry, as fast as they go: what it takes must not grow.

``python -m hil.bench.soak FOLDER`` works in a process of its own, on files in that folder, and prints one JSON object:
PSS in MiB by number of events. Time is a counter, a millisecond each event; threads take turns in one.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from edge.app.daemon_parts import SAVE_EVERY, Memory
from edge.core.clock import Now
from edge.core.entries import Entry
from edge.core.facts import Side, Tap
from edge.core.messages import DoorInput, DoorMoved, Input, Noticed, Recorded, Tapped
from edge.core.readings import BlockRead, MonotonicMs, Quality, UtcMs
from edge.core.state import State
from edge.runtime.controller import ControllerLoop
from edge.runtime.inbox import Inbox
from edge.runtime.journal import JournalEvents, JournalThread
from edge.runtime.telemetry import TelemetryEvents, TelemetryThread
from edge.storage.blobs import BlobStore
from edge.storage.journal import JournalWriter
from edge.storage.telemetry import TelemetryWriter
from hil.bench import caches
from hil.bench.caches import THOUSAND
from hil.bench.decisions import NOW, Place
from hil.bench.journals import open_journal
from hil.bench.memory import pss_mib

EVENTS = 1_000_000
MARKS = (100_000, 250_000, 500_000, 750_000, EVENTS)
"""Events after which the memory is read; the first is where everything that is made once has been made."""

_PASSING_EACH = 200
_WORKERS = 2
_NOT_BEFORE_S = NOW.clock.lo_ms // 1_000 - 300


class _Nothing:
    """Doors and lamps that nobody watches."""

    def unlock(self, door: str, entry: int, until_ms: int) -> None:
        """See ``Outputs``."""

    def release_exit(self, door: str, until_ms: int) -> None:
        """See ``Outputs``."""

    def lock(self, door: str) -> None:
        """See ``Outputs``."""

    def indicate(self, door: str, light: object, reason: object, until_ms: int) -> None:
        """See ``Outputs``."""

    def sound(self, area: str, on: bool) -> None:
        """See ``Outputs``."""


class Soak:
    """The daemon's path over real files, its threads' steps taken in turns."""

    def __init__(self, folder: Path, cached: Path, journal: JournalWriter) -> None:
        self._place = Place.over(cached, range(_WORKERS))
        self._ms = int(NOW.boottime_ms)
        self._inbox = Inbox()
        self._telemetry_store = TelemetryWriter.open(
            folder / "telemetry.db", BlobStore(folder / "blobs"), NOW.boot_id, UtcMs(NOW.clock.lo_ms)
        )
        events = JournalEvents(self._recorded, self._failed, _ignore, _ignore, _ignore)
        self._journal = JournalThread(journal, self._clock, events, grant_pending=lambda: False)
        told = TelemetryEvents(self._noticed, _ignore)
        self._telemetry = TelemetryThread(self._telemetry_store, self._clock, lambda: 0, told)
        # What made the state was recorded nowhere: this journal begins after it.
        state = self._place.state
        state = replace(state, durable=replace(state.durable, next_entry=0), recorded=0, waiting=())
        self._loop = ControllerLoop(state, self._inbox, self._now, _Nothing(), self._submit)
        self._passing = self._passages()
        self._saved_at = 0

    def run(self, count: int) -> None:
        """So many events: readings that are good, and now and then somebody who taps, opens or shuts."""
        for number in range(count):
            self._ms += 1
            passing = number % _PASSING_EACH == 0
            self._inbox.post(next(self._passing) if passing else self._reading(number))
            self._loop.serve_one(0.0)
            if passing:
                self._turn()

    def close(self) -> None:
        """Let go of the files."""
        self._place.reader.close()
        self._telemetry_store.close()

    def admitted(self) -> int:
        """Entries so far: that somebody really went in."""
        return self._loop.state.durable.next_entry

    def _turn(self) -> None:
        while self._journal.waiting:
            self._journal.step()
        self._telemetry.step()
        before = -1
        while self._loop.steps != before:
            before = self._loop.steps
            self._loop.serve_one(0.0)

    def _noticed(self, notice: Noticed) -> bool:
        """As if its entry were durable at once: the passages fill the journal."""
        self._telemetry.told([(0, notice.cause or "")])
        return True

    def _reading(self, number: int) -> Input:
        device, channel, steps = ("gas-1", "gas", 15) if number % 2 else ("wind-1", "speed", 30)
        at = MonotonicMs(self._ms)
        block = BlockRead(device, (channel,), (steps + number % 7,), (Quality.GOOD,), at)
        self._telemetry.offer(block)
        return block

    def _passages(self) -> Iterator[Input]:
        number = 0
        while True:
            worker, number = number % _WORKERS, number + 1
            verdict = self._place.judge(worker, caches.badge(worker, _NOT_BEFORE_S))
            facts = self._place.reader.gather(verdict, caches.AREA)
            tap = Tap(f"r1-{self._ms}", "r1", "d1", Side.ENTRY, caches.uid(worker).hex(), MonotonicMs(self._ms))
            yield Tapped(tap, facts)
            yield DoorMoved("d1", DoorInput.CONTACT, True)
            yield DoorMoved("d1", DoorInput.CONTACT, False)

    def _clock(self) -> MonotonicMs:
        return MonotonicMs(self._ms)

    def _now(self, state: State) -> Now:
        return Now(MonotonicMs(self._ms), NOW.boot_id, NOW.clock)

    def _submit(self, entries: Sequence[Entry], state: State) -> None:
        saved = None
        if state.durable.next_entry - self._saved_at >= SAVE_EVERY:
            self._saved_at = state.durable.next_entry
            saved = Memory(state.durable).encode()
        self._journal.submit(entries, saved)

    def _recorded(self, through: int) -> None:
        self._inbox.post(Recorded(through))

    def _failed(self, from_entry: int, error: str) -> None:
        raise AssertionError(f"entry {from_entry}: {error}")


def _ignore(*_: object) -> None:
    return


def main(folder: Path) -> None:
    """Print the memory at each mark."""
    cached = caches.cache(folder, THOUSAND)
    with TemporaryDirectory(dir=folder) as name, open_journal(Path(name)) as journal:
        soak = Soak(Path(name), cached, journal)
        done, marks = 0, {}
        for mark in MARKS:
            soak.run(mark - done)
            done = mark
            marks[str(mark)] = round(pss_mib("self"), 2)
        entries = soak.admitted()
        soak.close()
    sys.stdout.buffer.write(orjson.dumps({"pss_mib": marks, "entries": entries}) + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
