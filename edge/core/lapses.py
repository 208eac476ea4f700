"""Certificates of people at work, against our own clock (row P04): valid through 23:59:59, over at 00:00.

A tap is refused by its own facts. Who went in before is told here: what their certificate said when they did.
"""

from edge.core.alarms import ALARMS
from edge.core.entries import Json
from edge.core.reasons import Reason
from edge.core.state import Running
from edge.core.turn import Turn


def lapse_delay_ms(turn: Turn, running: Running) -> int | None:
    """When the next certificate of somebody on this work ends; None: nobody's does."""
    ends_ms = min(running.certified.values(), default=None)
    return None if ends_ms is None else ends_ms - turn.now.clock.lo_ms


def lapse(turn: Turn, running: Running) -> None:
    """Record each certificate that has ended for certain, once, and sound the siren where that person works."""
    ended = [(worker, at_ms) for worker, at_ms in running.certified.items() if turn.now.clock.lo_ms >= at_ms]
    reason = Reason.CERTIFICATE_EXPIRED
    for worker, at_ms in sorted(ended):
        body: dict[str, Json] = {"worker": worker, "ended_ms": at_ms, "reason": reason.value, "alarm": ALARMS[reason]}
        turn.author("certificate.lapsed", body, permit=running.permit)
    for area in running.areas if ended else ():
        if area in turn.state.site.areas:
            turn.alarm(area)
