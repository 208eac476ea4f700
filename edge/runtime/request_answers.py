"""What the daemon answers to local commands, as JSON, and the words of refusals that are no reason at a door."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from edge.core.clock import Now
from edge.core.confirmations import confirmed_now
from edge.core.facts import Facts, Permit, Token, TokenVerdict
from edge.core.instruments import ages, overdue
from edge.core.interlocks import Condition
from edge.core.permits import ends_ms
from edge.core.question import Decision
from edge.core.reasons import WORDS, Reason
from edge.core.rules import PermitType, strictest
from edge.core.said import spoken
from edge.core.samples import unsampled
from edge.core.sampling import point_ages
from edge.core.site import permit_type_of
from edge.core.stand_ins import stand_ins
from edge.core.state import State
from edge.core.turn import Turn
from edge.runtime.override_requests import OVERRIDE_WORDS, overrides_answer, overrides_on
from edge.runtime.people_answer import inside_answer
from edge.runtime.place_answers import lockdowns_answer
from edge.runtime.place_requests import PLACE_WORDS
from edge.storage.authority_reader import AuthorityReader


def in_words(steps: int | None, resolution: str, unit: str) -> str:
    """A figure in its unit, ``—`` for none."""
    return "—" if steps is None else f"{steps * Decimal(resolution)} {unit}"


def clock_answer(now: Now) -> dict[str, Any]:
    """The clock interval, UTC milliseconds, and where it comes from."""
    return {"source": now.clock.source.value, "lo_ms": now.clock.lo_ms, "hi_ms": now.clock.hi_ms}


def reading_answer(condition: Condition) -> dict[str, Any]:
    """One interlock: its figure in steps of the resolution, its quality, why it fails."""
    measured = condition.measured
    return {
        "interlock": measured.interlock.interlock,
        "steps": measured.steps,
        "quality": measured.quality.value,
        "age_ms": measured.age_ms,
        "reason": None if condition.reason is None else condition.reason.value,
    }


def _strictest_type(state: State, permit: Permit, now: Now) -> PermitType | None:
    """What the packs of all areas of a permit here demand of its type together."""
    kept, plans = state.kept_packs(permit.permit), (state.site.areas.get(area) for area in permit.areas)
    types = [permit_type_of(permit.permit_type, plan.speaking(now.clock, kept)) for plan in plans if plan is not None]
    return strictest([each for each in types if each is not None])


def permit_status(state: State, permit: Permit, now: Now) -> dict[str, Any]:
    """A permit as HQ says it and as it stands here."""
    durable = state.durable
    trip = durable.trips.get(permit.permit)
    return {
        "permit": permit.permit,
        "type": permit.permit_type,
        "areas": list(permit.areas),
        "workers": list(permit.workers),
        "guardians": list(permit.guardians),
        "approver": permit.approver,
        "not_before_ms": permit.not_before_ms,
        "not_after_ms": permit.not_after_ms,
        "ends_ms": ends_ms(permit, _strictest_type(state, permit, now)),
        "hq_status": permit.status,
        "said": spoken(permit.said),
        "confirmed": confirmed_answer(state, permit),
        "running": permit.permit in durable.running,
        "inside": inside_answer(state, permit.permit),
        "paused": permit.permit in durable.pauses,
        "points": list(points_answer(state, permit, now)),
        "by_hand": [
            {
                "device": each.device,
                "by": each.by,
                "entry": each.entry,
                "left_ms": max(0, each.allowed_ms - each.age_ms),
            }
            for each in stand_ins(Turn(state, now), permit)
        ],
        "frozen": [each.freeze for each in durable.freezes.of(f"permit:{permit.permit}")],
        "trip": None
        if trip is None
        else {"entry": trip.entry, "reason": trip.reason, "interlock": trip.interlock, "retest": trip.retest},
        "overrides": overrides_answer(overrides_on(state, permit), now),
        "lockdowns": lockdowns_answer(state, permit.areas),
        "close_waits": permit.permit in durable.closing,
    }


def confirmed_answer(state: State, permit: Permit | None) -> list[str]:
    """What was confirmed on site for this version of a permit; nothing for one that is not known."""
    held = {} if permit is None else state.durable.confirmed.get(permit.permit, {})
    return [] if permit is None else list(confirmed_now(held, permit.version))


def points_answer(state: State, permit: Permit, now: Now) -> Iterator[dict[str, Any]]:
    """Each sample point of a permit: its last sample, why it is none to begin work with, what was typed by hand."""
    held = state.durable.samples.get(permit.permit, {})
    notes = state.durable.typed.get(permit.permit, {})
    known = _strictest_type(state, permit, now)
    ages = point_ages(Turn(state, now), permit, known)
    failing = {point: reason.value for reason, point in unsampled(ages)}
    for each in ages:
        last, note = held.get(each.point), notes.get(each.point)
        yield {
            "point": each.point,
            "age_ms": each.age_ms,
            "allowed_ms": each.allowed_ms,
            "reason": failing.get(each.point),
            "entry": None if last is None else last.at.entry,
            "passed": None if last is None else last.passed,
            "by": None if last is None else last.by,
            "typed": None if note is None else {"entry": note.entry, "by": note.by, "figures": dict(note.figures)},
        }


def instruments_answer(state: State, now: Now) -> Iterator[dict[str, Any]]:
    """Each demanded check of each instrument, done or not."""
    register, said = state.durable.instruments, state.durable.calibration_words
    for device, demanded in state.site.checks.items():
        for age in ages(device, demanded, register, said, now):
            done = register.get(device, {}).get(age.check.value)
            yield {
                "device": device,
                "check": age.check.value,
                "done_ms": None if done is None else done.done_ms,
                "by": None if done is None else done.by,
                "entry": None if done is None else done.entry,
                "allowed_ms": age.allowed_ms,
                "overdue": any(overdue((age,))),
                "says_due": age.says_due,
            }


def rules_answer(state: State, now: Now) -> Iterator[dict[str, Any]]:
    """The versions of rule packs that speak in each area now; of ``lost`` ones no more is known than that they do."""
    for area, plan in state.site.areas.items():
        speaking = plan.speaking(now.clock)
        lost = [each.name for each in speaking if each.lost]
        yield {"area": area, "packs": [each.name for each in speaking], "lost": lost}


def perfect_facts(state: State, reader: AuthorityReader, permit: Permit, worker: str) -> Facts:
    """The facts of a perfect badge for this worker on this permit."""
    token = Token(
        token_id="",
        key_id="",
        worker_tag="",
        site=state.site.site,
        areas=permit.areas,
        permit_short_ids=(permit.short_id,),
        permit_version=permit.version,
        not_before_ms=permit.not_before_ms,
        not_after_ms=permit.not_after_ms,
    )
    scopes = {each.scope for each in reader.freezes()}
    return Facts(
        authority_size=reader.size(),
        fresh_at_ms=reader.fresh_at_ms(),
        token=TokenVerdict(token, None),
        token_revoked=False,
        worker=reader.worker(worker),
        certificates=reader.certificates(worker),
        permits=(permit,),
        freezes=tuple(sorted(scopes)),
        linked=reader.linked((permit,)),
    )


def worker_answer(worker: str, area: str, decision: Decision) -> dict[str, Any]:
    """What one worker of a permit would be answered in one area."""
    return {
        "worker": worker,
        "area": area,
        "outcome": decision.outcome.value,
        "missing": [reason_answer(each.reason, each.detail) for each in decision.failing],
        "by_hand": [each.device for each in decision.by_hand],
    }


def reason_answer(reason: Reason, detail: str | None) -> dict[str, Any]:
    """A reason at a door with its words."""
    words = WORDS[reason]
    return {"code": reason.value, "detail": detail, "zh": words.zh, "en": words.en}


ACT_WORDS = {
    "reason_missing": ("须写明理由", "a reason in words is needed"),
    "photo_missing": ("须附现场照片", "a photo of it is needed"),
    "device_not_bound": ("该作业票的条件不涉及该检测仪", "no condition of this permit rests on that instrument"),
    "manual_never": (
        "该条件不得人工确认，须待检测仪恢复",
        "this is never confirmed by hand: the instrument has to be back",
    ),
    "device_answers": ("检测仪有应答，以其读数为准", "the instrument answers: its readings decide"),
    "silent_too_short": ("检测仪刚失联，请稍候再确认", "the instrument fell silent only just now: wait a few seconds"),
    "last_word_unsafe": (
        "检测仪失联前报故障、读数不合格或未就绪，不得人工确认",
        "before it fell silent the instrument said a fault or a figure over its limit: never confirmed by hand",
    ),
    "not_guardian": ("只有该许可的监护人可以确认", "only this permit's guardian may confirm"),
    "not_tripped": ("该许可没有跳闸", "this permit is not tripped"),
    "device_unknown": ("本网关没有该检测仪，或其无须检查", "no instrument of that id is to be checked here"),
    "check_in_future": ("检查时间在未来", "the check would have been done in the future"),
    "check_older": ("已登记更新的检查", "a later check is recorded already"),
    "calibration_contradicted": (
        "检测仪自身仍显示校准到期：请在仪器上完成校准，恢复测量一分钟后再登记",
        "the instrument itself still says that its calibration is due: calibrate it, let it measure for a minute",
    ),
    "not_running": ("该许可的作业尚未开始", "work on this permit has not begun"),
    "already_paused": ("作业已暂停", "work is paused already"),
    "not_paused": ("作业没有暂停", "work is not paused"),
    "break_retest_missing": ("中断超时，恢复前须复测合格", "the break was too long: a passing re-test is needed"),
    "break_samples_missing": (
        "中断超时，恢复前每个取样点须重新取样合格",
        "the break was too long: a passing sample at every point is needed",
    ),
    "point_unknown": ("该作业票没有该取样点", "the permit names no such sample point"),
    "retest_missing": ("跳闸后尚无合格复测", "no passing re-test since the trip"),
    "typed_not_counted": (
        "人工填写的数值已记录，但不作依据：请用检测仪取样",
        "the typed values are recorded and never count: sample with the instrument",
    ),
    "permit_unknown": ("本网关没有该许可", "no such open permit on this gateway"),
    **OVERRIDE_WORDS,
    **PLACE_WORDS,
}
"""Answers to a person's act that are no reason at a door: code to (zh, en)."""


def code_answer(code: str) -> dict[str, Any]:
    """A reason of a refused act with its words, whether a door can say it or not."""
    if code in ACT_WORDS:
        return {"code": code, "zh": ACT_WORDS[code][0], "en": ACT_WORDS[code][1]}
    words = WORDS[Reason(code)]
    return {"code": code, "zh": words.zh, "en": words.en}
