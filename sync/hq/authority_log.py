"""The authority log at HQ: operations in, a signed and freshly cosigned head out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from sync.formats import checkpoint, cosignature, merkle, note
from sync.formats.authority import Freeze, KnownOperation, Put, Release, Revoke, encode_operation, parse_operation
from sync.formats.errors import FormatError
from sync.formats.record_tables import Kind
from sync.hq.refusals import Refusal, RefusalCode
from sync.hq.store import HeldFreeze, HqStore, HqTransaction, LogRole, Record

FRESH_S = 60
"""A head's cosignature is made anew when it is older: the freshness mark of a quiet log."""

_OPEN_STATUSES = (0, 1, 2, 6)
"""AQ 3064.2-2025 A.1: not issued, issued, working, held. Only such a permit needs its short id for itself."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of some operations: how many are new, how many were known, why others were refused."""

    new: int
    known: int
    refused: tuple[tuple[int, str], ...]
    """(position among those given, text)"""


class AuthorityLog:
    """Appends to the one authority log of this HQ. Several processes may, one transaction at a time."""

    def __init__(self, store: HqStore, origin: str, key: note.SigningKey) -> None:
        self._store = store
        self.origin = origin
        self._key = key

    def begin(self) -> None:
        """Make the empty log if there is none."""
        with self._store.writing() as transaction:
            if transaction.log(self.origin) is None:
                transaction.add_log(self.origin, LogRole.AUTHORITY, str(self._key.verifier()))
                self._sign(transaction, merkle.EMPTY)

    def add(self, operations: Sequence[KnownOperation]) -> Added:
        """Append what is new, in one transaction; the head is signed in it. An operation refused stops no other."""
        with self._store.writing() as transaction:
            return self.add_within(transaction, operations)

    def add_within(self, transaction: HqTransaction, operations: Sequence[KnownOperation]) -> Added:
        """As ``add``, in a transaction of the caller's."""
        log = transaction.log(self.origin)
        if log is None:
            raise Refusal(RefusalCode.UNKNOWN, f"{self.origin}: no such log")
        known = 0
        refused: list[tuple[int, str]] = []
        leaves: list[bytes] = []
        for position, operation in enumerate(operations):
            try:
                leaf = encode_operation(operation)
                if self._take(transaction, operation, leaf, log.held.size + len(leaves)):
                    leaves.append(leaf)
                else:
                    known += 1
            except (Refusal, FormatError) as error:
                refused.append((position, str(error)))
        held, nodes = log.held.extend(merkle.leaf_hash(leaf) for leaf in leaves)
        transaction.add_leaves(self.origin, log.held.size, leaves, held, nodes)
        self._sign(transaction, held)
        return Added(len(leaves), known, tuple(refused))

    def add_surely(self, transaction: HqTransaction, operation: KnownOperation) -> bool:
        """As ``add_within`` of one operation: whether it is new. Raises Refusal if it is refused."""
        added = self.add_within(transaction, [operation])
        if added.refused:
            raise Refusal(RefusalCode.OPERATION, added.refused[0][1])
        return added.new == 1

    def _take(self, transaction: HqTransaction, operation: KnownOperation, leaf: bytes, index: int) -> bool:
        leaf_hash = merkle.leaf_hash(leaf)
        if transaction.operation_index(leaf_hash) is not None:
            return False
        match operation:
            case Put():
                _put(transaction, operation, index)
            case Revoke(kind, identity, _):
                held = transaction.record(kind.value, identity)
                if held is not None and held.revoked:
                    return False
                revision, place = (held.revision, held.index) if held is not None else (0, None)
                transaction.set_record(kind.value, identity, Record(revision, place, revoked=True, short_id=None))
            case Freeze(freeze_id, scope, by, why):
                if transaction.has_freeze(freeze_id):
                    raise Refusal(RefusalCode.OPERATION, f"fid {freeze_id}: used by another freeze; give a new one")
                transaction.add_freeze(HeldFreeze(freeze_id, str(scope), by, why, released=False))
            case Release(freeze_ids, _):
                transaction.release(freeze_ids)
            case _:
                assert_never(operation)
        transaction.add_operation(leaf_hash, index)
        return True

    def _sign(self, transaction: HqTransaction, held: merkle.Frontier) -> None:
        head = checkpoint.Checkpoint(self.origin, held.size, held.root())
        transaction.set_head(self.origin, head.size, head.root, checkpoint.sign(head, self._key))


class HeadServer:
    """Gives the head with the mirror's cosignature, made anew once it is ``FRESH_S`` old or the head has grown."""

    def __init__(self, store: HqStore, origin: str, mirror: note.SigningKey) -> None:
        self._store = store
        self._origin = origin
        self._mirror = mirror
        self._signed = ""
        self._cosigned = ""
        self._at_ms = 0

    def head(self, now_ms: int) -> str:
        """The note: authority's line, then the mirror's."""
        with self._store.reading() as transaction:
            log = transaction.log(self._origin)
        if log is None or log.note is None:
            raise Refusal(RefusalCode.UNKNOWN, f"{self._origin}: no such log")
        if log.note != self._signed or not 0 <= now_ms - self._at_ms < FRESH_S * 1000:
            line = cosignature.cosign(log.note, self._mirror, now_ms // 1000)
            self._signed, self._cosigned, self._at_ms = log.note, cosignature.add_line(log.note, line), now_ms
        return self._cosigned


def current(transaction: HqTransaction, origin: str, kind: Kind, identity: str) -> Put | None:
    """HQ's word on one id, or None when there is none or it is revoked."""
    held = transaction.record(kind.value, identity)
    if held is None or held.revoked or held.index is None:
        return None
    operation = parse_operation(transaction.leaves(origin, held.index, 1)[0])
    return operation if isinstance(operation, Put) else None


def _put(transaction: HqTransaction, operation: Put, index: int) -> None:
    kind, identity = operation.kind.value, operation.id
    held = transaction.record(kind, identity)
    if held is not None and held.revoked:
        raise Refusal(RefusalCode.OPERATION, f"{kind} {identity}: revoked, which is for ever; use a new id")
    if held is not None and held.index is not None and operation.kind is Kind.RULES:
        # What ran under a version must find it again as it was.
        found = f"{kind} {identity}: published already with another text"
        raise Refusal(RefusalCode.OPERATION, f"{found}; give a changed text a version of its own")
    if held is not None and operation.revision <= held.revision:
        found = f"rev {operation.revision}, HQ holds rev {held.revision} with other content"
        raise Refusal(RefusalCode.OPERATION, f"{kind} {identity}: {found}; raise rev above it")
    short_id = _short_id(transaction, operation)
    if operation.kind is Kind.PERMIT and held is not None and held.short_id is None and short_id is not None:
        # A gateway's chain of it has ended with permit.closed; what would follow no evidence pack can hold.
        raise Refusal(RefusalCode.OPERATION, f"permit {identity}: over, which is for ever; give work anew a new id")
    transaction.set_record(kind, identity, Record(operation.revision, index, revoked=False, short_id=short_id))


def _short_id(transaction: HqTransaction, operation: Put) -> int | None:
    """A permit's short id while it may still be worked: no two such permits of a site share one."""
    if operation.kind is not Kind.PERMIT or operation.record["status"] not in _OPEN_STATUSES:
        return None
    short_id = int(operation.record["short_id"])
    owner = transaction.short_id_owner(short_id)
    if owner is not None and owner != operation.id:
        text = f"permit {operation.id}: short_id {short_id} belongs to permit {owner}, which is open; give another"
        raise Refusal(RefusalCode.OPERATION, text)
    return short_id
