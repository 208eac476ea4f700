"""Files by content: ``blobs/<sha256>``. What an entry names by hash is on disk, whole, before the entry is authored."""

import os
from collections.abc import Iterable
from hashlib import sha256
from itertools import count
from pathlib import Path

from edge.core.entries import BlobReference
from edge.ports.errors import DamagedError, RefusedError, StoreError
from edge.storage.databases import sync_folder, translated_os

READ_BYTES_MAX = 16 * 1024 * 1024
"""Largest file that ``read`` takes into memory."""

_PIECE_BYTES = 65_536
_HEXADECIMAL = frozenset("0123456789abcdef")


class BlobStore:
    """A folder of files named by their SHA-256. Safe for several threads: equal content is one file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self._folder

    def path(self, digest: str) -> Path:
        """Where the content with this SHA-256 (hexadecimal) lies or would lie. Raises RefusedError for no such hash."""
        if len(digest) != 64 or not _HEXADECIMAL.issuperset(digest):
            raise RefusedError(f"{digest[:80]!r}: not a SHA-256 in lower-case hexadecimal")
        return self._folder / digest

    def put(self, pieces: Iterable[bytes], media_type: str) -> BlobReference:
        """Store the content durably; storing it again changes nothing. Raises StoreError (DiskFullError)."""
        temporary = self._folder / f".new-{os.getpid()}-{next(self._numbers)}"
        hashed, size = sha256(), 0
        try:
            with open(temporary, "xb") as file:
                for piece in pieces:
                    hashed.update(piece)
                    size += len(piece)
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            digest = hashed.hexdigest()
            temporary.rename(self.path(digest))
            sync_folder(self._folder)
        except OSError as error:
            raise translated_os(error, self._folder) from error
        finally:
            # Gone already if all went well; the pieces may raise whatever they like.
            temporary.unlink(missing_ok=True)
        return BlobReference(digest, media_type, size)

    def holds(self, digest: str) -> bool:
        """Whether a file of that name is there; what is in it is not looked at."""
        return self.path(digest).exists()

    def remove(self, digest: str) -> None:
        """Delete the file; one that is gone already is none the less gone. Raises StoreError."""
        try:
            self.path(digest).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path(digest)}: not deleted: {error.strerror}") from error

    def read(self, digest: str) -> bytes:
        """The content, checked against its name. Raises RefusedError (absent, too large), DamagedError, StoreError."""
        path = self.path(digest)
        try:
            with open(path, "rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size > READ_BYTES_MAX:
                    raise RefusedError(f"{path}: larger than {READ_BYTES_MAX} bytes: read it in pieces")
                data = file.readall()
        except FileNotFoundError:
            raise RefusedError(f"{path}: not held") from None
        except OSError as error:
            raise StoreError(f"{path}: not readable: {error.strerror}") from error
        hashed = sha256()
        for start in range(0, len(data), _PIECE_BYTES):
            hashed.update(data[start : start + _PIECE_BYTES])
        if hashed.hexdigest() != digest:
            raise DamagedError(f"{path}: damaged: its content is not what its name says")
        return data
