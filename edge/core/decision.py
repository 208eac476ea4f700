"""The decision at the door: one pure function from a ``Question`` to a ``Decision``.

Entry needs all of it: authentic badge, person on the roster, permit in force for this area now, no hold, every
interlock good, a valid certificate, the guardian present, a trusted clock and young enough word from HQ. Unknown is
no. All failing reasons are given; the first in deny-first order is primary.
"""

from dataclasses import replace

from edge.core.approving import approves
from edge.core.by_hand import stands_in
from edge.core.facts import Permit, Token
from edge.core.interlocks import Condition, judge
from edge.core.permit_failing import authority_age_ms, holder, permit_failing, standing, window
from edge.core.permits import IN_FORCE, ended
from edge.core.question import Decision, Failing, Outcome, PermitSlice, Question
from edge.core.reasons import ORDER, REVIEW_ONLY, Reason


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
    judged = [(each, permit_failing(question, token, each)) for each in here]
    conditions = tuple(judge(measured) for each in here for measured in each.measured)
    guards = _guards(question, here)
    overdue = tuple(each.permit.permit for each in here if authentic and _overdue(question, each))
    approved = () if common else approves(question, token, here)
    if guards:
        return replace(_guardian(question, common, guards, overdue), approves=approved)
    if approved and not any(_is_on(question, each.permit) for each in here):
        return _approver(question, approved)
    if not common:
        for each, failing in judged:
            if not failing:
                return replace(_granted(question, each, conditions), approves=approved)
    failing = (*common, *(reason for _, failings in judged for reason in failings))
    return replace(_answer(question, failing, overdue, conditions), approves=approved)


def _approver(question: Question, approved: tuple[str, ...]) -> Decision:
    """The tap of somebody who only approves: noted, opens nothing."""
    worker = question.facts.worker
    assert worker is not None
    return Decision(Outcome.NOTED, Reason.APPROVER_PRESENT, (), None, worker.worker, (), (), (), approved)


def _granted(question: Question, permit: PermitSlice, conditions: tuple[Condition, ...]) -> Decision:
    worker = question.facts.worker
    found = (stands_in(judge(measured), permit.by_hand) for measured in permit.measured)
    by_hand = tuple(dict.fromkeys(each for each in found if each is not None))
    return Decision(
        outcome=Outcome.GRANTED,
        primary=Reason.GRANTED_BY_HAND if by_hand else Reason.GRANTED,
        failing=(),
        permit=permit.permit.permit,
        worker=None if worker is None else worker.worker,
        guards=(),
        freeze=(),
        conditions=conditions,
        by_hand=by_hand,
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
        for reason in (*standing(each), *window(question, token, each), *holder(question, token, each))
        if reason is not Reason.PERMIT_TYPE_UNKNOWN
    ]
    failing = (*common, Failing(Reason.WRONG_AREA, None, question.area), *elsewhere)
    open_here = (each for each in question.permits if not each.frozen and not ended(each.permit))
    freeze = tuple(each.permit.permit for each in open_here if authentic and _is_on(question, each.permit))
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
    if question.locked_down is not None:
        found.append(Reason.AREA_LOCKED_DOWN)
    if facts.token.refusal is not None:
        found.append(Reason(facts.token.refusal.value))
    if facts.token_revoked:
        found.append(Reason.BADGE_REVOKED)
    found.extend(_worker_failing(question))
    if question.site_frozen:
        found.append(Reason.SITE_FROZEN)
    if question.area_frozen:
        found.append(Reason.AREA_FROZEN)
    if authority_age_ms(question) is None:
        found.append(Reason.AUTHORITY_STALE)
    if question.journal_slow:
        found.append(Reason.JOURNAL_SLOW)
    return tuple(Failing(reason, None, _detail(question, reason)) for reason in found)


def _detail(question: Question, reason: Reason) -> str | None:
    """Whose lock-down it is, and the entry that says so."""
    locked_down = question.locked_down
    if reason is not Reason.AREA_LOCKED_DOWN or locked_down is None:
        return None
    return f"{locked_down.entry}, {locked_down.by}"


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
            for reason in (*standing(each), *window(question, token, each))
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
