"""C2SP tlog-proof and tlog-policy: form, verification, and every refusal."""

import base64

import pytest
from site_pack import HQ, LOG, MIRROR, Tree, head, journal, private

from sync.formats import merkle, tlog_policy, tlog_proof
from sync.formats.errors import FormatError
from sync.formats.note import SigningKey
from sync.formats.tlog_proof import TlogProof

LEAVES = journal()
TREE = Tree.of(LEAVES)
NOTE = head(TREE, LOG)
PROOF = TlogProof(5, TREE.proof(5), NOTE)


def test_a_proof_is_header_index_hashes_and_the_checkpoint_verbatim() -> None:
    hashes = "".join(base64.b64encode(item).decode() + "\n" for item in PROOF.hashes)
    assert tlog_proof.encode(PROOF) == f"c2sp.org/tlog-proof@v1\nindex 5\n{hashes}\n{NOTE}"
    extra = TlogProof(0, (), NOTE, b"extra information")
    assert tlog_proof.encode(extra) == (f"c2sp.org/tlog-proof@v1\nextra ZXh0cmEgaW5mb3JtYXRpb24=\nindex 0\n\n{NOTE}")
    for proof in (PROOF, extra, TlogProof(0, (), NOTE, b"")):
        assert tlog_proof.parse(tlog_proof.encode(proof).encode()) == proof


def test_a_true_proof_gives_its_checkpoint() -> None:
    found = tlog_proof.verify(PROOF, merkle.leaf_hash(LEAVES[5]), LOG.verifier())
    assert (found.origin, found.size, found.root) == (LOG.name, 11, TREE.frontier.root())


def test_a_proof_for_another_leaf_index_or_log_is_refused() -> None:
    leaf = merkle.leaf_hash(LEAVES[5])
    for proof, hashed, key in [
        (PROOF, merkle.leaf_hash(LEAVES[4]), LOG.verifier()),
        (TlogProof(4, PROOF.hashes, NOTE), leaf, LOG.verifier()),
        (TlogProof(5, PROOF.hashes[:-1], NOTE), leaf, LOG.verifier()),
        (TlogProof(5, PROOF.hashes, NOTE.replace("\n11\n", "\n12\n")), leaf, LOG.verifier()),
        (PROOF, leaf, HQ.verifier()),
    ]:
        with pytest.raises(FormatError):
            tlog_proof.verify(proof, hashed, key)


TEXT = tlog_proof.encode(PROOF)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1\n",
        TEXT.replace("@v1", "@v2"),
        TEXT.replace("index 5", "index 05"),
        TEXT.replace("index 5", "index -5"),
        TEXT.replace("index 5", "index notanumber"),
        TEXT.replace("index 5\n", ""),
        TEXT.replace("index 5", "extra !!\nindex 5"),
        TEXT.replace("index 5", "extra YQ==\nextra YQ==\nindex 5"),
        TEXT.replace("index 5\n", "index 5\nAAAA\n"),
        TEXT.replace("index 5\n", "index 5\n" + (base64.b64encode(b"h" * 32).decode() + "\n") * 64),
        TEXT.replace("\n\n", "\n", 1),
        TEXT[:-1],
        "c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint\n",
        "x" * (tlog_proof.MAX_PROOF_BYTES + 1),
    ],
)
def test_texts_that_are_no_proof_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        tlog_proof.parse(text)
    with pytest.raises(FormatError):
        tlog_proof.parse(b"\xff" + text.encode())


@pytest.mark.parametrize("proof", [TlogProof(-1, (), NOTE), TlogProof(0, (b"x",), NOTE), TlogProof(0, (), "no note")])
def test_proofs_that_could_not_be_read_back_are_not_written(proof: TlogProof) -> None:
    with pytest.raises(FormatError):
        tlog_proof.encode(proof)


WITNESSES = {
    name: SigningKey(f"{name}.example", private(seed)).cosigner()
    for seed, name in enumerate(("X1", "X2", "X3", "Y1", "Y2", "Y3"), start=20)
}
EXAMPLE = f"""# the example of c2sp.org/tlog-policy
log {LOG.verifier()}

witness X1 {WITNESSES["X1"]}
witness X2\t{WITNESSES["X2"]}  https://x2.example/
 witness X3 {WITNESSES["X3"]}
group X-witnesses 2 X1 X2 X3

witness Y1 {WITNESSES["Y1"]}
witness Y2 {WITNESSES["Y2"]}
witness Y3 {WITNESSES["Y3"]}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
""".encode()


@pytest.mark.parametrize(
    ("cosigned", "met"),
    [
        ({"X1", "X2", "Y1"}, True),
        ({"X1", "X3", "Y3"}, True),
        ({"X1", "Y1", "Y2", "Y3"}, False),
        ({"X1", "X2", "X3"}, False),
        (set(), False),
        ({"X-and-Y"}, False),
    ],
)
def test_the_specifications_example_policy_asks_two_of_x_and_one_of_y(cosigned: set[str], met: bool) -> None:
    policy = tlog_policy.parse(EXAMPLE)
    assert policy.quorum_met(cosigned) is met
    assert policy.witnesses[1].url == "https://x2.example/"
    assert policy.log_key(LOG.name) == LOG.verifier()
    assert policy.log_key("another") is None


def test_a_policy_is_written_in_one_form() -> None:
    policy = tlog_policy.parse(EXAMPLE)
    data = tlog_policy.encode(policy)
    assert tlog_policy.parse(data) == policy
    assert data.decode().splitlines()[-3:] == [
        "group Y-witnesses 1 Y1 Y2 Y3",
        "group X-and-Y 2 X-witnesses Y-witnesses",
        "quorum X-and-Y",
    ]


def test_a_policy_without_witnesses_may_say_so() -> None:
    assert tlog_policy.parse(b"quorum none\n").quorum_met(())


def test_names_are_opaque_octets() -> None:
    data = b"witness \xff " + str(MIRROR.cosigner()).encode() + b"\nquorum \xff\n"
    policy = tlog_policy.parse(data)
    assert tlog_policy.encode(policy) == data
    assert not policy.quorum_met({"\ufffd"})


LOG_LINE = f"log {LOG.verifier()}\n".encode()
MIRROR_LINE = f"witness m {MIRROR.cosigner()}\n".encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        LOG_LINE,
        b"quorum none",
        b"quorum none\r\n",
        b"quorum none\nquorum none\n",
        b"quorum m\n" + MIRROR_LINE,
        b"quorum m x\n",
        b"unknown\nquorum none\n",
        b"log\nquorum none\n",
        b"log x url more\nquorum none\n",
        LOG_LINE + LOG_LINE + b"quorum none\n",
        f"log {MIRROR.cosigner()}\nquorum none\n".encode(),
        f"witness m {MIRROR.verifier()}\nquorum none\n".encode(),
        MIRROR_LINE + MIRROR_LINE + b"quorum m\n",
        MIRROR_LINE + MIRROR_LINE.replace(b"witness m", b"witness n") + b"quorum m\n",
        MIRROR_LINE.replace(b"witness m", b"witness none") + b"quorum none\n",
        MIRROR_LINE + b"group m any m\nquorum m\n",
        MIRROR_LINE + b"group g any m m\nquorum g\n",
        MIRROR_LINE + b"group g any m\ngroup h any m\nquorum g\n",
        MIRROR_LINE + b"group g any later\nquorum g\n",
        MIRROR_LINE + b"group g any none\nquorum g\n",
        MIRROR_LINE + b"group g 2 m\nquorum g\n",
        MIRROR_LINE + b"group g 0 m\nquorum g\n",
        MIRROR_LINE + b"group g 01 m\nquorum g\n",
        MIRROR_LINE + b"group g any\nquorum g\n",
        "quorum none\u00a0\n".encode(),
        b"# \x00\nquorum none\n",
        b"#" * tlog_policy.MAX_POLICY_BYTES + b"\nquorum none\n",
    ],
)
def test_policies_outside_the_specification_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        tlog_policy.parse(data)


def test_a_refusal_names_its_line() -> None:
    with pytest.raises(FormatError, match="policy line 3"):
        tlog_policy.parse(b"# one\n\nnonsense here\n")


def test_definitions_are_bounded() -> None:
    lines = [f"witness w{n} {SigningKey(f'w{n}', private(n)).cosigner()}\n" for n in range(129)]
    with pytest.raises(FormatError, match="more than"):
        tlog_policy.parse("".join([*lines, "quorum none\n"]).encode())
    assert len(tlog_policy.parse("".join([*lines[:128], "quorum none\n"]).encode()).witnesses) == 128


def test_a_name_with_blanks_is_not_written() -> None:
    policy = tlog_policy.Policy((), (tlog_policy.Witness("a b", MIRROR.cosigner()),), (), "none")
    with pytest.raises(FormatError):
        tlog_policy.encode(policy)
