"""Sites, people, permits and badges for tests, and a bench that plays inputs to the controller one by one."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from edge import rules
from edge.core.clock import ClockInterval, ClockSource, Now
from edge.core.controller import begin, step
from edge.core.doors import DoorTiming
from edge.core.entries import Entry
from edge.core.facts import Certificate, Facts, Permit, Side, Tap, Token, TokenRefusal, TokenVerdict, Worker
from edge.core.holds import Freeze
from edge.core.interlocks import Timing
from edge.core.messages import (
    AuthorityApplied,
    Command,
    Input,
    Operator,
    OperatorAction,
    OverrideLifted,
    OverrideMade,
    Recorded,
    Started,
    Tapped,
    Timer,
    TimerDue,
)
from edge.core.places import PlaceAction, PlaceOperator
from edge.core.readings import BlockRead, MonotonicMs, Quality, UtcMs
from edge.core.rules import Channel, RulePack
from edge.core.site import DoorPlan, Policy, Site, plan_area
from edge.core.state import Durable, State
from edge.core.turn import Step

EPOCH_MS = 1_780_000_000_000
"""UTC at monotonic 0 of every bench."""
HOUR_MS = 3_600_000
FROM_MS = EPOCH_MS
UNTIL_MS = EPOCH_MS + 8 * HOUR_MS
"""The window of permits and badges here; the end is exclusive."""

GAS = Channel("gas1", "gas", "combustible", "%LEL", "0.1", "methane")
WIND = Channel("wind1", "speed", "wind_speed", "m/s", "0.1", None)
SOUTH_GAS = Channel("gas2", "gas", "combustible", "%LEL", "0.1", "methane")
OXYGEN = Channel("oxygen1", "oxygen", "oxygen", "%vol", "0.1", None)

TIMING = Timing(settle_ms=60_000, stale_ms=30_000, gust_window_ms=60_000)
POLICY = Policy(
    guardian_ms=1_800_000,
    siren_ms=30_000,
    stale_ms=30_000,
    offline_normal_ms=24 * HOUR_MS,
    offline_ex_ms=12 * HOUR_MS,
    offline_begun_ms=72 * HOUR_MS,
    drift_ppm=100,
)
DOOR_TIMING = DoorTiming(release_ms=5_000, open_ms=30_000, prealarm_ms=10_000, grace_ms=10_000)

PACK = rules.load("gb30871")
DEFAULT_AREAS: Mapping[str, tuple[Channel, ...]] = {"north": (GAS, WIND), "south": (SOUTH_GAS,)}
DEFAULT_DOORS = {"d1": "north", "d2": "north", "d3": "south"}


def build_site(
    areas: Mapping[str, tuple[Channel, ...]] = DEFAULT_AREAS,
    doors: Mapping[str, str] = DEFAULT_DOORS,
    timing: Timing = TIMING,
    policy: Policy = POLICY,
    *,
    ex: bool = False,
    simulated: bool = False,
    packs: tuple[RulePack, ...] = (PACK,),
) -> Site:
    """A site under the shipped pack gb30871, or others: north has gas and wind, south gas only, doors d1, d2 and d3."""
    devices: dict[str, list[Channel]] = {}
    for channels in areas.values():
        for channel in channels:
            devices.setdefault(channel.device, []).append(channel)
    plans = {name: plan_area(name, ex, packs, channels, timing) for name, channels in areas.items()}
    windows = {
        device: {each.channel: timing.gust_window_ms for each in channels}
        for device, channels in devices.items()
        if channels[0].quantity == "wind_speed"
    }
    return Site(
        gateway="gw1",
        site="s014",
        origin="permitgate.example/gw/gw1/1",
        simulated=simulated,
        areas=plans,
        doors={door: DoorPlan(door, area, DOOR_TIMING) for door, area in doors.items()},
        channels={device: tuple(each.channel for each in channels) for device, channels in devices.items()},
        windows=windows,
        policy=policy,
    )


SITE = build_site()


def permit(name: str = "P1", **changes: Any) -> Permit:
    """Hot work of grade 1 in the north, in force: w1 and w2 work, g1 guards."""
    plain = Permit(
        permit=name,
        version=1,
        short_id=int(name[1:]),
        permit_type="02",
        areas=("north",),
        workers=("w1", "w2"),
        guardians=("g1",),
        not_before_ms=FROM_MS,
        not_after_ms=UNTIL_MS,
        status=2,
        gas="methane",
        revoked=False,
    )
    return replace(plain, **changes)


def certificate(worker: str = "w1", **changes: Any) -> Certificate:
    """A valid welding certificate."""
    plain = Certificate(f"c-{worker}", worker, "welding", "valid", None, UNTIL_MS + 1000 * HOUR_MS, False)
    return replace(plain, **changes)


def token(worker: str = "w1", permits: Iterable[Permit] = (), **changes: Any) -> Token:
    """The verified token of a badge for these permits."""
    named = tuple(permits)
    plain = Token(
        token_id=f"t-{worker}",
        key_id="k1",
        worker_tag=f"tag-{worker}",
        site="s014",
        areas=tuple(dict.fromkeys(area for each in named for area in each.areas)),
        permit_short_ids=tuple(each.short_id for each in named),
        permit_version=max((each.version for each in named), default=1),
        not_before_ms=FROM_MS,
        not_after_ms=UNTIL_MS,
    )
    return replace(plain, **changes)


def facts(worker: str = "w1", permits: Iterable[Permit] | None = None, **changes: Any) -> Facts:
    """What the cache says when that worker taps a good badge for these permits (default: P1)."""
    named = (permit(),) if permits is None else tuple(permits)
    plain = Facts(
        authority_size=5,
        fresh_at_ms=FROM_MS,
        token=TokenVerdict(token(worker, named), None),
        token_revoked=False,
        worker=Worker(worker, False),
        certificates=() if worker.startswith("g") else (certificate(worker),),
        permits=named,
        freezes=(),
    )
    return replace(plain, **changes)


def refused_facts(refusal: TokenRefusal) -> Facts:
    """A badge whose token is not believed: nothing else is known."""
    return Facts(5, FROM_MS, TokenVerdict(None, refusal), False, None, (), (), ())


def freeze(scope: str, name: str = "f1") -> Freeze:
    """A freeze by HQ."""
    return Freeze(name, scope, "hq", "inspection")


class Bench:
    """Plays inputs to the controller. Values are frozen, so a copy of a bench is cheap and independent."""

    def __init__(self, site: Site = SITE, durable: Durable | None = None) -> None:
        self.state: State = begin(site, Durable() if durable is None else durable)
        self.now_ms = 1_000_000
        self.boot_id = "boot-1"
        self.clock: ClockInterval | None = None
        self.entries: list[Entry] = []
        self.commands: list[Command] = []
        self.taps = 0

    def copy(self) -> "Bench":
        """An independent bench that goes on from here."""
        other = copy.copy(self)
        other.entries, other.commands = list(self.entries), list(self.commands)
        return other

    def now(self) -> Now:
        """The time argument: exact unless ``clock`` is set."""
        utc_ms = UtcMs(EPOCH_MS + self.now_ms)
        clock = self.clock or ClockInterval(utc_ms, utc_ms, ClockSource.HQ)
        return Now(MonotonicMs(self.now_ms), self.boot_id, clock)

    def go(self, message: Input) -> Step:
        """One input, now."""
        made = step(self.state, message, self.now())
        self.state = made.state
        self.entries += made.entries
        self.commands += made.commands
        return made

    def wait(self, duration_ms: int) -> "Bench":
        """Time passes and nothing happens."""
        self.now_ms += duration_ms
        return self

    def start(self) -> "Bench":
        """The first input of a run."""
        self.go(Started("boot", "0.1", ()))
        return self

    def authority(self, *permits: Permit, size: int = 5, **changes: Any) -> Step:
        """HQ's whole word: these permits, and freezes or releases by keyword."""
        plain = AuthorityApplied(size, f"root{size}", FROM_MS, permits, (), (), True)
        return self.go(replace(plain, **changes))

    def block(self, device: str, steps: int | None, quality: Quality = Quality.GOOD) -> Step:
        """One reading of a device with one channel, taken now."""
        channels = self.state.site.channels[device]
        return self.go(BlockRead(device, channels, (steps,), (quality,), MonotonicMs(self.now_ms)))

    def settle(self, duration_ms: int = 70_000, **steps: int) -> "Bench":
        """Good readings of every device named, each 10 s, for so long."""
        for _ in range(duration_ms // 10_000 + 1):
            for device, value in steps.items():
                self.block(device, value)
            self.now_ms += 10_000
        self.now_ms -= 10_000
        return self

    def tap(self, told: Facts, door: str = "d1", side: Side = Side.ENTRY, tap_id: str | None = None) -> Step:
        """A badge at a door, with its facts."""
        self.taps += 1
        name = tap_id or f"tap-{self.taps}"
        return self.go(Tapped(Tap(name, f"{door}-reader", door, side, "04a1", MonotonicMs(self.now_ms)), told))

    def record(self, through: int | None = None) -> Step:
        """Entries below ``through`` (default: all) are durable."""
        return self.go(Recorded(self.state.durable.next_entry if through is None else through))

    def act(self, action: OperatorAction, by: str = "g1", name: str = "P1", **changes: Any) -> Step:
        """A named person's act on a permit."""
        plain = Operator(action, name, by, Worker(by, False), "checked at the spot", None, f"r-{self.now_ms}")
        return self.go(replace(plain, **changes))

    def override(self, **changes: Any) -> Step:
        """g1 overrides gas1 for P1 for one hour; its name is the number of its entry."""
        plain = OverrideMade(
            device="gas1",
            protection=None,
            permits=("P1",),
            owner="g1",
            person=Worker(changes.get("owner", "g1"), False),
            why="sensor changed, portable detector instead",
            until_ms=EPOCH_MS + self.now_ms + HOUR_MS,
            photo=None,
            request=f"o-{self.now_ms}",
        )
        return self.go(replace(plain, **changes))

    def lift(self, override: str, **changes: Any) -> Step:
        """w1 says that what was overridden is back."""
        plain = OverrideLifted(override, "w1", Worker("w1", False), "bump test passed", f"l-{self.now_ms}")
        return self.go(replace(plain, **changes))

    def act_on(self, action: PlaceAction, place: str, **changes: Any) -> Step:
        """g1 acts on a door or an area."""
        plain = PlaceOperator(action, place, "g1", Worker("g1", False), "looked at it", f"p-{self.now_ms}")
        return self.go(replace(plain, **changes))


_READY: list[Bench] = []


def ready_bench() -> Bench:
    """A started site where w1's tap at d1 is granted: P1 in force, gas and wind good, g1 present, all recorded."""
    if not _READY:
        bench = Bench().start()
        bench.authority(permit())
        bench.record()
        bench.settle(gas1=30, wind1=40, gas2=20)
        bench.tap(facts("g1"))
        bench.record()
        _READY.append(bench)
    return _READY[0].copy()


def begun_bench() -> Bench:
    """A ready site where w1 went in, so that P1 runs; the door is shut again and all is recorded."""
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    bench.wait(6_000).go(TimerDue(Timer.DOOR, "d1"))
    bench.block("gas1", 30)
    bench.block("wind1", 40)
    bench.record()
    return bench


def replace_site(bench: Bench, **changes: Any) -> None:
    """The same bench at a site that differs so."""
    bench.state = replace(bench.state, site=replace(bench.state.site, **changes))


def kinds(made: Step) -> list[str]:
    """The kinds of the entries that a step authored."""
    return [entry.kind for entry in made.entries]


def commands(made: Step, kind: type) -> list[Any]:
    """The commands of one type that a step made."""
    return [each for each in made.commands if isinstance(each, kind)]


def decided(made: Step) -> Mapping[str, Any]:
    """The body of the decision that a step authored."""
    (entry,) = [each for each in made.entries if each.kind in ("access.decided", "access.refused")]
    return entry.body
