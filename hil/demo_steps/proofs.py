"""What a stranger can check: nothing is lost in a crash, and nothing can be altered unseen."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from edge.app.log_keys import read_log_keys
from edge.core.readings import MonotonicMs
from edge.host.system_clock import monotonic_ms
from edge.storage.journal_reader import JournalReader
from edge.storage.journal_verify import verify_journal
from hil.demo_steps import cast
from hil.demo_steps.flips import one_bit_flipped, place_of_entry, unseen_flips
from hil.demo_steps.morning import COSIGNED_S, SETTLED_S, pass_through
from hil.demo_steps.stage import ANSWER_S, Stage
from hil.demo_steps.story import BrokenOffError, Findings, Step, until

_EXIT_MS = 2_500


def _kill(stage: Stage, findings: Findings) -> None:
    released = stage.command("hq", "release", stage.freeze, "--by", "hq-duty", "--dir", stage.hq_dir)
    findings.same("HQ releases the freeze by its name", f"exit {released.code}", "exit 0")
    until("Li may go in again", lambda: not stage.missing(cast.HOT, cast.LI), SETTLED_S)
    before = stage.size()
    root_before = stage.root(before)
    _check_safe(stage, findings, _kill_in_mid_tap(stage))
    keys = read_log_keys(stage.config)
    report = verify_journal(
        stage.data_dir / "journal.db",
        checkpoint_path=stage.data_dir / "checkpoint",
        log_key=keys.log,
        mirror=keys.mirror,
    )
    whole = report.ok and report.size >= before and stage.root(before) == root_before
    findings.true("nothing lost", whole, f"{report.size} entries as written, {before} of them from before the tap")
    stage.start_gateway()
    until("good for entry after the restart", lambda: not stage.missing(cast.HOT, cast.LI), SETTLED_S)
    answer = stage.tap("li")
    findings.same("restarted, worker Li taps", answer.said, "granted")
    pass_through(stage, findings, answer)
    _audit(stage, findings)


def _kill_in_mid_tap(stage: Stage) -> tuple[MonotonicMs, MonotonicMs]:
    """When the badge came and when the gateway was killed.

    Amber says that a grant waits for its entry to be durable: that is the moment. On a fast disk it may be too short
    for the lamp.
    """
    with stage.holding(stage.badges["li"]):
        since = monotonic_ms()
        granted = stage.site.wiring.wait_for("d1", "light", ("amber", "green"), within_s=ANSWER_S, since=since)
        killed_ms = monotonic_ms()
        stage.gateway.kill()
        if granted is None:
            raise BrokenOffError("the tap was not granted")
    return since, killed_ms


def _check_safe(stage: Stage, findings: Findings, moments: tuple[MonotonicMs, MonotonicMs]) -> None:
    wiring, (since, killed_ms) = stage.site.wiring, moments
    floating = until("the pins float", lambda: not wiring.state("d1").powered, 5.0)
    state = wiring.state("d1")
    moved = [each for each in stage.witness.seen if each.door == "d1" and each.at >= since]
    relocked = wiring.wait_for("d1", "lock", "locked", within_s=3.0, since=moved[-1].at) if moved else None
    words = (
        "the lock had not moved" if relocked is None else f"locked again {relocked.at - killed_ms} ms after the kill"
    )
    findings.true("door", floating and state.lock == state.bolt == "locked", f"{state.lock}, {words}")
    findings.true("children of the daemon", True, f"all {stage.gateway.wait_children()} ended by themselves")


def _audit(stage: Stage, findings: Findings) -> None:
    """Every unlock of the whole story: with a grant of its own that was readable first, or somebody who left."""
    presses = [each for each in stage.site.wiring.history() if (each.what, each.now) == ("rex", "pressed")]
    left = [
        each
        for each in stage.witness.seen
        if each.grant is None and any(0 <= each.at - press.at <= _EXIT_MS for press in presses)
    ]
    entered = [each for each in stage.witness.seen if each.grant is not None]
    unexplained = len(stage.witness.seen) - len(left) - len(entered)
    words = f"{len(entered)} unlocks for entry, each with its entry first; {len(left)} by the exit button"
    findings.true("the whole story", unexplained == 0, f"{words}; {unexplained} without either")


def _flipped_journal(stage: Stage, findings: Findings) -> None:
    copy, flipped = stage.folder / "journal-copy.db", stage.folder / "journal-flipped.db"
    entry, leaf = _copy_journal(stage, copy)
    data = copy.read_bytes()
    flipped.write_bytes(one_bit_flipped(data, place_of_entry(leaf, data)))
    verify = ("journal", "verify", "--config", stage.config_path, "--journal")
    good, bad = stage.commands((*verify, copy), (*verify, flipped))
    findings.same("the copy as it is", f"exit {good.code}", "exit 0")
    findings.same("one bit of it flipped", f"exit {bad.code}", "exit 1")
    finding = bad.json.get("finding") or {}
    findings.same("names the entry", finding.get("seq"), entry)
    findings.true("in words", bool(finding), f"{finding.get('en')} / {finding.get('zh')}")


def _copy_journal(stage: Stage, copy: Path) -> tuple[int, bytes]:
    """A copy of the journal as of now, and the first grant in it."""
    path = stage.data_dir / "journal.db"
    copy.unlink(missing_ok=True)
    source = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    entry = next(
        each["seq"]
        for each in stage.entries(0)
        if each["typ"] == "access.decided" and each["body"]["decision"] == "granted"
    )
    with closing(JournalReader(copy)) as reader:
        return entry, reader.leaf(entry)


def _pack(stage: Stage, findings: Findings) -> None:
    packs, vkeys, tiles = stage.folder / "packs", stage.folder / "vkeys", stage.folder / "tiles"
    packs.mkdir(exist_ok=True)
    path = packs / f"{cast.HOT}.pgpack"
    vkeys.write_text(read_log_keys(stage.config).lines(), encoding="utf-8")
    last = max(each["seq"] for each in stage.entries(0) if each.get("pid") == cast.HOT and _signed_at_once(each))
    until("HQ has cosigned the permit's last decision", lambda: stage.acked() > last, COSIGNED_S)
    config = ("--config", stage.config_path)
    built, exported = stage.commands(
        ("permit", "pack", cast.HOT, "--out", path, *config), ("journal", "export", "--tiles", tiles, *config)
    )
    findings.same("pack made", f"exit {built.code} {built.words}".strip(), "exit 0")
    cosigned = "cosigned" if exported.json.get("cosigned") else "not cosigned"
    findings.same("journal as tiles", f"exit {exported.code}, {cosigned}", "exit 0, cosigned")
    alone, pinned = stage.commands(("pack", "verify", path), ("pack", "verify", path, "--vkeys", vkeys))
    words = f"{built.json.get('entries')} entries, {built.json.get('bytes')} bytes"
    findings.same(f"verified offline from one file, {words}", f"exit {alone.code}", "exit 0")
    findings.same("with the verifier's own keys", f"exit {pinned.code}", "exit 0")
    parts, unseen = unseen_flips(path.read_bytes())
    named = f"{parts - len(unseen)} of {parts} refused and named"
    findings.true("a byte flipped in each part", not unseen, f"{named} {', '.join(unseen)}".strip())


def _signed_at_once(entry: Mapping[str, Any]) -> bool:
    """Other entries wait up to a minute for the journal's next checkpoint."""
    return str(entry["typ"]) == "access.decided"


STEPS = (
    Step(
        "kill_in_mid_tap",
        "kill -9 of the gateway in the middle of a granted tap",
        "刷卡放行途中强制终止网关进程（kill -9）",
        "door locked, nothing lost, restarted, granted again; no unlock in the whole story without its entry",
        _kill,
    ),
    Step(
        "journal_flipped",
        "One bit is flipped in a copy of the journal",
        "日志副本被改动一位",
        "the copy verifies; the flipped one is refused and the entry named",
        _flipped_journal,
    ),
    Step(
        "evidence_pack",
        "The evidence pack of the hot work, for a stranger without network",
        "动火作业证据包：无需联网即可校验",
        "verifies offline with one file; a byte flipped in each part is refused and the part named",
        _pack,
    ),
)
"""The proofs, in the order of the story."""
