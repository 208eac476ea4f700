"""The fold: durable state is what the entries say, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from edge.core.clock import Anchor, ClockSource
from edge.core.entries import Entry
from edge.core.holds import Freeze, Trip
from edge.core.instruments import Check, Checked, with_check
from edge.core.readings import MonotonicMs, UtcMs
from edge.core.state import Durable, Moment, Pause, Presence, Running, Sample, Typed


def fold(durable: Durable, entry: Entry) -> Durable:
    """The durable state after one more entry. Entries come in order, each once."""
    assert entry.seq == durable.next_entry, f"entry {entry.seq} folded at {durable.next_entry}"
    folded = _apply(durable, entry, entry.body)
    return replace(folded, next_entry=entry.seq + 1, lowest_ms=max(durable.lowest_ms, entry.stamp.lowest_ms))


def _apply(durable: Durable, entry: Entry, body: Mapping[str, Any]) -> Durable:
    match entry.kind:
        case "authority.applied":
            return _authority(durable, body)
        case "hold.frozen":
            return replace(durable, freezes=durable.freezes.merge([_freeze(body)], ()))
        case "clock.anchored":
            return replace(durable, anchor=_anchor(body))
        case "guardian.present":
            return replace(durable, guardians=_guardians(durable, entry, body))
        case "instrument.checked":
            passed = Checked(body["done_ms"], body["by"], entry.seq) if body["passed"] else None
            register = with_check(durable.instruments, body["device"], Check(body["check"]), passed)
            return replace(durable, instruments=register)
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
            return replace(durable, running={**durable.running, permit: begun})
        case "permit.confirmed":
            return replace(durable, harness={**durable.harness, permit: _presence(entry, body["by"])})
        case "permit.tripped":
            trip = Trip(permit, entry.seq, body["reason"], body["interlock"], None)
            return replace(durable, trips={**durable.trips, permit: trip})
        case "permit.retested" if body["passed"]:
            return _retested(durable, entry, permit)
        case "permit.paused":
            return replace(durable, pauses={**durable.pauses, permit: Pause(_moment(entry), None)})
        case "permit.resumed":
            return replace(durable, pauses=without(durable.pauses, permit))
        case "permit.overdue" | "permit.recorded" | "permit.record_missed" if permit in durable.running:
            changes = _TIMES[entry.kind](entry)
            return replace(durable, running=_changed(durable.running, permit, **changes))
        case "permit.sampled":
            return replace(durable, samples=_with(durable.samples, permit, body["point"], _sample(entry, body)))
        case "permit.noted":
            noted = Typed(entry.seq, body["by"], body["typed"])
            return replace(durable, typed=_with(durable.typed, permit, body["point"], noted))
        case "permit.degraded":
            return replace(
                durable, by_hand=_with(durable.by_hand, permit, body["device"], _presence(entry, body["by"]))
            )
        case "permit.degraded_over":
            return replace(durable, by_hand=_less(durable.by_hand, permit, body["device"]))
        case "permit.trip_released":
            return replace(durable, trips=without(durable.trips, permit))
        case "permit.closed":
            return replace(
                durable,
                running=without(durable.running, permit),
                trips=without(durable.trips, permit),
                pauses=without(durable.pauses, permit),
                guardians=without(durable.guardians, permit),
                harness=without(durable.harness, permit),
                samples=without(durable.samples, permit),
                typed=without(durable.typed, permit),
                by_hand=without(durable.by_hand, permit),
            )
    return durable


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


def _changed(mapping: Mapping[str, Any], key: str, **changes: Any) -> Mapping[str, Any]:
    """The mapping with the value of one key changed, if there is one."""
    return {**mapping, key: replace(mapping[key], **changes)} if key in mapping else mapping


def _with(mapping: Mapping[str, Mapping[str, Any]], key: str, name: str, value: Any) -> Mapping[str, Any]:
    """The mapping of mappings with one value more."""
    return {**mapping, key: {**mapping.get(key, {}), name: value}}


def _less(mapping: Mapping[str, Mapping[str, Any]], key: str, name: str) -> Mapping[str, Any]:
    """The mapping of mappings with one value less."""
    kept, others = without(mapping.get(key, {}), name), without(mapping, key)
    return {**others, key: kept} if kept else others


def _moment(entry: Entry) -> Moment:
    return Moment(entry.seq, entry.stamp.boot_id, MonotonicMs(entry.stamp.boottime_ms), entry.stamp.lowest_ms)


def _sample(entry: Entry, body: Mapping[str, Any]) -> Sample:
    return Sample(_moment(entry), body["by"], body["passed"], body["version"], body["age_ms"])


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


def _guardians(durable: Durable, entry: Entry, body: Mapping[str, Any]) -> dict[str, Mapping[str, Presence]]:
    """Each permit's guardians by area, with this one."""
    presence = _presence(entry, body["worker"])
    held = durable.guardians
    return {**held, **{permit: {**held.get(permit, {}), body["area"]: presence} for permit in body["permits"]}}


def _presence(entry: Entry, worker: str) -> Presence:
    return Presence(worker, entry.seq, entry.stamp.boot_id, MonotonicMs(entry.stamp.boottime_ms))
