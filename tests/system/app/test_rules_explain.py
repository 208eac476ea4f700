"""``permitgate rules explain`` at a gateway that runs, with readings from simulated detectors over Modbus."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plants import Plant, Template, command, make_template, plant

pytestmark = pytest.mark.system


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Plant]:
    template: Template = make_template(tmp_path / "template")
    with plant(template, tmp_path / "plant") as site:
        site.hq.start()
        site.start().wait_good()
        yield site


def told(site: Plant) -> dict[str, Any]:
    done = command("rules", "explain", "P1", "--config", site.config, "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def condition(found: dict[str, Any]) -> dict[str, Any]:
    """The one condition that is measured."""
    (area,) = found["areas"]
    (only,) = area["conditions"]
    return dict(only)


def test_the_present_reading_stands_beside_the_limit_and_the_work_keeps_its_version(running: Plant) -> None:
    before = told(running)
    assert (before["ok"], before["gateway_answers"], before["running"], before["kept"]) == (True, True, False, [])
    assert before["clock"]["source"] is not None
    held = condition(before)
    assert (held["rule"], held["limit"], held["unit"]) == ("gb30871/2/combustible-lel-from-4", "0.5", "%vol")
    assert (held["channel_unit"], held["resolution"], held["highest_good"]) == ("%LEL", "0.1", 100)
    assert held["reading"]["quality"] == "good"
    assert held["reading"]["steps"] <= held["highest_good"]
    running.admit()
    after = told(running)
    assert (after["running"], after["kept"]) == (True, ["gb30871/2"])
    done = command("rules", "explain", "P1", "--config", running.config)
    assert done.returncode == 0
    assert "GB 30871-2022 5.3.2" in done.stdout
    assert "%LEL" in done.stdout


def test_a_gateway_that_was_stopped_is_explained_from_its_files(running: Plant) -> None:
    assert running.stop() == 0
    found = told(running)
    assert (found["ok"], found["gateway_answers"]) == (True, False)
    assert condition(found)["reading"] is None
