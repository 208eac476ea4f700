"""The pinned root: whom HQ says, under its root key, to speak for it. Imported only when a root is checked."""

from cryptography.exceptions import UnsupportedAlgorithm
from securesystemslib.exceptions import Error as SecureSystemsError

# Both packages re-export names without __all__, which strict mypy does not take for an export.
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root  # type: ignore[attr-defined]

from edge.ports.errors import RefusedError
from sync.formats.errors import FormatError
from sync.formats.note import VerifierKey
from sync.link.downlink import PinnedKeys

VKEY_FIELD = "x-permitgate-vkey"
"""Extra field of a TUF key: the C2SP verifier key, which carries the name."""

MAX_ROOT_BYTES = 65_536


def pinned_keys(root_bytes: bytes) -> PinnedKeys:
    """The authority's and the mirror's keys of a root version 1 that is signed by its own threshold of root keys.

    ``targets`` is the authority's role, ``timestamp`` the mirror's. Raises RefusedError. The date of expiry is not
    judged: a gateway that is offline for years keeps its root until HQ signs the next.
    """
    if len(root_bytes) > MAX_ROOT_BYTES:
        raise RefusedError(f"trusted root: longer than {MAX_ROOT_BYTES} bytes")
    try:
        metadata = Metadata[Root].from_bytes(root_bytes)
        root = metadata.signed
        if not isinstance(root, Root) or root.version != 1:
            raise RefusedError("trusted root: not TUF root metadata of version 1")
        root.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
        return PinnedKeys(_key(root, "targets"), _key(root, "timestamp"))
    except (RepositoryError, SecureSystemsError, UnsupportedAlgorithm, ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"trusted root: {error}") from None


def _key(root: Root, role: str) -> VerifierKey:
    names = root.roles[role].keyids
    if len(names) != 1 or root.roles[role].threshold != 1:
        raise FormatError("must have one key and a threshold of 1", f"role {role}")
    key = root.keys[names[0]]
    verifier = VerifierKey.parse(str(key.unrecognized_fields[VKEY_FIELD]))
    if verifier.public.hex() != key.keyval["public"]:
        raise FormatError("its name is not on its own key", f"role {role}")
    return verifier
