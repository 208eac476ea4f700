"""A row of readings: the steps of one block as bytes, and back."""

import struct
from functools import cache

from edge.core.readings import BlockRead, Quality
from edge.ports.errors import DamagedError, UnusableError

# Numbers in the file: never reordered, new ones at the end.
_QUALITY_CODES = {
    Quality.GOOD: 0,
    Quality.STALE: 1,
    Quality.COMM_FAIL: 2,
    Quality.DECODE_FAIL: 3,
    Quality.DEVICE_FAULT: 4,
    Quality.WARMING_UP: 5,
    Quality.INHIBITED: 6,
    Quality.OUT_OF_RANGE: 7,
    Quality.NEVER_READ: 8,
}
_QUALITIES = {code: quality for quality, code in _QUALITY_CODES.items()}


@cache
def _layout(channels: int) -> struct.Struct:
    return struct.Struct(f"<{channels}q")


def pack(block: BlockRead) -> bytes:
    """Steps as 64-bit integers; quality codes follow only if not all are good. Raises UnusableError beyond 64 bits."""
    steps = block.steps
    try:
        if None not in steps:
            return _layout(len(steps)).pack(*steps)
        numbers = _layout(len(steps)).pack(*(0 if step is None else step for step in steps))
    except struct.error as error:
        raise UnusableError(f"reading of {block.device} cannot be stored: {error}") from None
    return numbers + bytes(_QUALITY_CODES[quality] for quality in block.qualities)


def unpack(packed: bytes, channels: int) -> tuple[tuple[int | None, ...], tuple[Quality, ...]]:
    """Steps and qualities back. Raises DamagedError for bytes that ``pack`` cannot have made."""
    layout = _layout(channels)
    codes = packed[layout.size :]
    if len(packed) < layout.size or len(codes) not in (0, channels):
        raise DamagedError(f"telemetry row of {len(packed)} bytes for {channels} channels")
    steps = layout.unpack_from(packed)
    if not codes:
        return steps, (Quality.GOOD,) * channels
    try:
        qualities = tuple(_QUALITIES[code] for code in codes)
    except KeyError as error:
        raise DamagedError(f"telemetry row with unknown quality {error}") from None
    held = zip(steps, qualities, strict=True)
    return tuple(step if quality is Quality.GOOD else None for step, quality in held), qualities
