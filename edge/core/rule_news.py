"""HQ's rule packs as they come: told once each, and the site bound anew in the same step.

Work that runs keeps the versions that it began under; watches and timers follow, see ``controller.step``.
"""

from dataclasses import replace

from edge.core.entries import Json
from edge.core.published import RulesChanged, RulesWord, Verdict, refused_text
from edge.core.state import Durable
from edge.core.turn import Turn

_FINDINGS_MOST = 8
_FINDING_LONGEST = 300
"""An entry has room for 16 KiB: eight findings of three-byte characters are half of it."""


def rules_changed(turn: Turn, changed: RulesChanged) -> None:
    """What is new is recorded, and from this step on the versions that are believed now decide."""
    for word in changed.words:
        if not _told(turn.state.durable, word):
            _tell(turn, word, changed)
    if changed.areas != turn.state.site.areas:
        turn.change(site=replace(turn.state.site, areas=changed.areas))


def _told(durable: Durable, word: RulesWord) -> bool:
    """Whether the journal says so already: a start looks at everything anew."""
    known = durable.rules.get(word.name)
    if word.verdict is Verdict.REFUSED:
        return refused_text(word.name, word.sha256) in durable.rules_refused
    if known is None:
        return word.verdict is not Verdict.APPLIED
    if known.verdict is Verdict.REVOKED:
        return True
    return known.verdict is word.verdict and (known.sha256 == word.sha256 or word.verdict is not Verdict.APPLIED)


def _tell(turn: Turn, word: RulesWord, changed: RulesChanged) -> None:
    body: dict[str, Json] = {"pack": word.pack, "version": word.version, "sha256": word.sha256}
    body["operation"] = word.operation
    match word.verdict:
        case Verdict.APPLIED:
            blobs = () if word.text is None else (word.text,)
            turn.author("rules.applied", {**body, "from": word.since, "until": word.until}, blobs=blobs)
        case Verdict.REVOKED:
            turn.author("rules.revoked", {**body, "speaks": _speaks(turn, word.pack, changed)})
        case Verdict.REFUSED | Verdict.LOST:
            found = [each[:_FINDING_LONGEST] for each in word.findings[:_FINDINGS_MOST]]
            lost = word.verdict is Verdict.LOST
            turn.author("rules.refused", {**body, "lost": lost, "count": len(word.findings), "findings": found})


def _speaks(turn: Turn, pack: str, changed: RulesChanged) -> list[str]:
    """The versions of a pack that speak now, in any area."""
    plans = changed.areas.values()
    speaking = (each for plan in plans for each in plan.speaking(turn.now.clock) if each.pack == pack)
    return list(dict.fromkeys(each.name for each in speaking))
