"""The second file of J3: the last checkpoint that was signed, on disk before its signature leaves the process.

A card that loses committed journal pages (it happens) then shows as a journal smaller than what was signed.
"""

from pathlib import Path

from edge.ports.errors import DamagedError, StoreError
from edge.storage.databases import write_durably
from sync.formats.checkpoint import Checkpoint, open_checkpoint
from sync.formats.errors import FormatError
from sync.formats.note import MAX_NOTE_BYTES, VerifierKey


class CheckpointDamagedError(DamagedError):
    """The second file is not what was written; the journal beside it may be sound and is left alone."""


def write_note(path: Path, note: str) -> None:
    """Replace the file with this note, durably. Raises StoreError."""
    write_durably(path, (note.encode(),))


def read_note(path: Path) -> str | None:
    """The note, None if nothing was ever signed. Raises StoreError or CheckpointDamagedError."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_NOTE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: not readable: {error.strerror}") from error
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CheckpointDamagedError(f"{path}: damaged: not text") from None


def open_note_file(path: Path, log_key: VerifierKey) -> tuple[Checkpoint, str] | None:
    """The last signed checkpoint and its note, verified. Raises CheckpointDamagedError unless this log signed it."""
    note = read_note(path)
    if note is None:
        return None
    try:
        return open_checkpoint(note, log_key), note
    except FormatError as error:
        raise CheckpointDamagedError(
            f"{path}: damaged: {error}: restore it from HQ's mirror or enrol a new epoch"
        ) from None
