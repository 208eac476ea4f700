"""Copied badges at a real reader's wire: its entry side rests, the other door works, and then it answers again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from plants import GUARDIAN_UID, Plant, Template, plant, until

from edge.host.system_clock import monotonic_ms

pytestmark = pytest.mark.system

REST_MS = 5_000


@pytest.fixture
def gateway(fresh: Template, tmp_path: Path) -> Iterator[Plant]:
    with plant(fresh, tmp_path) as made:
        text = made.config.read_text(encoding="utf-8")
        made.config.write_text(text.replace("reader_rest_s = 2", "reader_rest_s = 5"), encoding="utf-8")
        made.hq.start()
        yield made.start().wait_good()


def test_five_copied_badges_bring_a_reader_to_rest_and_the_other_door_works(gateway: Plant) -> None:
    gateway.tap("g1")
    copied = (GUARDIAN_UID, gateway.badges["w1"][1])
    start = gateway.size()
    for _ in range(5):
        assert gateway.tap(copied)["reason"] == "uid_mismatch"
    began_at = monotonic_ms()
    (resting,) = gateway.status()["resting"]
    assert (resting["reader"], resting["refused"]) == ("r-d1", 0)
    assert "reader r-d1 RESTS" in gateway.cli("status").stdout or "r-d1 暂停 RESTS" in gateway.cli("status").stdout

    until("the copy is away", lambda: not gateway.status()["readers"]["cards"])
    tag = gateway.tags["d1"]
    tag.rewrite(*gateway.badges["w1"])
    tag.present()
    try:
        until("a good badge is refused", lambda: gateway.status()["resting"][0]["refused"] == 1, 3)
        assert gateway.status()["shown"]["d1"]["reason"] == "reader_resting"
        assert gateway.wiring.state("d1").lock == "locked"
    finally:
        tag.remove()
    assert gateway.tap("w1", "d2")["decision"] == "granted"
    assert gateway.status()["resting"], "d2 opened while d1 rested"

    assert gateway.tap("w1", "d1", within_s=10)["decision"] == "granted"
    assert monotonic_ms() - began_at >= REST_MS - 1_000
    told = [each for each in gateway.entries(start) if each["typ"].startswith("reader.rest")]
    assert [each["typ"] for each in told] == ["reader.resting", "reader.rested"]
    assert told[1]["body"]["refused"] == 1
    why = gateway.cli("journal", "why", str(told[0]["seq"])).stdout
    assert "reader_resting" in why
