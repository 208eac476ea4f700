"""Raw readings: nothing invented, nothing reordered, sealed into files that a stranger can read."""

import gzip
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from storages import NOW_MS, migrate

from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.ports.errors import DamagedError, RefusedError, UnusableError
from edge.storage.blobs import BlobStore
from edge.storage.databases import SCHEMA_VERSIONS
from edge.storage.telemetry import SAMPLES_PER_BATCH_MAX, TelemetryWriter
from edge.storage.telemetry_reader import TelemetryReader
from edge.storage.telemetry_rows import pack, unpack

OFFSET_MS = NOW_MS - 10_000
GOOD = (Quality.GOOD, Quality.GOOD)


def block(device: str = "gas-1", taken_at_ms: int = 10_000, step: int | None = 100) -> BlockRead:
    quality = Quality.COMM_FAIL if step is None else Quality.GOOD
    return BlockRead(device, ("lel", "o2"), (step, 209), (quality, Quality.GOOD), MonotonicMs(taken_at_ms))


def open_telemetry(folder: Path, boot_id: str = "boot1") -> TelemetryWriter:
    blobs = BlobStore(folder / "blobs")
    return TelemetryWriter.open(folder / "telemetry.db", blobs, boot_id, NOW_MS, migrate=migrate)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[TelemetryWriter]:
    opened = open_telemetry(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def reader(tmp_path: Path, writer: TelemetryWriter) -> Iterator[TelemetryReader]:
    opened = TelemetryReader(tmp_path / "telemetry.db")
    yield opened
    opened.close()


def lines(folder: Path, digest: str) -> list[Any]:
    """The file as a stranger reads it: gzip, then a JSON value a line."""
    data = (folder / "blobs" / digest).read_bytes()
    assert sha256(data).hexdigest() == digest
    return [json.loads(line) for line in gzip.decompress(data).splitlines()]


def test_blocks_come_back_as_they_were_read(writer: TelemetryWriter, reader: TelemetryReader) -> None:
    blocks = [block(taken_at_ms=10_000 + n, step=None if n == 2 else n) for n in range(4)]
    writer.append([*blocks, block("wind-1")], OFFSET_MS)
    found = reader.samples("gas-1", NOW_MS, NOW_MS + 1_000)
    assert [sample.block for sample in found] == blocks
    assert [sample.wall_ms for sample in found] == [NOW_MS + n for n in range(4)]
    assert [sample.block.device for sample in reader.samples("wind-1", NOW_MS, NOW_MS + 1_000)] == ["wind-1"]


def test_a_window_is_half_open_and_paged(writer: TelemetryWriter, reader: TelemetryReader) -> None:
    writer.append([block(taken_at_ms=10_000 + n) for n in range(10)], OFFSET_MS)
    found = reader.samples("gas-1", NOW_MS + 2, NOW_MS + 5)
    assert [sample.wall_ms for sample in found] == [NOW_MS + 2, NOW_MS + 3, NOW_MS + 4]
    rest = reader.samples("gas-1", NOW_MS, NOW_MS + 99, after=found[-1].number, limit=2)
    assert [sample.wall_ms for sample in rest] == [NOW_MS + 5, NOW_MS + 6]
    assert reader.samples("nobody", NOW_MS, NOW_MS + 5) == ()
    with pytest.raises(RefusedError, match="empty"):
        reader.samples("gas-1", NOW_MS, NOW_MS)


def test_a_device_is_sealed_when_its_oldest_sample_is_due(
    tmp_path: Path, writer: TelemetryWriter, reader: TelemetryReader
) -> None:
    writer.append(
        [block(taken_at_ms=10_000, step=1), block(taken_at_ms=11_000, step=None), block("wind-1", 60_000)], OFFSET_MS
    )
    assert writer.seal(10_000) == ()
    (batch,) = writer.seal(10_001)
    assert (batch.device, batch.first_ms, batch.last_ms, batch.count) == ("gas-1", NOW_MS, NOW_MS + 1_000, 2)
    assert lines(tmp_path, batch.blob.sha256) == [
        {
            "boot": "boot1",
            "channels": ["lel", "o2"],
            "count": 2,
            "device": "gas-1",
            "first_ms": NOW_MS,
            "last_ms": NOW_MS + 1_000,
            "v": 2,
        },
        [[10_000, 1_000], [[0, OFFSET_MS]]],
        [[1, None], [[1, 1, "comm_fail"]]],
        [[209, 209], []],
    ]
    assert writer.seal(10_001) == ()
    assert reader.batches("gas-1", NOW_MS, NOW_MS + 1) == (batch,)
    assert reader.batches("gas-1", NOW_MS + 1_001, NOW_MS + 2_000) == ()
    assert len(reader.samples("gas-1", NOW_MS, NOW_MS + 5_000)) == 2


def test_a_batch_holds_at_most_256_samples_and_none_twice(tmp_path: Path, writer: TelemetryWriter) -> None:
    count = 2 * SAMPLES_PER_BATCH_MAX + 5
    writer.append([block(taken_at_ms=10_000 + n, step=n) for n in range(count)], OFFSET_MS)
    batches = [batch for _ in range(3) for batch in writer.seal(10_000)]
    assert [batch.count for batch in batches] == [256, 256]
    batches += writer.seal(99_999)
    steps = [step for batch in batches for step in lines(tmp_path, batch.blob.sha256)[2][0]]
    assert steps == list(range(count))


def test_what_was_not_sealed_before_a_restart_is_sealed_after_it(tmp_path: Path) -> None:
    writer = open_telemetry(tmp_path)
    writer.append([block(taken_at_ms=10_000 + n) for n in range(3)], OFFSET_MS)
    (first,) = writer.seal(20_000)
    writer.append([block(taken_at_ms=20_000), block("wind-1", 20_000)], OFFSET_MS)
    writer.close()
    writer = open_telemetry(tmp_path, "boot2")
    writer.append([block(taken_at_ms=50)], None)
    sealed = writer.seal(0)
    assert {(batch.device, batch.count) for batch in sealed} == {("gas-1", 1), ("wind-1", 1)}
    assert first.blob.sha256 not in {batch.blob.sha256 for batch in sealed}
    (last,) = writer.seal(99)
    assert (last.first_ms, last.count) == (None, 1)
    assert lines(tmp_path, last.blob.sha256)[0]["boot"] == "boot2"
    writer.close()


def test_thinning_takes_only_what_is_sealed_and_old(writer: TelemetryWriter, reader: TelemetryReader) -> None:
    writer.append([block(taken_at_ms=10_000 + n) for n in range(10)], OFFSET_MS)
    assert writer.thin(NOW_MS + 99_999) == 0
    writer.seal(99_999)
    writer.append([block(taken_at_ms=10_010)], OFFSET_MS)
    assert writer.thin(NOW_MS + 4) == 4
    assert writer.thin(NOW_MS + 99_999) == 6
    assert [sample.wall_ms for sample in reader.samples("gas-1", NOW_MS, NOW_MS + 99)] == [NOW_MS + 10]


def test_a_reading_beyond_64_bits_is_refused_and_nothing_stored(
    writer: TelemetryWriter, reader: TelemetryReader
) -> None:
    with pytest.raises(UnusableError, match="gas-1"):
        writer.append([block(), block(step=2**63)], OFFSET_MS)
    assert reader.samples("gas-1", NOW_MS, NOW_MS + 99) == ()
    writer.append([block()], OFFSET_MS)
    assert len(reader.samples("gas-1", NOW_MS, NOW_MS + 99)) == 1


@pytest.mark.parametrize("quality", [each for each in Quality if each is not Quality.GOOD])
def test_no_number_stands_in_for_a_missing_one(quality: Quality) -> None:
    read = BlockRead("d", ("a", "b"), (None, -5), (quality, Quality.GOOD), MonotonicMs(1))
    assert unpack(pack(read), 2) == (read.steps, read.qualities)


@pytest.mark.parametrize("packed", [b"", b"\x00" * 15, b"\x00" * 17, b"\x00" * 19, b"\x00" * 16 + b"\x63\x00"])
def test_bytes_that_no_block_packs_to_are_damage(packed: bytes) -> None:
    with pytest.raises(DamagedError):
        unpack(packed, 2)


def test_a_damaged_file_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "telemetry.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(DamagedError, match=r"kept as .*telemetry\.db\.damaged-"):
        open_telemetry(tmp_path)
    open_telemetry(tmp_path).close()


def taken(folder: Path, reader: TelemetryReader, between: Callable[[], object] = lambda: None) -> list[int]:
    """Every reading of gas-1 as its series gives it; ``between`` happens after the first piece."""
    found: list[int] = []
    for number, piece in enumerate(reader.series("gas-1", NOW_MS, NOW_MS + 10**9, BlobStore(folder / "blobs"))):
        assert piece.columns is not None
        found += piece.columns.taken_at_ms
        if number == 0:
            between()
    return found


def test_a_series_read_while_the_daemon_seals_has_each_reading_once(
    tmp_path: Path, writer: TelemetryWriter, reader: TelemetryReader
) -> None:
    writer.append([block(taken_at_ms=10_000 + n) for n in range(300)], OFFSET_MS)
    writer.seal(10_000)

    def work_on() -> None:
        writer.append([block(taken_at_ms=10_300 + n) for n in range(50)], OFFSET_MS)
        writer.seal(2**40)

    found = taken(tmp_path, reader, work_on)
    assert found[:300] == list(range(10_000, 10_300))
    assert len(set(found)) == len(found)
    assert taken(tmp_path, reader) == list(range(10_000, 10_350))


def test_a_series_goes_over_many_pages_of_the_list_and_clocks_that_were_set(
    tmp_path: Path, writer: TelemetryWriter, reader: TelemetryReader
) -> None:
    for number in range(600):
        writer.append([block(taken_at_ms=10_000 + number * 1_000)], OFFSET_MS)
        writer.seal(2**40)
    # One batch whose clock was set within it: it spans more than any other, and none is missed for it.
    writer.append([block(taken_at_ms=700_000)], OFFSET_MS)
    writer.append([block(taken_at_ms=701_000)], OFFSET_MS + 5_000_000)
    writer.seal(2**40)
    assert taken(tmp_path, reader) == [*range(10_000, 610_000, 1_000), 700_000, 701_000]
    late = reader.series("gas-1", NOW_MS + 3_000_000, NOW_MS + 4_000_000, BlobStore(tmp_path / "blobs"))
    assert [piece.columns.taken_at_ms for piece in late if piece.columns is not None] == [[700_000, 701_000]]


def test_a_list_of_an_older_version_is_not_misread(tmp_path: Path, writer: TelemetryWriter) -> None:
    writer.close()
    with closing(sqlite3.connect(tmp_path / "telemetry.db")) as connection:
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(UnusableError, match=f"schema 1, this version reads {SCHEMA_VERSIONS['telemetry']}"):
        TelemetryReader(tmp_path / "telemetry.db")
