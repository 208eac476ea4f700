"""A journal as a folder of C2SP tlog-tiles (c2sp.org/tlog-tiles): anybody's tools verify it without ours.

Below the folder: ``tile/<L>/<N>[.p/<W>]``, ``tile/entries/<N>[.p/<W>]``, ``checkpoint`` (written last, when all that
it covers is there) and ``vkeys``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.app.log_keys import LogKeys
from edge.ports.errors import DamagedError, RefusedError
from edge.storage.checkpoint_file import open_note_file
from edge.storage.databases import translated_os, write_durably
from edge.storage.journal_reader import JournalReader
from sync.formats.checkpoint import Checkpoint, open_checkpoint, parse
from sync.formats.cosignature import find_cosignature
from sync.formats.errors import FormatError
from sync.formats.merkle import EMPTY, leaf_hash, root_at
from sync.formats.note import MAX_NOTE_BYTES, split_note
from sync.formats.tiles import Tile, decode_bundle, encode_bundle, split_tile, tile_bytes, tiles_of


@dataclass(frozen=True, slots=True)
class Head:
    """The checkpoint that an export or a pack stands under. ``cosigned_s`` (POSIX seconds) None: HQ has not yet."""

    note: str
    checkpoint: Checkpoint
    cosigned_s: int | None


@dataclass(frozen=True, slots=True)
class TilesReport:
    """What was exported: the head, the files by number, and entries below ``pruned_to``, which only have hashes."""

    head: Head
    files: int
    pruned_to: int


def newest_head(reader: JournalReader, keys: LogKeys, checkpoint_path: Path) -> Head:
    """The newest cosigned checkpoint; before the first, the newest signed one. Raises RefusedError if there is none."""
    cosigned = reader.cosigned()
    if cosigned is not None:
        try:
            checkpoint = open_checkpoint(cosigned.note, keys.log)
            at_s = find_cosignature(cosigned.note, cosigned.note, keys.mirror)
        except FormatError as error:
            raise DamagedError(f"the newest cosigned checkpoint is damaged: {error}") from None
        return Head(cosigned.note, checkpoint, at_s)
    signed = open_note_file(checkpoint_path, keys.log)
    if signed is None or signed[0].size > reader.size():
        raise RefusedError("no checkpoint is signed yet: let the gateway run first")
    return Head(signed[1], signed[0], None)


def export_tiles(reader: JournalReader, keys: LogKeys, head: Head, folder: Path) -> TilesReport:
    """Write the folder and read it back. What is there already of the same log is kept and must agree.

    Raises RefusedError for a folder that holds another log, another past of it or more of it than is at hand,
    DamagedError if what was read back is not the head's.
    """
    size = head.checkpoint.size
    _check_folder(folder, head, reader)
    pruned_to = reader.pruned_to()
    files = 0
    for tile, data in _contents(reader, size, pruned_to):
        _put(folder / tile.path, data)
        files += 1
    _put(folder / "vkeys", keys.lines().encode())
    write_durably(folder / "checkpoint", [head.note.encode()])
    read_back(folder, keys, pruned_to)
    return TilesReport(head, files + 2, pruned_to)


def _put(path: Path, data: bytes) -> None:
    """Write a file that is not there with these bytes yet. Raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != data:
            path.write_bytes(data)
    except OSError as error:
        raise translated_os(error, path) from error


def read_back(folder: Path, keys: LogKeys, pruned_to: int = 0) -> Checkpoint:
    """Judge a folder by itself: signature, every entry, every tile. Raises DamagedError naming the file."""
    try:
        checkpoint = open_checkpoint((folder / "checkpoint").read_bytes()[:MAX_NOTE_BYTES], keys.log)
        frontier, upper = EMPTY, dict[tuple[int, int], bytes]()
        for tile in tiles_of(checkpoint.size):
            if tile.level == 0:
                hashes = split_tile(tile, (folder / tile.path).read_bytes())
                _check_entries(folder, tile, pruned_to, hashes)
                frontier, rows = frontier.extend(hashes)
                upper.update({(level, index): node for level, index, node in rows if level and level % 8 == 0})
            elif tile.level and (folder / tile.path).read_bytes() != tile_bytes(tile, lambda *place: upper[place]):
                raise FormatError("not the hashes of the tiles below it", tile.path)
        if frontier.root() != checkpoint.root:
            raise FormatError("its root is not that of the tiles", "checkpoint")
    except (FormatError, OSError) as error:
        raise DamagedError(f"{folder}: what was written cannot be verified: {error}") from None
    return checkpoint


def _contents(reader: JournalReader, size: int, pruned_to: int) -> Iterator[tuple[Tile, bytes]]:
    for tile in tiles_of(size):
        if tile.level is not None:
            yield tile, tile_bytes(tile, reader.node)
        elif tile.start >= pruned_to:
            yield tile, encode_bundle(reader.leaves(tile.start, tile.width)[: tile.width])


def _check_entries(folder: Path, tile: Tile, pruned_to: int, hashes: tuple[bytes, ...]) -> None:
    """The bundle beside a level 0 tile; one that begins before ``pruned_to`` was not written."""
    bundle = Tile(None, tile.index, tile.width)
    if bundle.start < pruned_to:
        return
    if tuple(map(leaf_hash, decode_bundle((folder / bundle.path).read_bytes()))) != hashes:
        raise FormatError("its entries are not those of the level 0 tile", bundle.path)


def _check_folder(folder: Path, head: Head, reader: JournalReader) -> None:
    """An older export of the same past may be brought up to date; nothing else is written over."""
    path = folder / "checkpoint"
    if not path.exists():
        return
    try:
        found = parse(split_note(path.read_bytes()[:MAX_NOTE_BYTES])[0])
    except FormatError as error:
        raise RefusedError(f"{path}: not a checkpoint ({error}): choose an empty folder") from None
    if found.origin != head.checkpoint.origin:
        raise RefusedError(f"{folder}: holds the log {found.origin}: choose another folder")
    if found.size > head.checkpoint.size:
        raise RefusedError(
            f"{folder}: holds {found.size} entries, {head.checkpoint.size} are to be exported: choose another folder"
        )
    if root_at(found.size, reader.node) != found.root:
        raise RefusedError(f"{folder}: FORK: holds another past at {found.size} entries: keep it, and tell HQ")
