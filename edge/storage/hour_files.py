"""Sealed files of a device put together, one file for each hour, so that a year of minutes does not use up the inodes.

``blobs/hours/<device>/<hour>.gz`` is gzip members one after the other, which ``zcat`` unpacks as one text. The first is
a line of JSON: ``device``, ``files`` ([SHA-256, bytes] of each, in their order), ``hour`` (UTC, by a batch's last
reading), ``v``. The others are the sealed files byte for byte, so that each still is what its entry names by hash.

The same file may lie in both places for a while: it goes from its own only when it is safe in its hour's.
"""

import re
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import orjson

from edge.ports.errors import DamagedError, RefusedError, StoreError
from edge.storage.blobs import READ_BYTES_MAX, BlobStore
from edge.storage.databases import sync_folder, translated_os, write_durably

HOUR_MS = 3_600_000

_VERSION = 1
_GZIP_BITS = 31
_HEAD_BYTES_MAX = 1024 * 1024
_HEAD_BYTES_READ = 64 * 1024
"""Packed, the head of an hour of 360 files, the most that there are, takes 14 KiB."""

_DEVICE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_YEAR_10000_MS = 253_402_300_800_000


def hour_of(last_ms: int) -> int:
    """The hour that a batch belongs to, by the UTC ms of its last reading: when it begins."""
    return last_ms - last_ms % HOUR_MS


class HourFiles:
    """The sealed files of a blob store, wherever they lie. One thread at a time; one process alone adds and drops."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._folder = blobs.folder / "hours"
        self._last: Mapping[str, bytes] = {}
        self._names: dict[str, tuple[Path, Collection[str]]] = {}

    def path(self, device: str, last_ms: int | None) -> Path | None:
        """The file of the hour in which a batch ends, None: it can have none, as its time is not known."""
        if last_ms is None or _DEVICE.fullmatch(device) is None or not 0 <= last_ms < _YEAR_10000_MS:
            return None
        hour = datetime.fromtimestamp(hour_of(last_ms) // 1000, UTC)
        return self._folder / device / f"{hour:%Y-%m-%dT%H}.gz"

    def read(self, device: str, last_ms: int | None, digest: str) -> bytes:
        """A sealed file, checked against its hash. Raises RefusedError (not held), DamagedError, StoreError."""
        data = self._last.get(digest)
        if data is None:
            try:
                return self._blobs.read(digest)
            except RefusedError:
                # What moves just now is in its hour's before it goes. Many of an hour are asked for in a row.
                place = self.path(device, last_ms)
                self._last = {} if place is None else _read(place)
                data = self._last.get(digest)
                if data is None:
                    raise
        if sha256(data).hexdigest() != digest:
            raise DamagedError(f"{self.path(device, last_ms)}: damaged: what it holds as {digest} is something else")
        return data

    def holds(self, device: str, last_ms: int | None, digest: str) -> bool:
        """Whether a sealed file of that name is there, its own or in its hour's; what is in it is not looked at."""
        if self._blobs.holds(digest):
            return True
        place = self.path(device, last_ms)
        if place is None:
            return False
        # Who asks for all of a journal asks for the devices by turns, for each in order of time.
        if device not in self._names or self._names[device][0] != place:
            self._names[device] = (place, _names(place))
        return digest in self._names[device][1]

    # ---- the owner's ------------------------------------------------------------------------------------------------

    def add(self, device: str, last_ms: int, digests: Sequence[str]) -> list[str]:
        """Put these files of one hour into its file, durably; returns those that are in it now.

        What cannot be read, or finds no room, stays where it is. Raises StoreError; DamagedError if the hour's file
        is damaged: it stays as it is, and so do they.
        """
        place = self.path(device, last_ms)
        if place is None:
            return []
        held = _read(place)
        before, size = len(held), sum(map(len, held.values()))
        for digest in digests:
            data = b"" if digest in held else self._readable(digest)
            if data and size + len(data) <= READ_BYTES_MAX:
                held[digest] = data
                size += len(data)
        if len(held) > before:
            self._make_folder(place.parent)
            write_durably(place, _pieces(device, last_ms, held))
        return [digest for digest in digests if digest in held]

    def drop(self, device: str, last_ms: int, digests: Collection[str]) -> None:
        """Take these files out of their hour's, which others stay in. May be called twice with the same.

        Raises StoreError; DamagedError if the hour's file is damaged, and so stays as it is.
        """
        place = self.path(device, last_ms)
        held = {} if place is None else _read(place)
        left = {digest: data for digest, data in held.items() if digest not in digests}
        if place is not None and len(left) < len(held):
            write_durably(place, _pieces(device, last_ms, left))

    def remove(self, device: str, last_ms: int) -> None:
        """Delete the hour's file, whatever is in it. May be called twice. Raises StoreError."""
        place = self.path(device, last_ms)
        try:
            if place is not None:
                place.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{place}: not deleted: {error.strerror}") from error

    def _readable(self, digest: str) -> bytes:
        try:
            return self._blobs.read(digest)
        except (RefusedError, DamagedError, StoreError):
            return b""

    def _make_folder(self, folder: Path) -> None:
        """A new folder is safe from a power cut when the one that it lies in is."""
        if folder.is_dir():
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)
            sync_folder(self._folder.parent)
        except OSError as error:
            raise translated_os(error, folder) from error


def _pieces(device: str, last_ms: int, held: Mapping[str, bytes]) -> Iterator[bytes]:
    head = {
        "device": device,
        "files": [[digest, len(data)] for digest, data in held.items()],
        "hour": f"{datetime.fromtimestamp(hour_of(last_ms) // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "v": _VERSION,
    }
    yield zlib.compress(orjson.dumps(head, option=orjson.OPT_APPEND_NEWLINE), wbits=_GZIP_BITS)
    yield from held.values()


def _read(place: Path) -> dict[str, bytes]:
    """All of an hour's files; none if there is no such hour. Raises DamagedError, StoreError."""
    data = _bytes(place, -1)
    if data is None:
        return {}
    files, start = _head(place, data)
    found = {}
    for digest, size in files:
        found[digest] = data[start : start + size]
        start += size
    if start != len(data):
        raise DamagedError(f"{place}: damaged: its files end at {start} and it at {len(data)}")
    return found


def _names(place: Path) -> Collection[str]:
    """The names of an hour's files; only its head is read. A damaged one names none."""
    data = _bytes(place, _HEAD_BYTES_READ)
    try:
        return frozenset() if data is None else frozenset(digest for digest, _ in _head(place, data)[0])
    except DamagedError:
        return frozenset()


def _bytes(place: Path, count: int) -> bytes | None:
    try:
        with open(place, "rb", buffering=0) as file:
            return file.readall() if count < 0 else file.read(count)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{place}: not readable: {error.strerror}") from error


def _head(place: Path, data: bytes) -> tuple[list[tuple[str, int]], int]:
    """Name and size of each file, and where the first begins."""
    unpacker = zlib.decompressobj(wbits=_GZIP_BITS)
    try:
        head = orjson.loads(unpacker.decompress(data, _HEAD_BYTES_MAX))
        if not unpacker.eof or head["v"] != _VERSION:
            raise ValueError("its head has no end, or is of another version")
        files = [(str(digest), int(size)) for digest, size in head["files"]]
        if not all(_DIGEST.fullmatch(digest) and size > 0 for digest, size in files):
            raise ValueError("it names a file by no hash, or one of no size")
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise DamagedError(f"{place}: damaged: {error}") from None
    return files, len(data) - len(unpacker.unused_data)
