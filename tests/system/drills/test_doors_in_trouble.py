"""Faults of a door and of the wires, at a whole gateway: what the journal and ``status`` say is what the leaf does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plants import Plant, Template, plant, until

from edge.host.system_clock import monotonic_ms, sleep

pytestmark = pytest.mark.system


@pytest.fixture
def gateway(fresh: Template, tmp_path: Path) -> Iterator[Plant]:
    with plant(fresh, tmp_path) as made:
        made.hq.start()
        made.start().wait_good()
        yield made


def phase(gateway: Plant, door: str = "d1") -> str:
    found: str = gateway.status()["doors"][door]["phase"]
    return found


def kinds(gateway: Plant, start: int) -> list[str]:
    return [each["typ"] for each in gateway.entries(start)]


def came(gateway: Plant, start: int, kind: str) -> dict[str, Any]:
    """The body of the first such entry from ``start`` on, waiting for it."""
    return until(kind, lambda: next((each["body"] for each in gateway.entries(start) if each["typ"] == kind), None))


def test_a_bolt_that_heals_while_the_leaf_stands_open_leaves_the_door_open(gateway: Plant) -> None:
    gateway.tap("g1")
    start = gateway.size()
    tapped_at = monotonic_ms()
    gateway.tap("w1")
    assert gateway.wiring.wait_for("d1", "lock", "unlocked", within_s=3, since=tapped_at)
    gateway.wiring.stick_bolt("d1")
    assert gateway.wiring.push("d1")
    assert came(gateway, start, "door.fault")["what"] == "bolt_not_following"
    assert phase(gateway) == "fault"
    gateway.wiring.stick_bolt("d1", False)
    came(gateway, start, "door.fault_clear")
    assert phase(gateway) == "open"
    gateway.wiring.shut("d1")
    until("shut", lambda: phase(gateway) == "locked_shut")
    assert not {"door.forced", "door.held"} & set(kinds(gateway, start))


def test_a_leaf_that_is_forced_while_its_bolt_is_faulty_alarms(gateway: Plant) -> None:
    gateway.tap("g1")
    start = gateway.size()
    tapped_at = monotonic_ms()
    gateway.tap("w1")
    assert gateway.wiring.wait_for("d1", "lock", "unlocked", within_s=3, since=tapped_at)
    gateway.wiring.stick_bolt("d1")
    came(gateway, start, "door.fault")
    # Beyond the grace of ten seconds after a release, in which an opening may be somebody who leaves.
    sleep(10.5)
    pushed_at = monotonic_ms()
    assert gateway.wiring.push("d1"), "a bolt that stuck open holds nothing"
    came(gateway, start, "door.forced")
    # Without power the siren sounds, so it did before the gateway started.
    assert gateway.wiring.wait_for("a1", "siren", "sounding", within_s=2, since=pushed_at)


def test_wires_that_are_gone_for_long_are_one_loss_and_one_return(gateway: Plant) -> None:
    start = gateway.size()
    gateway.wiring.close()
    until("tried again and again", lambda: gateway.status()["children"]["actuators"]["restarts"] >= 3)
    assert phase(gateway) == "fault"
    assert gateway.tap("w1")["reason"] == "door_fault"
    gateway.rewire()
    came(gateway, start, "actuators.back")
    assert phase(gateway) == "locked_shut"
    found = kinds(gateway, start)
    assert (found.count("actuators.lost"), found.count("actuators.back")) == (1, 1)
    assert found.count("door.fault") == found.count("door.fault_clear") == 2
