"""Commands that ask a running gateway: photos that only the asker may read, answers of other versions, errors."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gateways import write_config

from edge.__main__ import main
from edge.ports.errors import TransientError
from edge.runtime.control import ControlServer
from edge.runtime.request_checks import attached_bytes

pytestmark = pytest.mark.system

Answer = Callable[[Mapping[str, Any], int | None], Mapping[str, Any]]
ACT = ("permit", "confirm", "P1", "--by", "g1", "--reason", "seen")
JPEG = b"\xff\xd8\xff" + bytes(range(256)) * 400


class Told:
    """A gateway in name only: keeps what it is told, and answers what it was given."""

    def __init__(self, folder: Path) -> None:
        self.config = write_config(folder)
        self.answer: Mapping[str, Any] | Exception = {"ok": True, "entry": 7, "reasons": []}
        self.messages: list[Mapping[str, Any]] = []
        self.photos: list[bytes] = []
        self.server = ControlServer(folder / "run" / "control.sock", self._handle)
        self.server.start()

    def _handle(self, message: Mapping[str, Any], attached: int | None) -> Mapping[str, Any]:
        self.messages.append(message)
        if attached is not None:
            self.photos.append(attached_bytes(attached, "photo"))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, [*arguments, "--config", str(self.config)])


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    gateway = Told(tmp_path)
    yield gateway
    gateway.server.stop()


def test_a_photo_travels_as_an_open_file_not_as_a_name(told: Told, tmp_path: Path) -> None:
    path = tmp_path / "seen.jpg"
    path.write_bytes(JPEG)
    result = told.run(*ACT, "--photo", str(path))
    assert result.exit_code == 0, result.output
    assert told.photos == [JPEG]
    assert str(path) not in str(told.messages)


@pytest.mark.parametrize(("content", "words"), [(b"no photo", "JPEG or PNG"), (b"\xff\xd8\xff" * 6_000_000, "at most")])
def test_what_is_no_photo_is_refused_before_the_gateway_is_asked(
    told: Told, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "x").write_bytes(content)
    result = told.run(*ACT, "--photo", str(tmp_path / "x"))
    assert result.exit_code == 2
    assert words in result.stderr
    assert told.messages == []


def test_a_photo_that_is_not_there_is_named(told: Told, tmp_path: Path) -> None:
    result = told.run(*ACT, "--photo", str(tmp_path / "none.jpg"))
    assert result.exit_code == 3
    assert "none.jpg" in result.stderr


def test_a_reason_that_a_terminal_would_obey_is_a_usage_error(told: Told) -> None:
    result = told.run("permit", "release", "P1", "--by", "g1", "--reason", "a\x1b[2Jb")
    assert result.exit_code == 2
    assert told.messages == []


def test_a_gateway_that_could_not_is_3_and_no_no(told: Told) -> None:
    told.answer = TransientError("the controller did not answer in time: try again")
    for command in (("permit", "ready", "P1"), ACT, ("status",), ("sync", "now")):
        result = told.run(*command)
        assert result.exit_code == 3, command
        assert "did not answer in time" in result.stderr


@pytest.mark.parametrize("command", [("status",), ("sync", "status"), ("permit", "show", "P1")])
def test_a_gateway_of_another_version_is_said_to_be_one(told: Told, command: tuple[str, ...]) -> None:
    told.answer = {"ok": True, "status": {}}
    result = told.run(*command)
    assert result.exit_code == 3
    assert "another version" in result.stderr


SAMPLE = ("permit", "sample", "P1", "--point", "top", "--by", "w1", "--reason", "hose at the point")


@pytest.mark.parametrize(
    "typed", ["oxygen", "oxygen=", "=1", "oxygen=20,9", "o x=1", "lel=1e9", "oxygen=20.9 %vol", "lel=NaN"]
)
def test_a_typed_figure_that_is_none_is_a_usage_error(told: Told, typed: str) -> None:
    result = told.run(*SAMPLE, "--typed", typed)
    assert (result.exit_code, told.messages) == (2, [])
    assert "NAME=FIGURE" in result.stderr


def test_a_name_that_is_typed_twice_is_a_usage_error(told: Told) -> None:
    result = told.run(*SAMPLE, "--typed", "lel=0", "--typed", "lel=9")
    assert (result.exit_code, told.messages) == (2, [])


def test_a_sample_says_its_point_and_what_was_typed(told: Told) -> None:
    assert told.run(*SAMPLE, "--typed", "lel=0", "--typed", "oxygen=20.9").exit_code == 0
    assert (told.messages[0]["point"], told.messages[0]["typed"]) == ("top", {"lel": "0", "oxygen": "20.9"})


@pytest.mark.parametrize("more", [("--what", "equipment"), ("--device", "wind-1"), ("--what", "weather")])
def test_a_confirmation_that_cannot_be_meant_is_a_usage_error(told: Told, more: tuple[str, ...]) -> None:
    assert (told.run(*ACT, *more).exit_code, told.messages) == (2, [])


def test_a_confirmation_says_what_and_which_instrument(told: Told) -> None:
    assert told.run(*ACT).exit_code == 0
    assert told.run(*ACT, "--what", "equipment", "--device", "wind-1").exit_code == 0
    assert [(each["what"], each["device"]) for each in told.messages] == [("harness", ""), ("equipment", "wind-1")]
