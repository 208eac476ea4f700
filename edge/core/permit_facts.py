"""What HQ says of the work itself, against what the type of the permit is judged by."""

from edge.core.blinds import blind_failing
from edge.core.facts import Permit
from edge.core.heights import height_failing
from edge.core.reasons import Reason
from edge.core.rules import PermitType


def facts_failing(permit: Permit, known: PermitType | None, demanded: bool) -> tuple[tuple[Reason, str], ...]:
    """Every reason why it is not enough, with what it is about. ``known`` is what the packs say of the type.

    ``demanded``: what HQ leaves out fails; else only what it says is judged.
    """
    if known is None:
        return ()
    found = height_failing(permit.permit_type, known.heights, permit.said, demanded)
    return (*found, *blind_failing(permit.said, demanded)) if known.one_blind else found
