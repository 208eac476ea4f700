"""Every version of every rule pack that a command may speak of: what ships, and what HQ published, from a gateway's
files, read-only."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import rules
from edge.app.answers import CONFIG_DEFAULT
from edge.app.hq_rules import judge
from edge.app.replay import entries_of
from edge.app.site_plan import Held, shipped
from edge.config import load
from edge.config_values import Config
from edge.core.fold import fold_rules
from edge.core.published import RulesWord, Verdict
from edge.core.rules import RulePack
from edge.core.state import Durable
from edge.ports.errors import DamagedError, PermitgateError
from edge.ports.stores import HqRules
from edge.storage.authority_reader import AuthorityReader
from edge.storage.blobs import BlobStore
from edge.storage.journal_reader import JournalReader, Search
from edge.storage.leaves import entry_of
from sync.formats.errors import FormatError
from sync.formats.rule_text import split_id

_KINDS = ("rules.applied", "rules.refused", "rules.revoked")


@dataclass(frozen=True, slots=True)
class AtHand:
    """``held``: the versions that are believed, by pack. ``words``: what became of each that HQ published; ``named``:
    the packs that an area of the gateway names, None: no gateway was asked."""

    held: Held
    words: tuple[RulesWord, ...] = ()
    named: frozenset[str] | None = None

    def packs(self) -> tuple[RulePack, ...]:
        """Every version that is believed, pack by pack, the oldest first."""
        return tuple(each for pack in sorted(self.held) for each in self.held[pack] if each.permit_types)

    def operations(self) -> Mapping[str, int | None]:
        """Of each version that HQ published and that is believed: the operation of its log, None: not in the cache."""
        return {each.name: each.operation for each in self.words if each.verdict is Verdict.APPLIED}

    def is_named(self, word: RulesWord) -> bool:
        """Whether an area of the gateway names the pack of a version."""
        return self.named is not None and word.pack in self.named

    def not_believed(self) -> tuple[RulesWord, ...]:
        """What HQ published and is not believed."""
        return tuple(each for each in self.words if each.verdict is not Verdict.APPLIED)


def at_hand(config_path: Path | None) -> AtHand:
    """What ships, with what the gateway of that configuration has of HQ; None: of the usual one, if there is one here.

    Raises ConfigurationError, and what its files raise.
    """
    path = config_path or (CONFIG_DEFAULT if CONFIG_DEFAULT.exists() else None)
    if path is None:
        return AtHand({pack: rules.versions(pack) for pack in rules.names()})
    return of_gateway(load(path))


def of_gateway(config: Config) -> AtHand:
    """As ``at_hand``, of a gateway whose configuration was read. Raises DamagedError, StoreError."""
    data_dir = config.gateway.data_dir
    records = _records(data_dir / "authority.db")
    others = {*rules.names(), *(split_id(name)[0] for name in records)}
    blobs = BlobStore(data_dir / "blobs") if (data_dir / "blobs").is_dir() else None
    judged = judge(config, _remembered(data_dir / "journal.db"), records, blobs, others=others)
    words = [*judged.words, *_revoked(records, {each.name for each in judged.words})]
    return AtHand(judged.held, tuple(words), frozenset(shipped(config)))


def _records(path: Path) -> dict[str, HqRules]:
    if not path.exists():
        return {}
    with closing(AuthorityReader(path)) as reader:
        return {each.rules: each for each in reader.rules()}


def _revoked(records: Mapping[str, HqRules], said: set[str]) -> Iterator[RulesWord]:
    """What HQ revoked, whether it was ever applied here or not."""
    for name, record in records.items():
        if record.revoked_index is not None and name not in said:
            digest = "" if record.record is None else str(record.record.get("sha256"))
            yield RulesWord(*split_id(name), digest, Verdict.REVOKED, record.index)


def _remembered(path: Path) -> Durable:
    """What the journal says of HQ's rule packs; nothing if it cannot be read: the cache says most of it too."""
    durable = Durable()
    try:
        with closing(JournalReader(path)) as reader:
            entries = sorted(each for kind in _KINDS for each in entries_of(reader, Search(kind=kind)))
    except PermitgateError:
        return durable
    for seq, leaf in entries:
        try:
            entry = entry_of(leaf)
            durable = fold_rules(durable, entry, entry.body)
        except (FormatError, KeyError, TypeError, ValueError) as error:
            raise DamagedError(f"{path}: entry {seq} is damaged: {error!r}") from None
    return durable


def word_json(word: RulesWord, named: bool) -> dict[str, Any]:
    """What became of one version, for machines; ``named``: an area of the gateway names its pack."""
    return {
        "name": word.name,
        "named": named,
        "verdict": word.verdict.value,
        "sha256": word.sha256,
        "operation": word.operation,
        "findings": list(word.findings),
    }
