"""HQ's word on what time it is: a signed note over the asker's own nonce.

    permitgate-time/1
    <nonce, hexadecimal>
    <UTC, milliseconds>

Signed with the mirror's Ed25519 key as an ordinary note (type 0x01). A cosignature by that key begins with other
bytes, so neither can be passed off as the other.
"""

import re

from sync.formats import note as signed_note
from sync.formats.encoding import from_decimal
from sync.formats.errors import FormatError
from sync.formats.record_fields import LATEST_MS

HEADER = "permitgate-time/1"
_NONCE = re.compile(r"(?:[0-9a-f]{2}){16,32}")


def check_nonce(nonce: str) -> str:
    """``nonce`` itself if it is 16 to 32 bytes in lower-case hexadecimal. Raises FormatError."""
    if not _NONCE.fullmatch(nonce):
        raise FormatError("must be 16 to 32 bytes in lower-case hexadecimal", "nonce")
    return nonce


def sign_time(nonce: str, utc_ms: int, key: signed_note.SigningKey) -> str:
    """The signed answer to ``nonce``. Raises FormatError for a nonce that is none."""
    return signed_note.sign(f"{HEADER}\n{check_nonce(nonce)}\n{utc_ms}\n", key)


def open_time(note: bytes | str, nonce: str, mirror: signed_note.VerifierKey) -> int:
    """UTC milliseconds from an answer to exactly this ``nonce``, signed by the ``mirror``. Raises FormatError."""
    verifier = signed_note.VerifierKey(mirror.name, signed_note.ALGORITHM_ED25519, mirror.public)
    lines = signed_note.open_note(note, [verifier]).text.split("\n")
    if len(lines) != 4 or lines[0] != HEADER or lines[3]:
        raise FormatError("not three lines of permitgate-time/1", "time")
    if lines[1] != nonce:
        raise FormatError("answers another nonce: an old reply played again", "time")
    utc_ms = from_decimal(lines[2], "time")
    if utc_ms > LATEST_MS:
        raise FormatError("after the year 9999", "time")
    return utc_ms
