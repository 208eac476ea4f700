"""What the checks of an evidence pack read again and again: its policy, the heads of its logs, its proofs.

Everything raises FormatError with the name of the member that is wrong.
"""

from collections.abc import Mapping
from functools import lru_cache

from sync.formats import checkpoint, note, tlog_policy, tlog_proof
from sync.formats.cosignature import find_cosignature
from sync.formats.errors import FormatError
from sync.formats.pack import POLICY, indexed


def member_of(members: Mapping[str, bytes], name: str) -> bytes:
    """The contents of a member that must be there."""
    data = members.get(name)
    if data is None:
        raise FormatError("missing", name)
    return data


def text_of(members: Mapping[str, bytes], name: str) -> str:
    """The contents of a member that must be there and be UTF-8."""
    try:
        return member_of(members, name).decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError("not UTF-8", name) from None


def policy_of(members: Mapping[str, bytes]) -> tlog_policy.Policy:
    """The pack's policy, in the one form in which packs write it."""
    return _policy(member_of(members, POLICY))


# The checks ask for the same policy and the same two heads many times: these three results are kept.
@lru_cache(maxsize=4)
def _policy(data: bytes) -> tlog_policy.Policy:
    try:
        policy = tlog_policy.parse(data)
        canonical_form = tlog_policy.encode(policy)
    except FormatError as error:
        raise error.within(POLICY) from None
    text = data.decode("utf-8", "surrogateescape")
    if not all(line.isprintable() for line in text.split("\n")):
        raise FormatError("holds characters that cannot be shown", POLICY)
    if canonical_form != data:
        raise FormatError("not in the form in which packs write it", POLICY)
    return policy


def journal_head(members: Mapping[str, bytes], policy: tlog_policy.Policy) -> tuple[checkpoint.Checkpoint, str]:
    """The one checkpoint of all entry proofs, verified, and its note."""
    proofs = proofs_in(members, "proofs")
    if not proofs:
        raise FormatError("no proof of any entry", "proofs")
    first_name, first = proofs[0]
    for name, proof in proofs:
        if proof.note != first.note:
            raise FormatError(f"carries another head than {first_name}", name)
    return open_head(first.note, policy, first_name), first.note


@lru_cache(maxsize=8)
def open_head(head_note: str, policy: tlog_policy.Policy, place: str) -> checkpoint.Checkpoint:
    """The checkpoint of a note signed by the log of its origin, which the policy must know."""
    try:
        origin = checkpoint.parse(note.split_note(head_note)[0]).origin
        key = policy.log_key(origin)
        if key is None:
            raise FormatError(f"log {origin} is not in policy.txt", "checkpoint")
        return checkpoint.open_checkpoint(head_note, key)
    except FormatError as error:
        raise error.within(place) from None


def cosigners(head_note: str, policy: tlog_policy.Policy) -> list[tuple[str, int]]:
    """(policy name, POSIX seconds) of each witness whose cosignature stands under the head."""
    found = [(item.name, cosigned_s(head_note, item.key)) for item in policy.witnesses]
    return [(name, time_s) for name, time_s in found if time_s is not None]


@lru_cache(maxsize=8)
def cosigned_s(head_note: str, key: note.VerifierKey) -> int | None:
    """When `key` cosigned the head (POSIX seconds); None if it did not, or is no cosigner's key."""
    if key.algorithm != note.ALGORITHM_COSIGNATURE:
        return None
    return find_cosignature(head_note, head_note, key)


def proofs_in(members: Mapping[str, bytes], folder: str) -> list[tuple[str, tlog_proof.TlogProof]]:
    """(member name, proof) of every proof in a folder, in the order of their indices."""
    names = [(f"{folder}/{index}.tlog-proof", data) for index, data in indexed(members, folder, ".tlog-proof").items()]
    return [(name, read_proof(data, name)) for name, data in names]


@lru_cache(maxsize=256)
def read_proof(data: bytes, name: str) -> tlog_proof.TlogProof:
    """The proof of a member's contents, unverified."""
    try:
        return tlog_proof.parse(data)
    except FormatError as error:
        raise error.within(name) from None
