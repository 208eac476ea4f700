"""A lock-down of a real gateway: refused at every door over kill -9, free to leave, released by a named person."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plants import Plant, Template, plant, until

from edge.host.system_clock import monotonic_ms

pytestmark = pytest.mark.system


@pytest.fixture
def gateway(fresh: Template, tmp_path: Path) -> Iterator[Plant]:
    with plant(fresh, tmp_path) as made:
        made.hq.start()
        yield made.start().wait_good()


def area(gateway: Plant, action: str, by: str = "g1", name: str = "a1") -> tuple[int, dict[str, Any]]:
    done = gateway.cli("area", action, name, "--by", by, "--reason", "leak at V-3", "--json")
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def test_a_locked_area_refuses_entry_lets_out_and_is_released_by_a_named_person(gateway: Plant) -> None:
    assert gateway.admit()["decision"] == "granted"
    until("w1's release runs", lambda: gateway.wiring.state("d1").lock == "unlocked", 3)
    locked_at = monotonic_ms()
    code, done = area(gateway, "lockdown")
    assert (code, done["ok"]) == (0, True)
    assert gateway.wiring.wait_for("d1", "lock", "locked", within_s=2, since=locked_at), "the release ran on"

    for door in ("d1", "d2"):
        assert gateway.tap("w1", door)["reason"] == "area_locked_down"
    decision = next(each["seq"] for each in reversed(gateway.entries()) if each["typ"] == "access.decided")
    for shown in (
        gateway.cli("status"),
        gateway.cli("permit", "show", "P1"),
        gateway.cli("permit", "ready", "P1"),
        gateway.cli("rules", "explain", "P1"),
        gateway.cli("journal", "why", str(decision)),
    ):
        assert "leak at V-3" in shown.stdout, shown.args
        assert "g1" in shown.stdout
    pressed_at = monotonic_ms()
    gateway.wiring.press_rex("d1")
    assert gateway.wiring.wait_for("d1", "lock", "unlocked", within_s=2, since=pressed_at), "locked in"

    gateway.kill()
    gateway.start().wait_heard(1)
    assert [(each["area"], each["by"]) for each in gateway.status()["lockdowns"]] == [("a1", "g1")]
    assert "area_locked_down" in gateway.tap("w1")["reasons"]
    assert [each["code"] for each in area(gateway, "lockdown")[1]["reasons"]] == ["area_locked_already"]
    code, refused = area(gateway, "release", by="nobody")
    assert (code, [each["code"] for each in refused["reasons"]]) == (1, ["worker_unknown"])

    code, done = area(gateway, "release", by="w1")
    assert (code, done["ok"], gateway.status()["lockdowns"]) == (0, True, [])
    gateway.wait_good()
    assert gateway.admit()["decision"] == "granted"
    told = [each["typ"] for each in gateway.entries() if each["typ"].startswith("area.")]
    assert told == ["area.locked_down", "area.released"]
