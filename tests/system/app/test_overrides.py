"""Overrides over the whole gateway: a detector that is out of action opens nothing, and no permit closes meanwhile."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from plants import Plant, Template, command, plant, until

pytestmark = pytest.mark.system

JPEG = b"\xff\xd8\xff" + b"sensor" * 100


@pytest.fixture
def gateway(fresh: Template, tmp_path: Path) -> Iterator[Plant]:
    with plant(fresh, tmp_path) as made:
        (tmp_path / "sensor.jpg").write_bytes(JPEG)
        made.hq.start()
        yield made.start().wait_good()


def asked(gateway: Plant, *said: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of a `permitgate override` command."""
    done = gateway.cli("override", *said, "--json")
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def make(gateway: Plant, *what: str, hours: float = 1) -> tuple[int, dict[str, Any]]:
    """g1 makes an override for P1."""
    end = (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S")
    who = ("--permit", "P1", "--owner", "g1", "--reason", "sensor changed", "--until", end)
    return asked(gateway, "make", *what, *who)


def lift(gateway: Plant, override: int) -> tuple[int, dict[str, Any]]:
    return asked(gateway, "lift", str(override), "--by", "w1", "--reason", "bump test passed")


def kinds(gateway: Plant, start: int = 0) -> list[str]:
    return [each["typ"] for each in gateway.entries(start)]


def test_an_overridden_detector_opens_nothing_and_its_permit_closes_when_it_is_lifted(gateway: Plant) -> None:
    assert gateway.admit()["decision"] == "granted"
    code, made = make(gateway, "--device", "gas-1", "--photo", str(gateway.folder / "sensor.jpg"))
    assert (code, made["ok"]) == (0, True)
    override = made["entry"]
    refused = gateway.tap("w1")
    assert {"override_live", "reading_inhibited", "permit_tripped"} <= set(refused["reasons"])
    for shown in (gateway.cli("status"), gateway.cli("permit", "show", "P1"), gateway.cli("rules", "explain", "P1")):
        assert f"OVERRIDE {override}" in shown.stdout
        assert "g1" in shown.stdout
    ready = gateway.cli("permit", "ready", "P1")
    assert (ready.returncode, "override_live" in ready.stdout) == (1, True)
    decision = next(each["seq"] for each in reversed(gateway.entries()) if each["typ"] == "access.decided")
    assert f"旁路 {override}：gas-1，责任人 g1" in gateway.cli("journal", "why", str(decision)).stdout

    begun = gateway.size()
    gateway.change_permit("P1", 2, status=3)
    until("the close is refused", lambda: "permit.close_refused" in kinds(gateway, begun))
    assert "permit.closed" not in kinds(gateway)
    assert "permit_closed" in gateway.tap("w1")["reasons"]
    assert "解除前本处保持打开 OPEN" in gateway.cli("status").stdout
    assert gateway.cli("override", "list").returncode == 0

    assert lift(gateway, override)[0] == 0
    until("the permit closes", lambda: "permit.closed" in kinds(gateway, begun))
    chain = [each["typ"] for each in gateway.entries() if each.get("pid") == "P1"]
    assert [each for each in chain if each.startswith(("override.", "permit.close"))] == [
        "override.made",
        "permit.close_refused",
        "override.lifted",
        "permit.closed",
    ]
    assert chain[-1] == "permit.closed"
    size = gateway.size()
    until("HQ has cosigned it", lambda: gateway.status()["journal"]["acked"] >= size, 20)
    pack = gateway.folder / "P1.pgpack"
    assert gateway.cli("permit", "pack", "P1", "--out", pack).returncode == 0
    verified = command("pack", "verify", pack)
    assert (verified.returncode, "OF ONE PIECE" in verified.stdout) == (0, True), verified.stdout
    assert f"permit closed at {len(chain)}" in verified.stdout


def test_an_override_and_a_close_that_waits_outlive_kill_9(gateway: Plant) -> None:
    gateway.admit()
    _, made = make(gateway, "--protection", "fire deluge T-301")
    gateway.change_permit("P1", 2, status=3)
    until("the close is refused", lambda: "permit.close_refused" in kinds(gateway))
    gateway.kill()
    gateway.start()
    status = until("HQ's word is here", lambda: gateway.status() if gateway.status()["authority"]["fresh"] else None)
    assert [(each["override"], each["owner"]) for each in status["overrides"]] == [(str(made["entry"]), "g1")]
    assert status["closing"] == ["P1"]
    assert "permit.closed" not in kinds(gateway)
    lift(gateway, made["entry"])
    until("the permit closes", lambda: kinds(gateway)[-1] == "permit.closed")


def test_the_end_of_an_override_is_told_at_its_time_with_the_siren_and_entry_is_refused(gateway: Plant) -> None:
    _, made = make(gateway, "--protection", "fire deluge T-301", hours=12 / 3600)
    assert made["ok"], made
    entry = until(
        "its end is told", lambda: next((e for e in gateway.entries() if e["typ"] == "override.expired"), None), 30
    )
    assert entry["body"]["override"] == str(made["entry"])
    assert entry["t"]["w"] - entry["body"]["until_ms"] < 5_000
    gateway.tap("g1")
    assert gateway.tap("w1")["reasons"] == ["override_expired"]
    listed = gateway.cli("override", "list")
    assert (listed.returncode, "PAST ITS TIME" in listed.stdout) == (1, True)
    lift(gateway, made["entry"])
    assert gateway.tap("w1")["decision"] == "granted"


def test_what_cannot_be_is_refused_with_every_reason(gateway: Plant) -> None:
    code, answer = make(gateway, "--device", "gas-9", hours=13)
    said = [each["code"] for each in answer["reasons"]]
    assert (code, said) == (1, ["override_device_unknown", "override_too_long"])
    assert make(gateway)[0] == 2
    assert make(gateway, "--device", "gas-1", "--protection", "deluge")[0] == 2
    code, answer = lift(gateway, 7)
    assert (code, [each["code"] for each in answer["reasons"]]) == (1, ["override_unknown"])
