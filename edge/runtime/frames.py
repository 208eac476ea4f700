"""Frames between the daemon and its children: four bytes of length, big-endian, then one JSON object.

Bounded on both sides: a frame is at most 64 KiB, a writer keeps at most 256 KiB for a reader that is behind. Neither
side ever waits for the other: what does not fit is dropped and counted.
"""

import os
import select
from collections.abc import Mapping
from threading import Lock

import orjson

from edge.ports.errors import UnusableError

FRAME_BYTES_MAX = 65_536
OUTBOX_BYTES_MAX = 262_144
_HEADER_BYTES = 4
_READ_BYTES = 65_536

Message = dict[str, object]


class FrameError(UnusableError):
    """The far side of a pipe sent what is not a frame, or we tried to. Nothing after it can be believed."""


class PipeEnded(UnusableError):
    """The far side of the pipe is gone."""


def encode_frame(message: Mapping[str, object]) -> bytes:
    """The bytes of one message. Raises ``FrameError`` if it is not JSON or over 64 KiB."""
    try:
        body = orjson.dumps(message)
    except TypeError as error:
        raise FrameError(f"frame: cannot be written as JSON: {error}; send numbers, text, lists and objects") from error
    if len(body) > FRAME_BYTES_MAX:
        raise FrameError(f"frame: {len(body)} bytes, at most {FRAME_BYTES_MAX}; split the message")
    return len(body).to_bytes(_HEADER_BYTES, "big") + body


class FrameReader:
    """Bytes in, messages out, in any split. After a ``FrameError`` it refuses everything: the stream has no footing."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._broken: str | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes as they came; give every message that is whole now. Raises ``FrameError``."""
        if self._broken is not None:
            raise FrameError(self._broken)
        self._waiting += data
        messages: list[Message] = []
        while len(self._waiting) >= _HEADER_BYTES:
            length = int.from_bytes(self._waiting[:_HEADER_BYTES], "big")
            if length > FRAME_BYTES_MAX:
                raise self._break(f"frame: announces {length} bytes, at most {FRAME_BYTES_MAX}")
            end = _HEADER_BYTES + length
            if len(self._waiting) < end:
                break
            messages.append(self._decode(bytes(self._waiting[_HEADER_BYTES:end])))
            del self._waiting[:end]
        return messages

    def _decode(self, body: bytes) -> Message:
        try:
            message = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise self._break(f"frame: not JSON: {error}") from error
        if not isinstance(message, dict):
            raise self._break("frame: JSON, but not an object")
        return message

    def _break(self, why: str) -> FrameError:
        self._broken = why
        self._waiting.clear()
        return FrameError(why)


class FrameWriter:
    """Writes frames to a pipe and never waits. May be shared by threads.

    ``dropped`` counts the frames that found no room; a frame is written whole or not at all.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._outbox = bytearray()
        self._lock = Lock()
        self._ended = False
        self.dropped = 0

    def send(self, message: Mapping[str, object]) -> bool:
        """Hand over one message; False when it was dropped, because the reader is behind or gone.

        Raises ``FrameError`` for a message that is no frame: our mistake, not the pipe's.
        """
        frame = encode_frame(message)
        with self._lock:
            # What waits goes first: nobody else may come by to flush while the sender tries again and again.
            self._write()
            if self._ended or len(self._outbox) + len(frame) > OUTBOX_BYTES_MAX:
                self.dropped += 1
                return False
            self._outbox += frame
            self._write()
            return not self._ended

    def flush(self) -> None:
        """Try again to write what waits; call it now and then."""
        with self._lock:
            self._write()

    def end(self) -> None:
        """Close the pipe; the far side reads its end. May be called twice."""
        with self._lock:
            if not self._ended:
                self._ended = True
                self._outbox.clear()
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _write(self) -> None:
        while self._outbox and not self._ended:
            try:
                written = os.write(self._descriptor, self._outbox)
            except BlockingIOError:
                return
            except OSError:
                self._ended = True
                self._outbox.clear()
                return
            del self._outbox[:written]


class ParentPipe:
    """A child's side: messages from the daemon on one descriptor, messages to it on another."""

    def __init__(self, input_descriptor: int, output_descriptor: int) -> None:
        self._input = input_descriptor
        self._reader = FrameReader()
        self._writer = FrameWriter(output_descriptor)

    @classmethod
    def standard(cls) -> "ParentPipe":
        """Take over standard input and output: a stray ``print`` then goes to standard error, not into a frame."""
        input_descriptor, output_descriptor = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        return cls(input_descriptor, output_descriptor)

    @property
    def input_descriptor(self) -> int:
        """For a ``select`` of the child's own; readable when ``receive`` has something to do."""
        return self._input

    @property
    def dropped(self) -> int:
        """Messages to the daemon that found no room."""
        return self._writer.dropped

    def send(self, message: Mapping[str, object]) -> bool:
        """As ``FrameWriter.send``: never waits, also when the daemon is stopped."""
        return self._writer.send(message)

    def receive(self, wait_s: float) -> list[Message]:
        """Messages that are whole now; waits at most that long for bytes. ``wait_s`` = 0 only looks.

        Raises ``PipeEnded`` when the daemon is gone: the child then brings its things to rest and ends.
        """
        self._writer.flush()
        readable, _, _ = select.select([self._input], [], [], wait_s)
        if not readable:
            return []
        data = os.read(self._input, _READ_BYTES)
        if not data:
            raise PipeEnded("the daemon's end of the pipe is closed")
        return self._reader.feed(data)

    def end(self) -> None:
        """Close both descriptors."""
        self._writer.end()
        if self._input >= 0:
            os.close(self._input)
            self._input = -1
