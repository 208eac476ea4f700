"""What people confirm before work: that all were briefed, the risks analysed, the measures taken; and the harness.

AQ 3064.2-2025 5.4.5 and A.4, 70, 80, 90. HQ may say it with the permit; on site the permit's guardian does, who checks
permit and measures there (GB 30871-2022 4.10). What was confirmed for one version of a permit is none for the next:
other content, scope or place is other work (4.16, 4.17).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from edge.core.reasons import Reason


class Confirmation(Enum):
    """What may be confirmed. ``HARNESS`` is worn by people at height and grows old; ``EQUIPMENT`` is an instrument that
    does not answer, see ``edge.core.confirm_equipment``; the others hold for the permit."""

    HARNESS = "harness"
    EQUIPMENT = "equipment"
    BRIEFING = "briefing"
    RISK_ANALYSIS = "risk_analysis"
    MEASURES = "measures"


MISSING: Mapping[str, Reason] = {
    Confirmation.BRIEFING.value: Reason.BRIEFING_MISSING,
    Confirmation.RISK_ANALYSIS.value: Reason.RISK_ANALYSIS_MISSING,
    Confirmation.MEASURES.value: Reason.MEASURES_MISSING,
}
"""Of what a permit's type may demand: the reason while it is not confirmed."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A named person confirmed something on site, for one version of the permit."""

    worker: str
    entry: int
    version: int


def confirmed_now(held: Mapping[str, Confirmed], version: int) -> tuple[str, ...]:
    """What of it was confirmed for this version of the permit."""
    return tuple(what for what in MISSING if what in held and held[what].version == version)


def unconfirmed(
    wanted: tuple[str, ...], by_hq: tuple[str, ...] | None, here: tuple[str, ...], demanded: bool
) -> tuple[Reason, ...]:
    """Why what the type wants is not confirmed, by HQ or ``here``.

    ``by_hq`` None: HQ does not speak of it, and then it fails only where that is ``demanded``.
    """
    if by_hq is None and not demanded:
        return ()
    held = {*(by_hq or ()), *here}
    return tuple(reason for what, reason in MISSING.items() if what in wanted and what not in held)
