"""Whatever people do at two doors of one area: nobody inside is ever missed, none is wrongly certain, none too many.

The test keeps its own book of where everybody really is; the gateway sees taps, contacts and the button only.
"""

from dataclasses import replace
from random import Random

import pytest
from sites import SITE, Bench, facts, permit, ready_bench, replace_site

from edge.core import codec
from edge.core.controller import begin
from edge.core.doors import Phase
from edge.core.facts import Side
from edge.core.headcount import headcount
from edge.core.messages import DoorInput, DoorMoved, Started, Timer, TimerDue
from edge.core.state import Durable

WORKERS = ("w1", "w2", "w3", "w4")
P1 = permit(workers=WORKERS)
DOORS = ("d1", "d2")
MOST = 2


class People:
    """Four workers, two doors, room for two; ``inside`` is the truth."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.bench: Bench = ready_bench()
        north = replace(SITE.areas["north"], people_max=MOST)
        replace_site(self.bench, areas={**SITE.areas, "north": north})
        self.bench.authority(P1, size=6)
        self.hear()
        self.inside: set[str] = set()

    def hear(self) -> None:
        for door in SITE.doors:
            self.bench.go(DoorMoved(door, DoorInput.CONTACT, False))
        self.bench.record()

    def facts(self, worker: str):
        return facts(worker, [P1], authority_size=6)

    def tap_in(self) -> None:
        outside = sorted(set(WORKERS) - self.inside)
        if outside:
            self.bench.tap(self.facts(self.random.choice(outside)), self.random.choice(DOORS))

    def record(self) -> None:
        self.bench.record()

    def tap_out(self) -> None:
        if self.inside:
            worker = self.random.choice(sorted(self.inside))
            self.bench.tap(self.facts(worker), self.random.choice(DOORS), Side.EXIT)

    def pass_door(self) -> None:
        """A released door opens: of those who may pass some do, at least one, and it shuts."""
        door = self.random.choice(DOORS)
        if self.bench.state.doors[door].phase is Phase.RELEASED:
            who = list(self.bench.state.doors[door].passages)
            passing = self.random.sample(who, self.random.randint(1, len(who)))
            self.move(
                door,
                {each.worker for each in passing if each.entry is not None and each.worker},
                {each.worker for each in passing if each.entry is None and each.worker},
            )

    def move(self, door: str, coming: set[str], going: set[str]) -> None:
        self.inside = (self.inside | coming) - going
        self.bench.go(DoorMoved(door, DoorInput.CONTACT, True))
        self.bench.go(DoorMoved(door, DoorInput.CONTACT, False))

    def leave_by_the_button(self) -> None:
        """Somebody presses it and goes; whoever was released there stays where they are."""
        if self.inside:
            door = self.random.choice(DOORS)
            self.bench.go(DoorMoved(door, DoorInput.REX, True))
            self.bench.go(DoorMoved(door, DoorInput.REX, False))
            self.move(door, set(), {self.random.choice(sorted(self.inside))})

    def lapse(self) -> None:
        """Nobody passes in time."""
        self.bench.wait(5_000)
        for door in DOORS:
            self.bench.go(TimerDue(Timer.DOOR, door))
        for entry in list(self.bench.state.pending):
            self.bench.go(TimerDue(Timer.GRANT, str(entry)))
        self.bench.block("gas1", 30)
        self.bench.block("wind1", 40)

    def die(self) -> None:
        """kill -9. Whoever was released may have passed while nobody looked."""
        bench = self.bench
        for door in DOORS:
            for each in bench.state.doors[door].passages:
                used = each.worker is not None and self.random.random() < 0.5
                if used and each.entry is not None:
                    self.inside.add(each.worker)
                elif used:
                    self.inside.discard(each.worker)
        durable = codec.decode(codec.encode(bench.state.durable), Durable)
        bench.state = begin(bench.state.site, durable)
        bench.go(Started("kill", "0.1", ()))
        bench.authority(P1, size=6)
        bench.settle(gas1=30, wind1=40, gas2=20)
        bench.tap(facts("g1", [P1], authority_size=6))
        self.hear()

    def check(self) -> None:
        known = self.bench.state.durable.people.inside
        assert self.inside <= known.keys(), "somebody inside is missed"
        certain = {worker for worker, each in known.items() if each.certain}
        assert certain <= self.inside, "somebody is said to be in and is not"
        assert len(self.inside) <= MOST, "one too many"
        assert headcount(self.bench.state, "north").total >= len(self.inside)


@pytest.mark.parametrize("seed", range(0, 400, 20))
def test_nobody_inside_is_missed_nobody_is_wrongly_certain_and_none_is_too_many(seed: int) -> None:
    for each in range(seed, seed + 20):
        site = People(each)
        acts = (site.tap_in, site.record, site.tap_out, site.pass_door, site.leave_by_the_button, site.lapse, site.die)
        for act in site.random.choices(acts, weights=(8, 8, 4, 8, 1, 2, 1), k=40):
            act()
            site.check()


def test_people_do_go_in_and_areas_do_fill_up() -> None:
    """The random site is no empty one."""
    full = inside = 0
    for seed in range(30):
        site = People(seed)
        for act in site.random.choices((site.tap_in, site.record, site.pass_door), k=40):
            act()
        inside += len(site.inside)
        refused = [e for e in site.bench.entries if e.kind == "access.decided" and e.body["reason"] == "area_full"]
        full += len(refused)
    assert inside > 30
    assert full > 30
