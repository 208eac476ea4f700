"""Files by content: named by what they hold, whole or not at all."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from edge.ports.errors import DamagedError, RefusedError, StoreError
from edge.storage.blobs import BlobStore

DIGEST = sha256(b"onetwo").hexdigest()


def test_content_is_found_by_its_hash(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "blobs")
    reference = blobs.put([b"one", b"two"], "text/plain")
    assert (reference.sha256, reference.media_type, reference.size_bytes) == (DIGEST, "text/plain", 6)
    assert blobs.read(DIGEST) == b"onetwo"
    assert blobs.put([b"onetwo"], "text/plain") == reference
    assert [path.name for path in (tmp_path / "blobs").iterdir()] == [DIGEST]


def test_content_that_changed_is_damage(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    blobs.put([b"onetwo"], "text/plain")
    blobs.path(DIGEST).write_bytes(b"onetwO")
    with pytest.raises(DamagedError, match=DIGEST):
        blobs.read(DIGEST)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", DIGEST.upper(), DIGEST[:-1], DIGEST + "0"])
def test_only_a_hash_names_a_file(tmp_path: Path, digest: str) -> None:
    with pytest.raises(RefusedError, match="SHA-256"):
        BlobStore(tmp_path).read(digest)


def test_what_is_not_held_is_named(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="not held"):
        BlobStore(tmp_path).read(DIGEST)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "blobs")

    def failing() -> "list[bytes]":
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="no room"):
        blobs.put((piece for _ in range(1) for piece in failing()), "text/plain")
    assert list((tmp_path / "blobs").iterdir()) == []


def test_content_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise DamagedError("a row of it")

    store = BlobStore(tmp_path / "blobs")
    with pytest.raises(DamagedError):
        store.put(pieces(), "text/plain")
    assert not list((tmp_path / "blobs").iterdir())
