"""The instrument register over the whole gateway: a detector that nobody vouches for opens nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plants import Plant, Template, plant, until

pytestmark = pytest.mark.system

JPEG = b"\xff\xd8\xff" + b"display" * 100


@pytest.fixture
def gateway(fresh: Template, tmp_path: Path) -> Iterator[Plant]:
    with plant(fresh, tmp_path) as made:
        text = made.config.read_text(encoding="utf-8")
        made.config.write_text(text.replace("[policy]\n", "[policy]\nbump_h = 24\ncalibration_d = 180\n"), "utf-8")
        (tmp_path / "display.jpg").write_bytes(JPEG)
        made.hq.start()
        yield made.start()


def record(gateway: Plant, check: str, *more: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of `permitgate instrument record`, done by w1."""
    paper = str(gateway.folder / "display.jpg")
    said = ("--check", check, "--by", "w1", "--reason", "bottle 17", "--evidence", paper, "--json", *more)
    done = gateway.cli("instrument", "record", "gas-1", *said)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def missing(gateway: Plant) -> set[str]:
    done = gateway.cli("permit", "ready", "P1", "--json")
    found = json.loads(done.stdout) if done.stdout else {}
    return {each["code"] for worker in found.get("workers", []) for each in worker["missing"]}


def test_a_detector_opens_once_its_checks_are_recorded_and_no_longer_when_one_fails(gateway: Plant) -> None:
    wanted = {"bump_overdue", "calibration_overdue", "guardian_absent"}
    until("all but the checks and the guardian is good", lambda: missing(gateway) == wanted)
    assert gateway.cli("instrument", "list").returncode == 1
    assert "OVERDUE" in gateway.cli("status").stdout
    assert record(gateway, "calibration")[0] == 0
    code, answer = record(gateway, "bump")
    assert (code, answer["ok"]) == (0, True)
    assert missing(gateway) == {"guardian_absent"}
    listed = gateway.cli("instrument", "list")
    assert (listed.returncode, listed.stdout.count("w1")) == (0, 2)
    assert gateway.admit()["decision"] == "granted"
    assert record(gateway, "bump", "--failed")[0] == 0
    until("the work is tripped", lambda: "permit_tripped" in missing(gateway))
    (entry,) = [each for each in gateway.entries() if each["typ"] == "permit.tripped"]
    assert entry["body"]["reason"] == "reading_device_fault"
    checks = [each for each in gateway.entries() if each["typ"] == "instrument.checked"]
    assert [each["body"]["passed"] for each in checks] == [True, True, False]
    assert all(each["act"] == {"id": "w1"} and len(each["blob"]) == 1 for each in checks)
    assert "bottle 17" in gateway.cli("journal", "why", str(checks[0]["seq"])).stdout


def test_a_register_outlives_kill_9(gateway: Plant) -> None:
    until("HQ's word is here", lambda: "guardian_absent" in missing(gateway))
    assert record(gateway, "bump")[0] == 0
    gateway.kill()
    gateway.start()
    held = {each["check"]: each["done_ms"] for each in gateway.status()["instruments"]}
    assert held["bump"] is not None
    assert held["calibration"] is None


def test_what_cannot_be_is_refused_with_every_reason(gateway: Plant) -> None:
    until("HQ's word is here", lambda: "guardian_absent" in missing(gateway))
    code, answer = record(gateway, "bump", "--at", "2099-01-01")
    assert (code, [each["code"] for each in answer["reasons"]]) == (1, ["check_in_future"])
    (gateway.folder / "display.jpg").write_bytes(b"no picture")
    assert record(gateway, "bump")[0] == 2
    assert gateway.cli("instrument", "record", "gas-1", "--check", "bump", "--by", "w1").returncode == 2


def test_an_instrument_that_says_that_it_is_due_stands_above_what_is_recorded(gateway: Plant) -> None:
    wanted = {"bump_overdue", "calibration_overdue", "guardian_absent"}
    until("all but the checks and the guardian is good", lambda: missing(gateway) == wanted)
    assert record(gateway, "bump")[0] == 0
    code, answer = record(gateway, "calibration")
    assert (code, answer["ok"]) == (0, True)
    assert missing(gateway) == {"guardian_absent"}
    (entry,) = [each for each in gateway.entries() if each["seq"] == answer["entry"]]
    assert entry["body"]["instrument_says"]["left_ms"] > 89 * 86_400_000

    gateway.gas.set_calibration_days(-3)
    gateway.gas.set_status("inhibited")
    until("its readings stop", lambda: "reading_inhibited" in missing(gateway))
    gateway.gas.set_status("ok")
    until("it says that it is due", lambda: missing(gateway) == {"calibration_overdue", "guardian_absent"}, 20)
    assert "instrument itself" in gateway.cli("journal", "search", "--kind", "instrument.said").stdout
    assert "检测仪自身显示到期" in gateway.cli("instrument", "list").stdout
    code, answer = record(gateway, "calibration")
    assert (code, [each["code"] for each in answer["reasons"]]) == (1, ["calibration_contradicted"])

    gateway.gas.set_status("calibration")
    until("it is being calibrated", lambda: "reading_inhibited" in missing(gateway))
    gateway.gas.set_calibration_days(180)
    gateway.gas.set_status("ok")
    until("it says that it is not due", lambda: missing(gateway) == {"guardian_absent"}, 20)
    assert record(gateway, "calibration")[0] == 0
    assert gateway.admit()["decision"] == "granted"
