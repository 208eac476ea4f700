"""What a stranger writes from the public texts alone: RFC 6962, C2SP signed-note, tlog-checkpoint, tlog-tiles,
tlog-cosignature and tlog-witness. Only the standard library and `cryptography`; nothing of ours is imported.
"""

import base64
import struct
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def unbase64(text: str) -> bytes:
    """RFC 4648 section 4; section 3.5: bits that carry nothing must be zero."""
    data = base64.b64decode(text, validate=True)
    assert base64.b64encode(data).decode() == text
    return data


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962 section 2.1."""
    return sha256(b"\x00" + entry).digest()


def tree_hash(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1: the largest power of two below n to the left."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    left = 1
    while left * 2 < len(hashes):
        left *= 2
    return sha256(b"\x01" + tree_hash(hashes[:left]) + tree_hash(hashes[left:])).digest()


@dataclass(frozen=True)
class Key:
    """A verifier key: <name>+<hash>+<base64 of type and key>."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, line: str) -> "Key":
        name, stated, encoded = line.split("+", 2)
        data = unbase64(encoded)
        key = cls(name, data[0], data[1:])
        assert key.identity.hex() == stated
        return key

    @property
    def identity(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.identity.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"


def verify_note(note: str, key: Key) -> int | None:
    """Raises unless ``key`` signed it; the time of a cosignature (type 4), None for a plain signature (type 1)."""
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    assert lines.endswith("\n")
    for line in lines[:-1].split("\n"):
        dash, name, encoded = line.split(" ")
        assert dash == "\u2014"
        data = unbase64(encoded)
        if name != key.name or data[:4] != key.identity:
            continue
        public = Ed25519PublicKey.from_public_bytes(key.public)
        if key.kind == 1:
            public.verify(data[4:], text.encode())
            return None
        (at_s,) = struct.unpack(">Q", data[4:12])
        public.verify(data[12:], f"cosignature/v1\ntime {at_s}\n{text}".encode())
        return int(at_s)
    raise AssertionError(f"no signature by {key.name}")


def checkpoint_of(note: str) -> tuple[str, int, bytes]:
    """Origin, size and root."""
    origin, size, root = note.split("\n")[:3]
    assert str(int(size)) == size
    return origin, int(size), unbase64(root)


def tile_path(folder: Path, kind: str, number: int, width: int) -> Path:
    """tlog-tiles: thousands as folders of three digits with an x, partial tiles beside them."""
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.insert(0, f"x{number % 1000:03d}")
    path = folder / "tile" / kind / "/".join(parts)
    return path if width == 256 else path.with_name(path.name + ".p") / str(width)


def read_entries(folder: Path, size: int) -> list[bytes]:
    """Every entry from the bundles."""
    found: list[bytes] = []
    for number in range((size + 255) // 256):
        width = min(256, size - 256 * number)
        data, place, entries = tile_path(folder, "entries", number, width).read_bytes(), 0, 0
        while place < len(data):
            length = int.from_bytes(data[place : place + 2], "big")
            found.append(data[place + 2 : place + 2 + length])
            assert len(found[-1]) == length
            place, entries = place + 2 + length, entries + 1
        assert entries == width
    return found


def verify_tiles(folder: Path, log: Key, mirror: Key) -> tuple[list[bytes], int]:
    """The whole export; gives its entries and the time of the mirror's cosignature. Raises for anything amiss."""
    note = (folder / "checkpoint").read_bytes().decode("utf-8")
    assert verify_note(note, log) is None
    at_s = verify_note(note, mirror)
    assert at_s is not None
    origin, size, root = checkpoint_of(note)
    assert origin == log.name
    entries = read_entries(folder, size)
    hashes = [leaf_hash(entry) for entry in entries]
    assert tree_hash(hashes) == root
    for number in range((size + 255) // 256):
        part = hashes[256 * number : 256 * number + 256]
        assert tile_path(folder, "0", number, len(part)).read_bytes() == b"".join(part)
    full = [tree_hash(hashes[256 * number : 256 * number + 256]) for number in range(size // 256)]
    if full:
        assert tile_path(folder, "1", 0, len(full)).read_bytes() == b"".join(full)
    return entries, at_s


class StrangersLog:
    """A gateway's log kept by a stranger: entries, checkpoints, packages."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._private = Ed25519PrivateKey.generate()
        self.key = Key(origin, 1, self._private.public_key().public_bytes_raw())
        self.entries: list[bytes] = []

    def append(self, count: int, kind: str = "stranger.note") -> None:
        """More entries: JCS with ASCII keys, integers only."""
        for index in range(len(self.entries), len(self.entries) + count):
            head = f'{{"body":{{"n":{index}}},"org":"{self.origin}","seq":{index},'
            stamp = '"t":{"b":"00000000","m":1,"q":"none","u":null,"w":null},'
            self.entries.append(f'{head}{stamp}"typ":"{kind}","v":1}}'.encode())

    def package(self, start: int = 0, entries: list[bytes] | None = None, origin: str | None = None) -> bytes:
        """One canonical JSON line and a tlog-tiles bundle."""
        sent = self.entries[start:] if entries is None else entries
        name = origin or self.origin
        header = f'{{"end":{start + len(sent)},"n":{len(sent)},"org":"{name}","start":{start},"v":1}}\n'
        return header.encode() + b"".join(len(each).to_bytes(2, "big") + each for each in sent)

    def checkpoint(
        self, size: int | None = None, root: bytes | None = None, key: Ed25519PrivateKey | None = None
    ) -> str:
        """A signed note over so many entries."""
        count = len(self.entries) if size is None else size
        found = root or tree_hash([leaf_hash(each) for each in self.entries[:count]])
        return self.note(f"{self.origin}\n{count}\n{base64.b64encode(found).decode()}\n", key)

    def enrolment(self, secret: bytes, site: str) -> dict[str, object]:
        """The body of an enrolment: the code's secret, and that the log's key is ours."""
        named = sha256(b"permitgate-enrolment/1\n" + secret).hexdigest()
        proof = self.note(f"permitgate-enrolment-proof/1\n{site}\n{named}\n")
        return {"v": 1, "secret": secret.hex(), "site": site, "vkey": str(self.key), "proof": proof}

    def note(self, text: str, key: Ed25519PrivateKey | None = None) -> str:
        """The text with the log's signature, or with one by another key in its name."""
        signature = (key or self._private).sign(text.encode())
        signed = base64.b64encode(self.key.identity + signature).decode()
        return f"{text}\n\u2014 {self.origin} {signed}\n"
