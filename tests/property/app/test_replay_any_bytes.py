"""Whatever lies beside an entry, replay answers: the same, or a difference; never an exception."""

from hashlib import sha256
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from sites import begun_bench

from edge.app.replay import difference

EVIDENCE, BODY = next(
    (entry.evidence, dict(entry.body)) for entry in begun_bench().entries if entry.body.get("decision") == "granted"
)
assert EVIDENCE is not None
QUESTION = orjson.loads(EVIDENCE)

_VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8) | st.just([]) | st.just({})


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in _places(each, (*path, key)))]


def _with(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = _with(value[path[0]], path[1:], other)
    return changed


def _named(evidence: bytes) -> dict[str, Any]:
    return {**BODY, "question": sha256(evidence).hexdigest()}


@given(st.binary(max_size=200))
def test_any_bytes_are_a_difference(evidence: bytes) -> None:
    assert difference(7, BODY, evidence) is not None
    assert difference(7, _named(evidence), evidence) is not None


@given(st.sampled_from(_places(QUESTION)), _VALUES)
def test_any_value_anywhere_in_a_question_is_answered(path: tuple[Any, ...], other: Any) -> None:
    evidence = orjson.dumps(_with(QUESTION, path, other))
    found = difference(7, _named(evidence), evidence)
    assert found is None or found.seq == 7


def test_the_question_as_it_was_asked_is_no_difference() -> None:
    assert difference(7, BODY, EVIDENCE or b"") is None
