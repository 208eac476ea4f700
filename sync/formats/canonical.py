"""permitgate-json/1: the one byte form of a JSON value that is hashed or signed.

A narrow profile of RFC 8785 (JSON Canonicalization Scheme): ASCII keys `[a-z0-9_]{1,32}`, integers within the
exact range of an IEEE 754 double (RFC 8785 appendix D: |n| <= 2^53-1), strings without lone surrogates, booleans,
null, arrays and objects, at most 8 levels deep. No floats: their text differs between writers. On this profile
`orjson` with sorted keys writes the same bytes as RFC 8785, which the property tests hold against `rfc8785`.

Stored bytes are signed and hashed as they are; `decode` refuses bytes that are not their own canonical form.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

import orjson

from sync.formats.errors import FormatError

MAX_ENTRY_BYTES = 16_384
"""Largest entry of a journal or authority log, in bytes."""

MAX_DEPTH = 8
"""Deepest nesting of objects and arrays, the outermost one counted."""

MAX_INTEGER = 2**53 - 1
"""Largest magnitude of an integer that every JSON reader keeps exactly (RFC 8785 appendix D, RFC 7493 2.2)."""

Json: TypeAlias = bool | int | str | Sequence["Json"] | Mapping[str, "Json"] | None
"""A value of the profile. Arrays are lists or tuples, objects are dicts with `str` keys."""

_KEY = re.compile(r"[a-z0-9_]{1,32}")
_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)

# Keys that passed before: the pattern costs four times the look-up. Bounded, as the keys come from outside.
_known_keys: set[object] = set()
_KNOWN_KEYS_MAX = 1024

# A path is a chain of (parent, step), turned into text only when something is refused.
_Path: TypeAlias = tuple[Any, ...] | None


def encode(value: Mapping[str, Json], *, bytes_max: int = MAX_ENTRY_BYTES) -> bytes:
    """The canonical bytes of one object; FormatError if it is outside the profile or longer than `bytes_max`."""
    return encode_value(value if type(value) is dict else dict(value), bytes_max=bytes_max)


def encode_value(value: Json, *, bytes_max: int = MAX_ENTRY_BYTES) -> bytes:
    """As `encode`, for any value of the profile (an array, say)."""
    _check(value, 1, None)
    try:
        data = orjson.dumps(value, option=_OPTIONS)
    except (TypeError, orjson.JSONEncodeError) as error:
        raise FormatError(f"not encodable as permitgate-json/1: {error}", "$") from None
    if len(data) > bytes_max:
        raise FormatError(f"{len(data)} bytes, allowed at most {bytes_max}", "$")
    return data


def decode(data: bytes, *, bytes_max: int = MAX_ENTRY_BYTES) -> dict[str, Any]:
    """The object whose canonical bytes are `data`; FormatError for anything else.

    Refused: more than `bytes_max` bytes, not JSON, not an object, duplicate or unsorted keys, spaces, other escapes
    than the canonical ones, floats, integers beyond 2^53-1, more than 8 levels.
    """
    value = decode_value(data, bytes_max=bytes_max)
    if type(value) is not dict:
        raise FormatError(f"found {_kind(value)}, allowed an object", "$")
    return value


def decode_value(data: bytes, *, bytes_max: int = MAX_ENTRY_BYTES) -> Any:
    """As `decode`, for any value of the profile."""
    if len(data) > bytes_max:
        raise FormatError(f"{len(data)} bytes, allowed at most {bytes_max}", "$")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise FormatError(f"not JSON: {error}", "$") from None
    _check(value, 1, None)
    # Writing it again shows duplicate keys (orjson keeps the last), order, spaces, escapes and -0 at once.
    if orjson.dumps(value, option=_OPTIONS) != data:
        raise FormatError("not its own canonical form (duplicate or unsorted keys, spaces, escapes)", "$")
    return value


def _check(value: object, depth: int, path: _Path) -> None:
    kind = type(value)
    if kind is dict or kind is list or kind is tuple:
        if depth > MAX_DEPTH:
            _refuse(path, f"nested deeper than the allowed {MAX_DEPTH} levels")
        if kind is dict:
            _check_members(value, depth + 1, path)  # type: ignore[arg-type]
        else:
            for index, item in enumerate(value):  # type: ignore[arg-type, var-annotated]
                _check(item, depth + 1, (path, index))
    elif kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:  # type: ignore[operator]
            _refuse(path, "integer out of range, allowed -(2^53-1) to 2^53-1")
    elif kind is not str and kind is not bool and value is not None:
        _refuse(path, f"found {_kind(value)}, allowed null, booleans, integers, strings, arrays, objects")


def _check_members(members: dict[object, object], depth: int, path: _Path) -> None:
    # The commonest leaves are passed here: a call each would double the cost of an entry.
    for key, item in members.items():
        if key not in _known_keys:
            _check_key(key, path)
        kind = type(item)
        if kind is str or (kind is int and -MAX_INTEGER <= item <= MAX_INTEGER):  # type: ignore[operator]
            continue
        _check(item, depth, (path, key))


def _check_key(key: object, path: _Path) -> None:
    if type(key) is not str or _KEY.fullmatch(key) is None:
        _refuse(path, f"key {str(key)[:40]!r}, allowed [a-z0-9_]{{1,32}}")
    if len(_known_keys) < _KNOWN_KEYS_MAX:
        _known_keys.add(key)


def _kind(value: object) -> str:
    return {float: "a float", dict: "an object", list: "an array"}.get(type(value), f"a {type(value).__name__}")


def _refuse(path: _Path, message: str) -> NoReturn:
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    raise FormatError(message, "$" + "".join(reversed(steps)))
