"""From configuration to what the children must be told: pins, reader places, buses."""

from drivers.lock.door_pins import DoorPins
from drivers.modbus.client import BusSettings
from drivers.modbus.device import DeviceSettings, ModbusBus, build
from edge.app.site_plan import profiles_of
from edge.config_values import Bus, Config, RtuBus
from edge.core.facts import Side
from edge.host import system_clock
from edge.runtime.actuators import OutputsSetup, SirenPin
from edge.runtime.readers import ReaderPlace


def outputs_setup(config: Config) -> OutputsSetup:
    """What the actuators' process drives."""
    doors = [
        DoorPins(
            id=door.id,
            fail=door.fail.value,
            strike_pin=door.strike_pin,
            contact_pin=door.contact_pin,
            rex_pin=door.rex_pin,
            green_pin=door.green_pin,
            red_pin=door.red_pin,
            amber_pin=door.amber_pin,
            bolt_pin=door.bolt_pin,
            fire_pin=door.fire_pin,
            buzzer_pin=door.buzzer_pin,
            release_s=door.release_ms / 1000,
        )
        for door in config.doors
    ]
    sirens = [SirenPin(area.id, area.siren_pin) for area in config.areas if area.siren_pin is not None]
    return OutputsSetup(config.outputs.pins, config.gateway.simulate, doors, sirens)


def reader_places(config: Config) -> list[ReaderPlace]:
    """Where each reader hangs."""
    return [ReaderPlace(each.id, each.door, Side(each.side.value), each.path) for each in config.readers]


def bus_settings(bus: Bus) -> BusSettings:
    """One bus as its driver wants it."""
    if isinstance(bus, RtuBus):
        return BusSettings(
            bus=bus.id,
            kind="rtu",
            timeout_ms=bus.timeout_ms,
            port=bus.port,
            baud=bus.baud,
            parity=bus.parity,
            stop_bits=bus.stop_bits,
        )
    return BusSettings(bus=bus.id, kind="tcp", timeout_ms=bus.timeout_ms, host=bus.host, tcp_port=bus.tcp_port)


def build_buses(config: Config) -> dict[str, ModbusBus]:
    """Every bus with its devices, nothing opened yet."""
    profiles = profiles_of(config)
    return {
        bus.id: build(
            bus_settings(bus),
            [DeviceSettings(each.id, each.unit, profiles[each.id]) for each in config.devices if each.bus == bus.id],
            system_clock.monotonic_ms,
            system_clock.sleep,
        )
        for bus in config.buses
    }
