"""What a local command may send: texts that fit into an entry, photos, certificates."""

import os
import re
import stat
from collections.abc import Mapping
from typing import Any

from edge.core.confirmations import Confirmation
from edge.ports.errors import RefusedError

_ID_MOST, _WHY_MOST = 64, 500
"""What a person says goes into an entry as it is, and one that is too long for the journal would stop it."""
PHOTO_BYTES_MAX = 16 * 1024 * 1024
_PHOTO_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
_EVIDENCE_TYPES = {**_PHOTO_TYPES, b"%PDF-": "application/pdf"}
_PIECE = 65_536
_TIME_MS_END = 1 << 53
_TYPED_MOST = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_FIGURE = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")


def check_act(permit: str, by: str, why: str) -> None:
    """Raises RefusedError for what would not fit into an entry, or holds what a terminal would obey."""
    for name, text, most in (("permit", permit, _ID_MOST), ("by", by, _ID_MOST), ("reason", why, _WHY_MOST)):
        _check_words(name, text, most)


def act_details(request: Mapping[str, Any]) -> dict[str, Any]:
    """What an act says besides who, why and on which permit, as fields of ``Operator``. Raises RefusedError."""
    said = {name: request.get(name, default) for name, default in (("point", ""), ("device", ""))}
    for name, text in said.items():
        if not isinstance(text, str):
            raise RefusedError(f"{name}: must be a text")
        _check_words(name, text, _ID_MOST)
    return {**said, "what": _confirmation(request.get("what")), "typed": _typed(request.get("typed", {}))}


def _typed(figures: object) -> dict[str, str]:
    if not isinstance(figures, dict) or len(figures) > _TYPED_MOST:
        raise RefusedError(f"typed: must be at most {_TYPED_MOST} figures by name")
    for name, figure in figures.items():
        if not isinstance(figure, str) or not _NAME.fullmatch(str(name)) or not _FIGURE.fullmatch(figure):
            raise RefusedError(f"typed: {name}={figure}: must be NAME=FIGURE such as oxygen=20.9, no unit, no space")
    return figures


def check_words(device: str, by: str, why: str) -> None:
    """As ``check_act``, for a check of an instrument."""
    for name, text, most in (("device", device, _ID_MOST), ("by", by, _ID_MOST), ("reason", why, _WHY_MOST)):
        _check_words(name, text, most)


def _confirmation(what: object) -> Confirmation:
    """What an act confirms, the harness where it does not say. Raises RefusedError for a word that is none."""
    try:
        return Confirmation.HARNESS if what is None else Confirmation(what)
    except ValueError:
        raise RefusedError(f"unknown confirmation {str(what)[:32]!r}") from None


def check_override(subject: str, permits: tuple[str, ...], by: str, why: str) -> None:
    """As ``check_act``, for an override: ``subject`` is its device, its protection or its number."""
    named = (("override", subject), *(("permit", each) for each in permits), ("by", by))
    for name, text, most in (*((name, text, _ID_MOST) for name, text in named), ("reason", why, _WHY_MOST)):
        _check_words(name, text, most)


def check_place(place: str, by: str, why: str) -> None:
    """As ``check_act``, for an act on a door or an area."""
    for name, text, most in (("place", place, _ID_MOST), ("by", by, _ID_MOST), ("reason", why, _WHY_MOST)):
        _check_words(name, text, most)


def photo_type(data: bytes) -> str:
    """The media type of a photo. Raises RefusedError for what is none, or too large."""
    return _type_of(data, _PHOTO_TYPES, "photo: must be a JPEG or PNG")


def evidence_type(data: bytes) -> str:
    """The media type of a photo or a certificate. Raises RefusedError for what is none, or too large."""
    return _type_of(data, _EVIDENCE_TYPES, "evidence: must be a JPEG, PNG or PDF")


def _type_of(data: bytes, types: Mapping[bytes, str], allowed: str) -> str:
    if len(data) <= PHOTO_BYTES_MAX:
        for magic, media_type in types.items():
            if data.startswith(magic):
                return media_type
    raise RefusedError(f"{allowed} of at most {PHOTO_BYTES_MAX} bytes")


def is_time(value: object) -> bool:
    """Whether it is a time in UTC milliseconds that an entry can hold."""
    return type(value) is int and 0 <= value < _TIME_MS_END


def attached_bytes(attached: int | None, name: str) -> bytes:
    """The bytes of the open file that came with a request. Raises RefusedError if it is no plain file."""
    if attached is None or not stat.S_ISREG(os.fstat(attached).st_mode):
        raise RefusedError(f"{name}: must come with the request, as an open file")
    found = bytearray()
    while len(found) <= PHOTO_BYTES_MAX and (piece := os.pread(attached, _PIECE, len(found))):
        found += piece
    return bytes(found)


def _check_words(name: str, text: str, most: int) -> None:
    """Raises RefusedError for a text that is too long, or holds what a terminal would obey."""
    if len(text) > most:
        raise RefusedError(f"{name}: {len(text)} characters, allowed at most {most}")
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text):
        raise RefusedError(f"{name}: holds control characters or line ends; write it in one line")
