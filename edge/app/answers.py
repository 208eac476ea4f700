"""How commands answer: words for people, JSON for machines, exit codes that scripts rely on."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click
import orjson

from edge.ports.errors import ConfigurationError, PermitgateError, UnusableError
from sync.formats.errors import FormatError
from sync.hq.refusals import Refusal

OK, NO, USAGE, COULD_NOT = 0, 1, 2, 3
"""Exit codes: ok, the answer is no, usage or configuration, could not run."""


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--json [FILE]``: the answer as JSON, to standard output or to a file."""
    option = click.option(
        "--json",
        "json_to",
        is_flag=False,
        flag_value="-",
        default=None,
        metavar="[FILE]",
        help="Answer as JSON, on standard output or into FILE.",
    )
    return option(function)


def config_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--config FILE``: the gateway's configuration."""
    option = click.option(
        "--config",
        "config_path",
        type=click.Path(dir_okay=False, path_type=Path),
        default=Path("/etc/permitgate/permitgate.toml"),
        show_default=True,
        envvar="PERMITGATE_CONFIG",
        show_envvar=True,
        help="The gateway's configuration.",
    )
    return option(function)


def hq_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--dir DIR``: HQ's folder."""
    option = click.option(
        "--dir",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("/var/lib/permitgate-hq"),
        show_default=True,
        envvar="PERMITGATE_HQ_DIR",
        show_envvar=True,
        help="HQ's folder.",
    )
    return option(function)


def answer(result: Mapping[str, Any], json_to: str | None, say: Callable[[], None], ok: bool = True) -> NoReturn:
    """Give the answer in the form asked for and end: 0, or 1 when the answer is no."""
    write_json(result, json_to)
    if json_to != "-":
        say()
    sys.exit(OK if ok else NO)


def write_json(result: Mapping[str, Any], json_to: str | None) -> None:
    """Write the JSON form to where it was asked for, if it was."""
    if json_to is None:
        return
    data = orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if json_to == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        Path(json_to).write_bytes(data)
    except OSError as error:
        raise UnusableError(f"--json {json_to}: cannot be written: {error.strerror}") from None


def fail(error: Exception) -> NoReturn:
    """Say an error of ours and end with the code that fits it; never a traceback."""
    click.echo(_in_words(error), err=True)
    sys.exit(USAGE if isinstance(error, ConfigurationError) else COULD_NOT)


def _in_words(error: Exception) -> str:
    """The machine's errors name their file; ours are words already."""
    if not isinstance(error, OSError) or error.filename is None:
        return str(error)
    return (
        f"{error.filename}: {error.strerror}: check that it may be read and written here, and nothing is in its place"
    )


class Commands(click.Group):
    """A group whose commands end in words, whatever goes wrong in a way that was foreseen."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors of ours and of the machine are said, not shown as tracebacks."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read our output has seen enough (`| head`). Nothing more can be said to them.
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - must stay open until the interpreter ends
            sys.exit(OK)
        except (PermitgateError, FormatError, Refusal, OSError) as error:
            fail(error)
