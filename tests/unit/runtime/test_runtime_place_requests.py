"""What a local command may ask about doors and areas: anything malformed is refused in words, before it is an act."""

import pytest

from edge.core.facts import Worker
from edge.core.places import PlaceAction
from edge.ports.errors import RefusedError
from edge.runtime.place_requests import PLACE_WORDS, place_act

GOOD = {"do": "place", "action": "acknowledge", "place": "d1", "by": "g1", "why": "wind took it"}


def person(worker: str) -> Worker | None:
    return Worker(worker, False) if worker == "g1" else None


def test_a_request_becomes_the_act_of_whoever_the_cache_knows() -> None:
    act = place_act(GOOD, person)
    assert (act.action, act.place, act.by, act.why) == (PlaceAction.ACKNOWLEDGE, "d1", "g1", "wind took it")
    assert act.person == Worker("g1", False)
    assert place_act({**GOOD, "by": "g2"}, person).person is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"place": None}, "must be texts"),
        ({"by": 7}, "must be texts"),
        ({"why": None}, "must be texts"),
        ({"action": "open"}, "unknown action 'open'"),
        ({"action": None}, "unknown action"),
        ({"place": "d" * 65}, "place: 65 characters, allowed at most 64"),
        ({"by": "g\n1"}, "by: holds control characters"),
        ({"why": "w" * 501}, "reason: 501 characters"),
    ],
)
def test_a_malformed_request_is_refused_by_what_is_wrong(changes: dict[str, object], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        place_act({**GOOD, **changes}, person)


def test_every_refusal_is_said_in_both_languages() -> None:
    assert all(zh and en and zh != en for zh, en in PLACE_WORDS.values())
