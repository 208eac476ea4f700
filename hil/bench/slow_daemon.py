"""The real daemon on a bad disk: ``python -m hil.bench.slow_daemon CONFIG``. For benchmarks and drills only.

The daemon is composed as ``permitgate run`` does, but for its journal, which stands behind ``SlowJournal``: before each
commit it waits as many milliseconds as the file ``commit_delay_ms`` in the data directory says, none without it.
"""

import signal
import sys
from pathlib import Path
from threading import Event
from typing import Any, cast

from edge.app.daemon import Daemon
from edge.app.daemon_parts import open_stores
from edge.config import load
from edge.host import journal_log, system_clock
from edge.storage.journal import JournalWriter
from edge.storage.slow import SlowJournal

DELAY_FILE = "commit_delay_ms"
_SWITCH_S = 0.0005


class SlowedWriter(SlowJournal):
    """The journal's writer behind the delay, with what else the daemon asks of it."""

    def __init__(self, writer: JournalWriter, delay_file: Path) -> None:
        super().__init__(writer, system_clock.sleep, lambda: _delay_s(delay_file))
        self._writer = writer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


def _delay_s(path: Path) -> float:
    try:
        return int(path.read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        return 0.0


def main(config_path: Path) -> None:
    """Run until SIGTERM."""
    config = load(config_path)
    journal_log.configure(config.gateway.simulate)
    sys.setswitchinterval(_SWITCH_S)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stores = open_stores(config)
    slowed = SlowedWriter(stores.journal, config.gateway.data_dir / DELAY_FILE)
    stores.journal = cast(JournalWriter, slowed)
    try:
        Daemon(config, stores, stop).run()
    finally:
        stores.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
