"""Nothing in the README, the wiring page, the decisions or the changelog names what is not there."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from edge.__main__ import main
from edge.config import load

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = (README, ROOT / "drivers/lock/WIRING.md", ROOT / "edge/DECISIONS.md", ROOT / "CHANGELOG.md")

_TOPS = {"edge", "drivers", "sync", "hil", "systemd", "tests"}
_MADE_ON_SITE = {"DIR", "FILE"}


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> Iterator[str]:
    """Lines of the page's code blocks."""
    for block in re.findall(r"(?ms)^```[a-z]*\n(.*?)^```", text(page)):
        yield from block.splitlines()


def spans(page: Path) -> list[str]:
    """What stands between single backquotes outside code blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", text(page)))


def command_lines(page: Path) -> list[str]:
    """Every permitgate command that the page tells somebody to run."""
    lines = (line.removeprefix("sudo -u permitgate ") for line in blocks(page))
    found = [line for line in lines if line.startswith("permitgate ")]
    return found + [span for span in spans(page) if span.startswith("permitgate ") and "|" not in span]


def targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z]+):.*##", text(ROOT / "Makefile")))


def problem(line: str) -> str | None:
    """What is wrong with a command line: an unknown command, option or a missing argument; None: nothing."""
    words = shlex.split(line.partition(" #")[0])[1:]
    command: click.Command = main
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        if name not in command.commands:
            return f"no command {name!r}"
        command = command.commands[name]
    return None if isinstance(command, click.Group) else _arguments(command, words)


def _arguments(command: click.Command, words: list[str]) -> str | None:
    whole = any(isinstance(each, click.Argument) and each.required for each in command.params) and bool(words)
    try:
        command.make_context(command.name, list(words), resilient_parsing=not whole)
    except click.exceptions.Exit:
        return None
    except click.UsageError as error:
        return error.format_message()
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    return next((f"no option {word}" for word in words if word.startswith("--") and word not in known), None)


ALL_LINES = [(page.name, line) for page in PAGES for line in command_lines(page)]


@pytest.mark.parametrize(("page", "line"), ALL_LINES, ids=lambda value: value[:40])
def test_every_command_that_is_shown_exists_with_its_options(page: str, line: str) -> None:
    assert problem(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "permitgate opendoor",
        "permitgate journal burn",
        "permitgate run --config F --fast",
        "permitgate hq freeze planet P --by A --reason B",
        "permitgate pack verify a b",
    ],
)
def test_a_command_that_does_not_exist_would_be_noticed(line: str) -> None:
    assert problem(line) is not None


def test_the_commands_of_a_site_are_shown_in_full() -> None:
    shown = {line.split()[1] for line in command_lines(README)}
    assert set(main.commands) <= shown


def test_every_make_target_that_is_named_exists() -> None:
    named = {
        words.split()[1]
        for page in PAGES
        for words in (*blocks(page), *spans(page))
        if words.startswith("make ") and len(words.split()) > 1
    }
    assert {"demo", "test"} <= named <= targets()


@cache
def _everything() -> frozenset[str]:
    """Every name a page may use for a file of the repository."""
    return frozenset(str(path.relative_to(ROOT)) for top in _TOPS for path in (ROOT / top).rglob("*"))


def _paths(page: Path) -> Iterator[str]:
    yield from re.findall(r"\]\(([^)#:]+)\)", text(page))
    for span in spans(page):
        for word in span.split():
            bare = word.rstrip("/,.:")
            in_tree = bare.split("/")[0] in _TOPS and re.fullmatch(r"[A-Za-z0-9_./-]+", bare)
            at_root = re.fullmatch(r"[A-Za-z][A-Za-z.]+\.(md|py|toml)", bare) and "/" not in bare
            if (in_tree or at_root) and bare not in _MADE_ON_SITE:
                yield bare


def test_every_file_and_folder_that_is_named_exists() -> None:
    missing = [
        f"{page.name}: {path}"
        for page in PAGES
        for path in _paths(page)
        if not ((ROOT / path).exists() or (page.parent / path).exists() or path == "gateway.toml")
    ]
    assert not missing
    named = {path for page in PAGES for path in _paths(page)}
    assert len(named) > 15
    assert {"edge/REASONS.md", "config.example.toml"} <= named
    assert "hil/example_records.jsonl" in _everything()


def test_the_paths_of_an_installation_are_those_of_unit_and_configuration() -> None:
    unit, config = text(ROOT / "systemd/permitgate.service"), load(ROOT / "config.example.toml")
    default = next(each.default for each in main.commands["run"].params if each.name == "config_path")
    assert f"--config {default}" in unit
    for page in (README, ROOT / "systemd/install.sh", ROOT / "config.example.toml"):
        assert str(default) in text(page), page.name
    assert f"`{config.gateway.data_dir}`" in text(README)
    assert f"StateDirectory={config.gateway.data_dir.name}" in unit
    assert f"RuntimeDirectory={config.gateway.run_dir.name}" in unit


def test_what_the_readme_counts_is_what_the_code_does() -> None:
    from edge.app.answers import COULD_NOT, NO, OK, USAGE

    policy = load(ROOT / "config.example.toml").policy
    assert f"| {policy.rows_kept_days} days |" in text(README)
    assert f"{OK} ok, {NO} the answer is no, {USAGE} usage or configuration, {COULD_NOT} could not run" in text(README)
    versions = re.search(r'python_requires=">=3\.(\d+),<3\.(\d+)"', text(ROOT / "setup.py"))
    assert versions is not None
    first, after = map(int, versions.groups())
    listed = [f"3.{minor}" for minor in range(first, after)]
    assert f"Python {', '.join(listed[:-1])} or {listed[-1]}" in text(README)


def test_decisions_are_numbered_without_gap_and_dated() -> None:
    page = text(ROOT / "edge/DECISIONS.md")
    numbers = [int(number) for number in re.findall(r"(?m)^\*\*(\d+)\. ", page)]
    assert numbers == list(range(1, len(numbers) + 1))
    dated = re.findall(r"(?m)^\*\*\d+\. (?:(?!^$).)*?\(20\d\d-\d\d-\d\d\)", page, re.DOTALL)
    assert len(dated) == len(numbers)


def test_the_licence_is_the_one_that_is_named() -> None:
    assert text(ROOT / "LICENSE").startswith("European Union Public Licence\nV. 1.1")
    assert 'license="EUPL-1.1"' in text(ROOT / "setup.py")
    assert "EUPL-1.1" in text(README)
