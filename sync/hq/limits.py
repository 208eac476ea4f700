"""Limits of HQ's front door: how much one caller may send, and how often."""

import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator

from sync.hq.refusals import Refusal, RefusalCode

_CALLERS_MAX = 4_096


class RateLimit:
    """A token bucket for each caller: ``burst`` calls at once, ``per_s`` in the long run."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_ms = per_s / 1000
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, caller: str, now_ms: int) -> None:
        """Count one call. Raises Refusal (too many requests) when the bucket is empty."""
        level, since_ms = self._buckets.pop(caller, (self._burst, now_ms))
        level = min(self._burst, level + max(0, now_ms - since_ms) * self._per_ms)
        allowed = level >= 1
        self._buckets[caller] = (level - 1 if allowed else level, now_ms)
        if len(self._buckets) > _CALLERS_MAX:
            self._buckets.popitem(last=False)
        if not allowed:
            raise Refusal(RefusalCode.TOO_MANY, "too many requests; wait a few seconds")


async def read_body(chunks: AsyncIterator[bytes], most: int) -> bytes:
    """A request's body of at most ``most`` bytes. Raises Refusal (too large) before reading on."""
    parts: list[bytes] = []
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > most:
            raise Refusal(RefusalCode.TOO_LARGE, f"body: more than {most} bytes")
        parts.append(chunk)
    return b"".join(parts)


def gunzip(data: bytes, most: int) -> bytes:
    """One gzip member of at most ``most`` bytes once unpacked. Raises Refusal (malformed or too large)."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(data, most + 1)
    except zlib.error:
        raise Refusal(RefusalCode.MALFORMED, "body: not gzip") from None
    if len(unpacked) > most:
        raise Refusal(RefusalCode.TOO_LARGE, f"body: more than {most} bytes when unpacked")
    if not unpacker.eof or unpacker.unused_data:
        raise Refusal(RefusalCode.MALFORMED, "body: not one whole gzip member")
    return unpacked
