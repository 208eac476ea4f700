"""Lines of keys: a finding must name the line that the technician has to change."""

import pytest

from edge.config_lines import locate

_DOCUMENT = '''# a comment with [brackets] and a = 1
title = "x"          # 2
"quoted key" = 1     # 3
a.b . c = 2          # 4
text = """
[not.a.table]
key = "no key"
"""
after = \'\'\'
x = 1\'\'\'\'
list = [
    "]", # a ] in a comment
    { inner = "}" },
]
[table]              # 15
key = 1
  [table.sub]
  key = 2
[[device]]
id = "one"           # 20
[[device]]
id = "two"
[device.more]
key = 3
[[device.port]]      # 25
key = 4
[[device.port]]
key = 5
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("quoted key",), 3),
        (("a",), 4),
        (("a", "b", "c"), 4),
        (("text",), 5),
        (("after",), 9),
        (("list",), 11),
        (("table",), 15),
        (("table", "key"), 16),
        (("table", "sub"), 17),
        (("table", "sub", "key"), 18),
        (("device",), 19),
        (("device", 0), 19),
        (("device", 0, "id"), 20),
        (("device", 1), 21),
        (("device", 1, "id"), 22),
        (("device", 1, "more", "key"), 24),
        (("device", 1, "port", 0), 25),
        (("device", 1, "port", 1, "key"), 28),
    ],
)
def test_each_key_stands_where_it_is_written(path: tuple[str | int, ...], line: int) -> None:
    assert locate(_DOCUMENT)[path] == line


def test_what_only_looks_like_a_key_has_no_line() -> None:
    lines = locate(_DOCUMENT)
    assert ("not", "a", "table") not in lines
    assert ("key",) not in lines
    assert ("x",) not in lines


def test_a_header_after_its_sub_table_keeps_the_first_line() -> None:
    assert locate("[a.b]\n[a]\nx = 1")[("a",)] == 1


def test_an_empty_document_has_no_lines() -> None:
    assert locate("") == {}
    assert locate("\n# only a comment") == {}
