"""The decision at the door: one pure function from a ``Question`` to a ``Decision``.

Entry needs all of it: authentic badge, person on the roster, permit in force for this area now, no hold, every
interlock good, a valid certificate, the guardian present, a trusted clock and young enough word from HQ. Unknown is
no. All failing reasons are given; the first in deny-first order is primary.
"""

from dataclasses import dataclass, field
from enum import Enum

from edge.core.certificates import certificate_failing
from edge.core.clock import ClockInterval
from edge.core.codec import LATER
from edge.core.facts import Facts, Permit, Tap, Token
from edge.core.instruments import CheckAge, overdue
from edge.core.interlocks import Condition, Measured, judge
from edge.core.permits import (
    IN_FORCE,
    STATUS_NOT_ISSUED,
    STATUS_SUSPENDED,
    ended,
    ends_ms,
)
from edge.core.reasons import ORDER, REVIEW_ONLY, Reason
from edge.core.rules import PermitType


class Outcome(Enum):
    """The answer to a tap on the entry side. ``NOTED``: a guardian's presence was recorded, nothing opens."""

    GRANTED = "granted"
    DENIED = "denied"
    REVIEW = "review"
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Limits:
    """How old things may be, in milliseconds: the guardian's last tap, and HQ's last verified word."""

    guardian_ms: int
    offline_normal_ms: int
    offline_begun_ms: int


@dataclass(frozen=True, slots=True)
class PermitSlice:
    """One permit that the token names, with the slice of state that bears on it.

    ``guardian_age_ms`` is the age of the guardian's last tap in this area, ``harness_age_ms`` that of the confirmation,
    None: none that counts. ``missing`` are quantities that a rule demands and nothing in the area measures. ``checks``
    are those of the instruments that measure. ``analysed_today`` is False for work that needs an analysis each day and
    has none of this one. ``unlinked`` are permits that it names and that do not name it, or are not known;
    ``incomplete`` those that are not in force now.
    """

    permit: Permit
    permit_type: PermitType | None
    frozen: bool
    tripped: bool
    begun: bool
    guardian_age_ms: int | None
    harness_age_ms: int | None
    missing: tuple[str, ...]
    measured: tuple[Measured, ...]
    checks: tuple[CheckAge, ...] = field(default=(), metadata=LATER)
    paused: bool = field(default=False, metadata=LATER)
    unlinked: tuple[str, ...] = field(default=(), metadata=LATER)
    incomplete: tuple[str, ...] = field(default=(), metadata=LATER)
    not_upgraded: tuple[Reason, ...] = field(default=(), metadata=LATER)
    analysed_today: bool = field(default=True, metadata=LATER)

    @property
    def ends_ms(self) -> int:
        """See ``edge.core.permits.ends_ms``."""
        return ends_ms(self.permit, self.permit_type)


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that a decision rests on; its bytes lie beside the entry so that it can be decided again."""

    tap: Tap
    facts: Facts
    area: str
    packs: tuple[str, ...]
    door_fault: bool
    fire: bool
    journal_slow: bool
    site_frozen: bool
    area_frozen: bool
    worker_frozen: bool
    permits: tuple[PermitSlice, ...]
    clock: ClockInterval
    limits: Limits


@dataclass(frozen=True, slots=True)
class Failing:
    """One failing reason, of one permit if it is about one; ``detail`` names the channel or quantity."""

    reason: Reason
    permit: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. ``permit`` is the one that granted; ``guards`` those whose guardian this is.

    ``freeze`` are permits to freeze with an alarm: out of area, or overtime.
    """

    outcome: Outcome
    primary: Reason
    failing: tuple[Failing, ...]
    permit: str | None
    worker: str | None
    guards: tuple[str, ...]
    freeze: tuple[str, ...]
    conditions: tuple[Condition, ...]


def decide(question: Question) -> Decision:
    """The decision on one tap at an entry reader."""
    common = _common(question)
    token = question.facts.token.token
    if token is None:
        return _answer(question, common, (), ())
    here = tuple(each for each in question.permits if question.area in each.permit.areas)
    authentic = _authentic(question)
    if not here:
        return _nowhere(question, token, common, authentic)
    judged = [(each, _permit_failing(question, token, each)) for each in here]
    conditions = tuple(judge(measured) for each in here for measured in each.measured)
    guards = _guards(question, here)
    overdue = tuple(each.permit.permit for each in here if authentic and _overdue(question, each))
    if guards:
        return _guardian(question, common, guards, overdue)
    if not common:
        for each, failing in judged:
            if not failing:
                return _granted(question, each, conditions)
    failing = (*common, *(reason for _, failings in judged for reason in failings))
    return _answer(question, failing, overdue, conditions)


def _granted(question: Question, permit: PermitSlice, conditions: tuple[Condition, ...]) -> Decision:
    worker = question.facts.worker
    return Decision(
        outcome=Outcome.GRANTED,
        primary=Reason.GRANTED,
        failing=(),
        permit=permit.permit.permit,
        worker=None if worker is None else worker.worker,
        guards=(),
        freeze=(),
        conditions=conditions,
    )


def _answer(
    question: Question, failing: tuple[Failing, ...], freeze: tuple[str, ...], conditions: tuple[Condition, ...]
) -> Decision:
    """A refusal, or a review when only reasons fail that a person may settle."""
    ordered = tuple(sorted(dict.fromkeys(failing), key=lambda each: ORDER[each.reason]))
    assert ordered, "a refusal without a reason"
    review = all(each.reason in REVIEW_ONLY for each in ordered)
    worker = question.facts.worker
    return Decision(
        outcome=Outcome.REVIEW if review else Outcome.DENIED,
        primary=ordered[0].reason,
        failing=ordered,
        permit=None,
        worker=None if worker is None else worker.worker,
        guards=(),
        freeze=freeze,
        conditions=conditions,
    )


def _nowhere(question: Question, token: Token, common: tuple[Failing, ...], authentic: bool) -> Decision:
    """No permit of the token names this area: out of area if there is one at all, unknown otherwise.

    What else is wrong with the permits is said too, but for what only their own areas could tell.
    """
    if not question.permits:
        return _answer(question, (*common, Failing(Reason.PERMIT_UNKNOWN, None, None)), (), ())
    elsewhere = [
        Failing(reason, each.permit.permit, None)
        for each in question.permits
        for reason in (*_standing(each), *_window(question, token, each), *_holder(question, token, each))
        if reason is not Reason.PERMIT_TYPE_UNKNOWN
    ]
    failing = (*common, Failing(Reason.WRONG_AREA, None, question.area), *elsewhere)
    standing = (each for each in question.permits if not each.frozen and not ended(each.permit))
    freeze = tuple(each.permit.permit for each in standing if authentic and _is_on(question, each.permit))
    return _answer(question, failing, freeze, ())


def _authentic(question: Question) -> bool:
    """Whether the clock and the badge are beyond doubt: only then may a tap freeze a permit."""
    facts = question.facts
    return question.clock.hi_ms is not None and facts.token.token is not None and not facts.token_revoked


def _common(question: Question) -> tuple[Failing, ...]:
    """The failing reasons that are not about one permit."""
    facts, found = question.facts, []
    if question.door_fault:
        found.append(Reason.DOOR_FAULT)
    if question.clock.hi_ms is None:
        found.append(Reason.CLOCK_UNTRUSTED)
    if question.fire:
        found.append(Reason.FIRE_RELEASE)
    if facts.token.refusal is not None:
        found.append(Reason(facts.token.refusal.value))
    if facts.token_revoked:
        found.append(Reason.BADGE_REVOKED)
    found.extend(_worker_failing(question))
    if question.site_frozen:
        found.append(Reason.SITE_FROZEN)
    if question.area_frozen:
        found.append(Reason.AREA_FROZEN)
    if _age_ms(question) is None:
        found.append(Reason.AUTHORITY_STALE)
    if question.journal_slow:
        found.append(Reason.JOURNAL_SLOW)
    return tuple(Failing(reason, None, None) for reason in found)


def _worker_failing(question: Question) -> list[Reason]:
    facts = question.facts
    if facts.token.token is None:
        return []
    if facts.worker is None:
        return [Reason.WORKER_UNKNOWN]
    found = [Reason.WORKER_REVOKED] if facts.worker.revoked else []
    if question.worker_frozen:
        found.append(Reason.WORKER_FROZEN)
    return found


def _age_ms(question: Question) -> int | None:
    """The greatest possible age of HQ's last word, None if unknown: never had one, or no upper bound on now."""
    fresh_at_ms, hi_ms = question.facts.fresh_at_ms, question.clock.hi_ms
    return None if fresh_at_ms is None or hi_ms is None else hi_ms - fresh_at_ms


def _permit_failing(question: Question, token: Token, each: PermitSlice) -> tuple[Failing, ...]:
    """Every reason why this permit opens nothing to this person now."""
    found: list[Failing] = []

    def fail(reason: Reason, detail: str | None = None) -> None:
        found.append(Failing(reason, each.permit.permit, detail))

    for condition in map(judge, each.measured):
        if condition.reason is not None:
            fail(condition.reason, condition.measured.interlock.interlock)
    for quantity in each.missing:
        fail(Reason.CHANNEL_MISSING, quantity)
    for reason, device in overdue(each.checks):
        fail(reason, device)
    for permit in each.unlinked:
        fail(Reason.LINKED_PERMIT_MISSING, permit)
    for permit in each.incomplete:
        fail(Reason.LINKED_PERMIT_NOT_IN_FORCE, permit)
    for reason in each.not_upgraded:
        fail(reason)
    if not each.analysed_today:
        fail(Reason.ANALYSIS_NOT_TODAY)
    for reason in (*_standing(each), *_window(question, token, each), *_person(question, token, each)):
        fail(reason)
    age_ms = _age_ms(question)
    limits = question.limits
    allowed_ms = limits.offline_begun_ms if each.begun else limits.offline_normal_ms
    if age_ms is not None and age_ms > allowed_ms:
        fail(Reason.AUTHORITY_STALE)
    return tuple(found)


def _standing(each: PermitSlice) -> list[Reason]:
    """Where the permit stands with HQ and with us."""
    found = []
    if each.permit_type is None:
        found.append(Reason.PERMIT_TYPE_UNKNOWN)
    if each.frozen:
        found.append(Reason.PERMIT_FROZEN)
    if each.tripped:
        found.append(Reason.PERMIT_TRIPPED)
    if each.paused:
        found.append(Reason.PERMIT_PAUSED)
    status = each.permit.status
    if each.permit.revoked:
        found.append(Reason.PERMIT_REVOKED)
    elif status == STATUS_NOT_ISSUED:
        found.append(Reason.PERMIT_NOT_ISSUED)
    elif status == STATUS_SUSPENDED:
        found.append(Reason.PERMIT_SUSPENDED)
    elif status not in IN_FORCE:
        found.append(Reason.PERMIT_CLOSED)
    return found


def _window(question: Question, token: Token, each: PermitSlice) -> list[Reason]:
    """Windows of badge and permit, on the whole clock interval: doubt at either end is a refusal."""
    clock, permit, found = question.clock, each.permit, []
    if clock.maybe_before(max(permit.not_before_ms, token.not_before_ms)):
        found.append(Reason.NOT_YET_VALID)
    if clock.hi_ms is None:
        return found
    if clock.hi_ms >= permit.not_after_ms:
        found.append(Reason.PERMIT_EXPIRED)
    elif clock.hi_ms >= each.ends_ms:
        found.append(Reason.PERMIT_LONGEST_OVER)
    if clock.hi_ms >= token.not_after_ms:
        found.append(Reason.BADGE_EXPIRED)
    return found


def _overdue(question: Question, each: PermitSlice) -> bool:
    """Whether this tap is overtime without doubt, on a permit that is not held already."""
    inforce = each.permit.status in IN_FORCE and not each.permit.revoked
    late = question.clock.surely_after(each.ends_ms)
    return inforce and not each.frozen and late and _is_on(question, each.permit)


def _is_on(question: Question, permit: Permit) -> bool:
    """Whether this person works on that permit or guards it. HQ gives short ids anew: an old badge may name a permit of
    others, which its bearer cannot bring to a stop."""
    worker = question.facts.worker
    return worker is not None and worker.worker in (*permit.workers, *permit.guardians)


def _person(question: Question, token: Token, each: PermitSlice) -> list[Reason]:
    """Whether this person may do this work here with this badge, and is watched over."""
    found = _holder(question, token, each)
    if question.area not in token.areas and Reason.BADGE_OUTDATED not in found:
        found.append(Reason.BADGE_OUTDATED)
    demanded = each.permit_type
    if demanded is None:
        return found
    guardian_ms = question.limits.guardian_ms
    if demanded.guardian and (each.guardian_age_ms is None or each.guardian_age_ms > guardian_ms):
        found.append(Reason.GUARDIAN_ABSENT)
    if demanded.harness and (each.harness_age_ms is None or each.harness_age_ms > guardian_ms):
        found.append(Reason.HARNESS_NOT_CONFIRMED)
    return found


def _holder(question: Question, token: Token, each: PermitSlice) -> list[Reason]:
    """Whether this person may do this work with this badge, wherever it is. Its guardians do none."""
    found = [Reason.BADGE_OUTDATED] if token.permit_version < each.permit.version else []
    worker = question.facts.worker
    if worker is not None and worker.worker in each.permit.guardians:
        return found
    if worker is not None and worker.worker not in each.permit.workers:
        found.append(Reason.WORKER_NOT_ON_PERMIT)
    trades = () if each.permit_type is None else each.permit_type.certificates
    certificate = certificate_failing(question.clock, question.facts.certificates, trades)
    if certificate is not None:
        found.append(certificate)
    return found


def _guards(question: Question, here: tuple[PermitSlice, ...]) -> tuple[PermitSlice, ...]:
    """The permits of this area that this person guards. A guardian does no other work, so never also a worker's tap."""
    worker = question.facts.worker
    if worker is None:
        return ()
    return tuple(each for each in here if worker.worker in each.permit.guardians)


def _guardian(
    question: Question, common: tuple[Failing, ...], guards: tuple[PermitSlice, ...], overdue: tuple[str, ...]
) -> Decision:
    """A guardian's tap: presence is noted for permits that stand and are in their window, whatever the readings.

    The badge allows no more to a guardian than to a worker: one of an older version, or not for this area, notes none.
    """
    token = question.facts.token.token
    assert token is not None
    failing = list(common)
    noted = []
    for each in guards:
        reasons = [
            reason
            for reason in (*_standing(each), *_window(question, token, each))
            if reason not in (Reason.PERMIT_TRIPPED, Reason.PERMIT_PAUSED)
        ]
        if token.permit_version < each.permit.version or question.area not in token.areas:
            reasons.append(Reason.BADGE_OUTDATED)
        failing.extend(Failing(reason, each.permit.permit, None) for reason in reasons)
        if not reasons:
            noted.append(each.permit.permit)
    if common or not noted:
        return _answer(question, tuple(failing), overdue, ())
    worker = question.facts.worker
    assert worker is not None
    return Decision(Outcome.NOTED, Reason.GUARDIAN_PRESENT, (), None, worker.worker, tuple(noted), (), ())
