"""How a permit stands with HQ, and when it ends. Status figures are those of AQ 3064.2-2025 A.1, TICKET_STATUS."""

from edge.core.facts import Permit
from edge.core.rules import PermitType

STATUS_NOT_ISSUED = 0
STATUS_ISSUED = 1
STATUS_WORKING = 2
STATUS_SUSPENDED = 6
IN_FORCE = frozenset({STATUS_ISSUED, STATUS_WORKING})
_ENDED = frozenset({3, 4, 5})


def ended(permit: Permit) -> bool:
    """Accepted, void, withdrawn or revoked: nothing more is written into such a permit's chain."""
    return permit.revoked or permit.status in _ENDED


def ends_ms(permit: Permit, permit_type: PermitType | None) -> int:
    """When the permit ends, UTC ms, exclusive: by its own end or by its type, if that is known here."""
    begins_ms, own_ms = permit.not_before_ms, permit.not_after_ms
    return own_ms if permit_type is None else permit_type.end_ms(begins_ms, own_ms)
