"""The instrument's own word on its calibration (row W05): recorded when it changes, held against what people record.

It is judged where the site demands calibrations, and only against the instrument: no word of its own vouches for it.
"""

from edge.core.entries import Json
from edge.core.instruments import CalibrationWord, Check, left_now_ms, says_due
from edge.core.readings import CalibrationSaid
from edge.core.turn import Turn

_DAY_MS = 86_400_000
_CHINA_MS = 8 * 3_600_000
"""An instrument's calendar is taken to be China's [D]: its days begin so much before those of UTC."""


def calibration_said(turn: Turn, said: CalibrationSaid) -> None:
    """An instrument was asked: an entry if it says anything new, so at most about one a day for each."""
    done_ms = None if said.done_day is None else said.done_day * _DAY_MS - _CHINA_MS
    if not _is_new(turn, turn.state.durable.calibration_words.get(said.device), (said.left_ms, done_ms)):
        return
    body: dict[str, Json] = {"device": said.device}
    body |= {"left_ms": said.left_ms} if done_ms is None else {"done_ms": done_ms}
    turn.author("instrument.said", body)


def contradicted(turn: Turn, device: str) -> bool:
    """Whether the instrument says that it is due, at a site that demands calibrations of it."""
    demanded = dict(turn.state.site.checks.get(device, ()))
    allowed_ms = demanded.get(Check.CALIBRATION)
    return allowed_ms is not None and says_due(turn.state.durable.calibration_words.get(device), allowed_ms, turn.now)


def instrument_says(turn: Turn, device: str) -> dict[str, Json]:
    """What the entry of a calibration holds of the instrument's own word: nothing, if it never gave any."""
    said = turn.state.durable.calibration_words.get(device)
    if said is None:
        return {}
    word = {"left_ms": left_now_ms(said, turn.now)} if said.done_ms is None else {"done_ms": said.done_ms}
    return {"instrument_says": {"entry": said.entry, **word}}


def _is_new(turn: Turn, held: CalibrationWord | None, told: tuple[int | None, int | None]) -> bool:
    """Days pass for both alike: days left are news when they differ by more than one from what was expected."""
    left_ms, _ = told
    if held is None or left_ms is None or held.left_ms is None:
        return held is None or (held.left_ms, held.done_ms) != told
    expected_ms = left_now_ms(held, turn.now)
    if expected_ms is None or (expected_ms <= 0) is not (left_ms <= 0):
        return True
    return abs(expected_ms - left_ms) > _DAY_MS
