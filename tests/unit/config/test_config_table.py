"""The table reader: each getter takes what is allowed, refuses what is not, and says where and what to write."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from edge import config_table
from edge.config_table import FINDINGS_MAX, SIZE_BYTES_MAX, Table, read_file, read_table
from edge.ports.errors import ConfigurationError

_WORD = re.compile(r"[a-z]+")


def _table(text: str) -> Table:
    return read_table(text.encode(), "site.toml")


def _findings(table: Table) -> list[str]:
    assert table.findings is not None
    with pytest.raises(ConfigurationError) as caught:
        table.findings.raise_if_any()
    return caught.value.problems


def _no_findings(table: Table) -> None:
    assert table.findings is not None
    table.findings.raise_if_any()


@pytest.mark.parametrize("value", [2, 9])
def test_whole_number_at_either_bound_is_taken(value: int) -> None:
    table = _table(f"unit = {value}")
    assert table.getint("unit", minimum=2, maximum=9) == value
    _no_findings(table)


@pytest.mark.parametrize("value", ["1", "10", "2.0", '"2"', "true", "[2]", "2026-01-01", "0x" + "f" * 20_000, "nan"])
def test_what_is_no_whole_number_in_range_is_refused_with_the_range(value: str) -> None:
    table = _table(f"\nunit = {value}")
    table.getint("unit", minimum=2, maximum=9, unit="apples")
    (finding,) = _findings(table)
    assert finding.startswith("site.toml:2: unit: ")
    assert "from 2 to 9 apples" in finding


@pytest.mark.parametrize(("written", "milliseconds"), [("0.3", 300), ("1", 1000), ("1e0", 1000), ("0.001", 1)])
def test_seconds_become_exact_milliseconds(written: str, milliseconds: int) -> None:
    table = _table(f"poll_s = {written}")
    assert table.getmilliseconds("poll_s", minimum_ms=0, maximum_ms=1000) == milliseconds
    _no_findings(table)


@pytest.mark.parametrize(
    "written",
    ["1.001", "-0.001", "0.0005", "inf", "nan", "1e999999", "1e-999999", "0." + "1" * 40, '"1"', "true", "-1"],
)
def test_seconds_that_are_no_whole_milliseconds_in_range_are_refused(written: str) -> None:
    table = _table(f"poll_s = {written}")
    table.getmilliseconds("poll_s", minimum_ms=0, maximum_ms=1000, why="because")
    (finding,) = _findings(table)
    assert "seconds from 0 to 1 (because)" in finding


def test_zero_with_a_monstrous_exponent_is_zero_and_costs_nothing() -> None:
    assert _table("poll_s = 0e999999").getmilliseconds("poll_s", minimum_ms=0, maximum_ms=1) == 0


def test_a_bound_between_seconds_is_shown_with_its_decimals() -> None:
    table = _table("poll_s = 9")
    table.getmilliseconds("poll_s", minimum_ms=50, maximum_ms=1500)
    assert "seconds from 0.05 to 1.5" in _findings(table)[0]


def test_choice_gives_the_meaning_and_refuses_others_with_the_nearest_word() -> None:
    table = _table('side = "entry"\nway = "entri"\nbaud = 9600\nbits = true')
    choices = {"entry": 1, "exit": 2}
    assert table.getchoice("side", choices) == 1
    table.getchoice("way", choices)
    assert table.getchoice("baud", {9600: 9600}) == 9600
    table.getchoice("bits", {1: 1})
    first, second = _findings(table)
    assert first == "site.toml:2: way: \"entri\" is unknown, did you mean 'entry'?; one of: entry, exit"
    assert second.startswith("site.toml:4: bits: True is unknown")


def test_text_must_match_as_a_whole() -> None:
    table = _table('good = "abc"\nbad = "abc1"\nworse = 3')
    assert table.getstring("good", pattern=_WORD, form="small letters") == "abc"
    table.getstring("bad", pattern=_WORD, form="small letters")
    table.getstring("worse", pattern=_WORD, form="small letters")
    assert _findings(table) == [
        'site.toml:2: bad: "abc1" cannot be used; give small letters',
        "site.toml:3: worse: must be text in quotes (small letters), not a number (3)",
    ]


def test_truth_is_true_or_false_and_nothing_that_looks_like_it() -> None:
    table = _table('a = true\nb = "true"\nc = 1')
    assert table.getbool("a") is True
    assert table.getbool("d", default=False) is False
    table.getbool("b")
    table.getbool("c")
    assert len(_findings(table)) == 2


@pytest.mark.parametrize("bad", ['"x"', '["a", "a"]', '["a", 1]', '["A"]', "[]", '["a", "b", "c", "d"]'])
def test_list_is_bounded_of_texts_and_without_repeats(bad: str) -> None:
    table = _table(f'good = ["a", "b"]\nbad = {bad}')
    for key, expected in (("good", ("a", "b")), ("bad", ())):
        read = table.getlist(key, pattern=_WORD, form="small letters", count_min=1, count_max=3)
        assert read == expected
    assert [finding.split(":")[1] for finding in _findings(table)] == ["2"]


@pytest.mark.parametrize("bad", ["relative", "/a/../b", "/a\\u0000b", "/" + "x" * 99])
def test_path_must_be_absolute_plain_and_bounded(bad: str) -> None:
    table = _table(f'good = "/var/lib"\nbad = "{bad}"')
    assert table.getpath("good", length_max=90) == Path("/var/lib")
    table.getpath("bad", length_max=90)
    assert "absolute path of at most 90 bytes" in _findings(table)[0]


def test_a_missing_key_is_named_with_the_line_of_its_table_and_a_default_is_not() -> None:
    table = _table("\n[hq]\n").table("hq")
    assert table.getint("poll", minimum=1, maximum=9, default=5) == 5
    assert table.getstring("by", pattern=_WORD, form="letters", default=None) is None
    table.getint("port", minimum=1, maximum=9)
    table.getchoice("kind", {"rtu": 1, "tcp": 2})
    assert _findings(table) == [
        "site.toml:2: hq.port: missing; give a whole number from 1 to 9",
        "site.toml:2: hq.kind: missing; give one of: rtu, tcp",
    ]


def test_every_unknown_key_is_named_with_the_nearest_known_one() -> None:
    table = _table('unti = 3\n[[bus]]\nid = "b1"\nspeed = 1')
    table.getint("unit", minimum=1, maximum=9, default=1)
    (bus,) = table.tables("bus", count_min=0, count_max=3)
    bus.getstring("id", pattern=re.compile(".*"), form="anything")
    table.finish()
    assert _findings(table) == [
        "site.toml:1: unti: unknown key, did you mean 'unit'?; allowed here: unit, bus",
        "site.toml:4: bus[b1].speed: unknown key; allowed here: id",
    ]


def test_all_findings_come_at_once_in_the_order_of_the_file() -> None:
    table = _table("a = 1\nb = 2\nc = 3")
    for key in "cba":
        table.getint(key, minimum=9, maximum=9)
    assert [finding.split(":")[1] for finding in _findings(table)] == ["1", "2", "3"]


def test_findings_are_bounded() -> None:
    table = _table("\n".join(f"key{number} = 1" for number in range(FINDINGS_MAX + 50)))
    table.finish()
    findings = _findings(table)
    assert len(findings) == FINDINGS_MAX + 1
    assert "50 more findings" in findings[-1]


def test_a_missing_table_is_one_finding_and_an_optional_one_none() -> None:
    table = _table("x = 1")
    inner = table.table("gateway")
    inner.getint("a", minimum=1, maximum=2)
    assert not inner.good("a")
    assert table.table("clock", optional=True).getint("a", minimum=1, maximum=2, default=2) == 2
    assert _findings(table) == ["site.toml:1: gateway: missing; add a table [gateway]"]


def test_a_table_in_the_wrong_brackets_is_named() -> None:
    table = _table("[[gateway]]\na = 1\n[bus]\na = 1")
    table.table("gateway")
    assert table.tables("bus", count_min=0, count_max=1) == ()
    first, second = _findings(table)
    assert first.startswith("site.toml:1: gateway: must be a table, written [gateway], not a list")
    assert second.startswith("site.toml:3: bus: must be tables, each written [[bus]], not a table")


def test_too_many_and_too_few_tables_are_named() -> None:
    table = _table("[[bus]]\n[[bus]]")
    table.tables("bus", count_min=0, count_max=1)
    table.tables("door", count_min=1, count_max=2)
    assert _findings(table) == [
        "site.toml:1: bus: 2 tables [[bus]]; give 0 to 1",
        "site.toml:1: door: missing; there is no table [[door]]; give 1 to 2",
    ]


def test_a_silenced_table_says_no_more() -> None:
    table = _table('kind = "x"\nother = 1')
    table.say_no_more()
    table.finish()
    assert not table.good("kind")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a = 1\nb 2\n", "site.toml:2: column 3: not TOML: "),
        (b"a = 1\na = 2\n", "site.toml:2: "),
        (b"a = [1,\n2", "site.toml:2: end of file: not TOML: "),
        (b"a = 1\r\nb = \xff\r\n", "site.toml:2: file: byte 0xff is not UTF-8"),
        (b"a = " + b"[" * 100_000, "site.toml:1: file: brackets are nested too deep"),
        (b"a = 2026-02-30", "site.toml:1: "),
        (b"a = " + b"9" * 5000, "site.toml:1: file: a value cannot be read"),
        (b"#" * (SIZE_BYTES_MAX + 1), "site.toml:1: file: larger than"),
    ],
)
def test_what_is_no_toml_is_one_finding_with_its_line(data: bytes, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_table(data, "site.toml")
    (finding,) = caught.value.problems
    assert finding.startswith(expected)
    assert "\n" not in finding


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("a = GPIO17", "text goes in quotes"),
        ("a = True", "true and false in small letters"),
        ("a = 1\na = 2", "give it once"),
        ("[a]\n[a]", "write it once"),
        ('a = "b\nc = 1', "closing quote"),
        ("hello", "key = value"),
    ],
)
def test_the_commonest_slips_of_the_pen_come_with_their_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=remedy):
        read_table(text.encode(), "site.toml")


def test_a_byte_order_mark_of_another_systems_editor_is_no_error() -> None:
    table = read_table(b"\xef\xbb\xbfunit = 2", "site.toml")
    assert table.getint("unit", minimum=1, maximum=9) == 2


def test_a_missing_key_is_told_what_to_give() -> None:
    table = _table("")
    table.getint("unit", minimum=1, maximum=9)
    table.getmilliseconds("poll_s", minimum_ms=50, maximum_ms=2_000)
    table.getbool("on")
    table.getchoice("kind", {"rtu": 1, "tcp": 2})
    table.getstring("id", pattern=_WORD, form="letters")
    table.getlist("codes", pattern=_WORD, form="letters", count_min=1, count_max=2)
    table.getpath("dir")
    allowed = ("1 to 9", "0.05 to 2", "true or false", "rtu, tcp", "letters", "1 to 2 texts", "absolute path")
    for finding, words in zip(_findings(table), allowed, strict=True):
        assert "missing; give " in finding
        assert words in finding


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(ConfigurationError) as caught:
            read_file(path)
        assert caught.value.problems[0].startswith(f"{path}:1: file: cannot be read: ")


def test_a_key_that_needs_quotes_is_shown_on_one_line() -> None:
    table = _table('"a\\nb" = 1')
    table.finish()
    assert _findings(table)[0].startswith('site.toml:1: "a\\nb": unknown key')


def test_known_keys_are_all_that_was_asked_for() -> None:
    table = _table("[hq]\n[[bus]]")
    table.table("hq").getint("poll", minimum=1, maximum=2, default=1)
    table.tables("bus", count_min=0, count_max=1)[0].getbool("on", default=False)
    assert table.known_keys() == {("", "hq"), ("", "bus"), ("hq", "poll"), ("bus", "on")}


def test_decimals_keep_every_digit() -> None:
    assert config_table._whole_milliseconds(Decimal("1." + "0" * 28 + "1")) is None
    assert config_table._whole_milliseconds(Decimal("1.2340")) == 1234
