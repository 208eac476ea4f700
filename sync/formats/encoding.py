"""Strict readings of the two text forms that C2SP formats are made of: base64 and decimals."""

import base64
import binascii
import re

from sync.formats.errors import FormatError

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


def to_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str, place: str) -> bytes:
    """The bytes of canonical standard base64; FormatError for other alphabets, spaces or loose trailing bits."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("not base64 (RFC 4648 section 4)", place) from None
    if to_base64(data) != text:
        raise FormatError("not canonical base64 (RFC 4648 section 3.5)", place)
    return data


def from_decimal(text: str, place: str) -> int:
    """A non-negative decimal below 2^63 without sign or leading zeroes; FormatError otherwise."""
    if _DECIMAL.fullmatch(text) is None or int(text) >= 2**63:
        raise FormatError(f"{text[:40]!r}, allowed a decimal 0 to 2^63-1 without leading zeroes", place)
    return int(text)
