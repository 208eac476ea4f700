"""Root version 1: which keys speak for HQ, in TUF's root metadata (theupdateframework specification 1.0, section 4.3).

Our keys stand in TUF's roles so: ``root`` signs this file; ``targets`` is the authority log's key; ``snapshot`` and
``timestamp`` are the mirror's, because its timestamped cosignature says which head is current. Each key carries its
C2SP verifier key, which adds the name, in the field ``x-permitgate-vkey``.
"""

from datetime import datetime, timedelta, timezone

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Both packages re-export these names without __all__, which strict mypy does not take for an export.
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]
from tuf.api.metadata import Metadata, Role, Root  # type: ignore[attr-defined]
from tuf.api.serialization.json import JSONSerializer

from sync.formats.note import VerifierKey

VKEY_FIELD = "x-permitgate-vkey"
_VALID_DAYS = 3_650
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - one style in this folder


def make_root(root_key: Ed25519PrivateKey, authority: VerifierKey, mirror: VerifierKey, now_ms: int) -> bytes:
    """The signed bytes of root version 1."""
    signer = CryptoSigner(root_key)
    authority_key, mirror_key = _named(authority), _named(mirror)
    keys = {"root": signer.public_key, "targets": authority_key, "snapshot": mirror_key, "timestamp": mirror_key}
    root = Root(
        version=1,
        expires=(_EPOCH + timedelta(milliseconds=now_ms, days=_VALID_DAYS)).replace(microsecond=0),
        keys={key.keyid: key for key in keys.values()},
        roles={name: Role([key.keyid], 1) for name, key in keys.items()},
        consistent_snapshot=False,
    )
    metadata = Metadata(root)
    metadata.sign(signer)
    return metadata.to_bytes(JSONSerializer(compact=True))


def _named(verifier: VerifierKey) -> SSlibKey:
    """A TUF key of a verifier key. Its id is made of the name too: two names on one key would be two keys."""
    return SSlibKey(
        keyid=f"{verifier.key_id.hex()}{verifier.public.hex()}"[:64],
        keytype="ed25519",
        scheme="ed25519",
        keyval={"public": verifier.public.hex()},
        unrecognized_fields={VKEY_FIELD: str(verifier)},
    )
