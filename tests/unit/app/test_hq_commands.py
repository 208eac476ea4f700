"""What HQ's operator is told: ids that nobody knows, names that no gateway can have, reasons that say nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge.__main__ import main

NAMES = ("--site", "s014", "--organisation", "pg.example.org", "--gateway", "gw1")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def answer(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """``--dir`` of an HQ that knows one worker."""
    folder = tmp_path_factory.mktemp("hq")
    where = ("--dir", str(folder / "hq"))
    assert run("hq", "init", *where, *NAMES).exit_code == 0
    line = {"v": 1, "op": "put", "k": "worker", "id": "w1", "rev": 1, "rec": {"name": "李"}}
    (folder / "in.jsonl").write_text(json.dumps(line), encoding="utf-8")
    assert run("hq", "import", *where, str(folder / "in.jsonl")).exit_code == 0
    return where


def test_a_freeze_of_something_that_hq_never_heard_of_is_made_and_said(place: tuple[str, str]) -> None:
    said = ("--by", "duty", "--reason", "smell")
    assert answer("hq", "freeze", "worker", "w1", *said, *place)["known"]
    assert answer("hq", "freeze", "site", "s014", *said, *place)["known"]
    assert not answer("hq", "freeze", "worker", "w2", *said, *place)["known"]
    shown = run("hq", "freeze", "permit", "PTW-TYPO", *said, *place)
    assert shown.exit_code == 0
    assert "HQ has no permit PTW-TYPO: check the id" in shown.stderr


def test_a_release_says_which_freezes_were_not_hqs_own_or_released_before(place: tuple[str, str]) -> None:
    freeze = answer("hq", "freeze", "worker", "w1", "--by", "duty", "--reason", "smell", *place)["freeze"]
    first = answer("hq", "release", freeze, "typo", "--by", "duty", *place)
    assert (first["foreign"], first["again"]) == (["typo"], [])
    assert answer("hq", "release", freeze, "--by", "duty", *place)["again"] == [freeze]
    assert "no freeze of HQ's own" in run("hq", "release", "typo-2", "--by", "duty", *place).stdout


def test_a_revocation_of_something_unknown_is_said(place: tuple[str, str]) -> None:
    found = answer("hq", "revoke", "cert", "c-typo", "--reason", "old", *place)
    assert (found["new"], found["known"]) == (True, False)


@pytest.mark.parametrize("reason", ["", " ", "a\x1b[2Jb", "two\nlines", "\x9b31m"])
def test_a_reason_that_says_nothing_or_moves_the_cursor_is_a_usage_error(place: tuple[str, str], reason: str) -> None:
    for command in (("freeze", "worker", "w1", "--by", "duty"), ("revoke", "worker", "w1")):
        assert run("hq", *command, "--reason", reason, *place).exit_code == 2


def test_what_is_asked_wrongly_is_2_and_what_records_do_not_allow_is_1(place: tuple[str, str], tmp_path: Path) -> None:
    def badge(worker: str, uid: str) -> int:
        names = ("--worker", worker, "--permit", "P1", "--uid", uid, "--ndef", str(tmp_path / "x.ndef"))
        return run("badge", "issue", *names, *place).exit_code

    assert badge("w1", "04a1") == 2
    assert badge("w1", "04a1b2c3d4e5f6") == 1
    assert badge("nobody", "04a1b2c3d4e5f6") == 1
    assert not (tmp_path / "x.ndef").exists()


@pytest.mark.parametrize(
    "names",
    [
        ("--site", "S014", "--organisation", "pg.example.org", "--gateway", "gw1"),
        ("--site", "s014", "--organisation", "PG", "--gateway", "gw1"),
        ("--site", "s014", "--organisation", "pg.example.org", "--gateway", "GW 1"),
    ],
)
def test_names_that_no_gateway_could_be_configured_with_are_a_usage_error(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    result = run("hq", "init", "--dir", str(tmp_path / "hq"), *names)
    assert result.exit_code == 2
    assert "give" in result.stderr
    assert not (tmp_path / "hq").exists()


def test_a_host_that_is_named_later_is_in_the_certificate_too(tmp_path: Path) -> None:
    where = ("--dir", str(tmp_path / "hq"))
    first = answer("hq", "init", *where, *NAMES, "--host", "hq.example.org")
    authority = (tmp_path / "hq" / "tls" / "ca.pem").read_bytes()
    again = answer("hq", "init", *where, *NAMES, "--host", "10.1.2.3", "--host", "hq.example.org")
    assert set(first["hosts"]) == {"hq.example.org", "localhost", "127.0.0.1"}
    assert set(again["hosts"]) == {"hq.example.org", "10.1.2.3", "localhost", "127.0.0.1"}
    assert (tmp_path / "hq" / "tls" / "ca.pem").read_bytes() == authority


def test_a_wrong_file_is_not_told_line_by_line_without_end(place: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "wrong.txt"
    path.write_text("nonsense\n" * 300, encoding="utf-8")
    result = run("hq", "import", str(path), *place)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 52
    assert "250 more" in result.stdout
    assert len(answer("hq", "import", str(path), *place)["refused"]) == 300


def test_the_schema_goes_where_json_goes(tmp_path: Path) -> None:
    assert run("hq", "import", "--schema", "--json", str(tmp_path / "s.json")).exit_code == 0
    assert json.loads((tmp_path / "s.json").read_bytes()) == answer("hq", "import", "--schema")


@pytest.mark.parametrize(
    ("option", "value"), [("--hq", "http://hq"), ("--hq", "https://hq:99999"), ("--code", "pg1-x")]
)
def test_an_enrolment_that_cannot_be_meant_is_a_usage_error(option: str, value: str, tmp_path: Path) -> None:
    good = {"--hq": "https://hq.example.org:8443", "--code": "pg1-" + "a" * 56, option: value}
    asked = [each for pair in good.items() for each in pair]
    result = run("enrol", "--config", str(tmp_path / "none.toml"), *asked)
    assert result.exit_code == 2
    assert option in result.stderr
