"""What no single key can show: references, what is used twice, devices against their bus, rules against channels."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar, assert_never

from drivers.modbus.load import ALLOWED_SHARE, BusLoad, serial_load, tcp_load
from drivers.modbus.plan import plan_of
from drivers.modbus.register_map import Profile, Quantity, with_decimals
from edge import rules
from edge.config_read import Reading, Sourced
from edge.config_table import Table
from edge.config_values import Area, Bus, Device, Door, RtuBus, TcpBus
from edge.config_wording import did_you_mean, listed
from edge.core.interlocks import Timing, bind
from edge.core.rules import Channel, RulePack, RulePackError
from edge.core.site import plan_area

Value = TypeVar("Value")

_RTU_UNIT_MAX = 247
"""Modbus over Serial Line V1.02, 2.2: 248 to 255 are reserved."""


class _Use(NamedTuple):
    """One key that claims something for itself: a name, a pin, a port, a unit of a bus."""

    table: Table
    key: str
    claimed: str
    """Equal for two uses that exclude each other; shown in the message."""

    remedy: str


def check_reading(reading: Reading) -> None:
    """Note every contradiction between tables in the findings of the file. What was already refused is left out."""
    _refuse_second(_names(reading))
    _refuse_second(_pins(reading))
    _refuse_second(_ports(reading))
    _refuse_second(_units(reading))
    _check_area_codes(reading.areas)
    _check_references(reading)
    _check_ages(reading)
    for area in reading.areas:
        _check_packs(area)
    for device in reading.devices:
        _check_device(reading, device)
    for bus in reading.buses:
        _check_load(reading, bus)


def devices_on(bus: Bus, devices: Iterable[Device]) -> tuple[Device, ...]:
    """The devices of one bus, in the order of the file."""
    return tuple(device for device in devices if device.bus == bus.id)


def load_of(bus: Bus, devices: Iterable[Device], profiles: Mapping[str, Profile]) -> BusLoad:
    """The load of a bus by the devices on it, whose profiles, by model, must be there."""
    counts = [block.count for device in devices_on(bus, devices) for block in plan_of(profiles[device.profile])]
    match bus:
        case RtuBus():
            return serial_load(counts, bus.poll_ms, bus.baud, bus.parity, bus.stop_bits)
        case TcpBus():
            return tcp_load(counts, bus.poll_ms)
        case _:
            assert_never(bus)


# ---- used twice


def _refuse_second(uses: Iterable[_Use]) -> None:
    first: dict[str, _Use] = {}
    for use in uses:
        if not use.table.good(use.key):
            continue
        earlier = first.setdefault(use.claimed, use)
        if earlier is not use:
            line = earlier.table.line(earlier.key)
            use.table.refuse(use.key, f"{use.claimed} is used already at line {line} ({earlier.key}); {use.remedy}")


def _names(reading: Reading) -> Iterable[_Use]:
    groups: Sequence[tuple[str, Sequence[tuple[Table, str]]]] = (
        ("area", [(each.table, each.value.id) for each in reading.areas]),
        ("door", [(each.table, each.value.id) for each in reading.doors]),
        ("reader", [(each.table, each.value.id) for each in reading.readers]),
        ("bus", [(each.table, each.value.id) for each in reading.buses]),
        ("device", [(each.table, each.value.id) for each in reading.devices]),
    )
    for kind, entries in groups:
        for table, identity in entries:
            yield _Use(table, "id", f"{kind} id {identity!r}", f"give each {kind} its own id")


def _pins(reading: Reading) -> Iterable[_Use]:
    remedy = "wire each signal to its own pin"
    for area in reading.areas:
        if area.value.siren_pin is not None:
            yield _Use(area.table, "siren_pin", f"pin {area.value.siren_pin}", remedy)
    for door in reading.doors:
        for key, pin in _door_pins(door.value):
            if pin is not None:
                yield _Use(door.table, key, f"pin {pin}", remedy)


def _door_pins(door: Door) -> tuple[tuple[str, int | None], ...]:
    return (
        ("strike_pin", door.strike_pin),
        ("contact_pin", door.contact_pin),
        ("bolt_pin", door.bolt_pin),
        ("rex_pin", door.rex_pin),
        ("fire_pin", door.fire_pin),
        ("green_pin", door.green_pin),
        ("red_pin", door.red_pin),
        ("amber_pin", door.amber_pin),
        ("buzzer_pin", door.buzzer_pin),
    )


def _ports(reading: Reading) -> Iterable[_Use]:
    """Serial ports, TCP ends and reader paths, in one name space: a reader and a bus cannot share a port either."""
    for bus in reading.buses:
        value = bus.value
        match value:
            case RtuBus():
                remedy = "one bus per port; devices of another baud rate need a port of their own"
                yield _Use(bus.table, "port", f"port {value.port}", remedy)
            case TcpBus():
                remedy = "put all units behind one host into one bus"
                yield _Use(bus.table, "host", f"{value.host} port {value.tcp_port}", remedy)
            case _:
                assert_never(value)
    for reader in reading.readers:
        yield _Use(reader.table, "path", f"port {reader.value.path}", "give each reader its own path")


def _units(reading: Reading) -> Iterable[_Use]:
    for device in reading.devices:
        if device.table.good("bus"):
            claimed = f"unit {device.value.unit} of bus {device.value.bus!r}"
            yield _Use(device.table, "unit", claimed, "set each device on a bus to an address of its own")


def _check_area_codes(areas: Sequence[Sourced[Area]]) -> None:
    """Every code means one place: no code is another area's code or id."""
    owners: dict[str, Sourced[Area]] = {}
    for area in areas:
        for code in (area.value.id, *area.value.codes):
            owner = owners.setdefault(code, area)
            if owner is not area and code != area.value.id and area.table.good("codes"):
                line = owner.table.line("codes" if code in owner.value.codes else "id")
                area.table.refuse(
                    "codes", f"code {code!r} means area {owner.value.id!r} already (line {line}); one code, one area"
                )


# ---- references and ages


def _check_references(reading: Reading) -> None:
    areas = [area.value.id for area in reading.areas]
    doors = [door.value.id for door in reading.doors]
    buses = [bus.value.id for bus in reading.buses]
    for door in reading.doors:
        _check_reference(door.table, "area", door.value.area, areas)
    for reader in reading.readers:
        _check_reference(reader.table, "door", reader.value.door, doors)
    for device in reading.devices:
        _check_reference(device.table, "area", device.value.area, areas)
        _check_reference(device.table, "bus", device.value.bus, buses)
        _check_reference(device.table, "profile", device.value.profile, reading.profiles.catalogue.models())


def _check_reference(table: Table, key: str, name: str, known: Sequence[str]) -> None:
    # A table whose own id was refused stands with an empty one: what it is called is not known, so nothing is unknown.
    if table.good(key) and name not in known and "" not in known:
        table.refuse(key, f"there is no {key} {name!r}{did_you_mean(name, known)}; one of: {listed(known)}")


def _check_ages(reading: Reading) -> None:
    policy, table = reading.policy.value, reading.policy.table
    order: tuple[tuple[str, int], ...] = (
        ("fresh_s", policy.fresh_ms),
        ("offline_ex_s", policy.offline_ex_ms),
        ("offline_normal_s", policy.offline_normal_ms),
        ("offline_begun_s", policy.offline_begun_ms),
    )
    for (shorter, shorter_ms), (longer, longer_ms) in pairwise(order):
        if table.good(shorter, longer) and shorter_ms > longer_ms:
            line = table.line(shorter)
            table.refuse(
                longer, f"{longer_ms // 1000} s is below {shorter} (line {line}); each age includes the one before"
            )
    hq = reading.hq
    if hq.table.good("poll_s") and table.good("fresh_s") and hq.value.poll_ms > policy.fresh_ms:
        hq.table.refuse("poll_s", f"is above fresh_s (line {table.line('fresh_s')}); HQ would never count as fresh")
    for bus in reading.buses:
        slowest_ms = bus.value.poll_ms + bus.value.timeout_ms
        if bus.table.good("poll_s", "timeout_s") and table.good("stale_s") and slowest_ms > policy.stale_ms:
            line = table.line("stale_s")
            what = f"with timeout_s is above stale_s (line {line}): readings would be stale between polls; poll faster"
            bus.table.refuse("poll_s", what)


# ---- devices against bus, profile and rules


def _check_device(reading: Reading, device: Sourced[Device]) -> None:
    if not device.table.good("profile"):
        return
    profile = with_decimals(reading.profiles.loaded[device.value.profile], device.value.decimals)
    _check_status_source(device, profile)
    _check_decimals(device, profile)
    if device.table.good("decimals"):
        _check_gas(reading, device, profile)
    for bus in reading.buses:
        if device.table.good("bus") and bus.value.id == device.value.bus:
            _check_on_bus(device, profile, bus)


def _check_status_source(device: Sourced[Device], profile: Profile) -> None:
    accepted = device.value.no_status_accepted_by
    if profile.has_status and accepted is not None:
        what = f"{profile.model} does report its status; take this key out"
        device.table.refuse("no_status_accepted_by", what)
    elif not profile.has_status and not device.table.written("no_status_accepted_by"):
        what = (
            f"missing: {profile.model} cannot say when it is broken (profile at line {device.table.line('profile')}); "
            "name the person who accepts that"
        )
        device.table.refuse("no_status_accepted_by", what)


def _check_decimals(device: Sourced[Device], profile: Profile) -> None:
    stated = device.value.decimals is not None
    if profile.decimals_by_hand and not device.table.written("decimals"):
        what = (
            f"missing: {profile.model} sends whole numbers and no register says how many decimals they have; "
            "give 0 to 4, as its display shows (20.9 sent as 209 is 1)"
        )
        device.table.refuse("decimals", what)
    elif stated and not profile.decimals_by_hand:
        device.table.refuse("decimals", f"the profile of {profile.model} fixes its decimals; take this key out")


def _check_gas(reading: Reading, device: Sourced[Device], profile: Profile) -> None:
    """That the area's rules can be judged on each channel, which needs the gas of one that measures a gas."""
    quantities = {channel.quantity for channel in profile.channels}
    area = next((each for each in reading.areas if each.value.id == device.value.area), None)
    if not device.table.good("gas", "area") or area is None or not area.table.good("rule_packs"):
        return
    packs = rules.at_hand(area.value.rule_packs)
    gas, gases = device.value.gas, sorted({gas for pack in packs for gas in pack.gases})
    by_gas = quantities & {Quantity.COMBUSTIBLE, Quantity.TOXIC}
    if not by_gas:
        if gas is not None:
            device.table.refuse("gas", f"{profile.model} measures no gas; take this key out")
    elif gas is None:
        kind = min(each.value for each in by_gas)
        what = f"missing: limits of {kind} gas depend on the gas that {profile.model} is set to"
        device.table.refuse("gas", f"{what}; one of: {listed(gases)}")
    elif gas not in gases:
        line = area.table.line("rule_packs")
        what = f"{gas!r} is not in the rule packs of area {area.value.id!r} (line {line}){did_you_mean(gas, gases)}"
        device.table.refuse("gas", f"{what}; one of: {listed(gases)}")
    else:
        _check_rules(device, profile, packs)


def _check_packs(area: Sourced[Area]) -> None:
    """That the packs of an area can hold there together."""
    if not area.table.good("rule_packs"):
        return
    try:
        plan_area(area.value.id, area.value.ex, rules.at_hand(area.value.rule_packs), (), Timing(0, 0, 0))
    except RulePackError as error:
        area.table.refuse("rule_packs", f"contradict each other: {error}; name packs that go together")


def _check_rules(device: Sourced[Device], profile: Profile, packs: tuple[RulePack, ...]) -> None:
    channels = channels_of(device.value, profile)
    try:
        for permit_type in sorted({code for pack in packs for code in pack.permit_types}):
            bind(packs, permit_type, channels, Timing(0, 0, 0))
    except RulePackError as error:
        device.table.refuse("profile", f"cannot be judged by the area's rules: {error}")


def channels_of(device: Device, profile: Profile) -> tuple[Channel, ...]:
    """The channels of a device as the rules see them."""
    return tuple(
        Channel(
            device=device.id,
            channel=channel.name,
            quantity=channel.quantity.value,
            unit=channel.unit,
            resolution=str(channel.resolution),
            gas=device.gas,
        )
        for channel in profile.channels
    )


def _check_on_bus(device: Sourced[Device], profile: Profile, bus: Sourced[Bus]) -> None:
    value = bus.value
    if bus.table.good("poll_s") and value.poll_ms < profile.min_poll_ms:
        what = f"{profile.model} may be asked each {profile.min_poll_ms / 1000:g} s at most"
        line = bus.table.line("poll_s")
        device.table.refuse("bus", f"{what}, and poll_s of bus {value.id!r} is less (line {line}); raise that one")
    beat = profile.heartbeat
    if beat is not None and bus.table.good("poll_s") and value.poll_ms > beat.moves_every_ms:
        what = f"{profile.model} moves its heartbeat each {beat.moves_every_ms / 1000:g} s"
        line = bus.table.line("poll_s")
        device.table.refuse("bus", f"{what}, and poll_s of bus {value.id!r} is more (line {line}); lower that one")
    match value:
        case RtuBus():
            _check_on_line(device, profile, value, bus.table)
        case TcpBus():
            pass
        case _:
            assert_never(value)


def _check_on_line(device: Sourced[Device], profile: Profile, bus: RtuBus, bus_table: Table) -> None:
    if device.table.good("unit") and device.value.unit > _RTU_UNIT_MAX:
        what = f"{device.value.unit} is out of range on a serial bus (line {bus_table.line('kind')})"
        device.table.refuse("unit", f"{what}; give 1 to {_RTU_UNIT_MAX}")
    serial = profile.serial
    if serial is None:
        what = f"{profile.model} speaks Modbus/TCP only and bus {bus.id!r} (line {bus_table.line('kind')}) is serial"
        device.table.refuse("bus", f"{what}; name a bus of kind tcp")
        return
    settings: tuple[tuple[str, int | str, Sequence[int | str]], ...] = (
        ("baud", bus.baud, serial.bauds),
        ("parity", bus.parity, serial.parities),
        ("stop_bits", bus.stop_bits, serial.stop_bits),
    )
    for key, used, allowed in settings:
        if bus_table.good(key) and used not in allowed:
            what = f"{profile.model} cannot do {key} = {used} of bus {bus.id!r} (line {bus_table.line(key)})"
            device.table.refuse(
                "bus", f"{what}; it can do {listed(allowed)}: use one that all devices there share, or another bus"
            )


def _check_load(reading: Reading, bus: Sourced[Bus]) -> None:
    on_bus = [device for device in reading.devices if device.value.bus == bus.value.id]
    readable = bus.table.good("poll_s", "baud", "parity", "stop_bits", "id", "kind")
    if not readable or not all(device.table.good("profile", "bus") for device in on_bus):
        return
    load = load_of(bus.value, [device.value for device in on_bus], reading.profiles.loaded)
    if not load.allowed:
        lines = listed([device.table.line("bus") for device in on_bus])
        what = (
            f"one round of the devices at lines {lines} takes {load.ms_per_cycle:g} ms of {load.allowed_ms:g} ms, "
            f"which is {ALLOWED_SHARE:.0%} of poll_s ({load.arithmetic}); "
            "poll less often, raise the baud rate, or spread the devices over more buses"
        )
        bus.table.refuse("poll_s", what)
