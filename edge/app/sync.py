"""The sync child: carries the journal up, HQ's word down, and asks HQ the time. Owner of authority.db.

Frames from the daemon: ``setup`` {data_dir, url, poll_s, drift_ppm}, ``checkpoint`` {note}, ``poke``.
Frames to it: ``beat`` · ``cosigned`` {note} · ``applied`` {size, root, fresh_ms, permits, freezes, releases, more} ·
``fresh`` {fresh_ms} · ``time`` {utc_ms, uncertainty_ms, boottime_ms} · ``refused`` {what, why} · ``link`` {state, why}.

It decides nothing about doors: it signs nothing, and what it says of HQ's word the daemon reads in the cache itself.
"""

import gc
import random
import secrets
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.app.trust import TrustFiles
from edge.host.system_clock import monotonic_ms, sleep, utc_ms
from edge.host.withheld import withheld
from edge.ports.errors import DamagedError, LinkError, PermitgateError, RefusedError, StoreError
from edge.ports.stores import Applied
from edge.runtime.child import FrameError, Message, ParentPipe, PipeEnded
from edge.storage import checkpoint_file
from edge.storage.authority import AuthorityWriter
from edge.storage.journal_reader import JournalReader
from sync.formats.errors import FormatError
from sync.link.back_off import Way
from sync.link.clock_source import TimeAnswer, ask
from sync.link.downlink import FROM_FUTURE, Downlink, PinnedKeys, Refreshed
from sync.link.refusals import LinkRefused
from sync.link.uplink import Uplink

with withheld("charset_normalizer"), warnings.catch_warnings():
    # requests would guess the encoding of texts with it: 2.6 MiB, and HQ sends bytes. It warns that it cannot guess.
    warnings.simplefilter("ignore")
    from sync.link.https import HqAddress, HttpsHq

SILENCE_S = 60.0
"""How long the daemon may wait for a beat: several calls of HQ can each take their whole deadline."""

TIME_PERIOD_MS = 300_000
_SETUP_WAIT_MS = 10_000
_TURN_S = 0.5
_WAL_BYTES = 1024 * 1024
# At most 60 KiB with every text as long as the formats allow.
_PERMITS_PER_FRAME = 300
_FREEZES_PER_FRAME = 15
_RELEASES_PER_FRAME = 100
_SENDING_WAIT_S = 0.02
_SENDING_TRIES = 500


@dataclass(frozen=True, slots=True)
class Setup:
    """The set-up frame."""

    data_dir: Path
    url: str
    poll_ms: int
    drift_ppm: int


def parse_setup(message: Mapping[str, object]) -> Setup:
    """The set-up frame. Raises FrameError."""
    match message:
        case {"k": "setup", "data_dir": str(folder), "url": str(url), "poll_s": int() | float() as poll_s}:
            drift_ppm = message.get("drift_ppm", 100)
            if isinstance(drift_ppm, int) and 0.1 <= poll_s <= 3_600:
                return Setup(Path(folder), url, int(poll_s * 1000), drift_ppm)
    raise FrameError("setup: data_dir, url, poll_s and drift_ppm are wanted first")


def applied_frames(applied: Applied) -> list[Message]:
    """What a delta changed, in frames small enough for the pipe; all but the last say that more comes."""
    permits = _pieces(applied.permits, _PERMITS_PER_FRAME)
    freezes = _pieces(applied.freezes, _FREEZES_PER_FRAME)
    releases = _pieces(applied.releases, _RELEASES_PER_FRAME)
    count = max(1, len(permits), len(freezes), len(releases))
    frames: list[Message] = []
    for number in range(count):
        frames.append(
            {
                "k": "applied",
                "size": applied.size,
                "root": applied.root.hex(),
                "fresh_ms": applied.fresh_ms,
                "permits": list(permits[number]) if number < len(permits) else [],
                "freezes": [_freeze(each) for each in freezes[number]] if number < len(freezes) else [],
                "releases": list(releases[number]) if number < len(releases) else [],
                "more": number + 1 < count,
            }
        )
    return frames


def _pieces(values: Sequence[Any], length: int) -> list[Sequence[Any]]:
    return [values[start : start + length] for start in range(0, len(values), length)]


def _freeze(freeze: Any) -> dict[str, str]:
    kind, _, identity = freeze.scope.partition(":")
    return {"fid": freeze.freeze, "scope": kind, "id": identity, "by": freeze.by, "why": freeze.why[:256]}


class SyncChild:
    """The loop and what it holds. ``send`` hands a frame to the daemon."""

    def __init__(self, setup: Setup, send: Callable[[Mapping[str, object]], bool]) -> None:
        self._setup = setup
        self._send = send
        files = TrustFiles(setup.data_dir)
        enrolment = files.read_enrolment()
        self._mirror = enrolment.mirror
        self._hq = HttpsHq(
            HqAddress(setup.url, enrolment.site, enrolment.origin, files.ca, files.read_link_token()),
            monotonic_ms,
            self._beat,
        )
        pepper = files.read_pepper()
        self._authority = self._open_authority(enrolment.authority_origin, enrolment.site, pepper)
        self._downlink = Downlink(self._hq, self._authority, PinnedKeys(enrolment.authority, enrolment.mirror))
        self._uplink: Uplink | None = None
        self._journal: JournalReader | None = None
        self._signed = self._read_signed()
        chance = random.random
        self._ways = self._up, self._down, self._time = Way(chance), Way(chance), Way(chance)
        self._heard: TimeAnswer | None = None
        self._link: bool | None = None

    def close(self) -> None:
        """Let go of everything."""
        self._hq.close()
        self._authority.close()
        if self._journal is not None:
            self._journal.close()

    def _beat(self) -> None:
        """We work, if slowly: HQ may take a whole deadline for each of many calls, and a first delta is large."""
        self._send({"k": "beat"})

    def take(self, message: Mapping[str, object]) -> None:
        """A frame of the daemon's."""
        match message:
            case {"k": "checkpoint", "note": str(signed)}:
                self._signed = signed
                if self._uplink is not None:
                    self._offer(self._uplink, signed)
                # A doorbell does not break the rest that a failure demands.
                if not self._up.resting:
                    self._up.poke()
            case {"k": "poke"}:
                for way in self._ways:
                    way.poke()

    def turn(self) -> bool:
        """Do what is due, one call or a few; whether more waits to be done at once."""
        more = False
        if monotonic_ms() >= self._time.due_ms:
            self._guarded(self._time, self._ask_time)
        if monotonic_ms() >= self._down.due_ms:
            self._guarded(self._down, self._poll)
        if monotonic_ms() >= self._up.due_ms:
            more = self._guarded(self._up, self._push)
        if self._authority.wal_bytes() > _WAL_BYTES:
            self._authority.checkpoint_wal()
        return more

    def wait_s(self) -> float:
        """How long until something is due, at most half a second: the daemon hears a beat each turn."""
        due_ms = min(self._up.due_ms, self._down.due_ms, self._time.due_ms)
        return min(_TURN_S, max(0.0, (due_ms - monotonic_ms()) / 1000))

    def _guarded(self, way: Way, work: Callable[[], bool]) -> bool:
        try:
            more = work()
        except LinkError as error:
            way.cut = True
            self._say_link(False, str(error))
            way.failed(monotonic_ms())
            return False
        except PipeEnded:
            raise
        except (PermitgateError, FormatError) as error:
            self._say_refused(way, error)
            if isinstance(error, LinkRefused):
                self._reached(way)
            if way is self._down:
                # HQ answers, so the next good head is taken at the next poll.
                way.due_ms = monotonic_ms() + self._setup.poll_ms
            else:
                way.failed(monotonic_ms())
            return False
        return more

    def _say_refused(self, way: Way, error: Exception) -> None:
        what = error.what if isinstance(error, LinkRefused) else _word(error)
        why = error.why if isinstance(error, LinkRefused) else str(error)
        if way.is_news(what):
            self._send({"k": "refused", "what": what, "why": why[:500]})

    def _reached(self, way: Way) -> None:
        """HQ answered on this way. The link is up when no way is cut; who is cut need not rest any longer."""
        if way.cut:
            way.cut = False
            for other in self._ways:
                if other.cut:
                    other.poke()
        if not any(each.cut for each in self._ways):
            self._say_link(True, "")

    def _say_link(self, up: bool, why: str) -> None:
        if up is not self._link:
            self._link = up
            self._send({"k": "link", "state": "up" if up else "down", "why": why[:500]})

    def _ask_time(self) -> bool:
        answer = ask(self._hq, self._mirror, secrets.token_hex(16), monotonic_ms)
        self._reached(self._time)
        now_ms = monotonic_ms()
        if answer is None:
            self._time.failed(now_ms)
            return False
        self._heard = answer
        self._time.worked(now_ms + TIME_PERIOD_MS)
        self._send(
            {
                "k": "time",
                "utc_ms": answer.utc_ms,
                "uncertainty_ms": answer.uncertainty_ms,
                "boottime_ms": answer.boottime_ms,
            }
        )
        return False

    def _poll(self) -> bool:
        began_ms = monotonic_ms()
        heard = self._heard
        latest_ms = utc_ms() if heard is None else heard.latest_ms(began_ms, self._setup.drift_ppm)
        try:
            polled = self._downlink.poll(latest_ms)
        except LinkRefused as refused:
            if refused.what == FROM_FUTURE and not self._time.resting:
                # Perhaps HQ's clock was set right: its time is worth asking before the next head.
                self._time.poke()
            raise
        self._reached(self._down)
        self._down.worked(began_ms + self._setup.poll_ms)
        match polled:
            case Applied():
                for frame in applied_frames(polled):
                    self._send_surely(frame)
            case Refreshed(fresh_ms):
                self._send({"k": "fresh", "fresh_ms": fresh_ms})
            case None:
                pass
        return False

    def _send_surely(self, frame: Mapping[str, object]) -> None:
        """A large delta is more than the pipe holds: wait for the daemon to read, but not for ever."""
        for _ in range(_SENDING_TRIES):
            if self._send(frame):
                return
            sleep(_SENDING_WAIT_S)
        raise PipeEnded("the daemon does not read; what was applied is in the cache")

    def _push(self) -> bool:
        uplink = self._uplink or self._open_uplink()
        began_ms = monotonic_ms()
        if uplink is None or uplink.state.next_step() is None:
            self._up.due_ms = began_ms + self._setup.poll_ms
            return False
        turn = uplink.turn(began_ms)
        self._reached(self._up)
        if turn.hq_rolled_back and self._up.is_news("hq_rollback"):
            acked = uplink.state.acked
            self._send({"k": "refused", "what": "hq_rollback", "why": f"HQ holds less than the {acked} it cosigned"})
        if turn.cosigned is not None:
            self._up.worked(began_ms + self._setup.poll_ms)
            self._send({"k": "cosigned", "note": turn.cosigned})
        elif not turn.more:
            self._up.due_ms = began_ms + self._setup.poll_ms
        return turn.more

    def _open_uplink(self) -> Uplink | None:
        """None while the journal has signed nothing yet."""
        if self._signed is None:
            return None
        self._journal = JournalReader(self._setup.data_dir / "journal.db")
        cosigned = self._journal.cosigned()
        self._uplink = Uplink(self._hq, self._journal, self._mirror, 0 if cosigned is None else cosigned.size)
        self._offer(self._uplink, self._signed)
        return self._uplink

    def _offer(self, uplink: Uplink, signed: str) -> None:
        try:
            uplink.offer(signed)
        except FormatError as error:
            self._say_refused(self._up, error)

    def _read_signed(self) -> str | None:
        """The newest signed checkpoint. A damaged file stops no word of HQ's on its way down."""
        try:
            return checkpoint_file.read_note(self._setup.data_dir / "checkpoint")
        except (DamagedError, StoreError) as error:
            self._send({"k": "refused", "what": "checkpoint_damaged", "why": str(error)[:500]})
            return None

    def _open_authority(self, origin: str, site: str, pepper: bytes) -> AuthorityWriter:
        path = self._setup.data_dir / "authority.db"
        try:
            return AuthorityWriter.open(path, origin, site, pepper, utc_ms(), on_progress=self._beat)
        except DamagedError as error:
            # The damaged file was kept under another name; HQ's word is fetched again from its beginning.
            self._send({"k": "refused", "what": "authority_damaged", "why": str(error)[:500]})
            return AuthorityWriter.open(path, origin, site, pepper, utc_ms(), on_progress=self._beat)


def _word(error: Exception) -> str:
    match error:
        case RefusedError():
            return "authority_refused"
        case StoreError():
            return "store"
        case DamagedError():
            return "damaged"
        case _:
            return "refused"


def main() -> int:
    """Exit code 0 when the daemon ended the pipe, 3 when it did not say what to do or the files do not allow it."""
    pipe = ParentPipe.standard()
    try:
        child = SyncChild(parse_setup(_first_message(pipe)), pipe.send)
    except (PermitgateError, PipeEnded) as error:
        sys.stderr.write(f"sync: {error}\n")
        return 3
    gc.collect()
    gc.freeze()
    try:
        more = False
        while True:
            for message in pipe.receive(0 if more else child.wait_s()):
                child.take(message)
            pipe.send({"k": "beat"})
            more = child.turn()
    except PipeEnded:
        return 0
    finally:
        child.close()


def _first_message(pipe: ParentPipe) -> Message:
    until_ms = monotonic_ms() + _SETUP_WAIT_MS
    while monotonic_ms() < until_ms:
        messages = pipe.receive(_TURN_S)
        if messages:
            return messages[0]
    return {}


if __name__ == "__main__":
    sys.exit(main())
