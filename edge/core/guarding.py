"""Guardians: present at an area, taken over from, gone (GB 30871-2022 4.10; AQ 3064.2-2025 A.4, alarm 31).

A guardian is where they tapped last: noted at another area, or gone in as a worker, they guard here no more. Each tap
counts for a time (``[policy] guardian_s``). Where work runs and its guardian's tap counts no longer, that is recorded
and the siren sounds, once; nobody goes in until a guardian taps again.
"""

from edge.core.alarms import ALARMS
from edge.core.facts import Permit
from edge.core.reasons import Reason
from edge.core.state import Presence, Running
from edge.core.turn import Turn


def presence_age_ms(presence: Presence | None, permit: Permit, area: str | None, turn: Turn) -> int | None:
    """The age of a guardian's presence at ``area`` (None: it does not matter where), None if none counts.

    One in another boot does not: nobody knows how long ago it was. Neither does one of somebody who has left, is no
    guardian of the permit any more, or is frozen.
    """
    if presence is None or presence.boot_id != turn.now.boot_id:
        return None
    if area is not None and turn.state.durable.whereabouts.get(presence.worker, area) != area:
        return None
    if presence.worker not in permit.guardians or turn.state.durable.freezes.holds(f"worker:{presence.worker}"):
        return None
    return turn.now_ms - presence.boottime_ms


def taken_over_from(turn: Turn, permit: Permit, area: str, worker: str) -> str | None:
    """Whom a guardian who taps now relieves: another whose own tap still counts."""
    presence = turn.state.durable.guardians.get(permit.permit, {}).get(area)
    age_ms = presence_age_ms(presence, permit, area, turn)
    if presence is None or age_ms is None or presence.worker == worker:
        return None
    return presence.worker if age_ms <= turn.state.site.policy.guardian_ms else None


def guard_delay_ms(turn: Turn, running: Running) -> int | None:
    """When the guardian of running work has to be looked for next; None: nobody guards it, or that is told already."""
    permit, durable = turn.state.permits.get(running.permit), turn.state.durable
    if permit is None or running.permit in durable.pauses:
        return None
    delays = [
        _delay_ms(turn, permit, area, presence)
        for area, presence in durable.guardians.get(running.permit, {}).items()
        if area in running.areas and area not in running.unguarded
    ]
    return min(delays, default=None)


def _delay_ms(turn: Turn, permit: Permit, area: str, presence: Presence) -> int:
    guardian_ms = turn.state.site.policy.guardian_ms
    age_ms = presence_age_ms(presence, permit, area, turn)
    if age_ms is not None:
        return max(0, guardian_ms + 1 - age_ms)
    # After a power cut the guardian has the usual time to tap again; until then nobody goes in.
    return 0 if presence.boot_id == turn.now.boot_id else max(0, guardian_ms + 1 - turn.now_ms)


def guard(turn: Turn, running: Running) -> None:
    """Record each area of running work whose guardian is gone, and warn whoever is inside."""
    permit, durable = turn.state.permits.get(running.permit), turn.state.durable
    if permit is None or running.permit in durable.pauses:
        return
    for area, presence in sorted(durable.guardians.get(running.permit, {}).items()):
        known = area in running.areas and area in turn.state.site.areas
        if known and area not in running.unguarded and _delay_ms(turn, permit, area, presence) == 0:
            body = {"area": area, "worker": presence.worker, "alarm": ALARMS[Reason.GUARDIAN_ABSENT]}
            turn.author("guardian.absent", body, permit=running.permit)
            turn.alarm(area)


def moved(turn: Turn, worker: str) -> None:
    """Somebody was seen at a door: work that they have left unguarded is looked at at once."""
    durable = turn.state.durable
    for permit, running in durable.running.items():
        if any(each.worker == worker for each in durable.guardians.get(permit, {}).values()):
            guard(turn, running)
