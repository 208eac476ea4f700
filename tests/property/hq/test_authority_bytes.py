"""Any bytes into the authority codec give an operation or a named refusal, and nothing else."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from sync.formats.authority import encode_operation, parse_operation, read_written
from sync.formats.errors import FormatError

WORDS = st.sampled_from(
    ["op", "put", "revoke", "freeze", "release", "k", "id", "permit", "cert", "badge", "worker", "rec", "scope", "fids"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 2**54) | WORDS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=12,
)


@given(st.binary(max_size=200) | VALUES.map(lambda value: orjson.dumps(value, option=orjson.OPT_SORT_KEYS)))
def test_parsing_an_entry_never_raises(data: bytes) -> None:
    parse_operation(data)


@given(st.binary(max_size=200) | st.dictionaries(WORDS, VALUES, max_size=8).map(orjson.dumps))
def test_a_written_line_is_an_operation_or_a_format_error(data: bytes) -> None:
    try:
        operation = read_written(data)
    except FormatError:
        return
    assert parse_operation(encode_operation(operation)) == operation
