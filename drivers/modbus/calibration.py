"""What a device says of its own calibration: when it is asked, and what its answer means. No I/O."""

from datetime import date
from decimal import ROUND_FLOOR, Decimal

from drivers.modbus.client import Request
from drivers.modbus.decode import in_all_orders
from drivers.modbus.quantise import shortest_decimal
from drivers.modbus.register_map import CalibrationRegister, CalibrationSays, Kind, Register
from edge.ports.devices import BlockRead, CalibrationSaid, MonotonicMs, Quality

_DAY_MS = 86_400_000
_AGAIN_MS = 10_000
"""Never asked more often than this [D], however often a device comes and goes."""

DAYS_MOST = 3_650
"""Ten years [D]: no interval between calibrations is longer, and a figure beyond it is none."""

_EPOCH = date(1970, 1, 1)


class CalibrationWatch:
    """The question to one device, when it is time for it, and its answer.

    It is asked when it measures again after anything else, the start included, as it may have been exchanged or
    calibrated meanwhile; and once a day.
    """

    def __init__(self, stated: CalibrationRegister, unit: int, longest_reply_ms: int) -> None:
        self.question = question_of(stated, unit, longest_reply_ms)
        self._stated = stated
        self._asked_at: MonotonicMs | None = None
        self._wanted = True

    def is_time(self, block: BlockRead) -> bool:
        """Whether to ask now, after this block; if so, it counts as asked."""
        if Quality.GOOD not in block.qualities:
            self._wanted = True
            return False
        since_ms = None if self._asked_at is None else block.taken_at - self._asked_at
        if since_ms is not None and (since_ms < _AGAIN_MS or (since_ms < _DAY_MS and not self._wanted)):
            return False
        self._asked_at, self._wanted = block.taken_at, False
        return True

    def understood(self, device: str, payload: bytes, taken_at: MonotonicMs) -> CalibrationSaid | None:
        """What the answer says; None for one that is no number of days, or no date."""
        if self._stated.says is CalibrationSays.LAST_DATE:
            done = done_on(payload)
            done_day = None if done is None else (done - _EPOCH).days
            return None if done_day is None else CalibrationSaid(device, None, done_day, taken_at)
        days = days_left(self._stated.register, payload)
        left_ms = None if days is None else int((days * _DAY_MS).to_integral_value(ROUND_FLOOR))
        return None if left_ms is None else CalibrationSaid(device, left_ms, None, taken_at)


def question_of(stated: CalibrationRegister, unit: int, longest_reply_ms: int) -> Request:
    """What to ask a device for its calibration."""
    register = stated.register
    count = 3 if stated.says is CalibrationSays.LAST_DATE else register.kind.words
    return Request(unit, register.function, register.address, count, longest_reply_ms)


def days_left(register: Register, payload: bytes) -> Decimal | None:
    """For how many days the calibration still holds, 0 or less: due; None for what is no such number."""
    raw = in_all_orders(register.kind, payload)[register.order]
    if raw - raw != 0:
        return None
    days = shortest_decimal(raw) if register.kind is Kind.F32 else Decimal(raw)
    return None if abs(days) > DAYS_MOST else days


def done_on(payload: bytes) -> date | None:
    """The day of the last calibration; None for what is no date."""
    year, month, day = (int.from_bytes(payload[place : place + 2], "big") for place in (0, 2, 4))
    try:
        return date(year, month, day)
    except ValueError:
        return None
