"""`permitgate demo` as people and scripts start it: all as expected, and all kept where it was promised."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from edge.host.system_clock import monotonic_ms, sleep
from hil.demo import STEPS
from hil.demo_steps import cast
from hil.gateway_process import PERMITGATE, descendants, wait_ended
from sync.formats.checkpoint import open_checkpoint
from sync.formats.cosignature import find_cosignature
from sync.formats.note import VerifierKey
from sync.formats.pack_verdict import verify_pack

pytestmark = pytest.mark.system
MOST_MS = 60_000


def processes_in(folder: Path) -> list[str]:
    """Command lines of processes that name this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One demo, played to its end; its report lies beside what it kept."""
    folder = tmp_path_factory.mktemp("demo")
    argv = [*PERMITGATE, "demo", "--keep", str(folder / "kept"), "--json", str(folder / "report.json")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert f"{len(STEPS)} of {len(STEPS)} steps as expected" in done.stdout
    assert processes_in(folder) == []
    return folder


def test_every_step_is_there_and_as_expected_in_under_a_minute(kept: Path) -> None:
    report = json.loads((kept / "report.json").read_text(encoding="utf-8"))
    assert report["ok"] is True
    assert report["simulated"] is True
    assert [each["name"] for each in report["steps"]] == [each.name for each in STEPS]
    assert all(each.keys() == {"name", "expected", "got", "ok", "ms"} for each in report["steps"])
    assert [each for each in report["steps"] if not each["ok"]] == []
    assert report["ms"] < MOST_MS
    assert sum(each["ms"] for each in report["steps"]) <= report["ms"]


def test_what_is_kept_verifies_by_itself(kept: Path) -> None:
    folder = kept / "kept"
    log, mirror = map(VerifierKey.parse, (folder / "vkeys").read_text(encoding="utf-8").splitlines())
    note = (folder / "tiles" / "checkpoint").read_text(encoding="utf-8")
    assert open_checkpoint(note, log).size > 0
    assert find_cosignature(note, note, mirror) is not None
    (pack,) = (folder / "packs").glob("*.pgpack")
    assert pack.name == f"{cast.HOT}.pgpack"
    assert verify_pack(pack.read_bytes(), [log, mirror]).ok
    for name in ("gateway/journal.db", "gateway/keys/log.key", "hq/hq.db", "gateway.toml", "badges/li.ndef"):
        assert (folder / name).is_file(), name


def test_commands_go_on_with_what_is_kept(kept: Path) -> None:
    config = ("--config", str(kept / "kept" / "gateway.toml"))
    for command in (("journal", "verify"), ("journal", "replay")):
        done = subprocess.run([*PERMITGATE, *command, *config], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_kept_is_a_secret_that_others_may_read(kept: Path) -> None:
    for path in (kept / "kept" / "gateway" / "keys").iterdir():
        assert path.stat().st_mode & 0o077 == 0


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    done = subprocess.run(
        [*PERMITGATE, "demo", "--keep", str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 3
    assert "is not empty; choose a new folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_report_that_could_not_be_written_is_said_before_the_story(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PERMITGATE, "demo", "--json", str(tmp_path / "no" / "x.json")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 3
    assert "no such folder" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_broken_off_ends_everything_that_it_started(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "kept"
    argv = [*PERMITGATE, "demo", "--keep", str(folder)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    with process:
        until_ms = monotonic_ms() + 20_000
        while not (folder / "hq.log").exists() and monotonic_ms() < until_ms:
            sleep(0.05)
        children = descendants(process.pid)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert children
    assert process.returncode == 3
    assert "broken off" in out
    assert "Traceback" not in out + err
    assert wait_ended(children, 1) == []
    assert processes_in(folder) == []
