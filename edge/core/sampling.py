"""Sampling: a named person holds the instruments at a point, and what they read there is the sample.

The probe of a portable or pumped instrument is at the point when the act is told; the instrument is a device of this
site like any other, so the figures are its own and no person's.
"""

from edge.core.checking import checks_of
from edge.core.entries import Json
from edge.core.facts import Permit
from edge.core.instruments import overdue
from edge.core.interlocks import Condition
from edge.core.messages import Answer, Operator
from edge.core.reasons import Reason
from edge.core.rules import PermitType
from edge.core.samples import PointAge
from edge.core.turn import Turn
from edge.core.watching import conditions_of
from edge.core.working import age_ms, figure_of

_GAS = frozenset({Reason.GAS_OVER_LIMIT, Reason.TOXIC_OVER_LIMIT, Reason.OXYGEN_LOW, Reason.OXYGEN_HIGH})
_FIGURES_MOST = 64


def point_ages(turn: Turn, permit: Permit, known: PermitType | None, after: int = -1) -> tuple[PointAge, ...]:
    """Each point that HQ names of a permit, with its sample's age; only one made after that entry counts.

    The last sample of a point counts, if it passed and was of this version of the permit. ``known`` is what is demanded
    of the permit's type.
    """
    held = turn.state.durable.samples.get(permit.permit, {})
    allowed_ms = None if known is None else known.sample_ms

    def oldest_ms(point: str) -> int | None:
        last = held.get(point)
        if last is None or not last.passed or last.version != permit.version or last.at.entry <= after:
            return None
        told_ms = age_ms(last.at, turn)
        return None if told_ms is None else told_ms + last.age_ms

    return tuple(PointAge(point, oldest_ms(point), allowed_ms) for point in permit.points)


def sample(turn: Turn, act: Operator, permit: Permit) -> list[str]:
    """What the permit's gas instruments read now is the sample at the point. Returns why there is none.

    Like a re-test it passes if every reading is good, settled, of a checked instrument and inside its limits. One that
    does not pass is recorded too, and the earlier one of that point is void.
    """
    if act.point not in permit.points:
        return ["point_unknown"]
    if act.typed:
        _note(turn, act, permit)
        return []
    gas = [each for each in conditions_of(turn, permit) if each.measured.interlock.code in _GAS]
    reasons = _failing(turn, act, gas)
    ages_ms = [each.measured.age_ms for each in gas if each.measured.age_ms is not None]
    body: dict[str, Json] = {
        "by": act.by,
        "why": act.why,
        "point": act.point,
        "version": permit.version,
        "passed": not reasons,
        "reasons": reasons,
        "readings": [figure_of(each) for each in gas[:_FIGURES_MOST]],
        "age_ms": max(ages_ms, default=0),
    }
    blobs = () if act.photo is None else (act.photo,)
    entry = turn.author("permit.sampled", body, permit=permit.permit, cause=act.request, actor=act.by, blobs=blobs)
    turn.command(Answer(act.request, not reasons, tuple(reasons), entry))
    return []


def _note(turn: Turn, act: Operator, permit: Permit) -> None:
    """Figures that a person typed are kept, and the answer is no: nothing rests on them, ever."""
    body: dict[str, Json] = {
        "by": act.by,
        "why": act.why,
        "point": act.point,
        "version": permit.version,
        "typed": dict(act.typed),
        "counted": False,
    }
    blobs = () if act.photo is None else (act.photo,)
    entry = turn.author("permit.noted", body, permit=permit.permit, cause=act.request, actor=act.by, blobs=blobs)
    turn.command(Answer(act.request, False, ("typed_not_counted",), entry))


def _failing(turn: Turn, act: Operator, gas: list[Condition]) -> list[str]:
    reasons = [each.reason for each in gas if each.reason is not None]
    reasons += [reason for reason, _ in overdue(checks_of(turn, (each.measured.interlock for each in gas)))]
    if not gas:
        reasons.append(Reason.CHANNEL_MISSING)
    if _moved_just_now(turn, act, gas):
        reasons.append(Reason.READING_SETTLING)
    return [reason.value for reason in dict.fromkeys(reasons)]


def _moved_just_now(turn: Turn, act: Operator, gas: list[Condition]) -> bool:
    """Whether the instrument still shows another point: it was sampled less than the settling time ago."""
    settle_ms = max((each.measured.interlock.settle_ms for each in gas), default=0)
    held = turn.state.durable.samples.get(act.permit, {})
    ages_ms = (age_ms(last.at, turn) for point, last in held.items() if point != act.point)
    return any(each is not None and each < settle_ms for each in ages_ms)
