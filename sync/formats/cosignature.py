"""C2SP Ed25519 cosignatures of checkpoints (c2sp.org/tlog-cosignature@v1.0.0).

A cosignature says: at this time this was the largest tree I saw of this log. Made by HQ's mirror key it also says
that HQ durably holds every entry below the size, which makes it our acknowledgement. The signed message does not
name the cosigner, therefore each cosigner has a key of its own.
"""

from sync.formats import checkpoint, note
from sync.formats.errors import FormatError

MAX_TIMESTAMP_S = 2**63 - 1
"""Largest timestamp, POSIX seconds (tlog-cosignature, "Format")."""


def cosign(signed: str, key: note.SigningKey, timestamp_s: int) -> str:
    """The cosignature line of `key` over a checkpoint note (or its bare text), newline included."""
    if not 0 <= timestamp_s <= MAX_TIMESTAMP_S:
        raise FormatError(f"{timestamp_s}, allowed 0 to 2^63-1", "cosignature timestamp")
    text = _text_of(signed)
    signature = timestamp_s.to_bytes(8, "big") + key.private.sign(note.cosignature_message(text, timestamp_s))
    return str(note.SignatureLine(key.name, key.cosigner().key_id, signature))


def verify_cosignature(note_text: str, cosigned: str, cosigner: note.VerifierKey) -> int:
    """The time (POSIX seconds) at which `cosigner` cosigned; FormatError if it did not, or wrongly.

    `note_text` is the checkpoint note (or its bare text) that must be covered; `cosigned` holds the signature: one or
    more signature lines, or a whole note. With several lines by this cosigner all must verify; the newest counts.
    """
    time_s = find_cosignature(note_text, cosigned, cosigner)
    if time_s is None:
        raise FormatError(f"no cosignature by {cosigner.name}", "cosignature")
    return time_s


def find_cosignature(note_text: str, cosigned: str, cosigner: note.VerifierKey) -> int | None:
    """As `verify_cosignature`, but None when the cosigner has no line there. A false line is still refused."""
    if cosigner.algorithm != note.ALGORITHM_COSIGNATURE:
        raise FormatError(f"key of type 0x{cosigner.algorithm:02x}, allowed 0x04", f"cosigner {cosigner.name}")
    text = _text_of(note_text)
    newest: int | None = None
    for line in _lines_of(text, cosigned):
        if not line.is_by(cosigner):
            continue
        if not cosigner.verifies(text, line.signature):
            raise FormatError("the signature does not verify", f"cosignature of {cosigner.name}")
        newest = max(newest or 0, int.from_bytes(line.signature[:8], "big"))
    return newest


def add_line(signed: str, line: str) -> str:
    """The note with one more signature line; a line that is there already is not repeated."""
    text, lines = note.split_note(signed)
    if note.parse_line(line) in lines:
        return signed
    return text + "\n" + "".join(map(str, lines)) + line


def _text_of(signed: str) -> str:
    text = note.split_note(signed)[0] if "\n\n" in signed else signed
    checkpoint.parse(text)
    return text


def _lines_of(text: str, cosigned: str) -> tuple[note.SignatureLine, ...]:
    if "\n\n" not in cosigned:
        return note.split_note(f"{text}\n{cosigned}")[1]
    covered, lines = note.split_note(cosigned)
    if covered != text:
        raise FormatError("the cosigned note is another one", "cosignature")
    return lines
