"""Who stands at the strike and looks into the journal in the moment in which its wire goes live.

This measures "recorded, then unlocked" from outside: the order to unlock has arrived, the bolt has not moved
yet, and another process than the gateway's reads the journal's file. Only committed entries can be read there.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from edge.core.readings import MonotonicMs
from edge.ports.errors import PermitgateError
from edge.storage.journal_reader import JournalReader
from hil.wiring import WireChange

_LOOK_BACK = 64


@dataclass(frozen=True, slots=True)
class SeenUnlock:
    """A lock was about to open. ``grant`` is the entry that could be read then and that no earlier unlock used.

    ``grant`` None: there was none, so it must be somebody who leaves.
    """

    at: MonotonicMs
    door: str
    grant: int | None


class Witness:
    """Called by the wiring for every change of a lock; keeps every unlock that it saw."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._used: set[int] = set()
        self.seen: list[SeenUnlock] = []

    def __call__(self, change: WireChange) -> None:
        """Look, before the change takes effect."""
        if change.now != "unlocked":
            return
        grant = self._grant(change.where)
        if grant is not None:
            self._used.add(grant)
        self.seen.append(SeenUnlock(change.at, change.where, grant))

    def _grant(self, door: str) -> int | None:
        """The newest grant for this door that no unlock used yet and that was not withdrawn."""
        try:
            with closing(JournalReader(self._journal)) as reader:
                leaves = reader.leaves(max(0, reader.size() - _LOOK_BACK))
        except PermitgateError:
            return None
        entries = list(map(orjson.loads, leaves))
        withdrawn = {each["body"]["entry"] for each in entries if each["typ"] == "access.withdrawn"}
        grants = [each["seq"] for each in entries if _grants(each, door)]
        free = [seq for seq in grants if seq not in self._used and seq not in withdrawn]
        return free[-1] if free else None


def _grants(entry: dict[str, Any], door: str) -> bool:
    body = entry["body"]
    return bool(entry["typ"] == "access.decided" and body.get("decision") == "granted" and body["door"] == door)
