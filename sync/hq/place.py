"""Where an HQ keeps what: its folder, its names, its keys."""

from dataclasses import dataclass
from pathlib import Path

import orjson

from sync.formats import note
from sync.formats.errors import FormatError
from sync.formats.record_fields import Identifier, Text
from sync.hq.certificate_authority import CertificateAuthority
from sync.hq.key_files import load_key, read_secret
from sync.hq.refusals import Refusal, RefusalCode
from sync.hq.sqlite_store import SqliteStore

AUTHORITY_EPOCH = 1
_PEPPER_BYTES = 32


@dataclass(frozen=True, slots=True)
class Place:
    """An HQ of one site in one folder. The names follow the origins ``<organisation>/hq/...``."""

    folder: Path
    site: str
    organisation: str

    @property
    def authority_origin(self) -> str:
        """Origin of the authority log, and the name of its key."""
        return f"{self.organisation}/hq/authority/{self.site}/{AUTHORITY_EPOCH}"

    @property
    def mirror_name(self) -> str:
        """Name of the mirror's key."""
        return f"{self.organisation}/hq/mirror"

    def gateway_origin(self, gateway: str, epoch: int) -> str:
        """Origin of a gateway's log, and the name of its key."""
        return f"{self.organisation}/gw/{gateway}/{epoch}"

    @property
    def certificates(self) -> CertificateAuthority:
        """TLS of this HQ."""
        return CertificateAuthority(self.folder / "tls")

    @property
    def root_path(self) -> Path:
        """TUF root version 1."""
        return self.folder / "trust" / "root.json"

    @property
    def pepper_path(self) -> Path:
        """The site's key for worker tags."""
        return self.folder / "keys" / "site_pepper"

    def key_path(self, name: str) -> Path:
        """File of one of the keys root, authority, mirror, issuer."""
        return self.folder / "keys" / f"{name}.pem"

    def authority_key(self) -> note.SigningKey:
        """Signs the authority log."""
        return note.SigningKey(self.authority_origin, load_key(self.key_path("authority")))

    def mirror_key(self) -> note.SigningKey:
        """Cosigns what HQ holds."""
        return note.SigningKey(self.mirror_name, load_key(self.key_path("mirror")))

    def pepper(self) -> bytes:
        """32 bytes. Raises Refusal."""
        try:
            value = bytes.fromhex(read_secret(self.pepper_path).decode("ascii").strip())
        except ValueError:
            value = b""
        if len(value) != _PEPPER_BYTES:
            text = f"{self.pepper_path}: not {_PEPPER_BYTES} bytes in hexadecimal; restore it from a backup"
            raise Refusal(RefusalCode.SETTING, text)
        return value

    def root(self) -> str:
        """TUF root version 1, signed. Raises Refusal."""
        try:
            return self.root_path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            text = f"{self.root_path}: {type(error).__name__}; restore it from a backup"
            raise Refusal(RefusalCode.SETTING, text) from None

    def store(self) -> SqliteStore:
        """The database, opened; the caller closes it."""
        return SqliteStore(self.folder / "hq.db")


def check_names(site: str, organisation: str) -> None:
    """Raises Refusal for a site or organisation that cannot stand in an origin."""
    try:
        Identifier(64).checked(site, "site", written=True)
        Text(64).checked(organisation, "organisation", written=True)
        note.check_name(f"{organisation}/{site}", "organisation and site")
    except FormatError as error:
        raise Refusal(RefusalCode.SETTING, str(error)) from None
    if "/" in site or not organisation:
        raise Refusal(RefusalCode.SETTING, "site: no '/'; organisation: a name such as pg.example.org")


def open_place(folder: Path) -> Place:
    """The HQ that ``init`` made in this folder. Raises Refusal if there is none."""
    path = folder / "hq.json"
    try:
        value = orjson.loads(path.read_bytes())
        place = Place(folder, str(value["site"]), str(value["organisation"]))
    except OSError as error:
        raise Refusal(RefusalCode.SETTING, f"{path}: {error.strerror}; run 'hq init' first") from None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Refusal(RefusalCode.SETTING, f"{path}: not an HQ's file; restore it from a backup") from None
    check_names(place.site, place.organisation)
    return place
