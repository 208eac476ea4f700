"""``permitgate devices list`` and ``show``: all that is known of a model, and what is doubtful, before it is wired."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from gateways import write_config

from drivers.modbus.profile import load_profile, shipped_models
from edge.__main__ import main
from edge.app.profile_words import MARK_WORDS, QUALITY_WORDS, QUANTITY_WORDS, profile_lines
from edge.core.readings import Quality

GENERIC = (files("drivers.profiles") / "generic.toml").read_text(encoding="utf-8")


def devices(*arguments: str, language: str = "en_GB.UTF-8") -> Result:
    return CliRunner().invoke(main, ["devices", *arguments], env={"LC_ALL": language, "PERMITGATE_CONFIG": None})


def site(folder: Path, language: str = "en") -> Path:
    """A gateway with one good model of its own, in a configuration that is not whole yet."""
    profiles = folder / "profiles"
    profiles.mkdir()
    (profiles / "cellar.toml").write_text(GENERIC.replace('model = "generic"', 'model = "cellar"'), encoding="utf-8")
    path = write_config(folder, language)
    text = path.read_text(encoding="utf-8").replace("simulate = true", f'simulate = true\nprofiles_dir = "{profiles}"')
    path.write_text(text.replace('"honeywell_xcd"', '"not_written_yet"'), encoding="utf-8")
    return path


def test_a_machine_without_a_configuration_lists_what_ships() -> None:
    shown = devices("list")
    assert shown.exit_code == 0
    assert all(f"{model}: " in shown.stdout for model in shipped_models())
    for said in ("oxygen %vol", "NO status", "as delivered 4800 8N unit 1", "[V2]", "Sensepoint XCD Technical Manual"):
        assert said in shown.stdout
    assert "能自报故障" in devices("list", language="").stdout


def test_the_sites_own_models_are_listed_although_the_configuration_still_has_findings(tmp_path: Path) -> None:
    shown = devices("list", "--config", str(site(tmp_path)))
    assert shown.exit_code == 0
    assert f"cellar (own, {tmp_path}/profiles/cellar.toml)" in shown.stdout
    found = json.loads(devices("list", "--config", str(tmp_path / "gateway.toml"), "--json").stdout)
    own = {each["model"]: each["own"] for each in found["models"]}
    assert own["cellar"]
    assert not own["generic"]
    assert next(each for each in found["models"] if each["model"] == "renke_rs_fsjt_n01")["has_status"] is False


def test_an_own_model_that_cannot_be_used_is_listed_with_every_finding_and_is_exit_1(tmp_path: Path) -> None:
    path = site(tmp_path, "zh")
    broken = tmp_path / "profiles" / "attic.toml"
    broken.write_text(GENERIC.replace('"generic"', '"attic"').replace("gap = 4", "gap = 400"), encoding="utf-8")
    shown = devices("list", "--config", str(path))
    assert shown.exit_code == 1
    assert "attic（自有" in shown.stdout
    assert "不可用" in shown.stdout
    assert re.search(rf"{broken}:[0-9]+: gap: 400 is out of range", shown.stdout)
    assert "cellar（自有" in shown.stdout, "one broken model hides no other"


def test_an_own_file_named_as_a_shipped_model_is_said_and_never_listed_in_its_place(tmp_path: Path) -> None:
    path = site(tmp_path)
    (tmp_path / "profiles" / "generic.toml").write_text(GENERIC, encoding="utf-8")
    shown = devices("list", "--config", str(path))
    assert shown.exit_code == 1
    assert "gateway.profiles_dir" in shown.stderr
    assert "generic: any" in shown.stdout


def test_a_configuration_that_was_named_and_is_not_there_is_no_reason_to_guess(tmp_path: Path) -> None:
    shown = devices("list", "--config", str(tmp_path / "none.toml"))
    assert shown.exit_code == 2
    assert "none.toml" in shown.stderr


@pytest.mark.parametrize("model", shipped_models())
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_model_is_shown_with_every_register_channel_status_and_request(model: str, language: str) -> None:
    profile = load_profile(model)
    shown = devices("show", model, language="en" if language == "en" else "zh_CN.UTF-8").stdout
    for register in profile.registers:
        assert f"{register.printed} = FC{register.function:02d}" in shown
        assert f"{register.address}" in shown
    for channel in profile.channels:
        assert QUANTITY_WORDS[channel.quantity.value][language == "en"] in shown
        assert channel.unit in shown
        assert str(channel.highest_steps * channel.resolution) in shown
    assert MARK_WORDS[profile.manual.mark][language == "en"] in shown
    assert "no_status_accepted_by" in shown or profile.has_status


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            "honeywell_midas_toxic",
            ["status & 0xF: 0 warming up, 1 ok", "decimals_and_unit & 0xFF00 tells the model: 0x100"],
        ),
        (
            "honeywell_midas_toxic",
            ["status & 0x800 moves each 2 s; still for 8 s it is not believed", "Modbus/TCP only"],
        ),
        ("raeguard_oxygen", ["the configuration must state their decimals", "no_status_accepted_by"]),
        ("loop_rki_m2_combustible", ["4 mA at raw 4000, 20 mA at 20000", "raw 3400 to 3600: warming up"]),
        ("loop_rki_m2_combustible", ["by the current alone", "and -25.00 is added"]),
    ],
)
def test_what_tells_a_state_a_model_or_a_life_is_in_the_map_too(model: str, said: list[str]) -> None:
    shown = devices("show", model).stdout
    for each in said:
        assert each in shown


def test_what_a_value_may_not_do_and_what_a_current_does_not_show_are_said(tmp_path: Path) -> None:
    rules = 'frozen_after_s = 600\nnoise_floor = "0.2"\nrests_at = ["0"]\nrate_max_per_s = "20"\n'
    text = GENERIC.replace('"generic"', '"attic"').replace("t90_s = 30\n", f"t90_s = 30\n{rules}")
    (tmp_path / "attic.toml").write_text(text, encoding="utf-8")
    shown = devices("show", str(tmp_path / "attic.toml")).stdout
    assert "not believed once it lies still for 600 s (within 0.2 %LEL), but at 0.0 %LEL it may" in shown
    assert "not believed when it moves faster than 20.0 %LEL a second" in shown


def test_what_the_profile_itself_marks_as_doubtful_is_shown_with_its_line() -> None:
    shown = devices("show", "honeywell_xcd").stdout
    lines = (files("drivers.profiles") / "honeywell_xcd.toml").read_text(encoding="utf-8").splitlines()
    number = next(number for number, line in enumerate(lines, 1) if line.startswith("stop_bits"))
    assert f'drivers/profiles/honeywell_xcd.toml:{number}: stop_bits = ["1", "2"] # [U]' in shown
    assert "an XCD" not in shown.split("doubtful:")[1], "what is not marked is not called doubtful"


def test_a_sentinel_and_a_unit_that_must_be_set_are_said() -> None:
    assert "raw 0xFFFFFFFF is no measurement: device fault" in devices("show", "generic").stdout
    assert "only while measuring_unit holds 5" in devices("show", "honeywell_xcd").stdout


def test_a_draft_is_shown_from_its_file_before_it_is_in_any_folder(tmp_path: Path) -> None:
    draft = tmp_path / "attic.toml"
    draft.write_text(GENERIC.replace('"generic"', '"attic"'), encoding="utf-8")
    assert f"file {draft}" in devices("show", str(draft)).stdout
    draft.write_text(GENERIC.replace('"generic"', '"attic"').replace('"f32"', '"f64"'), encoding="utf-8")
    refused = devices("show", str(draft))
    assert refused.exit_code == 2
    assert f"{draft}:" in refused.stderr
    assert "f64" in refused.stderr
    assert devices("show", str(tmp_path / "none.toml")).exit_code == 2


def test_an_unknown_model_is_answered_with_the_nearest_one() -> None:
    refused = devices("show", "honeywel_xcd")
    assert refused.exit_code == 2
    assert "did you mean 'honeywell_xcd'?" in refused.stderr


def test_the_whole_map_is_there_for_machines_in_both_languages() -> None:
    found = json.loads(devices("show", "honeywell_xcd", "--json").stdout)
    assert found["ok"]
    assert found["registers"][0] | {"printed": "40003", "address": 2, "order": "ABCD"} == found["registers"][0]
    assert found["statuses"][0]["values"][0] == [1, 1, "good"]
    assert found["requests"][0].startswith("unit 1 FC03 0x0002+5")
    assert found["doubtful"]
    assert found["lines"]["zh"] != found["lines"]["en"]


def test_every_meaning_that_a_status_can_have_has_words() -> None:
    transport = {Quality.STALE, Quality.COMM_FAIL}
    assert set(QUALITY_WORDS) == set(Quality) - transport


def test_lines_are_made_of_the_profile_alone() -> None:
    profile = load_profile("generic")
    lines = profile_lines(profile, b"gap = 4  # [U]\xff\nother", "mine.toml", "en")
    assert lines[-1] == "  mine.toml:1: gap = 4 # [U]\ufffd"
