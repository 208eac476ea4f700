"""``permitgate devices curve``: what was measured over any time, gaps and all, without a permit."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from measured import BEGAN_MS, Plant

from edge.__main__ import main
from edge.app.wording import instant

FROM_MS, TO_MS = BEGAN_MS - 2_000, BEGAN_MS + 9_000


def text_of(time_ms: int) -> str:
    """As a person types it."""
    return instant(time_ms)[:19].replace(" ", "T")


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    opened = Plant(tmp_path)
    yield opened
    opened.telemetry.close()


def ask(plant: Plant, *arguments: str, since: int = FROM_MS, until: int | None = TO_MS) -> Result:
    times = ["--from", text_of(since), *(() if until is None else ("--to", text_of(until)))]
    return CliRunner().invoke(
        main, ["devices", "curve", "--config", str(plant.gateway.config), *times, *arguments], terminal_width=200
    )


def found(plant: Plant, *arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(ask(plant, *arguments, "--json").stdout)
    return answer


def test_all_readings_of_the_time_are_there_also_those_before_and_after_the_work(plant: Plant) -> None:
    plant.seal()
    (device,) = found(plant, "gas1")["devices"]
    after = [wall - BEGAN_MS for wall in device["wall_ms"]]
    assert after == [-1_000, 0, 1_000, 2_000, 5_000, 5_500, 6_000, 7_000]
    assert device["sealed"] == 8
    (channel,) = device["channels"]
    assert channel["steps"][:2] == [80, 90]
    assert channel["qualities"] == [[5, 1, "comm_fail"]]


def test_a_gap_is_shown_with_its_entry_and_one_without_makes_the_answer_no(plant: Plant) -> None:
    plant.seal()
    (device,) = found(plant, "gas1")["devices"]
    gaps = [(gap["first_ms"] - BEGAN_MS, gap["last_ms"] - BEGAN_MS, gap["why"]) for gap in device["gaps"]]
    assert gaps == [(2_000, 5_000, "not_polled")]
    assert device["gaps"][0]["entry"] is not None
    assert ask(plant, "gas1").exit_code == 0
    no = ask(plant, "gas1", since=FROM_MS - 60_000)
    assert no.exit_code == 1
    assert "NO ENTRY TELLS OF IT" in no.stdout


def test_a_time_of_which_nothing_is_stored_is_one_gap_and_not_called_open_when_it_is_over(plant: Plant) -> None:
    early = {"since": BEGAN_MS - 90_000, "until": BEGAN_MS - 30_000}
    nothing_yet = json.loads(ask(plant, "gas1", "--json", **early).stdout)
    assert [gap["why"] for gap in nothing_yet["devices"][0]["gaps"]] == ["open"]
    plant.seal()
    over = ask(plant, "gas1", "--json", **early)
    assert over.exit_code == 1
    (gap,) = json.loads(over.stdout)["devices"][0]["gaps"]
    assert (gap["first_ms"], gap["last_ms"], gap["why"]) == (early["since"], early["until"], "untold")


def test_an_area_gives_each_of_its_devices_and_a_device_named_twice_comes_once(plant: Plant) -> None:
    by_area = [each["device"] for each in found(plant, "--area", "north")["devices"]]
    assert by_area == ["gas1"]
    assert [each["device"] for each in found(plant, "gas1", "--area", "north")["devices"]] == by_area
    assert [each["device"] for each in found(plant, "gas1", "gas1")["devices"]] == ["gas1"]


def test_it_speaks_the_gateways_language(tmp_path: Path) -> None:
    plant = Plant(tmp_path, "zh")
    plant.seal()
    said = ask(plant, "gas1").stdout
    assert said.splitlines()[0] == f"gas1：{instant(FROM_MS)} 至 {instant(TO_MS)}"
    assert "读数 8 个，有效 7 个" in said
    assert "间断" in said
    plant.telemetry.close()


def test_a_table_has_each_reading_and_each_gap(plant: Plant, tmp_path: Path) -> None:
    plant.seal()
    path = tmp_path / "gas1.csv"
    assert ask(plant, "gas1", "--csv", str(path)).exit_code == 0
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert [row["why"] for row in rows if row["quality"] == "gap"] == ["not_polled"]
    assert rows[0]["utc"] == instant(BEGAN_MS - 1_000)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name a DEVICE, or an area with --area"),
        (("gas9",), "gas9: no such device; one of: gas1"),
        (("--area", "nowhere"), "--area nowhere: no such area; one of: north"),
        (("gas1", "--channel", "o2"), "--channel o2: no such channel there; one of: gas1.gas"),
    ],
)
def test_what_is_not_there_is_a_usage_error_that_names_what_is(
    plant: Plant, arguments: tuple[str, ...], words: str
) -> None:
    result = ask(plant, *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_a_time_that_is_backward_or_longer_than_memory_allows_is_refused_with_what_is_allowed(plant: Plant) -> None:
    backward = ask(plant, "gas1", since=TO_MS, until=FROM_MS)
    assert backward.exit_code == 2
    assert "is not before --to" in backward.output
    long = ask(plant, "gas1", since=BEGAN_MS - 40 * 86_400_000, until=BEGAN_MS)
    assert long.exit_code == 2
    assert "at most 2000000 s at once" in " ".join(long.output.split())
    assert ask(plant, "gas1", since=BEGAN_MS - 23 * 86_400_000, until=BEGAN_MS).exit_code == 0


def test_without_an_end_it_is_up_to_now(plant: Plant) -> None:
    result = ask(plant, "gas1", "--json", until=None)
    assert result.exit_code == 2, "years of readings at once"
    assert "at once" in result.output
