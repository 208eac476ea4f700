"""A bus of equal devices from a profile's text, before that profile is shipped: for trying one, and for benchmarks."""

from collections.abc import Sequence

from drivers.modbus.device import DeviceSettings, ModbusBus, build
from drivers.modbus.profile import parse_profile
from edge.app.wiring import bus_settings
from edge.config_values import Bus
from edge.host import system_clock
from edge.ports.devices import MonotonicClock


def trial_bus(
    bus: Bus, profile_text: bytes, units: Sequence[int], clock: MonotonicClock = system_clock.monotonic_ms
) -> ModbusBus:
    """The bus with one device ``unit-N`` for each unit number, nothing opened yet. Raises ConfigurationError."""
    profile = parse_profile(profile_text, "profile.toml")
    devices = [DeviceSettings(f"unit-{unit}", unit, profile) for unit in units]
    return build(bus_settings(bus), devices, clock, system_clock.sleep)
