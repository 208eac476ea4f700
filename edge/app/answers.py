"""How commands answer: words for people, JSON for machines, exit codes that scripts rely on."""

import codecs
import errno
import io
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click
import orjson

from edge.ports.errors import ConfigurationError, PermitgateError, RefusedError, StoreError
from sync.formats.errors import FormatError
from sync.hq.refusals import Refusal, RefusalCode

OK, NO, USAGE, COULD_NOT = 0, 1, 2, 3
"""Exit codes: ok, the answer is no, usage or configuration, could not run."""

_NO_CODES = frozenset({RefusalCode.OPERATION, RefusalCode.BADGE, RefusalCode.UNKNOWN})
"""What HQ's operator asked for, and HQ's records do not allow."""

_REMEDIES = {
    errno.ENOENT: "check the name",
    errno.EACCES: "run it as a user that may, such as the owner of the file",
    errno.EPERM: "run it as a user that may, such as the owner of the file",
    errno.EROFS: "choose a place that can be written",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.ENOSPC: "free disk space",
    errno.EDQUOT: "free disk space",
    errno.EBADF: "give a standard output, or --json FILE",
}
_ANY_REMEDY = "check that it may be read and written here, and nothing is in its place"


class NamedPath(click.Path):
    """A file or folder by its name. An empty name, which would mean the working directory, is a usage error."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, if the name is one."""
        if not os.fspath(value):
            self.fail("the name is empty", param, ctx)
        if not _is_text(os.fspath(value)):
            self.fail(f"{os.fspath(value)!a} is not UTF-8 text", param, ctx)
        return super().convert(value, param, ctx)


class ReportPlace(click.ParamType[str]):
    """Where ``--json`` writes: ``-`` or a file. One that cannot be written is refused before anything is done."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The place as given. Raises RefusedError."""
        text = str(value)
        if not text:
            self.fail("the name is empty", param, ctx)
        if text != "-":
            _check_report(Path(text))
        return text


def _check_report(path: Path) -> None:
    folder = path.absolute().parent
    if not folder.is_dir():
        raise RefusedError(f"--json {path}: there is no such folder; make it first")
    if path.is_dir():
        raise RefusedError(f"--json {path}: is a folder; name a file")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise RefusedError(f"--json {path}: may not be written by this user; choose another file")


CONFIG_DEFAULT = Path("/etc/permitgate/permitgate.toml")


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--json [FILE]``: the answer as JSON, to standard output or to a file."""
    option = click.option(
        "--json",
        "json_to",
        type=ReportPlace(),
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
        type=NamedPath(dir_okay=False, path_type=Path),
        default=CONFIG_DEFAULT,
        show_default=True,
        envvar="PERMITGATE_CONFIG",
        show_envvar=True,
        help="The gateway's configuration.",
    )
    return option(function)


def gateway_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--config FILE`` of a command that needs no gateway: with one, what HQ published to it counts as well."""
    option = click.option(
        "--config",
        "config_path",
        type=NamedPath(dir_okay=False, path_type=Path),
        envvar="PERMITGATE_CONFIG",
        show_envvar=True,
        help=f"A gateway whose HQ's packs count too.  [default: {CONFIG_DEFAULT}, if it is there]",
    )
    return option(function)


def hq_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--dir DIR``: HQ's folder."""
    option = click.option(
        "--dir",
        "folder",
        type=NamedPath(file_okay=False, path_type=Path),
        default=Path("/var/lib/permitgate-hq"),
        show_default=True,
        envvar="PERMITGATE_HQ_DIR",
        show_envvar=True,
        help="HQ's folder.",
    )
    return option(function)


def answer(result: Mapping[str, Any], json_to: str | None, say: Callable[[], None], ok: bool = True) -> NoReturn:
    """Give the answer in the form asked for and end: 0, or 1 when the answer is no, also to one who left early."""
    try:
        write_json(result, json_to)
        if json_to != "-":
            say()
    except BrokenPipeError:
        _let_go_of_output()
    sys.exit(OK if ok else NO)


def write_json(result: Mapping[str, Any], json_to: str | None) -> None:
    """Write the JSON form to where it was asked for, if it was. Raises StoreError, or OSError without an output."""
    if json_to is None:
        return
    data = orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if json_to != "-":
        write_file(Path(json_to), data)
        return
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def write_file(path: Path, data: bytes) -> None:
    """Write a file that a person named. Raises StoreError with its name and the remedy."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise StoreError(_trouble(str(path), error)) from None


def fail(error: Exception) -> NoReturn:
    """Say an error of ours and end with the code that fits it; never a traceback."""
    click.echo(_in_words(error), err=True)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _let_go_of_output()
    if isinstance(error, Refusal) and error.code in _NO_CODES:
        sys.exit(NO)
    sys.exit(USAGE if isinstance(error, ConfigurationError) else COULD_NOT)


def _in_words(error: Exception) -> str:
    """The machine's errors name their file; ours are words already."""
    if not isinstance(error, OSError):
        return str(error)
    return _trouble("permitgate" if error.filename is None else os.fsdecode(error.filename), error)


def program() -> str:
    """How whoever started this command starts another from where they are: by its name only if a shell finds it so."""
    started = Path(sys.argv[0])
    if started.name != "permitgate":
        return f"{sys.executable} -m edge" if started.name == "__main__.py" else "permitgate"
    found = shutil.which("permitgate")
    return "permitgate" if found is not None and os.path.realpath(found) == os.path.realpath(started) else str(started)


def _trouble(place: str, error: OSError) -> str:
    return f"{place}: {error.strerror or error}: {_REMEDIES.get(error.errno or 0, _ANY_REMEDY)}"


def _is_text(value: str | bytes) -> bool:
    return isinstance(value, bytes) or value.isascii() or value.encode(errors="replace").decode() == value


def _let_go_of_output() -> None:
    """Whoever read our output has seen enough (`| head`), or it takes no more. What is still buffered goes nowhere.

    Else the interpreter tries once more when it ends, and makes 120 of the exit code.
    """
    if sys.stdout is None:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _prepare_output() -> None:
    """Words in Chinese must not end a command: UTF-8 where only ASCII is announced, escapes where even that fails."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            plain = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if plain else None, errors="backslashreplace")


class Commands(click.Group):
    """A group whose commands end in words, whatever goes wrong in a way that was foreseen."""

    def main(self, *arguments: Any, **named: Any) -> Any:
        """As click's; an output that cannot take even the help text is said."""
        _prepare_output()
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            named.setdefault("color", False)
        try:
            return super().main(*arguments, **named)
        except OSError as error:
            fail(error)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's; an argument that is no text is a usage error."""
        for each in args:
            if not _is_text(each):
                raise click.UsageError(f"{each!a} is not UTF-8 text", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors of ours and of the machine are said, not shown as tracebacks."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _let_go_of_output()
            sys.exit(COULD_NOT)
        except KeyboardInterrupt:
            click.echo("broken off / 已中断", err=True)
            sys.exit(COULD_NOT)
        except (PermitgateError, FormatError, Refusal, OSError) as error:
            fail(error)
