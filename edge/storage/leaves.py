"""An entry's bytes in the journal (permitgate-json/1), and an entry back from them.

Members: ``act`` actor, ``blob`` files, ``body``, ``cause``, ``org`` the log's origin, ``pid`` permit, ``pn`` and ``pp``
its place in the permit's chain and the head before it, ``seq``, ``t`` the stamp (``b`` boot id, ``m`` CLOCK_BOOTTIME
ms, ``q`` quality, ``u`` uncertainty ms or null, ``w`` wall ms or null), ``typ``, ``v``. What an entry has not is left
out.
"""

import re
from collections.abc import Mapping
from typing import Any

from edge.core.entries import BlobReference, Entry, Stamp
from sync.formats import canonical
from sync.formats.errors import FormatError

VERSION = 1
_REQUIRED: Mapping[str, type] = {"body": dict, "org": str, "seq": int, "t": dict, "typ": str, "v": int}
_OPTIONAL: Mapping[str, type] = {"act": dict, "blob": list, "cause": str, "pid": str, "pn": int, "pp": str}
_SHAPES = {**_REQUIRED, **_OPTIONAL}
_STAMP: Mapping[str, tuple[type, ...]] = {
    "b": (str,),
    "m": (int,),
    "q": (str,),
    "u": (int, type(None)),
    "w": (int, type(None)),
}
_HEAD = re.compile("[0-9a-f]{64}")
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
    missing, unknown = _REQUIRED.keys() - leaf.keys(), leaf.keys() - _SHAPES.keys()
    if missing or unknown:
        raise FormatError(f"members missing {sorted(missing)}, unknown {sorted(unknown)}", "leaf")
    for name, value in leaf.items():
        if type(value) is not _SHAPES[name]:
            raise FormatError(f"must be of type {_SHAPES[name].__name__}", f"leaf: {name}")
    if leaf["v"] != VERSION:
        raise FormatError(f"version {leaf['v']}, known is {VERSION}", "leaf: v")
    stamp = leaf["t"]
    if stamp.keys() != _STAMP.keys() or any(type(stamp[name]) not in kinds for name, kinds in _STAMP.items()):
        raise FormatError(f"must hold {sorted(_STAMP)}", "leaf: t")
    chained = [name for name in ("pid", "pn", "pp") if name in leaf]
    if len(chained) not in (0, 3):
        raise FormatError(f"only {chained} of pid, pn, pp", "leaf")
    if chained and not _HEAD.fullmatch(leaf["pp"]):
        raise FormatError("must be 64 hexadecimal digits", "leaf: pp")
    return leaf


def entry_of(data: bytes) -> Entry:
    """The entry that these bytes record, without its evidence. Raises FormatError."""
    leaf = read_leaf(data)
    stamp = leaf["t"]
    return Entry(
        seq=leaf["seq"],
        kind=leaf["typ"],
        body=leaf["body"],
        stamp=Stamp(stamp["w"], stamp["m"], stamp["b"], stamp["q"], stamp["u"]),
        permit=leaf.get("pid"),
        cause=leaf.get("cause"),
        actor=leaf.get("act"),
        blobs=tuple(map(_blob, leaf.get("blob", ()))),
    )


def _blob(blob: Any) -> BlobReference:
    match blob:
        case {"h": str(digest), "mt": str(media_type), "n": int(size)} if digest.startswith(_HASH_PREFIX):
            return BlobReference(digest.removeprefix(_HASH_PREFIX), media_type, size)
    raise FormatError("must hold h (sha256:<hex>), mt and n", "leaf: blob")
