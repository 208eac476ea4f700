"""HQ's private keys as files: Ed25519 in PKCS #8 PEM, one key a file, readable by their owner only."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sync.hq.refusals import Refusal, RefusalCode


def make_key(path: Path) -> Ed25519PrivateKey:
    """A new key in a new file, mode 0600. Raises FileExistsError: a key is never replaced."""
    key = Ed25519PrivateKey.generate()
    write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def load_key(path: Path) -> Ed25519PrivateKey:
    """The key of a file. Raises Refusal naming the file, never its content."""
    key = load_pem(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise Refusal(RefusalCode.SETTING, f"{path}: not an Ed25519 private key; restore it from a backup")
    return key


def load_pem(path: Path) -> PrivateKeyTypes:
    """A private key of any kind. Raises Refusal naming the file, never its content."""
    try:
        return load_pem_private_key(read_secret(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refusal(RefusalCode.SETTING, f"{path}: not a private key in PEM; restore it from a backup") from None


def write_secret(path: Path, data: bytes) -> None:
    """A new file, mode 0600 from its first byte, there whole or not at all, on disk when this returns.

    Raises FileExistsError, or Refusal if it cannot be written.
    """
    with _naming_errors(path):
        part = _written_beside(path, data, 0o600)
        try:
            # Unlike a rename a link replaces nothing.
            os.link(part, path)
        finally:
            part.unlink()
        _sync_folder(path.parent)


def write_public(path: Path, data: bytes) -> None:
    """A file that all may read, there whole or as it was before. Raises Refusal if it cannot be written."""
    with _naming_errors(path):
        _written_beside(path, data, 0o644).replace(path)
        _sync_folder(path.parent)


@contextmanager
def _naming_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        text = f"{path}: cannot be written: {error.strerror}; mend that and run it again"
        raise Refusal(RefusalCode.SETTING, text) from None


def _written_beside(path: Path, data: bytes, mode: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        part.unlink()
        raise
    return part


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_secret(path: Path) -> bytes:
    """The bytes of a secret file. Raises Refusal when it is missing or when others may read it."""
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise Refusal(RefusalCode.SETTING, f"{path}: {error.strerror}; run 'hq init'") from None
    if stat.S_IMODE(mode) & 0o077:
        raise Refusal(RefusalCode.SETTING, f"{path}: others may read it; chmod 600 {path}")
    return data
