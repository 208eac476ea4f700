"""The saved state beside the journal: its SHA-256 stands before it, as nothing else would show a flipped bit in it.

A start folds entries onto it: a freeze or a trip that got lost in it would be lost for good.
"""

from hashlib import sha256
from pathlib import Path

from edge.ports.errors import DamagedError

_DIGEST_BYTES = 32


def seal(data: bytes) -> bytes:
    """What is stored for this state."""
    return sha256(data).digest() + data


def unseal(path: Path, stored: bytes) -> bytes:
    """The state that was stored. Raises DamagedError naming the file."""
    data = stored[_DIGEST_BYTES:]
    if sha256(data).digest() != stored[:_DIGEST_BYTES]:
        raise DamagedError(f"{path}: damaged: the saved state is not what was written")
    return data
