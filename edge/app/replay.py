"""Deciding again what was decided: from the question that lies beside an entry to the answer that the entry records."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from edge.core import codec
from edge.core.decision import decide
from edge.core.question import Decision, Question
from edge.ports.errors import DamagedError
from edge.storage.journal_reader import JournalReader, Search
from edge.storage.leaves import read_leaf
from sync.formats.errors import FormatError

DECIDED = "access.decided"
"""The kind of entry that has a question beside it."""

_FAILING_MAX = 32
"""An entry holds at most so many failing reasons with their permits; ``reasons`` holds every code."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What one entry records, and what came of deciding it again."""

    seq: int
    what: str
    recorded: str
    found: str


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """``decided`` entries were there: ``same`` came out the same, ``erased`` have no question any more.

    ``different`` did not come out the same; ``first`` is the first of them.
    """

    origin: str
    decided: int
    same: int
    erased: int
    different: int
    first: Difference | None

    @property
    def ok(self) -> bool:
        """Whether nothing came out differently."""
        return self.different == 0


class NotReplayableError(Exception):
    """The question beside an entry is not the one that the entry names, or cannot be asked any more."""

    def __init__(self, what: str, recorded: str, found: str) -> None:
        super().__init__(f"{what}: recorded {recorded}, found {found}")
        self.what = what
        self.recorded = recorded
        self.found = found


def ask_again(body: Mapping[str, Any], evidence: bytes) -> tuple[Question, Decision]:
    """The question and its decision now. Raises NotReplayableError."""
    digest = sha256(evidence).hexdigest()
    if body.get("question") != digest:
        raise NotReplayableError("question", str(body.get("question")), digest)
    try:
        question = codec.decode(evidence, Question)
        return question, decide(question)
    except (codec.CodecError, AssertionError) as error:
        # Its digest is right, so it is what was written: by another version, or not by a gateway.
        raise NotReplayableError("question", "a question of this version", str(error) or "none") from None


def difference(seq: int, body: Mapping[str, Any], evidence: bytes) -> Difference | None:
    """Where an entry and its own question disagree, None: nowhere."""
    try:
        question, decision = ask_again(body, evidence)
    except NotReplayableError as error:
        return Difference(seq, error.what, error.recorded, error.found)
    for name, found in recorded_form(question, decision).items():
        if body.get(name) != found:
            return Difference(seq, name, str(body.get(name)), str(found))
    return None


def recorded_form(question: Question, decision: Decision) -> dict[str, Any]:
    """What an entry of this decision records: outcome, primary and all failing reasons, and whom and where it is of."""
    reasons = [each.reason.value for each in decision.failing]
    worker, token = question.facts.worker, question.facts.token.token
    return {
        "decision": decision.outcome.value,
        "reason": decision.primary.value,
        "reasons": list(dict.fromkeys(reasons)),
        "failing": [[each.reason.value, each.permit, each.detail] for each in decision.failing][:_FAILING_MAX],
        "door": question.tap.door,
        "reader": question.tap.reader,
        "area": question.area,
        "worker": None if worker is None else worker.worker,
        "badge": None if token is None else token.token_id,
        "authority_size": question.facts.authority_size,
        "packs": list(question.packs),
    }


def replay_journal(reader: JournalReader) -> ReplayReport:
    """Decide every decision of a journal again. Raises DamagedError for an entry that cannot be read."""
    decided = same = erased = 0
    differences: list[Difference] = []
    count = 0
    for seq, data in entries_of(reader, Search(kind=DECIDED)):
        decided += 1
        evidence = reader.evidence(seq)
        if evidence is None:
            erased += 1
            continue
        found = difference(seq, read_body(seq, data), evidence)
        if found is None:
            same += 1
            continue
        count += 1
        differences = differences or [found]
    return ReplayReport(reader.origin, decided, same, erased, count, differences[0] if differences else None)


def entries_of(reader: JournalReader, wanted: Search, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Every (number, leaf) that matches, in order, read in short transactions."""
    while page := reader.search(wanted, start):
        yield from page
        start = page[-1][0] + 1


def read_body(seq: int, data: bytes) -> dict[str, Any]:
    """The body of an entry. Raises DamagedError naming it."""
    body: dict[str, Any] = read_entry(seq, data)["body"]
    return body


def read_entry(seq: int, data: bytes) -> dict[str, Any]:
    """The members of an entry. Raises DamagedError naming it."""
    try:
        return read_leaf(data)
    except FormatError as error:
        raise DamagedError(f"entry {seq} is damaged: {error}: run `permitgate journal verify`") from None
