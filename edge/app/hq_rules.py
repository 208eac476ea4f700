"""HQ's rule packs at this gateway: what the journal remembers and the cache holds, judged one by one.

A version that was ever applied is kept as a file named by its SHA-256 in its entry, so that it speaks on when the cache
is damaged or behind. One that was applied and cannot be used any more leaves a gap in its time, in which nobody enters.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

import structlog

from edge import rules
from edge.app.site_plan import Held, area_plans, plan_of_area, shipped
from edge.config_values import Config
from edge.core.entries import BlobReference
from edge.core.published import Published, RulesChanged, RulesWord, Verdict
from edge.core.rules import RulePack, RulePackError, hollow, validity
from edge.core.site import AreaPlan
from edge.core.state import Durable
from edge.ports.errors import ConfigurationError, PermitgateError
from edge.ports.stores import HqRules
from edge.storage.authority_reader import AuthorityReader
from edge.storage.blobs import BlobStore
from sync.formats.errors import FormatError
from sync.formats.rule_text import split_id, text_of

_MEDIA_TYPE: Final = "application/toml"
_log = structlog.get_logger("rules")

_CONDITIONS_MOST = 4_096
"""Of one version in one area [D]; they are judged at taps. GB 30871 makes 125 of 20 detectors."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Every version that is believed, by pack, the oldest first; what became of each that HQ published; and what could
    not be read on the way."""

    held: Held
    words: tuple[RulesWord, ...]
    troubles: tuple[str, ...] = ()


def _records(path: Path, packs: Iterable[str]) -> dict[str, HqRules]:
    """What the cache says of the versions of these packs, by name, in the order of HQ's log; nothing while it cannot be
    read: what was applied before speaks on."""
    try:
        with closing(AuthorityReader(path)) as reader:
            return {each.rules: each for pack in packs for each in reader.rules(pack)}
    except PermitgateError as error:
        _log.warning("rules_not_read", why=str(error))
        return {}


@dataclass(frozen=True, slots=True)
class RulesOfHq:
    """Where a gateway that runs finds HQ's rule packs: the cache, and the texts that were applied."""

    config: Config
    authority_path: Path
    blobs: BlobStore

    def at_start(self, durable: Durable) -> Held:
        """What is believed before anything runs: what was applied, and is not revoked. News come as an input."""
        records = _records(self.authority_path, shipped(self.config))
        applied = {name: each for name, each in records.items() if name in durable.rules}
        return _said(judge(self.config, durable, applied, self.blobs)).held

    def look(self, durable: Durable) -> RulesChanged:
        """What is believed now, as an input of the controller; texts that are new are kept. Raises StoreError."""
        records = _records(self.authority_path, shipped(self.config))
        judged = _said(judge(self.config, durable, records, self.blobs, keep=True))
        return RulesChanged(area_plans(self.config, judged.held), judged.words)


def _said(judged: Judged) -> Judged:
    for trouble in judged.troubles:
        _log.warning("rules", trouble=trouble)
    return judged


def judge(
    config: Config,
    durable: Durable,
    records: Mapping[str, HqRules],
    blobs: BlobStore | None,
    *,
    keep: bool = False,
    others: Iterable[str] = (),
) -> Judged:
    """Admit what was applied before, in the order of its entries, then what is new, in the order of HQ's log.

    ``blobs`` holds the texts that were applied; with ``keep`` those that are now go there too. ``others`` are
    packs that no area names: they are judged as well, and speak nowhere. Raises StoreError.
    """
    judging = _Judging(config, blobs, keep)
    for pack in others:
        judging.held.setdefault(pack, rules.versions(pack) if pack in rules.names() else ())
    for name, known in sorted(_mattering(durable, records).items(), key=lambda each: each[1].entry):
        judging.again(name, known, records.get(name))
    for record in records.values():
        if record.revoked_index is None and record.record is not None:
            judging.news(record, durable.rules.get(record.rules))
    return Judged(judging.held, tuple(judging.words), tuple(judging.troubles))


def _mattering(durable: Durable, records: Mapping[str, HqRules]) -> dict[str, Published]:
    """What was applied, less what a later version has replaced for good and no running work keeps: starts stay short
    however many versions there ever were."""
    standing = {name: each for name, each in durable.rules.items() if each.verdict is not Verdict.REVOKED}
    kept = {name for running in durable.running.values() for name in running.packs}
    kept |= {name for name, record in records.items() if record.revoked_index is not None}
    newest: dict[str, str] = {}
    for name, each in standing.items():
        pack, _ = split_id(name)
        begun = validity(date.fromisoformat(each.since), None).since_ms <= durable.lowest_ms
        if begun and each.verdict is Verdict.APPLIED:
            newest[pack] = max(newest.get(pack, ""), each.since)
    return {
        name: each for name, each in standing.items() if name in kept or each.since >= newest.get(split_id(name)[0], "")
    }


def _too_much(new: RulePack, plan: AreaPlan) -> str:
    """What is wrong with a version that would have more to judge there than any standard asks; empty: nothing."""
    own = f"{new.name}/"
    count = sum(each.rule.startswith(own) for demands in plan.demands.values() for each in demands.interlocks)
    return f"{count} conditions, allowed at most {_CONDITIONS_MOST}" if count > _CONDITIONS_MOST else ""


class _Judging:
    """One round: what is held so far, and the words about it."""

    def __init__(self, config: Config, blobs: BlobStore | None, keep: bool) -> None:
        self._config = config
        self._blobs = blobs
        self._keep = keep
        self.held: dict[str, tuple[RulePack, ...]] = dict(shipped(config))
        self.words: list[RulesWord] = []
        self.troubles: list[str] = []

    def again(self, name: str, known: Published, record: HqRules | None) -> None:
        """A version that was applied before: it speaks on, unless HQ revoked it or its text is of no use any more."""
        pack, version = split_id(name)
        if pack not in self.held:
            return
        operation = None if record is None else record.index
        said = RulesWord(pack, version, known.sha256, Verdict.APPLIED, operation, known.since)
        if record is not None and record.revoked_index is not None:
            self._say(said, Verdict.REVOKED)
            return
        try:
            text = self._kept(known.sha256)
            self._admit_again(said, self._cached(known.sha256, record) if text is None else text, text is not None)
        except (ConfigurationError, FormatError) as error:
            self._say(said, Verdict.LOST, error)
            if all(each.name != name for each in self.held[pack]):
                gap = hollow(pack, version, date.fromisoformat(known.since))
                self.held[pack] = tuple(sorted((*self.held[pack], gap), key=lambda each: each.since))

    def news(self, record: HqRules, known: Published | None) -> None:
        """A version that was not applied before, or another text under the name of one that was."""
        pack, version = split_id(record.rules)
        assert record.record is not None
        if pack not in self.held or (known is not None and known.sha256 == record.record.get("sha256")):
            return
        said = RulesWord(pack, version, str(record.record.get("sha256"))[:64], Verdict.APPLIED, record.index)
        if known is not None:
            what = f"version {version} is known here with another text, of SHA-256 {known.sha256}"
            problem = f"{record.rules}:1: pack.version: {what}; give each text its own version"
            self._say(said, Verdict.REFUSED, ConfigurationError([problem]))
            return
        try:
            self._admit(said, text_of(record.record), kept=False)
        except (ConfigurationError, FormatError) as error:
            self._say(said, Verdict.REFUSED, error)

    def _admit_again(self, said: RulesWord, text: bytes, kept: bool) -> None:
        """As ``_admit``; but a version that a later program ships yields to one that HQ published and was applied here:
        an update of the program takes no rules from HQ."""
        held = self.held[said.pack]
        shipped_later = [
            each
            for each in shipped(self._config).get(said.pack, ())
            if each.version >= said.version or str(each.since) >= said.since
        ]
        try:
            self._admit(said, text, kept)
        except ConfigurationError:
            self.held[said.pack] = tuple(each for each in held if each not in shipped_later)
            try:
                self._admit(said, text, kept)
            except ConfigurationError:
                self.held[said.pack] = held
                raise
            yielded = ", ".join(each.name for each in shipped_later)
            self.troubles.append(f"{said.name} of HQ stands; what ships with the program yields: {yielded}")

    def _kept(self, sha256: str) -> bytes | None:
        """The file that its entry names; None: it is not there, or not what it was."""
        try:
            return None if self._blobs is None else self._blobs.read(sha256)
        except PermitgateError as error:
            self.troubles.append(str(error))
            return None

    def _cached(self, sha256: str, record: HqRules | None) -> bytes:
        """The text in HQ's word. Raises FormatError if it is not the one that was applied."""
        if record is None or record.record is None or record.record.get("sha256") != sha256:
            raise FormatError("is not at hand; it comes back with HQ's word", place="text")
        return text_of(record.record)

    def _admit(self, said: RulesWord, text: bytes, kept: bool) -> None:
        """Hold it from now on; ``kept``: its file is there. Raises ConfigurationError, and all is as before."""
        held = self.held[said.pack]
        if any(each.name == said.name for each in held) and rules.same(held, text, said.name):
            return
        found = rules.admit(held, text, said.name)
        (new,) = (each for each in found if each not in held)
        if new.name != said.name:
            what = f"the text says {new.name}; publish it under its own name"
            raise ConfigurationError([f"{said.name}:1: pack.id: {what}"])
        self._bind(new, found)
        if self._blobs is not None and self._keep and not kept:
            self._blobs.put([text], _MEDIA_TYPE)
        self.held[said.pack] = found
        until = None if new.until is None else str(new.until)
        file = BlobReference(said.sha256, _MEDIA_TYPE, len(text))
        self.words.append(replace(said, since=str(new.since), until=until, text=file))

    def _bind(self, new: RulePack, versions: tuple[RulePack, ...]) -> None:
        """That every area which names the pack can be judged by it. Raises ConfigurationError with each that cannot."""
        held = {**self.held, new.pack: versions}
        found = []
        for area in (each for each in self._config.areas if new.pack in each.rule_packs):
            try:
                problem = _too_much(new, plan_of_area(self._config, area, held))
            except RulePackError as error:
                problem = str(error)
            if problem:
                found.append(f"{new.name}:1: pack: cannot be judged in area {area.id}: {problem}")
        if found:
            raise ConfigurationError(found)

    def _say(self, said: RulesWord, verdict: Verdict, error: Exception | None = None) -> None:
        findings: tuple[str, ...] = ()
        if isinstance(error, ConfigurationError):
            findings = tuple(error.problems)
        elif error is not None:
            findings = (f"{said.name}:1: {error}",)
        self.words.append(replace(said, verdict=verdict, findings=findings))
