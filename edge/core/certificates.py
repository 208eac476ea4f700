"""Whether a person holds what a type of work demands: a certificate of one of its trades, valid now."""

from collections.abc import Iterable

from edge.core.clock import ClockInterval
from edge.core.facts import Certificate
from edge.core.reasons import Reason


def certificate_failing(
    clock: ClockInterval, certificates: Iterable[Certificate], trades: tuple[str, ...]
) -> Reason | None:
    """None if one certificate of a demanded trade is valid now; otherwise the reason closest to valid.

    ``trades`` empty: none is demanded.
    """
    if not trades:
        return None
    verdicts = {_verdict(clock, each) for each in certificates if each.trade in trades}
    if None in verdicts:
        return None
    for reason in (Reason.CERTIFICATE_IN_REVIEW, Reason.CERTIFICATE_EXPIRED, Reason.CERTIFICATE_INVALID):
        if reason in verdicts:
            return reason
    return Reason.CERTIFICATE_MISSING


def certified_until_ms(
    clock: ClockInterval, certificates: Iterable[Certificate], trades: tuple[str, ...]
) -> int | None:
    """When the last of the certificates that are good for these trades now ends, exclusive; None: none is demanded."""
    good = (each for each in certificates if each.trade in trades and _verdict(clock, each) is None)
    return max(map(_deadline_ms, good), default=None)


def _deadline_ms(certificate: Certificate) -> int:
    """The earlier of review date and end date counts."""
    return min(certificate.ends_ms, certificate.review_due_ms or certificate.ends_ms)


def _verdict(clock: ClockInterval, certificate: Certificate) -> Reason | None:
    """``resit`` inside the dates goes to a person."""
    deadline_ms = _deadline_ms(certificate)
    if certificate.revoked or certificate.status not in ("valid", "resit", "review_overdue"):
        return Reason.CERTIFICATE_INVALID
    if clock.hi_ms is None or clock.hi_ms >= deadline_ms or certificate.status == "review_overdue":
        return Reason.CERTIFICATE_EXPIRED
    return Reason.CERTIFICATE_IN_REVIEW if certificate.status == "resit" else None
