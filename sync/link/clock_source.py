"""HQ's time as an anchor: signed over our nonce, so that no old answer can be played again."""

from dataclasses import dataclass

from edge.ports.devices import MonotonicClock
from edge.ports.link import TimeTransport
from sync.formats import note, time_note
from sync.formats.errors import FormatError
from sync.link.refusals import LinkRefused

ROUND_TRIP_MS_MAX = 5_000
"""A slower answer says too little about now."""


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """At ``boottime_ms`` (CLOCK_BOOTTIME) it was ``utc_ms``, give or take ``uncertainty_ms``."""

    utc_ms: int
    uncertainty_ms: int
    boottime_ms: int

    def latest_ms(self, boottime_ms: int, drift_ppm: int) -> int:
        """The latest UTC that it can be at ``boottime_ms``."""
        elapsed_ms = max(0, boottime_ms - self.boottime_ms)
        return self.utc_ms + self.uncertainty_ms + elapsed_ms + -(-elapsed_ms * drift_ppm // 1_000_000)


def ask(transport: TimeTransport, mirror: note.VerifierKey, nonce: str, clock: MonotonicClock) -> TimeAnswer | None:
    """HQ's time, or None when the answer took too long. HQ stamped it somewhere between our two readings of the clock.

    Raises LinkError, or LinkRefused for an answer that HQ did not sign over this nonce.
    """
    asked_ms = clock()
    answer = transport.time(nonce)
    heard_ms = clock()
    try:
        utc_ms = time_note.open_time(answer, nonce, mirror)
    except FormatError as error:
        raise LinkRefused("hq_time", str(error)) from None
    round_trip_ms = heard_ms - asked_ms
    if not 0 <= round_trip_ms <= ROUND_TRIP_MS_MAX:
        return None
    half_ms = -(-round_trip_ms // 2)
    # One more millisecond for the two clocks' own rounding.
    return TimeAnswer(utc_ms + half_ms, half_ms + 1, heard_ms)
