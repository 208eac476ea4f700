"""What a gateway keeps from its enrolment: its keys, and whom it believes. Files below the data directory.

``keys/log.key`` (Ed25519, PKCS #8 PEM), ``keys/site_pepper`` and ``keys/link_token`` (hexadecimal) are secrets, mode
0600; ``trust/ca.pem``, ``trust/root.json`` and ``trust/enrolment.json`` are not.
"""

import os
import stat
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from edge.ports.errors import DamagedError, UnusableError
from edge.storage.databases import translated_os
from sync.formats.errors import FormatError
from sync.formats.note import SigningKey, VerifierKey

_NOT_ALLOWED = "this user may not read it; run it as the user that the gateway runs as"


class NotEnrolledError(UnusableError):
    """This gateway has not met its HQ. Remedy: ``permitgate enrol``."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """trust/enrolment.json: written last, so that its presence says that enrolment is complete."""

    hq_url: str
    site: str
    gateway: str
    epoch: int
    origin: str
    authority_origin: str
    authority_vkey: str
    mirror_vkey: str

    @property
    def authority(self) -> VerifierKey:
        """Signs HQ's authority log."""
        return VerifierKey.parse(self.authority_vkey)

    @property
    def mirror(self) -> VerifierKey:
        """Cosigns what HQ holds."""
        return VerifierKey.parse(self.mirror_vkey)


@dataclass(frozen=True, slots=True)
class TrustFiles:
    """Where what lies."""

    data_dir: Path

    @property
    def log_key(self) -> Path:
        """Private key of the journal."""
        return self.data_dir / "keys" / "log.key"

    @property
    def site_pepper(self) -> Path:
        """The site's key for worker tags."""
        return self.data_dir / "keys" / "site_pepper"

    @property
    def link_token(self) -> Path:
        """By which HQ knows this gateway when it sends entries."""
        return self.data_dir / "keys" / "link_token"

    @property
    def ca(self) -> Path:
        """HQ's certificate authority."""
        return self.data_dir / "trust" / "ca.pem"

    @property
    def root(self) -> Path:
        """TUF root version 1."""
        return self.data_dir / "trust" / "root.json"

    @property
    def enrolment(self) -> Path:
        """Names and public keys."""
        return self.data_dir / "trust" / "enrolment.json"

    def read_enrolment(self) -> Enrolment:
        """Raises NotEnrolledError or DamagedError."""
        try:
            value = orjson.loads(self.enrolment.read_bytes())
            found = Enrolment(**{field.name: value[field.name] for field in fields(Enrolment)})
            if not all(isinstance(getattr(found, field.name), field.type) for field in fields(Enrolment)):  # type: ignore[arg-type]
                raise TypeError
            VerifierKey.parse(found.authority_vkey)
            VerifierKey.parse(found.mirror_vkey)
        except FileNotFoundError:
            raise NotEnrolledError(f"{self.enrolment}: not enrolled; run 'permitgate enrol'") from None
        except PermissionError:
            raise UnusableError(f"{self.enrolment}: {_NOT_ALLOWED}") from None
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, FormatError) as error:
            raise DamagedError(f"{self.enrolment}: not readable ({type(error).__name__}); restore it") from None
        return found

    def write_enrolment(self, enrolment: Enrolment) -> None:
        """Complete the enrolment."""
        write_public(self.enrolment, orjson.dumps(asdict(enrolment), option=orjson.OPT_INDENT_2))

    def read_log_key(self, origin: str) -> SigningKey:
        """The journal's signing key. Raises NotEnrolledError or DamagedError; no message holds key material."""
        try:
            key = load_pem_private_key(read_secret(self.log_key), password=None)
        except (ValueError, TypeError):
            raise DamagedError(f"{self.log_key}: not a private key in PEM; restore it or enrol a new epoch") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise DamagedError(f"{self.log_key}: not an Ed25519 key; restore it or enrol a new epoch")
        return SigningKey(origin, key)

    def make_log_key(self, origin: str) -> SigningKey:
        """The key that is there from an enrolment that was broken off, else a new one."""
        if not self.log_key.exists():
            key = Ed25519PrivateKey.generate()
            write_secret(self.log_key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return self.read_log_key(origin)

    def read_pepper(self) -> bytes:
        """32 bytes. Raises NotEnrolledError or DamagedError."""
        return self._hexadecimal(self.site_pepper)

    def read_link_token(self) -> str:
        """64 hexadecimal digits. Raises NotEnrolledError or DamagedError."""
        return self._hexadecimal(self.link_token).hex()

    def _hexadecimal(self, path: Path) -> bytes:
        try:
            value = bytes.fromhex(read_secret(path).decode("ascii").strip())
        except ValueError:
            value = b""
        if len(value) != 32:
            raise DamagedError(f"{path}: not 32 bytes in hexadecimal; restore it or enrol a new epoch")
        return value


def read_secret(path: Path) -> bytes:
    """A secret file's bytes. Raises NotEnrolledError when it is missing, UnusableError when others may read it."""
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotEnrolledError(f"{path}: missing; run 'permitgate enrol'") from None
    except PermissionError:
        raise UnusableError(f"{path}: {_NOT_ALLOWED}") from None
    except OSError as error:
        raise UnusableError(f"{path}: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise UnusableError(f"{path}: others may read it; chmod 600 {path}")
    return data


def write_secret(path: Path, data: bytes) -> None:
    """Put a secret in place whole, mode 0600 from its first byte, on disk when this returns."""
    _write(path, data, 0o600)


def write_public(path: Path, data: bytes) -> None:
    """Put a file that all may read in place whole, on disk when this returns."""
    _write(path, data, 0o644)


def _write(path: Path, data: bytes, mode: int) -> None:
    try:
        _replace(path, data, mode)
    except OSError as error:
        raise translated_os(error, path) from None


def _replace(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
