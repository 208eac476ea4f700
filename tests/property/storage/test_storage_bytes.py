"""Codecs of storage: what goes in comes out, and any bytes give a value or our own error."""

from hypothesis import given
from hypothesis import strategies as st
from storages import ORIGIN

from edge.core.entries import BlobReference, Entry, Stamp
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.ports.errors import DamagedError
from edge.storage.leaves import entry_of, leaf_bytes, read_leaf
from edge.storage.nodes import node_rows
from edge.storage.telemetry_rows import pack, unpack
from sync.formats import canonical
from sync.formats.errors import FormatError
from sync.formats.merkle import EMPTY, HASH_BYTES, leaf_hash

INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=8)
SCALARS = st.none() | st.booleans() | INTEGERS | st.text(max_size=12)
LISTS = st.lists(SCALARS, max_size=3)
OBJECTS = st.dictionaries(NAMES, SCALARS, max_size=3)
BODIES = st.dictionaries(NAMES, SCALARS | LISTS | OBJECTS, max_size=5)
OPTIONAL_INTEGERS = st.none() | INTEGERS
STAMPS = st.builds(
    Stamp, OPTIONAL_INTEGERS, INTEGERS, st.text(max_size=8), st.sampled_from(("hq", "none")), OPTIONAL_INTEGERS
)
MEMBERS = NAMES | st.sampled_from(("seq", "t", "body", "blob", "v", "org", "typ"))
NEARLY_LEAVES = st.dictionaries(MEMBERS, SCALARS | OBJECTS, max_size=8).map(canonical.encode)
BLOBS = st.builds(BlobReference, st.text("0123456789abcdef", min_size=64, max_size=64), st.text(max_size=9), INTEGERS)
ENTRIES = st.builds(
    Entry,
    INTEGERS,
    st.text(max_size=12),
    BODIES,
    STAMPS,
    st.none() | st.text(min_size=1, max_size=9),
    st.none() | st.text(max_size=9),
    st.none() | st.dictionaries(NAMES, SCALARS, max_size=2),
    st.lists(BLOBS, max_size=2).map(tuple),
)


@given(ENTRIES, st.integers(1, 99), st.binary(min_size=32, max_size=32))
def test_an_entry_comes_back_from_its_leaf(entry: Entry, n: int, head: bytes) -> None:
    data = leaf_bytes(entry, ORIGIN, None if entry.permit is None else (n, head))
    assert entry_of(data) == entry
    assert canonical.encode(canonical.decode(data)) == data


@given(st.binary(max_size=200) | NEARLY_LEAVES)
def test_any_bytes_are_an_entry_or_our_error(data: bytes) -> None:
    try:
        entry_of(data)
    except FormatError:
        return
    assert canonical.encode(read_leaf(data)) == data


@given(st.binary(max_size=60), st.integers(0, 5))
def test_any_telemetry_row_is_steps_or_our_error(packed: bytes, channels: int) -> None:
    try:
        steps, qualities = unpack(packed, channels)
    except DamagedError:
        return
    assert len(steps) == len(qualities) == channels


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.sampled_from(list(Quality))), max_size=12))
def test_a_block_comes_back_from_its_row(channels: list[tuple[int, Quality]]) -> None:
    steps = tuple(step if quality is Quality.GOOD else None for step, quality in channels)
    qualities = tuple(quality for _, quality in channels)
    block = BlockRead("d", tuple("abcdefghijkl"[: len(channels)]), steps, qualities, MonotonicMs(0))
    assert unpack(pack(block), len(channels)) == (steps, qualities)


@given(st.integers(0, 40), st.integers(0, 40))
def test_every_completed_node_stands_in_the_row_of_its_last_leaf(before: int, count: int) -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(before + count)]
    frontier, _ = EMPTY.extend(leaves[:before])
    _, nodes = frontier.extend(leaves[before:])
    rows = dict(node_rows(nodes))
    assert list(rows) == list(range(before, before + count))
    for level, index, node in nodes:
        row = rows[((index + 1) << level) - 1]
        assert row[level * HASH_BYTES : (level + 1) * HASH_BYTES] == node
