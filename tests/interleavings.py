"""Random interleavings of everything that can reach the controller, judged by the oracle of ``oracle.py``.

One interleaving is one seed: ``Interleaving(seed).run()`` raises ``Broken`` with the seed if a promise is broken.
"""

from dataclasses import dataclass, field, replace
from random import Random

from oracle import CHANNEL, HIGHEST, PERMITS, SITE, Books, Broken, Judged
from sites import EPOCH_MS, Bench, certificate, token

from edge.core.clock import Anchor, ClockSource
from edge.core.confirmations import Confirmation
from edge.core.controller import begin
from edge.core.entries import BlobReference
from edge.core.facts import Facts, Side, Tap, TokenRefusal, TokenVerdict, Worker
from edge.core.fold import fold
from edge.core.holds import Freeze
from edge.core.messages import (
    AuthorityApplied,
    ClockAnchored,
    DoorFaulted,
    DoorInput,
    DoorMoved,
    Operator,
    OperatorAction,
    Recorded,
    RecordFailed,
    Started,
    Tapped,
    Timer,
    TimerDue,
)
from edge.core.places import PlaceAction, PlaceOperator
from edge.core.readings import BlockRead, Quality
from edge.core.state import Durable

__all__ = ["Broken", "Interleaving"]

BADGES = {"w1": ("P1",), "w2": ("P1", "P2"), "w3": ("P3",), "g1": ("P1", "P2", "P3"), "g2": ("P2",)}
SCOPES = ("permit:P1", "permit:P1", "permit:P2", "worker:w1", "worker:w2", "worker:g1", "area:north", "site:s014")
RETEST, RELEASE = OperatorAction.RETEST, OperatorAction.RELEASE
UNSAFE = [quality for quality in Quality if quality is not Quality.GOOD]


@dataclass(slots=True)
class Authority:
    """HQ's word as the cache has it: ahead of the controller until delivered."""

    size: int = 5
    permits: dict = field(default_factory=lambda: dict(PERMITS))
    freezes: dict = field(default_factory=dict)
    released: frozenset = frozenset()

    def frozen(self) -> tuple[str, ...]:
        return tuple(scope for name, scope in self.freezes.items() if name not in self.released)

    def copy(self) -> "Authority":
        return Authority(self.size, dict(self.permits), dict(self.freezes), self.released)


class Interleaving(Judged):
    """One interleaving from its seed."""

    def __init__(self, seed: int, deep: bool = False, begun: tuple[Bench, Books] | None = None) -> None:
        where = Random(~seed).choices(_bases(), cum_weights=(4, 8, 10))[0] if begun is None else begun
        super().__init__(seed, deep, where)
        self.doubt_ms = self.random.choice((0, 5, 5, 2_000))
        self.cache = self.old_cache = Authority()
        self.undelivered: list[AuthorityApplied] = []
        self.slow_taps: list[Tapped] = []

    @classmethod
    def first(cls) -> "Interleaving":
        """A site from its genesis to the moment when w1 could go in."""
        site = cls(0, begun=(Bench(SITE), Books(permits={})))
        site.doubt_ms = 0
        site.tell(Started("boot", "0.1", ()))
        site.tell(AuthorityApplied(5, "r", EPOCH_MS, tuple(PERMITS.values()), (), (), True))
        site.settle()
        site.tell(Recorded(site.bench.state.durable.next_entry))
        site.tell(site._tapped("g1"))
        return site

    def rest(self) -> tuple[Bench, Books]:
        """Everything recorded; a copy to begin others from."""
        self.tell(Recorded(self.bench.state.durable.next_entry))
        return self.bench.copy(), self.books.copy()

    def run(self) -> dict[str, int]:
        """Play it. Returns how often what happened."""
        pick, actions, weights = self.random.choices, *_table()
        for action in pick(actions, cum_weights=weights, k=self.random.randint(3, 10)):
            self.bench.now_ms += self.random.choice(_PAUSES_MS)
            self._late_timers()
            action(self)
        self._journal_agrees()
        return self.counts

    # ---- what can happen ----------------------------------------------------------------------------------------

    def _late_timers(self) -> None:
        for (timer, subject), due_ms in list(self.timers.items()):
            if due_ms <= self.bench.now_ms and self.random.random() < 0.7:
                del self.timers[timer, subject]
                self.tell(TimerDue(timer, subject))

    def _gather(self, tap: Tap) -> Facts:
        cache = self.old_cache if self.random.random() < 0.15 else self.cache
        worker = self.random.choices(("w1", "w2", "w3", "g1", "g2"), cum_weights=(8, 14, 15, 18, 19))[0]
        return _facts(cache, worker, SITE.doors[tap.door].area)

    def tap_at_entry(self) -> None:
        door = self.random.choices(("d1", "d2", "d3"), cum_weights=(10, 16, 18))[0]
        self.bench.taps += 1
        tap = Tap(f"tap-{self.bench.taps}", f"{door}-reader", door, Side.ENTRY, "04a1", self.bench.now_ms)
        tapped = Tapped(tap, self._gather(tap))
        if self.random.random() < 0.1:
            self.slow_taps.append(tapped)
        else:
            self.tell(tapped)

    def slow_tap(self) -> None:
        if self.asked_again:
            tap = self.asked_again.pop(0)
            self.tell(Tapped(tap, self._gather(tap)))
        elif self.slow_taps:
            self.tell(self.slow_taps.pop(0))

    def forged(self) -> None:
        tap = Tap("forged", "d1-reader", "d1", Side.ENTRY, "04ff", self.bench.now_ms)
        refusal = self.random.choice(list(TokenRefusal))
        made = self.tell(Tapped(tap, Facts(self.books.size, 0, TokenVerdict(None, refusal), False, None, (), (), ())))
        self._expect(not any(each.kind == "hold.frozen" for each in made.entries), "a forged badge froze a permit")

    def leave(self) -> None:
        door = self.random.choice(("d1", "d2", "d3"))
        if self.random.random() < 0.5:
            self.tell(DoorMoved(door, DoorInput.REX, True))
            return
        tap = Tap("exit", f"{door}-reader", door, Side.EXIT, "04a1", self.bench.now_ms)
        self.tell(Tapped(tap, _facts(self.cache, "w1", SITE.doors[door].area)))

    def _block(self, device: str, steps: int | None, quality: Quality = Quality.GOOD) -> None:
        at = self.bench.now_ms - self.random.choice((0, 0, 20))
        blocks = self.books.blocks.get(device)
        if blocks and blocks[-1].taken_at > at:
            at = self.bench.now_ms
        self.tell(BlockRead(device, (CHANNEL[device],), (steps,), (quality,), at))

    def good_readings(self) -> None:
        south = ("gas2",) if self.random.random() < 0.2 else ()
        for device in ("gas1", "wind1", *south):
            self._block(device, self.random.choice((0, 30, HIGHEST[device])))

    def settle(self) -> None:
        for _ in range(2):
            self.good_readings()
            self.bench.now_ms += 3_000
        self.good_readings()

    def over_limit(self) -> None:
        device = self.random.choices(("gas1", "wind1", "gas2"), cum_weights=(4, 6, 7))[0]
        self._block(device, HIGHEST[device] + self.random.choice((1, 400)))

    def bad_reading(self) -> None:
        device = self.random.choice(("gas1", "gas1", "wind1", "gas2"))
        self._block(device, None, self.random.choice(UNSAFE + [Quality.COMM_FAIL] * 6))

    def recorded(self) -> None:
        known, every = self.bench.state.recorded, self.bench.state.durable.next_entry
        if known < every:
            self.tell(Recorded(every if self.random.random() < 0.6 else self.random.randint(known + 1, every)))

    def record_failed(self) -> None:
        if self.bench.state.recorded < self.bench.state.durable.next_entry:
            self.tell(RecordFailed(self.bench.state.recorded, "disk"))

    def hq_acts(self) -> None:
        """HQ freezes, releases or changes something; the cache has it at once, the controller sooner or later."""
        self.old_cache, self.cache = self.cache, self.cache.copy()
        cache, random = self.cache, self.random
        cache.size += 1
        freezes, releases, permits = (), (), ()
        standing = [name for name in (*cache.freezes, *self.books.freezes) if name not in cache.released]
        match random.choices(("freeze", "release", "change"), cum_weights=(5, 7, 11))[0]:
            case "release" if standing:
                releases = (random.choice(standing),)
                cache.released |= {*releases}
            case "change":
                name = random.choice(("P1", "P1", "P2", "P3"))
                change = random.choice(_CHANGES)
                cache.permits[name] = replace(PERMITS[name], **change)
                permits = (cache.permits[name],)
            case _:
                name, scope = f"hq-{cache.size}", random.choice(SCOPES)
                cache.freezes[name] = scope
                freezes = (Freeze(name, scope, "hq", "inspection"),)
        self.undelivered.append(AuthorityApplied(cache.size, "r", EPOCH_MS, permits, freezes, releases, False))
        if random.random() < 0.6:
            self.deliver()

    def deliver(self) -> None:
        while self.undelivered:
            self.tell(self.undelivered.pop(0))

    def door_moves(self) -> None:
        door = self.random.choice(("d1", "d1", "d2", "d3"))
        self.tell(DoorMoved(door, DoorInput.CONTACT, self.random.random() < 0.6))

    def door_trouble(self) -> None:
        door = self.random.choice(("d1", "d1", "d2"))
        if self.random.random() < 0.4:
            self.tell(DoorMoved(door, DoorInput.FIRE, self.random.random() < 0.4))
        else:
            self.tell(DoorFaulted(door, "read-back" if self.random.random() < 0.4 else None))

    def clock(self) -> None:
        self.clock_trusted = self.random.random() < 0.6
        anchor = Anchor(ClockSource.NTP, EPOCH_MS, 5, self.bench.boot_id, self.bench.now_ms)
        self.tell(ClockAnchored(anchor))

    def time_passes(self) -> None:
        self.bench.now_ms += self.random.choice((2_000, 5_000, 61_000, 1_299_990 - min(self.bench.now_ms, 1_299_990)))

    def person_acts(self) -> None:
        action = self.random.choice(list(OperatorAction))
        person = self.random.choice((Worker("g1", False), Worker("g1", False), None, Worker("g1", True)))
        self.tell(Operator(action, self._troubled(), "g1", person, "seen", None, "r"))

    def locks_down(self) -> None:
        """Somebody locks an area down, often while a grant waits or a release runs; mostly it is released again."""
        place = self.random.choice(("north", "north", "south"))
        for doing, chance in (
            (self.guardian_and_worker, 0.8),
            (PlaceAction.LOCKDOWN, 0.9),
            (self.recorded, 0.8),
            (self.tap_at_entry, 0.5),
            (PlaceAction.RELEASE, 0.8),
        ):
            if self.random.random() >= chance:
                continue
            if isinstance(doing, PlaceAction):
                self.tell(PlaceOperator(doing, place, "g1", Worker("g1", False), "seen", "r"))
            else:
                doing()

    def _troubled(self) -> str:
        return self.random.choice((*self.books.trips, "P1"))

    def stands_in(self) -> None:
        """A device falls silent, the guardian says what they see of it, sooner or later, and people tap."""
        device = self.random.choice(("gas1", "gas1", "gas1", "wind1"))
        for _ in range(self.random.randint(1, 3)):
            self._block(device, None, Quality.COMM_FAIL)
            self._block("wind1" if device == "gas1" else "gas1", 0)
            self.bench.now_ms += self.random.choice((500, 1_500, 2_000, 3_000))
        photo = BlobReference("0" * 64, "image/jpeg", 4) if self.random.random() < 0.9 else None
        who, name = self.random.choice(("g1", "g1", "g1", "w1")), self.random.choice(("P1", "P1", "P2"))
        act = Operator(OperatorAction.CONFIRM, name, who, Worker(who, False), "seen", photo, "r")
        self.tell(replace(act, what=Confirmation.EQUIPMENT, device=device))
        self.recorded()
        self.guardian_and_worker()

    def clears(self) -> None:
        """What a site does after a trip, in full or in part: readings good for a while, a re-test, a release."""
        name = self._troubled()
        for doing, chance in ((self.settle, 0.6), (RETEST, 0.8), (self.over_limit, 0.15), (RELEASE, 0.8)):
            if self.random.random() >= chance:
                continue
            if isinstance(doing, OperatorAction):
                self.tell(Operator(doing, name, "g1", Worker("g1", False), "seen", None, "r"))
            else:
                doing()

    def guardian_and_worker(self) -> None:
        """The plain good case, so that most interleavings have something to lose."""
        if self.random.random() < 0.8:
            self.tell(self._tapped("g1"))
        self.tell(self._tapped(self.random.choice(("w1", "w1", "w2"))))

    def try_everything(self) -> None:
        """All that a site can do to get somebody in, short of what a hold or a trip needs to be lifted."""
        self.recorded()
        self.settle()
        self.recorded()
        self.guardian_and_worker()
        self.recorded()

    def _tapped(self, worker: str) -> Tapped:
        self.bench.taps += 1
        tap = Tap(f"tap-{self.bench.taps}", "d1-reader", "d1", Side.ENTRY, "04a1", self.bench.now_ms)
        return Tapped(tap, _facts(self.cache, worker, "north"))

    def restart(self) -> None:
        """The process dies: what was not durable is gone, and HQ's whole word is told again."""
        self.counts["restarted"] += 1
        bench, books = self.bench, self.books
        if self.random.random() < 0.5:
            bench.boot_id += "+"
        bench.entries = bench.entries[: bench.state.recorded]
        durable = Durable()
        for entry in bench.entries:
            durable = fold(durable, entry)
        bench.state = begin(SITE, durable)
        self.timers, self.slow_taps, self.asked_again, self.undelivered = {}, [], [], []
        books.granted, books.blocks, books.sirens, books.releases = {}, {}, {}, {}
        books.fire, books.faults, books.open, books.failing = set(), set(), set(), False
        books.running, books.size = set(durable.running), durable.authority_size
        books.trips = {name: trip.retest is not None for name, trip in durable.trips.items()}
        books.guardians = {
            (name, area): (each.worker, each.boottime_ms, each.boot_id)
            for name, areas in durable.guardians.items()
            for area, each in areas.items()
        }
        books.by_hand = {
            (name, device): (each.worker, each.boottime_ms, each.boot_id)
            for name, devices in durable.by_hand.items()
            for device, each in devices.items()
        }
        books.freezes = {each.freeze: each.scope for each in durable.freezes.standing()}
        books.released = set(durable.freezes.released)
        books.permits, books.closed = {}, set()
        self.tell(Started("crash", "0.1", ()))
        cache = self.cache
        freezes = tuple(Freeze(name, scope, "hq", "inspection") for name, scope in cache.freezes.items())
        self.tell(
            AuthorityApplied(
                cache.size, "r", EPOCH_MS, tuple(cache.permits.values()), freezes, tuple(cache.released), True
            )
        )


_PAUSES_MS = (0, 0, 1, 3, 10, 40, 200, 700, 1_400)
_CHANGES = (
    {"status": 6},
    {"status": 4},
    {"revoked": True},
    {"workers": ("w9",)},
    {"guardians": ("g2",)},
    {"version": 2},
    {"not_after_ms": EPOCH_MS + 1_000_500},
    {},
    {},
    {},
)
_WEIGHTS = {
    Interleaving.tap_at_entry: 26,
    Interleaving.recorded: 34,
    Interleaving.guardian_and_worker: 8,
    Interleaving.try_everything: 6,
    Interleaving.good_readings: 12,
    Interleaving.over_limit: 7,
    Interleaving.bad_reading: 6,
    Interleaving.settle: 3,
    Interleaving.hq_acts: 9,
    Interleaving.deliver: 4,
    Interleaving.slow_tap: 5,
    Interleaving.forged: 2,
    Interleaving.leave: 4,
    Interleaving.record_failed: 3,
    Interleaving.door_moves: 6,
    Interleaving.door_trouble: 3,
    Interleaving.clock: 3,
    Interleaving.time_passes: 3,
    Interleaving.person_acts: 4,
    Interleaving.locks_down: 3,
    Interleaving.clears: 9,
    Interleaving.stands_in: 5,
    Interleaving.restart: 1,
}
_CACHED: dict = {}


def _table() -> tuple[list, list]:
    if "table" not in _CACHED:
        total, weights = 0, []
        for weight in _WEIGHTS.values():
            total += weight
            weights.append(total)
        _CACHED["table"] = (list(_WEIGHTS), weights)
    return _CACHED["table"]


def _facts(cache: Authority, worker: str, area: str) -> Facts:
    """What that cache says of a worker's badge, as the reader's thread would gather it."""
    named = tuple(cache.permits[each] for each in BADGES[worker])
    touching = {f"worker:{worker}", f"area:{area}", "site:s014", *(f"permit:{each}" for each in BADGES[worker])}
    return Facts(
        authority_size=cache.size,
        fresh_at_ms=EPOCH_MS,
        token=_verdict(worker),
        token_revoked=False,
        worker=Worker(worker, False),
        certificates=(certificate(worker),),
        permits=named,
        freezes=tuple(scope for scope in cache.frozen() if scope in touching),
    )


def _verdict(worker: str) -> TokenVerdict:
    if worker not in _CACHED:
        _CACHED[worker] = TokenVerdict(token(worker, [PERMITS[each] for each in BADGES[worker]]), None)
    return _CACHED[worker]


def _bases() -> list[tuple[Bench, Books]]:
    """Where interleavings begin, made once: ready for the first entry, P1 running, and P1 tripped; all recorded."""
    if "bases" not in _CACHED:
        first = Interleaving.first()
        bases = [first.rest()]
        first.tell(first._tapped("w1"))
        first.tell(Recorded(first.bench.state.durable.next_entry))
        first.bench.now_ms += 5_000
        first.tell(TimerDue(Timer.DOOR, "d1"))
        first.settle()
        bases.append(first.rest())
        first._block("gas1", 101)
        _CACHED["bases"] = [*bases, first.rest()]
    return _CACHED["bases"]
