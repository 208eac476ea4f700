"""The stage of the demo: a site in this process, HQ and a gateway as processes of their own, a link that can be cut.

Everything that a step finds is looked at from outside: wires, files read-only, HQ's own database, the control socket.
"""

import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from edge.config import load
from edge.core.readings import MonotonicMs
from edge.host.system_clock import monotonic_ms, sleep
from edge.ports.errors import TransientError
from edge.runtime.control import request
from edge.storage.journal_reader import JournalReader
from hil.demo_steps import cast
from hil.demo_steps.cast import Badge
from hil.demo_steps.story import until
from hil.demo_steps.witness import Witness
from hil.gateway_process import PERMITGATE, ServiceProcess
from hil.link_cut import LinkCut
from hil.virtual_site import VirtualSite
from sync.formats.merkle import root_at
from sync.hq.place import open_place
from sync.hq.store import Log

DOORS = {"r1": "d1", "r2": "d2"}
"""Which door a reader serves."""

ANSWER_S = 4.0
AWAY_S = 5.0
_COMMAND_S = 40.0
_LIGHTS = {"granted": "green", "noted": "green", "denied": "red", "review": "red"}
_SHOWN_S = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How a tap was answered: the journal's entry, what the door showed, and how long the decision took."""

    began: MonotonicMs
    door: str
    entry: int
    body: Mapping[str, Any]
    light: str
    words: str
    ms: int

    @property
    def said(self) -> str:
        """The decision, and its primary reason where that is another word."""
        decision, reason = self.body["decision"], self.body["reason"]
        return decision if decision == reason else f"{decision} {reason}"

    @property
    def shown(self) -> bool:
        """Whether the lamp showed what was decided."""
        return self.light == _LIGHTS[self.body["decision"]]


@dataclass(frozen=True, slots=True)
class Done:
    """What a command answered: its exit code, its JSON, and what it said in words if it could not."""

    code: int
    json: Mapping[str, Any]
    words: str


class Stage:
    """Everything the story needs. ``close`` ends every process, port, thread and, unless kept, the sockets' folder."""

    def __init__(self, folder: Path, run_dir: Path) -> None:
        self.folder = folder
        self.hq_dir, self.data_dir = folder / "hq", folder / "gateway"
        self.config_path = folder / "gateway.toml"
        self.badges: dict[str, Badge] = {}
        self.before_kill = 0
        self.freeze = ""
        self._last: dict[str, Badge] = {}
        self._stack = ExitStack()
        with ExitStack() as building:
            hq_port, modbus_port = _free_port(socket.SOCK_STREAM), _free_port(socket.SOCK_STREAM)
            self.link = building.enter_context(LinkCut(hq_port))
            readers = (_free_port(socket.SOCK_DGRAM), _free_port(socket.SOCK_DGRAM))
            layout = cast.Layout(self.data_dir, run_dir, self.link.port, modbus_port, readers)
            self.config_path.write_text(cast.configuration(layout), encoding="utf-8")
            self.config = load(self.config_path)
            self.witness = Witness(self.data_dir / "journal.db")
            self.site = building.enter_context(VirtualSite(self.config, self.witness))
            serve = ("hq", "serve", "--dir", self.hq_dir, "--port", str(hq_port))
            self.hq = building.enter_context(ServiceProcess(serve, folder / "hq.log"))
            run = ("run", "--config", self.config_path)
            self.gateway = building.enter_context(ServiceProcess(run, folder / "gateway.log"))
            self._stack = building.pop_all()

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """The gateway ends first, then HQ, the site and the link. May be called twice."""
        self._stack.close()

    # ---- doing ------------------------------------------------------------------------------------------------------

    def commands(self, *all_arguments: Sequence[str | Path]) -> list[Done]:
        """Run permitgate commands side by side, as people would in several terminals. Raises TransientError if late."""
        running: list[subprocess.Popen[bytes]] = []
        try:
            running += [_begin(arguments) for arguments in all_arguments]
            return [_finish(process) for process in running]
        finally:
            for process in running:
                process.kill()
                with process:  # closes its pipes and waits for it
                    continue

    def command(self, *arguments: str | Path) -> Done:
        """Run one permitgate command."""
        return self.commands(arguments)[0]

    def on_gateway(self, *arguments: str) -> Done:
        """Run one permitgate command on this gateway."""
        return self.command(*arguments, "--config", self.config_path)

    def start_gateway(self) -> None:
        """Start the gateway and wait until it answers."""
        self.gateway.start()
        until("the gateway answers", lambda: self._answers() or not self.gateway.alive, 20.0)
        if not self.gateway.alive:
            raise TransientError(f"the gateway ended; its last words: {self.gateway.said()[-400:]}")

    def _answers(self) -> bool:
        try:
            return bool(self.status()["ok"])
        except TransientError:
            return False

    @contextmanager
    def holding(self, badge: Badge, reader: str = "r1") -> Iterator[None]:
        """Hold a badge to a reader; the same one again only when the reader saw that it was away."""
        if self._last.get(reader) == badge:
            until(f"the last badge at {reader} is away", lambda: reader not in self._cards(), AWAY_S)
        with self.site.holding(reader, badge.uid, badge.ndef):
            yield
        self._last[reader] = badge

    def _cards(self) -> Sequence[str]:
        try:
            cards: list[str] = self.status()["readers"]["cards"]
        except TransientError:
            return ()
        return cards

    def tap(self, badge: Badge | str, reader: str = "r1") -> Answer:
        """Hold a badge to a reader until the door has answered. Raises BrokenOffError if it does not."""
        held = self.badges[badge] if isinstance(badge, str) else badge
        door, start = DOORS[reader], self.size()
        with self.holding(held, reader):
            began = monotonic_ms()
            entry = until(f"an answer at door {door}", lambda: self.answered(start, door), ANSWER_S)
            light = self._light(door, _LIGHTS[entry["body"]["decision"]])
            shown = self.status()["shown"].get(door, {})
        words = f"{shown.get('zh', '')} / {shown.get('en', '')}"
        return Answer(began, door, entry["seq"], entry["body"], light, words, entry["t"]["m"] - began)

    def _light(self, door: str, wanted: str) -> str:
        """The lamp's colour as soon as it is the wanted one, at the latest after a second."""
        deadline_ms = monotonic_ms() + int(_SHOWN_S * 1000)
        while (light := self.site.wiring.state(door).light) != wanted and monotonic_ms() < deadline_ms:
            sleep(0.01)
        return light

    # ---- looking ----------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What the daemon says of itself."""
        return request(self.config.gateway.run_dir / "control.sock", {"do": "status"})

    def missing(self, permit: str, worker: str) -> set[str]:
        """The codes of what a worker on a permit lacks now, by the gateway's own judgement."""
        found = request(self.config.gateway.run_dir / "control.sock", {"do": "ready", "permit": permit})
        for answer in found.get("workers", []):
            if answer["worker"] == worker:
                return {each["code"] for each in answer["missing"]}
        return {"permit_unknown"}

    def entries(self, start: int) -> list[dict[str, Any]]:
        """The journal's committed entries from there on, read from its file."""
        found: list[dict[str, Any]] = []
        with closing(JournalReader(self.data_dir / "journal.db")) as reader:
            while leaves := reader.leaves(start + len(found)):
                found += map(orjson.loads, leaves)
        return found

    def entry(self, kind: str, start: int, permit: str | None = None) -> dict[str, Any] | None:
        """The first entry of a kind, and of a permit if one is given, from there on."""
        wanted = (each for each in self.entries(start) if each["typ"] == kind)
        return next((each for each in wanted if permit is None or each.get("pid") == permit), None)

    def answered(self, start: int, door: str) -> dict[str, Any] | None:
        """The first answer to a tap at a door from there on."""
        answers = (each for each in self.entries(start) if each["typ"] in ("access.decided", "access.refused"))
        return next((each for each in answers if each["body"]["door"] == door), None)

    def size(self) -> int:
        """How many entries are committed."""
        with closing(JournalReader(self.data_dir / "journal.db")) as reader:
            return reader.size()

    def acked(self) -> int:
        """How many of them HQ's mirror has cosigned, as the gateway keeps it."""
        with closing(JournalReader(self.data_dir / "journal.db")) as reader:
            return reader.acked()

    def root(self, size: int) -> bytes:
        """The root of the journal's first entries, computed from its own tree."""
        with closing(JournalReader(self.data_dir / "journal.db")) as reader:
            return root_at(size, reader.node)

    def hq_log(self) -> Log:
        """What HQ's own database holds of this gateway's log. Raises TransientError before it holds anything."""
        store = open_place(self.hq_dir).store()
        try:
            with store.reading() as transaction:
                log = transaction.log(self.config.gateway.origin)
        finally:
            store.close()
        if log is None:
            raise TransientError(f"HQ has no log of {self.config.gateway.origin}")
        return log


def _begin(arguments: Sequence[str | Path]) -> subprocess.Popen[bytes]:
    argv = [*PERMITGATE, *map(str, arguments), "--json"]
    return subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def _finish(process: subprocess.Popen[bytes]) -> Done:
    try:
        out, err = process.communicate(timeout=_COMMAND_S)
    except subprocess.TimeoutExpired:
        raise TransientError(f"not within {_COMMAND_S:g} s: {process.args!r}") from None
    try:
        found = orjson.loads(out)
    except orjson.JSONDecodeError:
        found = {}
    return Done(process.returncode, found if isinstance(found, dict) else {}, err.decode(errors="replace").strip())


def _free_port(kind: socket.SocketKind) -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with closing(socket.socket(socket.AF_INET, kind)) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
