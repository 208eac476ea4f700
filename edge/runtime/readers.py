"""The daemon's side of the badge readers: one thread each, that turns what a reader saw into a verified tap.

The readers live in a process of their own (``edge.app.readers``), which reports what lies on them; here a token is
verified and handed on. ``on_tap`` runs in the thread of its reader, so that a slow read of facts at one door never
delays another, and may keep things of its own per thread.
"""

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import Full, Queue
from threading import Thread

from edge.core.facts import Side, Tap, Token, TokenRefusal, TokenVerdict
from edge.core.readings import MonotonicMs, UtcMs
from edge.ports.devices import MonotonicClock
from edge.runtime.child import BackOff, ChildProcess, FrameError, Message
from sync.formats.badge_token import BadgeClaims, IssuerKey, TokenError, key_id_of, unwrap_ndef, verify
from sync.formats.errors import FormatError

PENDING_MAX = 4
"""Taps of one reader that may wait; more than one means that this door is slow already."""

TAP_AGE_MS_MAX = 2_000
"""An older tap is not handed on: whoever made it has walked away, and the door would open for somebody else."""

_UID_HEX_MAX = 20

Issuers = Callable[[], Mapping[bytes, IssuerKey]]
UtcClock = Callable[[], UtcMs]


@dataclass(frozen=True, slots=True)
class ReaderPlace:
    """One configured reader: where it hangs, and the device path that the readers' process opens."""

    reader: str
    door: str
    side: Side
    path: str


@dataclass(frozen=True, slots=True)
class ReaderCounters:
    """Since the start of the daemon. Only ``taps`` were handed on."""

    taps: int = 0
    late: int = 0
    dropped: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class ReaderEvents:
    """Where a reader's news go. Each is called in a thread of ours and must not wait long.

    ``on_tap(tap, verdict)``: in the reader's own thread. ``on_health(reader, state, why)``: state ``"lost"`` or
    ``"back"``, once at each change. ``on_unreadable(reader, why)``: a badge could not be read, and how; its tap comes
    as well. ``on_failure(reader, error)``: ``on_tap`` or ``issuers`` raised; the tap is lost, the thread goes on.
    """

    on_tap: Callable[[Tap, TokenVerdict], None]
    on_health: Callable[[str, str, str], None]
    on_unreadable: Callable[[str, str], None]
    on_failure: Callable[[str, Exception], None]


@dataclass(frozen=True, slots=True)
class _Seen:
    """One tap message of a reader, checked."""

    uid: bytes
    ndef: bytes | None
    refusal: str | None
    taken_at_ms: MonotonicMs

    def is_same_card(self, later: "_Seen") -> bool:
        """Whether that may be this card still: same UID, and same content or not readable now."""
        same_content = (self.ndef, self.refusal) == (later.ndef, None)
        return self.uid == later.uid and (later.refusal is not None or same_content)


def judge_badge(
    uid: bytes,
    ndef: bytes | None,
    refusal: str | None,
    *,
    issuers: Mapping[bytes, IssuerKey],
    site: str,
    now_ms: int,
) -> TokenVerdict:
    """What a badge's content is worth, whatever bytes it holds. Never raises for content.

    No message, or one without a token of ours: absent. Bytes that are no message: unreadable.
    """
    if refusal is not None:
        return TokenVerdict(None, TokenRefusal.UNREADABLE)
    try:
        token = None if ndef is None else unwrap_ndef(ndef)
        if token is None:
            return TokenVerdict(None, TokenRefusal.ABSENT)
        claims = verify(token, uid, issuers, site, now_ms)
    except TokenError as error:
        return TokenVerdict(None, TokenRefusal(error.kind.value))
    except FormatError:
        return TokenVerdict(None, TokenRefusal.UNREADABLE)
    return TokenVerdict(_token(claims, issuers[key_id_of(token)]), None)


def _token(claims: BadgeClaims, issuer: IssuerKey) -> Token:
    """A badge outlives no key, and is no older than it: where the clock leaves that in doubt, the decision refuses."""
    return Token(
        token_id=claims.token_id.hex(),
        key_id=issuer.key_id.hex(),
        worker_tag=claims.worker_tag.hex(),
        site=claims.site,
        areas=claims.areas,
        permit_short_ids=claims.permit_short_ids,
        permit_version=claims.permit_version,
        not_before_ms=max(claims.not_before_s * 1_000, issuer.not_before_ms),
        not_after_ms=min(claims.expires_s * 1_000, issuer.not_after_ms),
    )


class _ReaderThread:
    """One reader's taps, one after the other."""

    def __init__(
        self,
        place: ReaderPlace,
        site: str,
        issuers: Issuers,
        events: ReaderEvents,
        *,
        clock: MonotonicClock,
        utc: UtcClock,
    ) -> None:
        self.place = place
        self.counters = ReaderCounters()
        self._site = site
        self._issuers = issuers
        self._clock = clock
        self._utc = utc
        self._events = events
        self._waiting: Queue[_Seen | None] = Queue(PENDING_MAX)
        self._dropped = 0
        self._stopping = False
        self._thread = Thread(target=self._run, name=f"reader-{place.reader}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hand_over(self, seen: _Seen) -> None:
        """Never waits: with the queue full the new tap is dropped and counted."""
        try:
            self._waiting.put_nowait(seen)
        except Full:
            self._dropped += 1

    def stop(self, wait_s: float) -> None:
        """Waiting taps are dropped; the one being worked on is finished."""
        self._stopping = True
        # A full queue needs no word: the thread takes from it and sees that it is to stop.
        with contextlib.suppress(Full):
            self._waiting.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(wait_s)

    def snapshot(self) -> ReaderCounters:
        """The counters now."""
        counted = self.counters
        return ReaderCounters(counted.taps, counted.late, self._dropped, counted.failed)

    def _run(self) -> None:
        while (seen := self._waiting.get()) is not None and not self._stopping:
            taps, late, failed = self.counters.taps, self.counters.late, self.counters.failed
            try:
                if self._clock() - seen.taken_at_ms > TAP_AGE_MS_MAX:
                    late += 1
                else:
                    self._tap(seen)
                    taps += 1
            except Exception as error:  # noqa: BLE001 - top of a thread: one bad tap must not close the door for all
                failed += 1
                self._events.on_failure(self.place.reader, error)
            self.counters = ReaderCounters(taps, late, 0, failed)

    def _tap(self, seen: _Seen) -> None:
        place = self.place
        verdict = judge_badge(
            seen.uid, seen.ndef, seen.refusal, issuers=self._issuers(), site=self._site, now_ms=self._utc()
        )
        if seen.refusal is not None:
            self._events.on_unreadable(place.reader, seen.refusal)
        tap_id = f"{place.reader}-{seen.taken_at_ms}"
        tap = Tap(tap_id, place.reader, place.door, place.side, seen.uid.hex(), seen.taken_at_ms)
        self._events.on_tap(tap, verdict)


class Readers:
    """All badge readers of the gateway, and the child process that holds them.

    A card that lay on a reader when it was lost, and lies there when it is back, is no tap.

    ``start`` and ``stop`` are called by the owner; ``tick`` by the supervisor, a few times in a second. ``issuers``
    gives the keys that may sign tokens now, and is asked at each tap, in the reader's thread.
    """

    def __init__(
        self,
        places: Sequence[ReaderPlace],
        site: str,
        issuers: Issuers,
        events: ReaderEvents,
        *,
        clock: MonotonicClock,
        utc: UtcClock,
        simulate: bool = False,
        back_off: BackOff | None = None,
    ) -> None:
        self._events = events
        self._threads = {
            place.reader: _ReaderThread(place, site, issuers, events, clock=clock, utc=utc) for place in places
        }
        self._lost: dict[str, str] = {}
        self._lying: dict[str, _Seen] = {}
        self._setup = setup_message(places, simulate)
        self.child = ChildProcess(
            "readers",
            [sys.executable, "-P", "-m", "edge.app.readers"],
            clock,
            self.on_message,
            self._child_lost,
            on_started=self._child_started,
            back_off=back_off,
        )

    def start(self) -> None:
        """Starts the threads; the process comes with the first ``tick``."""
        for thread in self._threads.values():
            thread.start()

    def tick(self, now: MonotonicMs) -> None:
        """Look after the readers' process."""
        if self._threads:
            self.child.tick(now)

    def stop(self, wait_s: float = 3.0) -> None:
        """Ends process and threads. May be called twice."""
        self.child.stop(wait_s)
        for thread in self._threads.values():
            thread.stop(wait_s)

    def lost(self) -> Mapping[str, str]:
        """Readers that do not work now, and why."""
        return dict(self._lost)

    def cards(self) -> tuple[str, ...]:
        """Readers on which a card lies: the next tap there comes when it was taken away."""
        return tuple(sorted(self._lying))

    def counters(self) -> Mapping[str, ReaderCounters]:
        """Per reader."""
        return {reader: thread.snapshot() for reader, thread in self._threads.items()}

    def on_message(self, message: Message) -> None:
        """One message of the readers' process. Raises ``FrameError`` for one that is not as agreed."""
        thread = self._threads.get(str(message.get("reader")))
        if thread is None:
            raise FrameError(f"readers: a message of an unknown reader {message.get('reader')!r}")
        match message.get("k"):
            case "tap":
                self._tapped(thread, _seen(message))
            case "empty":
                self._lying.pop(thread.place.reader, None)
            case "health":
                self._health(thread.place.reader, message.get("state") == "lost", str(message.get("why"))[:200])
            case other:
                raise FrameError(f"readers: a message of unknown kind {other!r}")

    def _tapped(self, thread: _ReaderThread, seen: _Seen) -> None:
        """A reader that was started anew reports the card that lay there all the time: nobody tapped."""
        lying = self._lying.get(thread.place.reader)
        if lying is not None and lying.is_same_card(seen):
            return
        self._lying[thread.place.reader] = seen
        thread.hand_over(seen)

    def _health(self, reader: str, lost: bool, why: str) -> None:
        if lost == (reader in self._lost):
            return
        if lost:
            self._lost[reader] = why
        else:
            del self._lost[reader]
        self._events.on_health(reader, "lost" if lost else "back", why)

    def _child_started(self) -> None:
        self.child.send(self._setup)

    def _child_lost(self, why: str) -> None:
        for reader in self._threads:
            self._health(reader, True, why)


def setup_message(places: Sequence[ReaderPlace], simulate: bool) -> Message:
    """The first frame to the readers' process."""
    readers = [{"id": place.reader, "path": place.path} for place in places]
    return {"k": "setup", "readers": readers, "simulate": simulate}


def _seen(message: Message) -> _Seen:
    """``{"k": "tap", "reader", "uid": hex, "ndef": hex or null, "refusal": text or null, "read_ms", "at_ms"}``."""
    uid, ndef, refusal, at_ms = (message.get(name) for name in ("uid", "ndef", "refusal", "at_ms"))
    if not isinstance(uid, str) or len(uid) > _UID_HEX_MAX or not isinstance(at_ms, int):
        raise FrameError("readers: a tap without uid or time")
    if not isinstance(ndef, str | None) or not isinstance(refusal, str | None):
        raise FrameError("readers: a tap whose content is no text")
    try:
        content = None if ndef is None else bytes.fromhex(ndef)
        return _Seen(bytes.fromhex(uid), content, refusal, MonotonicMs(at_ms))
    except ValueError as error:
        raise FrameError("readers: a tap that is not hexadecimal") from error
