"""The bus loop: a block for every device and period, one line when a device is lost and one when it is back."""

import threading
from collections.abc import Callable
from itertools import pairwise

from structlog.testing import capture_logs

from edge.ports.devices import BlockRead, MonotonicMs, Quality
from edge.runtime.bus import BusLoop


class SiteTime:
    """A clock that only sleeping moves, and that stops the loop at ``until_ms``."""

    def __init__(self, until_ms: int) -> None:
        self.now_ms = 0
        self.until_ms = until_ms
        self.stop = threading.Event()

    def clock(self) -> MonotonicMs:
        return MonotonicMs(self.now_ms)

    def sleep(self, seconds: float) -> None:
        self.now_ms += max(1, round(seconds * 1000))
        if self.now_ms >= self.until_ms:
            self.stop.set()


class ScriptedReader:
    """Answers what ``script`` says for each moment; True: a value."""

    def __init__(self, device: str, time: SiteTime, script: Callable[[int], bool], takes_ms: int = 0) -> None:
        self.device = device
        self.trouble = ""
        self._time = time
        self._script = script
        self._takes_ms = takes_ms

    def read(self) -> BlockRead:
        started = self._time.clock()
        self._time.now_ms += self._takes_ms
        self.trouble = "" if self._script(started) else "no reply"
        if self._script(started):
            return BlockRead(self.device, ("gas",), (5,), (Quality.GOOD,), started)
        return self.unreadable(started)

    def unreadable(self, now: MonotonicMs) -> BlockRead:
        return BlockRead(self.device, ("gas",), (None,), (Quality.COMM_FAIL,), now)


class DefectiveReader(ScriptedReader):
    def read(self) -> BlockRead:
        raise ZeroDivisionError("a defect")


def run(time: SiteTime, *readers: ScriptedReader, poll_ms: int = 1_000) -> tuple[BusLoop, list[BlockRead]]:
    published: list[BlockRead] = []
    loop = BusLoop("b1", readers, poll_ms, clock=time.clock, sleep=time.sleep, publish=published.append)
    loop.run(time.stop)
    return loop, published


def test_every_device_is_published_every_period() -> None:
    time = SiteTime(9_500)
    loop, published = run(time, ScriptedReader("a", time, lambda _: True), ScriptedReader("b", time, lambda _: True))
    assert [each.taken_at for each in published if each.device == "a"] == [1_000 * each for each in range(10)]
    assert loop.polls == 20
    assert loop.failures == 0


def test_a_silent_device_is_published_too_as_comm_fail() -> None:
    time = SiteTime(4_500)
    loop, published = run(time, ScriptedReader("a", time, lambda _: False))
    assert [each.qualities for each in published] == [(Quality.COMM_FAIL,)] * 5
    assert [each.steps for each in published] == [(None,)] * 5
    assert loop.failures == 5


def test_lost_and_back_are_logged_once_each() -> None:
    time = SiteTime(20_500)
    with capture_logs() as lines:
        run(time, ScriptedReader("a", time, lambda now: not 5_000 <= now < 12_000))
    assert [(line["event"], line["device"]) for line in lines] == [("device_lost", "a"), ("device_back", "a")]
    assert lines[0]["why"] == "no reply"


class DoubtedReader(ScriptedReader):
    """Answers always; what it says is not believed while the script is False."""

    def read(self) -> BlockRead:
        self.trouble = "" if self._script(self._time.clock()) else "not the XRL of this profile"
        quality = Quality.DEVICE_FAULT if self.trouble else Quality.GOOD
        return BlockRead(self.device, ("gas",), (None if self.trouble else 5,), (quality,), self._time.clock())


def test_a_device_that_answers_and_is_not_believed_is_logged_once_with_the_reason() -> None:
    time = SiteTime(20_500)
    with capture_logs() as lines:
        loop, _ = run(time, DoubtedReader("a", time, lambda now: not 5_000 <= now < 12_000))
    assert [line["event"] for line in lines] == ["device_doubted", "device_believed"]
    assert lines[0]["why"] == "not the XRL of this profile"
    assert loop.failures == 0, "it answered"


def test_a_defect_in_one_driver_silences_neither_its_device_nor_its_bus() -> None:
    time = SiteTime(2_500)
    with capture_logs():
        _, published = run(
            time, DefectiveReader("bad", time, lambda _: True), ScriptedReader("good", time, lambda _: True)
        )
    assert [each.device for each in published] == ["bad", "good"] * 3
    assert {each.qualities for each in published} == {(Quality.COMM_FAIL,), (Quality.GOOD,)}


def test_an_overrun_is_counted_and_not_made_up_for_in_a_burst() -> None:
    time = SiteTime(10_000)
    loop, published = run(time, ScriptedReader("slow", time, lambda _: True, takes_ms=1_400))
    starts = [each.taken_at for each in published]
    assert all(later - earlier >= 1_400 for earlier, later in pairwise(starts))
    assert loop.overruns > 0


def test_progress_moves_while_the_loop_waits() -> None:
    time = SiteTime(30_000)
    loop, _ = run(time, ScriptedReader("a", time, lambda _: True), poll_ms=20_000)
    assert loop.progress > 100
