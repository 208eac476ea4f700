"""``permitgate run``: the daemon put together. The only place that builds it whole."""

import gc
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from threading import Event, Thread
from types import FrameType

import structlog

from edge.app.daemon_parts import (
    SAVE_EVERY,
    Memory,
    Stores,
    below,
    caused_by_readings,
    file_identity,
    open_stores,
    status_parts,
)
from edge.app.housekeeping import Readings, build_housekeeping
from edge.app.site_plan import build_site
from edge.app.wiring import build_buses, outputs_setup, reader_places
from edge.config import load
from edge.config_values import Config
from edge.core.controller import begin
from edge.core.entries import Entry
from edge.core.messages import ClockStepped, Noticed, Recorded, RecordFailed, Started
from edge.core.readings import BlockRead, MonotonicMs, UtcMs
from edge.core.state import State
from edge.host import journal_log, system_clock
from edge.host.notify import Notifier, watchdog_period_ms
from edge.ports.errors import StoreError
from edge.runtime.actuators import Actuators, ActuatorsEvents
from edge.runtime.bus import BusLoop
from edge.runtime.control import ControlServer
from edge.runtime.controller import ControllerLoop
from edge.runtime.door_news import DoorNews
from edge.runtime.gatherer import Gatherer
from edge.runtime.hq_link import HqLink, LinkEvents, read_authority
from edge.runtime.inbox import Inbox
from edge.runtime.journal import JournalEvents, JournalThread
from edge.runtime.outputs import DoorOutputs
from edge.runtime.readers import ReaderEvents, Readers
from edge.runtime.requests import Requests
from edge.runtime.supervisor import ProgressWatch, Supervisor, serve
from edge.runtime.telemetry import TelemetryEvents, TelemetryThread
from edge.runtime.timekeeper import Clocks, Timekeeper
from edge.storage.authority_reader import AuthorityReader

_log = structlog.get_logger("daemon")
_JOIN_S = 5.0
_PING_MS = 1_000
_SWITCH_S = 0.0005


def run(config_path: Path, on_ready: Callable[[int], None]) -> None:
    """Run the gateway of this configuration until SIGTERM or SIGINT. Raises our errors if it cannot start.

    ``on_ready`` is told once, after how many milliseconds.
    """
    config = load(config_path)
    journal_log.configure(config.gateway.simulate)
    sys.setswitchinterval(_SWITCH_S)
    stop = Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    stores = open_stores(config)
    try:
        Daemon(config, stores, stop).run(on_ready)
    finally:
        stores.close()


class Daemon:
    """Every thread and child of the gateway. Built whole, started, supervised, stopped in order."""

    def __init__(self, config: Config, stores: Stores, stop: Event) -> None:
        self._config = config
        self._stores = stores
        self._stop = stop
        self._journal_stop = Event()
        self._threads: list[Thread] = []
        self._fatal: Exception | None = None
        self._journal_error: str | None = None
        self._naming: deque[tuple[int, str]] = deque()
        self._clocks = Clocks(
            system_clock.boot_id(),
            system_clock.monotonic_ms,
            system_clock.utc_ms,
            system_clock.kernel_time_error_ms,
        )
        self.inbox = Inbox()
        self._build_time()
        self._build_doors()
        self._build_controller()
        self._build_stores()
        self._build_readers()
        self._build_buses()
        self._build_link()
        self._build_requests()
        stored = self.telemetry
        readings = Readings(stored.thin, stored.expire, stored.bundle, self._lowest_utc_ms, lambda: self.acked)
        self.housekeeping = build_housekeeping(config, readings, self._post)
        self._notifier = Notifier()

    # ---- building ---------------------------------------------------------------------------------------------------

    def _build_time(self) -> None:
        floor_ms = self._stores.clock_floor_ms
        self.timekeeper = Timekeeper(self._clocks, self._config.clock.drift_ppm, floor_ms, self._stores.keep_floor)

    def _build_doors(self) -> None:
        news = DoorNews((door.id for door in self._config.doors), self.inbox.post)
        events = ActuatorsEvents(news.on_input, self._on_done, news.on_fault, news.on_lost)
        self.actuators = Actuators(outputs_setup(self._config), system_clock.monotonic_ms, events)
        self.outputs = DoorOutputs(self.actuators, system_clock.monotonic_ms)

    def _build_controller(self) -> None:
        self._saved_at = self.durable = self._stores.durable.next_entry
        self.acked = self._stores.journal.acked
        self.journal_behind = self._stores.journal.behind is not None
        state = begin(build_site(self._config), self._stores.durable)
        self.loop = ControllerLoop(state, self.inbox, self.timekeeper.now, self.outputs, self._submit)
        self.loop.keep_fault = self._stores.keep_fault

    def _build_stores(self) -> None:
        events = JournalEvents(
            recorded=self._on_recorded,
            failed=self._on_record_failed,
            signed=lambda note: self.link.checkpoint_signed(note),
            acknowledged=self._on_acknowledged,
            trouble=lambda what, why: _log.warning(what, why=why),
        )
        self.journal = JournalThread(
            self._stores.journal, system_clock.monotonic_ms, events, grant_pending=lambda: bool(self.loop.state.pending)
        )
        told = TelemetryEvents(self.inbox.post, lambda why: _log.warning("telemetry_trouble", why=why))
        self.telemetry = TelemetryThread(
            self._stores.telemetry,
            system_clock.monotonic_ms,
            self._wall_offset_ms,
            told,
            self._config.policy.seal_ms,
        )

    def _build_readers(self) -> None:
        areas = {door.id: door.area for door in self._config.doors}
        self.gatherer = Gatherer(
            lambda: AuthorityReader(self._stores.authority_path),
            areas.__getitem__,
            self.inbox.post,
            lambda: file_identity(self._stores.authority_path),
        )
        self.loop.gather = self.gatherer.again
        events = ReaderEvents(
            on_tap=self.gatherer.on_tap,
            on_health=lambda reader, state, why: self._post(Noticed(f"reader.{state}", reader, why[:200])),
            on_unreadable=lambda reader, why: _log.info("badge_unreadable", reader=reader, why=why),
            on_failure=lambda reader, error: _log.error("tap_lost", reader=reader, error=repr(error)),
        )
        self.readers = Readers(
            reader_places(self._config),
            self._config.gateway.site,
            lambda: self._stores.issuers,
            events,
            clock=system_clock.monotonic_ms,
            utc=self._lowest_utc_ms,
            simulate=self._config.gateway.simulate,
        )

    def _build_buses(self) -> None:
        self.buses = build_buses(self._config)
        self.bus_loops = [
            BusLoop(
                bus.id,
                self.buses[bus.id].readers,
                bus.poll_ms,
                clock=system_clock.monotonic_ms,
                sleep=system_clock.sleep,
                publish=self._on_block,
            )
            for bus in self._config.buses
        ]

    def _build_link(self) -> None:
        config = self._config
        setup = {
            "data_dir": str(config.gateway.data_dir),
            "url": config.hq.url,
            "poll_s": config.hq.poll_ms / 1000,
            "drift_ppm": config.clock.drift_ppm,
        }
        events = LinkEvents(self.inbox.post, self.journal.cosigned, self._stores.read_issuers)
        self.link = HqLink(setup, self._stores.authority_path, self._clocks.boot_id, system_clock.monotonic_ms, events)

    def _build_requests(self) -> None:
        self.requests = Requests(
            lambda: self.loop.state,
            self.timekeeper.now,
            self.inbox.post,
            self._stores.authority_path,
            lambda data, media_type: self._stores.blobs.put([data], media_type),
        )
        self.loop.answer = self.requests.answers.give
        self.requests.poke = self.link.poke
        self.requests.status = lambda: status_parts(self, self._config)
        self.control = ControlServer(self._config.gateway.run_dir / "control.sock", self.requests.handle)

    # ---- news of threads and children ----------------------------------------------------------------------------

    def _post(self, message: Noticed | Recorded | RecordFailed) -> None:
        self.inbox.post(message)

    def _submit(self, entries: Sequence[Entry], state: State) -> None:
        """Entries to the journal; each so many of them with the state, so that a restart folds only the rest."""
        saved = None
        if state.durable.next_entry - self._saved_at >= SAVE_EVERY:
            self._saved_at = state.durable.next_entry
            saved = Memory(state.durable).encode()
        self._naming.extend(caused_by_readings(entries))
        try:
            self.journal.submit(entries, saved)
        except StoreError as error:
            # What cannot be recorded must not be done: the daemon ends, doors lock, and systemd starts it afresh.
            self._end_with(error)

    def _on_recorded(self, through: int) -> None:
        self.durable = through
        if self._journal_error is not None:
            self._journal_error = None
            _log.info("journal_works_again", through=through)
        self.telemetry.told(below(self._naming, through))
        self._post(Recorded(through))

    def _on_acknowledged(self, size: int) -> None:
        self.acked = size

    def _on_record_failed(self, from_entry: int, error: str) -> None:
        # The same bytes are tried again and again: said once, and once more when the reason changes or it heals.
        if error != self._journal_error:
            self._journal_error = error
            _log.error("journal_failed", from_entry=from_entry, error=error)
        self._post(RecordFailed(from_entry, error))

    def _on_block(self, block: BlockRead) -> None:
        self.inbox.post(block)
        self.telemetry.offer(block)

    def _on_done(self, door: str, what: str, entry: int | None, at: MonotonicMs) -> None:
        _log.info("lock_driven", door=door, what=what, entry=entry, at_ms=at)

    def _lowest_utc_ms(self) -> UtcMs:
        return self.timekeeper.now(self.loop.state).clock.lo_ms

    def _wall_offset_ms(self) -> int | None:
        now = self.timekeeper.now(self.loop.state)
        clock = now.clock
        return None if clock.hi_ms is None else (clock.lo_ms + clock.hi_ms) // 2 - now.boottime_ms

    # ---- running ----------------------------------------------------------------------------------------------------

    def run(self, on_ready: Callable[[int], None] = lambda after_ms: None) -> None:
        """Start everything, supervise it, and stop it again. Raises what made it end, if it was not asked to."""
        started_at = system_clock.monotonic_ms()
        try:
            self._start()
            gc.collect()
            gc.freeze()
            self._notifier.send("READY=1\nSTATUS=controlling doors")
            ready_ms = system_clock.monotonic_ms() - started_at
            _log.info("ready", after_ms=ready_ms)
            on_ready(ready_ms)
            self._supervisor().run(self._stop)
        finally:
            self._notifier.send("STOPPING=1")
            self._finish()
        if self._fatal is not None:
            raise self._fatal

    def _start(self) -> None:
        self._spawn("journal", self.journal.run, self._journal_stop)
        self._spawn("telemetry", self.telemetry.run)
        accepted = tuple(
            (device.id, device.no_status_accepted_by)
            for device in self._config.devices
            if device.no_status_accepted_by is not None
        )
        self.inbox.post(Started("start", version("permitgate"), accepted))
        for model, digest in self._config.own_profiles.items():
            self._post(Noticed("model.own", model, f"sha256 {digest}"))
        known = read_authority(self._stores.authority_path)
        if known is not None:
            self._stores.load_issuers()
            self.inbox.post(known)
        else:
            self.link.read_again()
        self._spawn("controller", self.loop.run)
        self.actuators.tick(system_clock.monotonic_ms())
        self.outputs.renew()
        self._spawn("gatherer", self.gatherer.run)
        for loop in self.bus_loops:
            self._spawn(f"bus-{loop.bus}", loop.run)
        self.readers.start()
        self.control.start()
        self.housekeeping.start()

    def _spawn(self, name: str, target: Callable[[Event], None], stop: Event | None = None) -> None:
        arguments = (name, target, stop or self._stop, self._end_with)
        thread = Thread(target=serve, args=arguments, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _end_with(self, error: Exception) -> None:
        self._fatal = error
        self._stop.set()

    def _supervisor(self) -> Supervisor:
        progress = {
            "controller": lambda: self.loop.progress,
            "journal": lambda: self.journal.progress,
            "telemetry": lambda: self.telemetry.progress,
        }
        for loop in self.bus_loops:
            bus = self.buses[loop.bus]
            progress[f"bus-{loop.bus}"] = lambda loop=loop, bus=bus: loop.progress + bus.steps  # type: ignore[misc]
        return Supervisor(
            system_clock.monotonic_ms,
            ProgressWatch(progress),
            each_tick=self._each_tick,
            each_second=self._each_second,
            ping=lambda: self._notifier.send("WATCHDOG=1"),
            ping_ms=watchdog_period_ms() or _PING_MS,
        )

    def _each_tick(self, now_ms: MonotonicMs) -> None:
        self.actuators.tick(now_ms)
        self.readers.tick(now_ms)
        self.link.tick(now_ms)

    def _each_second(self, now_ms: MonotonicMs) -> None:
        """Outputs are vouched for by the controller's own thread: if it hangs, they lapse."""
        self.loop.inbox.call(self.outputs.renew)
        self.loop.ping()
        refused = self.inbox.unsaid()
        if refused is not None:
            _log.error("inbox_full", refused=self.inbox.refused)
            self.inbox.post(refused)
        for message in self.timekeeper.tick(self.loop.state):
            self.inbox.post(message)
            if isinstance(message, ClockStepped):
                self.housekeeping.rebuild()

    def _finish(self) -> None:
        """Stop in order: nothing new comes in, doors lock, all that was decided is recorded, HQ's child last."""
        self._stop.set()
        self.control.stop()
        self.readers.stop()
        self.actuators.stop()
        self.housekeeping.stop()
        # The journal was started first and stops last: until then the others may hand it entries.
        for thread in reversed(self._threads):
            if thread.name == "journal":
                self._journal_stop.set()
                self.journal.wake()
            thread.join(_JOIN_S)
            if thread.is_alive():
                _log.error("thread_not_stopped", thread=thread.name)
        for bus in self.buses.values():
            bus.close()
        self.link.stop()
        self._notifier.close()
