"""Whole gateways for system tests: `permitgate run` and `permitgate hq serve` as processes, a wired site, badges.

A ``Template`` is an enrolled gateway and its HQ on disk, made once; a ``Plant`` is a copy of it that a test may break.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import orjson

from edge.host.system_clock import monotonic_ms, sleep, utc_ms
from edge.ports.errors import PermitgateError
from edge.runtime.control import request
from edge.storage.journal_reader import JournalReader
from hil.modbus_site import ModbusSite
from hil.modbus_unit import SimulatedUnit, load_profile_data
from hil.tag import SimulatedTag, TagFault
from hil.wiring import WiredDoor, WiredSiren, Wiring
from sync.formats.badge_token import wrap_ndef
from sync.hq import admin

PERMITGATE = (sys.executable, "-P", "-m", "edge")
SITE, ORGANISATION, GATEWAY = "s014", "pg.example.org", "gw1"
ORIGIN = f"{ORGANISATION}/gw/{GATEWAY}/1"
WORKER_UID, GUARDIAN_UID = bytes.fromhex("04112233445566"), bytes.fromhex("04aabbccddeeff")

Found = TypeVar("Found")

_DOORS = (
    WiredDoor("d1", "secure", 17, 27, 6, 23, 24, 25, bolt_pin=5),
    WiredDoor("d2", "secure", 2, 3, 4, 7, 8, 9, bolt_pin=10),
)
_PINS = ("strike_pin", "contact_pin", "rex_pin", "green_pin", "red_pin", "amber_pin", "bolt_pin")


def until(what: str, look: Callable[[], Found | None], within_s: float = 10.0) -> Found:
    """The first thing found by looking again and again; the test fails with ``what`` if it does not come."""
    deadline_ms = monotonic_ms() + int(within_s * 1000)
    while not (found := look()):
        assert monotonic_ms() < deadline_ms, f"not within {within_s} s: {what}"
        sleep(0.02)
    return found


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A TCP port (or UDP, with SOCK_DGRAM) that was free a moment ago."""
    with closing(socket.socket(socket.AF_INET, kind)) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command(*arguments: str | Path, within_s: float = 30.0) -> "subprocess.CompletedProcess[str]":
    """One permitgate command; whatever happens, no person may see a traceback."""
    done = subprocess.run([*PERMITGATE, *map(str, arguments)], capture_output=True, text=True, timeout=within_s)
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


def records() -> list[dict[str, Any]]:
    """Hot work of grade 1 in a1, in force for six hours: w1 works, g1 guards; P2 lies in a2."""
    now = datetime.now(UTC)

    def instant(hours: float) -> str:
        return (now + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")

    window = {"start": instant(-0.2), "end": instant(6), "status": 1, "gas": "methane"}
    people = {"type": "02", "workers": ["w1"], "guardians": ["g1"]}
    named = [
        ("worker", "w1", {"name": "张三"}),
        ("worker", "g1", {"name": "李四"}),
        ("cert", "c1", {"worker": "w1", "trade": "welding", "ends": "2099-01-01", "status": "valid"}),
        ("permit", "P1", {**people, **window, "areas": ["a1"], "short_id": 7}),
        ("permit", "P2", {**people, **window, "areas": ["a2"], "short_id": 8}),
    ]
    return [{"v": 1, "op": "put", "k": kind, "id": name, "rev": 1, "rec": record} for kind, name, record in named]


def write_records(path: Path, operations: Sequence[Mapping[str, Any]]) -> Path:
    """A file for `hq import`."""
    path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in operations))
    return path


class Hq:
    """`permitgate hq serve` as a process, on a port that it keeps over restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._log = folder.parent / f"{folder.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> "Hq":
        """Start it and wait until it listens."""
        argv = [*PERMITGATE, "hq", "serve", "--dir", str(self.folder), "--port", str(self.port)]
        with self._log.open("ab") as log:
            begin = log.tell()
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        until("HQ serves", lambda: b"HQ serves" in self._log.read_bytes()[begin:])
        return self

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it; may be called twice."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(10)
        assert "Traceback" not in self.said(), self.said()

    def said(self) -> str:
        """Everything that it ever printed."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def badge(self, worker: str = "w1", permit: str = "P1", uid: bytes = WORKER_UID) -> bytes:
        """The NDEF message of a badge."""
        return wrap_ndef(admin.issue_badge(self.folder, worker, permit, uid, utc_ms()))


@dataclass(frozen=True, slots=True)
class Template:
    """An HQ with its records and an enrolled gateway, both at rest, in ``folder``."""

    folder: Path
    code: str = ""

    @property
    def hq(self) -> Path:
        """HQ's folder."""
        return self.folder / "hq"

    @property
    def data(self) -> Path:
        """The gateway's data directory."""
        return self.folder / "gateway"


def make_template(folder: Path) -> Template:
    """Make it with the commands that people use."""
    names = ("--site", SITE, "--organisation", ORGANISATION, "--gateway", GATEWAY)
    made = command("hq", "init", "--dir", folder / "hq", *names, "--json")
    template = Template(folder, json.loads(made.stdout)["code"])
    imported = command("hq", "import", "--dir", template.hq, write_records(folder / "records.jsonl", records()))
    assert imported.returncode == 0, imported.stdout + imported.stderr
    hq = Hq(template.hq).start()
    try:
        config = write_config(folder / "gateway.toml", Layout(template.data, folder / "run", hq.url))
        done = command("enrol", "--config", config, "--hq", hq.url, "--code", template.code)
        assert done.returncode == 0, done.stderr
    finally:
        hq.stop()
    return template


def make_used_template(fresh: Template, folder: Path) -> Template:
    """A gateway that has met HQ, admitted a worker, and ended in peace: every file of it exists."""
    with plant(fresh, folder) as used:
        used.hq.start()
        used.start().wait_good()
        used.admit()
        granted = used.size()
        until("HQ holds the grant", lambda: used.status()["journal"]["acked"] >= granted, 20)
        assert used.stop() == 0
    return Template(folder)


@dataclass(frozen=True, slots=True)
class Layout:
    """What of the configuration differs between tests. ``devices`` is TOML: buses and devices."""

    data_dir: Path
    run_dir: Path
    hq_url: str
    wiring: Path | None = None
    readers: Mapping[str, str] = field(default_factory=dict)
    devices: str = ""


def write_config(path: Path, layout: Layout) -> Path:
    """Area a1 with doors d1 and d2, each with one reader at the entry side; area a2 without a door."""
    lines = [
        f'[gateway]\nid = "{GATEWAY}"\nsite = "{SITE}"\norganisation = "{ORGANISATION}"',
        f'data_dir = "{layout.data_dir}"\nrun_dir = "{layout.run_dir}"\nsimulate = true',
        f'[hq]\nurl = "{layout.hq_url}"\npoll_s = 0.3',
        "[policy]\nsettle_s = 0.5\nstale_s = 3\ngust_window_s = 2\nsiren_s = 1\nreader_rest_s = 2",
        f'[outputs]\npins = "wired:{layout.wiring or path.parent / "w.sock"}"',
        '[[area]]\nid = "a1"\nname_zh = "罐区"\nname_en = "Tanks"\nex = true\nrule_packs = ["gb30871"]\nsiren_pin = 22',
        '[[area]]\nid = "a2"\nname_zh = "泵房"\nname_en = "Pumps"\nex = true\nrule_packs = ["gb30871"]',
    ]
    for number, door in enumerate(_DOORS):
        lines.append(f'[[door]]\nid = "{door.id}"\narea = "a1"\nname_zh = "门"\nname_en = "Door"\nfail = "secure"')
        lines += [f"{pin} = {getattr(door, pin)}" for pin in _PINS]
        reader = layout.readers.get(door.id, f"udp:127.0.0.1:{50_001 + number}")
        lines.append(f'[[reader]]\nid = "r-{door.id}"\ndoor = "{door.id}"\nside = "entry"\npath = "{reader}"')
    path.write_text("\n".join([*lines, layout.devices]) + "\n", encoding="utf-8")
    return path


def gas_over_tcp(port: int) -> str:
    """An XCD behind a TCP gateway, as configuration."""
    return f"""[[bus]]
id = "b1"
kind = "tcp"
host = "127.0.0.1"
tcp_port = {port}
timeout_s = 0.3
poll_s = 0.5
[[device]]
id = "gas-1"
bus = "b1"
unit = 1
profile = "honeywell_xcd"
area = "a1"
gas = "methane"
"""


class Plant:
    """A gateway, its HQ and the site around it. Nothing runs until it is started; ``close`` ends everything."""

    def __init__(
        self, template: Template, folder: Path, devices: str | None = None, bare: Mapping[str, int] | None = None
    ) -> None:
        """``devices`` replaces the simulated detector; at the doors of ``bare`` no tag of ours uses the UDP port."""
        self.folder = folder
        self.data = folder / "gateway"
        self.run = folder / "run"
        shutil.copytree(template.data, self.data)
        shutil.copytree(template.hq, folder / "hq")
        self.hq = Hq(folder / "hq")
        self.rewire()
        self.gas = SimulatedUnit(load_profile_data("honeywell_xcd"), 1)
        self.gas.set_value("gas", "1.5")
        self._bus = ModbusSite([self.gas])
        self.bare = dict(bare or {})
        self.tags = {door.id: SimulatedTag(0, WORKER_UID, b"") for door in _DOORS if door.id not in self.bare}
        ports = {**{door: tag.port for door, tag in self.tags.items()}, **self.bare}
        readers = {door: f"udp:127.0.0.1:{port}" for door, port in ports.items()}
        if devices is None:
            devices = gas_over_tcp(self._bus.serve_tcp())
        self.layout = Layout(self.data, self.run, self.hq.url, folder / "w.sock", readers, devices)
        self.config = write_config(folder / "gateway.toml", self.layout)
        self.badges = {
            "w1": (WORKER_UID, self.hq.badge()),
            "g1": (GUARDIAN_UID, self.hq.badge("g1", "P1", GUARDIAN_UID)),
        }
        self._log = folder / "gateway.log"
        self._began = 0
        self._process: subprocess.Popen[bytes] | None = None

    def rewire(self) -> None:
        """The wires of the site: there from the beginning, or there again after ``wiring.close``."""
        self.wiring = Wiring(self.folder / "w.sock", _DOORS, [WiredSiren("a1", 22)])

    # ---- processes --------------------------------------------------------------------------------------------------

    def start(self, within_s: float = 15.0) -> "Plant":
        """Start the gateway and wait until it is ready."""
        self.launch()
        until("ready", lambda: "event=ready" in self.said() or not self.alive, within_s)
        assert self.alive, self.said()
        return self

    def launch(self, *wrapper: str) -> None:
        """Start the gateway, through the command ``wrapper`` if there is one, and do not wait."""
        with self._log.open("ab") as log:
            self._began = log.tell()
            argv = [*wrapper, *PERMITGATE, "run", "--config", str(self.config)]
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)

    def ends(self, within_s: float = 20.0) -> tuple[int, str]:
        """Wait for the gateway to end by itself: its exit code and what it said in this run."""
        assert self._process is not None
        code, self._process = self._process.wait(within_s), None
        return code, self.said()

    @property
    def alive(self) -> bool:
        """Whether the gateway's process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """Ask the gateway to end; its exit code."""
        assert self._process is not None
        process, self._process = self._process, None
        process.terminate()
        return process.wait(20)

    def kill(self) -> None:
        """kill -9; its children see the end of their pipes and follow."""
        assert self._process is not None
        children = _children(self._process.pid)
        self._process.kill()
        self._process.wait(5)
        self._process = None
        until("children follow", lambda: not any(_runs(pid) for pid in children), 8)

    def said(self) -> str:
        """What the gateway and its children printed in this run."""
        return self._log.read_bytes()[self._began :].decode(errors="replace") if self._log.exists() else ""

    def ever_said(self) -> str:
        """What they printed in all runs."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def close(self) -> None:
        """End everything; no traceback may have been printed."""
        if self._process is not None:
            self.kill()
        self.hq.stop()
        for tag in self.tags.values():
            tag.close()
        self._bus.close()
        self.wiring.close()
        assert "Traceback" not in self.ever_said(), self.ever_said()

    # ---- looking ----------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What the daemon sees."""
        return request(self.run / "control.sock", {"do": "status"})

    def cli(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """One command on this gateway."""
        return command(*arguments, "--config", self.config)

    def entries(self, start: int = 0) -> list[dict[str, Any]]:
        """The journal's durable entries, parsed."""
        found: list[dict[str, Any]] = []
        with closing(JournalReader(self.data / "journal.db")) as reader:
            while leaves := reader.leaves(start + len(found)):
                found += map(orjson.loads, leaves)
        return found

    def leaves(self) -> list[bytes]:
        """The bytes of every durable entry."""
        found: list[bytes] = []
        with closing(JournalReader(self.data / "journal.db")) as reader:
            while leaves := reader.leaves(len(found)):
                found += leaves
        return found

    def size(self) -> int:
        """Number of durable entries."""
        with closing(JournalReader(self.data / "journal.db")) as reader:
            return reader.size()

    def decision(self, start: int, door: str = "d1", within_s: float = 5.0) -> dict[str, Any]:
        """The body of the first tap's answer at this door in the journal from ``start`` on."""

        def look() -> dict[str, Any] | None:
            answers = (each for each in self.entries(start) if each["typ"] in ("access.decided", "access.refused"))
            return next((each["body"] for each in answers if each["body"]["door"] == door), None)

        return until(f"an answer at {door}", look, within_s)

    def wait_good(self, within_s: float = 12.0) -> "Plant":
        """Until P1 lacks only its guardian: authority, readings and clock are good."""

        def look() -> bool:
            try:
                found = request(self.run / "control.sock", {"do": "ready", "permit": "P1"})
            except PermitgateError:
                return False
            missing = [each["code"] for worker in found.get("workers", []) for each in worker["missing"]]
            return "workers" in found and set(missing) <= {"guardian_absent"}

        until("the gateway is good for entry", look, within_s)
        return self

    # ---- HQ's word --------------------------------------------------------------------------------------------------

    def hear(self, operations: Sequence[Mapping[str, Any]]) -> None:
        """HQ takes these operations, and the gateway has applied them."""
        size = self.status()["authority"]["size"]
        done = command("hq", "import", "--dir", self.hq.folder, write_records(self.folder / "more.jsonl", operations))
        assert done.returncode == 0, done.stdout
        self.wait_heard(size + len(operations))

    def wait_heard(self, size: int) -> None:
        """Until the gateway has applied that many operations."""
        until("HQ's word is applied", lambda: self.status()["authority"]["size"] >= size)

    def change_permit(self, name: str, rev: int, **changes: Any) -> None:
        """A new version of a permit of ``records``."""
        (operation,) = [each for each in records() if each["id"] == name]
        self.hear([{**operation, "rev": rev, "rec": {**operation["rec"], **changes}}])

    def lift_freezes(self) -> None:
        """HQ releases whatever the gateway froze."""
        frozen = [each["freeze"] for each in self.status()["freezes"]]
        if frozen:
            size = self.status()["authority"]["size"]
            admin.release(self.hq.folder, frozen, "g1")
            self.wait_heard(size + 1)

    # ---- people -----------------------------------------------------------------------------------------------------

    @contextmanager
    def holding(
        self, badge: tuple[bytes, bytes] | str, door: str = "d1", faults: Sequence[TagFault] = ()
    ) -> Iterator[None]:
        """A badge, that may be a hostile one, lies on the reader meanwhile."""
        uid, ndef = self.badges[badge] if isinstance(badge, str) else badge
        tag = self.tags[door]
        self.wait_away(door)
        tag.rewrite(uid, ndef, faults=faults)
        tag.present()
        try:
            yield
        finally:
            tag.remove()

    def wait_away(self, door: str) -> None:
        """Until the reader of that door has seen that the last badge was taken away: else it lies there still.

        One that rests after too many bad badges is waited for too.
        """
        until(f"the last badge at {door} is away", lambda: f"r-{door}" not in self._cards(), 8.0)
        until(f"the reader at {door} does not rest", lambda: f"r-{door}" not in self.resting(), 8.0)

    def resting(self) -> Sequence[str]:
        """The readers that rest."""
        try:
            return [each["reader"] for each in self.status()["resting"]]
        except PermitgateError:
            return ()

    def _cards(self) -> Sequence[str]:
        try:
            cards: list[str] = self.status()["readers"]["cards"]
        except PermitgateError:
            return ()
        return cards

    def tap(self, badge: tuple[bytes, bytes] | str, door: str = "d1", within_s: float = 5.0) -> dict[str, Any]:
        """Hold a badge to the reader until the journal has the answer, and take it away; the answer's body."""
        start = self.size()
        with self.holding(badge, door):
            return self.decision(start, door, within_s)

    def admit(self, door: str = "d1") -> dict[str, Any]:
        """The guardian taps, then the worker; what the worker was answered."""
        self.tap("g1", door)
        return self.tap("w1", door)


@contextmanager
def plant(
    template: Template, folder: Path, devices: str | None = None, bare: Mapping[str, int] | None = None
) -> Iterator[Plant]:
    """A plant that is closed whatever happens."""
    made = Plant(template, folder, devices, bare)
    try:
        yield made
    finally:
        made.close()


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(each) for each in task.read_text().split()]
    return found + [grand for child in found for grand in _children(child)]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
