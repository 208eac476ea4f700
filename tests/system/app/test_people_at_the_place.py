"""Approver and guardian over the whole gateway: both are at the work, or it does not begin or is told (30, 31)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from plants import Plant, Template, plant, until

pytestmark = pytest.mark.system

APPROVER_UID = bytes.fromhex("04a1b2c3d4e5f9")


@pytest.fixture
def gateway(fresh: Template, tmp_path: Path) -> Iterator[Plant]:
    with plant(fresh, tmp_path) as made:
        text = made.config.read_text(encoding="utf-8")
        made.config.write_text(text.replace("[policy]\n", "[policy]\nguardian_s = 12\n"), encoding="utf-8")
        made.hq.start()
        yield made.start().wait_good()


def test_the_approver_taps_before_anyone_works_and_a_guardian_who_goes_is_told(gateway: Plant) -> None:
    gateway.hear([{"v": 1, "op": "put", "k": "worker", "id": "a1", "rev": 1, "rec": {"name": "Approver"}}])
    gateway.change_permit("P1", 2, approver="a1")
    refused = gateway.admit()
    assert (refused["reasons"], refused["alarms"]) == (["approver_absent"], ["30"])
    approver = (APPROVER_UID, gateway.hq.badge("a1", "P1", APPROVER_UID))
    noted = gateway.tap(approver)
    assert (noted["decision"], noted["reason"]) == ("noted", "approver_present")
    assert gateway.admit()["decision"] == "granted"
    (entry,) = until(
        "the guardian is missed",
        lambda: [each for each in gateway.entries() if each["typ"] == "guardian.absent"],
        within_s=30,
    )
    assert (entry["body"]["alarm"], entry["body"]["worker"], entry["pid"]) == ("31", "g1", "P1")
    assert gateway.wiring.state("d1").lock == "locked"
    gateway.kill()
    gateway.start().wait_good()
    assert gateway.admit()["decision"] == "granted", "the approval outlives a kill"
    replayed = gateway.cli("journal", "replay")
    assert replayed.returncode == 0, replayed.stdout
