"""Rule packs at HQ: one version is one entry of the authority log, and never another text. Checked by the caller."""

from pathlib import Path

from sync.formats.authority import Put
from sync.formats.errors import FormatError
from sync.formats.record_tables import Kind
from sync.formats.rule_text import rules_record, text_of
from sync.hq.authority_log import AuthorityLog, current
from sync.hq.place import open_place
from sync.hq.refusals import Refusal, RefusalCode


def publish(folder: Path, identity: str, text: bytes) -> bool:
    """Put a version of a rule pack into the authority log; False if this very text is in it already.

    ``identity`` is ``PACK/VERSION``. Raises Refusal for one that was published with another text or revoked, or whose
    text is too long, with the figure.
    """
    try:
        record = rules_record(text)
    except FormatError as error:
        raise Refusal(RefusalCode.OPERATION, f"{identity}: {error}") from None
    place = open_place(folder)
    store = place.store()
    try:
        log = AuthorityLog(store, place.authority_origin, place.authority_key())
        with store.writing() as transaction:
            known = transaction.record(Kind.RULES.value, identity)
            if known is not None and known.revoked:
                gone = f"rules {identity}: revoked, which is for ever; give the text a new version"
                raise Refusal(RefusalCode.OPERATION, gone)
            held = current(transaction, place.authority_origin, Kind.RULES, identity)
            # By the text's own hash: other machines may pack the same text into other bytes.
            if held is not None and held.record["sha256"] == record["sha256"]:
                return False
            return log.add_surely(transaction, Put(Kind.RULES, identity, 1, record))
    finally:
        store.close()


def published(folder: Path, pack: str) -> list[tuple[str, bytes]]:
    """(id, text) of each version of a pack that HQ has published and not revoked."""
    place = open_place(folder)
    store = place.store()
    try:
        with store.reading() as transaction:
            named = transaction.identities(Kind.RULES.value, f"{pack}/")
            held = [(each, current(transaction, place.authority_origin, Kind.RULES, each)) for each in named]
    finally:
        store.close()
    return [(identity, text_of(put.record)) for identity, put in held if put is not None]
