"""HQ's front door: who connects and says nothing, or not all, is shown out; who asks is answered as before."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from edge.app.hq import HEAD_S, PromptProtocol


class Timer:
    def __init__(self, delay_s: float, run: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.run: Callable[[], None] | None = run

    def cancel(self) -> None:
        self.run = None


class Loop:
    """As much of an event loop as the protocol uses; nothing runs by itself."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []
        self.begun = 0

    def call_later(self, delay_s: float, run: Callable[[], None]) -> Timer:
        self.timers.append(Timer(delay_s, run))
        return self.timers[-1]

    def create_task(self, task: Coroutine[Any, Any, None]) -> Any:
        self.begun += 1
        task.close()
        return self

    def add_done_callback(self, done: object) -> None:
        """Never done."""

    def pass_s(self, seconds: float) -> None:
        """All timers that are due by then, none later."""
        for timer in [each for each in self.timers if each.delay_s <= seconds]:
            if timer.run is not None:
                timer.run()


class Transport:
    def __init__(self) -> None:
        self.closed = False

    def abort(self) -> None:
        self.closed = True

    def close(self) -> None:
        """uvicorn's own, when the connection was lost."""

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> None:
        """Nothing is known."""


async def _application(scope: object, receive: object, send: object) -> None:
    """Never called here."""


@pytest.fixture
def door() -> tuple[PromptProtocol, Loop, Transport]:
    loop, transport = Loop(), Transport()
    config = uvicorn.Config(_application, log_config=None)
    protocol = PromptProtocol(config, ServerState(), {}, loop)  # type: ignore[arg-type]
    protocol.connection_made(transport)  # type: ignore[arg-type]
    return protocol, loop, transport


def test_a_caller_that_says_nothing_is_shown_out(door: tuple[PromptProtocol, Loop, Transport]) -> None:
    _, loop, transport = door
    loop.pass_s(HEAD_S - 1)
    assert not transport.closed
    loop.pass_s(HEAD_S)
    assert transport.closed


def test_a_head_that_drips_is_given_no_more_time_than_one_that_never_comes(
    door: tuple[PromptProtocol, Loop, Transport],
) -> None:
    protocol, loop, transport = door
    for letter in b"GET / HTTP/1.1\r\nhost: x\r\n":
        protocol.data_received(bytes([letter]))
    assert len(loop.timers) == 1
    loop.pass_s(HEAD_S)
    assert transport.closed


def test_a_request_that_was_made_is_waited_for(door: tuple[PromptProtocol, Loop, Transport]) -> None:
    protocol, loop, transport = door
    protocol.data_received(b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n")
    protocol.data_received(b"ab")
    assert loop.begun == 1
    loop.pass_s(HEAD_S)
    assert not transport.closed, "its body has a limit of its own"
    protocol.connection_lost(None)
    assert [each.run for each in loop.timers if each.delay_s == HEAD_S] == [None]
