"""Readings: what a channel said, when, and whether it may be believed.

A reading's value is an integer count of the channel's ``resolution`` (gas 10.0 %LEL at resolution 0.1 is 100 steps),
so that a limit and a reading are compared exactly; no binary float reaches a decision.
"""

from enum import Enum
from typing import NamedTuple, NewType

MonotonicMs = NewType("MonotonicMs", int)
"""CLOCK_BOOTTIME in milliseconds: for ages and deadlines, comparable between processes of one boot."""

UtcMs = NewType("UtcMs", int)
"""UTC in milliseconds since 1970-01-01: for records and for windows that people write."""


class Quality(Enum):
    """Whether a reading is data. Only ``GOOD`` is; each of the others is unsafe."""

    GOOD = "good"
    STALE = "stale"
    COMM_FAIL = "comm_fail"
    DECODE_FAIL = "decode_fail"
    DEVICE_FAULT = "device_fault"
    WARMING_UP = "warming_up"
    INHIBITED = "inhibited"
    OUT_OF_RANGE = "out_of_range"
    NEVER_READ = "never_read"


class CalibrationSaid(NamedTuple):
    """What a device itself says of its calibration: how long it still holds, in ms, 0 or less: it is due; or else the
    day of the last one by its own calendar, in days since 1970-01-01. The other is None.
    """

    device: str
    left_ms: int | None
    done_day: int | None
    taken_at: MonotonicMs


class BlockRead(NamedTuple):
    """All channels of one device, read in one request: column by column, in the order of ``channels``.

    ``steps[i]`` is None exactly when ``qualities[i]`` is not GOOD: no last value, no zero, stands in for a missing one.
    ``taken_at`` is the start of the request, so an answer that came late is as old as the question.
    """

    device: str
    channels: tuple[str, ...]
    steps: tuple[int | None, ...]
    qualities: tuple[Quality, ...]
    taken_at: MonotonicMs
