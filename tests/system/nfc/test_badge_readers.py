"""Badge readers over real protocols: nfcpy and a simulated tag over udp, a PN532 on a serial line, real processes."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread

import nfc
import nfc.clf
import pytest
from pn532_on_pty import Pn532

from drivers.nfc.frontend import BadgeReader, ReaderLost
from drivers.nfc.presence import Presence
from drivers.nfc.transport import SIMULATED_SENSE_S, open_device
from edge.core.facts import Side, Tap, TokenRefusal, TokenVerdict
from edge.core.readings import MonotonicMs
from edge.host.system_clock import monotonic_ms, sleep, utc_ms
from edge.ports.errors import UnusableError
from edge.runtime.child import BackOff
from edge.runtime.readers import ReaderEvents, ReaderPlace, Readers
from hil.tag import SimulatedTag, TagFault, TagKind

pytestmark = pytest.mark.system

UID = bytes.fromhex("04112233445566")
NDEF = bytes.fromhex("d410967065726d6974676174652e6f72673a62") + bytes(range(150))


@pytest.fixture
def tag() -> Iterator[SimulatedTag]:
    with SimulatedTag(0, UID, NDEF) as tag:
        yield tag


def reader_at(port: int) -> BadgeReader:
    return BadgeReader(f"udp:127.0.0.1:{port}", monotonic_ms, simulate=True)


@pytest.mark.parametrize("kind", ["type4", "type2"])
def test_the_simulated_tag_is_a_tag_to_nfcpy_itself(tag: SimulatedTag, kind: TagKind) -> None:
    tag.rewrite(UID, NDEF, kind)
    tag.present()
    with nfc.ContactlessFrontend(f"udp:127.0.0.1:{tag.port}") as frontend:
        found = frontend.connect(rdwr={"targets": ["106A"], "iterations": 1, "on-connect": lambda _: False})
        assert found.identifier == UID
        assert found.ndef.octets == NDEF


@pytest.mark.parametrize("kind", ["type4", "type2"])
@pytest.mark.parametrize("uid", [UID, UID[:4]])
def test_a_badge_is_read_whole(tag: SimulatedTag, kind: TagKind, uid: bytes) -> None:
    tag.rewrite(uid, NDEF, kind)
    reader = reader_at(tag.port)
    assert reader.poll() is None
    tag.present()
    for _ in range(20):
        read = reader.poll()
        assert read is not None
        assert (read.uid, read.ndef, read.refusal) == (uid, NDEF, None)
    tag.remove()
    assert reader.poll() is None
    reader.close()


@pytest.mark.parametrize("fault", list(TagFault))
def test_a_hostile_badge_costs_the_reader_no_more_than_its_time(tag: SimulatedTag, fault: TagFault) -> None:
    tag.rewrite(UID, NDEF, faults=[fault])
    tag.present()
    reader = reader_at(tag.port)
    begin = monotonic_ms()
    read = reader.poll()
    assert read is not None
    assert monotonic_ms() - begin < 1_500
    assert (read.refusal is None) == (fault is TagFault.BIT_FLIP)
    assert read.ndef != NDEF
    reader.close()


def test_a_simulated_field_is_refused_without_simulate(tag: SimulatedTag) -> None:
    with pytest.raises(UnusableError, match="simulate"):
        BadgeReader(f"udp:127.0.0.1:{tag.port}", monotonic_ms).poll()


def test_a_garbled_datagram_rebuilds_the_reader_and_nothing_else(tag: SimulatedTag) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as garbler:
        garbler.bind(("127.0.0.1", 0))
        garbler.settimeout(5)
        reader = reader_at(garbler.getsockname()[1])
        replies = Queue[bytes]()

        def garble() -> None:
            data, sender = garbler.recvfrom(1_024)
            replies.put(data)
            garbler.sendto(b"106A zz", sender)

        thread = Thread(target=garble)
        thread.start()
        with pytest.raises(ReaderLost):
            reader.poll()
        thread.join()
        assert replies.get_nowait() == b"106A 26"
        assert reader.poll() is None
        reader.close()


class Bench:
    """A PN532 that can be unplugged and plugged in again, on a reader that keeps its path."""

    def __init__(self) -> None:
        self.chip = Pn532(UID, NDEF)
        self.reader = BadgeReader("/dev/reader", monotonic_ms, open_path=lambda _, simulate: self._open(simulate))

    def _open(self, simulate: bool) -> object:
        return open_device(self.chip.path, simulate)

    def lost_polls(self) -> int:
        """Polls that fail until one works."""
        for count in range(10):
            try:
                self.reader.poll()
            except ReaderLost:
                continue
            return count
        raise AssertionError("never recovered")


def test_a_pn532_on_a_serial_line_is_read_and_survives_unplugging() -> None:
    bench = Bench()
    read = bench.reader.poll()
    assert read is not None
    assert (read.uid, read.ndef, read.refusal) == (UID, NDEF, None)
    bench.chip.present = False
    assert bench.reader.poll() is None

    bench.chip.unplug()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(ReaderLost):
            bench.reader.poll()
    assert len(os.listdir("/proc/self/fd")) <= before

    bench.chip = Pn532(UID, NDEF)
    begin = monotonic_ms()
    assert bench.lost_polls() <= 1
    assert monotonic_ms() - begin < 5_000
    bench.reader.close()
    bench.chip.unplug()


def test_a_chip_that_sends_garbage_is_a_lost_reader_and_recovers() -> None:
    bench = Bench()
    assert bench.reader.poll() is not None
    bench.chip.garbage = True
    with pytest.raises(ReaderLost):
        bench.reader.poll()
    bench.chip.garbage = False
    assert bench.lost_polls() <= 1
    bench.reader.close()
    bench.chip.unplug()


class Site:
    """Two readers in their own processes, two tags, and what the daemon hears."""

    def __init__(self) -> None:
        self.tags = {name: SimulatedTag(0, UID, NDEF) for name in ("r1", "r2")}
        self.taps: Queue[tuple[Tap, TokenVerdict]] = Queue()
        self.health: Queue[tuple[str, str]] = Queue()
        places = [ReaderPlace(name, "d1", Side.ENTRY, f"udp:127.0.0.1:{tag.port}") for name, tag in self.tags.items()]
        events = ReaderEvents(
            on_tap=lambda tap, verdict: self.taps.put((tap, verdict)),
            on_health=lambda reader, state, why: self.health.put((reader, state)),
            on_unreadable=lambda reader, why: None,
            on_failure=lambda reader, error: None,
        )
        back_off = BackOff(first_s=0.1)
        self.readers = Readers(
            places, "s014", dict, events, clock=monotonic_ms, utc=utc_ms, simulate=True, back_off=back_off
        )
        self.readers.start()

    def until(self, found: Callable[[], object | None], limit_s: float = 10.0) -> object:
        """Ticks until ``found`` gives something."""
        deadline = monotonic_ms() + int(limit_s * 1_000)
        while monotonic_ms() < deadline:
            self.readers.tick(monotonic_ms())
            result = found()
            if result is not None:
                return result
            sleep(0.02)
        raise AssertionError("did not happen in time")

    def next_tap(self) -> tuple[Tap, TokenVerdict] | None:
        with suppress(Empty):
            return self.taps.get_nowait()
        return None

    def next_health(self) -> tuple[str, str] | None:
        with suppress(Empty):
            return self.health.get_nowait()
        return None

    def tap(self, name: str) -> Tap:
        """Hold the badge to one reader until the daemon has heard of it."""
        self.tags[name].present()
        result = self.until(self.next_tap)
        self.tags[name].remove()
        assert isinstance(result, tuple)
        tap, verdict = result
        assert verdict == TokenVerdict(None, TokenRefusal.MALFORMED)
        assert (tap.reader, tap.uid) == (name, UID.hex())
        assert 0 <= monotonic_ms() - tap.taken_at_ms < 2_000
        return tap

    def close(self) -> None:
        self.readers.stop()
        for tag in self.tags.values():
            tag.close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(line) for line in listed.split()]


def is_alive(process: int) -> bool:
    """Whether it runs; one that only waits for somebody to read its exit code does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_taps_reach_the_daemon_and_a_held_card_is_one(site: Site) -> None:
    first = site.tap("r1")
    assert site.tap("r2").tap_id != first.tap_id
    sleep(0.6)
    site.tags["r1"].present()
    site.until(site.next_tap)
    begin = MonotonicMs(monotonic_ms() + 800)
    site.until(lambda: True if monotonic_ms() > begin else None)
    assert site.taps.empty()


def test_a_killed_reader_comes_back_and_the_other_never_notices(site: Site) -> None:
    site.tap("r1")
    parent = site.readers.child.pid
    assert parent is not None
    victim = min(children_of(parent))
    os.kill(victim, signal.SIGKILL)
    assert site.until(site.next_health) == ("r1", "lost")
    site.tap("r2")
    assert site.until(site.next_health) == ("r1", "back")
    site.tap("r1")


@pytest.mark.parametrize("whole", [False, True], ids=["its own process", "all readers"])
def test_a_card_that_lies_there_while_its_reader_is_started_anew_is_no_second_tap(site: Site, whole: bool) -> None:
    site.tags["r1"].present()
    site.until(site.next_tap)
    parent = site.readers.child.pid
    assert parent is not None
    os.kill(parent if whole else min(children_of(parent)), signal.SIGKILL)
    while site.until(site.next_health) != ("r1", "back"):
        pass
    end = MonotonicMs(monotonic_ms() + 800)
    site.until(lambda: True if monotonic_ms() > end else None)
    assert site.taps.empty()
    site.tags["r1"].remove()
    sleep(0.6)
    site.tap("r1")


def test_a_tag_that_is_slow_to_be_selected_costs_its_reader_no_more_than_its_time() -> None:
    """A parent kills a reader after 5 s of silence: each answer of such a tag comes just in time."""
    uid = bytes.fromhex("04010203040506070809")
    parts = [b"\x88" + uid[:3], b"\x88" + uid[3:6], uid[6:]]
    levels = [part + bytes([part[0] ^ part[1] ^ part[2] ^ part[3]]) for part in parts]
    answers = {b"\x26": b"\x44\x03"}
    for number, level in enumerate(levels):
        code = bytes([0x93 + 2 * number])
        answers[code + b"\x20"] = level
        answers[code + b"\x70" + level] = b"\x20" if number == 2 else b"\x04"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as slow:
        slow.bind(("127.0.0.1", 0))
        slow.settimeout(0.2)
        stopping = []

        def answer() -> None:
            while not stopping:
                with suppress(TimeoutError):
                    frame, sender = slow.recvfrom(1_024)
                    found = answers.get(bytes.fromhex(frame[5:].decode())) if frame.startswith(b"106A ") else None
                    if found is not None:
                        sleep(SIMULATED_SENSE_S - 0.03)
                        slow.sendto(b"106A " + found.hex().encode(), sender)

        thread = Thread(target=answer)
        thread.start()
        reader = reader_at(slow.getsockname()[1])
        begin = monotonic_ms()
        read = reader.poll()
        taken_ms = monotonic_ms() - begin
        stopping.append(True)
        thread.join()
        reader.close()
    assert read is not None
    assert read.refusal is not None
    assert taken_ms < 4_000


def test_nfcpys_own_tag_held_to_the_reader_is_one_tap() -> None:
    """Each time the field goes off, nfcpy's tag listens anew and misses the next request."""
    port = free_udp_port()
    stop = Event()
    tag = Thread(target=nfcpy_tag, args=(port, stop))
    reader, presence, taps = reader_at(port), Presence(), 0
    tag.start()
    try:
        end = monotonic_ms() + 3_000
        while monotonic_ms() < end:
            presence, tapped = presence.after(reader.poll(), monotonic_ms())
            taps += tapped
            sleep(0.05)
    finally:
        stop.set()
        tag.join()
        reader.close()
    assert taps == 1


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def nfcpy_tag(port: int, stop: Event) -> None:
    """A Type 2 tag by nfcpy: it answers what it is asked until the field goes off, then listens again."""
    memory = bytearray(b"\0" * 12 + b"\xe1\x10\x3e\x00" + b"\x03" + bytes([len(NDEF)]) + NDEF + b"\xfe").ljust(
        512, b"\0"
    )
    with nfc.ContactlessFrontend(f"udp:127.0.0.1:{port}") as frontend:
        while not stop.is_set():
            target = nfc.clf.LocalTarget(
                "106A", sens_res=bytearray(b"\x44\0"), sdd_res=bytearray(UID[:4]), sel_res=bytearray(1)
            )
            found = frontend.listen(target, 0.5)
            command = found and found.tt2_cmd
            with suppress(nfc.clf.CommunicationError):
                while command:
                    answer = bytes((memory[command[1] * 4 :] + memory)[:16]) if command[0] == 0x30 else b"\0"
                    command = frontend.exchange(answer, 0.5)


def test_a_hung_reader_is_killed_after_its_silence(site: Site) -> None:
    site.tap("r1")
    parent = site.readers.child.pid
    assert parent is not None
    os.kill(min(children_of(parent)), signal.SIGSTOP)
    site.tap("r2")
    assert site.until(site.next_health) == ("r1", "lost")
    assert site.until(site.next_health) == ("r1", "back")
    assert site.readers.child.pid == parent


def test_a_killed_parent_takes_its_children_along_and_all_come_back(site: Site) -> None:
    site.tap("r1")
    parent = site.readers.child.pid
    assert parent is not None
    orphans = children_of(parent)
    os.kill(parent, signal.SIGKILL)
    assert {site.until(site.next_health), site.until(site.next_health)} == {("r1", "lost"), ("r2", "lost")}
    assert {site.until(site.next_health), site.until(site.next_health)} == {("r1", "back"), ("r2", "back")}
    assert not any(map(is_alive, orphans))
    site.tap("r2")


def test_stopping_leaves_no_process(site: Site) -> None:
    site.tap("r1")
    parent = site.readers.child.pid
    assert parent is not None
    family = [parent, *children_of(parent)]
    assert len(family) == 3
    site.readers.stop()
    assert not any(map(is_alive, family))
