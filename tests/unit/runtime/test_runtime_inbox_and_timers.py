"""The inbox serves edges before readings and loses nothing that matters; the heap fires once and in order."""

from edge.core.messages import AuthorityApplied, ClockStepped, Recorded, Timer, TimerDue
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.runtime.inbox import Inbox
from edge.runtime.timers import TimerHeap


def block(device: str, steps: int) -> BlockRead:
    return BlockRead(device, ("gas",), (steps,), (Quality.GOOD,), MonotonicMs(steps))


def test_taps_and_edges_are_served_before_readings() -> None:
    inbox = Inbox()
    inbox.post(block("gas1", 1))
    inbox.post(ClockStepped(5))
    assert inbox.take(0) == ClockStepped(5)
    assert inbox.take(0) == block("gas1", 1)
    assert inbox.take(0) is None


def test_the_newest_reading_of_a_device_wins_and_the_lost_one_is_counted() -> None:
    inbox = Inbox()
    for steps in (1, 2, 3):
        inbox.post(block("gas1", steps))
    inbox.post(block("gas2", 9))
    assert inbox.take(0) == block("gas1", 3)
    assert inbox.take(0) == block("gas2", 9)
    assert inbox.conflated == 2


def test_recorded_is_never_lost_behind_a_full_queue_and_only_the_furthest_counts() -> None:
    inbox = Inbox(capacity=2)
    assert inbox.post(ClockStepped(1))
    assert inbox.post(ClockStepped(2))
    assert not inbox.post(ClockStepped(3))
    assert inbox.refused == 1
    inbox.post(Recorded(7))
    inbox.post(Recorded(5))
    assert inbox.take(0) == Recorded(7)
    assert inbox.take(0) == ClockStepped(1)


def test_word_of_hq_fits_into_a_full_queue() -> None:
    inbox = Inbox(capacity=1)
    inbox.post(ClockStepped(1))
    word = AuthorityApplied(1, "", None, (), (), (), False)
    assert inbox.post(word)
    assert [inbox.take(0), inbox.take(0)] == [ClockStepped(1), word]


def test_a_timer_set_again_fires_once_and_at_its_new_time() -> None:
    heap = TimerHeap()
    heap.set(Timer.DOOR, "d1", MonotonicMs(100))
    heap.set(Timer.DOOR, "d1", MonotonicMs(300))
    heap.set(Timer.GRANT, "7", MonotonicMs(200))
    assert heap.next_ms() == 200
    assert heap.pop_due(MonotonicMs(199)) is None
    assert heap.pop_due(MonotonicMs(250)) == TimerDue(Timer.GRANT, "7")
    assert heap.pop_due(MonotonicMs(250)) is None
    assert heap.pop_due(MonotonicMs(300)) == TimerDue(Timer.DOOR, "d1")
    assert heap.next_ms() is None


def test_a_timer_moved_earlier_fires_early_and_not_again() -> None:
    heap = TimerHeap()
    heap.set(Timer.DOOR, "d1", MonotonicMs(300))
    heap.set(Timer.DOOR, "d1", MonotonicMs(100))
    assert heap.pop_due(MonotonicMs(100)) == TimerDue(Timer.DOOR, "d1")
    assert heap.pop_due(MonotonicMs(400)) is None
