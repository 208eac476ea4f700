"""C2SP checkpoints (c2sp.org/tlog-checkpoint@v1.0.0): a signed note over origin, size and root of a log.

Ours are exactly three lines: extension lines, which the specification advises against, are refused.
"""

from dataclasses import dataclass

from sync.formats import note as signed_note
from sync.formats.encoding import from_base64, from_decimal, to_base64
from sync.formats.errors import FormatError
from sync.formats.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Head of a log: its identity, how many leaves it has, and their root hash (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        signed_note.check_name(self.origin, "checkpoint origin")
        if not 0 <= self.size <= MAX_SIZE:
            raise FormatError(f"{self.size}, allowed 0 to 2^63-1", "checkpoint size")
        if len(self.root) != HASH_BYTES:
            raise FormatError(f"{len(self.root)} bytes, allowed {HASH_BYTES}", "checkpoint root")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise FormatError("not the root of the empty tree", "checkpoint root")


def encode(checkpoint: Checkpoint) -> str:
    """The note text: three lines, each with its newline."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{to_base64(checkpoint.root)}\n"


def parse(text: str) -> Checkpoint:
    """The checkpoint of a note text, *unverified*; FormatError unless it is exactly three such lines."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise FormatError("not exactly three lines", "checkpoint")
    size = from_decimal(lines[1], "checkpoint size")
    return Checkpoint(lines[0], size, from_base64(lines[2], "checkpoint root"))


def sign(checkpoint: Checkpoint, key: signed_note.SigningKey) -> str:
    """The signed note of a checkpoint. The key is named as the log's origin; FormatError otherwise."""
    if key.name != checkpoint.origin:
        raise FormatError(f"key is named {key.name}, the log {checkpoint.origin}", "checkpoint")
    return signed_note.sign(encode(checkpoint), key)


def open_checkpoint(note: bytes | str, log_verifier: signed_note.VerifierKey) -> Checkpoint:
    """The checkpoint of a note signed by the log; FormatError unless signature, origin and form are right."""
    checkpoint = parse(signed_note.open_note(note, [log_verifier]).text)
    if checkpoint.origin != log_verifier.name:
        raise FormatError(f"origin {checkpoint.origin}, the key is of {log_verifier.name}", "checkpoint")
    return checkpoint
