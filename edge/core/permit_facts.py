"""What HQ says of the work itself, against what the type of the permit is judged by."""

from edge.core.blinds import blind_failing
from edge.core.confirmations import unconfirmed
from edge.core.facts import Permit
from edge.core.heights import height_failing
from edge.core.reasons import Reason
from edge.core.rules import PermitType


def facts_failing(
    permit: Permit, known: PermitType | None, confirmed: tuple[str, ...], demanded: bool
) -> tuple[tuple[Reason, str | None], ...]:
    """Every reason why it is not enough, with what it is about. ``known`` is what the packs say of the type.

    ``confirmed``: what was confirmed on site. ``demanded``: what HQ leaves out fails; else only what it says is judged.
    """
    if known is None:
        return ()
    said = permit.said
    return (
        *height_failing(permit.permit_type, known.heights, said, demanded),
        *(blind_failing(said, demanded) if known.one_blind else ()),
        *((reason, None) for reason in unconfirmed(known.confirm, said.confirmed, confirmed, demanded)),
    )
