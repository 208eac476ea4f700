"""A full disk refuses entry and nothing else, and heals by itself when there is room again."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from plants import Plant, Template, until

from edge.host.system_clock import monotonic_ms, sleep
from edge.runtime.control import request

pytestmark = [pytest.mark.system, pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")]

DISK_BYTES = 6 * 1024 * 1024


@pytest.fixture
def small_disk(used: Template, tmp_path: Path) -> Iterator[Plant]:
    """A gateway whose data directory is a disk of a few MiB."""
    made = Plant(used, tmp_path)
    kept = tmp_path / "kept"
    shutil.move(made.data, kept)
    made.data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(made.data)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        made.close()
        pytest.skip("no right to mount")
    shutil.copytree(kept, made.data, dirs_exist_ok=True)
    try:
        yield made
    finally:
        made.close()
        subprocess.run(["umount", str(made.data)], check=True)


def fill(folder: Path) -> Path:
    """Take the last byte of a disk."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def write_until_refused(plant: Plant) -> None:
    """SQLite has room in files that it holds already; entries are made until that is used up, too."""
    message = {"do": "act", "action": "confirm", "permit": "P1", "by": "w1", "why": "x" * 200}
    for _ in range(200):
        if "no room to write" in plant.said() and plant.status()["journal"]["failures"]:
            return
        request(plant.run / "control.sock", message)
    raise AssertionError(f"the journal still writes: {plant.status()['journal']}")


def test_a_full_disk_refuses_entry_lets_people_out_and_heals(small_disk: Plant) -> None:
    small_disk.hq.start()
    small_disk.start().wait_good()
    granted_at = monotonic_ms()
    assert small_disk.admit()["decision"] == "granted"
    # The answer is in the journal before the lock moves: a door that still is locked may be about to open.
    unlocked = small_disk.wiring.wait_for("d1", "lock", "unlocked", within_s=5, since=granted_at)
    assert unlocked is not None
    assert small_disk.wiring.wait_for("d1", "lock", "locked", within_s=8, since=unlocked.at) is not None
    ballast = fill(small_disk.data)
    write_until_refused(small_disk)
    filled_at = monotonic_ms()
    with small_disk.holding("w1"):
        until("red light", lambda: small_disk.wiring.state("d1").light == "red", 8)
    until("said by name", lambda: "no room to write" in small_disk.said())
    sleep(2.2)
    with small_disk.holding("w1"):
        until("journal_slow", lambda: small_disk.status()["shown"]["d1"]["reason"] == "journal_slow", 8)
    assert small_disk.wiring.wait_for("d1", "lock", "unlocked", within_s=0, since=filled_at) is None
    small_disk.wiring.press_rex("d1")
    assert small_disk.wiring.wait_for("d1", "lock", "unlocked", within_s=1, since=filled_at) is not None
    ballast.unlink()
    until("recorded again", lambda: "journal_works_again" in small_disk.said(), 8)
    until("locked again", lambda: small_disk.wiring.state("d1").lock == "locked", 8)
    assert small_disk.admit()["decision"] == "granted"
    assert small_disk.said().count("event=journal_failed") < 5
    assert small_disk.stop() == 0
    assert small_disk.cli("journal", "verify").returncode == 0
