"""What local commands may ask of the running daemon: how things stand, what a permit lacks, a named person's act."""

import os
import stat
import uuid
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from threading import Condition as ThreadCondition
from typing import Any

from edge.core.clock import Now
from edge.core.decision import Decision, Outcome
from edge.core.entries import BlobReference
from edge.core.facts import Facts, Permit, Token, TokenVerdict, Worker
from edge.core.instruments import Check, ages, overdue
from edge.core.interlocks import Condition
from edge.core.messages import Answer, Input, InstrumentChecked, Operator, OperatorAction
from edge.core.reasons import WORDS, Reason
from edge.core.site import permit_type_of
from edge.core.state import State
from edge.core.tapping import ready
from edge.core.turn import Turn
from edge.core.watching import conditions_of
from edge.ports.errors import RefusedError, TransientError
from edge.storage.authority_reader import AuthorityReader

_ANSWER_S = 5.0
_ID_MOST, _WHY_MOST = 64, 500
"""What a person says goes into an entry as it is, and one that is too long for the journal would stop it."""
PHOTO_BYTES_MAX = 16 * 1024 * 1024
_PHOTO_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
_EVIDENCE_TYPES = {**_PHOTO_TYPES, b"%PDF-": "application/pdf"}
_PIECE = 65_536
_TIME_MS_END = 1 << 53


class Answers:
    """Where the controller's answers to operators meet the threads that wait for them."""

    def __init__(self) -> None:
        self._ready = ThreadCondition()
        self._wanted: set[str] = set()
        self._found: dict[str, Answer] = {}

    def give(self, answer: Answer) -> None:
        """Called by the controller. An answer that nobody waits for is dropped."""
        with self._ready:
            if answer.request in self._wanted:
                self._found[answer.request] = answer
                self._ready.notify_all()

    def ask(self, request: str, post: Callable[[], bool]) -> Answer:
        """Post a request and wait for its answer. Raises TransientError if none comes within 5 s."""
        with self._ready:
            self._wanted.add(request)
            try:
                if not post() or not self._ready.wait_for(lambda: request in self._found, _ANSWER_S):
                    raise TransientError("the controller did not answer in time: try again")
                return self._found.pop(request)
            finally:
                self._wanted.discard(request)


class Requests:
    """Answers one request each call, in the control thread. ``status`` gives the parts that the state does not hold."""

    def __init__(
        self,
        state: Callable[[], State],
        now: Callable[[State], Now],
        post: Callable[[Input], bool],
        authority_path: Path,
        keep_evidence: Callable[[bytes, str], BlobReference],
    ) -> None:
        self.answers = Answers()
        self.status: Callable[[], Mapping[str, Any]] = dict
        self.poke: Callable[[], None] = lambda: None
        self._state = state
        self._now = now
        self._post = post
        self._authority_path = authority_path
        self._keep_evidence = keep_evidence

    def handle(self, request: Mapping[str, Any], attached: int | None = None) -> Mapping[str, Any]:
        """One request; ``attached`` is the open photo that came with it. Raises RefusedError for one not known."""
        match request:
            case {"do": "status"}:
                return {"ok": True, **self._status()}
            case {"do": "ready", "permit": str(permit)}:
                return self._ready(permit)
            case {"do": "explain", "permit": str(permit)}:
                return self._explain(permit)
            case {"do": "act", "action": str(action), "permit": str(permit), "by": str(by), "why": str(why)}:
                photo = None if request.get("photo") in (None, False) else _attached(attached, "photo")
                return self._act(action, permit, (by, why), photo)
            case {"do": "check", "device": str(device), "by": str(by), "why": str(why)}:
                return self._check(request, device, (by, why), _attached(attached, "evidence"))
            case {"do": "sync"}:
                self.poke()
                return {"ok": True}
        raise RefusedError(f"unknown request {str(request.get('do'))[:32]!r}")

    def _status(self) -> dict[str, Any]:
        state = self._state()
        now = self._now(state)
        durable = state.durable
        return {
            "simulated": state.site.simulated,
            "gateway": state.site.gateway,
            "site": state.site.site,
            "origin": state.site.origin,
            "clock": _clock(now),
            "doors": {
                door: {"phase": "fault" if each.fault else each.phase.value, "fault": each.fault}
                for door, each in state.doors.items()
            },
            "permits": [_permit_status(state, permit, now) for permit in state.permits.values()],
            "freezes": [
                {"freeze": each.freeze, "scope": each.scope, "by": each.by, "why": each.why}
                for each in durable.freezes.standing()
            ],
            "instruments": list(_instruments(state, now)),
            "sirens": dict(state.sirens),
            "authority": {"size": durable.authority_size, "fresh_ms": durable.fresh_ms},
            "entries": durable.next_entry,
            "recorded": state.recorded,
            **self.status(),
        }

    def _ready(self, permit_id: str) -> dict[str, Any]:
        state = self._state()
        reader = AuthorityReader(self._authority_path)
        try:
            permit = reader.permit(permit_id)
            if permit is None:
                return {"ok": False, "permit": permit_id, "missing": [_reason(Reason.PERMIT_UNKNOWN, None)]}
            gathered = {worker: _facts(state, reader, permit, worker) for worker in permit.workers}
        finally:
            reader.close()
        turn = Turn(state, self._now(state))
        decisions = ready(state, permit, gathered, turn)
        workers = [_worker_answer(worker, area, decision) for (worker, area), decision in decisions.items()]
        return {
            "ok": any(decision.outcome is Outcome.GRANTED for decision in decisions.values()),
            "permit": permit_id,
            "status": _permit_status(state, permit, turn.now),
            "workers": workers,
        }

    def _explain(self, permit_id: str) -> dict[str, Any]:
        """What is known now of every condition of a permit, and under which versions of rule packs it runs."""
        state = self._state()
        now, work = self._now(state), state.work(permit_id)
        conditions = () if work is None else conditions_of(Turn(state, now), work)
        return {
            "ok": True,
            "permit": permit_id,
            "running": permit_id in state.durable.running,
            "kept": list(state.kept_packs(permit_id)),
            "clock": _clock(now),
            "conditions": [_reading(each) for each in conditions],
        }

    def _act(self, action: str, permit: str, who: tuple[str, str], photo: bytes | None) -> dict[str, Any]:
        by, why = who
        check_act(permit, by, why)
        try:
            wanted = OperatorAction(action)
        except ValueError:
            raise RefusedError(f"unknown action {action[:32]!r}") from None
        kept = None if photo is None else self._keep_evidence(photo, photo_type(photo))
        return self._answered(Operator(wanted, permit, by, self._person(by), why, kept, uuid.uuid4().hex))

    def _check(self, request: Mapping[str, Any], device: str, who: tuple[str, str], evidence: bytes) -> dict[str, Any]:
        by, why = who
        check_words(device, by, why)
        done_ms = request.get("done_ms")
        try:
            check = Check(request.get("check"))
        except ValueError:
            raise RefusedError(f"unknown check {str(request.get('check'))[:32]!r}") from None
        if type(request.get("passed")) is not bool or not (done_ms is None or _is_time(done_ms)):
            raise RefusedError("check: passed must be true or false, done_ms UTC milliseconds or null")
        if done_ms is None:
            done_ms = self._now(self._state()).clock.lo_ms
        kept = self._keep_evidence(evidence, evidence_type(evidence))
        passed, person = bool(request["passed"]), self._person(by)
        return self._answered(
            InstrumentChecked(
                device=device,
                check=check,
                done_ms=done_ms,
                passed=passed,
                by=by,
                person=person,
                why=why,
                evidence=kept,
                request=uuid.uuid4().hex,
            )
        )

    def _person(self, worker: str) -> Worker | None:
        reader = AuthorityReader(self._authority_path)
        try:
            return reader.worker(worker)
        finally:
            reader.close()

    def _answered(self, act: Operator | InstrumentChecked) -> dict[str, Any]:
        answer = self.answers.ask(act.request, lambda: self._post(act))
        return {"ok": answer.ok, "reasons": [_code(each) for each in answer.reasons], "entry": answer.entry}


def check_act(permit: str, by: str, why: str) -> None:
    """Raises RefusedError for what would not fit into an entry, or holds what a terminal would obey."""
    for name, text, most in (("permit", permit, _ID_MOST), ("by", by, _ID_MOST), ("reason", why, _WHY_MOST)):
        _check_words(name, text, most)


def check_words(device: str, by: str, why: str) -> None:
    """As ``check_act``, for a check of an instrument."""
    for name, text, most in (("device", device, _ID_MOST), ("by", by, _ID_MOST), ("reason", why, _WHY_MOST)):
        _check_words(name, text, most)


def photo_type(data: bytes) -> str:
    """The media type of a photo. Raises RefusedError for what is none, or too large."""
    return _type_of(data, _PHOTO_TYPES, "photo: must be a JPEG or PNG")


def evidence_type(data: bytes) -> str:
    """The media type of a photo or a certificate. Raises RefusedError for what is none, or too large."""
    return _type_of(data, _EVIDENCE_TYPES, "evidence: must be a JPEG, PNG or PDF")


def _type_of(data: bytes, types: Mapping[bytes, str], allowed: str) -> str:
    if len(data) <= PHOTO_BYTES_MAX:
        for magic, media_type in types.items():
            if data.startswith(magic):
                return media_type
    raise RefusedError(f"{allowed} of at most {PHOTO_BYTES_MAX} bytes")


def _is_time(value: object) -> bool:
    return type(value) is int and 0 <= value < _TIME_MS_END


def _attached(attached: int | None, name: str) -> bytes:
    """The bytes of the open file that came with a request. Raises RefusedError if it is no plain file."""
    if attached is None or not stat.S_ISREG(os.fstat(attached).st_mode):
        raise RefusedError(f"{name}: must come with the request, as an open file")
    found = bytearray()
    while len(found) <= PHOTO_BYTES_MAX and (piece := os.pread(attached, _PIECE, len(found))):
        found += piece
    return bytes(found)


def _check_words(name: str, text: str, most: int) -> None:
    """Raises RefusedError for a text that is too long, or holds what a terminal would obey."""
    if len(text) > most:
        raise RefusedError(f"{name}: {len(text)} characters, allowed at most {most}")
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text):
        raise RefusedError(f"{name}: holds control characters or line ends; write it in one line")


def in_words(steps: int | None, resolution: str, unit: str) -> str:
    """A figure in its unit, ``—`` for none."""
    return "—" if steps is None else f"{steps * Decimal(resolution)} {unit}"


def _clock(now: Now) -> dict[str, Any]:
    return {"source": now.clock.source.value, "lo_ms": now.clock.lo_ms, "hi_ms": now.clock.hi_ms}


def _reading(condition: Condition) -> dict[str, Any]:
    measured = condition.measured
    return {
        "interlock": measured.interlock.interlock,
        "steps": measured.steps,
        "quality": measured.quality.value,
        "age_ms": measured.age_ms,
        "reason": None if condition.reason is None else condition.reason.value,
    }


def _ends_ms(state: State, permit: Permit, now: Now) -> int:
    """When a permit ends by its own end or by what the packs of its areas here say of its type."""
    kept, plans = state.kept_packs(permit.permit), (state.site.areas.get(area) for area in permit.areas)
    types = [permit_type_of(permit.permit_type, plan.speaking(now.clock, kept)) for plan in plans if plan is not None]
    ends = [each.end_ms(permit.not_before_ms, permit.not_after_ms) for each in types if each is not None]
    return min(ends, default=permit.not_after_ms)


def _permit_status(state: State, permit: Permit, now: Now) -> dict[str, Any]:
    durable = state.durable
    trip = durable.trips.get(permit.permit)
    return {
        "permit": permit.permit,
        "type": permit.permit_type,
        "areas": list(permit.areas),
        "workers": list(permit.workers),
        "guardians": list(permit.guardians),
        "not_before_ms": permit.not_before_ms,
        "not_after_ms": permit.not_after_ms,
        "ends_ms": _ends_ms(state, permit, now),
        "hq_status": permit.status,
        "running": permit.permit in durable.running,
        "paused": permit.permit in durable.pauses,
        "frozen": [each.freeze for each in durable.freezes.of(f"permit:{permit.permit}")],
        "trip": None
        if trip is None
        else {"entry": trip.entry, "reason": trip.reason, "interlock": trip.interlock, "retest": trip.retest},
    }


def _instruments(state: State, now: Now) -> Iterator[dict[str, Any]]:
    """Each demanded check of each instrument, done or not."""
    register = state.durable.instruments
    for device, demanded in state.site.checks.items():
        for age in ages(device, demanded, register, now.clock):
            done = register.get(device, {}).get(age.check.value)
            yield {
                "device": device,
                "check": age.check.value,
                "done_ms": None if done is None else done.done_ms,
                "by": None if done is None else done.by,
                "entry": None if done is None else done.entry,
                "allowed_ms": age.allowed_ms,
                "overdue": any(overdue((age,))),
            }


def _facts(state: State, reader: AuthorityReader, permit: Permit, worker: str) -> Facts:
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


def _worker_answer(worker: str, area: str, decision: Decision) -> dict[str, Any]:
    return {
        "worker": worker,
        "area": area,
        "outcome": decision.outcome.value,
        "missing": [_reason(each.reason, each.detail) for each in decision.failing],
    }


def _reason(reason: Reason, detail: str | None) -> dict[str, Any]:
    words = WORDS[reason]
    return {"code": reason.value, "detail": detail, "zh": words.zh, "en": words.en}


ACT_WORDS = {
    "reason_missing": ("须写明理由", "a reason in words is needed"),
    "not_guardian": ("只有该许可的监护人可以确认", "only this permit's guardian may confirm"),
    "not_tripped": ("该许可没有跳闸", "this permit is not tripped"),
    "device_unknown": ("本网关没有该检测仪，或其无须检查", "no instrument of that id is to be checked here"),
    "check_in_future": ("检查时间在未来", "the check would have been done in the future"),
    "check_older": ("已登记更新的检查", "a later check is recorded already"),
    "not_running": ("该许可的作业尚未开始", "work on this permit has not begun"),
    "already_paused": ("作业已暂停", "work is paused already"),
    "not_paused": ("作业没有暂停", "work is not paused"),
    "break_retest_missing": ("中断超时，恢复前须复测合格", "the break was too long: a passing re-test is needed"),
    "retest_missing": ("跳闸后尚无合格复测", "no passing re-test since the trip"),
    "permit_unknown": ("本网关没有该许可", "no such open permit on this gateway"),
}
"""Answers to a person's act that are no reason at a door: code to (zh, en)."""


def _code(code: str) -> dict[str, Any]:
    if code in ACT_WORDS:
        return {"code": code, "zh": ACT_WORDS[code][0], "en": ACT_WORDS[code][1]}
    words = WORDS[Reason(code)]
    return {"code": code, "zh": words.zh, "en": words.en}
