"""What configured devices say when each register is read once: for ``check --probe`` and ``devices probe``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.modbus.calibration_probe import probe_calibration
from drivers.modbus.client import Connection
from drivers.modbus.probe import ProbeRow, Verdict, probe
from drivers.modbus.register_map import Profile
from edge.app.site_plan import profiles_of
from edge.app.wiring import bus_settings
from edge.app.wording import Language
from edge.config import Bus, Config, Device, RtuBus
from edge.host import system_clock
from edge.ports.errors import PermitgateError
from edge.runtime.control import request

_SILENT = frozenset({Verdict.NO_ANSWER, Verdict.REFUSED, Verdict.REFUSED_IN_BLOCK, Verdict.NOT_OPEN})

_TEXT = {
    "en": {
        "device": "device {device} at unit {unit} of bus {bus}:",
        "register": "  {register} ({printed}, function {function}, address {address}): {words}",
        "raw": "    raw {raw}   {orders}",
        "decoded": "    decoded {decoded}, {quality}; range {span}",
        "held": "  NOT probed: `permitgate run` answers here and reads this serial line; stop it first",
        "running": "`permitgate run` answers on {socket}",
    },
    "zh": {
        "device": "设备 {device}，总线 {bus}，地址 {unit}：",
        "register": "  {register}（{printed}，功能码 {function}，地址 {address}）：{words}",
        "raw": "    原始 {raw}   {orders}",
        "decoded": "    解码 {decoded}，{quality}；量程 {span}",
        "held": "  未试读：`permitgate run` 正在运行并占用该串口，请先停止它",
        "running": "`permitgate run` 正在运行（{socket}）",
    },
}


@dataclass(frozen=True, slots=True)
class Probed:
    """What one device said. ``held``: its serial line belongs to a running gateway: it was not asked.

    ``calibration``: the register in which it says how its calibration stands, if its profile has one and it answers.
    """

    device: Device
    rows: tuple[ProbeRow, ...]
    held: bool = False
    calibration: ProbeRow | None = None

    @property
    def answered(self) -> bool:
        """Whether every register was read that is polled."""
        return not self.held and not any(row.verdict in _SILENT for row in self.rows)


def gateway_runs(run_dir: Path) -> bool:
    """Whether a gateway answers on its socket in that directory."""
    try:
        request(run_dir / "control.sock", {"do": "status"})
    except (PermitgateError, OSError):
        return False
    return True


def probe_devices(config: Config, running: bool, chosen: Sequence[Device]) -> list[Probed]:
    """Each chosen device once. A serial line has one master: the one of a gateway that runs is left alone."""
    found = []
    profiles = profiles_of(config)
    for bus in config.buses:
        devices = [device for device in chosen if device.bus == bus.id]
        if running and isinstance(bus, RtuBus):
            found += [Probed(device, (), held=True) for device in devices]
            continue
        connection = _connection(bus)
        try:
            found += [_probed(connection, each, profiles[each.id]) for each in devices]
        finally:
            connection.close()
    return found


def _probed(connection: Connection, device: Device, profile: Profile) -> Probed:
    rows = probe(connection, device.unit, profile)
    heard = any(row.raw_hex for row in rows)
    return Probed(device, rows, calibration=probe_calibration(connection, device.unit, profile) if heard else None)


def _connection(bus: Bus) -> Connection:
    return Connection(bus_settings(bus), system_clock.monotonic_ms, system_clock.sleep)


def running_line(config: Config) -> str:
    """That a gateway of this configuration answers, and where."""
    return _TEXT[config.gateway.language]["running"].format(socket=config.gateway.run_dir / "control.sock")


def probed_lines(probed: Probed, language: Language) -> list[str]:
    """What one device said, for the terminal."""
    text, device = _TEXT[language], probed.device
    lines = [text["device"].format(device=device.id, bus=device.bus, unit=device.unit)]
    if probed.held:
        lines.append(text["held"])
    for row in (*probed.rows, *([] if probed.calibration is None else [probed.calibration])):
        words = row.verdict.words_zh if language == "zh" else row.verdict.words_en
        fields = {"printed": row.printed, "function": row.function, "address": row.address}
        lines.append(text["register"].format(register=row.register, words=words, **fields))
        if row.detail:
            lines.append(f"    {row.detail}")
        if row.raw_hex:
            orders = "  ".join(f"{order} {value}" for order, value in row.orders)
            lines.append(text["raw"].format(raw=row.raw_hex, orders=orders).rstrip())
        if row.decoded:
            quality = row.verdict.code if row.quality is None else row.quality.value
            lines.append(text["decoded"].format(decoded=row.decoded, quality=quality, span=row.span))
    return lines


def probed_json(probed: Probed) -> dict[str, Any]:
    """What one device said, for machines."""
    return {
        "device": probed.device.id,
        "bus": probed.device.bus,
        "unit": probed.device.unit,
        "answered": probed.answered,
        "held": probed.held,
        "registers": [_row_json(row) for row in probed.rows],
        "calibration": None if probed.calibration is None else _row_json(probed.calibration),
    }


def _row_json(row: ProbeRow) -> dict[str, Any]:
    return {
        "register": row.register,
        "printed": row.printed,
        "function": row.function,
        "address": row.address,
        "raw": row.raw_hex,
        "orders": dict(row.orders),
        "decoded": row.decoded,
        "range": row.span,
        "quality": None if row.quality is None else row.quality.value,
        "verdict": row.verdict.code,
        "zh": row.verdict.words_zh,
        "en": row.verdict.words_en,
        "detail": row.detail,
    }
