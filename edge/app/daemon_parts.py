"""What the daemon is built from: its stores opened and folded, and what ``status`` says of its parts."""

import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from edge.app.site_plan import profiles_of
from edge.app.trust import TrustFiles
from edge.config_values import Config
from edge.core import codec
from edge.core.entries import Entry
from edge.core.fold import fold
from edge.core.interlocks import NEVER, DeviceMemory
from edge.core.messages import Input
from edge.core.readings import Quality
from edge.core.state import Durable
from edge.host import system_clock
from edge.host.notify import Notifier
from edge.ports.errors import DamagedError, PermitgateError
from edge.runtime.request_answers import in_words
from edge.storage import news
from edge.storage.authority_reader import AuthorityReader
from edge.storage.blobs import BlobStore
from edge.storage.journal import JournalFiles, JournalKeys, JournalWriter
from edge.storage.journal_reader import JournalReader
from edge.storage.reconcile import reconcile
from edge.storage.telemetry import TelemetryWriter
from sync.formats.badge_token import IssuerKey

if TYPE_CHECKING:
    from edge.app.daemon import Daemon

_log = structlog.get_logger("stores")
_FAULTS_KEPT = 20
_TELL_EVERY = 10_000
_MORE_TIME_S = 60

SAVE_EVERY = 500
"""Entries between two saved states: a start folds at most about so many."""

Store = TypeVar("Store")


@dataclass(frozen=True, slots=True)
class Memory:
    """The durable state as bytes."""

    durable: Durable

    def encode(self) -> bytes:
        """The bytes of a saved state."""
        return codec.encode(self.durable)


class Stores:
    """Everything on disk that the daemon owns or reads. ``issuers`` are the badge keys believed now."""

    def __init__(self, config: Config, journal: JournalWriter, telemetry: TelemetryWriter, blobs: BlobStore) -> None:
        data_dir = config.gateway.data_dir
        self.journal = journal
        self.telemetry = telemetry
        self.blobs = blobs
        self.authority_path = data_dir / "authority.db"
        self.issuers: Mapping[bytes, IssuerKey] = {}
        self._floor_path = data_dir / "clock_floor"
        self._faults_dir = data_dir / "faults"
        self.clock_floor_ms = _read_floor(config)
        self.durable = fold_journal(JournalReader(data_dir / "journal.db"), _ask_for_time)

    def keep_floor(self, lo_ms: int) -> None:
        """Keep a lower bound of the time for the next boot. A lost one costs a minute, so nothing is synced."""
        fresh = self._floor_path.with_suffix(".new")
        try:
            fresh.write_text(f"{lo_ms}\n", encoding="ascii")
            fresh.replace(self._floor_path)
        except OSError as error:
            _log.warning("clock_floor_not_kept", error=str(error))

    def keep_fault(self, message: Input, error: Exception) -> None:
        """Keep the input at which the core raised, for whoever mends it; the newest few only."""
        try:
            self._faults_dir.mkdir(exist_ok=True)
            old = sorted(self._faults_dir.iterdir())
            for path in old[: max(0, len(old) - _FAULTS_KEPT + 1)]:
                path.unlink()
            name = f"{system_clock.utc_ms()}-{type(message).__name__}.txt"
            (self._faults_dir / name).write_text(f"{error!r}\n{message!r}\n", encoding="utf-8")
        except OSError as failed:
            _log.warning("fault_not_kept", error=str(failed))

    def load_issuers(self) -> None:
        """Read the badge keys from the authority cache, if there is one."""
        try:
            reader = AuthorityReader(self.authority_path)
            try:
                self.read_issuers(reader)
            finally:
                reader.close()
        except PermitgateError as error:
            _log.warning("authority_absent", why=str(error))

    def read_issuers(self, reader: AuthorityReader) -> None:
        """The badge keys that HQ's log names and has not revoked."""
        self.issuers = {
            each.key_id: IssuerKey(each.key_id, each.public, each.not_before_ms, each.not_after_ms, each.site)
            for each in reader.issuers()
            if not each.revoked
        }

    def close(self) -> None:
        """Let go of the files."""
        self.telemetry.close()
        self.journal.close()


def _read_floor(config: Config) -> int:
    try:
        return int((config.gateway.data_dir / "clock_floor").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def open_stores(config: Config) -> Stores:
    """Open what the daemon owns. Raises NotEnrolledError before enrolment.

    A damaged file was renamed and kept; the daemon goes on with an empty one. An emptied journal is behind what was
    signed, so nothing can be recorded and entry stays refused; readings, alarms and exits go on.
    """
    data_dir = config.gateway.data_dir
    files = TrustFiles(data_dir)
    enrolment = files.read_enrolment()
    keys = JournalKeys(files.read_log_key(enrolment.origin), enrolment.mirror)
    now_ms = system_clock.utc_ms()
    journal_files = JournalFiles(data_dir / "journal.db", data_dir / "checkpoint")
    journal = _opened(lambda: JournalWriter.open(journal_files, keys, now_ms))
    if journal.behind is not None:
        _log.error("journal_behind_signed", held=journal.behind.local_size, signed=journal.behind.signed_size)
    try:
        blobs = BlobStore(data_dir / "blobs")
        telemetry_path = data_dir / "telemetry.db"
        telemetry = _opened(lambda: TelemetryWriter.open(telemetry_path, blobs, system_clock.boot_id(), now_ms))
        telemetry.expect(polls_of(config))
        _reconcile(telemetry, data_dir / "journal.db")
        return Stores(config, journal, telemetry, blobs)
    except BaseException:
        journal.close()
        raise


def _reconcile(telemetry: TelemetryWriter, journal: Path) -> None:
    """Compare readings and journal. If that fails something may be told twice; no door waits for it."""
    try:
        with closing(JournalReader(journal)) as reader:
            reconcile(telemetry, reader, _ask_for_time)
    except PermitgateError as error:
        _log.error("readings_not_compared", why=str(error))


def polls_of(config: Config) -> dict[str, int]:
    """How often each device is polled, in milliseconds."""
    buses = {bus.id: bus.poll_ms for bus in config.buses}
    return {device.id: buses[device.bus] for device in config.devices}


def caused_by_readings(entries: Sequence[Entry]) -> list[tuple[int, str]]:
    """(number, cause) of the entries that tell news of the readings."""
    return [(entry.seq, entry.cause) for entry in entries if entry.kind in news.KINDS and entry.cause is not None]


def below(naming: deque[tuple[int, str]], through: int) -> list[tuple[int, str]]:
    """Take from the front all with a number below that. One thread takes, another may add at the end."""
    taken = []
    while naming and naming[0][0] < through:
        taken.append(naming.popleft())
    return taken


def _opened(open_it: Callable[[], Store]) -> Store:
    """Open a store; if it proves damaged it has been set aside and named, and is opened once more."""
    try:
        return open_it()
    except DamagedError as error:
        _log.error("store_damaged", why=str(error))
        return open_it()


def file_identity(path: Path) -> tuple[int, int] | None:
    """Which file that is now: a damaged one that was set aside and replaced is another. None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _ask_for_time() -> None:
    """systemd ends a start that takes long; a whole journal of years takes minutes."""
    notifier = Notifier()
    notifier.send(f"EXTEND_TIMEOUT_USEC={_MORE_TIME_S * 1_000_000}\nSTATUS=reading the whole journal")
    notifier.close()


def fold_journal(reader: JournalReader, going_on: Callable[[], None] = lambda: None) -> Durable:
    """The durable state: the saved one, if there is one, and every entry since folded into it.

    ``going_on`` is called each 10,000 entries. Raises DamagedError naming the entry that cannot be folded, or the saved
    state that cannot be done without.
    """
    try:
        durable = _saved(reader)
        told = durable.next_entry
        while entries := reader.entries(durable.next_entry):
            for entry in entries:
                durable = _folded(durable, entry)
            if durable.next_entry - told >= _TELL_EVERY:
                told = durable.next_entry
                going_on()
        return durable
    finally:
        reader.close()


def _saved(reader: JournalReader) -> Durable:
    """The saved state. One that is damaged, or of another version, is not needed while all entries are there."""
    try:
        saved = reader.saved_state()
        if saved is None:
            return Durable()
        durable = codec.decode(saved.data, Durable)
        if durable.next_entry != saved.next_entry:
            raise DamagedError(f"it says {durable.next_entry} and lies at {saved.next_entry}")
        return durable
    except (DamagedError, codec.CodecError) as error:
        if reader.pruned_to():
            raise DamagedError(
                f"the journal's saved state cannot be used, and what it stood for is pruned: {error}"
            ) from None
        _log.error("saved_state_unusable", why=str(error), instead="all entries are folded")
        return Durable()


def _folded(durable: Durable, entry: Entry) -> Durable:
    try:
        return fold(durable, entry)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise DamagedError(f"the journal's entry {entry.seq} cannot be folded: {error!r}") from None


def status_parts(daemon: "Daemon", config: Config) -> dict[str, Any]:
    """What the state does not hold: words last shown, figures in their units, threads, children, counters."""
    now_ms = system_clock.monotonic_ms()
    children = {"actuators": daemon.actuators.child, "readers": daemon.readers.child, "sync": daemon.link.child}
    return {
        "shown": {
            door: {
                "light": each.light,
                "reason": each.reason,
                "zh": each.zh,
                "en": each.en,
                "age_ms": now_ms - each.at_ms,
            }
            for door, each in daemon.outputs.shown.items()
        },
        "readings": readings(daemon.loop.state.memories, config, now_ms),
        "authority": _authority(daemon, config),
        "journal": {
            "durable": daemon.durable,
            "waiting": daemon.journal.waiting,
            "acked": daemon.acked,
            "commits": daemon.journal.commits,
            "failures": daemon.journal.failures,
            "behind_signed": daemon.journal_behind,
        },
        "link": {
            "state": daemon.link.state,
            "why": daemon.link.why,
            "since_s": (now_ms - daemon.link.since_ms) // 1000,
            "refused": daemon.link.refused,
        },
        "children": {
            name: {"alive": child.alive, "pid": child.pid, "restarts": child.restarts, "dropped": child.dropped}
            for name, child in children.items()
        },
        "readers": {"lost": dict(daemon.readers.lost()), "cards": list(daemon.readers.cards())},
        "counters": counters(daemon),
        "sqlite_version": sqlite3.sqlite_version,
    }


def _authority(daemon: "Daemon", config: Config) -> dict[str, Any]:
    """HQ's word: how much, and how long ago it was last heard. The journal keeps such marks at longer intervals."""
    state = daemon.loop.state
    marks = [mark for mark in (state.durable.fresh_ms, daemon.link.fresh_ms) if mark is not None]
    fresh_ms = max(marks, default=None)
    hi_ms = daemon.timekeeper.now(state).clock.hi_ms
    age_ms = None if fresh_ms is None or hi_ms is None else hi_ms - fresh_ms
    fresh = age_ms is not None and age_ms <= config.policy.fresh_ms
    return {"size": state.durable.authority_size, "fresh_ms": fresh_ms, "age_ms": age_ms, "fresh": fresh}


def counters(daemon: "Daemon") -> dict[str, int]:
    """Whole numbers that only grow, each named as a sample of Prometheus's text format (labels in quotes)."""
    found = {
        "controller_steps_total": daemon.loop.steps,
        "inbox_conflated_total": daemon.inbox.conflated,
        "inbox_refused_total": daemon.inbox.refused,
        "journal_commits_total": daemon.journal.commits,
        "journal_failures_total": daemon.journal.failures,
        "telemetry_stored_total": daemon.telemetry.stored,
        "telemetry_dropped_total": daemon.telemetry.dropped,
    }
    for loop in daemon.bus_loops:
        found[f'bus_polls_total{{bus="{loop.bus}"}}'] = loop.polls
        found[f'bus_failures_total{{bus="{loop.bus}"}}'] = loop.failures
        found[f'bus_overruns_total{{bus="{loop.bus}"}}'] = loop.overruns
    for reader, counted in daemon.readers.counters().items():
        found[f'reader_taps_total{{reader="{reader}"}}'] = counted.taps
        found[f'reader_dropped_total{{reader="{reader}"}}'] = counted.dropped + counted.late + counted.failed
    return {f"permitgate_{name}": value for name, value in found.items()}


def readings(memories: Mapping[str, DeviceMemory], config: Config, now_ms: int) -> dict[str, Any]:
    """Each channel's newest figure in its unit, with quality and age. What is older than ``stale_s`` has no figure."""
    found = {}
    for device, profile in profiles_of(config).items():
        memory = memories.get(device)
        for channel in profile.channels:
            place = NEVER if memory is None else memory.channel(channel.name)
            age_ms = None if place.taken_at_ms is None else now_ms - place.taken_at_ms
            stale = place.quality is Quality.GOOD and age_ms is not None and age_ms > config.policy.stale_ms
            steps = None if stale else place.steps
            found[f"{device}.{channel.name}"] = {
                "figure": in_words(steps, str(channel.resolution), channel.unit),
                "steps": steps,
                "resolution": str(channel.resolution),
                "unit": channel.unit,
                "quality": (Quality.STALE if stale else place.quality).value,
                "age_ms": age_ms,
            }
    return found
