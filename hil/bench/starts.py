"""How soon the gateway is ready, and how much memory it takes, with 1 M cached records."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edge.host.system_clock import monotonic_us, sleep, utc_ms
from hil.bench import caches
from hil.bench.memory import pss_mib
from hil.bench.rig import Rig
from hil.bench.rows import Row, median
from hil.bench.watched import WatchedTag

_STARTS = 3
_EVENTS_TAPS = 150
_SETTLE_S = 3.0
_SOAK_S = 900


@contextmanager
def _million(folder: Path) -> Iterator[Rig]:
    """A site with one place whose gateway holds the cache of 1 M records, lent to it and taken back.

    HQ holds less than that cache says it once said, so the gateway refuses HQ's head as a rollback: once, in one entry.
    """
    cache = caches.cache(folder, caches.MILLION)
    with TemporaryDirectory(dir=folder) as name, Rig(Path(name)) as rig:
        lent = rig.data_dir / "authority.db"
        cache.rename(lent)
        try:
            yield rig
        finally:
            rig.gateway.stop()
            lent.rename(cache)


def ready(folder: Path) -> Row:
    """From the start of the process to READY=1, worst of three; files in the page cache, as after a crash."""
    with _million(folder) as rig:
        rig.gateway.start()  # the first start makes the journal; the others find one, as they do for years
        first_s = rig.gateway.ready_ms / 1000
        rig.gateway.stop()
        samples, bare = [], []
        for _ in range(_STARTS):
            rig.gateway.start()
            samples.append(rig.gateway.ready_ms / 1000)
            rig.gateway.stop()
            bare.append(_bare_start_s())
    detail = {
        "starts_s": [round(each, 3) for each in samples],
        "first_s": round(first_s, 3),
        "cached": caches.MILLION.records,
    }
    named = "starting an interpreter that imports cryptography and sqlite3, median"
    return Row("ready_s", max(samples), "s", named, median(bare), "s", 2, detail=detail)


def _bare_start_s() -> float:
    code = "import sqlite3, cryptography.hazmat.primitives.asymmetric.ed25519"
    began = monotonic_us()
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
    return (monotonic_us() - began) / 1e6


def memory(folder: Path) -> Row:
    """Proportional set sizes of daemon, actuators, sync and one reader after taps, and what a million events add."""
    with _million(folder) as rig:
        rig.gateway.start()
        (place,) = rig.places
        sleep(_SETTLE_S)
        _taps(place.tag, 0, 10)
        first = _processes(rig.gateway.process.pid)
        before = _entries(rig)
        _taps(place.tag, 10, _EVENTS_TAPS)
        last = _processes(rig.gateway.process.pid)
        entries = _entries(rig) - before
        bare = _bare_interpreter_mib()
    total, earlier = sum(last.values()), sum(first.values())
    soak = _soak(folder)
    marks = list(soak["pss_mib"].values())
    growth = max(0.0, max(marks[1:]) - marks[0])
    detail = {
        **{name: round(size, 1) for name, size in last.items()},
        "before_events": round(earlier, 1),
        "growth_mib_over_a_million_events": round(growth, 2),
        "million_events": soak,
        "taps": _EVENTS_TAPS,
        "entries": entries,
        "cached": caches.MILLION.records,
    }
    named = "one bare interpreter (resident)"
    return Row("rss_mib", total + growth, "MiB", named, bare, "MiB", 100, detail=detail)


def _soak(folder: Path) -> dict[str, Any]:
    """A million events in a process of their own: its memory by number of events, and how many entries they made."""
    argv = [sys.executable, "-P", "-m", "hil.bench.soak", str(folder)]
    said = subprocess.run(argv, check=True, capture_output=True, timeout=_SOAK_S)
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def _taps(tag: WatchedTag, start: int, count: int) -> None:
    """Badges of that many workers, one after the other; each is decided, recorded and shown, whatever the answer."""
    not_before_s = utc_ms() // 1000 - 300
    for number in range(start, start + count):
        tag.show(caches.uid(number), caches.badge(number, not_before_s))
        sleep(0.12)


def _entries(rig: Rig) -> int:
    status = rig.gateway.status()
    if "entries" not in status:
        raise AssertionError(f"the gateway does not say how it stands: {status}")
    return int(status["entries"])


def _processes(daemon: int) -> dict[str, float]:
    """PSS in MiB by name; the readers' parent and its one child together."""
    sizes = {"daemon": pss_mib(daemon), "actuators": 0.0, "sync": 0.0, "readers": 0.0}
    for child in _descendants(daemon):
        command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        name = next((word.decode().rpartition(".")[2] for word in command if word.startswith(b"edge.app.")), "other")
        sizes[name] = sizes.get(name, 0.0) + pss_mib(child)
    return sizes


def _descendants(process: int) -> list[int]:
    found: list[int] = []
    for listing in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, listing.read_text().split()):
            found += [child, *_descendants(child)]
    return found


def _bare_interpreter_mib() -> float:
    code = "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmRSS')))"
    said = subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True, env=dict(os.environ))
    return int(said.stdout) / 1024
