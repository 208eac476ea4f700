"""Frames over a pipe whose reader is slow: nothing waits, and nothing that waits is forgotten."""

import contextlib
import os
from collections.abc import Iterator

import pytest

from edge.runtime.frames import OUTBOX_BYTES_MAX, FrameReader, FrameWriter

FRAME = {"k": "x", "text": "y" * 10_000}
_READ_BYTES = 65_536


@pytest.fixture
def pipe() -> Iterator[tuple[int, FrameWriter]]:
    reading, writing = os.pipe()
    writer = FrameWriter(writing)
    yield reading, writer
    writer.end()
    os.close(reading)


def test_a_sender_that_tries_again_gets_through_once_the_reader_reads(pipe: tuple[int, FrameWriter]) -> None:
    reading, writer = pipe
    reader, got, sent = FrameReader(), 0, 0
    while writer.send(FRAME):
        sent += 1
    assert sent * 10_000 > OUTBOX_BYTES_MAX, "the pipe and the outbox are full"
    os.set_blocking(reading, False)
    for _ in range(100):
        with contextlib.suppress(BlockingIOError):
            got += len(reader.feed(os.read(reading, _READ_BYTES)))
        sent += writer.send(FRAME)
    assert sent > 100, "only trying again, as a child does with a large delta, and nobody flushes"
    writer.flush()
    while got < sent:
        got += len(reader.feed(os.read(reading, _READ_BYTES)))
        writer.flush()
    assert got == sent


def test_a_pipe_that_was_ended_takes_nothing_more(pipe: tuple[int, FrameWriter]) -> None:
    _, writer = pipe
    writer.end()
    assert not writer.send(FRAME)
    assert writer.dropped == 1
