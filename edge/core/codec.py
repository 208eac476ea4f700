"""Frozen values to bytes and back: for questions kept as evidence and for saved state.

Bytes are JSON, fields in the order of their definition, keys of mappings sorted; decoding is strict: an unknown or
wrongly typed field is a ``CodecError``, and so is a missing one, unless it is marked ``LATER``.
Only the types that the core's values use are known: dataclasses, enums, str, int, bool, None, optional values,
``tuple[X, ...]``, ``frozenset[str]`` and ``Mapping[str, X]``.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import orjson

LATER: Mapping[str, bool] = {"later": True}
"""Metadata of a field that an earlier version did not write: where it is missing its default stands."""

_T = TypeVar("_T")
_Decoder = Callable[[Any, str], Any]


class CodecError(ValueError):
    """Bytes that are not the encoding of the value asked for; the text names the field."""


def encode(value: object) -> bytes:
    """The bytes of a frozen value. Equal values have equal bytes."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS)


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"no encoding for {type(value).__name__}")


def decode(data: bytes, value_type: type[_T]) -> _T:
    """The value that ``encode`` made these bytes from. Raises CodecError."""
    try:
        plain = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise CodecError(f"{value_type.__name__}: not JSON: {error}") from None
    decoder: Any = _decoder
    result: _T = decoder(value_type)(plain, value_type.__name__)
    return result


@cache
def _decoder(hint: Any) -> _Decoder:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional(hint, arguments)
    if origin is tuple:
        return _sequence(arguments[0], tuple)
    if origin is frozenset:
        return _sequence(arguments[0], frozenset)
    if origin in (dict, Mapping):
        return _mapping(arguments[1])
    supertype = getattr(hint, "__supertype__", None)
    if supertype is not None:
        return _decoder(supertype)
    if hint in (str, int, bool):
        return _scalar(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enumeration(hint)
    if is_dataclass(hint):
        return _dataclass(hint)
    raise TypeError(f"no decoding for {hint}")


def _optional(hint: Any, arguments: tuple[Any, ...]) -> _Decoder:
    inner = [argument for argument in arguments if argument is not type(None)]
    if len(inner) != 1 or len(inner) == len(arguments):
        raise TypeError(f"no decoding for {hint}")
    decoder = _decoder(inner[0])
    return lambda plain, place: None if plain is None else decoder(plain, place)


def _sequence(item: Any, build: Callable[[Any], Any]) -> _Decoder:
    decoder = _decoder(item)

    def read(plain: Any, place: str) -> Any:
        if not isinstance(plain, list):
            raise CodecError(f"{place}: a list was expected")
        return build(decoder(value, place) for value in plain)

    return read


def _mapping(item: Any) -> _Decoder:
    decoder = _decoder(item)

    def read(plain: Any, place: str) -> Any:
        if not isinstance(plain, dict):
            raise CodecError(f"{place}: an object was expected")
        return {key: decoder(value, f"{place}.{key}") for key, value in plain.items()}

    return read


def _scalar(hint: type) -> _Decoder:
    def read(plain: Any, place: str) -> Any:
        if type(plain) is not hint:
            raise CodecError(f"{place}: {hint.__name__} was expected")
        return plain

    return read


def _enumeration(hint: type[Enum]) -> _Decoder:
    members = {member.value: member for member in hint}

    def read(plain: Any, place: str) -> Any:
        try:
            return members[plain]
        except (KeyError, TypeError):
            raise CodecError(f"{place}: one of {sorted(members)} was expected") from None

    return read


def _dataclass(hint: Any) -> _Decoder:
    hints = get_type_hints(hint)
    decoders = {field.name: _decoder(hints[field.name]) for field in fields(hint)}
    required = {each.name for each in fields(hint) if not each.metadata.get("later")}

    def read(plain: Any, place: str) -> Any:
        if not isinstance(plain, dict) or not required <= plain.keys() <= decoders.keys():
            raise CodecError(f"{place}: the fields {sorted(decoders)} were expected")
        return hint(**{name: decoders[name](value, f"{place}.{name}") for name, value in plain.items()})

    return read
