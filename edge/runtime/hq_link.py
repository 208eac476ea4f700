"""The daemon's side of the sync child: its news become inputs; the journal's checkpoints ring its bell.

The child owns the authority cache and talks to HQ. Nothing it says is believed beyond what it is: cosignatures are
verified by the journal, and permits and freezes are read from the cache, which holds only what HQ signed.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from edge.core.clock import Anchor, ClockSource
from edge.core.messages import AuthorityApplied, ClockAnchored, Input, Noticed
from edge.core.readings import MonotonicMs, UtcMs
from edge.ports.devices import MonotonicClock
from edge.ports.errors import PermitgateError
from edge.runtime.child import ChildProcess, Message
from edge.storage.authority_reader import AuthorityReader
from sync.formats.merkle import root_at

_log = structlog.get_logger("hq_link")
_ARGV = (sys.executable, "-P", "-m", "edge.app.sync")
_SILENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class LinkEvents:
    """Where the news go. All run in the child's pipe thread and must be quick.

    ``cosigned(note)`` hands a cosignature to the journal; ``issuers_changed(reader)`` lets badge keys be read again.
    """

    post: Callable[[Input], bool]
    cosigned: Callable[[str], None]
    issuers_changed: Callable[[AuthorityReader], None]


class HqLink:
    """The sync child and what it last said. ``state`` is ``up``, ``down`` or ``unknown``; ``why`` says why.

    ``refused`` is what one side last refused of the other, None: nothing since HQ's last cosignature. ``fresh_ms`` is
    HQ's newest freshness mark heard since the start, UTC ms; None: none yet.
    """

    def __init__(
        self, setup: Mapping[str, Any], authority_path: Path, boot_id: str, clock: MonotonicClock, events: LinkEvents
    ) -> None:
        self._setup = dict(setup)
        self._authority_path = authority_path
        self._boot_id = boot_id
        self._clock = clock
        self._events = events
        self.state = "unknown"
        self.why = "not connected yet"
        self.since_ms: int = clock()
        self.refused: str | None = None
        self.fresh_ms: int | None = None
        # The controller may lack what the cache holds: with the child's next news all of it is read.
        self._behind = False
        self._begun = False
        self.child = ChildProcess(
            "sync", list(_ARGV), clock, self._take, self._lost, silence_s=_SILENCE_S, on_started=self._begin
        )

    def tick(self, now: MonotonicMs) -> None:
        """Look after the child."""
        self.child.tick(now)

    def stop(self) -> None:
        """End the child."""
        self.child.stop()

    def checkpoint_signed(self, note: str) -> None:
        """A new checkpoint lies in its file: ring the bell."""
        self.child.send({"k": "checkpoint", "note": note})

    def poke(self) -> None:
        """Talk to HQ now."""
        self.child.send({"k": "poke"})

    def read_again(self) -> None:
        """The cache could not be read, or was not there: read all of it as soon as the child has news."""
        self._behind = True

    def _begin(self) -> None:
        # A child that was lost may have applied what it could not tell any more.
        self._behind = self._behind or self._begun
        self._begun = True
        self.child.send({"k": "setup", **self._setup})

    def _lost(self, why: str) -> None:
        _log.warning("sync_lost", why=why)
        self._link("down", why)

    def _link(self, state: str, why: str) -> None:
        if state != self.state:
            self.state, self.since_ms = state, self._clock()
            _log.info("hq_link", state=state, why=why)
            self._events.post(Noticed("link." + state, "hq", why))
        self.why = why

    def _take(self, message: Message) -> None:
        if self._behind and self._authority_path.exists():
            self._behind = False
            self._tell(None)
        match message:
            case {"k": "cosigned", "note": str(note)}:
                self.refused = None
                self._events.cosigned(note)
            case {"k": "applied"}:
                named = message.get("permits")
                self._tell([str(each) for each in named] if isinstance(named, list) else [])
            case {"k": "fresh"}:
                self._tell([])
            case {"k": "time", "utc_ms": int(utc), "uncertainty_ms": int(doubt), "boottime_ms": int(at)}:
                anchor = Anchor(ClockSource.HQ, UtcMs(utc), doubt, self._boot_id, MonotonicMs(at))
                self._events.post(ClockAnchored(anchor))
            case {"k": "refused", "what": "hq_rollback", "why": str(why)}:
                _log.error("hq_rollback", why=why)
                self._events.post(Noticed("hq.rollback", "hq", why[:500]))
            case {"k": "refused", "what": str(what), "why": str(why)}:
                self.refused = f"{what}: {why}"
                _log.warning("hq_refused", what=what, why=why)
                self._events.post(Noticed("hq.refused", what, why[:500]))
            case {"k": "link", "state": str(state), "why": str(why)}:
                self._link(state, why)
            case _:
                _log.warning("sync_message_unknown", kind=str(message.get("k"))[:32])

    def _tell(self, permits: list[str] | None) -> None:
        """Read these permits (None: all) and every hold from the cache itself: the message only says where to look."""
        try:
            reader = AuthorityReader(self._authority_path)
            try:
                applied = _read(reader, permits)
                self._events.issuers_changed(reader)
            finally:
                reader.close()
        except PermitgateError as error:
            _log.error("authority_unreadable", error=str(error))
            self._behind = True
            return
        self.fresh_ms = applied.fresh_ms
        self._events.post(applied)


def read_authority(path: Path) -> AuthorityApplied | None:
    """Everything the cache holds, for the start; None while there is none that can be read.

    A damaged one is set aside by the sync child, which fetches HQ's word again.
    """
    try:
        reader = AuthorityReader(path)
        try:
            return _read(reader, None)
        finally:
            reader.close()
    except PermitgateError as error:
        _log.warning("authority_absent", why=str(error))
        return None


def _read(reader: AuthorityReader, permits: list[str] | None) -> AuthorityApplied:
    """What the cache holds: these permits, or all open ones (None). The size is read first, so nothing is older."""
    size = reader.size()
    if permits is None:
        found = reader.permits_open()
    else:
        found = tuple(each for each in map(reader.permit, permits) if each is not None)
    return AuthorityApplied(
        size=size,
        root=root_at(size, reader.node).hex(),
        fresh_ms=reader.fresh_at_ms(),
        permits=found,
        freezes=reader.freezes(),
        releases=reader.releases(),
        complete=permits is None,
    )
