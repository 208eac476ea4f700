"""What ``check --probe`` shows: each configured register once, as raw hex, in all word orders, and as it is decoded.

A wrong address or word order gives numbers, not errors; a person who sees all four beside the instrument's display
notices which one is right.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from drivers.modbus.client import Connection, ModbusExceptionError, Request
from drivers.modbus.decode import Decoder, in_all_orders, payload_of
from drivers.modbus.plan import plan_of
from drivers.modbus.quantise import shortest_decimal
from drivers.modbus.register_map import ChannelProfile, Kind, Profile, Register
from edge.ports.devices import Quality
from edge.ports.errors import DeviceError


class Verdict(Enum):
    """What a technician should make of a register, with the words for it."""

    PLAUSIBLE = ("plausible", "数值合理", "value within its range")
    OUTSIDE = ("outside", "超出量程，请核对地址、字序和倍率", "outside its range: check address, word order and scale")
    NOT_GOOD = ("not_good", "设备声明数值无效", "the device says that the value is not valid")
    STATUS = ("status", "状态寄存器", "a status register")
    REFUSED = (
        "refused",
        "设备拒绝该地址，请核对地址和功能码",
        "refused by the device: check address and function code",
    )
    NO_ANSWER = ("no_answer", "无应答，请核对接线、站号和波特率", "no answer: check wiring, unit number and baud rate")

    def __init__(self, code: str, words_zh: str, words_en: str) -> None:
        self.code = code
        self.words_zh = words_zh
        self.words_en = words_en


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """One register. ``orders`` are numbers as text per word order; ``decoded`` is the channel's value with its unit."""

    register: str
    printed: str
    function: int
    address: int
    raw_hex: str
    orders: tuple[tuple[str, str], ...]
    decoded: str
    quality: Quality | None
    verdict: Verdict
    detail: str


def probe(connection: Connection, unit: int, profile: Profile) -> tuple[ProbeRow, ...]:
    """Reads each register of the profile once, in the blocks of normal polling. Device trouble is a verdict."""
    blocks = plan_of(profile)
    payloads: list[bytes] = []
    rows: list[ProbeRow] = []
    for block in blocks:
        question = Request(unit, block.function, block.address, block.count, profile.longest_reply_ms)
        try:
            payloads.append(connection.request(question))
        except DeviceError as error:
            rows.extend(_unanswered(register, error) for register in block.registers)
    if rows:
        return tuple(rows)
    steps, qualities = Decoder(profile, blocks).decode(payloads)
    columns = {
        channel.register: (channel, found, quality)
        for channel, found, quality in zip(profile.channels, steps, qualities, strict=True)
    }
    return tuple(
        _row(register, payload_of(register, block, payload), columns.get(register.name))
        for block, payload in zip(blocks, payloads, strict=True)
        for register in block.registers
    )


def _unanswered(register: Register, error: DeviceError) -> ProbeRow:
    verdict = Verdict.REFUSED if isinstance(error, ModbusExceptionError) else Verdict.NO_ANSWER
    where = (register.name, register.printed, register.function, register.address)
    return ProbeRow(*where, "", (), "", None, verdict, str(error))


def _row(register: Register, raw: bytes, column: tuple[ChannelProfile, int | None, Quality] | None) -> ProbeRow:
    orders = tuple(
        (order.value, _shown(register.kind, value)) for order, value in in_all_orders(register.kind, raw).items()
    )
    decoded, quality, verdict = "", None, Verdict.STATUS
    if column is not None:
        channel, steps, quality = column
        decoded = quality.value if steps is None else f"{steps * channel.resolution} {channel.unit}"
        verdict = _verdict(quality)
    where = (register.name, register.printed, register.function, register.address)
    return ProbeRow(*where, raw.hex(" ", 2), orders, decoded, quality, verdict, "")


def _verdict(quality: Quality) -> Verdict:
    if quality is Quality.GOOD:
        return Verdict.PLAUSIBLE
    return Verdict.OUTSIDE if quality in (Quality.OUT_OF_RANGE, Quality.DECODE_FAIL) else Verdict.NOT_GOOD


def _shown(kind: Kind, value: int | float) -> str:
    if kind is not Kind.F32 or value - value != 0:
        return str(value)
    shortest: Decimal = shortest_decimal(value)
    return f"{shortest:.6g}" if abs(shortest.adjusted()) > 6 else format(shortest, "f")
