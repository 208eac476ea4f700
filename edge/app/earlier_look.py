"""Reads back what an earlier ``devices try --json FILE`` found to fit: what fits both looks is left."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from drivers.modbus.decodings import SCALES, Decoding
from drivers.modbus.register_map import Kind, WordOrder
from edge.ports.errors import ConfigurationError

_BYTES_MAX = 16 * 1024 * 1024
_KINDS = {each.value: each for each in Kind}
_ORDERS = {each.value: each for each in WordOrder}
_SCALES = {str(each): each for each in SCALES}


@dataclass(frozen=True, slots=True)
class EarlierLook:
    """The figures that the display showed before, and every decoding that fitted all of them."""

    displays: tuple[str, ...]
    decodings: frozenset[Decoding]


def read_earlier(path: Path, unit: int, function: int) -> EarlierLook:
    """The earlier answer. Raises ConfigurationError if the file is none, or is of another unit or function."""
    try:
        with path.open("rb") as stream:
            found = orjson.loads(stream.read(_BYTES_MAX))
        if (found["unit"], found["function"]) != (unit, function):
            what = f"is of unit {found['unit']} and function {found['function']}, not of {unit} and {function}"
            raise ConfigurationError([f"{path}:1: unit: {what}; look at the same registers each time"])
        displays = tuple(str(Decimal(each)) for each in found["displays"])
        fits = [each for fit in found["fits"] for each in (fit, *fit["twins"])]
        decodings = frozenset(_decoding(each) for each in fits)
    except OSError as error:
        raise ConfigurationError([f"{path}:1: file: cannot be read: {error.strerror}; name an existing file"]) from None
    except (ValueError, ArithmeticError, KeyError, TypeError) as error:
        what = f"is no answer of `devices try --display D --json FILE` ({type(error).__name__})"
        raise ConfigurationError([f"{path}:1: file: {what}; run the first look again"]) from None
    if not decodings:
        raise ConfigurationError([f"{path}:1: fits: nothing fitted in that look; begin again without --fits"])
    return EarlierLook(displays, decodings)


def _decoding(found: Mapping[str, Any]) -> Decoding:
    address = found["address"]
    if type(address) is not int:
        raise TypeError(address)
    return Decoding(address, _KINDS[found["type"]], _ORDERS[found["order"]], _SCALES[found["scale"]])
