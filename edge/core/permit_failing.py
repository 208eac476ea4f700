"""Every reason why one permit opens nothing to one person now."""

from edge.core.approving import approver_absent
from edge.core.by_hand import stands_in
from edge.core.certificates import certificate_failing
from edge.core.distances import near_failing
from edge.core.facts import Token
from edge.core.instruments import overdue
from edge.core.interlocks import judge
from edge.core.overrides import failing as override_failing
from edge.core.permit_facts import facts_failing
from edge.core.permits import IN_FORCE, STATUS_NOT_ISSUED, STATUS_SUSPENDED
from edge.core.question import Failing, PermitSlice, Question
from edge.core.reasons import Reason
from edge.core.samples import unsampled


def authority_age_ms(question: Question) -> int | None:
    """The greatest possible age of HQ's last word, None if unknown: never had one, or no upper bound on now."""
    fresh_at_ms, hi_ms = question.facts.fresh_at_ms, question.clock.hi_ms
    return None if fresh_at_ms is None or hi_ms is None else hi_ms - fresh_at_ms


def permit_failing(question: Question, token: Token, each: PermitSlice) -> tuple[Failing, ...]:
    """Every reason why this permit opens nothing to this person now."""
    found: list[Failing] = []

    def fail(reason: Reason, detail: str | None = None) -> None:
        found.append(Failing(reason, each.permit.permit, detail))

    for condition in map(judge, each.measured):
        if condition.reason is not None and stands_in(condition, each.by_hand) is None:
            fail(condition.reason, condition.measured.interlock.interlock)
    for quantity in each.missing:
        fail(Reason.CHANNEL_MISSING, quantity)
    for reason, device in overdue(each.checks):
        fail(reason, device)
    for reason, named in override_failing(each.overrides):
        fail(reason, named)
    for permit in each.unlinked:
        fail(Reason.LINKED_PERMIT_MISSING, permit)
    for permit in each.incomplete:
        fail(Reason.LINKED_PERMIT_NOT_IN_FORCE, permit)
    for reason in each.not_upgraded:
        fail(reason)
    if approver_absent(question, each):
        fail(Reason.APPROVER_ABSENT, each.permit.approver)
    told = (each.permit, each.permit_type, each.confirmed)
    for reason, detail in facts_failing(*told, demanded=question.limits.permit_facts):
        fail(reason, detail)
    for reason, detail in near_failing(each.permit.said, each.near):
        fail(reason, detail)
    for permit in each.same_pipe:
        fail(Reason.BLIND_SAME_PIPE, permit)
    for reason, point in unsampled(each.points):
        fail(reason, point)
    if not each.analysed_today:
        fail(Reason.ANALYSIS_NOT_TODAY)
    for reason in (*standing(each), *window(question, token, each), *_person(question, token, each)):
        fail(reason)
    if question.people is not None and question.people.full:
        fail(Reason.AREA_FULL, f"{question.people.total}/{question.people.most}")
    age_ms = authority_age_ms(question)
    limits = question.limits
    allowed_ms = limits.offline_begun_ms if each.begun else limits.offline_normal_ms
    if age_ms is not None and age_ms > allowed_ms:
        fail(Reason.AUTHORITY_STALE)
    return tuple(found)


def standing(each: PermitSlice) -> list[Reason]:
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


def window(question: Question, token: Token, each: PermitSlice) -> list[Reason]:
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


def _person(question: Question, token: Token, each: PermitSlice) -> list[Reason]:
    """Whether this person may do this work here with this badge, and is watched over."""
    found = holder(question, token, each)
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


def holder(question: Question, token: Token, each: PermitSlice) -> list[Reason]:
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
