"""How many polls are lost at a pace far above what ``check`` allows: 50 units of 10 values each, every 50 ms.

A poll is kept if its values were there before the next was due: one that fails and one that comes late are lost alike.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from edge.app.trial_bus import trial_bus
from edge.config_values import TcpBus
from edge.core.readings import BlockRead, Quality, UtcMs
from edge.host.system_clock import monotonic_ms, process_cpu_us, sleep
from edge.runtime.bus import BusLoop
from edge.storage.blobs import BlobStore
from edge.storage.telemetry import TelemetryWriter
from hil.bench.buses import DaemonPath, bare_client, running_site
from hil.bench.decisions import NOW
from hil.bench.field import field, profile_text
from hil.bench.rows import Row

_CHANNELS, _UNITS, _PERIOD_MS = 10, 50, 50
_SETTLE_S, _WINDOW_S = 1.0, 10.0
_TIMEOUT_MS = 1_000


class Punctuality:
    """Which polls of a window came in their own period. ``note`` may be called in another thread."""

    def __init__(self, began_ms: int, now: Callable[[], int]) -> None:
        self._began_ms = began_ms
        self._now = now
        self._kept: set[tuple[str, int]] = set()
        self.worst_ms = 0

    def note(self, device: str) -> None:
        """A good reading of ``device`` is there now."""
        since_ms = self._now() - self._began_ms
        self._kept.add((device, since_ms // _PERIOD_MS))
        self.worst_ms = max(self.worst_ms, since_ms % _PERIOD_MS)

    def lost(self, from_s: float, to_s: float) -> int:
        """Of one poll for each unit and period between these times since the beginning, how many did not come."""
        first, last = round(1000 * from_s) // _PERIOD_MS, round(1000 * to_s) // _PERIOD_MS
        return _UNITS * (last - first) - sum(first <= period < last for _, period in self._kept)


def poll_loss(folder: Path) -> Row:
    """The share of polls lost on the daemon's whole path, beside bare pymodbus sync reads of the same at that pace."""
    polls = round(_UNITS * 1000 * _WINDOW_S / _PERIOD_MS)
    with field(_CHANNELS, _UNITS, ["tcp"]) as (port,):
        lost, detail = _through_the_daemon(folder, port)
        with bare_client(int(port)) as client:
            bare = _bare(client)
    detail |= {"units": _UNITS, "values": _CHANNELS, "period_ms": _PERIOD_MS, "polls": polls, "nearest_peer": 0.53}
    named = "bare pymodbus sync reads of the same units at the same pace"
    return Row("poll_loss_50ms", lost / polls, "share", named, bare / polls, "share", 0, detail=detail)


def _through_the_daemon(folder: Path, port: str) -> tuple[int, dict[str, object]]:
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as name:
        path = Path(name)
        writer = TelemetryWriter.open(path / "t.db", BlobStore(path / "blobs"), NOW.boot_id, UtcMs(NOW.clock.lo_ms))
        taken = DaemonPath(running_site(_CHANNELS), writer)
        bus = trial_bus(
            TcpBus("b1", "127.0.0.1", int(port), _TIMEOUT_MS, _PERIOD_MS), profile_text(_CHANNELS), _NUMBERS
        )
        punctuality = Punctuality(monotonic_ms(), monotonic_ms)

        def publish(block: BlockRead) -> None:
            taken.publish(block)
            if block.qualities.count(Quality.GOOD) == _CHANNELS:
                punctuality.note(block.device)

        loop = BusLoop("b1", bus.readers, _PERIOD_MS, clock=monotonic_ms, sleep=sleep, publish=publish)
        with taken.running(loop):
            sleep(_SETTLE_S)
            cpu_us, punctuality.worst_ms = process_cpu_us(), 0
            sleep(_WINDOW_S)
            cpu_us = process_cpu_us() - cpu_us
        bus.close()
        writer.close()
    lost = punctuality.lost(_SETTLE_S, _SETTLE_S + _WINDOW_S) + taken.telemetry.dropped
    detail: dict[str, object] = {
        "failed": loop.failures,
        "periods_skipped": loop.overruns,
        "not_stored": taken.telemetry.dropped,
        "latest_in_period_ms": punctuality.worst_ms,
        "cpu_share": round(cpu_us / 1e6 / _WINDOW_S, 2),
    }
    return lost, detail


_NUMBERS = range(1, _UNITS + 1)


def _bare(client: ModbusTcpClient) -> int:
    """As many reads at the same times, nothing decoded, nothing judged, nothing stored."""
    began_ms = monotonic_ms()
    punctuality, stop = Punctuality(began_ms, monotonic_ms), Event()

    def run() -> None:
        due_ms: int = began_ms
        while not stop.is_set():
            for unit in _NUMBERS:
                _read(client, unit, punctuality)
            now_ms = monotonic_ms()
            due_ms += _PERIOD_MS * max(1, -(-(now_ms - due_ms) // _PERIOD_MS))
            sleep(max(0, due_ms - monotonic_ms()) / 1000)

    thread = Thread(target=run, daemon=True)
    thread.start()
    sleep(_SETTLE_S + _WINDOW_S)
    stop.set()
    thread.join(5)
    return punctuality.lost(_SETTLE_S, _SETTLE_S + _WINDOW_S)


def _read(client: ModbusTcpClient, unit: int, punctuality: Punctuality) -> None:
    try:
        reply = client.read_holding_registers(0, count=_CHANNELS + 1, device_id=unit)
    except ModbusException:
        return
    if not reply.isError():
        punctuality.note(f"unit-{unit}")
