"""Local commands about doors and areas: what they may ask, and the words of their refusals."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from edge.core.facts import Worker
from edge.core.places import PlaceAction, PlaceOperator
from edge.ports.errors import RefusedError
from edge.runtime.request_checks import check_place

PLACE_WORDS = {
    "area_locked_already": ("该区域已被封锁", "that area is locked down already"),
    "area_not_locked": ("该区域没有封锁", "that area is not locked down"),
    "area_unknown": ("本网关没有该区域", "no area of that id on this gateway"),
    "door_not_forced": ("该门没有待确认的强行开门报警", "no alarm of a forced door waits at that door"),
    "door_unknown": ("本网关没有该门", "no door of that id on this gateway"),
}
"""Answers to an act on a door or an area that are no reason at a door: code to (zh, en)."""


def place_asked(request: Mapping[str, Any]) -> tuple[PlaceAction, str, str, str]:
    """Action, place, person and reason of a request. Raises RefusedError for anything malformed."""
    place, by, why = (request.get(name) for name in ("place", "by", "why"))
    if not (isinstance(place, str) and isinstance(by, str) and isinstance(why, str)):
        raise RefusedError("place: place, by and why must be texts")
    try:
        action = PlaceAction(request.get("action"))
    except ValueError:
        raise RefusedError(f"unknown action {str(request.get('action'))[:32]!r}") from None
    check_place(place, by, why)
    return action, place, by, why


def place_act(request: Mapping[str, Any], person: Callable[[str], Worker | None]) -> PlaceOperator:
    """The input that a request becomes. Raises RefusedError."""
    action, place, by, why = place_asked(request)
    return PlaceOperator(action, place, by, person(by), why, uuid.uuid4().hex)
