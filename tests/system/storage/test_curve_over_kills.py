"""kill -9 while readings are stored: the curve has no hole that no entry tells, and each sealed file is named once."""

import random
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from plants import Plant, Template, plant, until

from edge.host.system_clock import sleep
from edge.storage.telemetry_reader import TelemetryReader

pytestmark = pytest.mark.system

KILLS = 5
POLL_MS = 500
SEAL_S = 10


def sealing_soon(gateway: Plant) -> Plant:
    """Holes are told when readings are sealed: here after ten seconds instead of sixty."""
    text = gateway.config.read_text(encoding="utf-8")
    gateway.config.write_text(text.replace("[policy]\n", f"[policy]\nseal_s = {SEAL_S}\n"), encoding="utf-8")
    return gateway


def curve(gateway: Plant) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(gateway.cli("permit", "curve", "P1", "--json").stdout)
    return found


def all_told(gateway: Plant) -> dict[str, Any] | None:
    """The curve, once none of its gaps waits for the readings after it to be sealed."""
    found = curve(gateway)
    waits = any(gap["why"] == "pending" for device in found["devices"] for gap in device["gaps"])
    return found if found["ok"] and not waits else None


def told_gaps(gateway: Plant, device: str) -> list[tuple[int, int]]:
    """What the journal says, read without the code under test; a bound that was not known is open."""
    return [
        (each["body"].get("first_ms", 0), each["body"].get("last_ms", 2**53))
        for each in gateway.entries()
        if each["typ"] == "telemetry.gap" and each["body"]["subject"] == device
    ]


def test_every_hole_of_a_curve_over_kills_is_told_and_every_file_named_once(fresh: Template, tmp_path: Path) -> None:
    chance = random.Random(20_261_128)
    with plant(fresh, tmp_path) as gateway:
        sealing_soon(gateway).hq.start()
        gateway.start().wait_good()
        assert gateway.admit()["decision"] == "granted"
        for _ in range(KILLS):
            sleep(chance.uniform(0.3, 2.5))
            gateway.kill()
            sleep(chance.uniform(0, 1.5))
            gateway.start()
        gateway.wait_good()
        # Whoever holds it up: the last hole is told when the readings after it are sealed.
        found = until("every gap is told", lambda: all_told(gateway), 4 * SEAL_S)
        assert gateway.stop() == 0
        gateway.start()
        held = listed(gateway)
        until("what was sealed at the stop is named", lambda: held <= named(gateway).keys(), 4 * SEAL_S)
        for device in found["devices"]:
            judge(gateway, device)
        assert set(named(gateway).values()) == {1}, "a file named twice"


def listed(gateway: Plant) -> set[str]:
    """The sealed files that the gateway knows of. One that a kill left before it was listed is sealed again."""
    with closing(TelemetryReader(gateway.data / "telemetry.db")) as reader:
        return {batch.blob.sha256 for batch in reader.batches("gas-1", 0, 2**52)}


def named(gateway: Plant) -> Counter[str]:
    """How many entries name each sealed file."""
    entries = [each for each in gateway.entries() if each["typ"] == "telemetry.sealed"]
    return Counter(blob["h"].removeprefix("sha256:") for each in entries for blob in each["blob"])


def judge(gateway: Plant, device: dict[str, Any]) -> None:
    """Its holes are exactly the told ones: none untold, and a kill is always one."""
    gaps = told_gaps(gateway, device["device"])
    holes = [(a, b) for a, b in pairwise(device["wall_ms"]) if b - a > 2 * POLL_MS]
    assert len(holes) >= KILLS // 2, "a start takes longer than two polls, and not every run stores a reading"
    for before, after in holes:
        assert any(first <= before and after <= last for first, last in gaps), (device["device"], before, after)
    assert all(gap["entry"] is not None or gap["why"] == "open" for gap in device["gaps"])
