"""Damage done on purpose: which byte of a file is flipped, and whether the verification of a pack names its part."""

from hil.demo_steps.story import BrokenOffError
from sync.formats.pack_archive import STRUCTURE, read_members
from sync.formats.pack_verdict import verify_pack

_PIECE_BYTES = 24


def one_bit_flipped(data: bytes, place: int) -> bytes:
    """The same bytes with the lowest bit of one of them flipped."""
    return data[:place] + bytes([data[place] ^ 0x01]) + data[place + 1 :]


def place_of_entry(leaf: bytes, data: bytes) -> int:
    """A byte of a journal's file that belongs to this entry and to nothing else. Raises BrokenOffError if none does.

    A page's end may cut through the entry, so it is looked for piece by piece.
    """
    for start in range(0, len(leaf) - _PIECE_BYTES + 1, 8):
        piece = leaf[start : start + _PIECE_BYTES]
        if data.count(piece) == 1:
            return data.index(piece) + _PIECE_BYTES // 2
    raise BrokenOffError("the entry's bytes were not found in the copy")


def parts_of_pack(data: bytes) -> list[tuple[str, int]]:
    """Every part of a pack by the name that a verifier must give it, with the place of one of its bytes.

    A member's contents (of an empty one nothing), its local header, its line in the directory, and the end record
    (PKWARE APPNOTE.TXT 6.3.10, 4.3.7, 4.3.12, 4.3.16).
    """
    found: list[tuple[str, int]] = []
    offset = 0
    for member in read_members(data):
        name = member.name.encode()
        found.append((STRUCTURE, offset + 10))
        start = data.index(name, offset) + len(name)
        if member.data:
            found.append((member.name, start + len(member.data) // 2))
        offset = start + len(member.data)
    for member in read_members(data):
        found.append((STRUCTURE, offset + 12))
        offset = data.index(member.name.encode(), offset) + len(member.name)
    return [*found, (STRUCTURE, len(data) - 12)]


def unseen_flips(data: bytes) -> tuple[int, list[str]]:
    """How many parts a pack has, and those whose flipped byte the verification passes or does not name."""
    unseen = []
    parts = parts_of_pack(data)
    for name, place in parts:
        verdict = verify_pack(one_bit_flipped(data, place))
        said = " ".join(line.text_en for line in verdict.lines if not line.ok)
        if verdict.ok or name not in said:
            unseen.append(name)
    return len(parts), unseen
