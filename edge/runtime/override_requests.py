"""Local commands about overrides: what they may ask, and what the daemon says of those that live."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from edge.core.clock import Now
from edge.core.entries import BlobReference
from edge.core.facts import Worker
from edge.core.messages import OverrideLifted, OverrideMade
from edge.core.overrides import Override, over
from edge.core.overriding import relying
from edge.core.state import State, Work
from edge.ports.errors import RefusedError
from edge.runtime.request_checks import check_override, is_time

Person = Callable[[str], Worker | None]
"""What the authority cache knows of a worker; None: nobody known."""

OVERRIDE_WORDS = {
    "override_device_unknown": ("本网关没有该设备", "no device of that id on this gateway"),
    "override_full": ("旁路数量已达上限，请先解除", "too many overrides live at once: have some lifted first"),
    "override_permits_many": ("一个旁路至多对应 8 张作业票", "one override may be made for 8 permits at most"),
    "override_past": ("截止时间已过", "its end is not ahead"),
    "override_too_long": ("截止时间至多在 12 h 之后", "its end may be 12 h ahead at most"),
    "override_unknown": ("没有该旁路，或已解除", "no such override, or it is lifted already"),
}
"""Answers to an act on an override that are no reason at a door: code to (zh, en)."""


def override_asked(request: Mapping[str, Any]) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Device, protection and permits of a request to make an override. Raises RefusedError for anything malformed."""
    device, protection, permits = request.get("device"), request.get("protection"), request.get("permits")
    subject = device if protection is None else protection
    if (device is None) == (protection is None) or not isinstance(subject, str) or not subject.strip():
        raise RefusedError("override: name a device or a protection, and one of them only")
    if not isinstance(permits, list) or not all(isinstance(each, str) and each for each in permits):
        raise RefusedError("override: permits must be a list of permit ids")
    if not is_time(request.get("until_ms")):
        raise RefusedError("override: until_ms must be UTC milliseconds")
    if not all(isinstance(request.get(name), str) for name in ("owner", "why")):
        raise RefusedError("override: owner and why must be texts")
    check_override(subject, tuple(permits), request["owner"], request["why"])
    return device, protection, tuple(dict.fromkeys(permits))


def override_made(request: Mapping[str, Any], person: Person, photo: BlobReference | None) -> OverrideMade:
    """The input that a request to make an override becomes. Raises RefusedError."""
    device, protection, permits = override_asked(request)
    return OverrideMade(
        device=device,
        protection=protection,
        permits=permits,
        owner=request["owner"],
        person=person(request["owner"]),
        why=request["why"],
        until_ms=request["until_ms"],
        photo=photo,
        request=uuid.uuid4().hex,
    )


def override_lifted(request: Mapping[str, Any], person: Person) -> OverrideLifted:
    """The input that a request to lift an override becomes. Raises RefusedError."""
    override, by, why = (request.get(name) for name in ("override", "by", "why"))
    if not (isinstance(override, str) and isinstance(by, str) and isinstance(why, str)):
        raise RefusedError("lift: override, by and why must be texts")
    check_override(override, (), by, why)
    return OverrideLifted(override, by, person(by), why, uuid.uuid4().hex)


def overrides_answer(overrides: Iterable[Override], now: Now) -> list[dict[str, Any]]:
    """Overrides that live, as JSON. ``over``: its time is over, or may be."""
    return [
        {
            "override": each.override,
            "device": each.device,
            "protection": each.protection,
            "permits": list(each.permits),
            "owner": each.owner,
            "why": each.why,
            "until_ms": each.until_ms,
            "over": over(each, now),
        }
        for each in overrides
    ]


def overrides_on(state: State, work: Work) -> Iterator[Override]:
    """Those made for a permit, and those of devices that it relies on here."""
    for each in state.durable.overrides.values():
        if work.permit in each.permits or (each.device is not None and relying(state, work, each.device)):
            yield each
