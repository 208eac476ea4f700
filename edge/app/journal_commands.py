"""``permitgate journal …``: verify, replay, search, why, export. Files are read; nothing is changed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

from edge.app.answers import answer
from edge.app.decision_words import decision_lines, erased_lines
from edge.app.entry_words import KINDS, entry_lines, head_lines, summary
from edge.app.log_keys import LogKeys, read_log_keys
from edge.app.replay import DECIDED, NotReplayableError, ask_again, difference, entries_of, read_entry, replay_journal
from edge.app.tiles_export import export_tiles, newest_head
from edge.app.wording import LANGUAGES, Language, instant, printable
from edge.config import load
from edge.config_table import did_you_mean
from edge.ports.errors import ConfigurationError, DamagedError, StoreError
from edge.storage.journal_reader import JournalReader, Search
from edge.storage.journal_verify import VerifyReport, verify_journal
from sync.formats.merkle import leaf_hash

_FOLLOWING_MAX = 256
"""How many entries after a decision are looked through for what came of it."""


@contextmanager
def _opened(path: Path) -> Iterator[JournalReader]:
    reader = JournalReader(path)
    try:
        yield reader
    finally:
        reader.close()


def _own(config_path: Path) -> Path:
    return load(config_path).gateway.data_dir / "journal.db"


def say(lines: list[str]) -> None:
    """Lines for a person; what a terminal would obey is shown instead."""
    for line in lines:
        click.echo(printable(line))


# ---- verify ---------------------------------------------------------------------------------------------------------


def verify(config_path: Path, path: Path | None, json_to: str | None) -> None:
    """Re-hash the gateway's own journal, or a copy. Exit 1 with the entry named if something is not as written."""
    if path is None:
        config = load(config_path)
        path = config.gateway.data_dir / "journal.db"
        keys: LogKeys | None = read_log_keys(config)
        checkpoint: Path | None = config.gateway.data_dir / "checkpoint"
    else:
        keys, checkpoint = _keys_for_copy(config_path, path), None
    if not path.is_file():
        raise StoreError(f"{path}: there is no such file")
    report = verify_journal(
        path,
        checkpoint_path=checkpoint,
        log_key=None if keys is None else keys.log,
        mirror=None if keys is None else keys.mirror,
    )
    result = _verify_result(report, path, keys is not None)
    answer(result, json_to, lambda: say(_verify_lines(report, keys is not None)), ok=report.ok)


def _keys_for_copy(config_path: Path, path: Path) -> LogKeys | None:
    """This gateway's keys, if there is a gateway here and the copy is of its log. A bare copy is judged without."""
    if not config_path.exists():
        return None
    keys = read_log_keys(load(config_path))
    try:
        with _opened(path) as reader:
            return keys if reader.origin == keys.log.name else None
    except (StoreError, DamagedError):
        return None


def _verify_result(report: VerifyReport, path: Path, judged: bool) -> dict[str, Any]:
    finding = report.finding
    return {
        "ok": report.ok,
        "file": str(path),
        "origin": report.origin,
        "size": report.size,
        "pruned_to": report.pruned_to,
        "root": report.root.hex(),
        "signatures_judged": judged,
        "signed_size": report.signed_size,
        "acked": report.acked,
        "finding": None if finding is None else asdict(finding),
    }


def _verify_lines(report: VerifyReport, judged: bool) -> list[str]:
    lines = []
    if report.finding is None:
        lines.append(f"{report.origin}: all {report.size} entries are as written / 全部 {report.size} 条与写入时一致")
        if report.pruned_to:
            lines.append(
                f"entries below {report.pruned_to} were pruned: their hashes hold / 较早的记录已清理，散列一致"
            )
    else:
        seq = "?" if report.finding.seq is None else report.finding.seq
        lines.append(f"NOT AS WRITTEN at entry {seq}: {report.finding.en}")
        lines.append(f"与写入时不符，第 {seq} 条：{report.finding.zh}")
        lines.append(f"good before it: {report.size} entries / 之前完好：{report.size} 条")
    if judged:
        lines.append(f"signed up to {report.signed_size}, cosigned by HQ up to {report.acked} / 已签名与总部副署")
    else:
        lines.append("signatures NOT judged: no keys for this log here / 未校验签名：此处没有该日志的密钥")
    return lines


# ---- replay ---------------------------------------------------------------------------------------------------------


def replay(config_path: Path, path: Path | None, json_to: str | None) -> None:
    """Decide every recorded decision again. Exit 1 if one comes out differently."""
    with _opened(_own(config_path) if path is None else path) as reader:
        report = replay_journal(reader)
    result = {"ok": report.ok, **asdict(report)}

    def tell() -> None:
        lines = [f"{report.decided} decisions: {report.same} the same, {report.different} different"]
        lines.append(f"{report.decided} 次判定：{report.same} 次一致，{report.different} 次不一致")
        if report.erased:
            lines.append(f"{report.erased} without their question, which was erased / {report.erased} 次的依据已删除")
        if report.first is not None:
            first = report.first
            lines.append(f"first at entry {first.seq}, {first.what}: recorded {first.recorded}, now {first.found}")
        say(lines)

    answer(result, json_to, tell, ok=report.ok)


# ---- search ---------------------------------------------------------------------------------------------------------


def search(
    config_path: Path,
    named: tuple[str | None, str | None],
    span: tuple[datetime | None, datetime | None],
    page: tuple[int, int],
    json_to: str | None,
) -> None:
    """Entries that match ``named`` (kind, permit) and ``span`` (UTC); ``page``: the first to look at, most to show."""
    kind, permit = named
    start, limit = page
    wanted = Search(kind, permit, _utc_ms(span[0]), _utc_ms(span[1]))
    with _opened(_own(config_path)) as reader:
        found = [read_entry(seq, data) for seq, data in islice(entries_of(reader, wanted, start), limit + 1)]
    shown = found[:limit]
    following = found[limit]["seq"] if len(found) > limit else None
    result = {"ok": True, "entries": shown, "next": following}

    def tell() -> None:
        say([summary(leaf) for leaf in shown])
        if following is not None:
            click.echo(f"more: --start {following} / 还有更多")
        if not shown:
            click.echo(f"no such entry / 没有这样的记录{_kind_hint(kind)}")

    answer(result, json_to, tell)


def _kind_hint(kind: str | None) -> str:
    if kind is None or kind in KINDS:
        return ""
    return f"; {kind!r} is no kind of entry{did_you_mean(kind, KINDS)}"


def _utc_ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1000)


# ---- why ------------------------------------------------------------------------------------------------------------


def why(config_path: Path, entry: int, json_to: str | None) -> None:
    """One entry in words, in both languages; a decision with all that it rested on."""
    config = load(config_path)
    with _opened(config.gateway.data_dir / "journal.db") as reader:
        data = reader.leaf(entry)
        leaf = read_entry(entry, data)
        evidence = reader.evidence(entry)
        following = _following(reader, leaf)
        after_ms, before_ms = _bracket(reader, entry)
    try:
        words: dict[Language, list[str]] = {language: _words(leaf, evidence, language) for language in LANGUAGES}
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"entry {entry} is damaged ({error!r}): run `permitgate journal verify`") from None
    for seq, kind in following:
        words["en"].append(f"  then entry {seq}: {kind}, {KINDS[kind].en}")
        words["zh"].append(f"  随后第 {seq} 条：{kind}，{KINDS[kind].zh}")
    words["en"].append(f"  provably after {instant(after_ms)}, and before {instant(before_ms)}")
    words["zh"].append(f"  可证明的时间范围：{instant(after_ms)} 之后，{instant(before_ms)} 之前")
    result = {
        "ok": True,
        "entry": entry,
        "kind": leaf["typ"],
        "leaf": data.decode(),
        "leaf_hash": leaf_hash(data).hex(),
        "question": None if evidence is None else evidence.decode(errors="replace"),
        "replay": _replayed(leaf, evidence),
        "following": [{"entry": seq, "kind": kind} for seq, kind in following],
        "after_ms": after_ms,
        "before_ms": before_ms,
        "words": words,
    }
    first, second = LANGUAGES if config.gateway.language == "zh" else reversed(LANGUAGES)
    answer(result, json_to, lambda: say([*words[first], "", *words[second]]))


def _bracket(reader: JournalReader, entry: int) -> tuple[int | None, int | None]:
    """Provable bounds of an entry's time, UTC ms. Cosignatures hold whole seconds, cut off: the second's end counts."""
    after_ms, before_ms = reader.bracket(entry)
    return after_ms, None if before_ms is None else before_ms + 999


def _words(leaf: Mapping[str, Any], evidence: bytes | None, language: Language) -> list[str]:
    if leaf["typ"] != DECIDED:
        return entry_lines(leaf, language)
    if evidence is None:
        return head_lines(leaf, language) + erased_lines(leaf["body"], language)
    try:
        question, decision = ask_again(leaf["body"], evidence)
    except NotReplayableError as error:
        said = f"  NOT REPLAYABLE: {error}" if language == "en" else f"  无法重新判定：{error}"
        return [*head_lines(leaf, language), said, *erased_lines(leaf["body"], language)[1:]]
    return head_lines(leaf, language) + decision_lines(question, decision, language)


def _replayed(leaf: Mapping[str, Any], evidence: bytes | None) -> dict[str, Any] | None:
    """Whether deciding again gives the same; None for what is no decision, or whose question was erased."""
    if leaf["typ"] != DECIDED or evidence is None:
        return None
    found = difference(leaf["seq"], leaf["body"], evidence)
    return {"same": found is None, "difference": None if found is None else asdict(found)}


def _following(reader: JournalReader, leaf: Mapping[str, Any]) -> list[tuple[int, str]]:
    """What came of a decision: the entries soon after it that name it."""
    if leaf["typ"] != DECIDED:
        return []
    found = []
    for entry in reader.entries(leaf["seq"] + 1, _FOLLOWING_MAX):
        if entry.kind in KINDS and entry.kind.startswith("access.") and entry.body.get("entry") == leaf["seq"]:
            found.append((entry.seq, entry.kind))
    return found


# ---- export ---------------------------------------------------------------------------------------------------------


def export(config_path: Path, folder: Path, json_to: str | None) -> None:
    """The journal as C2SP tlog-tiles, up to the newest cosigned checkpoint."""
    config = load(config_path)
    keys = read_log_keys(config)
    with _opened(config.gateway.data_dir / "journal.db") as reader:
        if reader.origin != keys.log.name:
            raise ConfigurationError([f"{config_path}:1: gateway: the journal is {reader.origin}, not {keys.log.name}"])
        head = newest_head(reader, keys, config.gateway.data_dir / "checkpoint")
        beyond = reader.size() - head.checkpoint.size
        report = export_tiles(reader, keys, head, folder)
    result = {
        "ok": True,
        "folder": str(folder),
        "origin": head.checkpoint.origin,
        "size": head.checkpoint.size,
        "root": head.checkpoint.root.hex(),
        "cosigned": head.cosigned_s is not None,
        "cosigned_s": head.cosigned_s,
        "beyond": beyond,
        "files": report.files,
        "pruned_to": report.pruned_to,
    }

    def tell() -> None:
        size = head.checkpoint.size
        say([f"{size} entries of {head.checkpoint.origin} as {report.files} files in {folder}, read back and verified"])
        if head.cosigned_s is None:
            click.echo("NOT COSIGNED: HQ has acknowledged nothing yet / 总部尚未副署")
        if report.pruned_to:
            click.echo(f"entries below {report.pruned_to} were pruned: only their hashes are there / 较早的记录已清理")
        if beyond:
            click.echo(f"{beyond} newer entries are beyond this checkpoint / 另有 {beyond} 条在此检查点之后")

    answer(result, json_to, tell)
