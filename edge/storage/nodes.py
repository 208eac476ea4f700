"""Merkle nodes in a table: one row per leaf, holding the hashes of all nodes that the leaf completed.

Appending leaf m completes the nodes (0, m), (1, m >> 1), … as long as the low bits of m are ones; their hashes stand
one after the other in row m. New rows are always at the end, so a commit writes one page of nodes.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from edge.ports.errors import DamagedError, RefusedError
from edge.storage.databases import naming_errors, typed
from sync.formats.merkle import HASH_BYTES, NodeReader, NodeRow


def node_rows(nodes: Iterable[NodeRow]) -> list[tuple[int, bytes]]:
    """(leaf, hashes) of nodes in the order in which they were completed, leaves first."""
    rows: list[tuple[int, bytes]] = []
    leaf, hashes = -1, b""
    for level, index, node in nodes:
        if level:
            hashes += node
            continue
        if leaf >= 0:
            rows.append((leaf, hashes))
        leaf, hashes = index, node
    if leaf >= 0:
        rows.append((leaf, hashes))
    return rows


def node_reader(connection: sqlite3.Connection, path: Path) -> NodeReader:
    """Reads nodes by (level, index). Raises RefusedError for one that is not complete."""

    def read(level: int, index: int) -> bytes:
        leaf = ((index + 1) << level) - 1
        with naming_errors(path):
            found = connection.execute("SELECT hashes FROM node WHERE leaf = ?", (leaf,)).fetchone()
        if found is None:
            raise RefusedError(f"{path}: node {level}/{index} is not complete yet")
        typed(path, (found,), (bytes,))
        node: bytes = found[0][level * HASH_BYTES : (level + 1) * HASH_BYTES]
        if len(node) != HASH_BYTES:
            raise DamagedError(f"{path}: damaged: node {level}/{index} is cut short")
        return node

    return read
