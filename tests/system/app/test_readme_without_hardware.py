"""README, "Without hardware" and "A permit at work", to the letter: each line is run, in its terminal, in its order.

Only what must differ here is put in its place: the folder, the ports, the code and the freeze that were printed.
"""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from plants import free_port, until

from hil.gateway_process import PERMITGATE, ServiceProcess

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[3]
_STAY = ("hq serve", "site", "run")
_ANSWERS_NO = ("permit ready", "permit retest", "permit release", "permit pause", "permit resume")
"""Where the answer may well be no: nobody tapped, nothing tripped."""


def section(title: str) -> list[str]:
    """The permitgate commands of one part of the README, without their name."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").split(title, 1)[1]
    text = re.split(r"(?m)^## ", text, maxsplit=1)[0].split("A **freeze**")[0]
    lines = [line for block in re.findall(r"(?ms)^```\n(.*?)^```", text) for line in block.splitlines()]
    return [line.removeprefix("permitgate ") for line in lines if line.startswith("permitgate ")]


class Reader:
    """Somebody who follows the README in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ports = {"8443": free_port(), "1502": free_port(), "52001": free_port()}
        self._places = {"/tmp/permitgate": str(folder), **{f":{port}": f":{free}" for port, free in ports.items()}}
        self._places["tcp_port = 1502"] = f"tcp_port = {ports['1502']}"
        self._printed: dict[str, str] = {}
        self._port = ports["8443"]
        self.services: list[ServiceProcess] = []
        config = (ROOT / "hil" / "example_gateway.toml").read_text(encoding="utf-8")
        (folder / "gateway.toml").write_text(self._placed(config, self._places), encoding="utf-8")
        os.environ["PERMITGATE_CONFIG"] = str(folder / "gateway.toml")
        os.environ["PERMITGATE_HQ_DIR"] = str(folder / "hq")

    @staticmethod
    def _placed(text: str, places: Mapping[str, str]) -> str:
        for written, here in places.items():
            text = text.replace(written, here)
        return text

    def follow(self, line: str) -> None:
        """Do what the line says; a command that stays is left running."""
        words = shlex.split(self._placed(line, {**self._places, **self._printed}))
        words = [str(ROOT / word) if word.startswith("hil/") else word for word in words]
        if line.startswith(_STAY):
            self._stay(words)
            return
        done = subprocess.run(
            [*PERMITGATE, *words], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert "Traceback" not in done.stdout + done.stderr, line
        allowed = (0, 1) if line.startswith(_ANSWERS_NO) else (0,)
        assert done.returncode in allowed, f"{line}: {done.returncode}: {done.stdout}{done.stderr}"
        for name, pattern in (("CODE", r"\s(pg1-\w{56})\s"), ("FREEZE", r"frozen: (\S+)")):
            if (found := re.search(pattern, done.stdout)) is not None:
                self._printed[name] = found.group(1)

    def _stay(self, words: list[str]) -> None:
        ready = {"hq": "HQ serves", "site": "next: ", "run": "event=ready"}[words[0]]
        port = ["--port", str(self._port)] if words[0] == "hq" else []
        report = ["--json", str(self.folder / f"{words[0]}.json")]
        service = ServiceProcess([*words, *port, *report], self.folder / f"{words[0]}.log")
        self.services.append(service)
        service.start()
        service.wait_said(ready, 20.0)


def asked(*words: str) -> dict[str, Any]:
    """What the gateway answers, {} as long as it does not."""
    done = subprocess.run([*PERMITGATE, *words, "--json"], capture_output=True, timeout=60, check=False)
    return json.loads(done.stdout) if done.stdout else {}


@pytest.fixture
def reader(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    for name in ("PERMITGATE_CONFIG", "PERMITGATE_HQ_DIR"):
        monkeypatch.setenv(name, "")
    who = Reader(tmp_path_factory.mktemp("readme"))
    yield who
    for service in reversed(who.services):
        service.stop()


def test_everything_that_the_readme_tells_to_run_without_hardware_does_what_it_says(reader: Reader) -> None:
    without, at_work = section("## Without hardware"), section("A permit at work")
    assert {line.split()[0] for line in without} >= {"hq", "site", "enrol", "run", "badge", "permit", "status"}
    assert len(at_work) >= 12
    for line in without:
        reader.follow(line)

    until("HQ's word is heard", lambda: asked("permit", "show", "PTW-2026-014-00042").get("status"))
    reports = {name: json.loads((reader.folder / f"{name}.json").read_bytes()) for name in ("hq", "site", "run")}
    assert all(report["ok"] for report in reports.values())
    assert {each["what"] for each in reports["site"]["standing"]} >= {"wires of d1", "bus b1: gas-1"}
    assert reports["hq"]["url"].startswith("https://127.0.0.1:")
    assert (reader.folder / "li.ndef").stat().st_size > 100
    for line in at_work:
        if line.startswith("journal export"):
            until("HQ has cosigned all", lambda: asked("sync", "status").get("waiting") == 0, 90.0)
        if line.startswith("journal why"):
            line = "journal why 1"
        reader.follow(line)
    assert (reader.folder / "li.pgpack").is_file()
