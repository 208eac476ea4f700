"""Who is inside, over the whole gateway and the virtual site's doors: count, cap, exit, kill -9, fire, the page."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from plants import Plant, Template, plant, until

from hil.wiring import WiredDoor, WiredSiren, Wiring

pytestmark = pytest.mark.system

DOORS = (
    WiredDoor("d1", "secure", 17, 27, 6, 23, 24, 25, bolt_pin=5, fire_pin=11),
    WiredDoor("d2", "secure", 2, 3, 4, 7, 8, 9, bolt_pin=10),
)
SECOND_UID = bytes.fromhex("04a1b2c3d4e5f7")


@pytest.fixture
def gateway(fresh: Template, tmp_path: Path) -> Iterator[Plant]:
    """Door d1 lets in; door d2 has its reader inside. At most one person in a1, where w1 and w2 may work."""
    with plant(fresh, tmp_path) as made:
        made.wiring.close()
        made.wiring = Wiring(tmp_path / "w.sock", DOORS, [WiredSiren("a1", 22)])
        text = made.config.read_text(encoding="utf-8")
        text = text.replace('door = "d2"\nside = "entry"', 'door = "d2"\nside = "exit"')
        text = text.replace('id = "d1"\n', 'id = "d1"\nfire_pin = 11\n')
        text = text.replace('id = "a1"\n', 'id = "a1"\npeople_max = 1\n', 1)
        made.config.write_text(text, encoding="utf-8")
        made.hq.start()
        made.start().wait_good()
        certificate = {"worker": "w2", "trade": "welding", "ends": "2099-01-01", "status": "valid"}
        named = [("worker", "w2", {"name": "王五"}), ("cert", "c2", certificate)]
        made.hear([{"v": 1, "op": "put", "k": kind, "id": name, "rev": 1, "rec": rec} for kind, name, rec in named])
        made.change_permit("P1", 2, workers=["w1", "w2"])
        for worker, uid in (("w1", made.badges["w1"][0]), ("w2", SECOND_UID), ("g1", made.badges["g1"][0])):
            made.badges[worker] = (uid, made.hq.badge(worker, "P1", uid))
        yield made


def counted(gateway: Plant) -> Mapping[str, Any]:
    """What `status` counts in a1."""
    return next(each for each in gateway.status()["people"] if each["area"] == "a1")


def mustered(gateway: Plant) -> dict[str, str]:
    """Who is where, as `muster` reads it from the files: in or unknown."""
    done = gateway.cli("muster", "--area", "a1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (area,) = json.loads(done.stdout)["areas"]
    return {each["worker"]: each["state"] for each in area["people"]}


def pass_in(gateway: Plant, worker: str) -> None:
    """The worker taps at d1 and walks through."""
    size = gateway.size()
    assert gateway.tap(worker)["decision"] == "granted"
    until("d1 is unlocked", lambda: gateway.wiring.push("d1"))
    until("the passage is recorded", lambda: passed(gateway, size))
    gateway.wiring.shut("d1")
    until("d1 is shut again", lambda: gateway.status()["doors"]["d1"]["phase"] == "locked_shut")


def pass_out(gateway: Plant, worker: str) -> None:
    """The worker taps inside at d2 and walks through."""
    size = gateway.size()
    with gateway.holding(worker, "d2"):
        until("the tap is recorded", lambda: [e for e in gateway.entries(size) if e["typ"] == "exit.tapped"])
    gateway.wiring.push("d2", from_inside=True)
    until("the passage is recorded", lambda: passed(gateway, size))
    gateway.wiring.shut("d2")


def passed(gateway: Plant, start: int) -> list[dict[str, Any]]:
    return [each for each in gateway.entries(start) if each["typ"] == "access.taken"]


def test_the_count_at_the_door_is_exact_over_passages_kills_and_fire_and_the_page_says_who(gateway: Plant) -> None:
    gateway.tap("g1")
    pass_in(gateway, "w1")
    assert (counted(gateway)["inside"], mustered(gateway)) == (1, {"w1": "in"})
    refused = gateway.tap("w2")
    assert (refused["reason"], refused["failing"][0][2]) == ("area_full", "1/1")
    assert gateway.wiring.state("d1").lock == "locked"
    ready = gateway.cli("permit", "ready", "P1")
    assert "area_full [1/1]" in ready.stdout
    assert "w1 (a1)" in ready.stdout

    gateway.hq.stop()
    gateway.kill()
    assert mustered(gateway) == {"w1": "in"}, "the files alone say it, the gateway down and HQ away"
    gateway.start()
    assert counted(gateway)["inside"] == 1
    page = gateway.cli("muster")
    assert page.returncode == 0
    assert "w1  张三  在内 in" in page.stdout
    assert "在内 in 1，不明 unknown 0，至多 at most 1" in page.stdout

    pass_out(gateway, "w1")
    assert (counted(gateway)["inside"], mustered(gateway)) == (0, {})
    gateway.kill()
    gateway.start().wait_good()
    assert counted(gateway)["inside"] == 0
    gateway.tap("g1")
    pass_in(gateway, "w2")
    gateway.wiring.press_rex("d1")
    size = gateway.size()
    gateway.wiring.push("d1", from_inside=True)
    until("somebody left by the button", lambda: passed(gateway, size))
    assert (counted(gateway)["unknown"], mustered(gateway)) == (1, {"w2": "unknown"})
    assert "不明 UNKNOWN" in gateway.cli("muster").stdout


def test_fire_puts_the_list_into_the_journal(gateway: Plant) -> None:
    gateway.tap("g1")
    pass_in(gateway, "w1")
    gateway.wiring.set_fire("d1", True)
    (entry,) = until("the list", lambda: [e for e in gateway.entries() if e["typ"] == "muster.listed"])
    (row,) = entry["body"]["people"]
    assert (row["worker"], row["area"], row["state"], row["door"], row["permit"]) == ("w1", "a1", "in", "d1", "P1")
    why = gateway.cli("journal", "why", str(entry["seq"]))
    assert "worker=w1" in why.stdout
    gateway.wiring.push("d1", from_inside=True)
    until("nobody is certain", lambda: mustered(gateway) == {"w1": "unknown"})


def test_an_area_that_is_not_here_is_refused_with_those_that_are(gateway: Plant) -> None:
    done = gateway.cli("muster", "--area", "a9")
    assert done.returncode == 2
    assert "a1, a2" in done.stderr
