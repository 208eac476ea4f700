"""Enrolment from the gateway's side: meet HQ for the first time, and pin it.

HQ's certificate is fetched before anything can be verified, and believed only if it has the fingerprint that the code
carries; every later call is verified against it.
"""

import http.client
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from edge.ports.devices import MonotonicClock
from edge.ports.errors import LinkError, RefusedError
from sync.formats.enrolment_code import EnrolmentCode, fingerprint, proof_text
from sync.formats.note import SigningKey, VerifierKey, sign
from sync.link.https import CONNECT_TIMEOUT_S, Exchange, checked_url
from sync.link.trusted_root import pinned_keys

_CERTIFICATE_BYTES_MAX = 16_384
_ANSWER_BYTES_MAX = 131_072
_HTTPS_PORT = 443


@dataclass(frozen=True, slots=True, repr=False)
class Enrolled:
    """What HQ tells a gateway that it took in. ``repr`` shows nothing: two of the fields are secrets."""

    site: str
    gateway: str
    organisation: str
    origin: str
    authority_origin: str
    authority_vkey: str
    mirror_vkey: str
    root: bytes
    site_pepper: str
    link_token: str


def fetch_authority(url: str, code: EnrolmentCode) -> bytes:
    """HQ's certificate authority in PEM, if it is the one that the code pins. Raises LinkError or RefusedError."""
    parts = urlsplit(checked_url(url))
    # Nothing can be verified yet; the fingerprint below decides.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port or _HTTPS_PORT, timeout=CONNECT_TIMEOUT_S, context=context
    )
    try:
        connection.request("GET", "/v1/ca")
        pem = connection.getresponse().read(_CERTIFICATE_BYTES_MAX)
    except (OSError, http.client.HTTPException) as error:
        raise LinkError(f"HQ at {url}: {type(error).__name__}: {error}") from None
    finally:
        connection.close()
    try:
        der = ssl.PEM_cert_to_DER_cert(pem.decode("ascii"))
    except ValueError:
        raise RefusedError(f"{url}: does not serve HQ's certificate; is it the right address?") from None
    if fingerprint(der) != code.fingerprint:
        raise RefusedError(f"{url}: another certificate than the code names: not the HQ that gave the code")
    return pem


def request_enrolment(
    url: str, ca_path: Path, code: EnrolmentCode, names: tuple[str, SigningKey], clock: MonotonicClock
) -> Enrolled:
    """Show the code and our log key, and that it is ours; ``names`` is (site, key of the log).

    Raises LinkError or RefusedError.
    """
    site, key = names
    vkey = key.verifier()
    proof = sign(proof_text(code.secret, site), key)
    asked = {"v": 1, "secret": code.secret.hex(), "site": site, "vkey": str(vkey), "proof": proof}
    body = orjson.dumps(asked)
    exchange = Exchange(ca_path, clock)
    try:
        answer = exchange.call("POST", f"{checked_url(url)}/v1/enrol", body, size_max=_ANSWER_BYTES_MAX)
    finally:
        exchange.close()
    try:
        enrolled = _enrolled(orjson.loads(answer.body))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise RefusedError(f"{url}: answered the enrolment with something else") from None
    _check(enrolled, site, vkey)
    return enrolled


def _enrolled(value: Any) -> Enrolled:
    texts = {name: value[name] for name in _TEXTS}
    if not all(isinstance(text, str) and text.isprintable() and len(text) <= 512 for text in texts.values()):
        raise ValueError("not text")
    if len(bytes.fromhex(texts["site_pepper"])) != 32 or len(bytes.fromhex(texts["link_token"])) != 32:
        raise ValueError("secrets of another length")
    return Enrolled(root=str(value["root"]).encode(), **texts)


_TEXTS = (
    "site",
    "gateway",
    "organisation",
    "origin",
    "authority_origin",
    "authority_vkey",
    "mirror_vkey",
    "site_pepper",
    "link_token",
)


def _check(enrolled: Enrolled, site: str, vkey: VerifierKey) -> None:
    """The keys that HQ names must be those of its root, and the names those that we asked for."""
    pinned = pinned_keys(enrolled.root)
    if str(pinned.authority) != enrolled.authority_vkey or str(pinned.mirror) != enrolled.mirror_vkey:
        raise RefusedError("HQ's keys are not those of its root: do not use this HQ")
    if pinned.authority.name != enrolled.authority_origin:
        raise RefusedError("HQ's authority key is of another log than it says")
    if enrolled.site != site or enrolled.origin != vkey.name:
        raise RefusedError(f"HQ enrolled {enrolled.origin} of site {enrolled.site}, we are {vkey.name} of {site}")
