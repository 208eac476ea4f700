"""Merkle trees against answers that others computed.

Roots and leaves: the eight-leaf corpus of Google's Certificate Transparency reference implementation
(github.com/google/certificate-transparency, merkletree/merkle_tree_test.cc; the same in
github.com/transparency-dev/merkle, testonly/constants.go). Paths and proofs for seven leaves: RFC 6962 section 2.1.3.
"""

import pytest

from sync.formats import merkle
from sync.formats.errors import FormatError
from sync.formats.merkle import EMPTY, EMPTY_ROOT, Frontier

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# Inner nodes of the corpus as its tests name them.
H0, H01, H03 = ROOTS[1], ROOTS[2], ROOTS[4]
H1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
H2 = "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7"
H3 = "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7"
H4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
H5 = "4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658"
H6 = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
H23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
H45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
H46 = "837dbb152e9b079010717e84e865da4ebc0fa198a806d59d31bf15accef22d0e"
H67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
H47 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"

PATHS_IN_7 = [[H1, H23, H46], [H0, H23, H46], [H3, H01, H46], [H2, H01, H46], [H5, H6, H03], [H4, H6, H03], [H45, H03]]
PROOFS_TO = {
    (0, 7): [],
    (1, 7): [H1, H23, H46],
    (2, 7): [H23, H46],
    (3, 7): [H2, H3, H01, H46],
    (4, 7): [H46],
    (5, 7): [H4, H5, H6, H03],
    (6, 7): [H45, H6, H03],
    (7, 7): [],
    (1, 8): [H1, H23, H47],
    (6, 8): [H45, H67, H03],
    (2, 5): [H23, H4],
}


def corpus() -> tuple[list[Frontier], merkle.NodeReader]:
    frontiers, nodes = [EMPTY], {}
    for leaf in LEAVES:
        frontier, rows = frontiers[-1].append(merkle.leaf_hash(leaf))
        frontiers.append(frontier)
        nodes.update({(level, index): node for level, index, node in rows})
    return frontiers, lambda level, index: nodes[level, index]


def hashes(texts: list[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(text) for text in texts)


def test_roots_of_the_reference_corpus_at_every_size() -> None:
    frontiers, nodes = corpus()
    assert [frontier.root().hex() for frontier in frontiers] == ROOTS
    assert [merkle.root_at(size, nodes).hex() for size in range(9)] == ROOTS
    assert [merkle.frontier_at(size, nodes) for size in range(9)] == frontiers


@pytest.mark.parametrize("index", range(7))
def test_inclusion_paths_of_rfc_6962(index: int) -> None:
    _, nodes = corpus()
    proof = merkle.inclusion_proof(index, 7, nodes)
    assert proof == hashes(PATHS_IN_7[index])
    merkle.verify_inclusion(merkle.leaf_hash(LEAVES[index]), index, 7, proof, bytes.fromhex(ROOTS[7]))


@pytest.mark.parametrize("sizes", PROOFS_TO)
def test_consistency_proofs_of_rfc_6962_and_the_corpus(sizes: tuple[int, int]) -> None:
    _, nodes = corpus()
    old, new = sizes
    proof = merkle.consistency_proof(old, new, nodes)
    assert proof == hashes(PROOFS_TO[sizes])
    merkle.verify_consistency(old, new, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), proof)


def mutations(proof: tuple[bytes, ...], root: bytes) -> list[tuple[bytes, ...]]:
    """The damage that transparency-dev/merkle's testdata does to a proof."""
    flipped = [
        (*proof[:place], bytes([item[0] ^ 0x10]) + item[1:], *proof[place + 1 :]) for place, item in enumerate(proof)
    ]
    return [*flipped, (*proof, b""), (*proof, root), (b"", *proof), (root, *proof), proof[:-1], (*proof, b"\0" * 32)]


@pytest.mark.parametrize("sizes", [sizes for sizes, proof in PROOFS_TO.items() if proof])
def test_no_damaged_consistency_proof_is_believed(sizes: tuple[int, int]) -> None:
    old, new = sizes
    old_root, new_root = bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new])
    good = hashes(PROOFS_TO[sizes])
    for proof in [*mutations(good, old_root), *mutations(good, new_root), ()]:
        with pytest.raises(FormatError):
            merkle.verify_consistency(old, new, old_root, new_root, proof)
    wrong_heads = [(new_root, old_root), (old_root, EMPTY_ROOT), (EMPTY_ROOT, new_root), (old_root[:-1], new_root)]
    for roots in wrong_heads:
        with pytest.raises(FormatError):
            merkle.verify_consistency(old, new, *roots, good)


@pytest.mark.parametrize("index", range(7))
def test_no_damaged_inclusion_proof_is_believed(index: int) -> None:
    leaf, root, good = merkle.leaf_hash(LEAVES[index]), bytes.fromhex(ROOTS[7]), hashes(PATHS_IN_7[index])
    for proof in mutations(good, root):
        with pytest.raises(FormatError):
            merkle.verify_inclusion(leaf, index, 7, proof, root)
    for place, size in [(index + 1, 7), (index - 1, 7), (index ^ 2, 7), (index, 14), (index, 3), (index, 0), (-1, 7)]:
        with pytest.raises(FormatError):
            merkle.verify_inclusion(leaf, place, size, good, root)
    for other_leaf, other_root in [(root, root), (leaf, EMPTY_ROOT), (leaf, b""), (b"", root)]:
        with pytest.raises(FormatError):
            merkle.verify_inclusion(other_leaf, index, 7, good, other_root)


def test_two_roots_at_one_size_are_a_fork() -> None:
    with pytest.raises(FormatError, match="two roots"):
        merkle.verify_consistency(7, 7, bytes.fromhex(ROOTS[7]), bytes.fromhex(ROOTS[6]), ())


def test_from_the_empty_tree_only_its_own_root_is_accepted() -> None:
    with pytest.raises(FormatError):
        merkle.verify_consistency(0, 7, bytes.fromhex(ROOTS[1]), bytes.fromhex(ROOTS[7]), ())
    with pytest.raises(FormatError):
        merkle.verify_consistency(0, 7, EMPTY_ROOT, bytes.fromhex(ROOTS[7]), hashes([H0]))


def test_extend_gives_what_single_appends_give() -> None:
    frontiers, nodes = corpus()
    frontier, rows = frontiers[3].extend(map(merkle.leaf_hash, LEAVES[3:]))
    assert frontier == frontiers[8]
    assert [nodes(level, index) for level, index, _ in rows] == [node for _, _, node in rows]


@pytest.mark.parametrize(("size", "count", "length"), [(3, 1, 32), (3, 3, 32), (3, 2, 31), (-1, 0, 32), (0, 1, 32)])
def test_a_stored_frontier_that_cannot_be_is_refused(size: int, count: int, length: int) -> None:
    with pytest.raises(FormatError):
        Frontier.restore(size, [b"\0" * length] * count)


def test_a_stored_frontier_is_taken_up_again() -> None:
    frontiers, _ = corpus()
    assert Frontier.restore(7, frontiers[7].hashes) == frontiers[7]


@pytest.mark.parametrize(("start", "end"), [(0, 0), (1, 3), (2, 8), (-2, 0), (4, 3)])
def test_a_span_that_no_tree_has_as_subtree_is_refused(start: int, end: int) -> None:
    with pytest.raises(FormatError):
        merkle.subtree(start, end, lambda level, index: b"")


@pytest.mark.parametrize(("index", "size"), [(7, 7), (-1, 7), (0, 0)])
def test_no_inclusion_proof_is_made_for_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(FormatError):
        merkle.inclusion_proof(index, size, lambda level, place: b"")


def test_no_consistency_proof_is_made_backwards() -> None:
    with pytest.raises(FormatError):
        merkle.consistency_proof(3, 2, lambda level, place: b"")
