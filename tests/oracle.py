"""The oracle of the interleavings: its own books of what the controller was told, and what must hold of each step.

``Books`` never asks ``decide``; ``Judged`` tells inputs to a bench and raises ``Broken`` at the first broken promise.
"""

import json
from dataclasses import dataclass, field, replace
from random import Random

from sites import DEFAULT_AREAS, EPOCH_MS, POLICY, Bench, build_site, permit

from edge.core import codec
from edge.core.clock import ClockInterval, ClockSource
from edge.core.decision import decide
from edge.core.entries import Entry
from edge.core.facts import Side, Tap
from edge.core.fold import fold
from edge.core.interlocks import Timing
from edge.core.messages import (
    AuthorityApplied,
    DoorFaulted,
    DoorInput,
    DoorMoved,
    Gather,
    Input,
    Lock,
    Recorded,
    RecordFailed,
    ReleaseExit,
    SetTimer,
    Sound,
    Tapped,
    TimerDue,
    Unlock,
)
from edge.core.places import PlaceOperator
from edge.core.question import Question
from edge.core.readings import BlockRead, Quality
from edge.core.state import Durable
from edge.core.turn import Step

SETTLE_MS, STALE_MS, WINDOW_MS, GUARDIAN_MS, GIVE_UP_MS = 3_000, 4_000, 5_000, 60_000, 1_500
"""Short, so that one interleaving sees readings settle, go stale and settle again."""
SILENT_MS, BY_HAND_MS = 2_000, 20_000
WINDOW_END_MS = 1_300_000
"""Monotonic time at which the permits' windows end."""

SITE = build_site(
    DEFAULT_AREAS,
    timing=Timing(SETTLE_MS, STALE_MS, WINDOW_MS),
    policy=replace(
        POLICY,
        stale_ms=STALE_MS,
        guardian_ms=GUARDIAN_MS,
        offline_normal_ms=100_000_000,
        silent_ms=SILENT_MS,
        by_hand_ms=BY_HAND_MS,
    ),
)
CHANNEL = {"gas1": "gas", "wind1": "speed", "gas2": "gas"}
HIGHEST = {"gas1": 100, "wind1": 79, "gas2": 100}
DEVICES = {"north": ("gas1", "wind1"), "south": ("gas2",)}
PERMITS = {
    "P1": permit(not_after_ms=EPOCH_MS + WINDOW_END_MS),
    "P2": permit("P2", workers=("w2",), guardians=("g1", "g2"), not_after_ms=EPOCH_MS + WINDOW_END_MS + 60_000),
    "P3": permit("P3", areas=("south",), workers=("w3",), not_after_ms=EPOCH_MS + WINDOW_END_MS),
}


class Broken(AssertionError):
    """A promise was broken; the text says which, with the seed and the last inputs."""


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
    by_hand: dict = field(default_factory=dict)
    fire: set = field(default_factory=set)
    faults: set = field(default_factory=set)
    locked: set = field(default_factory=set)
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
        found += ["locked down"] if area in self.locked else []
        found += ["late"] if now_ms - decided_at_ms >= GIVE_UP_MS else []
        found += ["older facts"] if told.authority_size < self.size else []
        newest = {each.permit: each for each in told.permits}
        if told.authority_size <= self.size:
            newest |= {name: each for name, each in self.permits.items() if name in newest}
        found += self._permit(newest.get(permit_id), worker, told, clock)
        found += self._guardian(newest.get(permit_id), area, now_ms, boot_id)
        for device in DEVICES[area]:
            if not self._stood_in(newest.get(permit_id), device, now_ms, boot_id):
                found += self._reading(device, now_ms)
        return found

    def _permit(self, known, worker, told, clock) -> list[str]:
        if known is None or known.status not in (1, 2) or known.revoked or worker not in known.workers:
            return ["permit"]
        badge = told.token.token
        begins, ends = max(known.not_before_ms, badge.not_before_ms), min(known.not_after_ms, badge.not_after_ms)
        return [] if clock.hi_ms is not None and begins <= clock.lo_ms and clock.hi_ms < ends else ["window"]

    def _guardian(self, known, area, now_ms, boot_id) -> list[str]:
        who, when_ms, boot = self.guardians.get((known.permit if known else "", area), ("", 0, ""))
        present = boot == boot_id and now_ms - when_ms <= GUARDIAN_MS and known is not None and who in known.guardians
        return [] if present and not self.held(f"worker:{who}") else ["guardian"]

    def _stood_in(self, known, device: str, now_ms: int, boot_id: str) -> bool:
        """Nothing is heard of a gas detector, and a guardian said not long ago that they stand in for it."""
        who, when_ms, boot = self.by_hand.get((known.permit if known else "", device), ("", 0, ""))
        said = boot == boot_id and now_ms - when_ms <= BY_HAND_MS and known is not None and who in known.guardians
        return said and not self.held(f"worker:{who}") and device != "wind1" and self.silent(device, now_ms)

    def silent(self, device: str, now_ms: int) -> bool:
        """The last block was lost, or came too long ago, or there was none."""
        last = self.blocks.get(device, [None])[-1]
        return last is None or last.qualities[0] is Quality.COMM_FAIL or now_ms - last.taken_at > STALE_MS

    def word(self, device: str) -> BlockRead | None:
        """The last block in which the device said anything."""
        said = (each for each in reversed(self.blocks.get(device, [])) if each.qualities[0] is not Quality.COMM_FAIL)
        return next(said, None)

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
            elif quality is not Quality.COMM_FAIL:
                break
        return [] if last_ms <= horizon else [f"{device} not settled"]


def _copied(value):
    if isinstance(value, dict):
        return {key: list(each) if isinstance(each, list) else each for key, each in value.items()}
    return set(value) if isinstance(value, set) else value


class Judged:
    """A site under judgement, from where ``begun`` stands. ``deep`` checks more, and takes longer."""

    def __init__(self, seed: int, deep: bool, begun: tuple[Bench, Books]) -> None:
        self.seed, self.deep, self.random = seed, deep, Random(seed)
        self.base = begun[0]
        self.bench, self.books = begun[0].copy(), begun[1].copy()
        self.timers: dict[tuple, int] = {}
        self.asked_again: list[Tap] = []
        self.told: list[tuple[int, Input]] = []
        self.clock_trusted, self.doubt_ms = True, 0
        self.counts = {
            "unlocked": 0,
            "withdrawn": 0,
            "tripped": 0,
            "restarted": 0,
            "retested": 0,
            "relocked": 0,
            "by_hand": 0,
        }

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
                    # Whoever taps again waits by the later grant, of whatever permit.
                    others = [each for each in books.releases.get(door, []) if each[1] != worker]
                    books.releases[door] = [*others, (permit_id, worker)]
                case Lock(door):
                    books.releases.pop(door, None)
                case SetTimer(timer, subject, due_ms):
                    self.timers[timer, subject] = due_ms
                case Sound(area, on):
                    books.sirens[area] = on
                case Gather(tap):
                    self.asked_again.append(tap)
        self.counts["unlocked"] += unlocks
        self._follow(message, made)
        return made

    def _note_before(self, message: Input) -> None:
        """What the message itself tells: known before whatever its step makes."""
        books = self.books
        match message:
            case BlockRead():
                books.blocks.setdefault(message.device, []).append(message)
                if message.qualities[0] is not Quality.COMM_FAIL:
                    books.by_hand = {key: each for key, each in books.by_hand.items() if key[1] != message.device}
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
            case DoorFaulted(door, what):
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
            case AuthorityApplied() | Tapped() | PlaceOperator():
                self._relocked_at_once()
        for permit_id, passed in books.trips.items():
            for area in () if passed else books.permits.get(permit_id, PERMITS[permit_id]).areas:
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
                self.counts["by_hand"] += body.get("degraded", False)
                books.granted[entry.seq] = (message.tap, message.facts, entry.permit, body["worker"], self.bench.now_ms)
            case "access.withdrawn":
                self.counts["withdrawn"] += 1
                books.granted.pop(body["entry"])
            case "hold.frozen":
                books.freezes[body["freeze"]] = body["scope"]
            case "area.locked_down":
                books.locked.add(body["area"])
            case "area.released":
                books.locked.discard(body["area"])
            case "guardian.present":
                for permit_id in body["permits"]:
                    area = SITE.doors[message.tap.door].area
                    books.guardians[permit_id, area] = (body["worker"], self.bench.now_ms, self.bench.boot_id)
            case "permit.begun":
                books.running.add(entry.permit)
                books.closed.discard(entry.permit)
            case "permit.closed":
                books.closed.add(entry.permit)
                books.running.discard(entry.permit)
                books.trips.pop(entry.permit, None)
                books.by_hand = {key: each for key, each in books.by_hand.items() if key[0] != entry.permit}
            case "permit.degraded":
                self._may_stand_in(entry.permit, body["device"])
                books.by_hand[entry.permit, body["device"]] = (body["by"], self.bench.now_ms, self.bench.boot_id)
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

    def _may_stand_in(self, permit_id: str | None, device: str) -> None:
        """Only for a gas detector that is silent long enough and whose last word was good, and after no trip."""
        word, now_ms = self.books.word(device), self.bench.now_ms
        silent = self.books.silent(device, now_ms) and (word is None or now_ms - word.taken_at >= SILENT_MS)
        good = word is None or (word.qualities[0] is Quality.GOOD and word.steps[0] <= HIGHEST[device])
        self._expect(device != "wind1" and silent and good, f"somebody stands in for {device} after {word}")
        self._expect(permit_id not in self.books.trips, f"somebody stands in for {device} of a tripped permit")

    def _bad(self, device: str) -> list[str]:
        return self.books._reading(device, self.bench.now_ms)

    def _tripped_at_once(self, block: BlockRead, made: Step) -> None:
        """Running work bound to a device over its limit, or unable to measure, stops in the very step that says so."""
        quality, steps = block.qualities[0], block.steps[0]
        lost = quality is Quality.COMM_FAIL
        if lost or (quality is Quality.GOOD and steps <= HIGHEST[block.device]):
            return
        for permit_id in self.books.running:
            for area in self.books.permits.get(permit_id, PERMITS[permit_id]).areas:
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
                held += ["locked down"] if area in self.books.locked else []
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
