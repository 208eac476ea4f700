"""HQ publishes a rule pack, over the wire: the running gateway decides by it within seconds, and says so everywhere."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packs import version
from plants import ORIGIN, Plant, Template, command, plant, records, until

from sync.hq.place import open_place
from sync.hq.publishing import publish as sign

pytestmark = pytest.mark.system

GAS_NOW = "9.0"
"""%LEL of methane: 0.45 %vol, good by 0.5 and not by 0.4."""


@pytest.fixture
def running(fresh: Template, tmp_path: Path) -> Iterator[Plant]:
    with plant(fresh, tmp_path / "plant") as site:
        site.hq.start()
        site.gas.set_value("gas", GAS_NOW)
        site.start().wait_good()
        yield site


def publish(site: Plant, text: str) -> dict[str, Any]:
    path = site.folder / "pack.toml"
    path.write_text(text, encoding="utf-8")
    done = command("hq", "publish", path, "--dir", site.hq.folder, "--json")
    return {"code": done.returncode, **json.loads(done.stdout)}


def entry(site: Plant, kind: str, start: int = 0, within_s: float = 20.0) -> dict[str, Any]:
    """The first durable entry of that kind from there on."""
    return until(kind, lambda: next((each for each in site.entries(start) if each["typ"] == kind), None), within_s)


def test_a_stricter_version_refuses_the_next_tap_without_a_restart_and_everything_says_so(running: Plant) -> None:
    pid = running.pid
    assert running.admit()["packs"] == ["gb30871/2"]
    told = publish(running, version(3, "2023-01-01", "0.4"))
    assert (told["code"], told["new"]) == (0, True)
    taken = entry(running, "rules.applied")
    applied = taken["body"]
    assert (applied["pack"], applied["version"], applied["from"]) == ("gb30871", 3, "2023-01-01")
    assert running.status()["rules"][0] == {"area": "a1", "packs": ["gb30871/3"], "lost": []}
    # The work on P1 has begun and keeps its version; new work has the new one.
    running.change_permit("P1", 2, status=3)
    running.hear([_permit("P3", 9)])
    running.badges["w1"] = (running.badges["w1"][0], running.hq.badge("w1", "P3"))
    body = running.tap("w1")
    assert running.pid == pid
    assert (body["decision"], body["packs"]) == ("denied", ["gb30871/3"])
    assert "gas_over_limit" in body["reasons"]
    assert [each["interlock"] for each in body["conditions"]] == ["gb30871/3/combustible-lel-from-4@gas-1.gas"]
    explained = json.loads(running.cli("rules", "explain", "P3", "--json").stdout)
    (area,) = explained["areas"]
    (condition,) = area["conditions"]
    assert (area["packs"], condition["limit"], condition["reading"]["reason"]) == (
        ["gb30871/3"],
        "0.4",
        "gas_over_limit",
    )
    replayed = json.loads(running.cli("journal", "replay", "--json").stdout)
    assert (replayed["ok"], replayed["different"]) == (True, 0)
    words = running.cli("journal", "why", str(taken["seq"])).stdout
    assert all(each in words for each in ("规则包: gb30871", "版本: 3", "自此日起施行: 2023-01-01", applied["sha256"]))
    listed = json.loads(running.cli("rules", "list", "--json").stdout)["packs"]
    (new,) = [each for each in listed if each["name"] == "gb30871/3"]
    assert (new["source"], new["operation"], new["named"]) == ("hq", applied["operation"], True)


def _permit(name: str, short_id: int) -> dict[str, Any]:
    (plain,) = [each for each in records() if each["id"] == "P1"]
    return {**plain, "id": name, "rec": {**plain["rec"], "short_id": short_id}}


def test_work_that_runs_keeps_its_version_and_after_a_restart_everything_is_still_there(running: Plant) -> None:
    running.admit()
    publish(running, version(3, "2023-01-01", "0.4"))
    entry(running, "rules.applied")
    running.tap("g1")
    assert running.tap("w1")["decision"] == "granted"
    count = len(running.entries())
    assert running.stop() == 0
    running.start().wait_good()
    explained = json.loads(running.cli("rules", "explain", "P1", "--json").stdout)
    assert (explained["running"], explained["kept"]) == (True, ["gb30871/2"])
    assert explained["areas"][0]["packs"] == ["gb30871/2"]
    running.hear([_permit("P3", 9)])
    ready = json.loads(running.cli("permit", "ready", "P3", "--json").stdout)
    missing = {each["code"] for worker in ready["workers"] for each in worker["missing"]}
    assert "gas_over_limit" in missing
    assert not [each for each in running.entries(count) if each["typ"].startswith("rules.")]


def test_a_version_laxer_than_a_floor_is_refused_at_hq_and_if_it_was_signed_all_the_same_here(running: Plant) -> None:
    lax = version(3, "2023-01-01", "0.6")
    told = publish(running, lax)
    assert told["code"] == 2
    assert "laxer than the floor combustible" in told["problems"][0]
    # A broken HQ signs it all the same.
    assert sign(running.hq.folder, "gb30871/3", lax.encode())
    refused = entry(running, "rules.refused")["body"]
    place = next(number for number, line in enumerate(lax.splitlines(), 1) if line == 'limit = "0.6"')
    assert refused["findings"][0].startswith(f"gb30871/3:{place}: rule[0].limit: ") or refused["findings"][
        0
    ].startswith(f"gb30871/3:{place}: ")
    assert running.admit()["packs"] == ["gb30871/2"]
    assert until("HQ holds the refusal", lambda: _hq_holds(running, b'"typ":"rules.refused"'), 10.0)


def _hq_holds(site: Plant, text: bytes) -> bool:
    store = open_place(site.hq.folder).store()
    try:
        with store.reading() as transaction:
            return any(text in leaf for leaf in transaction.leaves(ORIGIN, 0, 1_000))
    finally:
        store.close()


def test_a_version_for_a_later_day_is_there_and_waits(running: Plant) -> None:
    publish(running, version(3, "2099-01-01", "0.4"))
    assert entry(running, "rules.applied")["body"]["from"] == "2099-01-01"
    assert running.admit()["packs"] == ["gb30871/2"]
    explained = json.loads(running.cli("rules", "explain", "P1", "--json").stdout)
    assert [each["pack"] for each in explained["areas"][0]["later"]] == ["gb30871/3"]


def test_a_revoked_version_speaks_no_more(running: Plant) -> None:
    publish(running, version(3, "2023-01-01", "0.4"))
    entry(running, "rules.applied")
    command("hq", "revoke", "rules", "gb30871/3", "--reason", "wrong figure", "--dir", running.hq.folder)
    assert entry(running, "rules.revoked")["body"]["speaks"] == ["gb30871/2"]
    assert running.admit()["packs"] == ["gb30871/2"]
