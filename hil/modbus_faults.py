"""What a broken device, line or gateway puts on the wire in place of an answer, and every fault by its name.

For those who test a gateway of their own: ``permitgate site`` knows the names of ``FAULTS`` (``fault DEVICE NAME``),
and a ``SimulatedUnit`` behind a ``hil.modbus_site.ModbusSite`` takes them from a test. They are of three kinds:

- at the wire: the bytes that come are not the answer, or not all of it, or not in time (``FaultKind``);
- in the content: a faultless answer about the wrong thing (swapped, wrong_order, wrong_bytes, frozen,
  not_a_number, infinite, above_range);
- said by the device: its status registers name a state in which its reading is not valid.

What a TCP gateway does for a dead unit behind it is among them under other names: it answers with exception 11
(``gateway_silent``), with the last value (``frozen``), not at all (``silence``), or closes (``close_mid_frame``).
An adapter or switch that is pulled out is ``ModbusSite.unplug``. Whoever asks writes nothing: the gateway only reads.
"""

import math
import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from hil.modbus_unit import Fault, FaultKind, SimulatedUnit

NOISE = bytes.fromhex("00 ff 55 aa 13 37 fe")
STATUSES = ("warming_up", "inhibited", "calibration", "device_fault", "over_range")
_BROADCAST = bytes.fromhex("06 00 00 00 00")
_READ_TWO = bytes.fromhex("03 00 00 00 02")
_TWO_REGISTERS = bytes.fromhex("03 04 00 00 00 00")
_UNITS_MAX = 247


class Question(NamedTuple):
    """A request as it came: the whole frame, its protocol data unit, and how a data unit is framed in answer to it.

    ``framed(unit, data)`` gives the bytes for the wire; ``spoilt(frame)`` the same with a check that does not fit.
    """

    frame: bytes
    request: bytes
    framed: Callable[[int, bytes], bytes]
    spoilt: Callable[[bytes], bytes]


class Sent(NamedTuple):
    """Bytes that go out ``after_s`` after the question; ``closes``: and then the connection ends (TCP)."""

    data: bytes
    after_s: float = 0.0
    closes: bool = False


def answer_to(unit: SimulatedUnit, question: Question) -> tuple[Sent, ...]:
    """What the unit puts on the wire, in order; nothing if it is silent."""
    reply = unit.answer(question.request)
    fault = unit.take_fault()
    if fault is None:
        return (Sent(question.framed(unit.unit, reply)),)
    return _AT_THE_WIRE[fault.kind](_Broken(unit, question, reply, fault))


class _Broken(NamedTuple):
    """An answer that a fault is about to spoil."""

    unit: SimulatedUnit
    question: Question
    reply: bytes
    fault: Fault

    def frame(self) -> bytes:
        """The right answer, framed."""
        return self.framed(self.reply)

    def framed(self, data: bytes) -> bytes:
        """Other data under the unit's own number, framed."""
        return self.question.framed(self.unit.unit, data)


def _exception(broken: _Broken) -> tuple[Sent, ...]:
    return (Sent(broken.framed(bytes([broken.question.request[0] | 0x80, broken.fault.code]))),)


def _wrong_function(broken: _Broken) -> tuple[Sent, ...]:
    reply = broken.reply
    return (Sent(broken.framed(bytes([{3: 4, 4: 3}.get(reply[0], reply[0])]) + reply[1:])),)


def _wrong_length(broken: _Broken) -> tuple[Sent, ...]:
    """As from a device that was asked something else."""
    reply = broken.reply
    shorter = reply if len(reply) < 4 else bytes([reply[0], reply[1] - 2]) + reply[2:-2]
    return (Sent(broken.framed(shorter)),)


def _too_long(broken: _Broken) -> tuple[Sent, ...]:
    reply = broken.reply
    longer = reply if len(reply) < 4 or reply[1] > 250 else bytes([reply[0], reply[1] + 2]) + reply[2:] + b"\x00\x00"
    return (Sent(broken.framed(longer)),)


def _wrong_unit(broken: _Broken) -> tuple[Sent, ...]:
    return (Sent(broken.question.framed(broken.unit.unit % _UNITS_MAX + 1, broken.reply)),)


def _half(broken: _Broken) -> bytes:
    frame = broken.frame()
    return frame[: len(frame) // 2 + 1]


def _storm(broken: _Broken) -> tuple[Sent, ...]:
    framed, other = broken.question.framed, broken.unit.unit % _UNITS_MAX + 1
    before = framed(0, _BROADCAST) + framed(other, _READ_TWO) + framed(other, _TWO_REGISTERS)
    return (Sent(before + broken.frame()),)


def _swapped(broken: _Broken) -> tuple[Sent, ...]:
    other = broken.fault.other
    return () if other is None else (Sent(broken.framed(other.answer(broken.question.request))),)


_AT_THE_WIRE: Mapping[FaultKind, Callable[[_Broken], tuple[Sent, ...]]] = {
    FaultKind.LATE: lambda broken: (Sent(broken.frame(), broken.fault.seconds),),
    FaultKind.SILENCE: lambda broken: (),
    FaultKind.WRONG_FUNCTION: _wrong_function,
    FaultKind.WRONG_LENGTH: _wrong_length,
    FaultKind.TOO_LONG: _too_long,
    FaultKind.WRONG_UNIT: _wrong_unit,
    FaultKind.EXCEPTION: _exception,
    FaultKind.NOISE: lambda broken: (Sent(NOISE),),
    FaultKind.NOISE_BEFORE: lambda broken: (Sent(NOISE + broken.frame()),),
    FaultKind.BAD_CHECK: lambda broken: (Sent(broken.question.spoilt(broken.frame())),),
    FaultKind.HALF_FRAME: lambda broken: (Sent(_half(broken)),),
    FaultKind.CLOSE_MID_FRAME: lambda broken: (Sent(_half(broken), closes=True),),
    FaultKind.ECHO: lambda broken: (Sent(broken.question.frame), Sent(broken.frame())),
    FaultKind.DOUBLED: lambda broken: (Sent(2 * broken.frame()),),
    FaultKind.STORM: _storm,
    FaultKind.SWAPPED: _swapped,
    FaultKind.WRONG_ORDER: lambda broken: (Sent(broken.frame()),),
    FaultKind.WRONG_BYTES: lambda broken: (Sent(broken.frame()),),
}


# ---- every fault by its name


class Surroundings(NamedTuple):
    """What a fault needs to know beyond its device: how long the gateway waits, and who else is on the bus."""

    timeout_s: float
    other: SimulatedUnit | None = None


Begin = Callable[[SimulatedUnit, Surroundings], None]


def _at_the_wire(kind: FaultKind, code: int = 4, times: int = 0) -> Begin:
    def begin(unit: SimulatedUnit, around: Surroundings) -> None:
        unit.break_with(Fault(kind, seconds=2 * around.timeout_s, code=code, times=times, other=around.other))

    return begin


def _says(status: str) -> Begin:
    return lambda unit, around: unit.set_status(status)


def _sentinel(unit: SimulatedUnit, _around: Surroundings) -> None:
    for channel in unit.channels:
        unit.set_sentinel(channel)


def _holds(value: float) -> Begin:
    def begin(unit: SimulatedUnit, _around: Surroundings) -> None:
        for name, channel in unit.channels.items():
            if unit.register_type(channel["register"]) == "f32":
                unit.set_value(name, value)

    return begin


def _beyond_range(unit: SimulatedUnit, _around: Surroundings) -> None:
    """Two steps beyond, as a living sensor moves by one of itself."""
    for name, channel in unit.channels.items():
        unit.set_value(name, Decimal(channel["range"][1]) + 2 * Decimal(channel["resolution"]))


def mend(unit: SimulatedUnit, values: Mapping[str, str]) -> None:
    """Ends every fault: status ok, each channel at its value, nothing wrong at the wire."""
    unit.heal()
    unit.set_identity(foreign=False)
    unit.set_status("ok")
    for channel, value in values.items():
        unit.set_value(channel, value)


FAULTS: Mapping[str, Begin] = {
    **{kind.value: _at_the_wire(kind) for kind in FaultKind},
    "busy": _at_the_wire(FaultKind.EXCEPTION, code=6, times=1),
    "gateway_silent": _at_the_wire(FaultKind.EXCEPTION, code=0x0B),
    "frozen": lambda unit, around: unit.freeze(),
    "heartbeat_stopped": lambda unit, around: unit.stop_heartbeat(),
    "foreign": lambda unit, around: unit.set_identity(foreign=True),
    "sentinel": _sentinel,
    "not_a_number": _holds(math.nan),
    "infinite": _holds(math.inf),
    "above_range": _beyond_range,
    **{status: _says(status) for status in STATUSES},
}
"""How each fault begins; ``mend`` ends it.

``busy`` says exception 6 to one question and then answers; every other lasts. A status that the profile cannot say
raises ValueError.
"""


_AT_ANY_WIRE = frozenset(kind.value for kind in FaultKind)


def can_have(name: str, profile: Mapping[str, Any]) -> bool:
    """Whether a device of this profile (as data) can have the fault at all: computed from what the profile says."""
    types = {each["name"]: each["type"] for each in profile["register"]}
    measured = [types[each["register"]] for each in profile["channel"]]
    match name:
        case "not_a_number" | "infinite":
            return "f32" in measured
        case "wrong_order" | "wrong_bytes":
            return any(kind not in ("u16", "s16") for kind in measured)
        case "sentinel":
            return any(each.get("sentinels") for each in profile["channel"])
    return name in _AT_ANY_WIRE or _takes(name, profile)


def _takes(name: str, profile: Mapping[str, Any]) -> bool:
    try:
        FAULTS[name](SimulatedUnit(profile, 1), Surroundings(0))
    except (ValueError, struct.error):
        return False
    return True
