"""HQ's private certificate authority and its server certificate (X.509, RFC 5280).

Gateways pin this authority at enrolment and trust no other. The certificates are valid from 1970 on, because a
gateway without a clock battery starts there; HQ's word is dated by its signatures, not by TLS.
"""

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sync.formats.enrolment_code import fingerprint
from sync.hq.key_files import load_pem, write_public, write_secret
from sync.hq.refusals import Refusal, RefusalCode

_VALID_FROM = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - one style in this file
_AUTHORITY_DAYS = 7_300
_SERVER_DAYS = 3_650
_ALWAYS = ("localhost", "127.0.0.1")


class CertificateAuthority:
    """The files below one folder: ca.pem, ca.key, server.pem, server.key."""

    def __init__(self, folder: Path) -> None:
        self.certificate_path = folder / "ca.pem"
        self.server_certificate_path = folder / "server.pem"
        self.server_key_path = folder / "server.key"
        self._key_path = folder / "ca.key"

    def make(self, organisation: str, hosts: Sequence[str], now_ms: int) -> None:
        """The authority if there is none yet, and a server certificate for ``hosts`` if none is good for all of them.

        A new one is good for the old one's names too. May be called again after any failure: keys are kept.
        """
        now = _VALID_FROM + timedelta(milliseconds=now_ms)
        if not self.certificate_path.exists():
            certificate = _authority_certificate(organisation, _key(self._key_path), now)
            write_public(self.certificate_path, certificate.public_bytes(Encoding.PEM))
        held = self.names() if self.server_certificate_path.exists() else frozenset()
        wanted = [str(_name(host).value) for host in (*hosts, *_ALWAYS)]
        if not held.issuperset(wanted):
            self._issue([*dict.fromkeys((*wanted, *sorted(held)))], now)

    def fingerprint(self) -> bytes:
        """What an enrolment code pins."""
        return fingerprint(_certificate(self.certificate_path).public_bytes(Encoding.DER))

    def names(self) -> frozenset[str]:
        """The host names and addresses that the server certificate is good for."""
        server = _certificate(self.server_certificate_path)
        names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return frozenset(str(name.value) for name in names)

    def _issue(self, names: Sequence[str], now: datetime) -> None:
        issuer_key, public = _key(self._key_path), _key(self.server_key_path).public_key()
        certificate = _server_certificate(_certificate(self.certificate_path), issuer_key, public, names, now)
        write_public(self.server_certificate_path, certificate.public_bytes(Encoding.PEM))


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        raise Refusal(RefusalCode.SETTING, f"{path}: not a certificate in PEM; restore it from a backup") from None


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key of that file, a new one if there is none yet."""
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        write_secret(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key = load_pem(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Refusal(RefusalCode.SETTING, f"{path}: not an elliptic-curve key; restore it from a backup")
    return key


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _begin(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_VALID_FROM)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _authority_certificate(organisation: str, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"permitgate HQ of {organisation}"[:64])])
    builder = _begin(name, name, key.public_key(), now + timedelta(days=_AUTHORITY_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(authority=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def _server_certificate(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    public: ec.EllipticCurvePublicKey,
    names: Sequence[str],
    now: datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    issuer_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = _begin(subject, authority.subject, public, now + timedelta(days=_SERVER_DAYS))
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([_name(host) for host in names]), critical=False)
    return builder.sign(authority_key, hashes.SHA256())


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError:
        raise Refusal(RefusalCode.SETTING, f"host {host!r}: not a host name in ASCII, nor an address") from None
