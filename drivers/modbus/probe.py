"""What ``check --probe`` shows: each configured register once, as raw hex, in all word orders, and as it is decoded.

A wrong address or word order gives numbers, not errors; a person who sees all four beside the instrument's display
notices which one is right.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import NamedTuple, Protocol

from drivers.modbus.client import GATEWAY_EXCEPTIONS, BusDownError, ModbusExceptionError, Request
from drivers.modbus.decode import Decoder, in_all_orders, pattern_of, payload_of
from drivers.modbus.plan import Block, plan_of
from drivers.modbus.plausibility import identity_mismatch
from drivers.modbus.quantise import shortest_decimal
from drivers.modbus.register_map import ChannelProfile, Kind, Profile, Register
from edge.ports.devices import Quality
from edge.ports.errors import DeviceError

Column = tuple[ChannelProfile, int | None, Quality]
"""A channel, its figure in steps of the resolution, and how good that is."""


class Asks(Protocol):
    """Whatever answers questions as a ``Connection`` does: a connection, or what one said before."""

    def request(self, question: Request) -> bytes:
        """The register bytes of the answer, 2 * count of them. Raises DeviceError."""
        ...


class _Answer(NamedTuple):
    """What one register said. With both: read by itself, after its block was refused."""

    data: bytes | None
    error: DeviceError | None


class Verdict(Enum):
    """What a technician should make of a register, with the words for it."""

    PLAUSIBLE = ("plausible", "数值合理", "value within its range")
    OUTSIDE = ("outside", "超出量程，请核对地址、字序和倍率", "outside its range: check address, word order and scale")
    UNDECODABLE = (
        "undecodable",
        "不是该单位的数值，请核对设备的单位设置、地址和字序",
        "no number in the profile's unit: check the unit that the device is set to, address and word order",
    )
    UNJUDGED = (
        "unjudged",
        "已解码，但其他寄存器未读到，无法判断是否有效",
        "decoded, but another register was not read: whether it is valid cannot be told",
    )
    NOT_GOOD = ("not_good", "设备声明数值无效", "the device says that the value is not valid")
    FOREIGN = (
        "foreign",
        "不是该型号的设备，请核对型号、接线和站号",
        "not a device of this model: check model, cable and unit number",
    )
    DUE = ("due", "设备声明校准已到期", "the device says that its calibration is due")
    STATUS = ("status", "状态寄存器", "a status register")
    REFUSED = (
        "refused",
        "设备拒绝该地址，请核对地址和功能码",
        "refused by the device: check address and function code",
    )
    REFUSED_IN_BLOCK = (
        "refused_in_block",
        "单独可读，但轮询所用的整块读取被设备拒绝，请减小 gap 或 max_registers",
        "answers by itself, but the device refuses the block that polling reads: lower gap or max_registers",
    )
    NO_ANSWER = ("no_answer", "无应答，请核对接线、站号和波特率", "no answer: check wiring, unit number and baud rate")
    NOT_OPEN = ("not_open", "端口或连接无法打开", "the port or connection cannot be opened")

    def __init__(self, code: str, words_zh: str, words_en: str) -> None:
        self.code = code
        self.words_zh = words_zh
        self.words_en = words_en


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """One register. ``orders`` are numbers as text per word order; ``decoded`` is the channel's value with its unit.

    ``span`` is the range in which the value would be plausible, with its unit; ``quality`` is None for a status, and
    for a value whose status could not be read.
    """

    register: str
    printed: str
    function: int
    address: int
    raw_hex: str
    orders: tuple[tuple[str, str], ...]
    decoded: str
    span: str
    quality: Quality | None
    verdict: Verdict
    detail: str


def probe(connection: Asks, unit: int, profile: Profile) -> tuple[ProbeRow, ...]:
    """Reads each register of the profile once, in the blocks of normal polling. Device trouble is a verdict.

    The registers of a block that the device refuses are read one by one, to find the one that it does not have.
    """
    answers: dict[str, _Answer] = {}
    blocks = plan_of(profile)
    for block in blocks:
        answers |= _read(connection, unit, profile, block)
    read = {name: answer.data for name, answer in answers.items() if answer.data is not None}
    columns = _columns(profile, blocks, read)
    registers = [register for block in blocks for register in block.registers]
    foreign = _foreign(profile, read)
    return tuple(
        _row(register, answers[register.name], columns.get(register.name, []), foreign.get(register.name, ""))
        for register in registers
    )


def _foreign(profile: Profile, read: Mapping[str, bytes]) -> dict[str, str]:
    """By register: what it says of a device of another model."""
    registers = {register.name: register for register in profile.registers}
    found: dict[str, str] = {}
    for identity in profile.identities:
        register = registers[identity.register]
        if register.name in read:
            pattern = pattern_of(register, _block_of(register), read[register.name])
            found[register.name] = found.get(register.name) or identity_mismatch(identity, register, pattern)
    return found


def _read(connection: Asks, unit: int, profile: Profile, block: Block) -> dict[str, _Answer]:
    question = Request(unit, block.function, block.address, block.count, profile.longest_reply_ms)
    try:
        payload = connection.request(question)
    except ModbusExceptionError as error:
        if error.code in GATEWAY_EXCEPTIONS or len(block.registers) == 1:
            return {register.name: _Answer(None, error) for register in block.registers}
        return _read_each(connection, unit, profile, block, error)
    except DeviceError as error:
        return {register.name: _Answer(None, error) for register in block.registers}
    return {register.name: _Answer(payload_of(register, block, payload), None) for register in block.registers}


def _read_each(connection: Asks, unit: int, profile: Profile, block: Block, refusal: DeviceError) -> dict[str, _Answer]:
    """The registers of a refused block one by one. If each answers, it is the block that the device refuses."""
    found: dict[str, _Answer] = {}
    for register in block.registers:
        found |= _read(connection, unit, profile, _block_of(register))
    if all(answer.data is not None for answer in found.values()):
        return {name: answer._replace(error=refusal) for name, answer in found.items()}
    return found


def _block_of(register: Register) -> Block:
    return Block(register.function, register.address, register.kind.words, (register,))


def _columns(profile: Profile, blocks: tuple[Block, ...], read: Mapping[str, bytes]) -> dict[str, list[Column]]:
    """What each register decodes to: as a poll would have it if all were read, else by itself, status unknown."""
    if len(read) == len(profile.registers):
        single = tuple(_block_of(register) for block in blocks for register in block.registers)
        payloads = [read[each.registers[0].name] for each in single]
        steps, qualities = Decoder(profile, single).decode(payloads)
        found = list(zip(profile.channels, steps, qualities, strict=True))
    else:
        found = [_alone(profile, channel, read) for channel in profile.channels if channel.register in read]
    columns: dict[str, list[Column]] = {}
    for column in found:
        columns.setdefault(column[0].register, []).append(column)
    return columns


def _alone(profile: Profile, channel: ChannelProfile, read: Mapping[str, bytes]) -> Column:
    bare = replace(channel, unit_register=None, unit_code=None)
    register = next(each for each in profile.registers if each.name == channel.register)
    cut = replace(profile, registers=(register,), channels=(bare,), statuses=(), identities=(), heartbeat=None)
    (steps,), (quality,) = Decoder(cut, (_block_of(register),)).decode([read[register.name]])
    return channel, steps, Quality.NEVER_READ if quality is Quality.GOOD else quality


def _row(register: Register, answer: _Answer, columns: list[Column], foreign: str) -> ProbeRow:
    where = (register.name, register.printed, register.function, register.address)
    if answer.data is None:
        assert answer.error is not None
        return ProbeRow(*where, "", (), "", "", None, unanswered(answer.error), str(answer.error))
    orders = tuple(
        (order.value, number_text(register.kind, value))
        for order, value in in_all_orders(register.kind, answer.data).items()
    )
    decoded = ", ".join(_figure(channel, steps, quality) for channel, steps, quality in columns)
    span = ", ".join(_span(channel) for channel, _, _ in columns)
    qualities = [each for _, _, each in columns]
    quality = next((each for each in qualities if each is not Quality.GOOD), Quality.GOOD) if columns else None
    verdict = Verdict.STATUS if quality is None else _VERDICTS.get(quality, Verdict.NOT_GOOD)
    if foreign:
        verdict = Verdict.FOREIGN
    if answer.error is not None:
        verdict = Verdict.REFUSED_IN_BLOCK
    judged = None if quality is Quality.NEVER_READ else quality
    detail = foreign if answer.error is None else str(answer.error)
    return ProbeRow(*where, answer.data.hex(" ", 2), orders, decoded, span, judged, verdict, detail)


_VERDICTS = {
    Quality.GOOD: Verdict.PLAUSIBLE,
    Quality.OUT_OF_RANGE: Verdict.OUTSIDE,
    Quality.DECODE_FAIL: Verdict.UNDECODABLE,
    Quality.NEVER_READ: Verdict.UNJUDGED,
}


def unanswered(error: DeviceError) -> Verdict:
    """What to make of a register that was not read."""
    if isinstance(error, ModbusExceptionError) and error.code not in GATEWAY_EXCEPTIONS:
        return Verdict.REFUSED
    return Verdict.NOT_OPEN if isinstance(error, BusDownError) else Verdict.NO_ANSWER


def _figure(channel: ChannelProfile, steps: int | None, quality: Quality) -> str:
    return quality.value if steps is None else f"{steps * channel.resolution} {channel.unit}"


def _span(channel: ChannelProfile) -> str:
    lowest, highest = channel.lowest_steps * channel.resolution, channel.highest_steps * channel.resolution
    return f"{lowest} … {highest} {channel.unit}"


def number_text(kind: Kind, value: int | float) -> str:
    """A register's number for a person: a float as the shortest decimal that it can be, long ones cut to six digits."""
    if kind is not Kind.F32 or value - value != 0:
        return str(value)
    shortest: Decimal = shortest_decimal(value)
    return f"{shortest:.6g}" if abs(shortest.adjusted()) > 6 else format(shortest, "f")
