"""One turn of the controller: the state as it becomes, the commands and entries that it makes.

A ``Turn`` is the only mutable thing in the core; it lives for one step. Authoring an entry folds it at once, so the
durable state can never say more than the journal will.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge.core.clock import Now
from edge.core.entries import BlobReference, Entry, Json, Stamp
from edge.core.fold import fold
from edge.core.messages import Command, SetTimer, Sound, Timer
from edge.core.readings import MonotonicMs
from edge.core.state import State, Waiting


@dataclass(frozen=True, slots=True)
class Step:
    """What one input led to."""

    state: State
    commands: tuple[Command, ...]
    entries: tuple[Entry, ...]


class Turn:
    """Collects one step."""

    def __init__(self, state: State, now: Now) -> None:
        self.state = state
        self.now = now
        self.commands: list[Command] = []
        self.entries: list[Entry] = []

    @property
    def now_ms(self) -> MonotonicMs:
        """The monotonic time of this step."""
        return self.now.boottime_ms

    def change(self, **changes: Any) -> None:
        """Replace fields of the state."""
        self.state = replace(self.state, **changes)

    def command(self, command: Command) -> None:
        """Have something done, at once."""
        self.commands.append(command)

    def timer(self, timer: Timer, subject: str, delay_ms: int) -> None:
        """Ask for ``TimerDue`` in that many milliseconds."""
        self.command(SetTimer(timer, subject, MonotonicMs(self.now_ms + delay_ms)))

    def author(
        self,
        kind: str,
        body: Mapping[str, Json],
        *,
        permit: str | None = None,
        cause: str | None = None,
        actor: str | None = None,
        blobs: tuple[BlobReference, ...] = (),
        evidence: bytes | None = None,
    ) -> int:
        """Record something; returns its number. The durable state has it from now on."""
        durable = self.state.durable
        marked = {**body, "simulated": True} if self.state.site.simulated else body
        entry = Entry(
            seq=durable.next_entry,
            kind=kind,
            body=marked,
            stamp=stamp(self.now),
            permit=permit,
            cause=cause,
            actor=None if actor is None else {"id": actor},
            blobs=blobs,
            evidence=evidence,
        )
        self.entries.append(entry)
        self.change(durable=fold(durable, entry))
        return entry.seq

    def open_permit(self, permit: str | None) -> str | None:
        """The permit if it is open or running here, or its close waits, else None.

        Nothing follows ``permit.closed`` in its chain.
        """
        held = permit is not None and (self.state.work(permit) is not None or permit in self.state.durable.closing)
        return permit if held else None

    def done(self) -> Step:
        """The finished step: sirens brought in line with what holds, authored entries marked as waiting."""
        self._sirens()
        if self.entries:
            mark = Waiting(self.entries[-1].seq, self.now_ms)
            if len(self.state.waiting) < self.state.site.policy.slow_waiting:
                self.change(waiting=(*self.state.waiting, mark))
        return Step(self.state, tuple(self.commands), tuple(self.entries))

    def _sirens(self) -> None:
        state = self.state
        if not state.sirens and not state.alarms_until and not state.durable.trips:
            return
        wanted = {area: self._siren(area) for area in self.state.site.areas}
        if wanted == self.state.sirens:
            return
        for area, on in wanted.items():
            if on != self.state.sirens.get(area, False):
                self.command(Sound(area, on))
        self.change(sirens=wanted)

    def _siren(self, area: str) -> bool:
        """On while a trip there has had no passing re-test, and until a timed alarm ends."""
        state = self.state
        if state.alarms_until.get(area, -1) > self.now_ms:
            return True
        works = (state.work(permit) for permit, trip in state.durable.trips.items() if trip.retest is None)
        return any(work is not None and area in work.areas for work in works)

    def alarm(self, area: str) -> None:
        """Sound an area's siren for the configured time."""
        until = MonotonicMs(self.now_ms + self.state.site.policy.siren_ms)
        self.change(alarms_until={**self.state.alarms_until, area: until})
        self.timer(Timer.SIREN, area, self.state.site.policy.siren_ms)


def stamp(now: Now) -> Stamp:
    """The stamp of an entry authored now: the middle of the clock interval and its half width."""
    clock = now.clock
    if clock.hi_ms is None:
        return Stamp(None, now.boottime_ms, now.boot_id, clock.source.value, None)
    half_ms = (clock.hi_ms - clock.lo_ms + 1) // 2
    return Stamp(clock.lo_ms + half_ms, now.boottime_ms, now.boot_id, clock.source.value, half_ms)
