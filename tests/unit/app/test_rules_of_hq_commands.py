"""``rules …`` and ``check`` where HQ published: whose each version is, and what is not believed and why."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gateways import write_config
from packs import operation, version
from storages import AuthorityLog, open_authority, put, revoke

from edge import rules
from edge.__main__ import main

GENERAL = (Path(rules.__file__).parent / "gb46768.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    """HQ published 3 (good), 4 (laxer than a floor), 5 and revoked it, and a pack that no area here names."""
    folder = tmp_path_factory.mktemp("gateway")
    path = write_config(folder)
    (folder / "data").mkdir()
    writer, log = open_authority(folder / "data"), AuthorityLog()
    log.feed(
        writer,
        put("worker", "w1", 1, name="Li"),
        operation(version(3, "2026-12-01", "0.4"), "gb30871/3"),
        operation(version(4, "2026-12-02", "0.6"), "gb30871/4"),
        operation(version(5, "2026-12-03", "0.3"), "gb30871/5"),
        operation(
            GENERAL.replace("version = 1\n", "version = 2\n").replace('from = "2026-05-01"', 'from = "2027-05-01"', 1),
            "gb46768/2",
        ),
        revoke("rules", "gb30871/5"),
    )
    writer.close()
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def found(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def test_the_list_names_who_published_each_version_and_what_is_not_believed(config: str) -> None:
    listed = found("rules", "list", "--config", config)
    sources = {each["name"]: (each["source"], each["operation"], each["named"]) for each in listed["packs"]}
    assert sources == {
        "construction/1": ("package", None, False),
        "gb30871/2": ("package", None, True),
        "gb30871/3": ("hq", 1, True),
        "gb46768/1": ("package", None, False),
        "gb46768/2": ("hq", 4, False),
    }
    dates = {each["name"]: (each["from"], each["until"]) for each in listed["packs"]}
    assert dates["gb30871/2"] == ("2022-10-01", "2026-12-01")
    assert {each["name"]: each["verdict"] for each in listed["not_believed"]} == {
        "gb30871/4": "refused",
        "gb30871/5": "revoked",
    }
    text = run("rules", "list", "--config", config).stdout
    assert "published by HQ, operation 1 of its log" in text
    assert "no area of this gateway names it" in text
    assert "gb30871/4 [2]: 不可用，未采用 / REFUSED, does not speak" in text
    assert "laxer than the floor combustible" in text


def test_without_a_gateway_the_list_is_of_what_ships() -> None:
    listed = found("rules", "list")
    assert {each["source"] for each in listed["packs"]} == {"package"}
    assert {each["named"] for each in listed["packs"]} == {None}


def test_a_version_of_hq_is_shown_compared_and_counted_when_a_file_is_checked(config: str, tmp_path: Path) -> None:
    assert found("rules", "show", "gb30871", "--config", config)["version"] == 3
    assert "published by HQ" in run("rules", "show", "gb30871", "--version", "3", "--config", config).stdout
    assert "ships with the program" in run("rules", "show", "gb30871", "--version", "2", "--config", config).stdout
    changes = found("rules", "diff", "gb30871", "2", "3", "--config", config)["changes"]
    effects = {each["place"]: each["effect"] for each in changes}
    assert effects["rules[combustible-lel-from-4].limit"] == "stricter"
    path = tmp_path / "three.toml"
    path.write_text(version(3, "2027-01-01", "0.3"), encoding="utf-8")
    assert run("rules", "check", str(path)).exit_code == 0
    assert "is at hand already" in run("rules", "check", str(path), "--config", config).stderr
    assert run("rules", "show", "gb30871", "--version", "3").exit_code == 2


def test_check_says_what_became_of_each_and_refuses_no_configuration_for_it(config: str) -> None:
    told = run("check", "--config", config)
    assert told.exit_code == 0
    assert "gb30871/3 [1]: 已采用 / taken" in told.stdout
    assert "gb30871/4 [2]: 不可用" in told.stdout
    assert "gb46768/2 [4]: 已收存，本网关无区域使用" in told.stdout
    words = found("check", "--config", config)["hq_rules"]
    assert [(each["name"], each["verdict"]) for each in words] == [
        ("gb30871/3", "applied"),
        ("gb30871/4", "refused"),
        ("gb46768/2", "applied"),
        ("gb30871/5", "revoked"),
    ]


def test_a_damaged_cache_is_said_by_check_and_makes_no_configuration_unusable(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "authority.db").write_bytes(b"no database")
    told = run("check", "--config", str(path))
    assert told.exit_code == 0
    assert "HQ's rule packs cannot be read" in told.stdout
    assert run("rules", "list", "--config", str(path)).exit_code == 3


def test_a_configuration_that_cannot_be_used_is_a_usage_error(tmp_path: Path) -> None:
    assert run("rules", "list", "--config", str(tmp_path / "none.toml")).exit_code == 2
