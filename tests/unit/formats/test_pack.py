"""Evidence packs: what a true one says, and that no changed one passes, whoever changed it."""

import io
import random
import re
import zipfile
from dataclasses import replace
from hashlib import sha256

import pytest
from site_pack import (
    AUTHORITY,
    COSIGNED_S,
    HQ,
    LOG,
    MIRROR,
    PERMIT,
    PHOTO,
    POLICY,
    RECORDING,
    Tree,
    authority_records,
    contents,
    head,
    journal,
    private,
    root_documents,
    without_entry,
)

from sync.formats import canonical, checkpoint, tlog_policy
from sync.formats.cosignature import add_line, cosign
from sync.formats.errors import FormatError
from sync.formats.note import SigningKey
from sync.formats.pack import CHAIN, MANIFEST, PackContents, manifest_of, place_of, write_pack
from sync.formats.pack_archive import read_members, write_archive
from sync.formats.pack_checks import Bracket
from sync.formats.pack_verdict import PackVerdict, verify_pack

WHOLE = contents()
PACK = write_pack(WHOLE)
PINNED = [LOG.verifier(), MIRROR.cosigner()]


def refusals(verdict: PackVerdict) -> dict[str, str]:
    return {line.name: line.text_en for line in verdict.lines if not line.ok}


def rewritten(changes: dict[str, bytes | None], manifest: bool = True) -> bytes:
    """The pack as a forger would write it again: archive and, where it can be made, manifest in good order."""
    members = {member.name: member.data for member in read_members(PACK)}
    members.update({name: data for name, data in changes.items() if data is not None})
    for name in [name for name, data in changes.items() if data is None]:
        del members[name]
    if manifest:
        members[MANIFEST] = manifest_of(members)
    return write_archive([(name, members[name]) for name in sorted(members, key=place_of)])


def member(name: str) -> bytes:
    return next(item.data for item in read_members(PACK) if item.name == name)


def test_a_true_pack_is_verified_line_by_line() -> None:
    verdict = verify_pack(PACK, PINNED)
    assert verdict.ok, refusals(verdict)
    assert [line.name for line in verdict.lines] == [
        *("signers", "archive", "members", "root", "signatures", "inclusion", "authority", "chain", "closure"),
        *("blobs", "blobs", "time", "quorum", "forks"),
    ]
    texts = " | ".join(line.text_en for line in verdict.lines)
    assert f"chain of {PERMIT} complete to 4" in texts
    assert "permit closed at 4" in texts
    assert f"{sha256(RECORDING).hexdigest()[:16]}… withheld" in texts
    assert f"{sha256(PHOTO).hexdigest()[:16]}… present, {len(PHOTO)} bytes" in texts
    assert all(re.search("[\u4e00-\u9fff]", line.text_zh) for line in verdict.lines)


def test_without_pinned_keys_the_first_verdict_says_so() -> None:
    first = verify_pack(PACK).lines[0]
    assert first.text_en == "signers NOT pinned: keys are the pack's own"
    assert first.ok
    assert first.warning


@pytest.mark.parametrize("pinned", [[], [LOG.verifier()], [MIRROR.cosigner()], [HQ.verifier()]])
def test_a_pack_by_keys_that_are_not_pinned_is_refused(pinned: list) -> None:  # type: ignore[type-arg]
    assert "signers" in refusals(verify_pack(PACK, pinned))


def test_the_same_contents_give_the_same_bytes() -> None:
    assert write_pack(contents()) == PACK


def test_any_zip_reader_opens_a_pack() -> None:
    with zipfile.ZipFile(io.BytesIO(PACK)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == MANIFEST
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_each_event_has_its_bracket() -> None:
    expected = [Bracket(index, 1_793_899_999_000, COSIGNED_S * 1000 + 999) for index in (2, 4, 6, 8)]
    assert list(verify_pack(PACK).brackets) == expected


def sampled_places() -> list[tuple[int, str]]:
    """Some bytes of every member's contents, and of everything between and behind them."""
    chosen = random.Random(20_261_105)
    places: list[tuple[int, str]] = []
    covered = [False] * len(PACK)
    for item in read_members(PACK):
        start = PACK.index(item.data, PACK.index(item.name.encode()))
        for offset in chosen.sample(range(len(item.data)), 8):
            places.append((start + offset, item.name))
        covered[start : start + len(item.data)] = [True] * len(item.data)
    between = [place for place, inside in enumerate(covered) if not inside]
    return places + [(place, "archive structure") for place in chosen.sample(between, 160)]


def test_a_flip_of_any_byte_is_refused_and_its_part_named() -> None:
    places = sampled_places()
    assert len(places) >= 300
    bits = random.Random(3)
    for place, part in places:
        damaged = bytearray(PACK)
        damaged[place] ^= 1 << bits.randrange(8)
        verdict = verify_pack(bytes(damaged), PINNED)
        assert not verdict.ok, place
        assert part in " ".join(refusals(verdict).values()), (place, part, refusals(verdict))


def test_a_flip_in_each_member_is_refused_by_its_name_even_in_a_freshly_written_archive() -> None:
    for item in read_members(PACK):
        middle = len(item.data) // 2
        changed = item.data[:middle] + bytes([item.data[middle] ^ 1]) + item.data[middle + 1 :]
        verdict = verify_pack(rewritten({item.name: changed}, manifest=False), PINNED)
        assert item.name in " ".join(refusals(verdict).values()), item.name


@pytest.mark.parametrize("cut", [0, 1, 21, 22, 100, len(PACK) // 2, len(PACK) - 1])
def test_a_cut_archive_is_refused(cut: int) -> None:
    assert "archive structure" in refusals(verify_pack(PACK[:cut]))["archive"]


def test_bytes_before_behind_and_between_are_refused() -> None:
    for data in (b"x" + PACK, PACK + b"x", PACK + PACK, PACK[:40] + b"x" + PACK[40:]):
        assert not verify_pack(data).ok


def test_an_archive_by_another_writer_is_refused_though_its_members_are_true() -> None:
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        for item in read_members(PACK):
            archive.writestr(item.name, item.data)
    assert set(refusals(verify_pack(other.getvalue(), PINNED))) == {"archive"}


def test_members_out_of_order_or_unknown_are_refused() -> None:
    parts = [(item.name, item.data) for item in read_members(PACK)]
    assert "archive" in refusals(verify_pack(write_archive([*parts[1:], parts[0]])))
    assert "README" in str(refusals(verify_pack(write_archive([*parts, ("readme.txt", b"")])))).upper()


@pytest.mark.parametrize("name", ["manifest.json", "policy.txt", "root.json", "chain.json", "authority/checkpoint"])
def test_a_missing_member_is_named(name: str) -> None:
    verdict = verify_pack(rewritten({name: None}, manifest=False))
    assert name in " ".join(refusals(verdict).values())


def test_a_forger_cannot_leave_out_an_entry() -> None:
    gone: dict[str, bytes | None] = {"entries/4.json": None, "proofs/4.tlog-proof": None}
    verdict = verify_pack(rewritten(gone), PINNED)
    assert "entries/6.json" in refusals(verdict)["chain"]
    with pytest.raises(FormatError, match=r"entries/6\.json"):
        write_pack(without_entry(WHOLE, 4))


def test_a_forger_cannot_change_an_entry() -> None:
    forged = member("entries/6.json").replace(b"access.granted", b"access.refused")
    verdict = verify_pack(rewritten({"entries/6.json": forged}), PINNED)
    assert "entries/6.json" in refusals(verdict)["inclusion"]
    assert set(refusals(verdict)) >= {"inclusion", "chain"}


def test_a_forger_cannot_change_what_hq_said() -> None:
    forged = member("authority/1.json").replace(b"W1", b"W9")
    assert "authority/1.json" in refusals(verify_pack(rewritten({"authority/1.json": forged}), PINNED))["authority"]


def test_a_forger_cannot_swap_a_blob_or_add_one() -> None:
    name = f"blobs/{sha256(PHOTO).hexdigest()}"
    assert "mismatch" in refusals(verify_pack(rewritten({name: b"another"}), PINNED))["blobs"]
    assert "no entry names" in refusals(verify_pack(rewritten({f"blobs/{'0' * 64}": b"stray"}), PINNED))["blobs"]


def test_a_forger_cannot_state_another_chain_or_manifest() -> None:
    chain = canonical.encode_value([[1, 2, "00" * 32]])
    assert "chain.json" in refusals(verify_pack(rewritten({CHAIN: chain}), PINNED))["chain"]
    manifest = member(MANIFEST).replace(PERMIT.encode(), b"PTW-2026-014-00043")
    assert "manifest.json" in refusals(verify_pack(rewritten({MANIFEST: manifest}, manifest=False)))["members"]


def test_a_forger_cannot_soften_the_policy() -> None:
    softer = tlog_policy.encode(replace(POLICY, quorum="none"))
    assert "quorum" in refusals(verify_pack(rewritten({"policy.txt": softer}), PINNED))
    comment = b"# comment\n" + member("policy.txt")
    assert "policy.txt" in refusals(verify_pack(rewritten({"policy.txt": comment})))["signatures"]


def forged_by(log: SigningKey, mirror: SigningKey) -> PackContents:
    """A whole story of one piece, with keys of the forger's own."""
    tree, authority = Tree.of(journal()), Tree.of(authority_records())
    signed = checkpoint.sign(checkpoint.Checkpoint(log.name, tree.frontier.size, tree.frontier.root()), log)
    head_signed = checkpoint.sign(checkpoint.Checkpoint(AUTHORITY, 3, authority.frontier.root()), HQ)
    policy = tlog_policy.Policy(
        (tlog_policy.Log(log.verifier()), tlog_policy.Log(HQ.verifier())),
        (tlog_policy.Witness("mirror", mirror.cosigner()),),
        (),
        "mirror",
    )
    return replace(
        WHOLE,
        policy=policy,
        checkpoint=add_line(signed, cosign(signed, mirror, COSIGNED_S)),
        authority_checkpoint=add_line(head_signed, cosign(head_signed, mirror, COSIGNED_S)),
    )


def test_a_forgers_own_keys_are_not_hqs() -> None:
    forger_log, forger_mirror = SigningKey(LOG.name, private(8)), SigningKey(MIRROR.name, private(9))
    by_mirror = refusals(verify_pack(write_pack(forged_by(LOG, forger_mirror)), PINNED))
    assert set(by_mirror) == {"signers", "root"}
    by_log = refusals(verify_pack(write_pack(forged_by(forger_log, MIRROR)), PINNED))
    assert "authority/0.json" in by_log["authority"]
    assert "signers" in by_log


@pytest.mark.parametrize(
    "name", ["pg.example.org/gw/gw2/1", "pg.other.org/hq/authority/s014/1", "pg.example.org/gw/hq/authority/1"]
)
def test_another_log_that_hq_cosigns_is_not_hqs_word(name: str) -> None:
    """The mirror cosigns every gateway's log, and whoever holds its key writes there what they like."""
    other = SigningKey(name, private(9))
    records = [authority_records()[0], canonical.encode({"id": "W1", "k": "worker", "op": "put", "rec": {}, "v": 1})]
    tree = Tree.of(records)
    policy = replace(POLICY, logs=(POLICY.logs[0], tlog_policy.Log(other.verifier())))
    forged = replace(
        WHOLE,
        policy=policy,
        authority_checkpoint=head(tree, other),
        authority=tuple(replace(WHOLE.authority[0], index=i, data=records[i], hashes=tree.proof(i)) for i in (0, 1)),
    )
    verdict = verify_pack(write_pack(forged), PINNED)
    assert not verdict.ok
    assert "is not the authority log of pg.example.org/hq/mirror" in refusals(verdict)["signers"]


def test_a_head_that_hq_did_not_cosign_meets_no_quorum() -> None:
    tree = Tree.of(journal())
    alone = checkpoint.sign(checkpoint.Checkpoint(LOG.name, tree.frontier.size, tree.frontier.root()), LOG)
    verdict = verify_pack(write_pack(replace(WHOLE, checkpoint=alone)), PINNED)
    assert "quorum" in refusals(verdict)


def test_two_heads_in_one_pack_are_refused() -> None:
    leaves = [*journal()[:10], canonical.encode({"seq": 10})]
    other = contents(leaves)
    forked = next(item.data for item in read_members(write_pack(other)) if item.name == "proofs/8.tlog-proof")
    found = refusals(verify_pack(rewritten({"proofs/8.tlog-proof": forked}), PINNED))
    assert "proofs/8.tlog-proof" in found["forks"]
    assert "fork" in found["forks"]


def test_an_open_permit_and_a_missing_clock_are_warned_of() -> None:
    open_story = replace(contents(journal(closed=False)))
    unbracketed = without_entry(open_story, 1)
    verdict = verify_pack(write_pack(unbracketed), PINNED)
    assert verdict.ok
    warned = {line.name: line.text_en for line in verdict.lines if line.warning}
    assert "newer entries may exist" in warned["closure"]
    assert "4 without one bound" in warned["time"]


def test_an_entry_after_the_closing_one_is_refused() -> None:
    leaves = [leaf.replace(b"access.granted", b"permit.closed") for leaf in journal()]
    with pytest.raises(FormatError):
        write_pack(contents(leaves))
    members = {"entries/2.json": member("entries/2.json").replace(b"access.granted", b"permit.closed")}
    assert "entries/4.json" in refusals(verify_pack(rewritten(dict(members))))["closure"]


def test_a_cosignature_older_than_hqs_mark_before_the_entry_is_refused() -> None:
    tree = Tree.of(journal())
    signed = checkpoint.sign(checkpoint.Checkpoint(LOG.name, tree.frontier.size, tree.frontier.root()), LOG)
    early = add_line(signed, cosign(signed, MIRROR, COSIGNED_S - 1_000_000))
    assert "entries/2.json" in refusals(verify_pack(write_pack(replace(WHOLE, checkpoint=early))))["time"]


@pytest.mark.parametrize(
    "change",
    [
        (b'"threshold":1', b'"threshold":2'),
        (b'"version":2', b'"version":3'),
        (b"2046", b"2047"),
        (b'"sig":"', b'"sig":"0'),
        (b'"_type":"root"', b'"_type":"roof"'),
        (b'"signatures"', b'"signaturen"'),
        (b"[", b"[ "),
    ],
)
def test_a_root_that_its_keys_did_not_sign_is_refused(change: tuple[bytes, bytes]) -> None:
    forged = member("root.json").replace(*change)
    assert "root.json" in refusals(verify_pack(rewritten({"root.json": forged})))["root"]


def test_a_root_chain_needs_both_generations_of_keys() -> None:
    first, second = root_documents()
    for roots in ((second,), (second, first), (first, first)):
        assert "root" in refusals(verify_pack(write_pack(replace(WHOLE, roots=roots))))
    alone = root_documents(1)
    assert verify_pack(write_pack(replace(WHOLE, roots=alone)), PINNED).ok


def test_head_helper_signs_as_the_logs_do() -> None:
    assert head(Tree.of(journal()), LOG) == WHOLE.checkpoint


def test_words_that_would_play_tricks_on_a_terminal_are_not_shown() -> None:
    for trick in ("a\nsigners pinned", "\x1b[2Ja", "\u202ea"):
        leaf = canonical.decode(member("entries/2.json")) | {"pid": trick}
        with pytest.raises(FormatError):
            manifest_of({"entries/2.json": canonical.encode(leaf)})
    policy = member("policy.txt").replace(b"witness mirror", b"witness mi\xffror").replace(b"m mirror", b"m mi\xffror")
    verdict = verify_pack(rewritten({"policy.txt": policy}))
    assert not verdict.ok
    assert "".join(line.text_en for line in verdict.lines).isprintable()


def test_names_that_no_pack_has_are_refused() -> None:
    for name in ("../evil", "entries/01.json", "entries/x.json", "blobs/ABC", "Manifest.json", ""):
        with pytest.raises(FormatError):
            place_of(name)


def test_nothing_else_than_a_permits_entries_goes_into_a_pack() -> None:
    whole = contents()
    stray = replace(whole.entries[0], index=3, data=journal()[3])
    with pytest.raises(FormatError, match="neither"):
        write_pack(replace(whole, entries=(*whole.entries, stray)))
    with pytest.raises(FormatError, match="no entry of a permit"):
        write_pack(replace(whole, entries=whole.entries[:1]))
