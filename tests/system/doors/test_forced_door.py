"""A door forced at the wire: its alarm stands though it is shut and the gateway is killed, until it is acknowledged."""

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
        # A leaf that opens soon after the start is not forced: here soon is one second.
        text = made.config.read_text(encoding="utf-8")
        made.config.write_text(text.replace('fail = "secure"', 'fail = "secure"\naccess_grace_s = 1'), encoding="utf-8")
        made.hq.start()
        made.start().wait_good()
        good_ms = monotonic_ms()
        until("that second is over", lambda: monotonic_ms() > good_ms + 1_000)
        yield made


def acknowledge(gateway: Plant, by: str, door: str = "d1") -> tuple[int, dict[str, Any]]:
    done = gateway.cli("door", "acknowledge", door, "--by", by, "--reason", "wind took it, lock is whole", "--json")
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def forced(gateway: Plant) -> list[str]:
    return [each["door"] for each in gateway.status()["forced"]]


def test_a_forced_door_alarms_until_it_is_acknowledged_over_kill_9(gateway: Plant) -> None:
    gateway.wiring.force("d1")
    until("the alarm", lambda: forced(gateway) == ["d1"])
    entry = gateway.status()["forced"][0]["entry"]
    gateway.wiring.shut("d1")
    until("shut", lambda: gateway.status()["doors"]["d1"]["phase"] == "locked_shut")
    assert forced(gateway) == ["d1"]
    until("it is on disk", lambda: gateway.size() > entry + 1)

    gateway.kill()
    gateway.start().wait_good()
    assert [(each["door"], each["entry"]) for each in gateway.status()["forced"]] == [("d1", entry)]
    assert "FORCED" in gateway.cli("status").stdout
    assert gateway.admit()["decision"] == "granted", "an alarm is no mode of the door"

    code, refused = acknowledge(gateway, "nobody")
    assert (code, [each["code"] for each in refused["reasons"]]) == (1, ["worker_unknown"])
    assert forced(gateway) == ["d1"]
    code, done = acknowledge(gateway, "g1")
    assert (code, done["ok"], forced(gateway)) == (0, True, [])
    why = gateway.cli("journal", "why", str(done["entry"])).stdout
    assert "g1" in why
    assert "wind took it" in why
    code, refused = acknowledge(gateway, "g1")
    assert (code, [each["code"] for each in refused["reasons"]]) == (1, ["door_not_forced"])

    gateway.kill()
    gateway.start()
    assert forced(gateway) == []
