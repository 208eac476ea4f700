"""The verdict on an evidence pack: one line per question, never one green tick.

Needs no network, no clock and no configuration (J10). Without pinned keys the first line says that the signers are
the pack's own: then the pack is only shown to be of one piece.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sync.formats import pack_checks
from sync.formats.errors import FormatError
from sync.formats.note import VerifierKey
from sync.formats.pack import read_story
from sync.formats.pack_archive import read_members
from sync.formats.pack_checks import Answer, Bracket

_QUESTIONS_ZH = {
    "signers": "签名者",
    "archive": "归档",
    "members": "成员",
    "root": "根密钥",
    "signatures": "签名",
    "inclusion": "收录",
    "authority": "授权",
    "chain": "记录链",
    "closure": "关闭",
    "blobs": "附件",
    "time": "时间",
    "quorum": "副署",
    "forks": "分叉",
}


@dataclass(frozen=True, slots=True)
class VerdictLine:
    """One answer. `ok` False refuses the pack; `warning` marks an answer that holds but must be read."""

    name: str
    ok: bool
    text_en: str
    text_zh: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class PackVerdict:
    """All answers in a fixed order, the signers first. `brackets` is empty when the times could not be told."""

    lines: tuple[VerdictLine, ...]
    brackets: tuple[Bracket, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no answer refuses the pack."""
        return all(line.ok for line in self.lines)


def verify_pack(data: bytes, pinned: Sequence[VerifierKey] | None = None) -> PackVerdict:
    """Judge a pack. `pinned` are the verifier's own keys of log and cosigners; None takes the pack's. Never raises."""
    try:
        parts = read_members(data)
    except FormatError as error:
        unpinned = [_line("signers", partial(pack_checks.signers, {}, None))] if pinned is None else []
        return PackVerdict((*unpinned, _refused("archive", error)))
    members = {part.name: part.data for part in parts}
    checks: list[tuple[str, Callable[[], Answer]]] = [
        ("signers", partial(pack_checks.signers, members, pinned)),
        ("archive", partial(pack_checks.archive, data, parts)),
        ("members", partial(pack_checks.contents, parts, members)),
    ]
    checks += [(name, partial(check, members)) for name, check in _CHECKS]
    lines = [_line(name, check) for name, check in checks]
    lines[-3:-3] = _blob_lines(members)
    return PackVerdict(tuple(lines), _brackets(members))


_CHECKS: tuple[tuple[str, Callable[[Mapping[str, bytes]], Answer]], ...] = (
    ("root", pack_checks.root),
    ("signatures", pack_checks.signatures),
    ("inclusion", pack_checks.inclusion),
    ("authority", pack_checks.authority),
    ("chain", pack_checks.chain),
    ("closure", pack_checks.closure),
    ("time", pack_checks.time),
    ("quorum", pack_checks.quorum),
    ("forks", pack_checks.forks),
)


def _line(name: str, check: Callable[[], Answer]) -> VerdictLine:
    try:
        answer = check()
    except FormatError as error:
        return _refused(name, error)
    return VerdictLine(name, True, answer.en, answer.zh, answer.warning)


def _refused(name: str, error: FormatError) -> VerdictLine:
    return VerdictLine(name, False, f"{name} REFUSED: {error}", f"{_QUESTIONS_ZH[name]}不通过：{error}")


def _blob_lines(members: Mapping[str, bytes]) -> list[VerdictLine]:
    try:
        named = pack_checks.blobs(members)
    except FormatError as error:
        return [_refused("blobs", error)]
    checks = [partial(pack_checks.blob, members, digest, size) for digest, size in sorted(named.items())]
    lines = [_line("blobs", check) for check in checks]
    return lines or [VerdictLine("blobs", True, "no blobs named", "无附件")]


def _brackets(members: Mapping[str, bytes]) -> tuple[Bracket, ...]:
    try:
        return pack_checks.brackets(members, read_story(members))
    except FormatError:
        return ()
