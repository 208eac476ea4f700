"""Sealed files of readings: what was read comes back, an older version too, and any other bytes are our error."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.ports.errors import DamagedError
from edge.storage.sealed import Columns, Heading, Row, columns_of, read_sealed, sealed_pieces
from edge.storage.telemetry_rows import pack

HEADING = Heading("gas-1", ("lel", "o2"), "boot1")
FIRST = b"""{"boot":"boot1","channels":["lel","o2"],"count":2,"device":"gas-1","first_ms":70,"last_ms":70,"v":1}
[10,null,[1,209]]
[20,70,[null,208],["comm_fail","good"]]
"""
STEPS = st.integers(-(2**63), 2**63 - 1)
CELL = st.one_of(
    STEPS.map(lambda step: (step, Quality.GOOD)),
    st.sampled_from([each for each in Quality if each is not Quality.GOOD]).map(lambda quality: (None, quality)),
)
ROW = st.tuples(st.integers(0, 2**40), st.one_of(st.none(), st.integers(0, 2**43)), CELL, CELL)


def row(number: int, taken_at_ms: int, wall_ms: int | None, *cells: tuple[int | None, Quality]) -> Row:
    steps, qualities = (tuple(column) for column in zip(*cells, strict=True))
    block = BlockRead(HEADING.device, HEADING.channels, steps, qualities, MonotonicMs(taken_at_ms))
    return number, taken_at_ms, wall_ms, pack(block)


def sealed(columns: Columns) -> bytes:
    return b"".join(sealed_pieces(columns))


@given(st.lists(ROW, min_size=1, max_size=20))
def test_any_batch_comes_back_as_it_was_read(rows: list[tuple[int, int | None, tuple[int, Quality], ...]]) -> None:
    made = [row(number, taken, wall, *cells) for number, (taken, wall, *cells) in enumerate(rows)]  # type: ignore[misc]
    columns = columns_of(HEADING, made)
    assert read_sealed(sealed(columns)) == columns
    assert columns.steps[0] == [each[2][0] for each in rows]
    assert columns.qualities[1] == [each[3][1].value for each in rows]


def test_a_file_of_the_first_version_still_reads() -> None:
    assert read_sealed(FIRST) == Columns(
        HEADING, [10, 20], [None, 70], [[1, None], [209, 208]], [["good", "comm_fail"], ["good", "good"]]
    )


def test_the_same_readings_make_the_same_file() -> None:
    columns = read_sealed(FIRST)
    assert sealed(columns) == sealed(columns)


@given(st.binary(max_size=200))
def test_any_bytes_are_our_error_or_a_batch(data: bytes) -> None:
    with pytest.raises(DamagedError):
        read_sealed(data)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 3},
        {"v": None},
        {"count": 3},
        {"channels": ["lel"]},
        {"channels": 7},
        {"device": None},
        {"boot": 7},
    ],
)
def test_a_head_that_does_not_fit_its_columns_is_damage(change: dict[str, object]) -> None:
    head, *rest = gzip.decompress(sealed(read_sealed(FIRST))).splitlines(keepends=True)
    broken = json.dumps({**json.loads(head), **change}).encode() + b"\n" + b"".join(rest)
    with pytest.raises(DamagedError):
        read_sealed(gzip.compress(broken))


def test_a_file_that_unpacks_without_end_is_refused() -> None:
    with pytest.raises(DamagedError, match="gzip"):
        read_sealed(gzip.compress(b" " * (17 * 1024 * 1024)))
    with pytest.raises(DamagedError, match="gzip"):
        read_sealed(sealed(read_sealed(FIRST)) + b"more")
