"""The fold: durable state is what the entries say, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from edge.core.clock import Anchor, ClockSource
from edge.core.confirmations import Confirmation, Confirmed
from edge.core.entries import Entry
from edge.core.holds import Freeze, Trip
from edge.core.instruments import CalibrationWord, Check, Checked, with_check
from edge.core.overrides import Override, with_expired
from edge.core.people import people_after
from edge.core.place_fold import fold_place
from edge.core.published import Published, Verdict, refused_text
from edge.core.readings import MonotonicMs, UtcMs
from edge.core.state import Approval, Durable, Moment, Pause, Presence, Running, Sample, Typed

_APPROVALS_MOST = 256

_REFUSED_MOST = 64


def fold(durable: Durable, entry: Entry) -> Durable:
    """The durable state after one more entry. Entries come in order, each once."""
    assert entry.seq == durable.next_entry, f"entry {entry.seq} folded at {durable.next_entry}"
    folded = _apply(durable, entry, entry.body)
    lowest_ms, people = max(durable.lowest_ms, entry.stamp.lowest_ms), people_after(durable.people, entry)
    return replace(folded, next_entry=entry.seq + 1, lowest_ms=lowest_ms, people=people)


def _apply(durable: Durable, entry: Entry, body: Mapping[str, Any]) -> Durable:
    match entry.kind:
        case "authority.applied":
            return _authority(durable, body)
        case "hold.frozen":
            return replace(durable, freezes=durable.freezes.merge([_freeze(body)], ()))
        case "clock.anchored":
            return replace(durable, anchor=_anchor(body))
        case "guardian.present":
            return _guardian(durable, entry, body)
        case "access.decided" if body.get("decision") == "granted":
            return _went_in(durable, body["worker"])
        case "exit.tapped" if body.get("worker") is not None:
            return _left(durable, body["worker"])
        case "instrument.checked":
            passed = Checked(body["done_ms"], body["by"], entry.seq) if body["passed"] else None
            register = with_check(durable.instruments, body["device"], Check(body["check"]), passed)
            return replace(durable, instruments=register)
        case "rules.applied" | "rules.refused" | "rules.revoked":
            return fold_rules(durable, entry, body)
        case "instrument.said":
            return replace(
                durable, calibration_words={**durable.calibration_words, body["device"]: _calibration_word(entry, body)}
            )
        case "door.forced" | "door.acknowledged" | "area.locked_down" | "area.released":
            return fold_place(durable, entry, body)
        case "override.made":
            return replace(durable, overrides={**durable.overrides, body["override"]: _override(durable, entry, body)})
        case "override.expired":
            return replace(durable, overrides=with_expired(durable.overrides, body["override"]))
        case "override.lifted":
            return replace(durable, overrides=without(durable.overrides, body["override"]))
    return durable if entry.permit is None else _permit(durable, entry, entry.permit, body)


def _permit(durable: Durable, entry: Entry, permit: str, body: Mapping[str, Any]) -> Durable:
    match entry.kind:
        case "permit.begun":
            # Entries of earlier versions do not say what the work is bound to: HQ's word and today's rules do.
            areas, packs = tuple(body.get("areas", ())), tuple(body.get("packs", ()))
            begun = Running(
                permit,
                entry.seq,
                body.get("permit_type", ""),
                areas,
                packs,
                body.get("ends_ms"),
                recorded=_moment(entry),
                analysed=_moment(entry),
            )
            running = {**durable.running, permit: begun}
            return replace(durable, running=running, closing=durable.closing - {permit})
        case "permit.confirmed":
            return _confirmed(durable, entry, permit, body)
        case "approver.present":
            approval = Approval(body["worker"], body["permit_version"], entry.seq)
            # Permits that never begin are never closed here: the oldest approvals go.
            kept = list(without(durable.approvers, permit).items())[1 - _APPROVALS_MOST :]
            return replace(durable, approvers={**dict(kept), permit: approval})
        case "permit.tripped":
            trip = Trip(permit, entry.seq, body["reason"], body["interlock"], None)
            return replace(durable, trips={**durable.trips, permit: trip})
        case "permit.retested" if body["passed"]:
            return _retested(durable, entry, permit)
        case "permit.paused":
            return replace(durable, pauses={**durable.pauses, permit: Pause(_moment(entry), None)})
        case "permit.resumed":
            return replace(durable, pauses=without(durable.pauses, permit))
        case "permit.too_near" if permit in durable.running:
            told = (*durable.running[permit].too_near, body["other"])
            return replace(durable, running=_changed(durable.running, permit, too_near=told))
        case "permit.overdue" | "permit.recorded" | "permit.record_missed" if permit in durable.running:
            changes = _TIMES[entry.kind](entry)
            return replace(durable, running=_changed(durable.running, permit, **changes))
        case "access.released" if permit in durable.running and body.get("certified_until_ms") is not None:
            certified = {**durable.running[permit].certified, body["worker"]: body["certified_until_ms"]}
            return replace(durable, running=_changed(durable.running, permit, certified=certified))
        case "certificate.lapsed" if permit in durable.running:
            certified = without(durable.running[permit].certified, body["worker"])
            return replace(durable, running=_changed(durable.running, permit, certified=certified))
        case "guardian.absent" if permit in durable.running:
            unguarded = (*durable.running[permit].unguarded, body["area"])
            return replace(durable, running=_changed(durable.running, permit, unguarded=unguarded))
        case "permit.trip_released":
            return replace(durable, trips=without(durable.trips, permit))
        case "permit.close_refused":
            return replace(_ended(durable, permit), closing=durable.closing | {permit})
        case "permit.closed":
            return replace(_ended(durable, permit), closing=durable.closing - {permit})
    said = _SAID.get(entry.kind)
    return durable if said is None else said(durable, entry, permit, body)


def _sampled(durable: Durable, entry: Entry, permit: str, body: Mapping[str, Any]) -> Durable:
    """What was sampled at a point, passing or not, takes the place of what was before."""
    last = Sample(_moment(entry), body["by"], body["passed"], body["version"], body["age_ms"])
    return replace(durable, samples=_with(durable.samples, permit, body["point"], last))


def _noted(durable: Durable, entry: Entry, permit: str, body: Mapping[str, Any]) -> Durable:
    """What a person typed is kept to be shown."""
    typed = Typed(entry.seq, body["by"], body["typed"])
    return replace(durable, typed=_with(durable.typed, permit, body["point"], typed))


def _degraded(durable: Durable, entry: Entry, permit: str, body: Mapping[str, Any]) -> Durable:
    """Somebody stands in for a device."""
    return replace(durable, by_hand=_with(durable.by_hand, permit, body["device"], _presence(entry, body["by"])))


def _degraded_over(durable: Durable, entry: Entry, permit: str, body: Mapping[str, Any]) -> Durable:
    """The device answers again."""
    kept, others = without(durable.by_hand.get(permit, {}), body["device"]), without(durable.by_hand, permit)
    return replace(durable, by_hand={**others, permit: kept} if kept else others)


_SAID: Mapping[str, Callable[[Durable, Entry, str, Mapping[str, Any]], Durable]] = {
    "permit.sampled": _sampled,
    "permit.noted": _noted,
    "permit.degraded": _degraded,
    "permit.degraded_over": _degraded_over,
}
"""What people say of a permit."""


def _ended(durable: Durable, permit: str) -> Durable:
    """Nothing more is kept of the work of a permit."""
    return replace(
        durable,
        running=without(durable.running, permit),
        trips=without(durable.trips, permit),
        pauses=without(durable.pauses, permit),
        guardians=without(durable.guardians, permit),
        harness=without(durable.harness, permit),
        approvers=without(durable.approvers, permit),
        confirmed=without(durable.confirmed, permit),
        samples=without(durable.samples, permit),
        typed=without(durable.typed, permit),
        by_hand=without(durable.by_hand, permit),
    )


def _calibration_word(entry: Entry, body: Mapping[str, Any]) -> CalibrationWord:
    moment = _moment(entry)
    return CalibrationWord(
        body.get("left_ms"), body.get("done_ms"), entry.seq, moment.boot_id, moment.boottime_ms, moment.lowest_ms
    )


def _override(durable: Durable, entry: Entry, body: Mapping[str, Any]) -> Override:
    """As the first of its entries made it: the others tell further permits of the same."""
    return durable.overrides.get(body["override"]) or Override(
        override=body["override"],
        device=body.get("device"),
        protection=body.get("protection"),
        permits=tuple(body["permits"]),
        owner=body["owner"],
        why=body["why"],
        until_ms=body["until_ms"],
        lasts_ms=body["lasts_ms"],
        boot_id=entry.stamp.boot_id,
        boottime_ms=MonotonicMs(entry.stamp.boottime_ms),
        expired=False,
    )


_TIMES: Mapping[str, Callable[[Entry], dict[str, Any]]] = {
    "permit.overdue": lambda entry: {"overdue": True},
    "permit.recorded": lambda entry: {"recorded": _moment(entry), "record_missed": False},
    "permit.record_missed": lambda entry: {"record_missed": True},
}


def _retested(durable: Durable, entry: Entry, permit: str) -> Durable:
    """A passing re-test lifts nothing by itself: it lets a trip be released, a break end and a further day begin."""
    return replace(
        durable,
        trips=_changed(durable.trips, permit, retest=entry.seq),
        pauses=_changed(durable.pauses, permit, retest=entry.seq),
        running=_changed(durable.running, permit, analysed=_moment(entry)),
    )


def _confirmed(durable: Durable, entry: Entry, permit: str, body: Mapping[str, Any]) -> Durable:
    """Entries of earlier versions do not say what was confirmed: it was the harness."""
    what = body.get("what", Confirmation.HARNESS.value)
    if what == Confirmation.HARNESS.value:
        return replace(durable, harness={**durable.harness, permit: _presence(entry, body["by"])})
    held = {**durable.confirmed.get(permit, {}), what: Confirmed(body["by"], entry.seq, body["permit_version"])}
    return replace(durable, confirmed={**durable.confirmed, permit: held})


def _changed(mapping: Mapping[str, Any], key: str, **changes: Any) -> Mapping[str, Any]:
    """The mapping with the value of one key changed, if there is one."""
    return {**mapping, key: replace(mapping[key], **changes)} if key in mapping else mapping


def _with(mapping: Mapping[str, Mapping[str, Any]], key: str, name: str, value: Any) -> Mapping[str, Any]:
    """The mapping of mappings with one value more."""
    return {**mapping, key: {**mapping.get(key, {}), name: value}}


def _moment(entry: Entry) -> Moment:
    return Moment(entry.seq, entry.stamp.boot_id, MonotonicMs(entry.stamp.boottime_ms), entry.stamp.lowest_ms)


def without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The mapping less one key."""
    return {name: value for name, value in mapping.items() if name != key}


def _authority(durable: Durable, body: Mapping[str, Any]) -> Durable:
    return replace(
        durable,
        authority_size=body["size"],
        authority_root=body["root"],
        fresh_ms=body["fresh_ms"],
        freezes=durable.freezes.merge(map(_freeze, body["freezes"]), body["releases"]),
    )


def fold_rules(durable: Durable, entry: Entry, body: Mapping[str, Any]) -> Durable:
    """HQ's rule packs: a refused text is told once; a version that was ever applied is remembered, and its end."""
    name = f"{body['pack']}/{body['version']}"
    known = durable.rules.get(name)
    if entry.kind == "rules.applied":
        known = Published(body["sha256"], Verdict.APPLIED, body["from"], entry.seq)
    elif entry.kind == "rules.revoked":
        known = None if known is None else replace(known, verdict=Verdict.REVOKED)
    elif body["lost"]:
        known = None if known is None else replace(known, verdict=Verdict.LOST)
    else:
        refused = (*durable.rules_refused, refused_text(name, body["sha256"]))
        return replace(durable, rules_refused=refused[-_REFUSED_MOST:])
    return durable if known is None else replace(durable, rules={**durable.rules, name: known})


def _freeze(body: Mapping[str, Any]) -> Freeze:
    return Freeze(body["freeze"], body["scope"], body["by"], body["why"])


def _anchor(body: Mapping[str, Any]) -> Anchor:
    return Anchor(
        ClockSource(body["source"]),
        UtcMs(body["utc_ms"]),
        body["uncertainty_ms"],
        body["boot_id"],
        MonotonicMs(body["boottime_ms"]),
    )


def _left(durable: Durable, worker: str) -> Durable:
    """Who went out is at no work any more."""
    running = durable.running
    for permit, each in running.items():
        if worker in each.certified:
            running = _changed(running, permit, certified=without(each.certified, worker))
    return replace(durable, running=running)


def _guardian(durable: Durable, entry: Entry, body: Mapping[str, Any]) -> Durable:
    """A guardian is at an area, for these permits, and at no other any more."""
    area, presence = body["area"], _presence(entry, body["worker"])
    held, running = durable.guardians, durable.running
    whereabouts = {**durable.whereabouts, body["worker"]: area}
    for permit in body["permits"]:
        held = {**held, permit: {**held.get(permit, {}), area: presence}}
        if permit in running:
            kept = tuple(each for each in running[permit].unguarded if each != area)
            running = _changed(running, permit, unguarded=kept)
    return replace(durable, guardians=held, running=running, whereabouts=whereabouts)


def _went_in(durable: Durable, worker: str) -> Durable:
    """Who goes in as a worker guards nothing any more."""
    if worker not in durable.whereabouts:
        return durable
    return replace(durable, whereabouts={**durable.whereabouts, worker: ""})


def _presence(entry: Entry, worker: str) -> Presence:
    return Presence(worker, entry.seq, entry.stamp.boot_id, MonotonicMs(entry.stamp.boottime_ms))
