"""The inbox serves edges before readings and loses nothing that matters; the heap fires once and in order."""

from dataclasses import replace

from sites import facts

from edge.core.facts import Side, Tap
from edge.core.holds import Freeze
from edge.core.messages import (
    AuthorityApplied,
    ClockStepped,
    DoorFaulted,
    DoorInput,
    DoorMoved,
    Noticed,
    Recorded,
    RecordFailed,
    Tapped,
    Timer,
    TimerDue,
)
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.runtime.inbox import RESERVE, Inbox
from edge.runtime.timers import TimerHeap


def block(device: str, steps: int) -> BlockRead:
    return BlockRead(device, ("gas",), (steps,), (Quality.GOOD,), MonotonicMs(steps))


def drained(inbox: Inbox) -> list[object]:
    """Everything that waits, in the order in which it is served."""
    found: list[object] = []
    while (taken := inbox.take(0)) is not None:
        found.append(taken)
    return found


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
    assert drained(inbox) == [ClockStepped(1), ClockStepped(2), Recorded(7)]


def test_what_was_posted_before_a_recorded_is_served_before_it() -> None:
    """A freeze, a fire or a failure that was known when the entry became durable must be judged with it."""
    inbox = Inbox()
    frozen = AuthorityApplied(6, "", None, (), (Freeze("f1", "permit:P1", "hq", ""),), (), False)
    fire = DoorMoved("d1", DoorInput.FIRE, True)
    told = [Recorded(3), frozen, Recorded(4), fire, RecordFailed(4, "disk"), Recorded(5)]
    for message in told:
        inbox.post(message)
    assert drained(inbox) == told


def test_doors_exits_and_the_journal_have_room_when_the_queue_is_full_and_other_things_have_not() -> None:
    inbox = Inbox(capacity=1)
    inbox.post(ClockStepped(1))
    leaving = Tap("t1", "r1", "d1", Side.EXIT, "04", MonotonicMs(1))
    kept = [
        DoorMoved("d1", DoorInput.REX, True),
        DoorFaulted("d1", "bolt"),
        RecordFailed(3, "disk"),
        Tapped(leaving, facts()),
    ]
    assert all(inbox.post(message) for message in kept)
    assert not inbox.post(Tapped(replace(leaving, side=Side.ENTRY), facts()))
    assert not inbox.post(Noticed("reader.lost", "r1", ""))
    assert drained(inbox) == [ClockStepped(1), *kept]
    for _ in range(2 * RESERVE):
        inbox.post(DoorMoved("d1", DoorInput.CONTACT, True))
    assert inbox.waiting == 1 + RESERVE, "bounded all the same"


def test_what_was_refused_is_told_once_and_when_there_is_room() -> None:
    inbox = Inbox(capacity=1)
    assert inbox.unsaid() is None
    for number in range(3):
        inbox.post(ClockStepped(number))
    assert inbox.unsaid() is None, "no room for the word itself"
    inbox.take(0)
    told = inbox.unsaid()
    assert told is not None
    assert (told.kind, told.figures) == ("inbox.full", (("count", 2),))
    assert inbox.unsaid() is None


def test_a_flood_of_other_things_hides_no_reading() -> None:
    inbox = Inbox()
    for number in range(100):
        inbox.post(ClockStepped(number))
    inbox.post(block("gas1", 1))
    inbox.post(block("gas2", 2))
    served = drained(inbox)
    assert served.index(block("gas1", 1)) <= 4
    assert served.index(block("gas2", 2)) <= 9
    assert [each for each in served if isinstance(each, ClockStepped)] == [
        ClockStepped(number) for number in range(100)
    ]


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
