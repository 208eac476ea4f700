"""C2SP signed notes (c2sp.org/signed-note@v1.0.0): text, a blank line, signature lines.

    — <key name> base64(32-bit key ID || signature)

Two signature types are known: 0x01, Ed25519 over the text (RFC 8032), and 0x04, the timestamped Ed25519
cosignature of c2sp.org/tlog-cosignature@v1.0.0. Signatures by unknown keys are carried along and ignored; a
signature by a known key that does not verify refuses the whole note.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sync.formats.encoding import from_base64, to_base64
from sync.formats.errors import FormatError

ALGORITHM_ED25519 = 0x01
"""Signature type of a note signed by its author (signed-note, "Signature types")."""

ALGORITHM_COSIGNATURE = 0x04
"""Signature type of a timestamped cosignature (tlog-cosignature, "Format")."""

MAX_NOTE_BYTES = 131_072
"""Largest note read: 16 post-quantum signatures of nearly 5 kB, which signed-note demands, fit."""

MAX_SIGNATURES = 100
"""Most signature lines read; the Go implementation of notes has the same limit."""

MAX_NAME_BYTES = 255
"""Longest key name or log origin in UTF-8 (tlog-cosignature: `log_origin<1..2^8-1>`)."""

_NO_NAME = re.compile(r"[+\s\x00-\x1f]")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DASH = "\u2014 "
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_TIMESTAMP_BYTES = 8


def check_name(name: str, place: str = "key name") -> None:
    """FormatError unless `name` may name a key: not empty, no Unicode space or control character, no plus."""
    if not name or _NO_NAME.search(name):
        raise FormatError(f"{name[:60]!r}; allowed text without spaces, control characters and '+'", place)
    if len(_utf8(name, place)) > MAX_NAME_BYTES:
        raise FormatError(f"longer than {MAX_NAME_BYTES} bytes", place)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name: the "vkey" of signed notes. `key_id` is derived from the other three."""

    name: str
    algorithm: int
    public: bytes
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.algorithm not in (ALGORITHM_ED25519, ALGORITHM_COSIGNATURE):
            raise FormatError(f"signature type 0x{self.algorithm:02x}, allowed 0x01 and 0x04", f"key {self.name}")
        if len(self.public) != _KEY_BYTES:
            raise FormatError(f"public key of {len(self.public)} bytes, allowed {_KEY_BYTES}", f"key {self.name}")
        material = self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public
        object.__setattr__(self, "key_id", sha256(material).digest()[:4])

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read `<name>+<key id, 8 hex digits>+<base64(type || key)>`; FormatError for any other text."""
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise FormatError("not <name>+<key id>+<base64 key>", "verifier key")
        material = from_base64(parts[2], f"verifier key {parts[0][:60]}")
        if not material:
            raise FormatError("no key material", "verifier key")
        key = cls(parts[0], material[0], material[1:])
        if parts[1] != key.key_id.hex():
            raise FormatError(f"key id {parts[1][:16]!r} does not belong to this key", f"verifier key {key.name}")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes([self.algorithm]) + self.public)}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether `signature` (without the key id) is this key's over the note text."""
        if self.algorithm == ALGORITHM_COSIGNATURE:
            if len(signature) != _TIMESTAMP_BYTES + _SIGNATURE_BYTES or signature[0] & 0x80:
                return False
            message = cosignature_message(text, int.from_bytes(signature[:_TIMESTAMP_BYTES], "big"))
            signature = signature[_TIMESTAMP_BYTES:]
        else:
            message = text.encode()
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private Ed25519 key with the name under which it signs. Never printed: `repr` shows the name only."""

    name: str
    private: Ed25519PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)

    def verifier(self) -> VerifierKey:
        """The public half for notes signed by `sign` (type 0x01)."""
        return VerifierKey(self.name, ALGORITHM_ED25519, self._public())

    def cosigner(self) -> VerifierKey:
        """The public half for lines made by `cosignature.cosign` (type 0x04)."""
        return VerifierKey(self.name, ALGORITHM_COSIGNATURE, self._public())

    def _public(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature line: who says to have signed, and the signature without the key id."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {to_base64(self.key_id + self.signature)}\n"

    def is_by(self, key: VerifierKey) -> bool:
        """Whether it claims to be by `key` (name and key id); says nothing of its truth."""
        return self.name == key.name and self.key_id == key.key_id


@dataclass(frozen=True, slots=True)
class Note:
    """A note with at least one verified signature."""

    text: str
    verified: tuple[str, ...]
    """Names of the keys whose signatures were verified, each once, in the note's order."""
    unverified: tuple[SignatureLine, ...]
    """Lines by keys that were not asked for."""


def cosignature_message(text: str, timestamp_s: int) -> bytes:
    """What a type 0x04 signature signs (tlog-cosignature, "Ed25519 signed message")."""
    return f"cosignature/v1\ntime {timestamp_s}\n{text}".encode()


def sign(text: str, *keys: SigningKey) -> str:
    """The note of `text` signed by each key with type 0x01. `text` ends in a newline and holds no other control."""
    _check_text(text)
    if not 1 <= len(keys) <= MAX_SIGNATURES:
        raise FormatError(f"{len(keys)} keys, allowed 1 to {MAX_SIGNATURES}", "note")
    message = text.encode()
    lines = [str(SignatureLine(key.name, key.verifier().key_id, key.private.sign(message))) for key in keys]
    return text + "\n" + "".join(lines)


def split_note(note: bytes | str) -> tuple[str, tuple[SignatureLine, ...]]:
    """Text and signature lines of a note, *nothing verified*; FormatError if it is not a note."""
    data = _utf8(note, "note") if isinstance(note, str) else note
    if len(data) > MAX_NOTE_BYTES:
        raise FormatError(f"{len(data)} bytes, allowed at most {MAX_NOTE_BYTES}", "note")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError("not UTF-8", "note") from None
    end = whole.rfind("\n\n")
    if end < 0:
        raise FormatError("no blank line before the signatures", "note")
    text, tail = whole[: end + 1], whole[end + 2 :]
    _check_text(text)
    if not tail.endswith("\n"):
        raise FormatError("does not end with a signature line", "note")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise FormatError(f"{len(lines)} signatures, allowed at most {MAX_SIGNATURES}", "note")
    return text, tuple(parse_line(line + "\n") for line in lines)


def parse_line(line: str) -> SignatureLine:
    """One signature line with its newline; FormatError for anything else."""
    parts = line.removesuffix("\n").split(" ")
    if not line.endswith("\n") or len(parts) != 3 or parts[0] + " " != _DASH:
        raise FormatError("not '\u2014 <name> <base64>' with a newline", "signature line")
    check_name(parts[1], "signature line")
    data = from_base64(parts[2], f"signature line of {parts[1][:60]}")
    if len(data) < 5:
        raise FormatError(f"{len(data)} bytes, allowed a 4-byte key id and a signature", "signature line")
    return SignatureLine(parts[1], data[:4], data[4:])


def open_note(note: bytes | str, verifiers: Iterable[VerifierKey]) -> Note:
    """Check a note against known keys; FormatError unless at least one of them signed it and none wrongly."""
    known = tuple(verifiers)
    text, lines = split_note(note)
    verified: list[str] = []
    unverified: list[SignatureLine] = []
    for line in lines:
        key = next((candidate for candidate in known if line.is_by(candidate)), None)
        if key is None:
            unverified.append(line)
        elif not key.verifies(text, line.signature):
            raise FormatError("the signature does not verify", f"signature line of {line.name}")
        elif key.name not in verified:
            verified.append(key.name)
    if not verified:
        raise FormatError("no signature by a known key", "note")
    return Note(text, tuple(verified), tuple(unverified))


def _utf8(text: str, place: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise FormatError("lone surrogates are not text", place) from None


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise FormatError("does not end with a newline", "note text")
    if _CONTROL.search(text):
        raise FormatError("holds a control character other than newline", "note text")
    if len(_utf8(text, "note text")) > MAX_NOTE_BYTES:
        raise FormatError(f"longer than {MAX_NOTE_BYTES} bytes", "note text")
