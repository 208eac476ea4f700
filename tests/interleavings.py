"""Random interleavings of everything that can reach the controller, judged by an oracle of its own.

The oracle keeps its own books of what was told to the controller (``Books``) and never asks ``decide``. One
interleaving is one seed: ``Interleaving(seed).run()`` raises ``Broken`` with the seed if a promise is broken.
"""

import json
from dataclasses import dataclass, field, replace
from random import Random

from sites import DEFAULT_AREAS, EPOCH_MS, POLICY, Bench, build_site, certificate, permit, token

from edge.core import codec
from edge.core.clock import Anchor, ClockInterval, ClockSource
from edge.core.controller import begin
from edge.core.decision import Question, decide
from edge.core.entries import Entry
from edge.core.facts import Facts, Side, Tap, TokenRefusal, TokenVerdict, Worker
from edge.core.fold import fold
from edge.core.holds import Freeze
from edge.core.interlocks import Timing
from edge.core.messages import (
    AuthorityApplied,
    ClockAnchored,
    DoorFaulted,
    DoorInput,
    DoorMoved,
    Gather,
    Input,
    Lock,
    Operator,
    OperatorAction,
    Recorded,
    RecordFailed,
    ReleaseExit,
    SetTimer,
    Sound,
    Started,
    Tapped,
    Timer,
    TimerDue,
    Unlock,
)
from edge.core.readings import BlockRead, Quality
from edge.core.state import Durable
from edge.core.turn import Step

SETTLE_MS, STALE_MS, WINDOW_MS, GUARDIAN_MS, GIVE_UP_MS = 3_000, 4_000, 5_000, 60_000, 1_500
"""Short, so that one interleaving sees readings settle, go stale and settle again."""
WINDOW_END_MS = 1_300_000
"""Monotonic time at which the permits' windows end."""

SITE = build_site(
    DEFAULT_AREAS,
    timing=Timing(SETTLE_MS, STALE_MS, WINDOW_MS),
    policy=replace(POLICY, stale_ms=STALE_MS, guardian_ms=GUARDIAN_MS, offline_normal_ms=100_000_000),
)
CHANNEL = {"gas1": "gas", "wind1": "speed", "gas2": "gas"}
HIGHEST = {"gas1": 100, "wind1": 79, "gas2": 100}
DEVICES = {"north": ("gas1", "wind1"), "south": ("gas2",)}
PERMITS = {
    "P1": permit(not_after_ms=EPOCH_MS + WINDOW_END_MS),
    "P2": permit("P2", workers=("w2",), guardians=("g1", "g2"), not_after_ms=EPOCH_MS + WINDOW_END_MS + 60_000),
    "P3": permit("P3", areas=("south",), workers=("w3",), not_after_ms=EPOCH_MS + WINDOW_END_MS),
}
BADGES = {"w1": ("P1",), "w2": ("P1", "P2"), "w3": ("P3",), "g1": ("P1", "P2", "P3"), "g2": ("P2",)}
SCOPES = ("permit:P1", "permit:P1", "permit:P2", "worker:w1", "worker:w2", "worker:g1", "area:north", "site:s014")
RETEST, RELEASE = OperatorAction.RETEST, OperatorAction.RELEASE
UNSAFE = [quality for quality in Quality if quality is not Quality.GOOD]


class Broken(AssertionError):
    """A promise was broken; the text says which, with the seed and the last inputs."""


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


@dataclass(slots=True)
class Books:
    """What the controller was told, kept by somebody else. ``trips`` maps to whether a re-test has passed since."""

    size: int = 5
    permits: dict = field(default_factory=lambda: dict(PERMITS))
    freezes: dict = field(default_factory=dict)
    released: set = field(default_factory=set)
    blocks: dict = field(default_factory=dict)
    running: set = field(default_factory=set)
    trips: dict = field(default_factory=dict)
    guardians: dict = field(default_factory=dict)
    fire: set = field(default_factory=set)
    faults: set = field(default_factory=set)
    sirens: dict = field(default_factory=dict)
    granted: dict = field(default_factory=dict)
    releases: dict = field(default_factory=dict)
    open: set = field(default_factory=set)
    closed: set = field(default_factory=set)
    failing: bool = False

    def copy(self) -> "Books":
        names = self.__slots__
        return Books(**{name: _copied(getattr(self, name)) for name in names})

    def held(self, scope: str) -> bool:
        return any(each == scope and name not in self.released for name, each in self.freezes.items())

    def why_not(self, entry: int, now_ms: int, boot_id: str, clock: ClockInterval) -> list[str]:
        """Everything known now that forbids the unlock for that entry. Empty: nothing does."""
        if entry not in self.granted:
            return ["no granted decision of that number waits"]
        tap, told, permit_id, worker, decided_at_ms = self.granted[entry]
        area = SITE.doors[tap.door].area
        found = [scope for scope in (f"permit:{permit_id}", f"worker:{worker}", f"area:{area}") if self.held(scope)]
        found += ["site"] if self.held("site:s014") else []
        found += [scope for scope in (f"permit:{permit_id}", f"worker:{worker}") if scope in told.freezes]
        found += ["tripped"] if permit_id in self.trips else []
        found += ["fire"] if self.fire else []
        found += ["fault"] if tap.door in self.faults else []
        found += ["late"] if now_ms - decided_at_ms >= GIVE_UP_MS else []
        found += ["older facts"] if told.authority_size < self.size else []
        newest = {each.permit: each for each in told.permits}
        if told.authority_size <= self.size:
            newest |= {name: each for name, each in self.permits.items() if name in newest}
        found += self._permit(newest.get(permit_id), worker, told, clock)
        found += self._guardian(newest.get(permit_id), now_ms, boot_id)
        for device in DEVICES[area]:
            found += self._reading(device, now_ms)
        return found

    def _permit(self, known, worker, told, clock) -> list[str]:
        if known is None or known.status not in (1, 2) or known.revoked or worker not in known.workers:
            return ["permit"]
        badge = told.token.token
        begins, ends = max(known.not_before_ms, badge.not_before_ms), min(known.not_after_ms, badge.not_after_ms)
        return [] if clock.hi_ms is not None and begins <= clock.lo_ms and clock.hi_ms < ends else ["window"]

    def _guardian(self, known, now_ms, boot_id) -> list[str]:
        who, when_ms, boot = self.guardians.get(known.permit if known else "", ("", 0, ""))
        present = boot == boot_id and now_ms - when_ms <= GUARDIAN_MS and known is not None and who in known.guardians
        return [] if present and not self.held(f"worker:{who}") else ["guardian"]

    def _reading(self, device: str, now_ms: int) -> list[str]:
        """The last block good and fresh, nothing bad and no gap while it settled, no gust in the window."""
        blocks = self.blocks.get(device, [])
        if not blocks or blocks[-1].qualities[0] is not Quality.GOOD or now_ms - blocks[-1].taken_at > STALE_MS:
            return [f"{device} not good"]
        wind = device == "wind1"
        horizon = now_ms - (WINDOW_MS if wind else SETTLE_MS)
        if (not wind and blocks[-1].steps[0] > HIGHEST[device]) or (
            wind and any(each.steps[0] is not None and each.steps[0] > 79 for each in blocks if each.taken_at > horizon)
        ):
            return [f"{device} over"]
        last_ms = blocks[-1].taken_at
        for each in reversed(blocks):
            quality = each.qualities[0]
            if quality is Quality.GOOD:
                if last_ms - each.taken_at > STALE_MS:
                    break
                last_ms = each.taken_at
            elif quality not in (Quality.COMM_FAIL, Quality.DECODE_FAIL):
                break
        return [] if last_ms <= horizon else [f"{device} not settled"]


def _copied(value):
    if isinstance(value, dict):
        return {key: list(each) if isinstance(each, list) else each for key, each in value.items()}
    return set(value) if isinstance(value, set) else value


class Interleaving:
    """One interleaving from its seed."""

    def __init__(self, seed: int, deep: bool = False) -> None:
        bases = _bases()
        self._plain(seed, deep)
        self.base, books = self.random.choices(bases, cum_weights=(4, 8, 10))[0]
        self.bench, self.books = self.base.copy(), books.copy()
        self.doubt_ms = self.random.choice((0, 5, 5, 2_000))

    def _plain(self, seed: int, deep: bool) -> None:
        self.seed, self.deep, self.random = seed, deep, Random(seed)
        self.cache = self.old_cache = Authority()
        self.undelivered: list[AuthorityApplied] = []
        self.slow_taps: list[Tapped] = []
        self.timers: dict[tuple, int] = {}
        self.told: list[tuple[int, Input]] = []
        self.clock_trusted, self.doubt_ms = True, 0
        self.counts = {"unlocked": 0, "withdrawn": 0, "tripped": 0, "restarted": 0, "retested": 0, "relocked": 0}

    @classmethod
    def first(cls) -> "Interleaving":
        """A site from its genesis to the moment when w1 could go in."""
        site = cls.__new__(cls)
        site._plain(0, False)
        site.bench, site.books = Bench(SITE), Books(permits={})
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

    # ---- one input, and what must hold of its step --------------------------------------------------------------

    def tell(self, message: Input) -> Step:
        bench, books = self.bench, self.books
        self.told.append((bench.now_ms, message))
        now_ms, utc_ms = bench.now_ms, EPOCH_MS + bench.now_ms
        bench.clock = ClockInterval(
            utc_ms - self.doubt_ms, utc_ms + self.doubt_ms if self.clock_trusted else None, ClockSource.HQ
        )
        through = bench.state.recorded
        self.state_before = bench.state
        first = bench.state.durable.next_entry
        made = bench.go(message)
        self._note_before(message)
        for number, entry in enumerate(made.entries, first):
            self._expect(entry.seq == number, f"entry {entry.seq} at {number}")
        unlocks = 0
        for command in made.commands:
            match command:
                case Unlock(door, entry, _):
                    unlocks += 1
                    self._expect(isinstance(message, Recorded), "unlocked by another input than Recorded")
                    through = max(through, message.through)
                    self._expect(entry < through, f"unlocked for {entry}, recorded only below {through}")
                    why_not = books.why_not(entry, now_ms, bench.boot_id, bench.clock)
                    self._expect(not why_not, f"unlocked {door} for {entry} in spite of {why_not}")
                    _, _, permit_id, worker, _ = books.granted.pop(entry)
                    books.releases.setdefault(door, []).append((permit_id, worker))
                case Lock(door):
                    books.releases.pop(door, None)
                case SetTimer(timer, subject, due_ms):
                    self.timers[timer, subject] = due_ms
                case Sound(area, on):
                    books.sirens[area] = on
                case Gather(tap):
                    self.slow_taps.append(Tapped(tap, self._gather(tap)))
        self.counts["unlocked"] += unlocks
        self._follow(message, made)
        return made

    def _note_before(self, message: Input) -> None:
        """What the message itself tells: known before whatever its step makes."""
        books = self.books
        match message:
            case BlockRead():
                books.blocks.setdefault(message.device, []).append(message)
            case AuthorityApplied() if message.size >= books.size:
                books.size = message.size
                books.freezes |= {each.freeze: each.scope for each in message.freezes}
                books.released |= set(message.releases)
                if message.complete:
                    books.permits = {}
                for each in message.permits:
                    books.permits[each.permit] = each
                books.closed -= {each.permit for each in message.permits if each.status in (0, 1, 2, 6)}
            case Recorded() | RecordFailed():
                books.failing = isinstance(message, RecordFailed)
            case DoorMoved(door, DoorInput.CONTACT, active):
                (books.open.add if active else books.open.discard)(door)
            case DoorMoved(door, DoorInput.FIRE, active):
                (books.fire.add if active else books.fire.discard)(door)
            case DoorFaulted(door, what, _):
                (books.faults.discard if what is None else books.faults.add)(door)

    def _follow(self, message: Input, made: Step) -> None:
        books, now_ms = self.books, self.bench.now_ms
        for entry in made.entries:
            self._keep(entry, message)
        match message:
            case Tapped(tap, _) if tap.side is Side.EXIT:
                self._expect(
                    any(isinstance(each, ReleaseExit) for each in made.commands), "an exit tap was not released"
                )
            case DoorMoved(_, DoorInput.REX, True):
                self._expect(any(isinstance(each, ReleaseExit) for each in made.commands), "a button was not released")
            case DoorMoved(door, DoorInput.FIRE, True) if door not in self.state_before.fire:
                self._expect(any(isinstance(each, ReleaseExit) for each in made.commands), "fire did not release")
            case BlockRead():
                self._tripped_at_once(message, made)
            case AuthorityApplied() | Tapped():
                self._relocked_at_once()
        for permit_id, passed in books.trips.items():
            known = books.permits.get(permit_id)
            if not passed and known is not None:
                for area in known.areas:
                    self._expect(books.sirens.get(area) is True, f"{permit_id} is tripped and {area} is silent")
        if self.bench.state.pending.keys() - books.granted.keys():
            self._expect(False, "a grant waits that was never decided")
        self._expect(all(now_ms >= each.decided_at_ms for each in self.bench.state.pending.values()), "from the future")

    def _keep(self, entry: Entry, message: Input) -> None:
        books, body = self.books, entry.body
        if not (isinstance(message, Tapped) and message.facts.authority_size > books.size):
            reopened = entry.permit in books.closed and entry.kind != "permit.begun"
            self._expect(not reopened, f"{entry.kind} follows the closing of {entry.permit}")
        match entry.kind:
            case "access.decided" if body["decision"] == "granted":
                self._expect(not books.failing, "granted while the journal fails")
                books.granted[entry.seq] = (message.tap, message.facts, entry.permit, body["worker"], self.bench.now_ms)
            case "access.withdrawn":
                self.counts["withdrawn"] += 1
                books.granted.pop(body["entry"])
            case "hold.frozen":
                books.freezes[body["freeze"]] = body["scope"]
            case "guardian.present":
                for permit_id in body["permits"]:
                    books.guardians[permit_id] = (body["worker"], self.bench.now_ms, self.bench.boot_id)
            case "permit.begun":
                books.running.add(entry.permit)
                books.closed.discard(entry.permit)
            case "permit.closed":
                books.closed.add(entry.permit)
                books.running.discard(entry.permit)
                books.trips.pop(entry.permit, None)
            case "permit.tripped":
                self.counts["tripped"] += 1
                books.trips[entry.permit] = False
            case "permit.retested" if body["passed"]:
                self.counts["retested"] += 1
                bad = [why for area in PERMITS[entry.permit].areas for each in DEVICES[area] for why in self._bad(each)]
                self._expect(not bad, f"a re-test passed in spite of {bad}")
                books.trips[entry.permit] = True
            case "permit.trip_released":
                self._expect(books.trips.get(entry.permit) is True, "released without a passing re-test")
                books.trips.pop(entry.permit)
            case "access.not_taken" if not isinstance(message, TimerDue):
                self.counts["relocked"] += 1

    def _bad(self, device: str) -> list[str]:
        return self.books._reading(device, self.bench.now_ms)

    def _tripped_at_once(self, block: BlockRead, made: Step) -> None:
        """Running work bound to a device over its limit, or unable to measure, stops in the very step that says so."""
        quality, steps = block.qualities[0], block.steps[0]
        lost = quality in (Quality.COMM_FAIL, Quality.DECODE_FAIL)
        if lost or (quality is Quality.GOOD and steps <= HIGHEST[block.device]):
            return
        for permit_id in self.books.running & self.books.permits.keys():
            for area in self.books.permits[permit_id].areas:
                if block.device in DEVICES[area]:
                    self._expect(self.books.trips.get(permit_id) is False, f"{permit_id} runs on in spite of {block}")
                    tripped = any(each.kind == "permit.tripped" and each.permit == permit_id for each in made.entries)
                    doors = {each.door for each in made.commands if isinstance(each, Lock)}
                    here = {door for door, plan in SITE.doors.items() if plan.area == area}
                    self._expect(not tripped or here <= doors, f"tripped and {here - doors} not locked")

    def _relocked_at_once(self) -> None:
        """A release that still runs at a shut door ends in the step that makes a hold known."""
        for door, passing in self.books.releases.items():
            for permit_id, worker in passing:
                area = SITE.doors[door].area
                scopes = (f"permit:{permit_id}", f"worker:{worker}", f"area:{area}", "site:s014")
                held = [scope for scope in scopes if self.books.held(scope)]
                self._expect(not held or door in self.books.open, f"{door} still released in spite of {held}")

    def _expect(self, held: bool, promise: str) -> None:
        if not held:
            last = "\n  ".join(f"{at_ms} {message}" for at_ms, message in self.told[-30:])
            raise Broken(f"seed {self.seed}: {promise}\n  {last}")

    def _journal_agrees(self) -> None:
        """fold(journal) is the durable state: from a saved row, and deep from genesis through the entries' bytes.

        Deep also decides every decision again from its evidence alone.
        """
        begun = 0 if self.deep else len(self.base.entries)
        durable = Durable() if self.deep else self.base.state.durable
        for entry in self.bench.entries[begun:]:
            durable = fold(durable, replace(entry, body=json.loads(json.dumps(entry.body))) if self.deep else entry)
        self._expect(durable == self.bench.state.durable, "fold(journal) is not the durable state")
        if self.deep:
            self._expect(
                codec.decode(codec.encode(durable), Durable) == durable, "durable state does not come back from bytes"
            )
            for entry in self.bench.entries:
                if entry.kind == "access.decided":
                    self._replays(entry)

    def _replays(self, entry: Entry) -> None:
        assert entry.evidence is not None
        again = decide(codec.decode(entry.evidence, Question))
        said = (entry.body["decision"], entry.body["reason"], entry.body["reasons"], entry.body["failing"])
        failing = [[each.reason.value, each.permit, each.detail] for each in again.failing]
        reasons = list(dict.fromkeys(each[0] for each in failing))
        got = (again.outcome.value, again.primary.value, reasons, failing[:32])
        self._expect(said == got, f"entry {entry.seq} said {said}, decided again {got}")

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
        if self.slow_taps:
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
            self.tell(DoorFaulted(door, "read-back" if self.random.random() < 0.4 else None, False))

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

    def _troubled(self) -> str:
        return self.random.choice((*self.books.trips, "P1"))

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
        self.timers, self.slow_taps, self.undelivered = {}, [], []
        books.granted, books.blocks, books.sirens, books.releases = {}, {}, {}, {}
        books.fire, books.faults, books.open, books.failing = set(), set(), set(), False
        books.running, books.size = set(durable.running), durable.authority_size
        books.trips = {name: trip.retest is not None for name, trip in durable.trips.items()}
        books.guardians = {
            name: (each.worker, each.boottime_ms, each.boot_id) for name, each in durable.guardians.items()
        }
        books.freezes = {each.freeze: each.scope for each in durable.freezes.standing.values()}
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
    Interleaving.clears: 4,
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
