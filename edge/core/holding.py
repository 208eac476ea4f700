"""HQ's word and people's acts on site: freezes, permits, confirmations, re-tests and releases."""

from typing import assert_never

from edge.core.beside import beside_of
from edge.core.breaks import alarm_of, pause, resume
from edge.core.checking import checks_of
from edge.core.confirm_equipment import confirm_equipment
from edge.core.confirmations import Confirmation
from edge.core.entries import Json
from edge.core.facts import Permit
from edge.core.holds import Freeze
from edge.core.instruments import overdue
from edge.core.messages import Answer, AuthorityApplied, Operator, OperatorAction
from edge.core.nearby import tell_too_near
from edge.core.overriding import close, with_something_kept
from edge.core.passing import relock_held
from edge.core.permits import IN_FORCE, STATUS_SUSPENDED
from edge.core.reasons import Reason
from edge.core.sampling import sample
from edge.core.state import State
from edge.core.turn import Turn
from edge.core.watching import conditions_of, interlocks_of, watch
from edge.core.who import who_failing
from edge.core.working import running_type

_OPEN = IN_FORCE | {STATUS_SUSPENDED, 0}
_PER_ENTRY = 10
"""A freeze may say its reason in 256 characters of four bytes, and an entry has room for 16 KiB."""
_FRESH_ENTRY_MS = 300_000


def authority_applied(turn: Turn, applied: AuthorityApplied) -> None:
    """HQ's word reached the cache: permits in force follow it, freezes before everything else."""
    durable = turn.state.durable
    if applied.size < durable.authority_size:
        turn.author("authority.behind", {"size": applied.size, "believed": durable.authority_size})
        return
    freezes, releases = _news(turn.state, applied)
    _author(turn, applied, freezes, releases)
    gone = _permits(turn, applied)
    relock_held(turn, gone)
    tell_too_near(turn)


def _news(state: State, applied: AuthorityApplied) -> tuple[list[Freeze], list[str]]:
    """What is not already known: a cache that was applied before its entry is told again at the next start."""
    known = state.durable.freezes
    freezes = [each for each in applied.freezes if not known.knows(each)]
    return freezes, [each for each in applied.releases if each not in known.released]


def _author(turn: Turn, applied: AuthorityApplied, freezes: list[Freeze], releases: list[str]) -> None:
    durable = turn.state.durable
    aged = (applied.fresh_ms or 0) - (durable.fresh_ms or 0) >= _FRESH_ENTRY_MS
    if applied.size == durable.authority_size and not aged and not freezes and not releases:
        return
    while True:
        body: dict[str, Json] = {
            "size": applied.size,
            "root": applied.root,
            "fresh_ms": applied.fresh_ms,
            "freezes": [
                {"freeze": each.freeze, "scope": each.scope, "by": each.by, "why": each.why}
                for each in freezes[:_PER_ENTRY]
            ],
            "releases": list(releases[:_PER_ENTRY]),
        }
        turn.author("authority.applied", body)
        freezes, releases = freezes[_PER_ENTRY:], releases[_PER_ENTRY:]
        if not freezes and not releases:
            return


def _permits(turn: Turn, applied: AuthorityApplied) -> set[str]:
    """Open permits of this gateway's areas are kept; one that HQ closed is closed here too, if anything is kept of it.

    Returns the permits that are no longer open.
    """
    areas = turn.state.site.areas
    permits = {} if applied.complete else dict(turn.state.permits)
    gone: set[str] = set()
    for permit in applied.permits:
        if permit.status in _OPEN and not permit.revoked and any(area in areas for area in permit.areas):
            permits[permit.permit] = permit
        else:
            permits.pop(permit.permit, None)
            gone.add(permit.permit)
    if applied.complete:
        gone |= turn.state.permits.keys() - permits.keys()
    turn.change(permits=permits, beside=beside_of(turn.state.beside, applied))
    for permit_id in with_something_kept(turn.state.durable):
        if permit_id in gone or (applied.complete and permit_id not in permits):
            close(turn, permit_id)
    return gone


def operator(turn: Turn, act: Operator) -> None:
    """A named person's act on a permit: done, or answered with every reason why not. Both are recorded."""
    permit = turn.state.permits.get(act.permit)
    reasons = who_failing(turn.state, act.by, act.person, act.why) + (["permit_unknown"] if permit is None else [])
    if permit is None or reasons:
        _refuse(turn, act, reasons)
        return
    match act.action:
        case OperatorAction.CONFIRM:
            _confirm(turn, act, permit)
        case OperatorAction.RETEST:
            _retest(turn, act, permit)
        case OperatorAction.RELEASE:
            _release(turn, act, permit)
        case OperatorAction.PAUSE:
            _unless(turn, act, pause(turn, act))
        case OperatorAction.RESUME:
            _unless(turn, act, resume(turn, act))
        case OperatorAction.SAMPLE:
            _unless(turn, act, sample(turn, act, permit))
        case _:
            assert_never(act.action)


def _refuse(turn: Turn, act: Operator, reasons: list[str]) -> None:
    body: dict[str, Json] = {
        "action": act.action.value,
        "permit": act.permit,
        "by": act.by,
        "why": act.why,
        "reasons": list(reasons),
        **alarm_of(reasons),
    }
    entry = turn.author("operator.refused", body, cause=act.request, actor=act.by)
    turn.command(Answer(act.request, False, tuple(reasons), entry))


def _unless(turn: Turn, act: Operator, reasons: list[str]) -> None:
    """What could not be done is refused."""
    if reasons:
        _refuse(turn, act, reasons)


def _done(turn: Turn, act: Operator, kind: str, body: dict[str, Json]) -> None:
    said: dict[str, Json] = {"by": act.by, "why": act.why, **body}
    blobs = () if act.photo is None else (act.photo,)
    entry = turn.author(
        kind,
        said,
        permit=act.permit,
        cause=act.request,
        actor=act.by,
        blobs=blobs,
    )
    turn.command(Answer(act.request, True, (), entry))


def _confirm(turn: Turn, act: Operator, permit: Permit) -> None:
    """The guardian vouches for it. Flagged for review: a person said it, no camera, instrument or system did."""
    if act.by not in permit.guardians:
        _refuse(turn, act, ["not_guardian"])
    elif act.what is Confirmation.EQUIPMENT:
        _unless(turn, act, confirm_equipment(turn, act, permit))
    else:
        body: dict[str, Json] = {"what": act.what.value, "permit_version": permit.version, "review": True}
        _done(turn, act, "permit.confirmed", body)


def _failing(turn: Turn, permit: Permit) -> list[str]:
    """Every reason why the conditions of a permit cannot be called good for their hold-off."""
    watch(turn, permit.permit)
    reasons = [each.reason.value for each in conditions_of(turn, permit) if each.reason is not None]
    interlocks = interlocks_of(turn, permit)
    reasons += [reason.value for reason, _ in overdue(checks_of(turn, interlocks))]
    since = turn.state.clear_since.get(permit.permit)
    holdoff_ms = max((each.settle_ms for each in interlocks), default=0)
    tripped = permit.permit in turn.state.durable.trips
    if tripped and not reasons and (since is None or turn.now_ms - since < holdoff_ms):
        reasons.append(Reason.READING_SETTLING.value)
    return list(dict.fromkeys(reasons))


def _retest(turn: Turn, act: Operator, permit: Permit) -> None:
    """A re-test by a named person. The instruments' own readings, good for their hold-off, decide whether it passes."""
    if not _testable(turn, permit.permit):
        _refuse(turn, act, ["not_tripped"])
        return
    reasons = _failing(turn, permit)
    body: dict[str, Json] = {"by": act.by, "why": act.why, "passed": not reasons, "reasons": reasons}
    entry = turn.author("permit.retested", body, permit=permit.permit, cause=act.request, actor=act.by)
    turn.command(Answer(act.request, not reasons, tuple(reasons), entry))


def _testable(turn: Turn, permit: str) -> bool:
    """Whether a re-test means anything: after a trip, in a break, and while work runs that needs one each day."""
    durable = turn.state.durable
    if permit in durable.trips or permit in durable.pauses:
        return True
    running = durable.running.get(permit)
    known = None if running is None else running_type(turn.state, running, turn.now.clock)
    return known is not None and known.daily_analysis


def _release(turn: Turn, act: Operator, permit: Permit) -> None:
    """A trip is lifted on site: condition good, a passing re-test since, a named person."""
    trip = turn.state.durable.trips.get(permit.permit)
    if trip is None:
        _refuse(turn, act, ["not_tripped"])
        return
    reasons = _failing(turn, permit)
    trip = turn.state.durable.trips[permit.permit]
    if trip.retest is None:
        reasons.append("retest_missing")
    if reasons:
        _refuse(turn, act, reasons)
        return
    _done(turn, act, "permit.trip_released", {"trip": trip.entry, "retest": trip.retest})
