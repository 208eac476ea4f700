"""How findings are worded: values shown on one bounded line, nearest known word, lists of what is allowed."""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

_LENGTH_MAX = 120
_COMPARED_LENGTH_MAX = 60
_LISTED_MAX = 40
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,40}")


def did_you_mean(given: str, known: "Mapping[Any, Any] | Sequence[str]") -> str:
    """``, did you mean 'x'?`` for the nearest known word, or nothing."""
    near = get_close_matches(given[:_COMPARED_LENGTH_MAX], [str(each) for each in known], n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def listed(names: "Mapping[Any, Any] | Sequence[Any]") -> str:
    """The names for a message, bounded."""
    shown = [str(name) for name in names]
    more = f", and {len(shown) - _LISTED_MAX} more" if len(shown) > _LISTED_MAX else ""
    return ", ".join(shown[:_LISTED_MAX]) + more if shown else "none"


def kind_of(value: Any) -> str:
    """What a TOML value is, in words, and the value."""
    names = {bool: "true or false", int: "a number", Decimal: "a decimal", str: "text", list: "a list", dict: "a table"}
    return f"{names.get(type(value), 'a date or time')} ({shown(value)})"


def shown(value: Any) -> str:
    """A value as a message shows it."""
    try:
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
    except ValueError:
        text = "a number of thousands of digits"
    return one_line(text)


def shown_key(key: str) -> str:
    """A key as written, quoted if it is no bare key."""
    return key if _BARE_KEY.fullmatch(key) else shown(key)


def one_line(text: str) -> str:
    """The text without control characters, cut to what fits a line."""
    flat = "".join(letter if letter.isprintable() else "?" for letter in text)
    return flat if len(flat) <= _LENGTH_MAX else flat[:_LENGTH_MAX] + "…"
