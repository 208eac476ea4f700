"""Evidence and saved state: what is encoded comes back the same, and any other bytes give our own error."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Union, get_args, get_origin, get_type_hints

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sites import begun_bench

from edge.core import codec
from edge.core.codec import CodecError, decode, encode
from edge.core.decision import decide
from edge.core.facts import TokenVerdict
from edge.core.question import Decision, Outcome, Question
from edge.core.state import Durable

numbers = st.integers(-10, 10) | st.integers(-(2**63), 2**63 - 1)
words = st.sampled_from(["north", "w1", "P1", "gas1"]) | st.text(max_size=6)


@cache
def values_of(hint):
    """Any value of a type that the codec knows, built from its annotations."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is TokenVerdict:
        token, refusal = (get_type_hints(TokenVerdict)[name] for name in ("token", "refusal"))
        verdicts = [
            st.builds(TokenVerdict, values_of(_inner(token)), st.none()),
            st.builds(TokenVerdict, st.none(), values_of(_inner(refusal))),
        ]
        return st.one_of(verdicts)
    if origin in (Union, types.UnionType):
        return st.none() | values_of(_inner(hint))
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is frozenset:
        return st.frozensets(values_of(arguments[0]), max_size=2)
    if origin in (dict, Mapping):
        return st.dictionaries(words, values_of(arguments[1]), max_size=2)
    if hasattr(hint, "__supertype__"):
        return values_of(hint.__supertype__)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{field.name: values_of(hints[field.name]) for field in fields(hint)})
    return {int: numbers, str: words, bool: st.booleans()}[hint]


def _inner(hint):
    return next(each for each in get_args(hint) if each is not type(None))


BIG = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@BIG
@given(values_of(Question))
def test_a_question_comes_back_the_same_and_is_answered_the_same(question):
    again = decode(encode(question), Question)
    assert again == question
    assert encode(again) == encode(question)
    answer = decide(question)
    assert isinstance(answer, Decision)
    assert decide(again) == answer


@BIG
@given(values_of(Question))
def test_no_question_is_granted_without_a_token_a_worker_and_a_permit_here(question):
    answer = decide(question)
    if answer.outcome is Outcome.GRANTED:
        assert question.facts.token.token is not None
        assert question.facts.worker is not None
        assert any(
            each.permit.permit == answer.permit and question.area in each.permit.areas for each in question.permits
        )
    else:
        assert answer.primary is not None


@BIG
@given(values_of(Durable))
def test_durable_state_comes_back_the_same(durable):
    assert decode(encode(durable), Durable) == durable


def _sample():
    return begun_bench().state.durable


SAMPLE = encode(_sample())


def test_a_real_state_comes_back_the_same():
    assert decode(SAMPLE, Durable) == _sample()


@given(st.binary(max_size=64) | st.text(max_size=64).map(str.encode))
def test_any_bytes_give_a_value_or_our_error(noise):
    for value_type in (Question, Durable):
        try:
            decode(noise, value_type)
        except CodecError:
            continue


def _decoded(data):
    """The value, or the text of the error."""
    try:
        return decode(data, Durable)
    except CodecError as error:
        return str(error)


@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255))
def test_a_changed_byte_gives_a_value_or_our_error(place, byte):
    changed = bytearray(SAMPLE)
    changed[place] = byte
    result = _decoded(bytes(changed))
    assert isinstance(result, Durable) or result.startswith("Durable")


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(sorted(orjson.loads(SAMPLE))), plain)
def test_a_field_of_another_type_is_refused_by_name(name, value):
    table = orjson.loads(SAMPLE)
    table[name] = value
    result = _decoded(orjson.dumps(table))
    if isinstance(result, Durable):
        assert orjson.loads(encode(result)) == table
    else:
        assert result.startswith(f"Durable.{name}")


@pytest.mark.parametrize("change", [lambda table: table.pop("trips"), lambda table: table.update(extra=1)])
def test_a_missing_or_unknown_field_is_refused(change):
    table = orjson.loads(SAMPLE)
    change(table)
    with pytest.raises(CodecError, match="fields"):
        decode(orjson.dumps(table), Durable)


def test_a_question_of_an_earlier_version_is_decided_as_it_was() -> None:
    """Its permits do not know of instrument checks: none was demanded then."""
    evidence = next(each.evidence for each in begun_bench().entries if each.evidence is not None)
    question, table = decode(evidence, Question), orjson.loads(evidence)
    for each in table["permits"]:
        assert each.pop("checks") == []
    earlier = decode(orjson.dumps(table), Question)
    assert earlier == question
    assert decide(earlier) == decide(question)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", {1: 2}, 2**64])
def test_what_has_no_encoding_is_our_mistake_and_says_so(value):
    with pytest.raises(TypeError):
        encode(value)


def test_the_codec_knows_no_type_outside_the_cores_values():
    for hint in (float, bytes, list, int | str):
        with pytest.raises(TypeError):
            codec.decode(b"1", hint)
