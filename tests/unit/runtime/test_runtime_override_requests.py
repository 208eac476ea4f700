"""What a local command may ask about overrides: anything malformed is refused in words, before anything is kept."""

import pytest

from edge.core.facts import Worker
from edge.ports.errors import RefusedError
from edge.runtime.override_requests import override_asked, override_lifted, override_made

GOOD = {
    "do": "override",
    "device": "gas-1",
    "protection": None,
    "permits": ["P1", "P2", "P1"],
    "owner": "g1",
    "why": "sensor changed",
    "until_ms": 9,
}


def person(worker: str) -> Worker:
    return Worker(worker, False)


def test_a_request_becomes_an_act_of_its_owner_and_names_each_permit_once() -> None:
    act = override_made(GOOD, person, None)
    assert (act.device, act.protection, act.permits) == ("gas-1", None, ("P1", "P2"))
    assert (act.owner, act.person, act.why, act.until_ms, act.photo) == (
        "g1",
        Worker("g1", False),
        "sensor changed",
        9,
        None,
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"device": None}, "name a device or a protection"),
        ({"protection": "deluge"}, "one of them only"),
        ({"device": None, "protection": "  "}, "name a device or a protection"),
        ({"device": 7}, "name a device or a protection"),
        ({"permits": "P1"}, "permits must be a list"),
        ({"permits": [7]}, "permits must be a list"),
        ({"permits": [""]}, "permits must be a list"),
        ({"until_ms": "9"}, "until_ms must be UTC milliseconds"),
        ({"until_ms": True}, "until_ms must be UTC milliseconds"),
        ({"owner": None}, "owner and why must be texts"),
        ({"why": None}, "owner and why must be texts"),
        ({"device": "g" * 65}, "override: 65 characters, allowed at most 64"),
        ({"permits": ["P" * 65]}, "permit: 65 characters"),
        ({"why": "w" * 501}, "reason: 501 characters"),
        ({"owner": "g\n1"}, "by: holds control characters"),
    ],
)
def test_a_malformed_request_is_refused_by_what_is_wrong(changes: dict[str, object], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        override_asked({**GOOD, **changes})


@pytest.mark.parametrize("changes", [{"override": 7}, {"by": None}, {"why": None}, {"override": "7" * 65}])
def test_a_malformed_lift_is_refused(changes: dict[str, object]) -> None:
    good = {"do": "lift", "override": "7", "by": "w1", "why": "bump test passed"}
    assert override_lifted(good, person).override == "7"
    with pytest.raises(RefusedError):
        override_lifted({**good, **changes}, person)
