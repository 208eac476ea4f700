"""The archive of an evidence pack: a ZIP of which every byte follows from its members' names and contents.

Stored members only, no extra fields, comments, data descriptors or ZIP64, all dates 1980-01-01, names ASCII
(PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16). So a reader can write the archive again from what it
read and compare: any byte that differs was not written by us.
"""

import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from sync.formats.errors import FormatError

MAX_ARCHIVE_BYTES = 536_870_912
"""Largest archive read or written (512 MiB)."""

MAX_MEMBERS = 65_534
"""Most members: one below the number that means ZIP64."""

STRUCTURE = "archive structure"
"""Place named when bytes outside the members' contents are wrong."""

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_LOCAL_SIGNATURE, _CENTRAL_SIGNATURE, _END_SIGNATURE = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION, _MADE_BY = 20, 3 << 8 | 20
_DATE_1980 = 1 << 5 | 1
_FILE_MODE = 0o100644 << 16
_NAME = re.compile(r"[a-z0-9][a-z0-9./-]{0,199}")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive. `crc` is the CRC-32 that the archive states for it."""

    name: str
    data: bytes
    crc: int

    @property
    def damaged(self) -> bool:
        """Whether the contents are not those that the archive was written with."""
        return zlib.crc32(self.data) != self.crc


def write_archive(members: Sequence[tuple[str, bytes]]) -> bytes:
    """The archive of these (name, contents), in this order; FormatError over a limit or for a bad or repeated name."""
    names = [name for name, _ in members]
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise FormatError(f"name {name[:60]!r}, allowed [a-z0-9./-]", STRUCTURE)
    if len(set(names)) != len(names) or len(names) > MAX_MEMBERS:
        raise FormatError(f"a name twice, or more than {MAX_MEMBERS} members", STRUCTURE)
    data = b"".join(part for _, part in _parts([Member(name, body, zlib.crc32(body)) for name, body in members]))
    if len(data) > MAX_ARCHIVE_BYTES:
        raise FormatError(f"{len(data)} bytes, allowed at most {MAX_ARCHIVE_BYTES}", STRUCTURE)
    return data


def read_members(data: bytes) -> tuple[Member, ...]:
    """The members of an archive in its order, tolerantly: damage inside it is for `check_structure` to name.

    FormatError only when the members cannot be told apart.
    """
    if not _END.size <= len(data) <= MAX_ARCHIVE_BYTES:
        raise FormatError(f"{len(data)} bytes, allowed {_END.size} to {MAX_ARCHIVE_BYTES}", STRUCTURE)
    signature, *_, size, offset, _ = _END.unpack_from(data, len(data) - _END.size)
    if signature != _END_SIGNATURE or offset + size != len(data) - _END.size:
        raise FormatError("no end record where the archive ends, or it points elsewhere", STRUCTURE)
    members: list[Member] = []
    total = 0
    while offset < len(data) - _END.size:
        member, offset = _read_member(data, offset)
        total += len(member.data)
        if total > len(data) or len(members) >= MAX_MEMBERS:
            raise FormatError("members overlap, or are too many", STRUCTURE)
        members.append(member)
    if len({member.name for member in members}) != len(members):
        raise FormatError("a member's name stands twice", STRUCTURE)
    return tuple(members)


def check_structure(data: bytes, members: Sequence[Member]) -> None:
    """FormatError, naming the part, unless `data` is exactly what `write_archive` makes of these members."""
    offset = 0
    for part, expected in _parts(members):
        if data[offset : offset + len(expected)] != expected:
            found = data[offset : offset + len(expected)]
            first = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), len(found))
            raise FormatError(f"{part} is not as written, byte {offset + first}", STRUCTURE)
        offset += len(expected)
    if offset != len(data):
        raise FormatError(f"{len(data) - offset} bytes too many", STRUCTURE)


def _read_member(data: bytes, offset: int) -> tuple[Member, int]:
    place = f"central directory at byte {offset}"
    if offset + _CENTRAL.size > len(data):
        raise FormatError(f"{place} is cut short", STRUCTURE)
    fields = _CENTRAL.unpack_from(data, offset)
    signature, method, crc, stored, size = fields[0], fields[4], fields[7], fields[8], fields[9]
    name_end = offset + _CENTRAL.size + fields[10]
    if signature != _CENTRAL_SIGNATURE or method != 0 or stored != size:
        raise FormatError(f"{place} holds no stored member", STRUCTURE)
    try:
        name = data[offset + _CENTRAL.size : name_end].decode("ascii")
    except UnicodeDecodeError:
        raise FormatError(f"{place} has a name that is not ASCII", STRUCTURE) from None
    start = _contents_start(data, fields[16], name)
    if start + size > len(data):
        raise FormatError(f"{name[:60]!r} reaches beyond the archive", STRUCTURE)
    return Member(name, data[start : start + size], crc), name_end + fields[11] + fields[12]


def _contents_start(data: bytes, offset: int, name: str) -> int:
    if offset + _LOCAL.size > len(data) or not data.startswith(_LOCAL_SIGNATURE, offset):
        raise FormatError(f"no local header of {name[:60]!r} at byte {offset}", STRUCTURE)
    name_bytes, extra_bytes = struct.unpack_from("<HH", data, offset + _LOCAL.size - 4)
    return int(offset + _LOCAL.size + name_bytes + extra_bytes)


def _parts(members: Sequence[Member]) -> list[tuple[str, bytes]]:
    """Every part of the archive in order, each with the words that name it."""
    parts: list[tuple[str, bytes]] = []
    directory: list[tuple[str, bytes]] = []
    offset = 0
    for member in members:
        name = member.name.encode("ascii")
        sizes = (member.crc, len(member.data), len(member.data), len(name), 0)
        fixed = (_VERSION, 0, 0, 0, _DATE_1980)
        header = _LOCAL.pack(_LOCAL_SIGNATURE, *fixed, *sizes) + name
        parts += [(f"local header of {member.name}", header), (member.name, member.data)]
        entry = _CENTRAL.pack(_CENTRAL_SIGNATURE, _MADE_BY, *fixed, *sizes, 0, 0, 0, _FILE_MODE, offset) + name
        directory.append((f"central directory entry of {member.name}", entry))
        offset += len(header) + len(member.data)
    size = sum(len(entry) for _, entry in directory)
    end = _END.pack(_END_SIGNATURE, 0, 0, len(members), len(members), size, offset, 0)
    return [*parts, *directory, ("end record", end)]
