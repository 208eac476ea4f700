"""kill -9 of the writer, more than 200 times: what was acknowledged is there, what is there is whole.

Half of the deaths come at a chosen write: a file size limit with the default action of SIGXFSZ ends the process inside
the write that crosses it, after part of that write (setrlimit(2)). The other half come at a random moment by SIGKILL.
"""

import os
import random
import resource
import select
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from storages import (
    KEYS,
    MIRROR,
    AuthorityLog,
    cosigned,
    entry,
    freeze,
    open_authority,
    open_journal,
    permit_record,
    put,
    release,
)
from telemetries import Gateway

from edge.storage.authority_reader import AuthorityReader
from edge.storage.journal import JournalWriter
from edge.storage.journal_verify import verify_journal
from edge.storage.telemetry_reader import TelemetryReader

pytestmark = pytest.mark.system
SEED = 20_261_123
Tell = Callable[[str], None]


def killed(work: Callable[[Tell], None], after_s: float | None, file_bytes: int | None) -> list[str]:
    """Run ``work`` in a child that dies at that time or at the write beyond that file size; what it told before."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if file_bytes is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
            work(lambda text: os.write(writing, f"{text}\n".encode()) and None)
        finally:
            os._exit(3)
    os.close(writing)
    told = b""
    if after_s is not None:
        # Counted from its first word on, so that the death falls into the work and not into the opening.
        told += os.read(reading, 4096)
        select.select([], [], [], after_s)
        os.kill(child, signal.SIGKILL)
    while piece := os.read(reading, 65_536):
        told += piece
    os.close(reading)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"the child ended by itself: {status}"
    return told.decode().splitlines()


def append_for_ever(folder: Path, groups: int) -> Callable[[Tell], None]:
    def work(tell: Tell) -> None:
        writer = open_journal(folder)
        tell(f"durable {writer.size}")
        while True:
            start = writer.size
            count = 1 + start % groups
            batch = [
                entry(seq, permit=f"P{seq % 3}", evidence=b"q" * (seq % 900)) for seq in range(start, start + count)
            ]
            tell(f"durable {writer.append(batch, b'state' * (start % 50))}")
            if start % 5 == 0:
                note = writer.sign_checkpoint()
                tell(f"signed {writer.size}")
                tell(f"acked {writer.accept_cosignature(cosigned(note))}")
            if start % 7 == 0:
                writer.checkpoint_wal()

    return work


def promised(told: list[str], what: str) -> int:
    return max((int(line.split()[1]) for line in told if line.startswith(what)), default=0)


def check(folder: Path, told: list[str]) -> None:
    writer: JournalWriter = open_journal(folder)
    assert writer.behind is None
    assert writer.size >= promised(told, "durable"), "an acknowledged entry was lost"
    assert writer.size >= promised(told, "signed")
    assert writer.acked >= promised(told, "acked")
    size = writer.size
    writer.close()
    report = verify_journal(
        folder / "journal.db",
        checkpoint_path=folder / "checkpoint",
        log_key=KEYS.signing.verifier(),
        mirror=MIRROR.cosigner(),
    )
    assert report.ok, report.finding
    assert report.size == size
    assert report.signed_size >= promised(told, "signed")


def fresh(folder: Path, number: int) -> Path:
    place = folder / str(number)
    place.mkdir()
    open_journal(place).close()
    return place


def test_no_kill_at_a_random_moment_loses_an_acknowledged_entry(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    progress = 0
    for number in range(110):
        place = fresh(tmp_path, number) if number % 10 == 0 else place  # noqa: F821 - set at 0
        told = killed(append_for_ever(place, 1 + number % 20), chance.uniform(0, 0.02), None)
        check(place, told)
        progress += promised(told, "durable") > 0
    assert progress > 80, "the drill killed before anything was written"


def test_no_kill_inside_a_write_loses_an_acknowledged_entry(tmp_path: Path) -> None:
    base = (fresh(tmp_path, 0) / "journal.db").stat().st_size
    progress = 0
    for number in range(1, 111):
        place = fresh(tmp_path, number)
        # From the first byte beyond the empty file on, at odd places: torn pages, torn frames, torn headers.
        told = killed(append_for_ever(place, 1 + number % 20), None, base + number * 1_371)
        check(place, told)
        progress += promised(told, "durable") > 0
    assert progress > 80, "the drill killed before anything was written"


def test_d3_a_crash_leaves_the_cache_before_or_after_a_delta(tmp_path: Path) -> None:
    deltas = [
        [put("permit", "P1", number + 1, **permit_record(short_id=number % 5 + 1)) for _ in range(20)]
        + [freeze(f"f{number}", "permit", "P1"), release(f"f{number - 1}")]
        for number in range(200)
    ]
    size = len(deltas[0])
    chance = random.Random(SEED)

    def work(tell: Tell) -> None:
        writer, log = open_authority(tmp_path), AuthorityLog()
        believed = writer.trusted().size // size
        for delta in deltas[:believed]:
            log.extend(*delta)
        tell(f"durable {believed * size}")
        for delta in deltas[believed:]:
            tell(f"durable {log.feed(writer, *delta).size}")
        signal.pause()

    open_authority(tmp_path).close()
    for _ in range(25):
        told = killed(work, chance.uniform(0, 0.01), None)
        writer = open_authority(tmp_path)
        trusted = writer.trusted()
        writer.close()
        assert trusted.size % size == 0
        assert trusted.size >= promised(told, "durable")
        log = AuthorityLog()
        for delta in deltas[: trusted.size // size]:
            log.extend(*delta)
        assert trusted.root == log.frontier.root()
        last = trusted.size // size
        reader = AuthorityReader(tmp_path / "authority.db")
        record = reader.record("permit", "P1")
        assert (None if record is None else record.revision) == (last or None)
        assert [each.freeze for each in reader.freezes()] == ([f"f{last - 1}"] if last else [])
        reader.close()


def store_for_ever(folder: Path) -> Callable[[Tell], None]:
    """A reading each ten minutes, each in a sealed file, put together by the hour as they come."""

    def work(tell: Tell) -> None:
        gateway = Gateway(folder)
        while True:
            stored = gateway.query("SELECT count(*) FROM sample")[0][0]
            gateway.store(10_000 + stored * 600_000)
            gateway.seal()
            tell(f"sealed {stored + 1}")
            gateway.telemetry.told(gateway.record())
            if stored % 3 == 0:
                gateway.telemetry.bundle(2**42)

    return work


def test_no_kill_while_sealed_files_are_put_together_loses_one_or_leaves_one_twice(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    sealed = 0
    for _ in range(40):
        told = killed(store_for_ever(tmp_path), chance.uniform(0, 0.06), None)
        sealed = max(sealed, promised(told, "sealed"))
        gateway = Gateway(tmp_path)
        gateway.seal()
        gateway.telemetry.told(gateway.record())
        assert read_sealed_readings(gateway) >= sealed
        gateway.close()
    gateway = Gateway(tmp_path)
    before = read_sealed_readings(gateway)
    while gateway.telemetry.bundle(2**42):
        pass
    assert read_sealed_readings(gateway) == before
    alone = {path.name for path in gateway.blobs.folder.iterdir() if path.is_file()}
    listed = {digest for (digest,) in gateway.query("SELECT sha256 FROM batch")}
    assert not alone & listed, "not put together, or in both places"
    gateway.close()
    assert sealed > 60, "the drill killed before much was sealed"


def read_sealed_readings(gateway: Gateway) -> int:
    """How many there are, each once and from a file that is what its hash says."""
    with closing(TelemetryReader(gateway.folder / "telemetry.db")) as reader:
        found: list[int] = []
        for piece in reader.series("gas-1", 0, 2**52, gateway.blobs):
            assert piece.sealed, piece.trouble
            assert piece.columns is not None
            found += piece.columns.taken_at_ms
    assert found == sorted(set(found))
    return len(found)
