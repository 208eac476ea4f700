"""The hash chain of one permit in one log: it shows that the permit's story is complete up to entry n.

h_0 names the log and the permit; h_n takes in h_{n-1} and the leaf hash of the permit's n-th entry. That entry
carries `pn` = n and `pp` = hex(h_{n-1}), so a missing, repeated or reordered entry of the permit shows.
"""

from hashlib import sha256

from sync.formats.errors import FormatError


def chain_start(origin: str, permit_id: str) -> bytes:
    """h_0 of a permit in the log `origin` (32 bytes); FormatError for names that are empty or hold a newline."""
    for place, name in (("origin", origin), ("permit id", permit_id)):
        if not name or "\n" in name:
            raise FormatError("empty or with a newline; allowed one line of text", place)
    try:
        return sha256(f"permitgate-permit-chain/1\n{origin}\n{permit_id}\n".encode()).digest()
    except UnicodeEncodeError:
        raise FormatError("lone surrogates are not text", "permit id") from None


def chain_link(previous: bytes, leaf: bytes) -> bytes:
    """h_n from h_{n-1} and the leaf hash of the permit's n-th entry, n >= 1 (32 bytes each)."""
    if len(previous) != 32 or len(leaf) != 32:
        raise FormatError(f"{len(previous)} and {len(leaf)} bytes, allowed 32 each", "permit chain")
    return sha256(b"permitgate-permit-link/1\n" + previous + leaf).digest()
