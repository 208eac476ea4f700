"""The bounded way to talk to a tag. A tag is written by whoever holds it: time, frames and bytes are counted here."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from edge.ports.devices import MonotonicClock, MonotonicMs
from edge.ports.errors import DeviceError

READ_MS_MAX = 500
FRAMES_MAX = 64
ANSWER_BYTES_MAX = 2_048
"""Bytes of all answers of one read, protocol included."""

NDEF_BYTES_MAX = 1_024
"""Longest NDEF message that is read."""


class Refusal(Enum):
    """Why a badge in the field could not be read."""

    FIELD_LOST = "field_lost"
    DEADLINE = "deadline"
    TOO_MANY_FRAMES = "too_many_frames"
    TOO_LONG = "too_long"
    PROTOCOL = "protocol"


class TagRefused(DeviceError):
    """This tag cannot be read to the end; the reader itself is well. Only ``FIELD_LOST`` is worth another try."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(f"tag: {refusal.value}: {message}")
        self.refusal = refusal


Exchange = Callable[[bytes, float], bytes]
"""Sends one frame and gives the answer within that many seconds. Raises ``TagRefused`` (field lost) without one."""


@dataclass(slots=True)
class Budget:
    """What is left of one read. All tries at one badge share one budget."""

    clock: MonotonicClock
    deadline_ms: MonotonicMs
    frames: int = FRAMES_MAX
    answer_bytes: int = ANSWER_BYTES_MAX

    @classmethod
    def starting_now(cls, clock: MonotonicClock) -> "Budget":
        """A whole budget: 500 ms, 64 frames, 2 KiB."""
        return cls(clock, MonotonicMs(clock() + READ_MS_MAX))

    def left_s(self) -> float:
        """Seconds to the deadline. Raises ``TagRefused`` when there are none, or no frame is left."""
        left_ms = self.deadline_ms - self.clock()
        if left_ms <= 0:
            raise TagRefused(Refusal.DEADLINE, f"not read within {READ_MS_MAX} ms")
        if self.frames <= 0:
            raise TagRefused(Refusal.TOO_MANY_FRAMES, f"more than {FRAMES_MAX} frames")
        return left_ms / 1000


class Link:
    """Frames to and from one activated tag, within a budget."""

    def __init__(self, exchange: Exchange, budget: Budget) -> None:
        self._exchange = exchange
        self._budget = budget

    def ask(self, frame: bytes, timeout_s: float) -> bytes:
        """The tag's answer, never empty. Raises ``TagRefused``."""
        left_s = self._budget.left_s()
        self._budget.frames -= 1
        answer = self._exchange(frame, min(timeout_s, left_s))
        self._budget.answer_bytes -= len(answer)
        if self._budget.answer_bytes < 0:
            raise TagRefused(Refusal.TOO_LONG, f"more than {ANSWER_BYTES_MAX} bytes of answers")
        if not answer:
            raise TagRefused(Refusal.FIELD_LOST, "an empty answer")
        return answer


def protocol_error(message: str) -> TagRefused:
    """The tag answered against its own standard."""
    return TagRefused(Refusal.PROTOCOL, message)
