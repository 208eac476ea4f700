"""What the actuators say of doors reaches the controller as it is."""

from edge.core.messages import DoorFaulted, DoorInput, DoorMoved, Input, Noticed
from edge.core.readings import MonotonicMs
from edge.runtime.door_news import DoorNews

AT = MonotonicMs(1)


class Doors:
    """Two doors and what the controller was told of them."""

    def __init__(self) -> None:
        self.told: list[Input] = []
        self.news = DoorNews(("d1", "d2"), self.told.append)

    def last(self) -> Input:
        return self.told[-1]


def test_a_bolt_that_does_not_follow_is_a_fault_until_it_follows() -> None:
    doors = Doors()
    doors.news.on_fault("d1", "bolt_not_following", True)
    assert doors.last() == DoorFaulted("d1", "bolt_not_following")
    doors.news.on_fault("d1", "bolt_not_following", False)
    assert doors.last() == DoorFaulted("d1", None)


def test_a_command_that_came_too_late_is_no_fault_of_the_door() -> None:
    doors = Doors()
    doors.news.on_fault("d1", "unlock_late", True)
    assert doors.told == []


def test_lines_are_told_as_they_moved() -> None:
    doors = Doors()
    for line in DoorInput:
        doors.news.on_input("d1", line.value, True, AT)
    assert doors.told == [DoorMoved("d1", line, True) for line in DoorInput]


def test_every_door_is_at_fault_while_nobody_moves_its_lock_and_each_heals_when_its_contact_is_told() -> None:
    doors = Doors()
    doors.news.on_lost("ended with 3")
    faults = [DoorFaulted(door, "actuators_lost") for door in ("d1", "d2")]
    assert doors.told == [Noticed("actuators.lost", "actuators", "ended with 3"), *faults]
    doors.told.clear()
    doors.news.on_input("d1", "rex", False, AT)
    doors.news.on_input("d1", "contact", True, AT)
    doors.news.on_input("d1", "contact", False, AT)
    assert [each for each in doors.told if isinstance(each, DoorFaulted)] == [DoorFaulted("d1", None)]


def test_the_actuators_are_lost_once_and_back_once_however_often_they_start_in_vain() -> None:
    doors = Doors()
    for why in ("ended with 3", "ended with 3 again"):
        doors.news.on_lost(why)
    for door in ("d1", "d2"):
        doors.news.on_input(door, "contact", False, AT)
    kinds = [each.kind for each in doors.told if isinstance(each, Noticed)]
    assert kinds == ["actuators.lost", "actuators.back"]
