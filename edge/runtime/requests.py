"""What local commands may ask of the running daemon: how things stand, what a permit lacks, a named person's act."""

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Condition as ThreadCondition
from typing import Any

from edge.core.asking import ready
from edge.core.clock import Now
from edge.core.entries import BlobReference
from edge.core.facts import Worker
from edge.core.instruments import Check
from edge.core.messages import (
    Answer,
    Input,
    InstrumentChecked,
    Operator,
    OperatorAction,
    OverrideLifted,
    OverrideMade,
)
from edge.core.places import PlaceOperator
from edge.core.question import Outcome
from edge.core.reasons import Reason
from edge.core.state import State
from edge.core.turn import Turn
from edge.core.watching import conditions_of
from edge.ports.errors import RefusedError, TransientError
from edge.runtime.override_requests import (
    override_asked,
    override_lifted,
    override_made,
    overrides_answer,
    overrides_on,
)
from edge.runtime.people_answer import people_answer
from edge.runtime.place_answers import forced_answer, lockdowns_answer, resting_answer
from edge.runtime.place_requests import place_act
from edge.runtime.request_answers import (
    clock_answer,
    code_answer,
    confirmed_answer,
    instruments_answer,
    perfect_facts,
    permit_status,
    points_answer,
    reading_answer,
    reason_answer,
    rules_answer,
    worker_answer,
)
from edge.runtime.request_checks import (
    act_details,
    attached_bytes,
    check_act,
    check_words,
    evidence_type,
    is_time,
    photo_type,
)
from edge.storage.authority_reader import AuthorityReader

_ANSWER_S = 5.0


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
                photo = None if request.get("photo") in (None, False) else attached_bytes(attached, "photo")
                return self._act(action, permit, (by, why), photo, request)
            case {"do": "check", "device": str(device), "by": str(by), "why": str(why)}:
                return self._check(request, device, (by, why), attached_bytes(attached, "evidence"))
            case {"do": "override"}:
                return self._override(request, attached)
            case {"do": "lift"}:
                return self._answered(override_lifted(request, self._person))
            case {"do": "place"}:
                return self._answered(place_act(request, self._person))
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
            "clock": clock_answer(now),
            "doors": {
                door: {"phase": "fault" if each.fault else each.phase.value, "fault": each.fault}
                for door, each in state.doors.items()
            },
            "permits": [permit_status(state, permit, now) for permit in state.permits.values()],
            "freezes": [
                {"freeze": each.freeze, "scope": each.scope, "by": each.by, "why": each.why}
                for each in durable.freezes.standing()
            ],
            "instruments": list(instruments_answer(state, now)),
            "rules": list(rules_answer(state, now)),
            "overrides": overrides_answer(durable.overrides.values(), now),
            "closing": sorted(durable.closing),
            "people": list(people_answer(state)),
            "sirens": dict(state.sirens),
            "resting": resting_answer(state, now),
            "forced": forced_answer(state),
            "lockdowns": lockdowns_answer(state),
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
                return {"ok": False, "permit": permit_id, "missing": [reason_answer(Reason.PERMIT_UNKNOWN, None)]}
            gathered = {worker: perfect_facts(state, reader, permit, worker) for worker in permit.workers}
        finally:
            reader.close()
        turn = Turn(state, self._now(state))
        decisions = ready(state, permit, gathered, turn)
        workers = [worker_answer(worker, area, decision) for (worker, area), decision in decisions.items()]
        return {
            "ok": any(decision.outcome is Outcome.GRANTED for decision in decisions.values()),
            "permit": permit_id,
            "status": permit_status(state, permit, turn.now),
            "workers": workers,
        }

    def _explain(self, permit_id: str) -> dict[str, Any]:
        """What is known now of every condition and sample of a permit, and under which versions of packs it runs."""
        state = self._state()
        now, work, permit = self._now(state), state.work(permit_id), state.permits.get(permit_id)
        conditions = () if work is None else conditions_of(Turn(state, now), work)
        return {
            "ok": True,
            "permit": permit_id,
            "running": permit_id in state.durable.running,
            "kept": list(state.kept_packs(permit_id)),
            "confirmed": confirmed_answer(state, state.permits.get(permit_id)),
            "clock": clock_answer(now),
            "conditions": [reading_answer(each) for each in conditions],
            "overrides": [] if work is None else overrides_answer(overrides_on(state, work), now),
            "lockdowns": [] if work is None else lockdowns_answer(state, work.areas),
            "points": [] if permit is None else list(points_answer(state, permit, now)),
        }

    def _act(
        self, action: str, permit: str, who: tuple[str, str], photo: bytes | None, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        by, why = who
        check_act(permit, by, why)
        more = act_details(request)
        try:
            wanted = OperatorAction(action)
        except ValueError:
            raise RefusedError(f"unknown action {action[:32]!r}") from None
        kept = None if photo is None else self._keep_evidence(photo, photo_type(photo))
        return self._answered(Operator(wanted, permit, by, self._person(by), why, kept, uuid.uuid4().hex, **more))

    def _check(self, request: Mapping[str, Any], device: str, who: tuple[str, str], evidence: bytes) -> dict[str, Any]:
        by, why = who
        check_words(device, by, why)
        done_ms = request.get("done_ms")
        try:
            check = Check(request.get("check"))
        except ValueError:
            raise RefusedError(f"unknown check {str(request.get('check'))[:32]!r}") from None
        if type(request.get("passed")) is not bool or not (done_ms is None or is_time(done_ms)):
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

    def _override(self, request: Mapping[str, Any], attached: int | None) -> dict[str, Any]:
        override_asked(request)
        photo = None if request.get("photo") in (None, False) else attached_bytes(attached, "photo")
        kept = None if photo is None else self._keep_evidence(photo, photo_type(photo))
        return self._answered(override_made(request, self._person, kept))

    def _person(self, worker: str) -> Worker | None:
        reader = AuthorityReader(self._authority_path)
        try:
            return reader.worker(worker)
        finally:
            reader.close()

    def _answered(
        self, act: Operator | InstrumentChecked | OverrideMade | OverrideLifted | PlaceOperator
    ) -> dict[str, Any]:
        answer = self.answers.ask(act.request, lambda: self._post(act))
        return {"ok": answer.ok, "reasons": [code_answer(each) for each in answer.reasons], "entry": answer.entry}
