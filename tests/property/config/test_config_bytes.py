"""Whatever lies in the file: a Config, or findings that each name file, line and key. Nothing else ever comes out."""

import re
import tomllib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import Config, parse
from edge.config_lines import locate
from edge.ports.errors import ConfigurationError

_EXAMPLE = (Path(__file__).parents[3] / "config.example.toml").read_bytes()
_FINDING = re.compile(r"gw\.toml:[1-9][0-9]*: [^\n]+: [^\n]+")
_SCALARS = [
    *("0", "-1", "1e400", "nan", "0x" + "f" * 99, "true", '""', '"x"', "'''\na'''", "[]", "[[1]]", "{}", "{a = 1}"),
    *("2026-01-01", "07:00:00", '"\\u0000"', "9" * 99, "1e-99", '"a1"', '"udp:x:1"', '"/dev/ttyUSB0"', "1", "600"),
]


def _holds(data: bytes) -> None:
    try:
        config = parse(data, "gw.toml")
    except ConfigurationError as error:
        problems = error.problems
    else:
        assert isinstance(config, Config)
        return
    assert problems
    for problem in problems:
        assert _FINDING.fullmatch(problem), problem
        assert int(problem.split(":")[1]) <= data.count(b"\n") + 1


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    _holds(data)


@given(st.text(alphabet="[]{}\"'=.#,\\\n abc019-_e:T+", max_size=80))
def test_any_text_that_looks_like_toml(text: str) -> None:
    _holds(text.encode())


@settings(max_examples=40)
@given(
    at=st.integers(0, len(_EXAMPLE)),
    cut=st.integers(0, 40),
    put=st.one_of(st.binary(max_size=8), st.sampled_from([b"\n[[bus]]\n", b"]", b'"', b"\n[hq]\n", b"= 1\n"])),
)
def test_a_working_file_with_a_piece_cut_or_put_in(at: int, cut: int, put: bytes) -> None:
    _holds(_EXAMPLE[:at] + put + _EXAMPLE[at + cut :])


@settings(max_examples=40)
@given(st.data())
def test_a_working_file_with_some_values_exchanged(data: st.DataObject) -> None:
    lines = _EXAMPLE.decode().splitlines()
    keys = [number for number, line in enumerate(lines) if line and line[0] not in "#["]
    for number in data.draw(st.lists(st.sampled_from(keys), min_size=1, max_size=4)):
        lines[number] = f"{lines[number].split('=')[0]}= {data.draw(st.sampled_from(_SCALARS))}"
    _holds("\n".join(lines).encode())


_KEY = st.one_of(
    st.text("abcz09-_", min_size=1, max_size=4), st.text("a\"\\'. #[", max_size=4).map(lambda key: f"q{key}")
)
_VALUE = st.sampled_from(_SCALARS)


def _written(key: str) -> str:
    if re.fullmatch(r"[a-z0-9_-]+", key):
        return key
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(
    st.lists(
        st.tuples(st.booleans(), _KEY, st.dictionaries(_KEY, st.tuples(st.integers(0, 2), _VALUE), max_size=3)),
        max_size=5,
    )
)
def test_every_key_is_found_on_the_line_where_it_was_written(
    tables: list[tuple[bool, str, dict[str, tuple[int, str]]]],
) -> None:
    """A document is written beside the lines of its keys; the locator must find the same."""
    lines: list[str] = []
    expected: dict[tuple[str | int, ...], int] = {}
    counts: dict[str, int] = {}
    for is_array, name, values in tables:
        # A name is a table once or an array of tables throughout; its first letter says which.
        name = ("t" if not is_array else "l") + name
        if not is_array and name in counts:
            continue
        index = counts[name] = counts.get(name, -1) + 1
        lines.append(f"[[ {_written(name)} ]] # x" if is_array else f"[{_written(name)}]")
        place: tuple[str | int, ...] = (name, index) if is_array else (name,)
        expected[place] = len(lines)
        for key, (gap, value) in values.items():
            lines.extend([" # = [[x]] \"'"] * gap)
            expected[(*place, key)] = len(lines) + 1
            lines.extend(f"  {_written(key)} = {value}  # end".split("\n"))
    text = "\n".join(lines)
    tomllib.loads(text)
    found = locate(text)
    assert {place: found.get(place) for place in expected} == expected
