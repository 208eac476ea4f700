"""What is shown to people is documented, and the documents say what the code does.

``python tests/unit/test_documentation.py`` writes ``edge/REASONS.md``, ``edge/COMMANDS.md`` and ``sync/RECORDS.md``
anew from the code.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from edge.__main__ import main
from edge.app.entry_words import KINDS
from edge.core.doors import Effect
from edge.core.reasons import WORDS, Reason, Words
from edge.runtime.request_answers import ACT_WORDS
from sync.formats.record_fields import (
    Choice,
    Field,
    FieldType,
    Flag,
    Hexadecimal,
    Identifier,
    Instant,
    ListOf,
    Text,
    Whole,
)
from sync.formats.record_tables import RECORDS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "edge" / "REASONS.md"
COMMANDS_PAGE = ROOT / "edge" / "COMMANDS.md"
RECORDS_PAGE = ROOT / "sync" / "RECORDS.md"

_HEAD = """# Reasons and entries

Codes are stable: scripts, HQ and inspectors rely on them. None is ever renamed or used for something else.
This page is written from the code (`edge/core/reasons.py`, `edge/app/entry_words.py`); a test keeps it true.
"""
_REASONS = """
## Reasons at the door

In deny-first order: of all reasons that fail, the first one in this table is shown; the journal holds every one.
"""
_ACTS = """
## Answers to a person's act

What `permitgate permit confirm|retest|release`, `override make|lift`, `door acknowledge` and `area lockdown|release`
say besides the reasons above.
"""
_ENTRIES = """
## Kinds of journal entries
"""

_PREFIXES = sorted({kind.partition(".")[0] for kind in KINDS})
_KIND = re.compile(rf"(?:{'|'.join(_PREFIXES)})\.[a-z_]+")
# What begins as a kind of entry does, and is none: file and record names.
_NO_KINDS = {"authority.db", "journal.db", "telemetry.db", "log.key", "log.pruned", "hq.example"}


def _table(rows: list[tuple[str, str, str]]) -> str:
    return "\n".join(["| code | zh | en |", "|---|---|---|", *(f"| `{a}` | {b} | {c} |" for a, b, c in rows)]) + "\n"


def _rows(words: dict[str, Words]) -> list[tuple[str, str, str]]:
    return [(code, each.zh, each.en) for code, each in words.items()]


def page() -> str:
    """The whole of edge/REASONS.md."""
    reasons = _table(_rows({reason.value: WORDS[reason] for reason in Reason}))
    acts = _table([(code, zh, en) for code, (zh, en) in sorted(ACT_WORDS.items())])
    kinds = _table(_rows(dict(sorted(KINDS.items()))))
    return f"{_HEAD}{_REASONS}\n{reasons}{_ACTS}\n{acts}{_ENTRIES}\n{kinds}"


def test_every_reason_and_kind_of_entry_is_on_its_page_in_both_languages() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/unit/test_documentation.py"


def _literals() -> Iterator[tuple[str, str]]:
    """(file, text) of every literal in the code that authors entries."""
    for folder in ("core", "storage", "runtime", "app"):
        for path in sorted((ROOT / "edge" / folder).glob("*.py")):
            if path.name == "entry_words.py":
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield path.name, node.value


def test_every_kind_that_the_code_names_has_words() -> None:
    unknown = {
        (file, text)
        for file, text in _literals()
        if _KIND.fullmatch(text) and text not in KINDS and text not in _NO_KINDS
    }
    assert not unknown


def test_every_kind_with_words_is_one_that_the_code_writes() -> None:
    written = {text for _, text in _literals()}
    written |= {f"door.{effect.value}" for effect in Effect}
    written |= {"reader.lost", "reader.back", "link.up", "link.down"}
    assert set(KINDS) <= written


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _commands(inner, (*path, name))


COMMANDS = dict(_commands(main))

_COMMANDS_HEAD = """# Commands

Names, options and exit codes are stable: scripts rely on them. Exit codes: 0 ok, 1 the answer is no, 2 usage or
configuration, 3 could not run. This page is written from the code (`edge/__main__.py`, `edge/app/*_group.py`); a test
keeps it true.
"""


def _said(parameter: click.Parameter) -> str:
    """One line on a parameter: how it is written, what it means, whether it must be there, what it is otherwise."""
    if isinstance(parameter, click.Argument):
        choices = f": {' '.join(parameter.type.choices)}" if isinstance(parameter.type, click.Choice) else ""
        needed = "" if parameter.required else ", may be left out"
        return f"- `{(parameter.name or '').upper()}`{choices}{needed}"
    assert isinstance(parameter, click.Option)
    value = "" if parameter.is_flag else " " + (parameter.metavar or (parameter.name or "").upper())
    notes = ["required"] if parameter.required else []
    notes += [f"default {parameter.default}"] if parameter.show_default else []
    notes += [f"environment {parameter.envvar}"] if parameter.show_envvar else []
    notes += ["may be repeated"] if parameter.multiple else []
    return f"- `{', '.join(parameter.opts)}{value}`: {parameter.help}" + (f" ({'; '.join(notes)})" if notes else "")


def commands_page() -> str:
    """The whole of edge/COMMANDS.md."""
    parts = [_COMMANDS_HEAD]
    for path, command in COMMANDS.items():
        if isinstance(command, click.Group):
            continue
        lines = [f"## permitgate {' '.join(path)}", "", " ".join((command.help or "").split()), ""]
        lines += [_said(each) for each in command.params]
        parts.append("\n".join(lines).rstrip() + "\n")
    return "\n".join(parts)


_RECORDS_HEAD = """# Records

What HQ says of each kind of record: the fields of `rec` in a line of `permitgate hq import`, such as those of
`hil/example_records.jsonl`. In a file times are RFC 3339 or UTC milliseconds; in the log they are milliseconds.
`permitgate hq import --schema` prints the same as JSON Schema. This page is written from the code
(`sync/formats/record_tables.py`); a test keeps it true. A gateway freezes what it does not know: bring gateways up to
date before HQ says a new field.
"""


def _value(kind: FieldType) -> str:
    """What a field may hold, in a few words."""
    match kind:
        case Text(longest):
            return f"text, at most {longest}"
        case Identifier(longest):
            return f"id, at most {longest}"
        case Hexadecimal(least, most):
            return f"{least} bytes in hex" if least == most else f"{least} to {most} bytes in hex"
        case Whole(least, most):
            return f"{least} to {most}"
        case Flag():
            return "true, false"
        case Choice(words):
            return ", ".join(f"`{word}`" for word in words)
        case Instant():
            return "time"
        case ListOf(item, least, most):
            return f"{least} to {most}: {_value(item)}"
    return "text"


def _field_row(name: str, field: Field) -> str:
    return f"| `{name}` | {'' if field.required else 'may be left out'} | {_value(field.type)} | {field.words} |"


def records_page() -> str:
    """The whole of sync/RECORDS.md."""
    parts = [_RECORDS_HEAD]
    for kind, table in RECORDS.items():
        rows = [_field_row(name, field) for name, field in table.items()]
        parts.append(
            "\n".join([f"## {kind.value}", "", "| field | | value | meaning |", "|---|---|---|---|", *rows]) + "\n"
        )
    return "\n".join(parts)


def test_every_field_of_a_record_is_explained_and_on_its_page() -> None:
    unexplained = [
        (kind.value, name) for kind, table in RECORDS.items() for name, each in table.items() if not each.words
    ]
    assert not unexplained
    assert RECORDS_PAGE.read_text(encoding="utf-8") == records_page(), "run: python tests/unit/test_documentation.py"


def test_every_command_and_option_is_on_its_page() -> None:
    assert COMMANDS_PAGE.read_text(encoding="utf-8") == commands_page(), "run: python tests/unit/test_documentation.py"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_each_of_its_options(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    shown = CliRunner().invoke(main, [*path, "--help"])
    assert shown.exit_code == 0
    assert command.help
    unexplained = [
        each.name for each in command.params if isinstance(each, click.Option) and not each.help and not each.hidden
    ]
    assert not unexplained


def test_every_command_answers_machines_too() -> None:
    without = [
        path
        for path, command in COMMANDS.items()
        if not isinstance(command, click.Group) and not any("--json" in each.opts for each in command.params)
    ]
    assert not without


def test_an_unknown_command_or_option_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["no-such-command"]).exit_code == 2
    assert CliRunner().invoke(main, ["journal", "verify", "--no-such-option"]).exit_code == 2


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    COMMANDS_PAGE.write_text(commands_page(), encoding="utf-8")
    RECORDS_PAGE.write_text(records_page(), encoding="utf-8")
