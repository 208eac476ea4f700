"""RFC 6962 Merkle trees: hashes, the growing frontier, inclusion and consistency proofs.

Hashing and proofs are those of RFC 6962 section 2.1; proof checking follows RFC 9162 sections 2.1.3.2 and 2.1.4.2.
A node `(level, index)` is the root of the full subtree over the leaves `[index << level, (index + 1) << level)`;
level 0 is the leaf hash. Only full subtrees are ever stored, each once, when its last leaf comes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from sync.formats.errors import FormatError

HASH_BYTES = 32
"""Length of every hash here (SHA-256)."""

MAX_SIZE = 2**63 - 1
"""Largest tree size: what a checkpoint and SQLite can both hold."""

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves (RFC 6962 section 2.1)."""

NodeRow: TypeAlias = tuple[int, int, bytes]
"""(level, index, hash) of one full subtree."""

NodeReader: TypeAlias = Callable[[int, int], bytes]
"""Gives the hash of the full subtree (level, index); raises for one that is not held."""


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data), RFC 6962 section 2.1."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), RFC 6962 section 2.1."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The tree as far as appending needs it: its size and the roots of its full subtrees, largest first."""

    size: int
    hashes: tuple[bytes, ...]

    @classmethod
    def restore(cls, size: int, hashes: Sequence[bytes]) -> "Frontier":
        """A frontier read back from storage; FormatError if the hashes cannot belong to this size."""
        if not 0 <= size <= MAX_SIZE:
            raise FormatError(f"size {size}, allowed 0 to 2^63-1", "frontier")
        if len(hashes) != size.bit_count() or any(len(item) != HASH_BYTES for item in hashes):
            raise FormatError(f"{len(hashes)} hashes, a tree of {size} has {size.bit_count()} of 32 bytes", "frontier")
        return cls(size, tuple(hashes))

    def append(self, leaf: bytes) -> "tuple[Frontier, tuple[NodeRow, ...]]":
        """The tree with one more leaf *hash*, and every full subtree it completed (the leaf first)."""
        index = self.size
        rows: list[NodeRow] = [(0, index, leaf)]
        hashes = self.hashes
        node = leaf
        level = 0
        while index & 1:
            node = sha256(b"\x01" + hashes[-1] + node).digest()
            hashes = hashes[:-1]
            index >>= 1
            level += 1
            rows.append((level, index, node))
        return Frontier(self.size + 1, (*hashes, node)), tuple(rows)

    def extend(self, leaves: Iterable[bytes]) -> "tuple[Frontier, list[NodeRow]]":
        """As `append` for many leaf hashes at once; the rows come in the order in which they were completed."""
        size = self.size
        stack = list(self.hashes)
        rows: list[NodeRow] = []
        for leaf in leaves:
            rows.append((0, size, leaf))
            node = leaf
            index = size
            level = 0
            while index & 1:
                node = sha256(b"\x01" + stack.pop() + node).digest()
                index >>= 1
                level += 1
                rows.append((level, index, node))
            stack.append(node)
            size += 1
        return Frontier(size, tuple(stack)), rows

    def root(self) -> bytes:
        """Root hash of the whole tree (RFC 6962 MTH); `EMPTY_ROOT` when there is no leaf."""
        return _fold(self.hashes)


EMPTY = Frontier(0, ())
"""The tree without leaves."""


def _fold(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def _cover(start: int, end: int, nodes: NodeReader) -> list[bytes]:
    """Full subtrees that cover [start, end), largest first; `start` is aligned to the power of two above the span."""
    hashes = []
    while start < end:
        level = (end - start).bit_length() - 1
        hashes.append(nodes(level, start >> level))
        start += 1 << level
    return hashes


def _split(span: int) -> int:
    """Largest power of two smaller than `span` (the k of RFC 6962)."""
    return 1 << ((span - 1).bit_length() - 1)


def frontier_at(size: int, nodes: NodeReader) -> Frontier:
    """The frontier of the first `size` leaves, read from stored nodes."""
    return Frontier(size, tuple(_cover(0, size, nodes)))


def subtree(start: int, end: int, nodes: NodeReader) -> bytes:
    """Root over the leaves [start, end); `start` must be a multiple of the smallest power of two >= end - start."""
    if not 0 <= start < end or start & ((1 << (end - start - 1).bit_length()) - 1):
        raise FormatError(f"[{start}, {end}) is not a subtree of any tree", "subtree")
    return _fold(_cover(start, end, nodes))


def root_at(size: int, nodes: NodeReader) -> bytes:
    """Root of the first `size` leaves, read from stored nodes."""
    return _fold(_cover(0, size, nodes))


def inclusion_proof(index: int, size: int, nodes: NodeReader) -> tuple[bytes, ...]:
    """PATH(index, D[0:size]) of RFC 6962 section 2.1.1: from the leaf's sibling up to the root's child."""
    if not 0 <= index < size:
        raise FormatError(f"index {index}, allowed 0 to {size - 1}", "inclusion proof")
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(subtree(middle, end, nodes))
            end = middle
        else:
            path.append(subtree(start, middle, nodes))
            start = middle
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check by RFC 9162 section 2.1.3.2 that the leaf *hash* stands at `index` under `root`; FormatError if not."""
    place = f"inclusion proof of {index} in {size}"
    if not 0 <= index < size:
        raise FormatError("index outside the tree", place)
    if _path_length(index, size) != len(proof):
        raise FormatError(f"{len(proof)} hashes, this place has {_path_length(index, size)}", place)
    _check_hashes([leaf, root, *proof], place)
    position, last, node = index, size - 1, leaf
    for sibling in proof:
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        position >>= 1
        last >>= 1
    if node != root:
        raise FormatError("leads to another root", place)


def consistency_proof(old: int, new: int, nodes: NodeReader) -> tuple[bytes, ...]:
    """PROOF(old, D[0:new]) of RFC 6962 section 2.1.2; empty for equal sizes and for an old size of 0."""
    if not 0 <= old <= new:
        raise FormatError(f"sizes {old} and {new}, allowed 0 <= old <= new", "consistency proof")
    if old in (0, new):
        return ()
    path = []
    start, end, whole = 0, new, True
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(subtree(middle, end, nodes))
            end = middle
        else:
            path.append(subtree(start, middle, nodes))
            start, whole = middle, False
    if not whole:
        path.append(subtree(start, end, nodes))
    return tuple(reversed(path))


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check by RFC 9162 section 2.1.4.2 that the new tree extends the old one; FormatError if it does not.

    From the empty tree only its own root and an empty proof are accepted: anything extends it.
    """
    place = f"consistency proof from {old_size} to {new_size}"
    if not 0 <= old_size <= new_size:
        raise FormatError("sizes out of order", place)
    _check_hashes([old_root, new_root, *proof], place)
    if 0 < old_size < new_size:
        _verify_growth((old_size, new_size), (old_root, new_root), proof, place)
        return
    if proof:
        raise FormatError(f"{len(proof)} hashes, none are allowed", place)
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise FormatError("not the root of the empty tree", place)
    if old_size == new_size and old_root != new_root:
        raise FormatError("two roots at the same size", place)


def _verify_growth(sizes: tuple[int, int], roots: tuple[bytes, bytes], proof: Sequence[bytes], place: str) -> None:
    old_size, new_size = sizes
    hashes = [roots[0], *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not proof:
        raise FormatError("no hashes, at least one is needed", place)
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_node = new_node = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise FormatError("more hashes than the trees have", place)
        if position & 1 or position == last:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new_node = node_hash(new_node, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise FormatError("fewer hashes than the trees need", place)
    if old_node != roots[0] or new_node != roots[1]:
        raise FormatError("leads to another root", place)


def _path_length(index: int, size: int) -> int:
    inner = (index ^ (size - 1)).bit_length()
    return inner + (index >> inner).bit_count()


def _check_hashes(hashes: Iterable[bytes], place: str) -> None:
    for item in hashes:
        if len(item) != HASH_BYTES:
            raise FormatError(f"a hash of {len(item)} bytes, allowed {HASH_BYTES}", place)
