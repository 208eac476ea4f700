"""Readings of one round are gathered; nothing that matters more ever waits for them."""

from threading import Thread

import pytest

from edge.core.messages import ClockStepped, Recorded
from edge.core.readings import BlockRead, MonotonicMs, Quality
from edge.runtime import inbox as inboxes
from edge.runtime.inbox import Inbox

FOREVER_S = 60.0


def block(device: str) -> BlockRead:
    return BlockRead(device, ("gas",), (1,), (Quality.GOOD,), MonotonicMs(1))


class Taker:
    """Another thread that waits for one input."""

    def __init__(self, inbox: Inbox) -> None:
        self.taken: object = None
        self._inbox = inbox
        self._thread = Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        self.taken = self._inbox.take(FOREVER_S)

    def result(self) -> object:
        self._thread.join(FOREVER_S)
        return self.taken


@pytest.fixture
def gathering(monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """An inbox that would gather for a minute, so that only what ends the wait can end the test in time."""
    monkeypatch.setattr(inboxes, "GATHER_S", FOREVER_S)
    return Inbox()


@pytest.mark.parametrize("urgent", [ClockStepped(5), Recorded(3)])
def test_an_edge_or_the_journals_word_ends_the_gathering_at_once_and_goes_first(gathering, urgent) -> None:
    taker = Taker(gathering)
    gathering.post(block("gas1"))
    gathering.post(block("gas2"))
    gathering.post(urgent)
    assert taker.result() == urgent
    assert [gathering.take(0), gathering.take(0)] == [block("gas1"), block("gas2")]


def test_a_call_into_the_controller_ends_the_gathering(gathering) -> None:
    taker = Taker(gathering)
    gathering.post(block("gas1"))
    called: list[int] = []
    gathering.call(lambda: called.append(1))
    function = taker.result()
    assert callable(function)
    function()
    assert called == [1]


def test_readings_that_already_wait_are_taken_without_gathering(gathering) -> None:
    gathering.post(block("gas1"))
    assert gathering.take(FOREVER_S) == block("gas1")


def test_readings_alone_come_after_a_few_milliseconds() -> None:
    inbox = Inbox()
    taker = Taker(inbox)
    inbox.post(block("gas1"))
    assert taker.result() == block("gas1")
    assert inboxes.GATHER_S <= 0.005
