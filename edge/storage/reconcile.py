"""At start: the journal and the list of readings compared, so that each batch and each gap is named exactly once."""

from collections.abc import Callable

from edge.core.entries import Entry
from edge.storage.journal_reader import JournalReader, Search
from edge.storage.leaves import entry_of
from edge.storage.telemetry import TelemetryWriter
from sync.formats.errors import FormatError

_OURS = b'"typ":"telemetry.'
"""In the bytes of every entry about readings, and of no other: in a text the quotation marks are escaped."""


def reconcile(telemetry: TelemetryWriter, journal: JournalReader, going_on: Callable[[], None] = lambda: None) -> None:
    """What the journal names is told no more; what it names and the list has lost is listed again.

    What it does not name, because a kill -9 or a full inbox came between, stays news and is told in this run. Reads
    the entries since the last comparison, the whole journal only when the list is new. Raises DamagedError, StoreError.
    """
    start = telemetry.follow(journal.origin)
    while page := journal.search(Search(), start):
        telemetry.recognise([entry for _, leaf in page if _OURS in leaf and (entry := _read(leaf)) is not None])
        start = page[-1][0] + 1
        going_on()
    telemetry.compared(start)


def _read(leaf: bytes) -> Entry | None:
    """A damaged entry names nothing; the nightly check of the journal tells of it."""
    try:
        return entry_of(leaf)
    except FormatError:
        return None
