"""C2SP tlog-tiles (c2sp.org/tlog-tiles@v1.0.0): a log as static files, by path.

    tile/<L>/<N>[.p/<W>]        hashes of 256 consecutive full subtrees of height 8 * L
    tile/entries/<N>[.p/<W>]    256 entries, each with a big-endian uint16 length before it

`<N>` is written in groups of three digits, all but the last with an `x` (1234067: `x001/x234/067`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sync.formats.errors import FormatError
from sync.formats.merkle import HASH_BYTES, MAX_SIZE, NodeReader

TILE_WIDTH = 256
"""Hashes or entries in a full tile."""

MAX_BUNDLE_ENTRY_BYTES = 65_535
"""Longest entry that a bundle can carry (uint16 length)."""

_LEVEL_MAX = 63
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: `level` None means a bundle of entries. `width` 256 is a full tile, 1 to 255 a partial one."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if self.level is not None and not 0 <= self.level <= _LEVEL_MAX:
            raise FormatError(f"level {self.level}, allowed 0 to {_LEVEL_MAX}", "tile")
        if not 0 <= self.index <= MAX_SIZE:
            raise FormatError(f"index {self.index}, allowed 0 to 2^63-1", "tile")
        if not 1 <= self.width <= TILE_WIDTH:
            raise FormatError(f"width {self.width}, allowed 1 to {TILE_WIDTH}", "tile")

    @property
    def start(self) -> int:
        """Index of its first hash within the level, or of its first entry."""
        return self.index * TILE_WIDTH

    @property
    def path(self) -> str:
        """Where the tile lies below the log's prefix."""
        digits = str(self.index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[place : place + 3] for place in range(0, len(digits), 3)]
        number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{'entries' if self.level is None else self.level}/{number}{partial}"


def parse_path(path: str) -> Tile:
    """The tile that a path names; FormatError for any path that `Tile.path` would not write."""
    match = _PATH.fullmatch(path) if len(path) <= 120 else None
    if match is None:
        raise FormatError(f"{path[:80]!r}, allowed tile/<L or entries>/<N>[.p/<W>]", "tile path")
    level, number, width = match.groups()
    tile = Tile(
        None if level == "entries" else int(level),
        int(number.replace("x", "").replace("/", "")),
        TILE_WIDTH if width is None else int(width),
    )
    if tile.path != path:
        raise FormatError(f"{path[:80]!r}, its canonical form is {tile.path!r}", "tile path")
    return tile


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """Every tile and entry bundle that a log of `size` serves and that a log of `since` did not have yet."""
    yield from _level_tiles(None, size, since)
    level = 0
    while size:
        yield from _level_tiles(level, size, since)
        size //= TILE_WIDTH
        since //= TILE_WIDTH
        level += 1


def _level_tiles(level: int | None, size: int, since: int) -> Iterator[Tile]:
    if since >= size:
        return
    for index in range(since // TILE_WIDTH, size // TILE_WIDTH):
        yield Tile(level, index)
    if size % TILE_WIDTH:
        yield Tile(level, size // TILE_WIDTH, size % TILE_WIDTH)


def tile_bytes(tile: Tile, nodes: NodeReader) -> bytes:
    """The hashes of a tile one after the other, read from stored nodes."""
    if tile.level is None:
        raise FormatError("a bundle of entries has no hashes", tile.path)
    level = tile.level * 8
    return b"".join(nodes(level, tile.start + place) for place in range(tile.width))


def split_tile(tile: Tile, data: bytes) -> tuple[bytes, ...]:
    """The hashes of a fetched tile; FormatError unless it is exactly as long as its path says."""
    if len(data) != tile.width * HASH_BYTES:
        raise FormatError(f"{len(data)} bytes, allowed {tile.width * HASH_BYTES}", tile.path)
    return tuple(data[place : place + HASH_BYTES] for place in range(0, len(data), HASH_BYTES))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: at most 256 entries, each of at most 65,535 bytes."""
    if len(entries) > TILE_WIDTH:
        raise FormatError(f"{len(entries)} entries, allowed at most {TILE_WIDTH}", "entry bundle")
    parts: list[bytes] = []
    for place, entry in enumerate(entries):
        if len(entry) > MAX_BUNDLE_ENTRY_BYTES:
            raise FormatError(f"{len(entry)} bytes, allowed {MAX_BUNDLE_ENTRY_BYTES}", f"entry bundle, entry {place}")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def decode_bundle(data: bytes) -> tuple[bytes, ...]:
    """The entries of a bundle; FormatError for a cut one or more than 256 entries."""
    entries: list[bytes] = []
    place = 0
    while place < len(data):
        if len(entries) == TILE_WIDTH:
            raise FormatError(f"more than {TILE_WIDTH} entries", "entry bundle")
        end = place + 2 + int.from_bytes(data[place : place + 2], "big")
        if place + 2 > len(data) or end > len(data):
            raise FormatError(f"cut short in entry {len(entries)}", "entry bundle")
        entries.append(data[place + 2 : end])
        place = end
    return tuple(entries)
