"""Gas sampled at the points of a permit over the whole gateway (row W04): commands, a detector's bus, a door."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plants import Plant, Template, plant, until

pytestmark = pytest.mark.system

POINTS = ["top", "middle", "bottom"]


@pytest.fixture
def gateway(fresh: Template, tmp_path: Path) -> Iterator[Plant]:
    """P1 names three sample points; nothing was sampled yet."""
    with plant(fresh, tmp_path) as made:
        made.hq.start()
        made.start().wait_good()
        made.change_permit("P1", 2, points=POINTS)
        yield made


def sample(gateway: Plant, point: str, *more: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of `permitgate permit sample`, done by w1."""
    said = ("--point", point, "--by", "w1", "--reason", "hose at the point", "--json", *more)
    done = gateway.cli("permit", "sample", "P1", *said)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def show_gas(gateway: Plant, figure: str) -> None:
    """The detector shows that, and the gateway has read it."""
    gateway.gas.set_value("gas", figure)
    until("it is read", lambda: gateway.status()["readings"]["gas-1.gas"]["figure"] == f"{figure} %LEL")


def passes(gateway: Plant, point: str) -> bool:
    """Whether a sample there passes; one that is told before the instrument settled there does not."""
    return sample(gateway, point)[0] == 0


def test_the_door_opens_when_every_point_was_sampled_and_names_the_one_that_was_not(gateway: Plant) -> None:
    refused = gateway.admit()
    assert (refused["reasons"], refused["alarms"]) == (["analysis_missing"], ["01"])
    for point in ("top", "bottom"):
        until(f"{point} is sampled", lambda point=point: passes(gateway, point))
    refused = gateway.tap("w1")
    assert (refused["decision"], refused["failing"]) == ("denied", [["analysis_missing", "P1", "middle"]])
    show_gas(gateway, "12.5")
    until("gas over the limit is sampled", lambda: codes(sample(gateway, "middle")) == ["gas_over_limit"])
    show_gas(gateway, "1.5")
    shown = gateway.cli("permit", "show", "P1").stdout
    assert "analysis_missing" in shown
    until("middle is sampled", lambda: passes(gateway, "middle"))
    assert gateway.tap("w1")["decision"] == "granted"
    until("work has begun", lambda: [each for each in gateway.entries() if each["typ"] == "permit.begun"])
    taken = [each for each in gateway.entries() if each["typ"] == "permit.sampled" and each["body"]["passed"]]
    assert [each["body"]["point"] for each in taken] == ["top", "bottom", "middle"]
    assert "1.5 %LEL" in gateway.cli("journal", "why", str(taken[-1]["seq"])).stdout
    assert gateway.cli("journal", "replay").returncode == 0


def codes(answered: tuple[int, dict[str, Any]]) -> list[str]:
    return [each["code"] for each in answered[1]["reasons"]]


def test_a_point_that_is_none_is_refused_and_one_that_is_missing_is_a_usage_error(gateway: Plant) -> None:
    code, answer = sample(gateway, "left")
    assert (code, codes((code, answer))) == (1, ["point_unknown"])
    assert gateway.cli("permit", "sample", "P1", "--by", "w1", "--reason", "x").returncode == 2
    assert sample(gateway, "a" * 65)[0] == 2


def test_typed_figures_are_shown_as_typed_by_hand_and_open_nothing(gateway: Plant) -> None:
    for point in POINTS:
        answered = sample(gateway, point, "--typed", "oxygen=20.9", "--typed", "lel=0")
        assert (answered[0], codes(answered)) == (1, ["typed_not_counted"])
    refused = gateway.admit()
    assert (refused["decision"], refused["reasons"]) == ("denied", ["analysis_missing"])
    noted = [each for each in gateway.entries() if each["typ"] == "permit.noted"]
    assert [each["body"]["counted"] for each in noted] == [False] * 3
    line = f"取样点 top：人工填写，不作依据：lel 0, oxygen 20.9（w1，第 {noted[0]['seq']} 条）"
    assert line in gateway.cli("permit", "show", "P1").stdout
    assert line in gateway.cli("rules", "explain", "P1").stdout
    why = gateway.cli("journal", "why", str(noted[0]["seq"])).stdout
    assert "人工填写的数值，不作依据" in why
    assert "oxygen=20.9" in why
    pack = gateway.folder / "P1.pgpack"
    until("it is in the pack", lambda: gateway.cli("permit", "pack", "P1", "--out", pack).returncode == 0)
    assert b'"typ":"permit.noted"' in pack.read_bytes()


def test_samples_are_explained_and_outlive_kill_9(gateway: Plant) -> None:
    until("top is sampled", lambda: passes(gateway, "top"))
    gateway.kill()
    gateway.start()

    def told() -> Any:
        done = gateway.cli("rules", "explain", "P1", "--json")
        return {each["point"]: each["reason"] for each in json.loads(done.stdout)["points"]}

    wanted = {"top": None, "middle": "analysis_missing", "bottom": "analysis_missing"}
    until("the samples are told", lambda: told() == wanted)
    assert "取样点 bottom：analysis_missing" in gateway.cli("rules", "explain", "P1").stdout
