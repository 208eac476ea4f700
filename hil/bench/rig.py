"""A whole virtual site for benchmarks and drills: real HQ, real gateway, doors, badges and detectors that note times.

Each place is one area with a door, a reader, a gas detector and a siren, one permit ``P<n>`` in force there, one worker
``w<n>`` and one guardian ``g<n>``, as nobody guards two places. It lives in the caller's process and outlives the
gateway.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from edge.app.enrol import enrol
from edge.app.hq import init, issue_badge
from edge.config import load
from edge.host.system_clock import monotonic_ms, utc_ms
from hil.bench.gateway import DAEMON, GatewayProcess, HqProcess, wait_until
from hil.bench.watched import WatchedTag, WatchedUnit
from hil.modbus_site import ModbusSite
from hil.modbus_unit import load_profile_data
from hil.wiring import WireChange, WiredDoor, WiredSiren, Wiring
from sync.formats.badge_token import wrap_ndef
from sync.hq import admin

SITE, ORGANISATION, GATEWAY = "s014", "pg.example.org", "gw1"
GOOD_GAS, TOO_MUCH_GAS = "1.5", "35.0"
_PINS_A_PLACE = 8
_FIRST_PIN = 2
_GONE_S = 5.0
"""A reader sees sooner that a card was taken away."""


class Place:
    """One area of the rig, from outside: who taps, what the door does, what the gas is."""

    def __init__(
        self, number: int, wiring: Wiring, unit: WatchedUnit, tag: WatchedTag, cards: Callable[[], Sequence[str]]
    ) -> None:
        """``cards`` tells on which readers a card lies."""
        self.number = number
        self.area, self.door, self.permit = f"a{number}", f"d{number}", f"P{number}"
        self.worker, self.guardian = f"w{number}", f"g{number}"
        self.wiring = wiring
        self.unit = unit
        self.tag = tag
        self.uid = bytes([4, 0x11, 0x22, 0x33, 0x44, 0x55, number])
        self.badges: dict[str, bytes] = {}
        self._cards = cards

    def show(self, who: str) -> int:
        """Hold that person's badge to the reader; returns when, CLOCK_BOOTTIME in milliseconds."""
        wait_until(f"the last badge at {self.door} is away", lambda: f"r{self.number}" not in self._cards(), _GONE_S)
        at = monotonic_ms()
        self.tag.show(self.uid, self.badges[who])
        return at

    def take_away(self) -> None:
        """Take the badge away; the next one is held there only when the reader knows."""
        self.tag.remove()

    def wait(self, what: str, now: str, since: int, within_s: float = 5.0) -> WireChange:
        """That change of the door, or of the siren, from then on. Raises AssertionError if it does not come."""
        where = self.area if what == "siren" else self.door
        found = self.wiring.wait_for(where, what, now, within_s=within_s, since=since)  # type: ignore[arg-type]
        if found is None:
            raise AssertionError(f"{where}: {what} was not {now} within {within_s} s: {self.wiring.state(self.door)}")
        return found

    def unlocked_by(self, who: str) -> WireChange:
        """That person's badge is shown and opens."""
        return self.wait("lock", "unlocked", self.show(who))

    def guard(self) -> None:
        """The guardian taps: a green light, no lock."""
        self.wait("light", "green", self.show(self.guardian))
        self.take_away()

    def enter(self) -> WireChange:
        """The worker goes in; the door is shut and locked again. Returns the unlock."""
        unlocked = self.unlocked_by(self.worker)
        self.pass_through(unlocked)
        return unlocked

    def pass_through(self, unlocked: WireChange) -> None:
        """Open, shut, wait for the lock, take the badge away."""
        if not self.wiring.push(self.door):
            raise AssertionError(f"{self.door} did not open")
        self.wait("lock", "locked", unlocked.at)
        self.wiring.shut(self.door)
        self.take_away()


class Rig:
    """The site. Use it in a ``with``; ``release_s`` is how long a lock stays open for entry.

    ``stale_s`` is how long running work goes on without a reading.
    """

    def __init__(
        self,
        folder: Path,
        places: int = 1,
        *,
        release_s: float = 5.0,
        stale_s: float = 3.0,
        program: Sequence[str] = DAEMON,
    ) -> None:
        self.folder = folder
        # A socket's path is 107 bytes at most (unix(7)), so sockets lie in a short folder of their own.
        self._sockets = TemporaryDirectory(prefix="pg-")
        self._run_dir = Path(self._sockets.name) / "run"
        self._count = places
        self._release_s = release_s
        self._stale_s = stale_s
        self.data_dir = folder / "gateway"
        self.config = folder / "gateway.toml"
        self.hq = HqProcess(folder / "hq", folder / "hq.log")
        self.gateway = GatewayProcess(self.config, self._run_dir, folder / "gateway.log", program)
        self.places: list[Place] = []
        self.modbus_port = 0
        self._bus: ModbusSite | None = None
        self._wiring: Wiring | None = None

    def __enter__(self) -> "Rig":
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.add_note(self.gateway.log_tail())
        self.close()

    def close(self) -> None:
        """End everything. May be called twice."""
        self.gateway.stop()
        self.hq.kill()
        for place in self.places:
            place.tag.close()
        if self._wiring is not None:
            self._wiring.close()
        if self._bus is not None:
            self._bus.close()
        self._sockets.cleanup()

    def _build(self) -> None:
        profile = load_profile_data("honeywell_xcd")
        units = [WatchedUnit(profile, number + 1) for number in range(self._count)]
        for unit in units:
            unit.set_value("gas", GOOD_GAS)
        self._bus = ModbusSite(units)
        numbers = range(1, self._count + 1)
        self._wiring = Wiring(
            Path(self._sockets.name) / "wiring.sock",
            [WiredDoor(f"d{number}", "secure", **_door_pins(number)) for number in numbers],
            [WiredSiren(f"a{number}", _pins(number)[7], "sounding") for number in numbers],
        )
        self.places = [Place(n, self._wiring, units[n - 1], WatchedTag(0, bytes(7), b""), self._cards) for n in numbers]
        code = init(self.hq_folder, (SITE, ORGANISATION), GATEWAY, []).code
        self._import_records()
        self.hq.start()
        self.modbus_port = self._bus.serve_tcp()
        self.config.write_text(self._config_text(), encoding="utf-8")
        enrol(load(self.config).gateway, self.hq.url, code)
        for place in self.places:
            for who in (place.worker, place.guardian):
                place.badges[who] = wrap_ndef(issue_badge(self.hq_folder, who, place.permit, place.uid))

    def _cards(self) -> Sequence[str]:
        cards: list[str] = self.gateway.status().get("readers", {}).get("cards", [])
        return cards

    @property
    def hq_folder(self) -> Path:
        """HQ's folder."""
        return self.folder / "hq"

    def start(self) -> None:
        """Start the gateway and bring it to where a worker may enter: authority here, readings good, guardian seen."""
        self.gateway.start()
        self.wait_authority()
        for place in self.places:
            wait_until(f"{place.worker} may enter but for the guardian", lambda place=place: self._lacks_only(place))
            place.guard()

    def wait_authority(self) -> None:
        """Until HQ's word and HQ's time are here."""

        def here() -> bool:
            status = self.gateway.status()
            return bool(status) and status["clock"]["source"] == "hq" and len(status["permits"]) == self._count

        wait_until("HQ's permits and time are here", here, 20)

    def _lacks_only(self, place: Place) -> bool:
        ready = self.gateway.ask({"do": "ready", "permit": place.permit})
        missing = {each["code"] for worker in ready.get("workers", []) for each in worker["missing"]}
        return bool(ready.get("workers")) and missing <= {"guardian_absent"}

    def settled(self, place: Place) -> None:
        """Until the worker of that place may enter."""
        ask = {"do": "ready", "permit": place.permit}
        wait_until(f"{place.worker} may enter", lambda: self.gateway.ask(ask)["ok"], every_s=0.05)

    def act(self, action: str, place: Place) -> dict[str, object]:
        """The guardian acts on the permit of that place."""
        named = {"permit": place.permit, "by": place.guardian, "why": "checked on the spot"}
        return self.gateway.ask({"do": "act", "action": action, **named})

    def clear(self, place: Place) -> None:
        """After a trip: gas gone, settled, re-tested and released by the guardian."""
        wait_until("a re-test passes", lambda: self.act("retest", place)["ok"], every_s=0.2)
        wait_until("the trip is released", lambda: self.act("release", place)["ok"], every_s=0.2)
        self.settled(place)

    def kill_gateway(self) -> int:
        """kill -9 of the daemon; returns when."""
        at = self.gateway.signal(signal.SIGKILL)
        self.gateway.process.wait()
        return at

    def _import_records(self) -> None:
        lines = []
        now = datetime.fromtimestamp(utc_ms() / 1000, UTC)
        start, end = ((now + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ") for hours in (-1, 11))

        def put(kind: str, identity: str, record: Mapping[str, object]) -> None:
            lines.append(orjson.dumps({"op": "put", "k": kind, "id": identity, "rev": 1, "rec": record, "v": 1}))

        for place in self.places:
            put("worker", place.guardian, {"name": f"监护人{place.number}"})
            put("worker", place.worker, {"name": f"工人{place.number}"})
            trade = {"worker": place.worker, "trade": "welding", "ends": "2099-01-01", "status": "valid"}
            put("cert", f"c{place.number}", trade)
            put(
                "permit",
                place.permit,
                {
                    "type": "02",
                    "areas": [place.area],
                    "workers": [place.worker],
                    "guardians": [place.guardian],
                    "start": start,
                    "end": end,
                    "status": 1,
                    "short_id": place.number,
                    "gas": "methane",
                },
            )
        path = self.folder / "records.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
        report = admin.import_file(self.hq_folder, path)
        if report.refused:
            raise AssertionError(f"HQ refused the rig's records: {report.refused}")

    def _config_text(self) -> str:
        wired = f"wired:{self._sockets.name}/wiring.sock"
        text = f"""
[gateway]
id = "{GATEWAY}"
site = "{SITE}"
organisation = "{ORGANISATION}"
data_dir = "{self.data_dir}"
run_dir = "{self._run_dir}"
simulate = true
[hq]
url = "{self.hq.url}"
poll_s = 0.5
[policy]
settle_s = 1
stale_s = {self._stale_s}
gust_window_s = 2
[outputs]
pins = "{wired}"
[[bus]]
id = "b1"
kind = "tcp"
host = "127.0.0.1"
tcp_port = {self.modbus_port}
poll_s = 0.5
"""
        return text + "".join(_place_text(place, self._release_s) for place in self.places)


def _pins(number: int) -> range:
    first = _FIRST_PIN + (number - 1) * _PINS_A_PLACE
    return range(first, first + _PINS_A_PLACE)


def _door_pins(number: int) -> dict[str, int]:
    names = ("strike_pin", "contact_pin", "bolt_pin", "rex_pin", "green_pin", "red_pin", "amber_pin")
    return dict(zip(names, _pins(number), strict=False))


def _place_text(place: Place, release_s: float) -> str:
    number = place.number
    pins = "\n".join(f"{name} = {pin}" for name, pin in _door_pins(number).items())
    return f"""
[[area]]
id = "a{number}"
name_zh = "区{number}"
name_en = "Area {number}"
ex = true
rule_packs = ["gb30871"]
siren_pin = {_pins(number)[7]}
[[door]]
id = "d{number}"
area = "a{number}"
name_zh = "门{number}"
name_en = "Door {number}"
fail = "secure"
release_s = {release_s}
{pins}
[[reader]]
id = "r{number}"
door = "d{number}"
side = "entry"
path = "udp:127.0.0.1:{place.tag.port}"
[[device]]
id = "gas-{number}"
bus = "b1"
unit = {number}
profile = "honeywell_xcd"
area = "a{number}"
gas = "methane"
"""
