"""HQ as the mirror of every gateway's log: what it holds, it cosigns, and it cosigns nothing else.

The cosignature over a checkpoint of size N says that entries 0 to N-1 are durable here; it is the only
acknowledgement that a gateway believes. Entries of one (origin, index) are compared, never replaced.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sync.formats import canonical, checkpoint, cosignature, merkle, note, package
from sync.formats.encoding import from_base64, from_decimal
from sync.formats.errors import FormatError
from sync.hq.refusals import Refusal, RefusalCode
from sync.hq.store import HqStore, HqTransaction, Log, LogRole

MAX_PENDING = 2_000_000
"""Most entries held beyond the cosigned size: 23 days at one a second."""

MAX_PROOF_LINES = 63
"""Most proof lines of a request (c2sp.org/tlog-witness, "add-checkpoint")."""


@dataclass(frozen=True, slots=True)
class CheckpointRequest:
    """The body of add-checkpoint."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Cosigned:
    """Held and cosigned: the line to add to the note."""

    line: str


@dataclass(frozen=True, slots=True)
class OtherSize:
    """The request's old size is not the size that HQ cosigned last."""

    size: int


@dataclass(frozen=True, slots=True)
class EntriesMissing:
    """The checkpoint is well signed, but HQ holds only the entries below ``next_index``."""

    size: int
    next_index: int


CheckpointReply = Cosigned | OtherSize | EntriesMissing


def parse_request(body: bytes) -> CheckpointRequest:
    """The body of add-checkpoint as c2sp.org/tlog-witness writes it. Raises Refusal (malformed)."""
    try:
        text = body.decode("utf-8")
        head, separator, signed = text.partition("\n\n")
        lines = head.split("\n")
        if not separator or not lines[0].startswith("old ") or len(lines) - 1 > MAX_PROOF_LINES:
            raise FormatError(f"not 'old <size>', at most {MAX_PROOF_LINES} proof lines, a blank line, a note", "body")
        old_size = from_decimal(lines[0].removeprefix("old "), "old size")
        proof = tuple(from_base64(line, "proof line") for line in lines[1:])
        checkpoint.parse(note.split_note(signed)[0])
    except UnicodeDecodeError:
        raise Refusal(RefusalCode.MALFORMED, "body: not UTF-8") from None
    except FormatError as error:
        raise Refusal(RefusalCode.MALFORMED, str(error)) from None
    return CheckpointRequest(old_size, proof, signed)


class Mirror:
    """Takes entries and checkpoints of gateways. May be called any number of times with anything, in any order."""

    def __init__(self, store: HqStore, key: note.SigningKey) -> None:
        self._store = store
        self._key = key

    def add_entries(self, sent: package.Package) -> int:
        """Keep what is new of a package; gives the next index that HQ wants. Raises Refusal.

        A package beyond the next index changes nothing. Other bytes at an index that is held freeze the log, and both
        are kept.
        """
        with self._store.writing() as transaction:
            log = _gateway_log(transaction, sent.origin)
            _check_entries(sent)
            conflict = self._conflict(transaction, log, sent)
            if conflict is None:
                return _append(transaction, log, sent)
        raise Refusal(RefusalCode.FORK, f"{sent.origin}: entry {conflict} is held with other bytes; the log is frozen")

    def add_checkpoint(self, request: CheckpointRequest, now_ms: int) -> CheckpointReply:
        """Judge a checkpoint and cosign it if every entry is held (J8: check and store are one transaction).

        Raises Refusal: unknown, signature, frozen, malformed, fork, wrong root, proof.
        """
        claimed = checkpoint.parse(note.split_note(request.note)[0])
        with self._store.writing() as transaction:
            log = _gateway_log(transaction, claimed.origin)
            verdict = self._judge(transaction, log, request)
            if isinstance(verdict, checkpoint.Checkpoint):
                transaction.set_head(log.origin, verdict.size, verdict.root, _own_note(request.note, log))
        if isinstance(verdict, Refusal):
            raise verdict
        if isinstance(verdict, checkpoint.Checkpoint):
            return Cosigned(cosignature.cosign(request.note, self._key, now_ms // 1000))
        return verdict

    def cosigned_note(self, origin: str, now_ms: int) -> str | None:
        """The newest checkpoint of a gateway's log with the mirror's line, or None before the first."""
        with self._store.reading() as transaction:
            log = transaction.log(origin)
        if log is None or log.note is None:
            return None
        return cosignature.add_line(log.note, cosignature.cosign(log.note, self._key, now_ms // 1000))

    def _conflict(self, transaction: HqTransaction, log: Log, sent: package.Package) -> int | None:
        held = transaction.leaves(log.origin, sent.start, len(sent.entries)) if sent.start < log.held.size else []
        for offset, leaf in enumerate(held):
            if leaf != sent.entries[offset]:
                index = sent.start + offset
                transaction.keep_evidence(log.origin, index, sent.entries[offset], "other bytes at a held index")
                transaction.freeze_log(log.origin, f"two entries {index}")
                return index
        return None

    def _judge(
        self, transaction: HqTransaction, log: Log, request: CheckpointRequest
    ) -> checkpoint.Checkpoint | OtherSize | EntriesMissing | Refusal:
        try:
            head = checkpoint.open_checkpoint(request.note, note.VerifierKey.parse(log.vkey))
        except FormatError as error:
            return Refusal(RefusalCode.SIGNATURE, str(error))
        if request.old_size > head.size:
            return Refusal(RefusalCode.MALFORMED, f"old size {request.old_size} is above the checkpoint's {head.size}")
        if head.size > log.held.size:
            if request.old_size != log.size:
                return OtherSize(log.size)
            return EntriesMissing(head.size, log.held.size)
        root = merkle.root_at(head.size, lambda level, index: transaction.node(log.origin, level, index))
        if root != head.root:
            return _contradiction(transaction, log, head, request.note)
        if request.old_size != log.size:
            return OtherSize(log.size)
        return _proven(log, head, request.proof)


def _proven(log: Log, head: checkpoint.Checkpoint, proof: Sequence[bytes]) -> checkpoint.Checkpoint | Refusal:
    """HQ has recomputed the root from the entries themselves, so a proof is not needed; a false one is refused."""
    if proof:
        try:
            merkle.verify_consistency(log.size, head.size, log.root, head.root, proof)
        except FormatError as error:
            return Refusal(RefusalCode.PROOF, str(error))
    return head


def _contradiction(transaction: HqTransaction, log: Log, head: checkpoint.Checkpoint, signed: str) -> Refusal:
    """A signed root that the held entries do not have. Below the cosigned size the log has signed two histories."""
    transaction.keep_evidence(log.origin, head.size, signed.encode(), "signed root of other entries")
    if head.size > log.size:
        text = f"{log.origin}: the root at {head.size} is not that of the entries HQ holds; kept as evidence"
        return Refusal(RefusalCode.WRONG_ROOT, text)
    transaction.freeze_log(log.origin, f"two roots at {head.size}")
    return Refusal(RefusalCode.FORK, f"{log.origin}: two signed roots at {head.size}; the log is frozen")


def _append(transaction: HqTransaction, log: Log, sent: package.Package) -> int:
    next_index = log.held.size
    if sent.start > next_index or sent.end <= next_index:
        return next_index
    if sent.end - log.size > MAX_PENDING:
        raise Refusal(RefusalCode.BACKLOG, f"{log.origin}: more than {MAX_PENDING} entries await a checkpoint")
    leaves = sent.entries[next_index - sent.start :]
    held, nodes = log.held.extend(merkle.leaf_hash(leaf) for leaf in leaves)
    transaction.add_leaves(log.origin, next_index, leaves, held, nodes)
    return held.size


def _check_entries(sent: package.Package) -> None:
    """Every entry is canonical and says of itself the log and the index that it stands at (D5)."""
    for offset, leaf in enumerate(sent.entries):
        index = sent.start + offset
        try:
            value = canonical.decode(leaf)
        except FormatError as error:
            raise Refusal(RefusalCode.ENTRY_MALFORMED, f"entry {index}: {error}") from None
        number = value.get("seq")
        if value.get("org") != sent.origin or type(number) is not int or number != index:
            raise Refusal(RefusalCode.ENTRY_MALFORMED, f"entry {index}: its org or seq are of another place")


def _gateway_log(transaction: HqTransaction, origin: str) -> Log:
    log = transaction.log(origin)
    if log is None or log.role is not LogRole.GATEWAY:
        raise Refusal(RefusalCode.UNKNOWN_ORIGIN, f"origin {origin}: not enrolled here")
    if log.frozen is not None:
        raise Refusal(RefusalCode.ORIGIN_FROZEN, f"{origin}: frozen: {log.frozen}; enrol a new epoch")
    return log


def _own_note(signed: str, log: Log) -> str:
    """The note with the log's own signature lines only: others are not HQ's to hand on."""
    verifier = note.VerifierKey.parse(log.vkey)
    text, lines = note.split_note(signed)
    return text + "\n" + "".join(str(line) for line in lines if line.is_by(verifier))
