"""What a checked configuration would do, for a person (zh, en) and for machines. Nothing is started or opened."""

from dataclasses import dataclass
from typing import Literal, assert_never

from drivers.modbus.load import BusLoad
from drivers.modbus.plan import plan_lines, plan_of
from edge.config_check import devices_on, load_of
from edge.config_values import Bus, Config, Device, Door, RtuBus, TcpBus
from edge.core.entries import Json

_WORDS = {
    "en": {
        "gateway": "gateway {id} of site {site}, log {origin}",
        "simulated": "SIMULATED: readers, pins or limits are not those of a real site",
        "area": "area {id}: {name}, rule packs {packs}",
        "ex": " (explosive atmosphere)",
        "door": "  door {id}: {name}, fail {fail}, released {release:g} s, open {open:g} s",
        "reader": "    reader {id} ({side}): {path}",
        "device": "  device {id}: {profile} at unit {unit} of bus {bus}",
        "bus": "bus {id}: {place}, each {poll:g} s",
        "load": "  one round takes {used:g} ms of {allowed:g} ms",
        "totals": "{areas} areas, {doors} doors, {readers} readers, {buses} buses, {devices} devices: usable",
    },
    "zh": {
        "gateway": "网关 {id}，站点 {site}，日志 {origin}",
        "simulated": "模拟运行：读卡器、引脚或限值不是真实现场的",
        "area": "区域 {id}：{name}，规则包 {packs}",
        "ex": "（防爆区）",
        "door": "  门 {id}：{name}，断电状态 {fail}，开锁 {release:g} 秒，开门 {open:g} 秒",
        "reader": "    读卡器 {id}（{side}）：{path}",
        "device": "  设备 {id}：{profile}，总线 {bus}，地址 {unit}",
        "bus": "总线 {id}：{place}，每 {poll:g} 秒",
        "load": "  一轮用时 {used:g} 毫秒，允许 {allowed:g} 毫秒",
        "totals": "{areas} 个区域，{doors} 扇门，{readers} 个读卡器，{buses} 条总线，{devices} 台设备：可用",
    },
}


@dataclass(frozen=True, slots=True)
class BusPlan:
    """One bus: the requests of a round, as the manuals print their addresses, and the time that they take."""

    bus: Bus
    requests: tuple[str, ...]
    load: BusLoad


@dataclass(frozen=True, slots=True)
class CheckReport:
    """A configuration that can be used, and what it means for the wires."""

    config: Config
    buses: tuple[BusPlan, ...]

    def lines(self, language: Literal["zh", "en"]) -> tuple[str, ...]:
        """For the terminal."""
        config, words = self.config, _WORDS[language]
        gateway = config.gateway
        lines = [words["gateway"].format(id=gateway.id, site=gateway.site, origin=gateway.origin)]
        if gateway.simulate:
            lines.append(words["simulated"])
        for area in config.areas:
            name = area.name_zh if language == "zh" else area.name_en
            packs = ", ".join(area.rule_packs)
            lines.append(words["area"].format(id=area.id, name=name, packs=packs) + (words["ex"] if area.ex else ""))
            for door in config.doors:
                if door.area == area.id:
                    lines.extend(self._door_lines(door, language))
            lines.extend(_device_line(device, language) for device in config.devices if device.area == area.id)
        for plan in self.buses:
            lines.extend(_bus_lines(plan, language))
        counts = {name: len(getattr(config, name)) for name in ("areas", "doors", "readers", "buses", "devices")}
        return (*lines, words["totals"].format(**counts))

    def as_json(self) -> dict[str, Json]:
        """The same for machines."""
        config = self.config
        return {
            "ok": True,
            "origin": config.gateway.origin,
            "simulated": config.gateway.simulate,
            "areas": [{"id": area.id, "ex": area.ex, "rule_packs": area.rule_packs} for area in config.areas],
            "doors": [{"id": door.id, "area": door.area, "fail": door.fail.value} for door in config.doors],
            "readers": [{"id": each.id, "door": each.door, "side": each.side.value} for each in config.readers],
            "buses": [_bus_json(plan) for plan in self.buses],
            "devices": [{"id": each.id, "bus": each.bus, "profile": each.profile} for each in config.devices],
        }

    def _door_lines(self, door: Door, language: Literal["zh", "en"]) -> list[str]:
        words = _WORDS[language]
        name = door.name_zh if language == "zh" else door.name_en
        times = {"release": door.release_ms / 1000, "open": door.open_ms / 1000}
        return [
            words["door"].format(id=door.id, name=name, fail=door.fail.value, **times),
            *(
                words["reader"].format(id=reader.id, side=reader.side.value, path=reader.path)
                for reader in self.config.readers
                if reader.door == door.id
            ),
        ]


def report_on(config: Config) -> CheckReport:
    """The report on a configuration that ``edge.config.load`` gave."""
    return CheckReport(config, tuple(_plan(bus, config) for bus in config.buses))


def _plan(bus: Bus, config: Config) -> BusPlan:
    requests = [
        f"{device.id}: {line}"
        for device in devices_on(bus, config.devices)
        for line in plan_lines(device.unit, plan_of(config.profiles[device.profile]))
    ]
    return BusPlan(bus, tuple(requests), load_of(bus, config.devices, config.profiles))


def _device_line(device: Device, language: Literal["zh", "en"]) -> str:
    fields = {"id": device.id, "profile": device.profile, "unit": device.unit, "bus": device.bus}
    return _WORDS[language]["device"].format(**fields)


def _bus_lines(plan: BusPlan, language: Literal["zh", "en"]) -> list[str]:
    words = _WORDS[language]
    return [
        words["bus"].format(id=plan.bus.id, place=_place(plan.bus), poll=plan.bus.poll_ms / 1000),
        *(f"  {request}" for request in plan.requests),
        words["load"].format(used=plan.load.ms_per_cycle, allowed=plan.load.allowed_ms),
    ]


def _bus_json(plan: BusPlan) -> dict[str, Json]:
    return {
        "id": plan.bus.id,
        "place": _place(plan.bus),
        "requests": plan.requests,
        "cycle_us": round(plan.load.ms_per_cycle * 1000),
        "allowed_us": round(plan.load.allowed_ms * 1000),
    }


def _place(bus: Bus) -> str:
    match bus:
        case RtuBus():
            return f"{bus.port} {bus.baud} 8{bus.parity}{bus.stop_bits}"
        case TcpBus():
            return f"{bus.host}:{bus.tcp_port}"
        case _:
            assert_never(bus)
