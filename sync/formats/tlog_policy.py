"""C2SP transparency log policies (c2sp.org/tlog-policy): which logs, which witnesses, which quorum.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <member>...
    quorum <name>|none

Octets above 0x7f are opaque, as the specification wants: they are carried as lone surrogates where not UTF-8.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from sync.formats.errors import FormatError
from sync.formats.note import ALGORITHM_COSIGNATURE, ALGORITHM_ED25519, VerifierKey

MAX_POLICY_BYTES = 65_536
"""Largest policy read."""

MAX_DEFINITIONS = 128
"""Most logs, witnesses and groups together; the specification wants at least 32 of each."""

QUORUM_NONE = "none"
"""The quorum that asks for no witness."""

_FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_BLANKS = re.compile("[ \t]+")


@dataclass(frozen=True, slots=True)
class Log:
    """A log that is accepted: its key (type 0x01, named as its origin) and, optionally, where it is."""

    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Witness:
    """A cosigner under a name of the policy's own: its key (type 0x04) and, optionally, where it is."""

    name: str
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Witnesses a checkpoint when at least `threshold` of its members (witnesses or groups) do."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy. Groups stand in the order of their definition: each names only what stands before it."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str

    def log_key(self, origin: str) -> VerifierKey | None:
        """The key of the log with this origin, None if the policy does not know it."""
        return next((log.key for log in self.logs if log.key.name == origin), None)

    def quorum_met(self, cosigned: Collection[str]) -> bool:
        """Whether witnesses of these (policy) names are enough."""
        if self.quorum == QUORUM_NONE:
            return True
        reached = {witness.name for witness in self.witnesses if witness.name in cosigned}
        for group in self.groups:
            if sum(member in reached for member in group.members) >= group.threshold:
                reached.add(group.name)
        return self.quorum in reached


def encode(policy: Policy) -> bytes:
    """The policy as text: logs, witnesses, groups, quorum, one space between items, no comments."""
    lines = [" ".join(filter(None, ("log", str(log.key), log.url))) for log in policy.logs]
    lines += [" ".join(filter(None, ("witness", item.name, str(item.key), item.url))) for item in policy.witnesses]
    lines += [f"group {group.name} {group.threshold} {' '.join(group.members)}" for group in policy.groups]
    data = "\n".join([*lines, f"quorum {policy.quorum}", ""]).encode("utf-8", "surrogateescape")
    if parse(data) != policy:
        raise FormatError("names or URLs hold blanks, or are not what the policy form allows", "policy")
    return data


def parse(data: bytes) -> Policy:
    """The policy of a file; FormatError, with the line, for anything outside the specification."""
    if len(data) > MAX_POLICY_BYTES:
        raise FormatError(f"{len(data)} bytes, allowed at most {MAX_POLICY_BYTES}", "policy")
    if _FORBIDDEN.search(data):
        raise FormatError("a control character other than tab and newline", "policy")
    if not data.endswith(b"\n"):
        raise FormatError("the last line has no newline", "policy")
    draft = _Draft()
    for place, items in _lines(data):
        try:
            draft.take(items)
        except FormatError as error:
            raise error.within(place) from None
    if draft.quorum is None:
        raise FormatError("no quorum line, exactly one is needed", "policy")
    return Policy(tuple(draft.logs), tuple(draft.witnesses), tuple(draft.groups), draft.quorum)


def _lines(data: bytes) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), start=1):
        text = line.strip(" \t")
        if text and not text.startswith("#"):
            yield f"policy line {number}", _BLANKS.split(text)


@dataclass(slots=True)
class _Draft:
    """What the lines so far define."""

    logs: list[Log] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    names: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)

    def take(self, items: list[str]) -> None:
        if len(self.logs) + len(self.names) >= MAX_DEFINITIONS and items[0] != "quorum":
            raise FormatError(f"more than {MAX_DEFINITIONS} definitions", items[0])
        match items:
            case ["log", vkey, *rest] if len(rest) <= 1:
                self._log(vkey, *rest)
            case ["witness", name, vkey, *rest] if len(rest) <= 1:
                self._witness(name, vkey, *rest)
            case ["group", name, threshold, *members] if members:
                self._group(name, threshold, members)
            case ["quorum", name]:
                self._quorum(name)
            case _:
                raise FormatError("allowed log, witness, group and quorum lines", items[0][:40])

    def _log(self, vkey: str, url: str = "") -> None:
        key = _key(vkey, ALGORITHM_ED25519)
        if any(log.key.public == key.public for log in self.logs):
            raise FormatError("this public key is there already", "log")
        self.logs.append(Log(key, url))

    def _witness(self, name: str, vkey: str, url: str = "") -> None:
        self._define(name)
        key = _key(vkey, ALGORITHM_COSIGNATURE)
        if any(witness.key.public == key.public for witness in self.witnesses):
            raise FormatError("this public key is there already", "witness")
        self.witnesses.append(Witness(name, key, url))

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        for member in members:
            if member not in self.names:
                raise FormatError(f"member {member[:40]!r} is not defined before", "group")
            if member in self.members:
                raise FormatError(f"{member[:40]!r} is a member already", "group")
            self.members.add(member)
        self._define(name)
        count = {"all": len(members), "any": 1}.get(threshold)
        if count is None:
            count = int(threshold) if re.fullmatch("[1-9][0-9]{0,2}", threshold) else 0
        if not 1 <= count <= len(members):
            raise FormatError(f"threshold {threshold[:40]!r}, allowed all, any, 1 to {len(members)}", "group")
        self.groups.append(Group(name, count, tuple(members)))

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise FormatError("a second one, allowed exactly one", "quorum")
        if name != QUORUM_NONE and name not in self.names:
            raise FormatError(f"{name[:40]!r} is not defined before", "quorum")
        self.quorum = name

    def _define(self, name: str) -> None:
        if name == QUORUM_NONE or name in self.names:
            raise FormatError(f"name {name[:40]!r} is taken", "name")
        self.names.add(name)


def _key(vkey: str, algorithm: int) -> VerifierKey:
    key = VerifierKey.parse(vkey)
    if key.algorithm != algorithm:
        raise FormatError(f"key of type 0x{key.algorithm:02x}, allowed 0x{algorithm:02x}", key.name)
    return key
