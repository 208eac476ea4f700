"""``permitgate rules …``: what is at hand, what a version says, what changed, what a file lacks, what applies."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gateways import Gateway, build_gateway
from sites import GAS, HOUR_MS, OXYGEN, PACK, TIMING, WIND, begun_bench, permit

from edge import rules
from edge.__main__ import main
from edge.app.explain_words import _TEXT, area_lines, head_lines
from edge.app.explanation import ExplainedArea, Ground, explain_area
from edge.app.rules_commands import differences
from edge.app.rules_words import pack_json
from edge.core.clock import ClockInterval, ClockSource
from edge.core.readings import UtcMs
from edge.core.reasons import Reason
from edge.core.rules import Channel, RulePack
from edge.core.said import Said
from edge.core.site import plan_area
from edge.runtime.requests import Requests

MAY_2026 = UtcMs(1_780_000_000_000)
NOW = ClockInterval(MAY_2026, MAY_2026, ClockSource.HQ)
GENERAL = rules.load("gb46768")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["rules", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def found(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


# ---- list, show


def test_the_list_counts_every_rule_once_under_the_mark_that_it_has() -> None:
    listed = found("list")
    assert [each["name"] for each in listed["packs"]] == ["construction/1", "gb30871/2", "gb46768/1"]
    for each in listed["packs"]:
        (pack,) = (one for one in rules.versions(each["pack"]) if one.version == each["version"])
        marks = Counter(rule.mark for rule in pack.rules)
        assert {mark: count for mark, count in each["marks"].items() if count} == dict(marks)
        assert each["rules"] == len(pack.rules)
    assert listed["rules"] == sum(each["rules"] for each in listed["packs"]) == sum(listed["marks"].values())
    assert f"rules in all {listed['rules']}" in run("list").output


@pytest.mark.parametrize("name", rules.names())
def test_a_version_is_shown_whole_with_clause_and_words_in_both_languages(name: str) -> None:
    text, pack = run("show", name).output, rules.load(name)
    for each in (*pack.rules, *pack.unjudged):
        assert all(part in text for part in (each.clause, each.words_zh, each.words_en))
    for known in pack.permit_types.values():
        assert all(part in text for part in (known.name_zh, known.name_en, known.approver_zh, known.approver_en))
    assert found("show", name)["rules"] == pack_json(pack)["rules"]
    assert run("show", name, "--version", str(pack.version)).output == text


@pytest.mark.parametrize("name", rules.names())
def test_every_permit_type_is_shown_with_all_that_it_demands_in_both_languages(name: str) -> None:
    """By figures of the pack file itself, so that a key that is shown nowhere is missed here."""
    raw = tomllib.loads(resources.files("edge.rules").joinpath(f"{name}.toml").read_text("utf-8"))
    _, _, below = run("show", name).output.partition("作业类型 / permit types\n")
    sections = dict(re.findall(r"^  (\d\d) (.*?)(?=^  \d\d |^\S)", below, re.MULTILINE | re.DOTALL))
    shown = {each["code"]: each for each in found("show", name)["permit_types"]}
    trades = {each["id"]: each for each in raw.get("trade", [])}
    for each in raw["permit_type"]:
        text, figures = sections[each["code"]], shown[each["code"]]
        expected = [each["approver_zh"], each["approver_en"], each["clause"]]
        for key, zh, en, ms, unit_ms in (
            ("validity_h", "最长 {} h", "at most {} h", "validity_ms", HOUR_MS),
            ("break_min", "中断超过 {} min", "after a break of over {} min", "break_ms", 60_000),
            ("sample_min", "至作业开始不超过 {} min", "at most {} min old", "sample_ms", 60_000),
            ("record_min", "每 {} min 记录一次读数", "readings recorded every {} min", "record_ms", 60_000),
        ):
            assert figures[ms] == (each[key] * unit_ms if key in each else None)
            expected += [zh.format(each[key]), en.format(each[key])] if each.get(key) else []
        expected += ["任何中断", "after any break"] if each.get("break_min") == 0 else []
        expected += ["每日须重新分析", "a new analysis on each further day"] if each.get("daily_analysis") else []
        expected += ["一票一板一作业", "one blind and one operation"] if each.get("one_blind") else []
        expected += (
            ["安全交底、风险分析、安全措施", "briefing, risk analysis, safety measures"] if each.get("confirm") else []
        )
        expected += ["监护人在场", "a guardian at the place"] if each["guardian"] else []
        expected += ["安全带", "a harness"] if each["harness"] else []
        for trade in each["certificates"]:
            named = trades[trade]
            expected += [f"{named['name_zh']} {trade}", f"{named['name_en']} ({trade})"]
        assert [part for part in expected if part not in text] == []
        assert figures["daily_analysis"] is each.get("daily_analysis", False)
        assert figures["confirm"] == each.get("confirm", [])


def test_the_table_of_heights_the_distances_and_the_trades_are_shown_once_in_both_languages() -> None:
    text, shown = run("show", "gb30871").output, found("show", "gb30871")
    for part in ("工种 / trades", "高处作业分级 / grades of work at height", "距离 / distances"):
        assert text.count(part) == 1
    assert text.count("高度 5.01 m 至 15 m：II (22)，有危险因素时 III (23)") == 1
    assert text.count("height 5.01 m to 15 m: II (22), with a hazard factor III (23)") == 1
    assert {each["id"]: each["zh"] for each in shown["trades"]}["welding"] == "焊接与热切割"
    assert (len(shown["height_grades"]), len(shown["distances"])) == (4, len(PACK.distances))


@pytest.mark.parametrize(
    "arguments", [("show", "gb1"), ("show", "gb30871", "--version", "99"), ("diff", "gb30871", "2")]
)
def test_what_is_not_at_hand_is_a_usage_error_that_says_what_is(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


# ---- diff, check


def write(folder: Path, *changes: tuple[str, str]) -> Path:
    """A file like the shipped pack of GB 30871, changed, as version 3 of 2027."""
    text = resources.files("edge.rules").joinpath("gb30871.toml").read_text("utf-8")
    for old, new in (('version = 2\nfrom = "2022-10-01"', 'version = 3\nfrom = "2027-01-01"'), *changes):
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "new.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_difference_is_shown_with_what_stood_there_and_what_stands_there(tmp_path: Path) -> None:
    path = write(tmp_path, ('limit = "8.0"', 'limit = "7.5"'), ("validity_h = 72", "validity_h = 48"))
    changes = {
        each["place"]: (each["old"], each["new"]) for each in found("diff", "gb30871", "2", str(path))["changes"]
    }
    assert changes == {
        "version": (2, 3),
        "from": ("2022-10-01", "2027-01-01"),
        "rules[wind-height].limit": ("8.0", "7.5"),
        "permit_types[03].validity_ms": (72 * HOUR_MS, 48 * HOUR_MS),
    }
    assert "rules[wind-height].limit: 8.0 -> 7.5 (更严 / stricter)" in run("diff", "gb30871", "2", str(path)).output


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        ('limit = "8.0"', 'limit = "8.1"', "laxer"),
        ('limit = "8.0"', 'limit = "7.9"', "stricter"),
        ('limit = "19.5"', 'limit = "19.6"', "stricter"),
        ('limit = "21"', 'limit = "22"', "laxer"),
        ('limit = "8.0"', 'limit = "8"', None),
    ],
)
def test_a_changed_limit_is_called_stricter_or_laxer(tmp_path: Path, old: str, new: str, effect: str | None) -> None:
    changes = found("diff", "gb30871", "2", str(write(tmp_path, (old, new))))["changes"]
    assert {each["effect"] for each in changes if each["place"].endswith(".limit")} == {effect}


def test_what_only_one_version_has_stands_against_nothing() -> None:
    less = pack_json(replace(PACK, rules=PACK.rules[1:]))
    gone = differences(pack_json(PACK), less)
    assert {each["new"] for each in gone} == {None}
    assert {each["place"].split("]")[0] for each in gone} == {"rules[combustible-lel-from-4"}
    assert differences(less, less) == []


@pytest.mark.parametrize(("name", "code"), [("gb30871", 0), ("construction", 2)])
def test_a_file_is_compared_only_with_the_pack_that_it_is_of(tmp_path: Path, name: str, code: int) -> None:
    version = str(rules.load(name).version)
    assert run("diff", name, version, str(write(tmp_path))).exit_code == code


def test_a_file_that_could_be_used_passes_and_a_shipped_one_too(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert run("check", str(path)).exit_code == 0
    assert found("check", str(path))["name"] == "gb30871/3"
    shipped = resources.files("edge.rules").joinpath("gb30871.toml")
    assert run("check", str(shipped)).exit_code == 0


def test_a_file_that_could_not_be_used_gets_every_finding_with_its_line_on_standard_error(tmp_path: Path) -> None:
    path = write(tmp_path, ('limit = "8.0"', 'limit = "14"'), ('unit = "%vol"', 'unit = "vol"'))
    result = run("check", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{path}:") for line in lines)
    assert found("check", str(path))["problems"] == lines


def test_a_file_whose_dates_contradict_the_versions_at_hand_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, ('from = "2027-01-01"', 'from = "2022-10-01"'))
    result = run("check", str(path))
    assert result.exit_code == 2
    assert "a later version begins later" in result.stderr


@pytest.mark.parametrize("command", [("check",), ("diff", "gb30871", "2")])
def test_a_file_that_is_not_there_is_said_in_words(tmp_path: Path, command: tuple[str, ...]) -> None:
    result = run(*command, str(tmp_path / "none.toml"))
    assert result.exit_code == 3
    assert "none.toml" in result.stderr


# ---- explain


def explained(
    packs: tuple[RulePack, ...],
    channels: tuple[Channel, ...],
    readings: Mapping[str, Mapping[str, Any]] | None = None,
    code: str = "70",
) -> ExplainedArea:
    plan = plan_area("north", True, packs, channels, TIMING)
    return explain_area(plan, packs, channels, permit(permit_type=code), Ground(NOW, (), readings or {}))


def texts(area: ExplainedArea, answers: bool = True) -> dict[str, str]:
    models = {"gas1": "honeywell_xcd"}
    return {
        "zh": "\n".join(area_lines(area, models, (answers, False), "zh")),
        "en": "\n".join(area_lines(area, models, (answers, False), "en")),
    }


def test_a_condition_has_its_clause_limit_instrument_reading_date_and_mark_in_both_languages() -> None:
    name = "gb30871/2/combustible-lel-from-4@gas1.gas"
    reading = {"steps": 30, "quality": "good", "age_ms": 400, "reason": None}
    said = texts(explained((PACK,), (GAS,), {name: reading}, "02"))
    facts = ("5.3.2", "[V", "2022-10-01", "<= 0.5 %vol", "<= 10.0 %LEL", "gas1.gas", "honeywell_xcd", "0.1 %LEL")
    for part in (*facts, "5.0 %vol", "3.0 %LEL", "0.4 s"):
        assert all(part in text for text in said.values()), part
    assert "可燃气体不大于 0.5 %" in said["zh"]
    assert "combustible gas at most 0.5 %vol" in said["en"]
    assert "passes" in said["en"]
    assert "合格" in said["zh"]


def test_where_two_packs_speak_both_stand_there_and_the_stricter_decides() -> None:
    area = explained((GENERAL, PACK), (OXYGEN, replace(GAS, gas="ethanol")))
    decides = {each.interlock.rule for each in area.conditions if not each.stricter}
    laxer = {each.interlock.rule: each.stricter for each in area.conditions if each.stricter}
    assert decides == {"gb46768/1/oxygen-low", "gb30871/2/oxygen-high", "gb30871/2/combustible-lel-below-4"}
    assert laxer == {
        "gb30871/2/oxygen-low": ("gb46768/1/oxygen-low",),
        "gb46768/1/oxygen-high": ("gb30871/2/oxygen-high",),
        "gb46768/1/combustible": ("gb30871/2/combustible-lel-below-4",),
    }
    assert "stricter here: gb30871/2/oxygen-high" in texts(area)["en"]


def test_what_is_not_measured_here_is_said_and_whether_that_keeps_people_out() -> None:
    area = explained((PACK, GENERAL), (GAS,))
    assert {rule.rule for _, rule in area.missing} == {
        "oxygen-low",
        "oxygen-high",
        "toxic-hydrogen-sulphide",
        "toxic-carbon-monoxide",
    }
    assert {rule.rule for _, rule in area.unfitted} == {"toxic"}
    said = texts(area)["en"]
    assert said.count("NOT MEASURED, so nobody enters: oxygen") == 4
    assert "NOT MEASURED, so nobody enters: toxic (hydrogen-sulphide)" in said
    assert "not judged here, kept by people:\n" in said
    assert "    - isolated by a blind" in said
    assert "readings recorded every 15 min (alarm 05)" in said
    assert "after any break: a passing re-test before work goes on (alarm 03)" in said


def test_a_toxic_limit_says_of_which_kind_it_is_and_how_it_became_ppm() -> None:
    detector = Channel("gas1", "h2s", "toxic", "ppm", "0.1", "hydrogen-sulphide")
    (condition,) = explained((PACK,), (detector,)).conditions
    said = texts(explained((PACK,), (detector,)))["en"]
    assert condition.interlock.highest_good == 70
    for part in ("MAC 10 mg/m3", "34.08 g/mol", "24.05 [D] L/mol", "exactly 7.0569… ppm", "<= 7.0 ppm", "[V2"):
        assert part in said


def test_the_grade_of_work_at_height_is_explained_from_the_table_and_what_is_not_enough_is_said() -> None:
    plan = plan_area("north", False, (PACK,), (WIND,), TIMING)
    high = permit(permit_type="23", said=Said(1_800, ("cold",)))
    area = explain_area(plan, (PACK,), (WIND,), high, Ground(NOW, (), {}))
    assert area.facts == ((Reason.GRADE_TOO_LOW, "18 m, cold: IV (24)"),)
    said = texts(area)
    assert "height 15.01 m to 30 m: III (23), with a hazard factor IV (24); GB 30871-2022 8.1.1" in said["en"]
    assert "NOT ENOUGH: grade_too_low [18 m, cold: IV (24)]" in said["en"]
    assert "不足：grade_too_low [18 m, cold: IV (24)]：高处作业票级别低于" in said["zh"]
    ground = Ground(NOW, (), {}, permit_facts=True, confirmed=("briefing", "measures"))
    unsaid = explain_area(plan, (PACK,), (WIND,), permit(permit_type="23"), ground)
    assert unsaid.facts == ((Reason.HEIGHT_UNKNOWN, "height_cm"), (Reason.RISK_ANALYSIS_MISSING, None))
    assert "NOT ENOUGH: risk_analysis_missing: Risk analysis not confirmed" in texts(unsaid)["en"]
    assert "height 18 m" in "\n".join(head_lines(high, (), "en"))


def test_trades_are_named_in_words_and_by_id_and_by_id_alone_where_the_pack_has_no_words() -> None:
    said = texts(explained((PACK,), (GAS, WIND), code="02"))
    assert "持证（焊接与热切割 welding）" in said["zh"]
    assert "a certificate in welding and thermal cutting (welding)" in said["en"]
    bare = texts(explained((replace(PACK, trades=()),), (GAS, WIND), code="02"))
    assert "持证（welding）" in bare["zh"]
    assert "a certificate in welding," in bare["en"]


def test_without_a_gateway_that_answers_there_is_no_reading_and_the_words_say_why() -> None:
    area = explained((PACK,), (GAS, WIND), code="02")
    assert "no reading, the gateway does not answer" in texts(area, answers=False)["en"]
    assert "no reading, the gateway does not watch this permit" in texts(area)["en"]


def test_a_type_that_no_pack_knows_lets_nobody_in_and_a_version_to_come_is_announced() -> None:
    later = replace(PACK, version=3, since=PACK.since.replace(year=2030))
    area = explained((GENERAL, later), (GAS,), code="02")
    assert area.permit_type is None
    said = texts(area)
    assert "nobody enters on this permit" in said["en"]
    assert "gb30871/3 holds from 2030-10-01 00:00:00+08:00" in said["en"]
    assert "gb30871/3" in said["zh"]


def test_every_sentence_is_there_in_both_languages() -> None:
    assert _TEXT["zh"].keys() == _TEXT["en"].keys()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    return build_gateway(tmp_path_factory.mktemp("gateway"))


def test_a_permit_is_explained_from_the_files_of_a_gateway_that_does_not_run(kept: Gateway) -> None:
    result = found("explain", "P1", "--config", str(kept.config))
    assert (result["ok"], result["gateway_answers"], result["clock"]["source"]) == (True, False, None)
    (area,) = result["areas"]
    (condition,) = area["conditions"]
    assert (condition["rule"], condition["limit"], condition["highest_good"], condition["reading"]) == (
        "gb30871/2/combustible-lel-from-4",
        "0.5",
        100,
        None,
    )
    assert area["packs"] == ["gb30871/2"]
    assert condition["exactly"] == "10/1"
    assert {each["id"] for each in area["not_judged"]} >= {"approver-checks", "sample-points"}


@pytest.mark.parametrize(("name", "said"), [("P8", "area south is not one of this gateway"), ("P7", "permit_unknown")])
def test_a_permit_that_is_for_elsewhere_or_unknown_is_a_no(kept: Gateway, name: str, said: str) -> None:
    result = run("explain", name, "--config", str(kept.config))
    assert result.exit_code == 1
    assert said in result.output


def test_the_daemon_tells_each_condition_as_the_door_judges_it_and_what_the_work_keeps(tmp_path: Path) -> None:
    bench = begun_bench()
    asked = Requests(lambda: bench.state, lambda _: bench.now(), lambda _: True, tmp_path, lambda *_: None)  # type: ignore[arg-type,return-value]
    told = asked.handle({"do": "explain", "permit": "P1"})
    assert (told["running"], told["kept"]) == (True, ["gb30871/2"])
    readings = {each["interlock"]: (each["steps"], each["quality"], each["reason"]) for each in told["conditions"]}
    assert readings == {
        "gb30871/2/combustible-lel-from-4@gas1.gas": (30, "good", None),
        "gb30871/2/wind-hot-work@wind1.speed": (40, "good", None),
    }
    assert asked.handle({"do": "explain", "permit": "P9"})["conditions"] == []
