"""The hardware of a site, simulated for one configuration: doors and sirens, Modbus units, badges at the readers.

Everything speaks the real protocol at the place where the configuration looks for it, so that an unchanged gateway runs
against it. It lives in the process of whoever made it and outlives every gateway.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from edge.config_values import Bus, Config, Device, RtuBus, TcpBus
from edge.host.system_clock import sleep
from edge.ports.errors import RefusedError
from hil.modbus_faults import FAULTS, Surroundings, mend
from hil.modbus_site import ModbusSite
from hil.modbus_unit import SimulatedUnit, load_profile_data
from hil.tag import SimulatedTag, TagKind
from hil.wiring import WireChange, WiredDoor, WiredSiren, Wiring

HELD_S = 0.6
"""How long a badge is held to a reader: several turns of the simulated field."""

AWAY_S = 0.6
"""How long a badge is kept away before it is held there again: three turns of the simulated field (0.2 s each).

A reader that has not looked at an empty field for 0.3 s takes the same badge for one that never left.
"""

_NO_BADGE = bytes(7)
_RESTING = {"combustible": "1.5", "oxygen": "20.9", "wind_speed": "2.0"}
FAULT_NAMES = (*FAULTS, "heal")
"""Every fault that ``Instrument.fault`` knows, and the end of them."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Something of the site that stands ready: what it is, and where a gateway finds it."""

    what: str
    where: str


class Instrument:
    """One detector or anemometer: what it measures and what is wrong with it. Methods may be called from any thread."""

    def __init__(self, device: Device, timeout_ms: int, profiles_dir: Path | None = None) -> None:
        profile = load_profile_data(device.profile, profiles_dir)
        self.id = device.id
        self.unit = SimulatedUnit(profile, device.unit, device.decimals)
        self.quantities: Mapping[str, str] = {each["quantity"]: each["name"] for each in profile["channel"]}
        self._units = {each["quantity"]: each["unit"] for each in profile["channel"]}
        self._values = {quantity: _RESTING.get(quantity, "0") for quantity in self.quantities}
        self._timeout_s = timeout_ms / 1000
        self.neighbour: SimulatedUnit | None = None
        self.wrong = "heal"
        self.heal()

    def set_value(self, quantity: str, value: str) -> None:
        """What it measures from now on, in its profile's unit. Raises RefusedError for a quantity it has not."""
        channel = self.quantities.get(quantity)
        if channel is None:
            raise RefusedError(f"{self.id}: measures {', '.join(self.quantities)}, not {quantity}")
        try:
            self.unit.set_value(channel, value)
        except (ArithmeticError, ValueError, struct.error) as error:
            raise RefusedError(f"{self.id}: {value[:20]!r} is no value that its register holds") from error
        self._values[quantity] = value

    def heal(self) -> None:
        """End every fault; it measures what was last set."""
        mend(self.unit, {})
        for quantity, value in self._values.items():
            self.set_value(quantity, value)
        self.wrong = "heal"

    def fault(self, name: str) -> None:
        """Put one of ``FAULT_NAMES`` in force, in place of any other. Raises RefusedError for one it cannot have."""
        if name not in FAULT_NAMES:
            raise RefusedError(f"fault {name!r}: one of {', '.join(FAULT_NAMES)}")
        self.heal()
        if name == "swapped" and self.neighbour is None:
            raise RefusedError(f"{self.id}: is alone on its bus; there is no other to be swapped with")
        if name != "heal":
            self._begin(name)
        self.wrong = name

    def _begin(self, name: str) -> None:
        try:
            FAULTS[name](self.unit, Surroundings(self._timeout_s, self.neighbour))
        except (ValueError, struct.error) as error:
            raise RefusedError(f"{self.id}: {error}") from error

    def words(self) -> str:
        """What it measures, and what is wrong with it."""
        values = ", ".join(f"{name} {value} {self._units[name]}" for name, value in self._values.items())
        return values if self.wrong == "heal" else f"{values} ({self.wrong})"


class VirtualSite:
    """The site of a configuration with ``simulate = true``. Close it, or use it in ``with``.

    ``wiring``: the doors; ``instruments``: by device id; ``standing``: what listens where; ``left_out``: what only real
    hardware can be. ``witness`` is told of every change of a lock before it takes effect. Raises RefusedError, naming
    place and remedy, for what cannot be had here.
    """

    def __init__(self, config: Config, witness: Callable[[WireChange], None] | None = None) -> None:
        self.config = config
        self.standing: list[Standing] = []
        self.left_out: list[str] = []
        self.instruments: dict[str, Instrument] = {}
        self._buses: dict[str, ModbusSite] = {}
        self._tags: dict[str, SimulatedTag] = {}
        self._stack = ExitStack()
        with ExitStack() as building:
            self._stack = building
            self.wiring = building.enter_context(self._wire(witness))
            for bus in config.buses:
                self._serve_bus(bus)
            for reader in config.readers:
                self._place_tag(reader.id, reader.path)
            self._stack = building.pop_all()

    def __enter__(self) -> "VirtualSite":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Every socket, port, terminal and thread ends. May be called twice."""
        self._stack.close()

    # ---- people at the site -----------------------------------------------------------------------------------------

    @contextmanager
    def holding(self, reader: str, uid: bytes, ndef: bytes, kind: TagKind = "type4") -> Iterator[None]:
        """A badge is held to a reader meanwhile. Raises RefusedError for an unknown reader or an impossible badge."""
        tag = self._tags.get(reader)
        if tag is None:
            known = ", ".join(self._tags) or "none; give a reader a path such as udp:127.0.0.1:52001"
            raise RefusedError(f"there is no simulated reader {reader!r}; there are {known}")
        try:
            tag.rewrite(uid, ndef, kind)
        except ValueError as error:
            raise RefusedError(f"badge: {error}") from error
        tag.present()
        try:
            yield
        finally:
            tag.remove()

    def tap(self, reader: str, uid: bytes, ndef: bytes) -> None:
        """Hold a badge to a reader for a moment and take it away; returns when the next may come."""
        with self.holding(reader, uid, ndef):
            sleep(HELD_S)
        sleep(AWAY_S)

    def instrument(self, device: str) -> Instrument:
        """A device by its id. Raises RefusedError for one that is not there."""
        found = self.instruments.get(device)
        if found is None:
            raise RefusedError(f"there is no device {device!r}; there are {', '.join(self.instruments) or 'none'}")
        return found

    def unplug(self, bus: str) -> None:
        """The cable or adapter of a bus is pulled out; ``plug_in`` puts it back at the same place."""
        self._bus(bus).unplug()

    def plug_in(self, bus: str) -> None:
        """Ends ``unplug``. Raises RefusedError where somebody else has taken the place since."""
        try:
            self._bus(bus).plug_in()
        except OSError as error:
            raise RefusedError(f"bus {bus}: {error.strerror or error}; what is in its place must go first") from error

    def _bus(self, bus: str) -> ModbusSite:
        found = self._buses.get(bus)
        if found is None:
            raise RefusedError(f"there is no bus {bus!r}; there are {', '.join(self._buses) or 'none'}")
        return found

    # ---- building ---------------------------------------------------------------------------------------------------

    def _wire(self, witness: Callable[[WireChange], None] | None) -> Wiring:
        path = self.config.outputs.wired
        if path is None:
            raise RefusedError('[outputs] pins: a virtual site needs "wired:/PATH" and simulate = true in [gateway]')
        names = [name for name in WiredDoor.__dataclass_fields__ if name.endswith("_pin")]
        doors = [
            WiredDoor(door.id, door.fail.value, **{name: getattr(door, name) for name in names})
            for door in self.config.doors
        ]
        sirens = [WiredSiren(area.id, area.siren_pin) for area in self.config.areas if area.siren_pin is not None]
        path.parent.mkdir(parents=True, exist_ok=True)
        wiring = Wiring(path, doors, sirens, witness)
        self.standing.append(Standing(f"wires of {', '.join(door.id for door in doors)}", str(path)))
        return wiring

    def _serve_bus(self, bus: Bus) -> None:
        folder = self.config.gateway.profiles_dir
        found = [Instrument(each, bus.timeout_ms, folder) for each in self.config.devices if each.bus == bus.id]
        self.instruments.update({each.id: each for each in found})
        for each, following in zip(found, found[1:] + found[:1], strict=True):
            each.neighbour = following.unit if following is not each else None
        site = self._buses[bus.id] = ModbusSite([each.unit for each in found])
        self._stack.callback(site.close)
        what = f"bus {bus.id}: {', '.join(each.id for each in found) or 'no device'}"
        match bus:
            case TcpBus(host=host, tcp_port=port):
                self.standing.append(Standing(what, _listen(site, bus.id, (host, port))))
            case RtuBus(port=name):
                self.standing.append(Standing(what, self._serial(site, Path(name))))
            case _:
                assert_never(bus)

    def _serial(self, site: ModbusSite, port: Path) -> str:
        """The configured name becomes a link to a fresh pseudo-terminal, as udev does it for real adapters."""
        if port.parent == Path("/dev/pts"):
            terminal = site.serve_rtu()
            return f"{terminal}: a pseudo-terminal cannot be had by number; write this one, or a path of your own"
        try:
            port.parent.mkdir(parents=True, exist_ok=True)
            if port.is_symlink():
                port.unlink()
            site.serve_rtu(port)
        except OSError as error:
            raise RefusedError(
                f"{port}: cannot be made a link to a terminal ({error.strerror}); choose a path of your own"
            ) from error
        return f"{port} -> {port.readlink()}"

    def _place_tag(self, reader: str, path: str) -> None:
        if not path.startswith("udp:"):
            self.left_out.append(f"reader {reader}: {path} is real hardware; a simulated one is udp:127.0.0.1:PORT")
            return
        host, port = path.removeprefix("udp:").rsplit(":", 1)
        try:
            tag = SimulatedTag(int(port), _NO_BADGE, b"", host=host)
        except OSError as error:
            raise RefusedError(f"reader {reader}: {path}: {error.strerror}; choose a free port") from error
        self._tags[reader] = tag
        self._stack.callback(tag.close)
        self.standing.append(Standing(f"field of reader {reader}", path))


def _listen(site: ModbusSite, bus: str, place: tuple[str, int]) -> str:
    host, port = place
    try:
        return f"{host}:{site.serve_tcp(host, port)}"
    except OSError as error:
        why = error.strerror or str(error)
        raise RefusedError(
            f"bus {bus}: {host}:{port}: {why}; a virtual site needs a free port of this machine, such as 127.0.0.1:1502"
        ) from error
