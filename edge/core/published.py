"""Rule packs that HQ published: what became of each version, and the site's areas bound to those that are believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from edge.core.entries import BlobReference

if TYPE_CHECKING:
    # Whoever only carries inputs, such as the link's process, need not hold what a site is made of.
    from edge.core.site import AreaPlan


class Verdict(Enum):
    """What became of a version: it speaks in its time; it was refused; it was applied and cannot be used any more
    (its text is lost, or this program refuses it), so that nobody enters on it; HQ revoked it."""

    APPLIED = "applied"
    REFUSED = "refused"
    LOST = "lost"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Published:
    """A version that was ever applied here, by entry ``entry``. ``since``: its first day, as in its file."""

    sha256: str
    verdict: Verdict
    since: str
    entry: int


def refused_text(name: str, sha256: str) -> str:
    """How a text that was refused is remembered: another text under the same name is other news."""
    return f"{name}@{sha256}"


@dataclass(frozen=True, slots=True)
class RulesWord:
    """What became of one version that HQ published in operation ``operation`` of its log (None: it is not in the
    cache). ``text`` is its file as kept here, ``findings`` say why it was refused or is lost."""

    pack: str
    version: int
    sha256: str
    verdict: Verdict
    operation: int | None
    since: str = ""
    until: str | None = None
    text: BlobReference | None = None
    findings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``pack/version``."""
        return f"{self.pack}/{self.version}"


@dataclass(frozen=True, slots=True)
class RulesChanged:
    """The site's areas bound to every version that is believed now, and what became of each that HQ published."""

    areas: Mapping[str, "AreaPlan"]
    words: tuple[RulesWord, ...]
