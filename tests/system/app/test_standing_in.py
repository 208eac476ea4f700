"""Degraded mode over the whole gateway (row C05): a plug is pulled, the guardian stands in, the plug is back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plants import GUARDIAN_UID, WORKER_UID, Plant, Template, gas_over_tcp, plant, records, until

from hil.modbus_site import ModbusSite
from hil.modbus_unit import SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system

PHOTO = b"\xff\xd8\xff" + b"anemometer" * 100

WIND = """[[bus]]
id = "b2"
kind = "tcp"
host = "127.0.0.1"
tcp_port = {port}
timeout_s = 0.3
poll_s = 0.5
[[device]]
id = "wind-1"
bus = "b2"
unit = 2
profile = "renke_rs_fsjt_n01"
area = "a1"
no_status_accepted_by = "Wang Fang, HSE"
"""


class Instruments:
    """A detector and an anemometer, each on a bus of its own."""

    def __init__(self) -> None:
        gas, wind = (
            SimulatedUnit(load_profile_data("honeywell_xcd"), 1),
            SimulatedUnit(load_profile_data("renke_rs_fsjt_n01"), 2),
        )
        gas.set_value("gas", "1.5")
        wind.set_value("wind_speed", "3.0")
        self.gas, self.wind = ModbusSite([gas]), ModbusSite([wind])
        self.devices = gas_over_tcp(self.gas.serve_tcp()) + WIND.format(port=self.wind.serve_tcp())

    def close(self) -> None:
        self.gas.close()
        self.wind.close()


@pytest.fixture
def instruments() -> Iterator[Instruments]:
    made = Instruments()
    yield made
    made.close()


@pytest.fixture
def gateway(fresh: Template, tmp_path: Path, instruments: Instruments) -> Iterator[Plant]:
    """HQ has issued work at height and a confined space, both in a1: w1 works, g1 guards."""
    plain = next(each for each in records() if each["id"] == "P1")

    def put(kind: str, name: str, record: dict[str, Any]) -> dict[str, Any]:
        return {**plain, "k": kind, "id": name, "rec": record}

    with plant(fresh, tmp_path, instruments.devices) as made:
        (tmp_path / "photo.jpg").write_bytes(PHOTO)
        made.hq.start()
        made.start()
        until("HQ's word is here", lambda: made.status()["authority"]["size"] > 0)
        made.hear(
            [
                put("cert", "c2", {"worker": "w1", "trade": "height", "ends": "2099-01-01", "status": "valid"}),
                put("permit", "P3", {**plain["rec"], "type": "21", "short_id": 9}),
                put("permit", "P4", {**plain["rec"], "type": "70", "short_id": 10}),
            ]
        )
        for worker, uid in (("w1", WORKER_UID), ("g1", GUARDIAN_UID)):
            made.badges[worker] = (uid, made.hq.badge(worker, "P3", uid))
        yield made


def confirm(gateway: Plant, permit: str, *more: str) -> tuple[int, list[str]]:
    """Exit code and reasons of `permitgate permit confirm`, done by g1."""
    done = gateway.cli("permit", "confirm", permit, "--by", "g1", "--reason", "seen by g1", "--json", *more)
    return done.returncode, [each["code"] for each in json.loads(done.stdout)["reasons"]] if done.stdout else []


def stand_in(gateway: Plant, permit: str, device: str) -> tuple[int, list[str]]:
    return confirm(
        gateway, permit, "--what", "equipment", "--device", device, "--photo", str(gateway.folder / "photo.jpg")
    )


def missing(gateway: Plant, permit: str) -> set[str]:
    found = json.loads(gateway.cli("permit", "ready", permit, "--json").stdout)
    return {each["code"] for worker in found.get("workers", []) for each in worker["missing"]}


def test_the_guardian_stands_in_for_an_anemometer_until_its_plug_is_back(
    gateway: Plant, instruments: Instruments
) -> None:
    until("the wind is good", lambda: missing(gateway, "P3") == {"guardian_absent", "harness_not_confirmed"})
    gateway.tap("g1")
    assert confirm(gateway, "P3") == (0, [])
    assert stand_in(gateway, "P3", "wind-1") == (1, ["device_answers"])
    instruments.wind.unplug()
    until("it is silent", lambda: missing(gateway, "P3") & {"reading_comm_fail", "reading_stale"})
    assert gateway.tap("w1")["decision"] == "denied"
    no_photo = confirm(gateway, "P3", "--what", "equipment", "--device", "wind-1")
    assert (no_photo[0], no_photo[1][0]) == (1, "photo_missing")
    until("silent for five seconds", lambda: stand_in(gateway, "P3", "wind-1") == (0, []))
    assert "人工确认" in gateway.cli("permit", "show", "P3").stdout
    granted = gateway.tap("w1")
    assert (granted["decision"], granted["reason"], granted["degraded"]) == ("granted", "granted_by_hand", True)
    until("work has begun", lambda: [each for each in gateway.entries() if each["typ"] == "permit.begun"])
    (said,) = [each for each in gateway.entries() if each["typ"] == "permit.degraded"]
    assert (said["act"], len(said["blob"]), said["body"]["device"]) == ({"id": "g1"}, 1, "wind-1")
    assert "人工确认：g1" in gateway.cli("journal", "why", str(decided(gateway)[-1]["seq"])).stdout
    until("HQ holds it", lambda: gateway.status()["journal"]["acked"] > said["seq"], 20)
    assert not [each for each in gateway.entries() if each["typ"] == "permit.tripped"]
    instruments.wind.plug_in()
    until("it is over", lambda: [each for each in gateway.entries() if each["typ"] == "permit.degraded_over"], 20)
    until("the wind is good again", lambda: missing(gateway, "P3") == set())
    again = gateway.tap("w1")
    assert (again["reason"], "degraded" in again) == ("granted", False)
    assert gateway.cli("journal", "replay").returncode == 0


def decided(gateway: Plant) -> list[dict[str, Any]]:
    return [each for each in gateway.entries() if each["typ"] == "access.decided"]


def test_nobody_stands_in_for_the_gas_of_a_confined_space(gateway: Plant, instruments: Instruments) -> None:
    until("the gas is good", lambda: missing(gateway, "P4") == {"channel_missing", "guardian_absent"})
    instruments.gas.unplug()
    until("it is silent", lambda: missing(gateway, "P4") & {"reading_comm_fail", "reading_stale"})
    until("silent for five seconds", lambda: stand_in(gateway, "P4", "gas-1") == (1, ["manual_never"]))
    refused = [each["body"] for each in gateway.entries() if each["typ"] == "operator.refused"]
    assert refused[-1]["reasons"] == ["manual_never"]
    assert missing(gateway, "P4") & {"reading_comm_fail", "reading_stale"}
