"""Damaged files: named, kept, never deleted; a safe state; the loop goes on; no traceback."""

import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from plants import Plant, Template, plant, until

from edge.host.system_clock import monotonic_ms, sleep
from sync.hq import admin

pytestmark = pytest.mark.system


@pytest.fixture
def gateway(used: Template, tmp_path: Path) -> Iterator[Plant]:
    with plant(used, tmp_path) as made:
        yield made


def damage(path: Path, page: int) -> None:
    """Random bytes over one page, and whatever the WAL held in the file before."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(page * 4_096)
        file.write(random.Random(page).randbytes(4_096))


def kept(plant: Plant, name: str) -> list[Path]:
    """Damaged files under their new names."""
    return [each for each in plant.data.glob(f"{name}.damaged-*") if not each.name.endswith(("-wal", "-shm"))]


def refused_for_the_journal(gateway: Plant) -> None:
    """A tap is red with the reason, the lock stays shut, the exit opens."""
    sleep(2.2)
    with gateway.holding("w1"):
        until("red", lambda: gateway.wiring.state("d1").light == "red")
    assert gateway.wiring.state("d1").lock == "locked"
    pressed_at = monotonic_ms()
    gateway.wiring.press_rex("d1")
    assert gateway.wiring.wait_for("d1", "lock", "unlocked", within_s=1, since=pressed_at) is not None


@pytest.mark.parametrize("page", [0, 7])
def test_a_damaged_journal_is_kept_and_entry_refused_and_exits_stay_free(gateway: Plant, page: int) -> None:
    damage(gateway.data / "journal.db", page)
    gateway.hq.start()
    gateway.start()
    (copy,) = kept(gateway, "journal.db")
    assert copy.name in gateway.said()
    refused_for_the_journal(gateway)
    shown = gateway.cli("status")
    assert "entry is refused" in shown.stdout
    verified = gateway.cli("journal", "verify")
    assert verified.returncode == 1
    assert gateway.said().count("event=journal_failed") == 1
    assert gateway.stop() == 0


@pytest.mark.parametrize("page", [0, 3])
def test_a_damaged_cache_is_kept_and_fetched_again(gateway: Plant, page: int) -> None:
    damage(gateway.data / "authority.db", page)
    gateway.hq.start()
    gateway.start().wait_good()
    assert gateway.admit()["decision"] == "granted"
    if page == 0:
        assert kept(gateway, "authority.db")
        assert "authority_damaged" in gateway.said()


def test_a_cache_damaged_in_every_page_but_its_first_stops_no_start(gateway: Plant) -> None:
    path = gateway.data / "authority.db"
    for page in range(1, path.stat().st_size // 4_096):
        damage(path, page)
    gateway.hq.start()
    gateway.start().wait_good()
    assert kept(gateway, "authority.db")
    assert gateway.admit()["decision"] == "granted"
    assert "event=authority_absent" in gateway.said()
    assert gateway.stop() == 0


def test_a_cache_damaged_while_running_is_replaced_and_followed(gateway: Plant) -> None:
    gateway.hq.start()
    gateway.start().wait_good()
    assert gateway.admit()["decision"] == "granted"
    pid = gateway.status()["children"]["sync"]["pid"]
    for name in ("authority.db", "authority.db-wal"):
        path = gateway.data / name
        with path.open("r+b") as file:
            file.write(random.Random(3).randbytes(path.stat().st_size))
    os.kill(pid, 9)
    until("kept", lambda: kept(gateway, "authority.db"))
    gateway.wait_good()
    assert gateway.tap("w1")["decision"] == "granted"
    admin.freeze(gateway.hq.folder, "permit", "P1", "boss", "inspection")
    until("frozen", lambda: gateway.status()["freezes"])
    assert gateway.tap("w1", "d2")["reason"] == "permit_frozen"


def test_damaged_telemetry_is_kept_and_the_door_works(gateway: Plant) -> None:
    damage(gateway.data / "telemetry.db", 0)
    gateway.hq.start()
    gateway.start().wait_good()
    assert kept(gateway, "telemetry.db")
    assert gateway.admit()["decision"] == "granted"


def test_a_damaged_checkpoint_file_refuses_entry_and_lets_hqs_word_in(gateway: Plant) -> None:
    (gateway.data / "checkpoint").write_bytes(b"\xff garbage")
    admin.freeze(gateway.hq.folder, "permit", "P1", "boss", "inspection")
    gateway.hq.start()
    gateway.start()
    until("HQ's freeze arrives", lambda: gateway.status()["freezes"])
    refused_for_the_journal(gateway)
    assert "checkpoint: damaged" in gateway.said()
    assert gateway.status()["children"]["sync"]["restarts"] == 0


def write(path: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / path).write_bytes(data) and None


ENDS = {
    "log key is garbage": (write("keys/log.key", b"x"), "keys/log.key"),
    "log key is readable by others": (lambda folder: (folder / "keys/log.key").chmod(0o644), "chmod 600"),
    "log key is missing": (lambda folder: (folder / "keys/log.key").unlink(), "permitgate enrol"),
    "enrolment is garbage": (write("trust/enrolment.json", b"[1]"), "enrolment.json"),
    "enrolment is missing": (lambda folder: (folder / "trust/enrolment.json").unlink(), "permitgate enrol"),
}


def test_without_its_own_key_it_says_what_is_wrong_and_ends(gateway: Plant, tmp_path: Path) -> None:
    for name, (spoil, said) in ENDS.items():
        shutil.copytree(gateway.data, tmp_path / "good")
        spoil(gateway.data)
        gateway.launch()
        code, words = gateway.ends()
        assert code == 3, name
        assert said in words, name
        assert len(words.splitlines()) == 1, words
        shutil.rmtree(gateway.data)
        (tmp_path / "good").rename(gateway.data)


@pytest.mark.parametrize("name", ["keys/link_token", "trust/ca.pem"])
def test_without_its_link_files_it_goes_on_as_without_hq(gateway: Plant, name: str) -> None:
    (gateway.data / name).write_bytes(b"garbage")
    gateway.hq.start()
    gateway.start()
    until("link down", lambda: gateway.status()["link"]["state"] == "down")
    until("readings", lambda: gateway.status()["readings"]["gas-1.gas"]["quality"] == "good")
    assert gateway.tap("w1")["reason"] in ("granted", "guardian_absent", "clock_untrusted", "reading_settling")
    assert gateway.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_data_directory_that_cannot_be_written_is_named(gateway: Plant) -> None:
    data = str(gateway.data)
    subprocess.run(["mount", "--bind", data, data], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", data], check=True)
        gateway.launch()
        code, words = gateway.ends()
    finally:
        subprocess.run(["umount", data], check=True)
    assert code == 3
    assert "Read-only file system" in words
    assert data in words


def test_things_in_the_place_of_files_are_named(gateway: Plant) -> None:
    (gateway.run / "control.sock").mkdir(parents=True)
    gateway.launch()
    code, words = gateway.ends()
    assert code == 3
    assert "control.sock" in words


def test_a_stale_socket_and_a_second_daemon_do_no_harm(gateway: Plant) -> None:
    gateway.hq.start()
    gateway.start()
    gateway.kill()
    assert (gateway.run / "control.sock").exists()
    asked = gateway.cli("status")
    assert asked.returncode != 0
    assert "no gateway answers" in asked.stderr
    gateway.start().wait_good()
    second = gateway.cli("run")
    assert second.returncode == 3
    assert "another process" in second.stderr
    assert gateway.cli("status").returncode == 0
    assert gateway.admit()["decision"] == "granted"
