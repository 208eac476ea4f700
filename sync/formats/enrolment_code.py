"""The enrolment code: one line that a technician types, good once.

It carries a secret, by which HQ knows the gateway that it expects, and the fingerprint of HQ's own certificate
authority, by which the gateway knows HQ before it can verify anything.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from sync.formats.errors import FormatError

SECRET_BYTES = 16
FINGERPRINT_BYTES = 16
_CHECK_BYTES = 3
_TEXT = re.compile(r"pg1-([a-z2-7]{56})")


@dataclass(frozen=True, slots=True, repr=False)
class EnrolmentCode:
    """``secret`` is shown once and kept by HQ as a hash only; ``repr`` hides it."""

    secret: bytes
    fingerprint: bytes

    def __str__(self) -> str:
        data = self.secret + self.fingerprint
        return "pg1-" + base64.b32encode(data + _check(data)).decode("ascii").rstrip("=").lower()

    def __repr__(self) -> str:
        return "EnrolmentCode(...)"

    def secret_hash(self) -> bytes:
        """What HQ stores instead of the secret."""
        return secret_hash(self.secret)


def secret_hash(secret: bytes) -> bytes:
    """SHA-256 of a random secret; no salt is needed for 128 random bits."""
    return sha256(b"permitgate-enrolment/1\n" + secret).digest()


def proof_text(secret: bytes, site: str) -> str:
    """What the key of the gateway's log signs, as a note, to show that the key is its own.

    Whoever saw the code and knows the public key cannot ask again in the gateway's name. It is no checkpoint.
    """
    return f"permitgate-enrolment-proof/1\n{site}\n{secret_hash(secret).hex()}\n"


def fingerprint(certificate_der: bytes) -> bytes:
    """The first 16 bytes of the SHA-256 of a certificate in DER."""
    return sha256(certificate_der).digest()[:FINGERPRINT_BYTES]


def parse_code(text: str) -> EnrolmentCode:
    """The code that a person typed; capitals and spaces around it are forgiven. Raises FormatError, not quoting it."""
    match = _TEXT.fullmatch(text.strip().lower())
    if match is None:
        raise FormatError("not a code: 'pg1-' and 56 letters or digits, copied whole", "enrolment code")
    try:
        data = base64.b32decode(match[1].upper())
    except binascii.Error:
        raise FormatError("not a code: copy it whole", "enrolment code") from None
    secret, rest = data[:SECRET_BYTES], data[SECRET_BYTES:]
    pinned, check = rest[:FINGERPRINT_BYTES], rest[FINGERPRINT_BYTES:]
    if check != _check(secret + pinned):
        raise FormatError("a letter of it is wrong: copy it again", "enrolment code")
    return EnrolmentCode(secret, pinned)


def _check(data: bytes) -> bytes:
    return sha256(b"permitgate-enrolment-check/1\n" + data).digest()[:_CHECK_BYTES]
