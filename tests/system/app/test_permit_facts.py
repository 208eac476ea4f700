"""What HQ says of the work, over the wire: imported, signed, heard, refused at the door, mended by HQ, granted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plants import Plant, Template, gas_over_tcp, make_template, plant, until

from hil.modbus_site import ModbusSite
from hil.modbus_unit import SimulatedUnit, load_profile_data

pytestmark = pytest.mark.system

HEIGHT_CERTIFICATE = {"worker": "w1", "trade": "height", "ends": "2099-01-01", "status": "valid"}
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
no_status_accepted_by = "Wang Fang, HSE, for this test"
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def running(template: Template, tmp_path: Path) -> Iterator[Plant]:
    """A gateway that runs, with a gas detector in a1."""
    with plant(template, tmp_path / "plant") as site:
        site.hq.start()
        site.start().wait_good()
        yield site


@pytest.fixture
def windy(template: Template, tmp_path: Path) -> Iterator[Plant]:
    """A gateway that runs, with a gas detector and an anemometer in a1."""
    gas, wind = (
        SimulatedUnit(load_profile_data("honeywell_xcd"), 1),
        SimulatedUnit(load_profile_data("renke_rs_fsjt_n01"), 2),
    )
    gas.set_value("gas", "1.5")
    buses = ModbusSite([gas]), ModbusSite([wind])
    devices = gas_over_tcp(buses[0].serve_tcp()) + WIND.format(port=buses[1].serve_tcp())
    try:
        with plant(template, tmp_path / "plant", devices) as site:
            site.hq.start()
            site.start().wait_good()
            yield site
    finally:
        for bus in buses:
            bus.close()


def missing(site: Plant, name: str = "P1") -> dict[str, str]:
    """What `permit ready` says: details by reason."""
    found = json.loads(site.cli("permit", "ready", name, "--json").stdout)
    (worker,) = found["workers"]
    return {each["code"]: each["detail"] for each in worker["missing"]}


def details(body: dict[str, Any], reason: str) -> list[str]:
    """What a refusal says of that reason."""
    return [detail for code, _, detail in body["failing"] if code == reason]


def confirm(site: Plant, *options: str) -> None:
    done = site.cli("permit", "confirm", "P1", "--by", "g1", "--reason", "seen", *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_grade_that_is_too_low_for_its_height_is_refused_until_hq_gives_the_right_one(windy: Plant) -> None:
    windy.hear([{"op": "put", "k": "cert", "id": "c2", "rev": 1, "rec": HEIGHT_CERTIFICATE}])
    windy.change_permit("P1", 2, type="23", height_cm=1_800, factors=["live_parts"])
    confirm(windy)
    body = windy.admit()
    assert (body["reason"], details(body, "grade_too_low")) == ("grade_too_low", ["18 m, live_parts: IV (24)"])
    assert missing(windy) == {"grade_too_low": "18 m, live_parts: IV (24)"}
    for part in ("作业高度 18 m", "live_parts"):
        assert part in windy.cli("permit", "show", "P1").stdout
    assert "不足：grade_too_low" in windy.cli("rules", "explain", "P1").stdout
    windy.change_permit("P1", 3, type="24", height_cm=1_800, factors=["live_parts"])
    until("nothing is missing", lambda: not missing(windy))
    assert windy.admit()["decision"] == "granted"
    assert windy.stop() == 0
    assert windy.cli("journal", "replay").returncode == 0


def test_blinding_is_refused_for_two_operations_and_for_a_pipe_that_another_permit_is_on(running: Plant) -> None:
    one = {"type": "50", "blinds": ["B-7"], "operations": ["insert"], "pipe": "L-100"}
    running.change_permit("P1", 2, **{**one, "operations": ["insert", "remove"]})
    body = running.admit()
    assert (body["reason"], body["alarms"]) == ("blind_not_one", ["20"])
    assert details(body, "blind_not_one") == ["operations: 2"]
    running.change_permit("P2", 2, **{**one, "blinds": ["B-8"]})
    running.change_permit("P1", 3, **one)
    body = running.tap("w1")
    assert (body["reasons"], details(body, "blind_same_pipe")) == (["blind_same_pipe"], ["P2"])
    assert missing(running) == {"blind_same_pipe": "P2"}
    assert "一票一板一作业" in running.cli("rules", "explain", "P1").stdout
    running.change_permit("P2", 3, **{**one, "blinds": ["B-8"], "status": 5})
    until("nothing is missing", lambda: not missing(running))
    assert running.tap("w1")["decision"] == "granted"
    assert running.stop() == 0
    assert running.cli("journal", "replay").returncode == 0


def test_what_hq_did_not_confirm_the_guardian_confirms_on_site_and_a_new_version_asks_again(running: Plant) -> None:
    running.change_permit("P1", 2, confirmed=["risk_analysis"])
    body = running.admit()
    assert (body["reasons"], body["alarms"]) == (["briefing_missing", "measures_missing"], ["70", "90"])
    assert set(missing(running)) == {"briefing_missing", "measures_missing"}
    confirm(running, "--what", "briefing")
    confirm(running, "--what", "measures")
    assert running.tap("w1")["decision"] == "granted"
    assert "现场已确认：briefing (安全交底), measures (安全措施)" in running.cli("permit", "show", "P1").stdout
    running.change_permit("P1", 3, confirmed=["risk_analysis"], permit_version=1)
    assert set(missing(running)) == {"briefing_missing", "measures_missing"}
    running.change_permit("P1", 4, confirmed=["risk_analysis", "briefing", "measures"], permit_version=1)
    until("nothing is missing", lambda: not missing(running))
    assert running.stop() == 0
    assert running.cli("journal", "replay").returncode == 0


def test_hot_work_waits_for_venting_within_thirty_metres_and_both_are_told_if_hq_lets_both_run(running: Plant) -> None:
    here, venting = {"east_cm": 0, "north_cm": 0}, {"type": "40", "activities": ["venting"], "status": 2}
    running.change_permit("P2", 2, **venting, east_cm=1_800, north_cm=2_400)
    running.change_permit("P1", 2, **here)
    body = running.admit()
    assert (body["reasons"], details(body, "too_near")) == (["too_near"], ["P2, 30 m <= 30 m, gb30871/2/venting-30"])
    assert set(missing(running)) == {"too_near"}
    assert "30 m 内不得排放可燃气体" in running.cli("rules", "explain", "P1").stdout
    running.change_permit("P2", 3, **venting, east_cm=1_801, north_cm=2_400)
    until("nothing is missing", lambda: not missing(running))
    assert running.tap("w1")["decision"] == "granted"
    until("P1 runs", lambda: any(each["typ"] == "permit.begun" for each in running.entries()))
    running.change_permit("P2", 4, **venting, east_cm=0, north_cm=100)
    told = until("people are told", lambda: [each for each in running.entries() if each["typ"] == "permit.too_near"])
    assert (told[0]["pid"], told[0]["body"]["other"], told[0]["body"]["distance_cm"]) == ("P1", "P2", 100)
    assert set(missing(running)) == {"too_near"}
    assert running.stop() == 0
    assert running.cli("journal", "replay").returncode == 0
