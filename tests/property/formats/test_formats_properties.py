"""Codecs of the log: any bytes give a value or FormatError; what is written is read back; proofs cannot be bent."""

import json
from collections.abc import Callable

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync.formats import canonical, checkpoint, merkle, note, package, tiles, tlog_policy, tlog_proof, tuf_root
from sync.formats.cosignature import add_line, cosign, find_cosignature
from sync.formats.errors import FormatError
from sync.formats.pack_archive import check_structure, read_members, write_archive
from sync.formats.pack_verdict import verify_pack

LOG = note.SigningKey("pg.example.org/gw/g/1", Ed25519PrivateKey.from_private_bytes(b"1" * 32))
MIRROR = note.SigningKey("pg.example.org/hq/mirror", Ed25519PrivateKey.from_private_bytes(b"2" * 32))
SIGNED = checkpoint.sign(checkpoint.Checkpoint(LOG.name, 7, b"\x07" * 32), LOG)
COSIGNED = add_line(SIGNED, cosign(SIGNED, MIRROR, 1_793_900_000))

# Every kind of letter that writers disagree on: quotes, controls, DEL, line separators, beyond ASCII and the BMP.
texts = st.sampled_from('aZ0 "\\/\b\t\n\f\r\x00\x1f\x7f\x80\u2028\u2029\u202e甲\ufb33\ufffd\U0001f602\U0010ffff')
keys = st.text(alphabet="abcxyz019_", min_size=1, max_size=32)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER), st.text(texts, max_size=12)
)
documents = st.dictionaries(
    keys,
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
    ),
    max_size=6,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@settings(max_examples=60)
@given(documents)
def test_on_the_profile_our_bytes_are_those_of_rfc_8785(document: dict[str, canonical.Json]) -> None:
    if depth(document) > canonical.MAX_DEPTH:
        with pytest.raises(FormatError):
            canonical.encode(document)
        return
    data = canonical.encode(document)
    assert data == rfc8785.dumps(document)  # type: ignore[arg-type]
    assert canonical.decode(data) == document


@settings(max_examples=50)
@given(documents, st.sampled_from([{"indent": 1}, {"separators": (", ", ":")}, {"ensure_ascii": True}]))
def test_the_same_value_in_other_bytes_is_refused(
    document: dict[str, canonical.Json], other: dict[str, object]
) -> None:
    if depth(document) > canonical.MAX_DEPTH:
        return
    data = json.dumps(document, sort_keys=True, **other).encode()  # type: ignore[arg-type]
    if data != canonical.encode(document):
        with pytest.raises(FormatError):
            canonical.decode(data)


CODECS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "canonical": (canonical.decode, canonical.encode({"a": [1, None, "甲"], "b": {"c": True}})),
    "package": (package.decode, package.encode(LOG.name, 5, [b"{}", b"{1}"])),
    "bundle": (tiles.decode_bundle, tiles.encode_bundle([b"a", b"bc"])),
    "tile path": (lambda data: tiles.parse_path(data.decode("latin-1")), b"tile/0/x001/234.p/7"),
    "note": (lambda data: note.open_note(data, [LOG.verifier()]), COSIGNED.encode()),
    "line": (lambda data: note.parse_line(data.decode("latin-1")), cosign(SIGNED, MIRROR, 1).encode()),
    "vkey": (
        lambda data: note.VerifierKey.parse(data.decode("utf-8", "surrogateescape")),
        str(LOG.verifier()).encode(),
    ),
    "checkpoint": (lambda data: checkpoint.parse(data.decode("latin-1")), b"o\n7\n" + b"A" * 43 + b"=\n"),
    "cosignature": (
        lambda data: find_cosignature(SIGNED, data.decode("utf-8", "surrogateescape"), MIRROR.cosigner()),
        COSIGNED.encode(),
    ),
    "proof": (tlog_proof.parse, tlog_proof.encode(tlog_proof.TlogProof(0, (b"h" * 32,), SIGNED, b"x")).encode()),
    "policy": (
        tlog_policy.parse,
        f"log {LOG.verifier()}\nwitness m {MIRROR.cosigner()}\ngroup g any m\nquorum g\n".encode(),
    ),
    "roots": (
        lambda data: tuf_root.verify_chain(tuf_root.parse_chain(data)),
        b'[{"signatures":[{"keyid":"a","sig":"00"}],"signed":{"_type":"root","keys":{"a":{"keytype":"ed25519",'
        b'"keyval":{"public":"00"},"scheme":"ed25519"}},"roles":{"root":{"keyids":["a"],"threshold":1}},"version":1}}]',
    ),
    "archive": (read_members, write_archive([("a", b"x"), ("b/c", b"")])),
    "pack": (verify_pack, write_archive([("manifest.json", b"{}"), ("policy.txt", b"quorum none\n")])),
}


@st.composite
def near(draw: st.DrawFn, good: bytes) -> bytes:
    """Bytes that are no message, or a message cut, repeated, or changed in a few places."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                del data[place : place + draw(st.integers(1, 8))]
            case 1:
                data[place:place] = draw(st.binary(min_size=1, max_size=4))
            case 2:
                data[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case _:
                data[place:place] = data[: draw(st.integers(0, 60))]
    return bytes(data)


@pytest.mark.parametrize("name", CODECS)
@settings(max_examples=40)
@given(st.data())
def test_any_bytes_give_a_value_or_our_error(name: str, data: st.DataObject) -> None:
    read, good = CODECS[name]
    found = data.draw(near(good))
    said = ""
    try:
        read(found)
    except FormatError as error:
        said = str(error)
    assert said.isprintable()


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_pack_are_refused_in_words(found: bytes) -> None:
    verdict = verify_pack(found)
    assert not verdict.ok
    assert all(line.text_en and line.text_zh for line in verdict.lines)


@settings(max_examples=60)
@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=256), st.integers(0, 2**50))
def test_a_package_is_read_back(entries: list[bytes], start: int) -> None:
    data = package.encode(LOG.name, start, entries)
    assert package.decode(data) == package.Package(LOG.name, start, start + len(entries), tuple(entries))


@given(st.integers(0, 63), st.integers(0, merkle.MAX_SIZE), st.integers(1, 256), st.booleans())
def test_a_tile_path_is_read_back(level: int, index: int, width: int, entries: bool) -> None:
    tile = tiles.Tile(None if entries else level, index, width)
    assert tiles.parse_path(tile.path) == tile


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.from_regex(r"[a-z0-9][a-z0-9./-]{0,30}", fullmatch=True), st.binary(max_size=60)), max_size=8)
)
def test_an_archive_is_read_back_and_every_flip_shows(members: list[tuple[str, bytes]]) -> None:
    members = list(dict(members).items())
    data = write_archive(members)
    read = read_members(data)
    assert [(item.name, item.data) for item in read] == members
    check_structure(data, read)
    for place in range(0, len(data), 7):
        damaged = data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :]
        try:
            parts = read_members(damaged)
            check_structure(damaged, parts)
        except FormatError:
            continue
        assert any(part.damaged for part in parts)


def tree(size: int) -> tuple[merkle.Frontier, merkle.NodeReader]:
    frontier, rows = merkle.EMPTY.extend(merkle.leaf_hash(b"%d" % number) for number in range(size))
    nodes = {(level, index): value for level, index, value in rows}
    return frontier, lambda level, index: nodes[level, index]


FULL, NODES = tree(300)


@settings(max_examples=60)
@given(st.integers(1, 300), st.data())
@example(256, None)
def test_inclusion_proofs_verify_and_no_flipped_byte_does(size: int, data: st.DataObject | None) -> None:
    index = data.draw(st.integers(0, size - 1)) if data else size - 1
    leaf, root = NODES(0, index), merkle.root_at(size, NODES)
    proof = merkle.inclusion_proof(index, size, NODES)
    merkle.verify_inclusion(leaf, index, size, proof, root)
    for place, item in enumerate(proof):
        bent = (*proof[:place], bytes([item[0] ^ 1]) + item[1:], *proof[place + 1 :])
        with pytest.raises(FormatError):
            merkle.verify_inclusion(leaf, index, size, bent, root)
    for other in {index ^ 1, index + 1, index - 1}:
        with pytest.raises(FormatError):
            merkle.verify_inclusion(leaf, other, size, proof, root)


@settings(max_examples=60)
@given(st.integers(1, 300), st.data())
def test_consistency_proofs_verify_and_no_flipped_byte_does(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, new))
    old_root, new_root = merkle.root_at(old, NODES), merkle.root_at(new, NODES)
    proof = merkle.consistency_proof(old, new, NODES)
    merkle.verify_consistency(old, new, old_root, new_root, proof)
    for place, item in enumerate(proof):
        bent = (*proof[:place], item[:-1] + bytes([item[-1] ^ 0x80]), *proof[place + 1 :])
        with pytest.raises(FormatError):
            merkle.verify_consistency(old, new, old_root, new_root, bent)
    for roots in ((new_root, old_root), (old_root, b"\0" * 32)):
        if old not in (0, new):
            with pytest.raises(FormatError):
                merkle.verify_consistency(old, new, *roots, proof)


@settings(max_examples=30)
@given(st.integers(0, 300), st.integers(0, 300))
def test_a_frontier_taken_up_anywhere_grows_to_the_same_tree(first: int, second: int) -> None:
    start, end = sorted((first, second))
    taken = merkle.frontier_at(start, NODES)
    assert merkle.Frontier.restore(taken.size, taken.hashes) == taken
    grown, rows = taken.extend(NODES(0, index) for index in range(start, end))
    assert grown.root() == merkle.root_at(end, NODES)
    assert all(NODES(level, index) == value for level, index, value in rows)


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 section 2.1 defines it, by recursion."""
    if len(leaves) < 2:
        return merkle.leaf_hash(leaves[0]) if leaves else merkle.EMPTY_ROOT
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


@settings(max_examples=40)
@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_root_is_the_recursive_definition_of_rfc_6962(leaves: list[bytes]) -> None:
    frontier, _ = merkle.EMPTY.extend(map(merkle.leaf_hash, leaves))
    assert frontier.root() == naive_root(leaves)
