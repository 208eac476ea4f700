"""``permitgate permit curve``: all that was measured while the work ran, its gaps and limits, and no more than that."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner
from gateways import build_gateway, write_config
from measured import BEGAN_MS, CLOSED_MS, Plant, block
from storages import NOW_MS, migrate, open_journal

from edge.__main__ import main
from edge.storage.databases import set_aside
from edge.storage.journal_reader import JournalReader
from edge.storage.reconcile import reconcile
from edge.storage.telemetry import TelemetryWriter


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    opened = Plant(tmp_path)
    yield opened
    opened.telemetry.close()


def sealed(plant: Plant) -> None:
    plant.seal()


def thinned(plant: Plant) -> None:
    plant.seal()
    plant.thin()


def bundled(plant: Plant) -> None:
    plant.seal()
    plant.thin()
    assert plant.telemetry.bundle(2**50) == 1
    assert not plant.files()[0].exists()


def half(plant: Plant) -> None:
    plant.seal()
    plant.telemetry.append([block(8_000)], BEGAN_MS - 50_000)


@pytest.mark.parametrize("kept", [lambda plant: None, sealed, thinned, bundled, half])
def test_the_curve_is_the_same_from_rows_and_from_sealed_files(plant: Plant, kept: Callable[[Plant], None]) -> None:
    kept(plant)
    (device,) = plant.found()["devices"]
    assert device["device"] == "gas1"
    assert device["wall_ms"] == [BEGAN_MS + after for after in (0, 1_000, 2_000, 5_000, 5_500)]
    assert device["channels"] == [
        {
            "channel": "gas",
            "unit": "%LEL",
            "resolution": "0.1",
            "steps": [90, 100, 110, 140, None],
            "qualities": [[4, 1, "comm_fail"]],
        }
    ]


def test_readings_count_as_sealed_only_from_files_that_are_what_their_hash_says(plant: Plant) -> None:
    assert plant.found()["devices"][0]["sealed"] == 0
    plant.seal()
    assert plant.found()["devices"][0]["sealed"] == 5


def test_a_gap_is_shown_with_its_reason_and_the_entry_that_tells_it(plant: Plant) -> None:
    plant.seal()
    found = plant.found()
    (gap,) = found["devices"][0]["gaps"]
    assert (gap["first_ms"], gap["last_ms"]) == (BEGAN_MS + 2_000, BEGAN_MS + 5_000)
    assert (gap["why"], gap["en"], gap["zh"]) == ("not_polled", "the bus did not poll", "总线未轮询")
    assert gap["entry"] >= plant.gateway.size
    assert found["ok"] is True


def test_a_gap_whose_readings_are_not_sealed_yet_is_pending_and_no_fault(plant: Plant) -> None:
    found = plant.found()
    assert [gap["why"] for gap in found["devices"][0]["gaps"]] == ["pending"]
    assert found["ok"] is True


def test_a_gap_that_no_entry_tells_is_said_and_the_answer_is_no(plant: Plant) -> None:
    plant.telemetry.seal(2**40)
    result = plant.ask("--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [gap["why"] for gap in found["devices"][0]["gaps"]] == ["untold"]
    assert found["ok"] is False
    assert "NO ENTRY TELLS OF IT" in plant.ask().output


def test_limits_are_those_of_the_question_under_which_people_entered(plant: Plant) -> None:
    plant.seal()
    found = plant.found()
    assert found["limits_from"] == plant.gateway.entries["granted"]
    gas = [each for each in found["limits"] if each["device"] == "gas1"]
    assert [(each["channel"], each["lowest_good"], each["highest_good"]) for each in gas] == [("gas", None, 100)]
    assert "allowed <= 10.0 %LEL (GB 30871-2022 5.3.2; confined space 6.4c): 2 of the good" in plant.ask().output


def test_a_device_that_a_limit_names_and_the_configuration_has_no_more_is_said(plant: Plant) -> None:
    assert plant.found()["missing"] == ["wind1"], "the day of ``gateways`` has an anemometer, its configuration none"
    assert "wind1: a limit names it and this configuration does not have it: NOT SHOWN" in plant.ask().output


def test_limits_whose_evidence_was_erased_are_this_configurations_and_that_is_said(plant: Plant) -> None:
    journal = open_journal(plant.gateway.data)
    journal.erase_evidence([plant.gateway.entries["granted"]])
    journal.close()
    found = plant.found()
    assert found["limits_from"] is None
    assert [each["highest_good"] for each in found["limits"] if each["device"] == "gas1"] == [100]
    assert "limits as this configuration has them" in plant.ask().output


def test_the_words_are_the_gateways_language(tmp_path: Path) -> None:
    plant = Plant(tmp_path, "zh")
    plant.seal()
    said = plant.ask().output
    plant.telemetry.close()
    for words in ("作业票 P1：作业时间", "gas1.gas：读数 5 个，有效 4 个", "间断", "总线未轮询", "来自封存文件"):
        assert words in said


def test_a_damaged_file_is_named_and_its_rows_used_while_they_are_there(plant: Plant) -> None:
    plant.seal()
    (file,) = plant.files()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    result = plant.ask("--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (len(found["devices"][0]["wall_ms"]), found["devices"][0]["sealed"]) == (5, 0)
    assert file.name in found["troubles"][0]


def test_a_file_that_is_gone_after_thinning_is_a_gap_and_never_a_straight_line(plant: Plant) -> None:
    plant.seal()
    plant.thin()
    for file in plant.files():
        file.unlink()
    result = plant.ask("--json")
    (device,) = json.loads(result.stdout)["devices"]
    assert result.exit_code == 1
    assert device["wall_ms"] == []
    assert [(gap["first_ms"], gap["last_ms"], gap["why"]) for gap in device["gaps"]] == [
        (BEGAN_MS, CLOSED_MS, "file_lost")
    ]


def test_a_table_has_every_reading_and_gap_in_order_of_time(plant: Plant, tmp_path: Path) -> None:
    plant.seal()
    target = tmp_path / "curve.csv"
    assert plant.ask("--csv", str(target)).exit_code == 0
    with open(target, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["figure"] for row in rows] == ["9.0", "10.0", "11.0", "", "14.0", ""]
    assert [row["quality"] for row in rows] == ["good", "good", "good", "gap", "good", "comm_fail"]
    assert (rows[3]["why"], rows[3]["until"]) == ("not_polled", rows[4]["utc"])
    assert {(row["device"], row["channel"], row["unit"]) for row in rows} == {("gas1", "gas", "%LEL")}


@pytest.mark.parametrize("name", ["gas", "gas1.gas"])
def test_a_channel_can_be_named_with_and_without_its_device(plant: Plant, name: str) -> None:
    assert [each["channel"] for each in plant.found("--channel", name)["devices"][0]["channels"]] == ["gas"]


def test_an_unknown_channel_is_a_usage_error_that_names_those_there_are(plant: Plant) -> None:
    result = plant.ask("--channel", "o2")
    assert result.exit_code == 2
    assert "one of: gas1.gas" in result.output


def test_a_permit_whose_work_has_not_begun_has_no_curve(plant: Plant) -> None:
    result = CliRunner().invoke(main, ["permit", "curve", "--config", str(plant.gateway.config), "P8"])
    assert result.exit_code == 3
    assert "no work of it has begun" in result.output


def test_without_stored_readings_the_error_names_the_file(tmp_path: Path) -> None:
    gateway = build_gateway(tmp_path)
    write_config(tmp_path)
    result = CliRunner().invoke(main, ["permit", "curve", "--config", str(gateway.config), "P1"])
    assert result.exit_code == 3
    assert "telemetry.db" in result.output


def test_a_curve_can_be_had_when_the_list_of_files_was_lost_and_made_again(plant: Plant) -> None:
    plant.seal()
    before = plant.found()
    # The day of ``gateways`` names files that hold no readings.
    for device in ("gas1", "gas2"):
        plant.blobs.remove(sha256(f"readings of {device}".encode()).hexdigest())
    plant.telemetry.close()
    path = plant.gateway.data / "telemetry.db"
    set_aside(path, NOW_MS)
    plant.telemetry = TelemetryWriter.open(path, plant.blobs, "boot2", NOW_MS, migrate=migrate)
    with closing(JournalReader(plant.gateway.data / "journal.db")) as journal:
        reconcile(plant.telemetry, journal)
    assert plant.found() == before
