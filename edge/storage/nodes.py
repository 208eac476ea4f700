"""Merkle nodes in a table: every node has its place in the order of completion, so new ones are always at the end.

Appending leaf m completes the nodes (0, m), (1, m >> 1), … as long as the low bits of m are ones; before it,
2m − popcount(m) nodes were complete. One page is written per commit, where (level, index) would scatter over many.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from edge.ports.errors import RefusedError
from edge.storage.databases import naming_errors
from sync.formats.merkle import NodeReader, NodeRow


def position(level: int, index: int) -> int:
    """Where the node stands in the order in which nodes become complete."""
    last_leaf = ((index + 1) << level) - 1
    return 2 * last_leaf - last_leaf.bit_count() + level


def node_rows(size: int, rows: Iterable[NodeRow]) -> list[tuple[int, bytes]]:
    """(position, hash) of nodes that completed in this order after a tree of ``size`` leaves."""
    first = 2 * size - size.bit_count()
    return [(first + offset, row[2]) for offset, row in enumerate(rows)]


def node_reader(connection: sqlite3.Connection, path: Path) -> NodeReader:
    """Reads nodes by (level, index). Raises RefusedError for one that is not complete."""

    def read(level: int, index: int) -> bytes:
        with naming_errors(path):
            found = connection.execute("SELECT hash FROM node WHERE position = ?", (position(level, index),)).fetchone()
        if found is None:
            raise RefusedError(f"{path}: node {level}/{index} is not complete yet")
        node_hash: bytes = found[0]
        return node_hash

    return read
