"""The fold of entries about doors and areas."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edge.core.entries import Entry
from edge.core.places import Forced, Lockdown
from edge.core.state import Durable


def fold_place(durable: Durable, entry: Entry, body: Mapping[str, Any]) -> Durable:
    """The durable state after an entry about a door or an area.

    A door forced again before somebody acknowledged it is the same alarm. Entries of earlier versions, which asked
    nobody to acknowledge, latch nothing.
    """
    match entry.kind:
        case "door.forced" if body.get("latched"):
            forced = {body["door"]: Forced(entry.seq, entry.stamp.lowest_ms), **durable.forced}
            return replace(durable, forced=forced)
        case "door.acknowledged":
            return replace(durable, forced=_without(durable.forced, body["door"]))
        case "area.locked_down":
            begun = Lockdown(entry.seq, body["by"], body["why"], entry.stamp.lowest_ms)
            return replace(durable, lockdowns={**durable.lockdowns, body["area"]: begun})
        case "area.released":
            return replace(durable, lockdowns=_without(durable.lockdowns, body["area"]))
    return durable


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}
