"""The journal's way up: which call is next, and what an answer means. Only HQ's cosignature acknowledges.

``UplinkState`` is pure: values in, the next state out. The sender keeps nothing but numbers; resending is always safe,
because HQ compares what it holds already.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from edge.ports.link import Acknowledged, CheckpointAnswer, EntriesWanted, SizeDiffers, UplinkTransport
from edge.ports.stores import READ_ROWS_MAX, LogSource
from sync.formats import checkpoint, cosignature, note, package
from sync.formats.errors import FormatError
from sync.link.refusals import LinkRefused

RESEND_AFTER_MS = 30_000
"""Entries sent and not acknowledged for so long are sent again from the last acknowledged one."""

CALLS_PER_TURN = 6
"""The checkpoint, four packages, the checkpoint; then the caller looks after its other work."""


@dataclass(frozen=True, slots=True)
class OfferCheckpoint:
    """Offer the newest signed checkpoint."""

    old_size: int


@dataclass(frozen=True, slots=True)
class SendEntries:
    """Send entries from ``start`` on, none at or beyond ``end``."""

    start: int
    end: int


Step: TypeAlias = OfferCheckpoint | SendEntries | None


@dataclass(frozen=True, slots=True)
class UplinkState:
    """``acked``: what HQ has acknowledged; ``old_size``: what HQ is thought to have cosigned; ``signed_size``: of the
    newest checkpoint; ``cursor``: what HQ wants next, None until HQ has said (after every new connection);
    ``unacked_since_ms``: since when entries are out without acknowledgement; ``corrected``: HQ has named another size
    than ``old_size`` since it acknowledged last. What HQ says on one connection must fit together: else we would send
    it the same entries for ever, as fast as it takes them."""

    acked: int
    old_size: int
    signed_size: int
    cursor: int | None = None
    unacked_since_ms: int | None = None
    corrected: bool = False

    def next_step(self) -> Step:
        """The checkpoint comes first; then what HQ wants; then the checkpoint again. None: all is acknowledged."""
        if self.signed_size <= self.acked:
            return None
        if self.cursor is None or self.cursor >= self.signed_size:
            return OfferCheckpoint(self.old_size)
        return SendEntries(self.cursor, self.signed_size)

    def signed(self, size: int) -> "UplinkState":
        """A newer checkpoint was signed."""
        return replace(self, signed_size=max(size, self.signed_size))

    def reconnected(self) -> "UplinkState":
        """Nothing is known of what arrived."""
        return replace(self, cursor=None, corrected=False)

    def acknowledged(self, size: int) -> "UplinkState":
        """HQ's verified cosignature covers ``size``."""
        cursor = None if self.cursor is None else max(self.cursor, size)
        acked = max(self.acked, size)
        return replace(self, acked=acked, old_size=size, cursor=cursor, unacked_since_ms=None, corrected=False)

    def size_differs(self, size: int) -> "UplinkState":
        """HQ cosigned another size last. Raises LinkRefused when that cannot be."""
        if size > self.signed_size:
            raise LinkRefused("hq_ahead", f"HQ cosigned {size} entries, the journal has signed {self.signed_size}")
        if size == self.old_size:
            raise LinkRefused("hq_answer", f"HQ refuses the old size {size} and names it itself")
        if self.corrected:
            raise LinkRefused(
                "hq_answer", f"HQ says that it cosigned {size} entries last, and just now said {self.old_size}"
            )
        return replace(self, old_size=size, cursor=None, corrected=True)

    def wanted(self, next_index: int, now_ms: int) -> "UplinkState":
        """HQ lacks entries from ``next_index`` on. Raises LinkRefused when that cannot be."""
        if next_index >= self.signed_size:
            raise LinkRefused("hq_answer", f"HQ lacks entries, but wants {next_index} of {self.signed_size} next")
        if self.cursor is not None:
            raise LinkRefused("hq_answer", f"HQ wants entry {next_index}, and just now wanted {self.cursor}")
        return self._moved(next_index, now_ms)

    def taken(self, start: int, next_index: int, now_ms: int) -> "UplinkState":
        """HQ answered a package that began at ``start``. Raises LinkRefused when HQ does not move on."""
        if next_index <= start:
            raise LinkRefused("hq_answer", f"HQ took a package from entry {start} on and wants entry {next_index}")
        return self._moved(min(next_index, self.signed_size), now_ms)

    def rolled_back(self) -> bool:
        """HQ holds less than it acknowledged: it was restored from a backup, and is fed again."""
        return self.cursor is not None and self.cursor < self.acked

    def late(self, now_ms: int) -> "UplinkState":
        """After ``RESEND_AFTER_MS`` without acknowledgement: once more from what HQ acknowledged."""
        if self.unacked_since_ms is None or now_ms - self.unacked_since_ms < RESEND_AFTER_MS:
            return self
        return replace(self, cursor=self.acked, unacked_since_ms=now_ms)

    def _moved(self, cursor: int, now_ms: int) -> "UplinkState":
        since = self.unacked_since_ms if self.unacked_since_ms is not None else now_ms
        return replace(self, cursor=cursor, unacked_since_ms=since)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn brought: the newest cosigned note, whether HQ was found rolled back, whether more waits."""

    cosigned: str | None
    hq_rolled_back: bool
    more: bool


class Uplink:
    """Drives the state against HQ and the journal. Used by one thread."""

    def __init__(self, transport: UplinkTransport, journal: LogSource, mirror: note.VerifierKey, acked: int) -> None:
        self._transport = transport
        self._journal = journal
        self._mirror = mirror
        self._signed: tuple[checkpoint.Checkpoint, str] | None = None
        self.state = UplinkState(acked=acked, old_size=acked, signed_size=0)

    def offer(self, signed: str) -> None:
        """Take a newer signed checkpoint; an older one is ignored. Raises FormatError for what is none."""
        head = checkpoint.parse(note.split_note(signed)[0])
        if self._signed is None or head.size >= self._signed[0].size:
            self._signed = (head, signed)
            self.state = self.state.signed(head.size)

    def turn(self, now_ms: int) -> Turn:
        """At most ``CALLS_PER_TURN`` calls. Raises LinkError, or LinkRefused naming what is wrong.

        After either the next turn begins by offering the checkpoint.
        """
        cosigned: str | None = None
        rolled_back = False
        finished = False
        try:
            self.state = self.state.late(now_ms)
            for _ in range(CALLS_PER_TURN):
                if (step := self.state.next_step()) is None:
                    break
                cosigned = self._take(step, now_ms) or cosigned
                rolled_back = rolled_back or self.state.rolled_back()
            finished = True
        finally:
            if not finished:
                self.state = self.state.reconnected()
        return Turn(cosigned, rolled_back, more=self.state.next_step() is not None)

    def _take(self, step: OfferCheckpoint | SendEntries, now_ms: int) -> str | None:
        match step:
            case OfferCheckpoint(old_size):
                assert self._signed is not None
                return self._answered(self._transport.push_checkpoint(old_size, self._signed[1]), now_ms)
            case SendEntries(start, end):
                self.state = self.state.taken(start, self._send(start, end), now_ms)
                return None
            case _:
                assert_never(step)

    def _send(self, start: int, end: int) -> int:
        leaves = self._journal.leaves(start, min(end - start, package.MAX_ENTRIES, READ_ROWS_MAX))
        if not leaves:
            raise LinkRefused("journal_short", f"HQ wants entry {start}, which the journal does not hold")
        assert self._signed is not None
        leaves = leaves[: package.fitting(leaves)]
        return self._transport.push_entries(package.encode(self._signed[0].origin, start, leaves))

    def _answered(self, answer: CheckpointAnswer, now_ms: int) -> str | None:
        assert self._signed is not None
        head, signed = self._signed
        match answer:
            case Acknowledged(lines):
                cosigned = self._verified(signed, lines)
                self.state = self.state.acknowledged(head.size)
                return cosigned
            case SizeDiffers(size):
                self.state = self.state.size_differs(size)
            case EntriesWanted(next_index):
                self.state = self.state.wanted(next_index, now_ms)
            case _:
                assert_never(answer)
        return None

    def _verified(self, signed: str, lines: str) -> str:
        try:
            cosignature.verify_cosignature(signed, lines, self._mirror)
            own = [line for line in note.split_note(f"cosignatures\n\n{lines}")[1] if line.is_by(self._mirror)]
            for line in own:
                signed = cosignature.add_line(signed, str(line))
        except FormatError as error:
            raise LinkRefused("cosignature_refused", str(error)) from None
        return signed
