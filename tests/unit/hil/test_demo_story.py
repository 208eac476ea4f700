"""The demo's story: what a step must show to count, who plays in it, and that its damage hits what it means to hit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edge.config import load
from edge.ports.errors import LinkError, RefusedError
from hil.demo import STEPS, tell
from hil.demo_steps import cast
from hil.demo_steps.flips import one_bit_flipped, parts_of_pack, place_of_entry
from hil.demo_steps.story import BrokenOffError, Findings, Step, play, unplayed, until
from sync.formats.authority import Put, read_written
from sync.formats.pack_archive import STRUCTURE, read_members, write_archive

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
STORY = (
    "enrol",
    "readings_good",
    "granted",
    "no_permit",
    "expired_certificate",
    "one_bit_flipped",
    "bare_uid_clone",
    "token_copied",
    "wrong_area",
    "gas_over_limit",
    "sensor_silent",
    "gas_clears",
    "wind",
    "link_cut",
    "link_back",
    "kill_in_mid_tap",
    "journal_flipped",
    "evidence_pack",
)


def step(act: Any) -> Step:
    return Step("x", "en", "zh", "it works", act)


def outcome(act: Any) -> tuple[bool, str]:
    found = play(step(act), None, Findings())  # type: ignore[arg-type]  # these steps need no stage
    return found.ok, found.got


def test_the_story_has_every_step_in_its_order_and_both_languages() -> None:
    assert tuple(each.name for each in STEPS) == STORY
    assert all(each.en and each.zh and each.expected for each in STEPS)


def test_a_step_is_as_expected_only_if_every_finding_is() -> None:
    def good(_: Any, findings: Findings) -> None:
        findings.same("door", "locked", "locked")
        findings.true("siren", True, "quiet")

    def half(_: Any, findings: Findings) -> None:
        findings.same("door", "open", "locked")
        findings.true("siren", True, "quiet")

    assert outcome(good) == (True, "door: locked; siren: quiet")
    assert outcome(half) == (False, "door: open (expected locked); siren: quiet")


def test_a_step_that_looked_at_nothing_proves_nothing() -> None:
    assert outcome(lambda stage, findings: None)[0] is False


@pytest.mark.parametrize(
    "error", [BrokenOffError("no answer"), LinkError("no HQ"), RefusedError("no"), OSError("gone")]
)
def test_a_step_that_breaks_off_fails_with_its_reason_and_not_with_a_traceback(error: Exception) -> None:
    def breaks(_: Any, findings: Findings) -> None:
        findings.true("siren", True, "quiet")
        raise error

    assert outcome(breaks) == (False, f"siren: quiet; broken off: {error}")


def test_a_mistake_of_ours_is_no_outcome() -> None:
    def wrong(_: Any, findings: Findings) -> None:
        raise AssertionError

    with pytest.raises(AssertionError):
        outcome(wrong)


def test_steps_that_were_not_reached_are_not_as_expected() -> None:
    assert [(each.name, each.ok, each.got) for each in unplayed(STEPS[:2])] == [
        ("enrol", False, "not reached"),
        ("readings_good", False, "not reached"),
    ]


def test_waiting_ends_with_what_did_not_come() -> None:
    assert until("three", iter([0, 0, 3]).__next__, 1.0) == 3
    with pytest.raises(BrokenOffError, match="not within 0 s: rain"):
        until("rain", lambda: None, 0)


def test_a_needed_step_that_fails_ends_the_story_and_the_report_says_so() -> None:
    def good(_: Any, findings: Findings) -> None:
        findings.true("siren", True, "quiet [bold]")

    steps = [replace(step(good), name="a"), replace(step(lambda *_: None), name="b", needed=True), step(good)]
    shown = StringIO()
    report = tell(None, Console(file=shown), steps)  # type: ignore[arg-type]  # these steps need no stage
    assert report["ok"] is False
    assert [(each["name"], each["ok"], each["got"]) for each in report["steps"]] == [
        ("a", True, "siren: quiet [bold]"),
        ("b", False, ""),
        ("x", False, "not reached"),
    ]
    assert "quiet [bold]" in shown.getvalue()
    assert "NOT AS EXPECTED" in shown.getvalue()
    assert tell(None, Console(file=shown), steps[:1])["ok"] is True  # type: ignore[arg-type]


# ---- the cast -------------------------------------------------------------------------------------------------------


def puts(lines: list[dict[str, Any]]) -> dict[str, Put]:
    read = [read_written(orjson.dumps(each)) for each in lines]
    assert all(isinstance(each, Put) for each in read)
    return {each.id: each for each in read if isinstance(each, Put)}


def test_hq_takes_every_record_and_only_wang_has_an_expired_certificate() -> None:
    found = puts(cast.records(NOW))
    ends = {each.record["worker"]: each.record["ends"] for each in found.values() if each.kind.value == "cert"}
    now_ms = int(NOW.timestamp() * 1000)
    assert [worker for worker, end in ends.items() if end < now_ms] == [cast.WANG]
    permits = [each.record for each in found.values() if each.kind.value == "permit"]
    assert all(each["start"] < now_ms < each["end"] for each in permits)


def test_every_badge_is_of_somebody_on_its_permit_and_no_two_share_a_tag() -> None:
    found = puts(cast.records(NOW))
    for worker, permit, _ in cast.BADGES.values():
        assert worker in found
        assert worker in (*found[permit].record["workers"], *found[permit].record["guardians"])
    uids = [uid for _, _, uid in cast.BADGES.values()]
    assert len({*uids, cast.OTHER_UID}) == len(uids) + 1


def test_the_renumbered_permit_gives_its_number_up_and_takes_nobody_elses() -> None:
    before, after = puts(cast.records(NOW)), puts(cast.renumbered(NOW))
    numbers = {each.record["short_id"] for each in before.values() if each.kind.value == "permit"}
    assert list(after) == [cast.RENUMBERED]
    assert after[cast.RENUMBERED].revision == before[cast.RENUMBERED].revision + 1
    assert after[cast.RENUMBERED].record["short_id"] not in numbers


def test_times_are_of_today_whenever_that_is() -> None:
    later = puts(cast.records(NOW + timedelta(days=900)))[cast.HOT].record["start"]
    assert later - puts(cast.records(NOW))[cast.HOT].record["start"] == 900 * 86_400_000


def test_the_demos_configuration_is_one_that_check_passes(tmp_path: Path) -> None:
    layout = cast.Layout(tmp_path / "data", Path("/tmp/pg/run"), 8443, 1502, (52_001, 52_002))
    path = tmp_path / "gateway.toml"
    path.write_text(cast.configuration(layout), encoding="utf-8")
    config = load(path)
    assert config.gateway.simulate
    assert (config.gateway.id, config.gateway.site) == (cast.GATEWAY, cast.SITE)
    assert config.outputs.wired == Path("/tmp/pg/run/wiring.sock")


# ---- damage ---------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=1), st.data())
def test_flipping_a_bit_twice_changes_nothing_and_once_changes_one_byte(data: bytes, draw: st.DataObject) -> None:
    place = draw.draw(st.integers(0, len(data) - 1))
    flipped = one_bit_flipped(data, place)
    assert one_bit_flipped(flipped, place) == data
    assert [index for index, (a, b) in enumerate(zip(data, flipped, strict=True)) if a != b] == [place]


def test_the_place_of_an_entry_is_inside_it_even_across_a_cut_and_never_in_its_twin() -> None:
    leaf = bytes(range(64))
    whole = b"\xff" * 100 + leaf + b"\xff" * 100
    assert 100 <= place_of_entry(leaf, whole) < 164
    cut = b"\xff" * 10 + leaf[:20] + b"\xfe" * 50 + leaf[20:] + b"\xff"
    assert cut[place_of_entry(leaf, cut)] in leaf[20:]
    with pytest.raises(BrokenOffError):
        place_of_entry(leaf, leaf + leaf)
    with pytest.raises(BrokenOffError):
        place_of_entry(leaf, b"")


def test_every_part_of_an_archive_is_hit_once_and_under_its_own_name() -> None:
    members = [("a.json", b"{}"), ("blobs/b", b"a.json" * 9), ("empty", b"")]
    data = write_archive(members)
    parts = parts_of_pack(data)
    assert [name for name, _ in parts if name != STRUCTURE] == ["a.json", "blobs/b"]
    assert sum(name == STRUCTURE for name, _ in parts) == 2 * len(members) + 1
    assert len({place for _, place in parts}) == len(parts)
    for name, place in parts:
        if name != STRUCTURE:
            changed = [
                after.name
                for after, (_, held) in zip(read_members(one_bit_flipped(data, place)), members, strict=True)
                if after.data != held
            ]
            assert changed == [name]
