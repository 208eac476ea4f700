"""permitgate-json/1: one byte form per value, and every refusal that keeps it so."""

import pytest

from sync.formats import canonical
from sync.formats.canonical import MAX_DEPTH, MAX_ENTRY_BYTES, MAX_INTEGER
from sync.formats.errors import FormatError


def nested(levels: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_keys_are_sorted_and_nothing_is_spaced() -> None:
    assert canonical.encode({"b": [1, True, None], "a": "甲"}) == '{"a":"甲","b":[1,true,null]}'.encode()


def test_control_characters_are_escaped_as_rfc_8785_section_3_2_2_2_says() -> None:
    assert canonical.encode({"a": '\b\t\n\f\r\x01\x1f"\\/\x7f\u2028'}) == (
        '{"a":"\\b\\t\\n\\f\\r\\u0001\\u001f\\"\\\\/\x7f\u2028"}'.encode()
    )


@pytest.mark.parametrize("value", [MAX_INTEGER, -MAX_INTEGER, 0, True])
def test_integers_that_every_reader_keeps_are_allowed(value: int) -> None:
    assert canonical.decode(canonical.encode({"a": value})) == {"a": value}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": 1.0}, "$.a"),
        ({"a": {"b": [0, float("nan")]}}, "$.a.b[1]"),
        ({"a": MAX_INTEGER + 1}, "$.a"),
        ({"a": -MAX_INTEGER - 1}, "$.a"),
        ({"a": 10**5000}, "$.a"),
        ({"a": b"x"}, "$.a"),
        ({"a": {1, 2}}, "$.a"),
        ({"a": "\ud800"}, "$"),
        ({"A": 1}, "$"),
        ({"": 1}, "$"),
        ({"ключ": 1}, "$"),
        ({"a" * 33: 1}, "$"),
        ({1: 1}, "$"),
        ({"a": "x" * MAX_ENTRY_BYTES}, "$"),
        (nested(MAX_DEPTH + 1), "$" + ".a" * MAX_DEPTH),
    ],
)
def test_values_outside_the_profile_are_refused_with_their_place(value: dict[str, object], place: str) -> None:
    with pytest.raises(FormatError) as caught:
        canonical.encode(value)  # type: ignore[arg-type]
    assert caught.value.place == place


def test_the_deepest_allowed_nesting_passes() -> None:
    assert canonical.decode(canonical.encode(nested(MAX_DEPTH))) == nested(MAX_DEPTH)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"nonsense",
        b'{"a":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":-0}',
        b'{"a":01}',
        b'{"a":9007199254740992}',
        b'{"a":99999999999999999999999}',
        b'{"a":NaN}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'{"A":1}',
        b'{"a":' * 9 + b"1" + b"}" * 9,
        b"[" * 100_000,
        b'{"a":"' + b"x" * MAX_ENTRY_BYTES + b'"}',
    ],
)
def test_bytes_that_are_not_their_own_canonical_form_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        canonical.decode(data)


def test_a_caller_may_allow_longer_documents() -> None:
    value = {"a": "x" * MAX_ENTRY_BYTES}
    data = canonical.encode(value, bytes_max=MAX_ENTRY_BYTES * 2)
    assert canonical.decode(data, bytes_max=MAX_ENTRY_BYTES * 2) == value


def test_key_memory_stays_bounded() -> None:
    for number in range(2000):
        canonical.encode({f"k{number}": 1})
    assert len(canonical._known_keys) <= canonical._KNOWN_KEYS_MAX
