"""A rule pack in the authority log: one version is one entry, its TOML text deflated and in base64, named by SHA-256.

What is here opens nothing and trusts nothing: whoever reads such a record unpacks at most ``TEXT_BYTES_MAX`` bytes and
has the text that the hash names, or a FormatError.
"""

import binascii
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sync.formats.errors import FormatError

TEXT_BYTES_MAX: Final = 65_536
"""Longest text of one version, in bytes."""

PACKED_MAX: Final = 16_000
"""Longest packed text, in characters: with its name and hash it still fits into one entry."""

_ID = re.compile(r"([a-z0-9][a-z0-9-]{0,47})/([1-9][0-9]{0,5})")
_ID_FORM = "must be PACK/VERSION, such as gb30871/3"


@dataclass(frozen=True, slots=True)
class RulesId:
    """The id of one version of a rule pack: ``PACK/VERSION``."""

    def checked(self, value: Any, place: str, written: bool) -> str:
        """See ``FieldType.checked``."""
        if not isinstance(value, str) or _ID.fullmatch(value) is None:
            raise FormatError(_ID_FORM, place=place)
        return value

    def schema(self) -> dict[str, Any]:
        """See ``FieldType.schema``."""
        return {"type": "string", "pattern": f"^{_ID.pattern}$"}


@dataclass(frozen=True, slots=True)
class PackedText:
    """A text, packed. Only its alphabet and length are looked at; ``text_of`` unpacks it."""

    def checked(self, value: Any, place: str, written: bool) -> str:
        """See ``FieldType.checked``."""
        if not isinstance(value, str) or len(value) > PACKED_MAX or not value.isprintable():
            raise FormatError(f"must be base64 of at most {PACKED_MAX} characters", place=place)
        return value

    def schema(self) -> dict[str, Any]:
        """See ``FieldType.schema``."""
        return {"type": "string", "maxLength": PACKED_MAX, "contentEncoding": "base64"}


def split_id(identity: str) -> tuple[str, int]:
    """Pack and version of an id. Raises FormatError."""
    found = _ID.fullmatch(identity)
    if found is None:
        raise FormatError(_ID_FORM, place="id")
    return found[1], int(found[2])


def rules_record(text: bytes) -> dict[str, Any]:
    """The record of a text. Raises FormatError with the figure for one that does not fit into an entry."""
    if len(text) > TEXT_BYTES_MAX:
        raise FormatError(f"{len(text)} bytes, allowed at most {TEXT_BYTES_MAX}; shorten its words", place="text")
    packed = b64encode(zlib.compress(text, 9)).decode("ascii")
    if len(packed) > PACKED_MAX:
        what = f"{len(packed)} characters when packed, allowed at most {PACKED_MAX}"
        raise FormatError(f"{what}; shorten its words, or make two packs of it", place="text")
    return {"sha256": sha256(text).hexdigest(), "text": packed}


def text_of(record: Mapping[str, Any]) -> bytes:
    """The text of a record, at most ``TEXT_BYTES_MAX`` bytes. Raises FormatError for anything else."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(b64decode(record["text"], validate=True), TEXT_BYTES_MAX + 1)
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error):
        raise FormatError("cannot be unpacked: not base64 of a zlib stream", place="text") from None
    if len(text) > TEXT_BYTES_MAX:
        raise FormatError(f"more than {TEXT_BYTES_MAX} bytes when unpacked", place="text")
    if not unpacker.eof or unpacker.unused_data:
        raise FormatError("cannot be unpacked: not one whole zlib stream", place="text")
    found = sha256(text).hexdigest()
    if found != record.get("sha256"):
        raise FormatError(f"its SHA-256 is {found}, the record says {record.get('sha256')}", place="sha256")
    return text
