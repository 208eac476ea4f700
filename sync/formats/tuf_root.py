"""TUF root metadata, as far as an evidence pack needs it: who HQ's keys were, shown by the roots' own signatures.

Rules of the TUF specification 1.0.31: section 4.3 (roles, thresholds), 5.3.4 and 5.3.5 (root N+1 is signed by the
thresholds of N and of N+1, versions without gap). Ed25519 only. Roles: `targets` is the key of HQ's authority log,
`timestamp` and `snapshot` that of HQ's mirror. No date is judged: a pack is verified without a clock.

TUF signs "canonical JSON" (section 4.2, OLPC). For text without control characters, quotes aside, it is the same as
compact JSON with sorted keys; roots with other text are refused here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sync.formats.errors import FormatError

MAX_ROOTS_BYTES = 1_048_576
"""Largest chain of roots read."""

MAX_ROOTS = 64
"""Longest chain of roots read."""

_MAX_SIGNATURES = 32


@dataclass(frozen=True, slots=True)
class Role:
    """Who may sign for a role: public keys by key id, and how many of them must."""

    keys: Mapping[str, bytes]
    threshold: int


@dataclass(frozen=True, slots=True)
class Root:
    """One root document: version, roles, the bytes that were signed and the signatures by key id."""

    version: int
    roles: Mapping[str, Role]
    signed: bytes
    signatures: Mapping[str, bytes]

    def role_keys(self, *names: str) -> frozenset[bytes]:
        """Public keys (32 bytes each) of these roles together."""
        return frozenset(key for name in names if name in self.roles for key in self.roles[name].keys.values())


def encode_chain(roots: Sequence[bytes]) -> bytes:
    """`root.json`: an array of the documents in one byte form, however they were spaced; FormatError if not JSON."""
    return _canonical([_loads(root, f"root {place}") for place, root in enumerate(roots, start=1)])


def parse_chain(data: bytes) -> tuple[Root, ...]:
    """The roots of `root.json`, *unverified*; FormatError unless it is as `encode_chain` writes it."""
    if len(data) > MAX_ROOTS_BYTES:
        raise FormatError(f"{len(data)} bytes, allowed at most {MAX_ROOTS_BYTES}", "roots")
    documents = _loads(data, "roots")
    if not isinstance(documents, list) or not 1 <= len(documents) <= MAX_ROOTS or _canonical(documents) != data:
        raise FormatError(f"not the canonical array of 1 to {MAX_ROOTS} roots", "roots")
    return tuple(_root(document, f"root {place}") for place, document in enumerate(documents, start=1))


def verify_chain(roots: Sequence[Root]) -> Root:
    """The newest root of a chain 1..k in which each is signed by itself and by its predecessor; FormatError if not."""
    previous: Root | None = None
    for place, root in enumerate(roots, start=1):
        if root.version != place:
            raise FormatError(f"version {root.version}, allowed {place}", f"root {place}")
        for judge in (root, previous or root):
            _check_signed(root, judge)
        signers = {**root.roles["root"].keys, **(previous.roles["root"].keys if previous else {})}
        if not root.signatures.keys() <= signers.keys():
            raise FormatError("signed by a key that is not of the root role", f"root {place}")
        for key_id, signature in root.signatures.items():
            if not _verifies(signers[key_id], signature, root.signed):
                raise FormatError(f"the signature of key {key_id[:16]} does not verify", f"root {place}")
        previous = root
    if previous is None:
        raise FormatError("no root", "roots")
    return previous


def _check_signed(root: Root, judge: Root) -> None:
    role = judge.roles["root"]
    valid = {
        role.keys[key_id]
        for key_id, signature in root.signatures.items()
        if key_id in role.keys and _verifies(role.keys[key_id], signature, root.signed)
    }
    if len(valid) < role.threshold:
        raise FormatError(
            f"{len(valid)} valid signatures by the root keys of version {judge.version}, needed {role.threshold}",
            f"root {root.version}",
        )


def _verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _root(document: object, place: str) -> Root:
    top = _table(document, {"signatures", "signed"}, place)
    signed = _table(top["signed"], {"_type", "keys", "roles", "version"}, place)
    if signed["_type"] != "root" or type(signed["version"]) is not int:
        raise FormatError("not root metadata with an integer version", place)
    text = _canonical(signed)
    if b"\\u" in text or b"\\n" in text or b"\\r" in text or b"\\t" in text or b"\\b" in text or b"\\f" in text:
        raise FormatError("control characters in its text", place)
    keys = {key_id: _public(key, place) for key_id, key in _table(signed["keys"], set(), place).items()}
    roles = {name: _role(role, keys, place) for name, role in _table(signed["roles"], {"root"}, place).items()}
    return Root(signed["version"], roles, text, _signatures(top["signatures"], place))


def _role(value: object, keys: Mapping[str, bytes], place: str) -> Role:
    role = _table(value, {"keyids", "threshold"}, place)
    key_ids, threshold = role["keyids"], role["threshold"]
    if not isinstance(key_ids, list) or not all(isinstance(item, str) and item in keys for item in key_ids):
        raise FormatError("a role names keys that are not there", place)
    if type(threshold) is not int or threshold < 1 or len(set(key_ids)) != len(key_ids):
        raise FormatError("a role with a threshold below 1 or a key named twice", place)
    return Role({key_id: keys[key_id] for key_id in key_ids}, threshold)


def _public(value: object, place: str) -> bytes:
    key = _table(value, {"keytype", "keyval", "scheme"}, place)
    if key["keytype"] != "ed25519" or key["scheme"] != "ed25519":
        raise FormatError("a key that is not ed25519", place)
    return _hexadecimal(_table(key["keyval"], {"public"}, place)["public"], 32, place)


def _signatures(value: object, place: str) -> dict[str, bytes]:
    if not isinstance(value, list) or not 1 <= len(value) <= _MAX_SIGNATURES:
        raise FormatError(f"allowed 1 to {_MAX_SIGNATURES} signatures", place)
    signatures: dict[str, bytes] = {}
    for item in value:
        row = _table(item, {"keyid", "sig"}, place)
        key_id = row["keyid"]
        if not isinstance(key_id, str) or key_id in signatures or len(row) != 2:
            raise FormatError("a signature without key id, or two by one key", place)
        signatures[key_id] = _hexadecimal(row["sig"], 64, place)
    return signatures


def _hexadecimal(value: object, length: int, place: str) -> bytes:
    try:
        data = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        data = b""
    if len(data) != length or data.hex() != value:
        raise FormatError(f"allowed {length} bytes in lower-case hexadecimal", place)
    return data


def _table(value: object, needed: set[str], place: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not needed <= value.keys():
        raise FormatError(f"not an object with {', '.join(sorted(needed)) or 'members'}", place)
    return value


def _loads(data: bytes, place: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise FormatError("not JSON", place) from None


def _canonical(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
