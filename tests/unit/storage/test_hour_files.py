"""Sealed files are put together by the hour: fewer files, and not a reading less, whatever dies between.

A kill is an exception that nothing catches, at each line in turn of what changes the disk; then all is opened anew.
"""

import gzip
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from storages import NOW_MS, ORIGIN
from telemetries import OFFSET_MS, Gateway, block

from edge.ports.errors import DamagedError, StoreError
from edge.ports.stores import DiskFullError
from edge.storage import databases
from edge.storage.batches import Batches
from edge.storage.blobs import BlobStore
from edge.storage.hour_files import HOUR_MS, HourFiles
from edge.storage.news import Outbox
from edge.storage.telemetry import TelemetryWriter
from edge.storage.telemetry_reader import Piece, TelemetryReader

FIRST_MS = NOW_MS - NOW_MS % HOUR_MS
"""The beginning of an hour of UTC; readings are told by the milliseconds after it."""

MINUTE_MS = 60_000
FOR_EVER_MS = 2**42


class Killed(BaseException):
    """kill -9: no handler, no clean-up of ours is meant for it."""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    opened = Gateway(tmp_path)
    yield opened
    opened.close()


def sealed_at(gateway: Gateway, *after_ms: int, device: str = "gas-1", named: bool = True) -> None:
    """One sealed file for each of these times, which entries name."""
    for each in after_ms:
        gateway.telemetry.append([block(FIRST_MS - OFFSET_MS + each, device)], OFFSET_MS)
        gateway.seal()
    if named:
        gateway.telemetry.told(gateway.record())


def bundled(gateway: Gateway, before_ms: int = FOR_EVER_MS) -> int:
    """Put together whatever can be; returns how many files were handled."""
    total = 0
    while count := gateway.telemetry.bundle(before_ms):
        total += count
    return total


def loose_files(gateway: Gateway) -> list[Path]:
    return sorted(each for each in gateway.blobs.folder.iterdir() if each.is_file())


def hours(gateway: Gateway) -> list[str]:
    folder = gateway.blobs.folder / "hours"
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


def pieces(gateway: Gateway, device: str = "gas-1") -> list[Piece]:
    with closing(TelemetryReader(gateway.folder / "telemetry.db")) as reader:
        return list(reader.series(device, 0, 2**52, gateway.blobs))


def series(gateway: Gateway, device: str = "gas-1") -> list[tuple[int, int | None]]:
    """(milliseconds after the first hour began, step) of all readings, each from a file that is what its hash says."""
    found = []
    for piece in pieces(gateway, device):
        assert piece.sealed, piece.trouble
        assert piece.columns is not None
        walls = (0 if wall is None else wall - FIRST_MS for wall in piece.columns.wall_ms)
        found += zip(walls, piece.columns.steps[0], strict=True)
    return found


# ---- put together ----------------------------------------------------------------------------------------------------


def test_an_hours_files_become_one_and_every_reading_is_still_there(gateway: Gateway) -> None:
    sealed_at(gateway, *range(0, HOUR_MS, MINUTE_MS))
    sealed_at(gateway, HOUR_MS, HOUR_MS + MINUTE_MS)
    sealed_at(gateway, 30_000, device="gas-2")
    before, before_other = series(gateway), series(gateway, "gas-2")
    assert len(loose_files(gateway)) == 63
    assert bundled(gateway) == 63
    assert loose_files(gateway) == []
    assert [name.partition("/")[0] for name in hours(gateway)] == ["gas-1", "gas-1", "gas-2"]
    assert (series(gateway), series(gateway, "gas-2")) == (before, before_other)
    assert bundled(gateway) == 0


def test_zcat_shows_whose_hour_it_is_and_then_each_file_as_its_entry_names_it(gateway: Gateway) -> None:
    sealed_at(gateway, 0, MINUTE_MS)
    held = {each.name: gzip.decompress(each.read_bytes()) for each in loose_files(gateway)}
    bundled(gateway)
    (name,) = hours(gateway)
    data = (gateway.blobs.folder / "hours" / name).read_bytes()
    head, _, rest = gzip.decompress(data).partition(b"\n")
    told = json.loads(head)
    assert (told["device"], told["v"]) == ("gas-1", 1)
    assert told["hour"][:13] == name.removeprefix("gas-1/").removesuffix(".gz")
    assert rest == b"".join(held[digest] for digest, _ in told["files"])
    place = len(data) - sum(size for _, size in told["files"])
    for digest, size in told["files"]:
        assert sha256(data[place : place + size]).hexdigest() == digest
        place += size


def test_an_hour_that_goes_on_and_what_no_entry_of_this_journal_names_stay_as_they_are(gateway: Gateway) -> None:
    sealed_at(gateway, 0, HOUR_MS - 1_000)
    assert bundled(gateway, FIRST_MS + HOUR_MS - 1) == 0
    sealed_at(gateway, HOUR_MS, named=False)
    assert bundled(gateway) == 2
    gateway.telemetry.told(gateway.record())
    gateway.telemetry.follow(ORIGIN.removesuffix("1") + "2")
    assert bundled(gateway) == 0
    assert len(loose_files(gateway)) == 1
    assert len(series(gateway)) == 3


def test_a_file_that_is_sealed_late_joins_its_hour(gateway: Gateway) -> None:
    sealed_at(gateway, 0, MINUTE_MS)
    bundled(gateway)
    sealed_at(gateway, 2 * MINUTE_MS)
    assert len(series(gateway)) == 3
    assert bundled(gateway) == 1
    assert (loose_files(gateway), len(hours(gateway)), len(series(gateway))) == ([], 1, 3)


def test_who_reads_while_files_move_finds_each_in_one_place_or_the_other(gateway: Gateway) -> None:
    sealed_at(gateway, *range(0, 6 * MINUTE_MS, MINUTE_MS))
    before = series(gateway)
    with closing(TelemetryReader(gateway.folder / "telemetry.db")) as reader:
        found = []
        for number, piece in zip(range(6), reader.series("gas-1", 0, 2**52, gateway.blobs), strict=False):
            assert piece.columns is not None
            assert piece.sealed, piece.trouble
            found += piece.columns.wall_ms
            if number in (1, 3):
                sealed_at(gateway, (6 + number) * MINUTE_MS)
                assert bundled(gateway)
    assert found == [FIRST_MS + after for after, _ in before]


def test_readings_of_unknown_time_stay_in_files_of_their_own(gateway: Gateway) -> None:
    gateway.store(10_000, offset_ms=None)
    gateway.seal()
    gateway.telemetry.told(gateway.record())
    assert bundled(gateway) == 0
    assert len(loose_files(gateway)) == 1


# ---- killed ----------------------------------------------------------------------------------------------------------


STEPS = {
    HourFiles.add,
    HourFiles.drop,
    HourFiles.remove,
    HourFiles._make_folder,
    BlobStore.remove,
    TelemetryWriter.bundle,
    TelemetryWriter._mark_together,
    TelemetryWriter.told,
    Batches.delete_files,
    Batches.settle,
    Batches.put_together,
    Outbox.remove,
    databases.write_durably,
    databases.sync_folder,
}
"""What changes something on the disk; each line of them is a point to be killed at."""


@contextmanager
def killed_at(line: int) -> Iterator[list[int]]:
    """Nothing runs from that line on, counted over ``STEPS``; the list has how many were begun."""
    codes = {each.__code__ for each in STEPS}
    begun = [0]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code not in codes:
            return None
        if event == "line":
            begun[0] += 1
            if begun[0] > line:
                raise Killed
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(Killed):
            yield begun
    finally:
        sys.settrace(before)


def every_kill(folder: Path, prepare: Callable[[Gateway], None], act: Callable[[Gateway], None]) -> Iterator[Gateway]:
    """The gateway as it starts again after it was killed at each line of ``act``, one after the other."""
    prepared = Gateway(folder / "prepared")
    prepare(prepared)
    prepared.close()
    line, finished = 0, False
    while not finished:
        shutil.copytree(folder / "prepared", folder / str(line))
        gateway = Gateway(folder / str(line), compare=False)
        with killed_at(line) as begun:
            act(gateway)
        finished = begun[0] <= line
        gateway.kill()
        yield gateway
        gateway.close()
        line += 1
    assert line > 40, "hardly anything was run"


# Who is killed closes no file; only here does anybody live to notice.
dead_men = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@dead_men
def test_a_kill_at_any_point_of_putting_together_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    def prepare(gateway: Gateway) -> None:
        sealed_at(gateway, 0)
        bundled(gateway)
        sealed_at(gateway, HOUR_MS - 500, HOUR_MS)

    for gateway in every_kill(tmp_path, prepare, lambda gateway: bundled(gateway) and None):
        assert [after for after, _ in series(gateway)] == [0, HOUR_MS - 500, HOUR_MS]
        bundled(gateway)
        assert [after for after, _ in series(gateway)] == [0, HOUR_MS - 500, HOUR_MS]
        assert loose_files(gateway) == []
        assert [name.rpartition(".")[2] for name in hours(gateway)] == ["gz", "gz"]


@dead_men
def test_a_kill_at_any_point_of_deleting_deletes_what_the_entry_names_and_no_more(tmp_path: Path) -> None:
    def prepare(gateway: Gateway) -> None:
        sealed_at(gateway, 0)
        bundled(gateway)
        sealed_at(gateway, 2_000, HOUR_MS - 1_000)
        bundled(gateway)
        sealed_at(gateway, 2_500)
        gateway.telemetry.expire(FIRST_MS + 3_000, gateway.cosign())
        told.extend(gateway.record())

    told: list[tuple[int, str]] = []
    for gateway in every_kill(tmp_path, prepare, lambda gateway: gateway.telemetry.told(told)):
        assert [after for after, _ in series(gateway)] == [HOUR_MS - 1_000]
        assert loose_files(gateway) == []
        (name,) = [each for each in hours(gateway) if each.endswith(".gz")]
        head = gzip.decompress((gateway.blobs.folder / "hours" / name).read_bytes()).partition(b"\n")[0]
        assert len(json.loads(head)["files"]) == 1


# ---- given up --------------------------------------------------------------------------------------------------------


def test_an_hour_goes_when_the_entry_that_lists_its_files_is_durable_and_not_before(gateway: Gateway) -> None:
    sealed_at(gateway, 0, MINUTE_MS, HOUR_MS)
    bundled(gateway)
    acked = gateway.cosign()
    assert gateway.telemetry.expire(FIRST_MS + HOUR_MS, acked) == 2, "one hour of one device an entry"
    assert gateway.telemetry.expire(FIRST_MS + HOUR_MS, acked) == 0
    told = gateway.record()
    assert len(series(gateway)) == 3
    gateway.telemetry.told(told)
    assert [after for after, _ in series(gateway)] == [HOUR_MS]
    assert len(hours(gateway)) == 1


def test_of_an_hour_only_what_hq_holds_the_entry_of_is_given_up(gateway: Gateway) -> None:
    sealed_at(gateway, 0, MINUTE_MS)
    acked = gateway.cosign()
    sealed_at(gateway, 2 * MINUTE_MS)
    bundled(gateway)
    assert gateway.telemetry.expire(FOR_EVER_MS, acked) == 2
    gateway.telemetry.told(gateway.record())
    assert [after for after, _ in series(gateway)] == [2 * MINUTE_MS]
    assert gateway.telemetry.expire(FOR_EVER_MS, gateway.cosign()) == 1
    gateway.telemetry.told(gateway.record())
    assert (hours(gateway), loose_files(gateway), series(gateway)) == ([], [], [])


def test_each_device_and_hour_is_told_by_an_entry_of_its_own(gateway: Gateway) -> None:
    sealed_at(gateway, 0, HOUR_MS)
    sealed_at(gateway, 30_000, device="gas-2")
    acked = gateway.cosign()
    while gateway.telemetry.expire(FOR_EVER_MS, acked):
        pass
    told = [dict(each.figures) for each in gateway.untold("telemetry.deleted")]
    assert [(each["count"], each["first_ms"] - FIRST_MS) for each in told] == [(1, 0), (1, 30_000), (1, HOUR_MS)]


# ---- damaged, lost ---------------------------------------------------------------------------------------------------


def test_a_damaged_file_is_left_where_it_is_and_stops_no_other(gateway: Gateway) -> None:
    sealed_at(gateway, 0, MINUTE_MS, HOUR_MS)
    (first, *_) = [digest for (digest,) in gateway.query("SELECT sha256 FROM batch ORDER BY last_ms")]
    gateway.blobs.path(first).write_bytes(b"rust")
    assert bundled(gateway) == 3
    assert loose_files(gateway) == [gateway.blobs.path(first)]
    assert [piece.sealed for piece in pieces(gateway)] == [False, True, True]
    assert bundled(gateway) == 0, "it is not tried again and again"


def test_a_damaged_hour_is_kept_and_named_and_what_would_have_joined_it_stays(gateway: Gateway) -> None:
    sealed_at(gateway, 0)
    bundled(gateway)
    (name,) = hours(gateway)
    place = gateway.blobs.folder / "hours" / name
    place.write_bytes(b"\x00" * 100)
    sealed_at(gateway, MINUTE_MS, HOUR_MS)
    with pytest.raises(DamagedError, match=name.rpartition("/")[2]):
        gateway.telemetry.bundle(FOR_EVER_MS)
    assert place.read_bytes() == b"\x00" * 100
    assert bundled(gateway) == 1, "the next hour"
    assert [piece.sealed for piece in pieces(gateway)] == [False, True, True]
    assert str(place) in pieces(gateway)[0].trouble
    while gateway.telemetry.expire(FIRST_MS + HOUR_MS, gateway.cosign()):
        gateway.telemetry.told(gateway.record())
    assert not place.exists(), "it is past its time like all of its hour"


def test_a_bit_that_turns_in_an_hour_spoils_one_file_and_is_found(gateway: Gateway) -> None:
    sealed_at(gateway, 0, MINUTE_MS)
    bundled(gateway)
    (name,) = hours(gateway)
    place = gateway.blobs.folder / "hours" / name
    data = bytearray(place.read_bytes())
    data[-5] ^= 1
    place.write_bytes(data)
    assert [piece.sealed for piece in pieces(gateway)] == [True, False]
    assert "damaged" in pieces(gateway)[1].trouble


def test_without_room_nothing_moves_and_the_next_call_does_it(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed_at(gateway, 0, MINUTE_MS)
    with monkeypatch.context() as full:

        def fsync(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        full.setattr("os.fsync", fsync)
        with pytest.raises(DiskFullError):
            gateway.telemetry.bundle(FOR_EVER_MS)
    assert len(loose_files(gateway)) == 2
    assert hours(gateway) == []
    assert bundled(gateway) == 2


def test_an_hour_that_cannot_be_deleted_is_tried_again(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed_at(gateway, 0)
    bundled(gateway)
    gateway.telemetry.expire(FOR_EVER_MS, gateway.cosign())
    told = gateway.record()
    with monkeypatch.context() as broken:

        def unlink(path: Path, missing_ok: bool = False) -> None:
            if path.suffix == ".gz":
                raise OSError(30, "Read-only file system")

        broken.setattr(Path, "unlink", unlink)
        with pytest.raises(StoreError, match="Read-only"):
            gateway.telemetry.told(told)
    gateway.telemetry.told(told)
    assert hours(gateway) == []


def test_a_list_made_again_from_the_journal_knows_what_lies_in_hours(gateway: Gateway) -> None:
    sealed_at(gateway, 0, MINUTE_MS)
    sealed_at(gateway, 30_000, device="gas-2")
    bundled(gateway)
    sealed_at(gateway, HOUR_MS)
    before = series(gateway)
    gateway.telemetry.close()
    (gateway.folder / "telemetry.db").unlink()
    gateway.start("boot2")
    assert series(gateway) == before
    assert len(series(gateway, "gas-2")) == 1
    assert bundled(gateway) == 1, "the one that lies by itself"
    assert loose_files(gateway) == []


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(gzip.compress)))
def test_any_bytes_in_the_place_of_an_hour_are_our_error_or_hold_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    store = BlobStore(tmp_path_factory.mktemp("blobs"))
    files = HourFiles(store)
    place = files.path("gas-1", FIRST_MS)
    assert place is not None
    place.parent.mkdir(parents=True)
    place.write_bytes(data)
    assert not files.holds("gas-1", FIRST_MS, "aa" * 32)
    with pytest.raises(DamagedError):
        files.read("gas-1", FIRST_MS, "aa" * 32)
