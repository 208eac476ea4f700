"""What ``check --probe`` shows of the register in which a device says how its calibration stands.

It is none of those that are polled, so a device without it still measures: what is wrong there stands in its row alone.
"""

from drivers.modbus.calibration import DAYS_MOST, days_left, done_on, question_of
from drivers.modbus.decode import in_all_orders
from drivers.modbus.probe import Asks, ProbeRow, Verdict, number_text, unanswered
from drivers.modbus.register_map import CalibrationRegister, CalibrationSays, Profile
from edge.ports.devices import Quality
from edge.ports.errors import DeviceError


def probe_calibration(connection: Asks, unit: int, profile: Profile) -> ProbeRow | None:
    """Reads the register once; None where the profile has none. Device trouble is a verdict.

    ``decoded`` is a number of days (``90 d``), or the date of the last calibration.
    """
    stated = profile.calibration
    if stated is None:
        return None
    register = stated.register
    where = (register.name, register.printed, register.function, register.address)
    try:
        data = connection.request(question_of(stated, unit, profile.longest_reply_ms))
    except DeviceError as error:
        return ProbeRow(*where, "", (), "", "", None, unanswered(error), str(error))
    decoded, span, verdict = _dated(data) if stated.says is CalibrationSays.LAST_DATE else _counted(stated, data)
    quality = Quality.OUT_OF_RANGE if verdict is Verdict.OUTSIDE else Quality.GOOD
    return ProbeRow(*where, data.hex(" ", 2), _orders(stated, data), decoded, span, quality, verdict, "")


def _orders(stated: CalibrationRegister, data: bytes) -> tuple[tuple[str, str], ...]:
    """The number in each word order; a date has none."""
    if stated.says is CalibrationSays.LAST_DATE:
        return ()
    kind = stated.register.kind
    return tuple((order.value, number_text(kind, value)) for order, value in in_all_orders(kind, data).items())


def _dated(data: bytes) -> tuple[str, str, Verdict]:
    done = done_on(data)
    numbers = "-".join(str(int.from_bytes(data[place : place + 2], "big")) for place in (0, 2, 4))
    return (
        (numbers if done is None else str(done)),
        "YYYY-MM-DD",
        Verdict.OUTSIDE if done is None else Verdict.PLAUSIBLE,
    )


def _counted(stated: CalibrationRegister, data: bytes) -> tuple[str, str, Verdict]:
    register, days = stated.register, days_left(stated.register, data)
    number = number_text(register.kind, in_all_orders(register.kind, data)[register.order])
    due = Verdict.PLAUSIBLE if days is not None and days > 0 else Verdict.DUE
    return f"{number} d", f"-{DAYS_MOST} … {DAYS_MOST} d", Verdict.OUTSIDE if days is None else due
