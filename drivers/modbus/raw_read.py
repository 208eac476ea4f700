"""Reads registers of a device that nobody knows: as one block, and where it refuses that, one by one."""

from dataclasses import dataclass, field

from drivers.modbus.client import GATEWAY_EXCEPTIONS, BusDownError, Connection, ModbusExceptionError, Request
from edge.ports.devices import MonotonicMs
from edge.ports.errors import DeviceError

_SILENCES_MAX = 3
"""Questions in a row without a usable answer after which the rest is not asked: a dead unit ends a trial soon."""


@dataclass(slots=True)
class RawRegisters:
    """``words`` by offset; ``troubles``: why an offset has none. ``in_block``: one request gave them all.

    ``refused``: the device itself refused something, so that it is there.
    """

    words: dict[int, int] = field(default_factory=dict)
    troubles: dict[int, str] = field(default_factory=dict)
    in_block: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class RawQuestion:
    """``count`` registers from offset ``start`` of ``unit``, with function 3 or 4."""

    unit: int
    function: int
    start: int
    count: int
    longest_reply_ms: int


def read_raw(connection: Connection, question: RawQuestion) -> RawRegisters:
    """Every register that can be had, none twice where once is enough. Raises BusDownError if the bus is not there.

    Asks at most 3 * count + 1 questions: a device may refuse half of a 32-bit value, and give it as a pair.
    """
    found = RawRegisters()
    try:
        _take(connection, question, (question.start, question.count), found)
    except BusDownError:
        raise
    except DeviceError as error:
        if question.count == 1:
            found.troubles[question.start] = str(error)
        else:
            _one_by_one(connection, question, found)
            _in_pairs(connection, question, found)
    else:
        found.in_block = True
    return found


def _take(connection: Connection, question: RawQuestion, block: tuple[int, int], found: RawRegisters) -> None:
    start, count = block
    asked = Request(question.unit, question.function, start, count, question.longest_reply_ms)
    try:
        payload = connection.request(asked)
    except ModbusExceptionError as error:
        found.refused |= error.code not in GATEWAY_EXCEPTIONS
        raise
    for index in range(count):
        found.words[start + index] = int.from_bytes(payload[2 * index : 2 * index + 2], "big")
        found.troubles.pop(start + index, None)


def _one_by_one(connection: Connection, question: RawQuestion, found: RawRegisters) -> None:
    silences, unanswered_at = 0, None
    for address in range(question.start, question.start + question.count):
        if silences == _SILENCES_MAX:
            found.troubles[address] = f"not asked: {_SILENCES_MAX} questions in a row had no usable answer"
            continue
        try:
            if unanswered_at is not None:
                _hear_out(connection, question, address, unanswered_at)
            _take(connection, question, (address, 1), found)
            silences, unanswered_at = 0, None
        except BusDownError:
            raise
        except ModbusExceptionError as error:
            found.troubles[address] = str(error)
            silences = 0
        except DeviceError as error:
            found.troubles[address] = str(error)
            silences, unanswered_at = silences + 1, connection.asked_at


def _hear_out(connection: Connection, question: RawQuestion, address: int, unanswered_at: MonotonicMs) -> None:
    """After a silence the next answer may be the late one to another register, of the same length: it is thrown away.

    How late an unknown device may be, nobody knows; it is expected to be late by the same time again.
    """
    asked = Request(question.unit, question.function, address, 1, question.longest_reply_ms)
    connection.request(asked)
    connection.hear_out(asked, unanswered_at)


def _in_pairs(connection: Connection, question: RawQuestion, found: RawRegisters) -> None:
    """A register that was refused by itself, with the next one, if that was refused too. Silence ends it."""
    for address in tuple(found.troubles):
        if address not in found.troubles or address + 1 not in found.troubles:
            continue
        try:
            _take(connection, question, (address, 2), found)
        except ModbusExceptionError:
            continue
        except BusDownError:
            raise
        except DeviceError:
            return
