"""Trips as they happen, beside an evaluation without index, short way or timers: the same permits, at the same moment.

The other side keeps all blocks and judges every running permit at every moment that matters, by the rules as people
read them: over the limit or unable to measure trips at once, silence and failed polls when the last good reading is
stale, a device not read since the start when it would be stale.
"""

from dataclasses import replace
from random import Random

import pytest
from sites import EPOCH_MS, FROM_MS, GAS, OXYGEN, POLICY, SOUTH_GAS, WIND, build_site, permit

from edge.core.clock import ClockInterval, ClockSource, Now
from edge.core.controller import begin, step
from edge.core.fold import fold
from edge.core.interlocks import Timing
from edge.core.messages import AuthorityApplied, Input, SetTimer, Started
from edge.core.readings import BlockRead, MonotonicMs, Quality, UtcMs
from edge.core.state import Durable
from edge.core.turn import Step, Turn
from edge.core.watching import rewatch
from edge.runtime.timers import TimerHeap

PARTS, EACH = 4, 40
STALE_MS, WINDOW_MS = 4_000, 5_000
AREAS = {"north": (GAS, WIND), "south": (SOUTH_GAS, OXYGEN)}
SITE = build_site(
    AREAS, {"d1": "north", "d2": "south"}, Timing(3_000, STALE_MS, WINDOW_MS), replace(POLICY, stale_ms=STALE_MS)
)
LIMITS = {"gas1": (None, 100), "wind1": (None, 79), "gas2": (None, 100), "oxygen1": (195, 210)}
"""Methane 10 %LEL, wind below 8.0 m/s, oxygen 19.5 to 21 %vol, in tenths."""
HOT_WORK_OXYGEN = (None, 235)
"""Hot work beside an oxygen detector: at most 23.5 %vol."""
BOUND = {
    ("02", "north"): {"gas1", "wind1"},
    ("02", "south"): {"gas2", "oxygen1"},
    ("70", "north"): {"gas1"},
    ("70", "south"): {"gas2", "oxygen1"},
    ("21", "north"): {"wind1"},
    ("21", "south"): set(),
}
LOST = (Quality.COMM_FAIL,)
UNABLE = [each for each in Quality if each not in (Quality.GOOD, *LOST)]
PAUSES_MS = (0, 1, 100, 500, 900, 900, 2_000, STALE_MS - 1, STALE_MS, STALE_MS + 1, 6_000)


class World:
    """Three permits that run from the beginning, and whatever a seed does to them."""

    def __init__(self, seed: int) -> None:
        self.seed, self.random = seed, Random(seed)
        self.now_ms, self.boot = 1_000_000, "b"
        areas = (("north",), ("south",), ("north", "south"))
        kinds = ("02", "70", "21")
        names = ("P1", "P2", "P3")
        self.running = {
            name: permit(name, permit_type=self.random.choice(kinds), areas=self.random.choice(areas)) for name in names
        }
        self.size, self.tripped, self.journal = 5, set(), []
        self._start(Durable())
        self._tell_all()
        turn = Turn(self.state, self._now())
        for each in self.running.values():
            turn.author(
                "permit.begun", {"permit_type": each.permit_type, "areas": list(each.areas)}, permit=each.permit
            )
        rewatch(turn)
        self._take(turn.done())

    def run(self) -> int:
        """How many trips there were."""
        for _ in range(50):
            self._pass(self.random.choice(PAUSES_MS))
            self.random.choices((self._block, self._hq, self._tell_all, self._restart), (80, 8, 4, 3))[0]()
            self._timers()
            self._judge()
        return len(self.tripped)

    # ---- the core, its timers and its journal -------------------------------------------------------------------

    def _now(self) -> Now:
        utc_ms = UtcMs(EPOCH_MS + self.now_ms)
        return Now(MonotonicMs(self.now_ms), self.boot, ClockInterval(utc_ms, utc_ms, ClockSource.HQ))

    def _go(self, message: Input) -> None:
        self._take(step(self.state, message, self._now()))

    def _take(self, made: Step) -> None:
        self.state = made.state
        self.journal += made.entries
        for each in made.commands:
            if isinstance(each, SetTimer):
                self.heap.set(each.timer, each.subject, each.due_ms)

    def _timers(self) -> None:
        while (due := self.heap.pop_due(MonotonicMs(self.now_ms))) is not None:
            self._go(due)

    def _pass(self, duration_ms: int) -> None:
        until_ms = self.now_ms + duration_ms
        while (due_ms := self.heap.next_ms()) is not None and due_ms <= until_ms:
            self.now_ms = max(self.now_ms, due_ms)
            self._timers()
            self._judge()
        self.now_ms = until_ms

    # ---- what happens -------------------------------------------------------------------------------------------

    def _start(self, durable: Durable) -> None:
        self.state, self.heap, self.blocks, self.started_ms = begin(SITE, durable), TimerHeap(), {}, self.now_ms
        self._go(Started("start", "0", ()))

    def _restart(self) -> None:
        durable = Durable()
        for entry in self.journal:
            durable = fold(durable, entry)
        self.boot += "+"
        self._start(durable)
        if self.random.random() < 0.5:
            self._tell_all()

    def _tell_all(self) -> None:
        self._go(AuthorityApplied(self.size, "r", FROM_MS, tuple(self.running.values()), (), (), True))

    def _hq(self) -> None:
        """HQ suspends, reinstates, moves or closes work that runs."""
        if not self.running:
            return
        self.size += 1
        name = self.random.choice(sorted(self.running))
        changed = replace(self.running[name], status=self.random.choice((2, 6, 4)))
        self.running[name] = changed
        if changed.status == 4:
            del self.running[name]
            self.tripped.discard(name)
        self._go(AuthorityApplied(self.size, "r", FROM_MS, (changed,), (), (), False))

    def _block(self) -> None:
        device = self.random.choice(sorted(LIMITS))
        blocks = self.blocks.setdefault(device, [])
        if blocks and blocks[-1].taken_at >= self.now_ms:
            return
        lowest, highest = LIMITS[device]
        edges = [highest, highest - 1, highest] + ([] if lowest is None else [lowest, lowest + 1])
        outside = [highest + 1, highest + 300] + ([] if lowest is None else [lowest - 1, 0])
        quality = self.random.choice([Quality.GOOD] * 30 + UNABLE + [*LOST] * 8)
        steps = self.random.choice(outside if self.random.random() < 0.05 else edges)
        made = BlockRead(
            device,
            SITE.channels[device],
            (steps if quality is Quality.GOOD else None,),
            (quality,),
            MonotonicMs(self.now_ms),
        )
        blocks.append(made)
        self._go(made)

    # ---- the other side -----------------------------------------------------------------------------------------

    def _judge(self) -> None:
        for name, work in self.running.items():
            devices = {each for area in work.areas for each in BOUND[work.permit_type, area]}
            if any(self._bad(each, work.permit_type) for each in devices):
                self.tripped.add(name)
        assert set(self.state.durable.trips) == self.tripped, f"seed {self.seed} at {self.now_ms}"

    def _bad(self, device: str, permit_type: str) -> bool:
        blocks = self.blocks.get(device, [])
        if not blocks:
            return self.now_ms - self.started_ms > STALE_MS
        newest = blocks[-1]
        if newest.qualities[0] in LOST:
            good = [each.taken_at for each in blocks if each.qualities[0] is Quality.GOOD]
            return not good or self.now_ms - good[-1] > STALE_MS
        if newest.qualities[0] is not Quality.GOOD or self.now_ms - newest.taken_at > STALE_MS:
            return True
        lowest, highest = HOT_WORK_OXYGEN if (device, permit_type) == ("oxygen1", "02") else LIMITS[device]
        figures = [newest.steps[0]]
        if device == "wind1":
            figures += [each.steps[0] for each in self._gusts(blocks)]
        return any(each > highest or (lowest is not None and each < lowest) for each in figures)

    def _gusts(self, blocks: list[BlockRead]) -> list[BlockRead]:
        """Good readings of the window, since the last gap in them: settling begins anew after one."""
        found: list[BlockRead] = []
        for each in blocks:
            gap = found and each.taken_at - found[-1].taken_at > STALE_MS
            if each.qualities[0] is Quality.GOOD:
                found = [each] if gap else [*found, each]
            elif each.qualities[0] not in LOST:
                found = []
        return [each for each in found if each.taken_at > self.now_ms - WINDOW_MS]


@pytest.mark.parametrize("part", range(PARTS))
def test_work_trips_exactly_when_the_plain_rules_say(part: int) -> None:
    trips = sum(World(seed).run() for seed in range(part * EACH, (part + 1) * EACH))
    assert trips > EACH, "hardly anything ever trips"
