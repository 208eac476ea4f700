"""A small true pack: a journal, an authority log, HQ's root and mirror, all with keys of fixed seeds."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root

from sync.formats import canonical, checkpoint, merkle, tlog_policy
from sync.formats.cosignature import add_line, cosign
from sync.formats.note import SigningKey
from sync.formats.pack import PackContents, ProvenEntry
from sync.formats.permit_chain import chain_link, chain_start

ORIGIN = "pg.example.org/gw/gw1/1"
AUTHORITY = "pg.example.org/hq/authority/s014/1"
PERMIT = "PTW-2026-014-00042"
PHOTO = b"\xff\xd8 not a true photo"
RECORDING = b"withheld"
COSIGNED_S = 1_793_900_100


def private(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


LOG = SigningKey(ORIGIN, private(1))
HQ = SigningKey(AUTHORITY, private(2))
MIRROR = SigningKey("pg.example.org/hq/mirror", private(3))
ROOT_KEYS = (private(4), private(5))

POLICY = tlog_policy.Policy(
    (tlog_policy.Log(LOG.verifier()), tlog_policy.Log(HQ.verifier())),
    (tlog_policy.Witness("mirror", MIRROR.cosigner()),),
    (),
    "mirror",
)


@dataclass(frozen=True)
class Tree:
    """All nodes of a log, in memory."""

    frontier: merkle.Frontier
    nodes: dict[tuple[int, int], bytes]

    @classmethod
    def of(cls, leaves: list[bytes]) -> "Tree":
        frontier, rows = merkle.EMPTY.extend(merkle.leaf_hash(leaf) for leaf in leaves)
        return cls(frontier, {(level, index): node for level, index, node in rows})

    def node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def proof(self, index: int) -> tuple[bytes, ...]:
        return merkle.inclusion_proof(index, self.frontier.size, self.node)


def head(tree: Tree, key: SigningKey) -> str:
    signed = checkpoint.sign(checkpoint.Checkpoint(key.name, tree.frontier.size, tree.frontier.root()), key)
    return add_line(signed, cosign(signed, MIRROR, COSIGNED_S))


def root_documents(versions: int = 2) -> tuple[bytes, ...]:
    """Root 1 signed by the first key; root 2, with a second key, signed by both."""
    documents = []
    for version in range(1, versions + 1):
        signers = [CryptoSigner(key) for key in ROOT_KEYS[:version]]
        root = Root(version=version, expires=datetime(2046, 1, 1, tzinfo=UTC))
        for signer in signers:
            root.add_key(signer.public_key, "root")
        root.add_key(CryptoSigner(HQ.private).public_key, "targets")
        for role in ("timestamp", "snapshot"):
            root.add_key(CryptoSigner(MIRROR.private).public_key, role)
        metadata = Metadata(root)
        for signer in signers:
            metadata.sign(signer, append=True)
        documents.append(metadata.to_bytes())
    return tuple(documents)


def journal(closed: bool = True) -> list[bytes]:
    """Entries of the permit at 2, 4, 6 …, of nobody between; `authority.applied` at 1."""
    leaves: list[bytes] = []
    previous = chain_start(ORIGIN, PERMIT)
    number = 0
    for seq in range(11):
        leaf: dict[str, canonical.Json] = {"body": {}, "org": ORIGIN, "seq": seq, "t": {"w": 1_793_900_000_000 + seq}}
        leaf |= {"typ": "heartbeat", "v": 1}
        if seq == 1:
            leaf |= {"typ": "authority.applied", "body": {"fresh_ms": 1_793_899_999_000, "size": 3}}
        if seq in (2, 4, 6, 8):
            number += 1
            kind = "permit.closed" if seq == 8 and closed else "access.granted"
            leaf |= {"typ": kind, "pid": PERMIT, "pn": number, "pp": previous.hex()}
        if seq == 4:
            leaf["blob"] = [
                {"h": f"sha256:{sha256(data).hexdigest()}", "mt": "image/jpeg", "n": len(data)}
                for data in (PHOTO, RECORDING)
            ]
        data = canonical.encode(leaf)
        if "pid" in leaf:
            previous = chain_link(previous, merkle.leaf_hash(data))
        leaves.append(data)
    return leaves


def authority_records() -> list[bytes]:
    gateway = {"origin": ORIGIN, "vkey": str(LOG.verifier())}
    worker: dict[str, canonical.Json] = {"name": "张伟"}
    return [
        canonical.encode({"id": "gw1", "k": "gateway", "op": "put", "rec": gateway, "rev": 1, "v": 1}),
        canonical.encode({"id": "W1", "k": "worker", "op": "put", "rec": worker, "rev": 1, "v": 1}),
        canonical.encode({"id": "W2", "k": "worker", "op": "put", "rec": worker, "rev": 1, "v": 1}),
    ]


def contents(leaves: list[bytes] | None = None, records: list[bytes] | None = None) -> PackContents:
    """What a pack of the permit holds; other leaves or records make other stories."""
    leaves = leaves or journal()
    records = records or authority_records()
    tree, authority = Tree.of(leaves), Tree.of(records)
    entries = [ProvenEntry(index, leaves[index], tree.proof(index)) for index in (1, 2, 4, 6, 8)]
    proven = [ProvenEntry(index, records[index], authority.proof(index)) for index in (0, 1)]
    return PackContents(
        policy=POLICY,
        roots=root_documents(),
        checkpoint=head(tree, LOG),
        entries=tuple(entries),
        authority_checkpoint=head(authority, HQ),
        authority=tuple(proven),
        blobs={sha256(PHOTO).hexdigest(): PHOTO},
    )


def without_entry(whole: PackContents, index: int) -> PackContents:
    return replace(whole, entries=tuple(entry for entry in whole.entries if entry.index != index))
