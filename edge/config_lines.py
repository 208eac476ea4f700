"""On which line each key of a TOML document stands. ``tomllib`` checks the document; this only finds places in it."""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value lies: ``("device", 1, "unit")`` is the key ``unit`` of the second ``[[device]]``."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_VALUE_PART = re.compile(
    r'''"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}'''
    r"""|'''(?:[^']|'{1,2}(?!'))*'{3,5}"""
    r"""|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[\[\]{}]|\n|#[^\n]*|[^"'#\[\]{}\n]+"""
)


def locate(text: str) -> Mapping[KeyPath, int]:
    """The line, from 1, of every table, array entry and key of ``text``, a valid TOML document with LF line ends.

    Keys inside an inline table have no place of their own; they lie on the line of the key that holds the table.
    """
    return _Locator(text).run()


class _Locator:
    """One pass over the statements of a document that ``tomllib`` has accepted."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line_ends = [match.start() for match in re.finditer("\n", text)]
        self._array_sizes: dict[KeyPath, int] = {}
        self._lines: dict[KeyPath, int] = {}

    def run(self) -> Mapping[KeyPath, int]:
        position, table = self._blank(0), KeyPath()
        while position < len(self._text):
            line = bisect_right(self._line_ends, position - 1) + 1
            if self._text[position] == "[":
                table, position = self._header(position, line)
            else:
                keys, position = self._keys(position)
                self._record((*table, *keys), line, len(table))
                position = self._after_value(position)
            position = self._blank(position)
        return self._lines

    def _blank(self, position: int) -> int:
        match = _BLANK.match(self._text, position)
        return match.end() if match else position

    def _keys(self, position: int) -> tuple[list[str], int]:
        keys: list[str] = []
        while match := _KEY.match(self._text, position):
            keys.append(_plain(match.group()))
            position = match.end()
            dot = _DOT.match(self._text, position)
            if dot is None:
                break
            position = dot.end()
        return keys, position

    def _header(self, position: int, line: int) -> tuple[KeyPath, int]:
        is_array = self._text.startswith("[[", position)
        keys, position = self._keys(self._blank(position + (2 if is_array else 1)))
        path: KeyPath = ()
        for key in keys:
            path = self._newest((*path, key), extended=is_array and key is keys[-1])
        self._record(path, line, 0)
        end_of_line = self._text.find("\n", position)
        return path, len(self._text) if end_of_line < 0 else end_of_line

    def _newest(self, path: KeyPath, *, extended: bool) -> KeyPath:
        size = self._array_sizes.get(path, 0) + (1 if extended else 0)
        if size == 0:
            return path
        self._array_sizes[path] = size
        return (*path, size - 1)

    def _record(self, path: KeyPath, line: int, known: int) -> None:
        for length in range(known + 1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def _after_value(self, position: int) -> int:
        depth = 0
        while match := _VALUE_PART.match(self._text, position):
            part = match.group()
            if depth == 0 and part[0] in "\n#":
                break
            depth += (part in ("[", "{")) - (part in ("]", "}"))
            position = match.end()
        # A part that matches nothing cannot occur in a valid document; stepping on keeps the loop finite all the same.
        return position if match else position + 1


def _plain(key: str) -> str:
    """A key without its quotes and escapes."""
    if key[0] not in "\"'":
        return key
    return str(tomllib.loads(f"key = {key}")["key"])
