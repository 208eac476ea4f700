"""kill -9 again and again while badges tap and HQ comes and goes: nothing lost, nothing opened without its entry."""

import random
import signal
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread

import orjson
import pytest
from plants import ORIGIN, Plant, Template, plant, until

from edge.host.system_clock import sleep
from sync.hq.place import open_place

pytestmark = pytest.mark.system

KILLS = 10


def keep_tapping(gateway: Plant, stop: Event, chance: random.Random) -> None:
    """Guardian and worker at both doors, in any order, for ever."""
    while not stop.is_set():
        door, who = chance.choice(["d1", "d2"]), chance.choice(["w1", "w1", "g1"])
        with gateway.holding(who, door):
            sleep(0.4)
        sleep(0.35)


def unlocks(gateway: Plant) -> list[tuple[str, int]]:
    """(door, when) of every unlock that the wires saw; nobody pressed an exit button."""
    history = gateway.wiring.history()
    return [(each.where, each.at) for each in history if each.what == "lock" and each.now == "unlocked"]


def hq_root(gateway: Plant) -> tuple[int, bytes]:
    """Size and root of the gateway's log as HQ cosigned it last."""
    store = open_place(gateway.hq.folder).store()
    try:
        with store.reading() as transaction:
            log = transaction.log(ORIGIN)
    finally:
        store.close()
    assert log is not None
    assert log.frozen is None
    return log.size, log.root


def test_ten_kills_under_load_lose_nothing_and_open_nothing_unrecorded(fresh: Template, tmp_path: Path) -> None:
    chance = random.Random(4711)
    with plant(fresh, tmp_path) as gateway:
        gateway.hq.start()
        gateway.start().wait_good()
        stop = Event()
        tapping = Thread(target=keep_tapping, args=(gateway, stop, random.Random(7)))
        tapping.start()
        try:
            for number in range(KILLS):
                sleep(chance.uniform(0.4, 1.6))
                if number % 3 == 1:
                    gateway.hq.stop(signal.SIGKILL)
                gateway.kill()
                assert gateway.wiring.state("d1").lock == gateway.wiring.state("d2").lock == "locked"
                gateway.start()
                if number % 3 == 2:
                    gateway.hq.start()
        finally:
            stop.set()
            tapping.join()
        gateway.wait_good()
        assert gateway.admit()["decision"] == "granted"
        assert gateway.stop() == 0
        # Whoever stops signs what is there; whoever starts offers it.
        held = gateway.size()
        gateway.start()
        until("HQ has cosigned everything", lambda: gateway.status()["journal"]["acked"] >= held, 30)
        assert gateway.stop() == 0
        verified = gateway.cli("journal", "verify", "--json")
        assert verified.returncode == 0, verified.stdout
        replayed = gateway.cli("journal", "replay", "--json")
        assert replayed.returncode == 0, replayed.stdout
        compare_with_wires(gateway)
        size, root = hq_root(gateway)
        report = orjson.loads(verified.stdout)
        assert held <= report["acked"] <= size <= report["size"]
        assert root_of(gateway, size) == root


def root_of(gateway: Plant, size: int) -> bytes:
    """RFC 6962 section 2.1, recomputed here from the bytes of the entries."""

    def tree(hashes: list[bytes]) -> bytes:
        if len(hashes) == 1:
            return hashes[0]
        split = 1 << ((len(hashes) - 1).bit_length() - 1)
        return sha256(b"\x01" + tree(hashes[:split]) + tree(hashes[split:])).digest()

    return tree([sha256(b"\x00" + leaf).digest() for leaf in gateway.leaves()[:size]])


def compare_with_wires(gateway: Plant) -> None:
    """Each unlock of the wires has a granted decision for that door, at most two seconds older."""
    granted = [
        (each["body"]["door"], each["t"]["m"])
        for each in gateway.entries()
        if each["typ"] == "access.decided" and each["body"]["decision"] == "granted"
    ]
    assert unlocks(gateway)
    for door, at in unlocks(gateway):
        assert any(door == where and 0 <= at - when <= 2_000 for where, when in granted), (door, at, granted)
