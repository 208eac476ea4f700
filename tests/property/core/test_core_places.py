"""Attacked readers, forced doors and lock-downs in any order: nothing of it opens a door, or keeps anybody inside."""

from hypothesis import given, settings
from hypothesis import strategies as st
from sites import Bench, commands, facts, ready_bench, refused_facts

from edge.core import codec
from edge.core.facts import Side, TokenRefusal
from edge.core.fold import fold
from edge.core.messages import DoorInput, DoorMoved, ReleaseExit, Timer, TimerDue, Unlock
from edge.core.places import PlaceAction
from edge.core.state import Durable
from edge.core.turn import Step

DOORS = {"d1": "north", "d2": "north", "d3": "south"}
DOOR = st.sampled_from(sorted(DOORS))
PLACE = st.sampled_from(["north", "south", *DOORS, "nowhere"])
ACTS = st.one_of(
    st.tuples(st.just("bad"), DOOR, st.sampled_from(list(TokenRefusal))),
    st.tuples(st.just("attack"), DOOR),
    st.tuples(st.just("good"), DOOR),
    st.tuples(st.just("record")),
    st.tuples(st.just("contact"), DOOR, st.booleans()),
    st.tuples(st.just("act"), st.sampled_from(list(PlaceAction)), PLACE),
    st.tuples(st.just("wait"), st.sampled_from([1, 1_000, 11_000, 59_999, 60_000])),
    st.tuples(st.just("restart")),
)


class Story:
    """Plays acts and keeps its own books: bad badges by reader, areas locked down, doors whose alarm stands."""

    def __init__(self) -> None:
        self.bench = ready_bench()
        self.bad: dict[str, list[int]] = {}
        self.rests: dict[str, int] = {}
        self.locked: set[str] = set()

    def resting(self, door: str) -> bool:
        return self.bench.now_ms < self.rests.get(door, 0)

    def bad_tap(self, door: str, refusal: TokenRefusal) -> None:
        rested = self.resting(door)
        made = self.check(self.bench.tap(refused_facts(refusal), door))
        assert bool([each for each in made.entries if each.kind == "access.decided"]) is not rested
        if rested or refusal is TokenRefusal.UNREADABLE:
            return
        now_ms = self.bench.now_ms
        # What came before the last rest counts no more.
        late = [each for each in self.bad.get(door, []) if now_ms - each <= 60_000]
        self.bad[door] = [*late, now_ms]
        if len(self.bad[door]) == 5:
            self.bad[door], self.rests[door] = [], now_ms + 60_000

    def attack(self, door: str) -> None:
        for _ in range(5):
            self.bad_tap(door, TokenRefusal.UID_MISMATCH)

    def good(self, door: str) -> None:
        made = self.check(self.bench.tap(facts(), door))
        granted = [each for each in made.entries if each.body.get("decision") == "granted"]
        assert not granted or (not self.resting(door) and DOORS[door] not in self.locked)

    def record(self) -> None:
        made = self.check(self.bench.record(), unlocks=True)
        for each in commands(made, Unlock):
            assert DOORS[each.door] not in self.locked

    def contact(self, door: str, active: bool) -> None:
        self.check(self.bench.go(DoorMoved(door, DoorInput.CONTACT, active)))

    def act(self, action: PlaceAction, place: str) -> None:
        made = self.bench.act_on(action, place)
        if action is PlaceAction.LOCKDOWN and place in DOORS.values():
            self.locked.add(place)
        if action is PlaceAction.RELEASE:
            self.locked.discard(place)
        self.check(made)
        assert not commands(made, ReleaseExit)
        for door, state in self.bench.state.doors.items():
            inward = [each for each in state.passages if each.entry is not None]
            assert not (DOORS[door] in self.locked and inward), f"a release for entry runs on at {door}"

    def wait(self, duration_ms: int) -> None:
        self.bench.wait(duration_ms)
        for door in DOORS:
            self.check(self.bench.go(TimerDue(Timer.REST, f"{door}-reader")))
            self.check(self.bench.go(TimerDue(Timer.DOOR, door)))

    def restart(self) -> None:
        held = self.bench
        self.bench = Bench(durable=codec.decode(codec.encode(held.state.durable), Durable))
        self.bench.entries, self.bench.now_ms = held.entries, held.now_ms
        self.bench.start()
        self.bad, self.rests = {}, {}

    def check(self, made: Step, unlocks: bool = False) -> Step:
        assert unlocks or not commands(made, Unlock)
        assert self.bench.state.durable.lockdowns.keys() == self.locked
        return made

    def everybody_may_leave(self) -> None:
        """At every door, by badge, button and fire: on a copy, which goes no further."""
        for door in DOORS:
            for told in (facts(), refused_facts(TokenRefusal.UID_MISMATCH)):
                assert commands(self.bench.copy().tap(told, door, Side.EXIT), ReleaseExit)
            for line in (DoorInput.REX, DoorInput.FIRE):
                assert commands(self.bench.copy().go(DoorMoved(door, line, True)), ReleaseExit)


@settings(max_examples=80)
@given(st.lists(ACTS, max_size=25))
def test_nothing_of_it_opens_a_door_or_keeps_anybody_inside(acts):
    story = Story()
    for name, *given_ in acts:
        getattr(story, {"bad": "bad_tap"}.get(name, name))(*given_)
        story.everybody_may_leave()
    forced = {}
    durable = Durable()
    for entry in story.bench.entries:
        durable = fold(durable, entry)
        match entry.kind:
            case "door.forced":
                forced.setdefault(entry.body["door"], entry.seq)
            case "door.acknowledged":
                forced.pop(entry.body["door"])
    assert durable == story.bench.state.durable
    assert {door: each.entry for door, each in durable.forced.items()} == forced
