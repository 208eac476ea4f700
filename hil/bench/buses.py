"""What reading costs: against pymodbus bare, through the whole daemon's path, and with a dead unit on the line."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from pymodbus.client import ModbusTcpClient

from edge import rules
from edge.app.trial_bus import trial_bus
from edge.config_values import RtuBus, TcpBus
from edge.core.clock import Now
from edge.core.controller import begin
from edge.core.doors import DoorTiming
from edge.core.facts import Permit
from edge.core.interlocks import Timing
from edge.core.messages import AuthorityApplied
from edge.core.readings import BlockRead, MonotonicMs, Quality, UtcMs
from edge.core.rules import Channel
from edge.core.site import DoorPlan, Policy, Site, plan_area
from edge.core.state import Durable, Running, State
from edge.host.system_clock import monotonic_ms, process_cpu_us, sleep
from edge.runtime.bus import BusLoop
from edge.runtime.controller import ControllerLoop
from edge.runtime.inbox import Inbox
from edge.runtime.telemetry import TelemetryEvents, TelemetryThread
from edge.storage.blobs import BlobStore
from edge.storage.telemetry import TelemetryWriter
from hil.bench import caches
from hil.bench.decisions import NOW
from hil.bench.field import field, profile_text
from hil.bench.rows import Row, median

_CHANNELS = 10
_SWITCH_S = 0.0005
"""As the daemon sets it."""

_SWITCH_BEFORE_S = sys.getswitchinterval()
_UNITS = 50
_CHUNK_READS = 400
_CHUNKS = 12
_POLL_MS = 100
_READING_S = 6.0
_SHORT_S = 3.0
_DEAD_UNITS = 32
_DEAD_S = 33.0
_REPLY_MS = 20
"""About what 10 registers take at 9600 baud (8 + 27 characters of 10 bits: 36 ms) or 19200 (18 ms)."""

_WARM_UPS = 8
LONGEST_PAUSE_MS = 30_000
"""The longest that a breaker rests."""

_PACK = rules.load("gb30871")


def _tcp(port: str, timeout_ms: int = 1_000) -> TcpBus:
    return TcpBus("b1", "127.0.0.1", int(port), timeout_ms, _POLL_MS)


@contextmanager
def bare_client(port: int) -> Iterator[ModbusTcpClient]:
    """pymodbus's own sync client, connected, with nothing of ours around it."""
    client = ModbusTcpClient("127.0.0.1", port=port, timeout=1, retries=0)
    client.connect()  # type: ignore[no-untyped-call]
    try:
        yield client
    finally:
        client.close()  # type: ignore[no-untyped-call]


def modbus_per_cpu(folder: Path) -> Row:
    """Blocks read, checked and decoded per CPU second, over bare pymodbus reads of the same registers, in turns."""
    del folder
    with field(_CHANNELS, 1, ["tcp"]) as (port,), bare_client(int(port)) as client:
        bus = trial_bus(_tcp(port), profile_text(_CHANNELS), [1])
        ours, bare = [], []
        for _ in range(_CHUNKS):
            ours.append(_per_cpu_s(bus.readers[0].read))
            bare.append(_per_cpu_s(lambda: client.read_holding_registers(0, count=_CHANNELS + 1, device_id=1)))
        if None in bus.readers[0].read().steps:
            raise AssertionError(f"the simulated device is not read: {bus.readers[0].trouble}")
        bus.close()
    detail = {"blocks_per_cpu_s": round(median(ours)), "registers": _CHANNELS + 1, "reads": 2 * _CHUNKS * _CHUNK_READS}
    ratio = median(ours) / median(bare)
    return Row(
        "modbus_per_cpu",
        ratio,
        "×",
        "bare pymodbus sync reads per CPU second",
        median(bare),
        "per CPU s",
        0.6,
        "at least",
        detail=detail,
    )


def _per_cpu_s(read: Callable[[], object]) -> float:
    began = process_cpu_us()
    for _ in range(_CHUNK_READS):
        read()
    return _CHUNK_READS / ((process_cpu_us() - began) / 1e6)


def reading_cpu(folder: Path) -> Row:
    """CPU per 1 000 readings through bus thread, controller and telemetry; every block bound to a running permit."""
    costs = {}
    for channels in (1, 2, 6, _CHANNELS):
        duration_s = _READING_S if channels == _CHANNELS else _SHORT_S
        costs[channels] = _reading_cost(folder, channels, duration_s)
    with field(_CHANNELS, 1, ["tcp"]) as (port,), bare_client(int(port)) as client:
        bare = _per_cpu_s(lambda: client.read_holding_registers(0, count=_CHANNELS + 1, device_id=1))
    detail = {
        "ms_per_1k_by_channels": {str(channels): round(cost, 2) for channels, cost in costs.items()},
        "units": _UNITS,
        "poll_ms": _POLL_MS,
        "judged": "each block against the limits of one running permit on all its channels",
        "nearest_peer_ms": "64 to 196",
    }
    named = f"bare pymodbus sync reads of {_CHANNELS + 1} registers, per 1 000 readings"
    baseline = 1e6 / bare / _CHANNELS
    return Row("reading_cpu_ms_per_1k", costs[_CHANNELS], "ms", named, baseline, "ms", 6, detail=detail)


def _reading_cost(folder: Path, channels: int, duration_s: float) -> float:
    folder.mkdir(parents=True, exist_ok=True)
    with field(channels, _UNITS, ["tcp"]) as (port,), TemporaryDirectory(dir=folder) as name:
        path = Path(name)
        writer = TelemetryWriter.open(path / "t.db", BlobStore(path / "blobs"), NOW.boot_id, UtcMs(NOW.clock.lo_ms))
        path_taken = DaemonPath(running_site(channels), writer)
        bus = trial_bus(_tcp(port), profile_text(channels), range(1, _UNITS + 1))
        loop = BusLoop("b1", bus.readers, _POLL_MS, clock=monotonic_ms, sleep=sleep, publish=path_taken.publish)
        try:
            return path_taken.measure(loop, channels, duration_s)
        finally:
            bus.close()
            writer.close()


class DaemonPath:
    """Bus thread, controller thread and telemetry thread as the daemon has them."""

    def __init__(self, state: State, writer: TelemetryWriter) -> None:
        self.inbox = Inbox()
        self.controller = ControllerLoop(state, self.inbox, _now, _NoOutputs(), lambda entries, state: None)
        events = TelemetryEvents(lambda notice: True, lambda why: None)
        self.telemetry = TelemetryThread(writer, monotonic_ms, lambda: 0, events)

    def publish(self, block: BlockRead) -> None:
        """A block of the bus thread, as the daemon hands it on."""
        self.inbox.post(block)
        self.telemetry.offer(block)

    @contextmanager
    def running(self, loop: BusLoop) -> Iterator[None]:
        """The three threads at work meanwhile, taking turns as in the daemon."""
        stop = Event()
        sys.setswitchinterval(_SWITCH_S)
        work = (loop.run, self.controller.run, self.telemetry.run)
        threads = [Thread(target=target, args=(stop,), daemon=True) for target in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(5)
            sys.setswitchinterval(_SWITCH_BEFORE_S)

    def measure(self, loop: BusLoop, channels: int, duration_s: float) -> float:
        """Milliseconds of CPU per 1 000 readings. The stores' last commit is within what is measured."""
        with self.running(loop):
            sleep(0.5)
            cpu_us, polls = process_cpu_us(), loop.polls
            sleep(duration_s)
            polls = loop.polls - polls
            cpu_us = process_cpu_us() - cpu_us
        self._check(loop)
        return cpu_us / polls / channels

    def _check(self, loop: BusLoop) -> None:
        if loop.failures or self.telemetry.stored < loop.polls - self.telemetry.dropped:
            raise AssertionError(f"{loop.failures} reads failed, {self.telemetry.stored} of {loop.polls} stored")
        if self.controller.state.durable.trips:
            raise AssertionError("a permit tripped on good readings")


class _NoOutputs:
    """Doors that nobody watches: no command comes for good readings."""

    def unlock(self, door: str, entry: int, until_ms: int) -> None:
        raise AssertionError

    def release_exit(self, door: str, until_ms: int) -> None:
        raise AssertionError

    def lock(self, door: str) -> None:
        raise AssertionError

    def indicate(self, door: str, light: object, reason: object, until_ms: int) -> None:
        raise AssertionError

    def sound(self, area: str, on: bool) -> None:
        raise AssertionError


def _now(state: State) -> Now:
    del state
    return Now(monotonic_ms(), NOW.boot_id, NOW.clock)


def running_site(channels: int) -> State:
    """One area a device, one permit running in each, so that every block is judged on all its channels."""
    timing = Timing(settle_ms=1_000, stale_ms=30_000, gust_window_ms=1_000)
    units = range(1, _UNITS + 1)
    of_unit = {
        unit: tuple(
            Channel(f"unit-{unit}", f"gas{number}", "combustible", "%LEL", "0.1", "methane")
            for number in range(channels)
        )
        for unit in units
    }
    areas = {f"a{unit}": plan_area(f"a{unit}", True, (_PACK,), of_unit[unit], timing) for unit in units}
    site = Site(
        gateway="gw1",
        site=caches.SITE,
        origin=f"{caches.ORGANISATION}/gw/gw1/1",
        simulated=True,
        areas=areas,
        doors={"d1": DoorPlan("d1", "a1", DoorTiming(5_000, 30_000, 10_000, 10_000))},
        channels={f"unit-{unit}": tuple(each.channel for each in of_unit[unit]) for unit in units},
        windows={},
        policy=Policy(1_800_000, 30_000, 30_000, 86_400_000, 43_200_000, 259_200_000, 100),
    )
    permits = tuple(_permit(unit) for unit in units)
    state = begin(
        site, Durable(running={each.permit: Running(each.permit, 0, each.permit_type, each.areas) for each in permits})
    )
    inbox = Inbox()
    inbox.post(AuthorityApplied(1, "00" * 32, NOW.clock.lo_ms, permits, (), (), True))
    loop = ControllerLoop(state, inbox, _now, _NoOutputs(), lambda entries, state: None)
    loop.serve_one(0)
    if len(loop.state.watched) != _UNITS:
        raise AssertionError("not every device is bound to a running permit")
    return loop.state


def _permit(unit: int) -> Permit:
    return Permit(
        permit=f"P{unit}",
        version=1,
        short_id=unit,
        permit_type="02",
        areas=(f"a{unit}",),
        workers=("w1",),
        guardians=("g1",),
        not_before_ms=caches.START_MS,
        not_after_ms=caches.END_MS,
        status=1,
        gas="methane",
        revoked=False,
    )


def dead_unit(folder: Path) -> Row:
    """The cycle of the healthy units of a busy serial line with 1 of 32 dead, over the same line with all alive.

    Both lines are polled without pause at the same time; the dead unit's breaker has reached its longest pause.
    """
    del folder
    buses = [f"rtu:{_REPLY_MS}", f"rtu-dead:{_REPLY_MS}"]
    with field(4, _DEAD_UNITS, buses) as paths:
        lines = [_Line(path) for path in paths]
        lines[1].warm_up()
        stop = Event()
        for line in lines:
            line.start(stop)
        sleep(_DEAD_S)
        stop.set()
        rounds = [line.finish() for line in lines]
    cycles = [sum(each) / len(each) for each in rounds]
    detail = {
        "units": _DEAD_UNITS,
        "reply_ms": _REPLY_MS,
        "window_s": _DEAD_S,
        "longest_cycle_ms": [max(each) for each in rounds],
        "cycle_ms": round(cycles[1], 1),
    }
    named = "the same line with all units alive"
    return Row("dead_unit_stretch", cycles[1] / cycles[0], "×", named, cycles[0], "ms", 1.10, detail=detail)


class _Line:
    """One serial line that is polled without pause."""

    def __init__(self, path: str) -> None:
        self._offset_ms = 0
        line = RtuBus("b1", path, 19_200, "N", 1, 300, 50)
        self._bus = trial_bus(line, profile_text(4), range(1, _DEAD_UNITS + 1), self._clock)
        self.loop = BusLoop("b1", self._bus.readers, 1, clock=self._clock, sleep=sleep, publish=self._publish)
        self._taken_at: list[int] = []
        self._thread: Thread | None = None

    def _clock(self) -> MonotonicMs:
        return MonotonicMs(monotonic_ms() + self._offset_ms)

    def warm_up(self) -> None:
        """The dead unit alone, asked until its breaker rests longest; between questions the clock is put forward."""
        dead = self._bus.readers[-1]
        for _ in range(_WARM_UPS):
            if dead.read().qualities[0] is not Quality.COMM_FAIL:
                raise AssertionError("the dead unit answers")
            self._offset_ms += LONGEST_PAUSE_MS

    def start(self, stop: Event) -> None:
        """Poll in a thread of its own."""
        self._thread = Thread(target=self.loop.run, args=(stop,), daemon=True)
        self._thread.start()

    def _publish(self, block: BlockRead) -> None:
        """Notes the rounds of one healthy unit."""
        if block.device == "unit-1":
            if None in block.steps:
                raise AssertionError(f"a healthy unit is not read: {self._bus.readers[0].trouble}")
            self._taken_at.append(block.taken_at)

    def finish(self) -> list[int]:
        """Milliseconds between the blocks of that unit."""
        assert self._thread is not None
        self._thread.join(5)
        self._bus.close()
        return [later - earlier for earlier, later in pairwise(self._taken_at)]
