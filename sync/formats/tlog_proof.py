"""C2SP transparency log proofs (c2sp.org/tlog-proof): one entry's inclusion, verifiable offline.

c2sp.org/tlog-proof@v1
extra <base64>                  (optional, not authenticated)
index <decimal>
<base64 hash> ...               from the leaf's sibling up to the root's child

<signed checkpoint, verbatim>
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sync.formats.checkpoint import Checkpoint, open_checkpoint
from sync.formats.encoding import from_base64, from_decimal, to_base64
from sync.formats.errors import FormatError
from sync.formats.merkle import HASH_BYTES, verify_inclusion
from sync.formats.note import MAX_NOTE_BYTES, VerifierKey, split_note

MAX_PROOF_BYTES = MAX_NOTE_BYTES + 32_768
"""Largest proof read: its checkpoint, at most 63 hashes, and some extra data."""

_HEADER = "c2sp.org/tlog-proof@v1"
_MAX_HASHES = 63


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A parsed proof, *unverified*: leaf index, inclusion hashes, the signed checkpoint as it stands, extra data."""

    index: int
    hashes: tuple[bytes, ...]
    note: str
    extra: bytes | None = None


def encode(proof: TlogProof) -> str:
    """The text of a proof; FormatError if a part of it could not be read back."""
    if not 0 <= proof.index < 2**63:
        raise FormatError(f"index {proof.index}, allowed 0 to 2^63-1", "tlog-proof")
    if len(proof.hashes) > _MAX_HASHES or any(len(item) != HASH_BYTES for item in proof.hashes):
        raise FormatError(f"allowed at most {_MAX_HASHES} hashes of {HASH_BYTES} bytes", "tlog-proof")
    split_note(proof.note)
    lines = [_HEADER]
    if proof.extra is not None:
        lines.append(f"extra {to_base64(proof.extra)}")
    lines += [f"index {proof.index}", *map(to_base64, proof.hashes), "", proof.note]
    text = "\n".join(lines)
    if len(text.encode()) > MAX_PROOF_BYTES:
        raise FormatError(f"longer than {MAX_PROOF_BYTES} bytes", "tlog-proof")
    return text


def parse(data: bytes | str) -> TlogProof:
    """The proof of a text; FormatError for anything that `encode` would not write. Nothing is verified."""
    text = _text_of(data)
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines[0] != _HEADER:
        raise FormatError(f"not '{_HEADER}', index, hashes, a blank line and a checkpoint", "tlog-proof")
    lines = lines[1:]
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = from_base64(lines[0][len("extra ") :], "tlog-proof extra")
        lines = lines[1:]
    if not lines or not lines[0].startswith("index "):
        raise FormatError("no 'index <decimal>' line", "tlog-proof")
    if len(lines) - 1 > _MAX_HASHES:
        raise FormatError(f"{len(lines) - 1} hashes, allowed at most {_MAX_HASHES}", "tlog-proof")
    index = from_decimal(lines[0][len("index ") :], "tlog-proof index")
    split_note(note)
    return TlogProof(index, _hashes(lines[1:]), note, extra)


def verify(proof: TlogProof, leaf: bytes, log: VerifierKey) -> Checkpoint:
    """The checkpoint under which the leaf *hash* is proven to stand at the proof's index; FormatError otherwise.

    Cosignatures are the caller's policy (`tlog_policy`); extra data is ignored, as nothing authenticates it.
    """
    head = open_checkpoint(proof.note, log)
    verify_inclusion(leaf, proof.index, head.size, proof.hashes, head.root)
    return head


def _hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    hashes = tuple(from_base64(line, "tlog-proof hash") for line in lines)
    if any(len(item) != HASH_BYTES for item in hashes):
        raise FormatError(f"allowed {HASH_BYTES} bytes", "tlog-proof hash")
    return hashes


def _text_of(data: bytes | str) -> str:
    if len(data) > MAX_PROOF_BYTES:
        raise FormatError(f"{len(data)} bytes, allowed at most {MAX_PROOF_BYTES}", "tlog-proof")
    if isinstance(data, str):
        return data
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError("not UTF-8", "tlog-proof") from None
