"""An entry's bytes in the journal (permitgate-json/1), and an entry back from them.

Members: ``act`` actor, ``blob`` files, ``body``, ``cause``, ``org`` the log's origin, ``pid`` permit, ``pn`` and ``pp``
its place in the permit's chain and the head before it, ``seq``, ``t`` the stamp (``b`` boot id, ``m`` CLOCK_BOOTTIME
ms, ``q`` quality, ``u`` uncertainty ms or null, ``w`` wall ms or null), ``typ``, ``v``. What an entry has not is left
out.
"""

from collections.abc import Mapping
from typing import Any

from edge.core.entries import BlobReference, Entry, Stamp
from sync.formats import canonical
from sync.formats.errors import FormatError

VERSION = 1
_REQUIRED = frozenset(("body", "org", "seq", "t", "typ", "v"))
_OPTIONAL = frozenset(("act", "blob", "cause", "pid", "pn", "pp"))
_HASH_PREFIX = "sha256:"


def leaf_bytes(entry: Entry, origin: str, place: tuple[int, bytes] | None) -> bytes:
    """The leaf of an entry; ``place`` is (pn, head before it) if it belongs to a permit. Raises FormatError."""
    stamp = entry.stamp
    leaf: dict[str, Any] = {
        "body": entry.body if type(entry.body) is dict else dict(entry.body),
        "org": origin,
        "seq": entry.seq,
        "t": {
            "b": stamp.boot_id,
            "m": stamp.boottime_ms,
            "q": stamp.quality,
            "u": stamp.uncertainty_ms,
            "w": stamp.wall_ms,
        },
        "typ": entry.kind,
        "v": VERSION,
    }
    if place is not None:
        leaf["pid"] = entry.permit
        leaf["pn"] = place[0]
        leaf["pp"] = place[1].hex()
    if entry.cause is not None:
        leaf["cause"] = entry.cause
    if entry.actor is not None:
        leaf["act"] = dict(entry.actor)
    if entry.blobs:
        leaf["blob"] = [{"h": _HASH_PREFIX + b.sha256, "mt": b.media_type, "n": b.size_bytes} for b in entry.blobs]
    return canonical.encode(leaf)


def read_leaf(data: bytes) -> dict[str, Any]:
    """The members of a leaf, its shape checked. Raises FormatError."""
    leaf = canonical.decode(data)
    missing, unknown = _REQUIRED - leaf.keys(), leaf.keys() - _REQUIRED - _OPTIONAL
    if missing or unknown:
        raise FormatError(f"members missing {sorted(missing)}, unknown {sorted(unknown)}", "leaf")
    if leaf["v"] != VERSION:
        raise FormatError(f"version {leaf['v']}, known is {VERSION}", "leaf")
    chained = [name for name in ("pid", "pn", "pp") if name in leaf]
    if len(chained) not in (0, 3):
        raise FormatError(f"only {chained} of pid, pn, pp", "leaf")
    return leaf


def entry_of(data: bytes) -> Entry:
    """The entry that these bytes record, without its evidence. Raises FormatError."""
    leaf = read_leaf(data)
    try:
        stamp = leaf["t"]
        return Entry(
            seq=leaf["seq"],
            kind=leaf["typ"],
            body=leaf["body"],
            stamp=Stamp(stamp["w"], stamp["m"], stamp["b"], stamp["q"], stamp["u"]),
            permit=leaf.get("pid"),
            cause=leaf.get("cause"),
            actor=leaf.get("act"),
            blobs=tuple(_blob(blob) for blob in leaf.get("blob", ())),
        )
    except (KeyError, TypeError) as error:
        raise FormatError(f"a member is not as it must be: {error}", "leaf") from None


def _blob(blob: Mapping[str, Any]) -> BlobReference:
    digest = blob["h"]
    if not isinstance(digest, str) or not digest.startswith(_HASH_PREFIX):
        raise FormatError("not sha256:<hex>", "leaf: blob")
    return BlobReference(digest.removeprefix(_HASH_PREFIX), blob["mt"], blob["n"])
