"""Whatever is typed and wherever the answer goes: words and the right exit code, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from edge.__main__ import main
from edge.app import answers
from edge.app.answers import Commands, program
from edge.ports.errors import StoreError
from sync.hq.refusals import Refusal, RefusalCode


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def ended_by(error: BaseException) -> Result:
    """How a command ends in which this happens."""

    @click.group(cls=Commands)
    def group() -> None:
        """A group."""

    @group.command()
    def breaks() -> None:
        raise error

    return CliRunner().invoke(group, ["breaks"])


EMPTY = {
    "--config": ("check", "--config", ""),
    "--out": ("permit", "pack", "P1", "--out", ""),
    "--tiles": ("journal", "export", "--tiles", ""),
    "--dir": ("hq", "init", "--dir", "", "--site", "s", "--organisation", "a.b", "--gateway", "g"),
    "PATH": ("pack", "verify", ""),
    "--json": ("check", "--json", ""),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_name_is_a_usage_error_and_never_the_working_directory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*EMPTY[name])
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert name in result.stderr
    assert "empty" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("permit", "ready", "\udcff"),
        ("journal", "search", "--kind", "\udcff\udcfe"),
        ("hq", "serve", "--host", "\udcff"),
        ("journal", "replay", "--journal", "\udcff"),
    ],
)
def test_an_argument_that_is_no_text_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "is not UTF-8 text" in result.stderr


def test_a_name_from_the_environment_must_be_text_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERMITGATE_CONFIG", os.fsdecode(b"/tmp/\xff.toml"))
    result = run("check")
    assert result.exit_code == 2
    assert "is not UTF-8 text" in result.stderr


def test_a_report_that_cannot_be_written_is_said_before_anything_is_done(tmp_path: Path) -> None:
    for place, words in ((tmp_path / "no" / "x.json", "no such folder"), (tmp_path, "is a folder")):
        folder = tmp_path / "hq"
        names = ("--site", "s014", "--organisation", "pg.example.org", "--gateway", "gw1")
        result = run("hq", "init", "--dir", str(folder), *names, "--json", str(place))
        assert result.exit_code == 3
        assert words in result.stderr
        assert not folder.exists()


def test_a_report_that_no_longer_fits_is_no_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"x\.json: No space left on device: free disk space"):
        answers.write_json({"ok": True}, str(tmp_path / "x.json"))


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 3, "broken off"),
        (BrokenPipeError(), 3, ""),
        (
            FileNotFoundError(2, "No such file or directory", "x.pgpack"),
            3,
            "x.pgpack: No such file or directory: check",
        ),
        (OSError(28, "No space left on device"), 3, "No space left on device: free disk space"),
        (Refusal(RefusalCode.BADGE, "worker w: unknown"), 1, "worker w: unknown"),
        (Refusal(RefusalCode.SETTING, "hq.json: missing"), 3, "hq.json: missing"),
    ],
)
def test_what_goes_wrong_is_said_with_its_exit_code(
    error: BaseException, code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_let_go_of_output", lambda: None)
    result = ended_by(error)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_who_stops_reading_gets_the_answer_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_let_go_of_output", lambda: None)

    def leave() -> None:
        raise BrokenPipeError

    for ok, code in ((True, 0), (False, 1)):
        with pytest.raises(SystemExit) as ended:
            answers.answer({"ok": ok}, None, leave, ok=ok)
        assert ended.value.code == code


def shell(command: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """A command line in a shell, where P is our command."""
    env = {**os.environ, "P": f"{sys.executable} -P -m edge", **environment}
    env.pop("PYTHONUNBUFFERED", None)  # what is buffered is written again at the end
    return subprocess.run(["sh", "-c", command], env=env, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("$P --help >/dev/full", 3),
        ("$P rules list >/dev/full", 3),
        ("$P check --config x --json >&-", 3),
        ("$P hq import --schema >&-", 0),
    ],
)
def test_an_output_that_is_closed_or_full_is_no_traceback(command: str, code: int) -> None:
    done = shell(command)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr


def test_chinese_words_come_out_where_only_ascii_is_announced() -> None:
    done = shell("$P check --config none.toml; $P hq import --schema", PYTHONIOENCODING="ascii")
    assert b"Traceback" not in done.stdout + done.stderr
    assert done.returncode == 0


def test_next_commands_are_shown_as_they_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "permitgate"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(command), "demo"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == str(command)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == "permitgate"
    monkeypatch.setattr(sys, "argv", ["/x/edge/__main__.py"])
    assert program() == f"{sys.executable} -m edge"
