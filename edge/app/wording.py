"""Figures, times and reasons as people read them, in Chinese and English."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal, TypeAlias

from edge.core.reasons import WORDS, Reason
from edge.runtime.request_answers import ACT_WORDS

Language: TypeAlias = Literal["zh", "en"]

LANGUAGES: tuple[Language, Language] = ("zh", "en")

NOTHING = "—"
"""Stands for a figure that is not there: never a zero."""


def instant(time_ms: int | None) -> str:
    """A UTC time in milliseconds since 1970 as text, with its zone; ``—`` for none."""
    if time_ms is None:
        return NOTHING
    try:
        moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{time_ms} ms"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ms % 1000:03}Z"


def seconds(duration_ms: int | None) -> str:
    """A duration as seconds, ``—`` for none."""
    return NOTHING if duration_ms is None else f"{Decimal(duration_ms) / 1000:f} s"


def figure(steps: int | None, resolution: str, unit: str) -> str:
    """A reading in its unit, exactly; ``—`` for none."""
    try:
        return NOTHING if steps is None else f"{steps * Decimal(resolution)} {unit}"
    except (InvalidOperation, TypeError, ValueError):
        return f"{steps} x {resolution} {unit}"


def limits(lowest: int | None, highest: int | None, resolution: str, unit: str) -> str:
    """What passes, such as ``<= 10.0 %LEL``. Both ends are included: a rule's open bound is already one step in."""
    found = [] if lowest is None else [f">= {figure(lowest, resolution, unit)}"]
    found += [] if highest is None else [f"<= {figure(highest, resolution, unit)}"]
    return ", ".join(found) or NOTHING


def printable(text: str) -> str:
    """The text with everything that a terminal would obey instead of show made visible."""
    return text if text.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def reason_words(code: str, language: Language) -> str:
    """What a reason code says; the code itself if this version does not know it."""
    if code in ACT_WORDS:
        return ACT_WORDS[code][LANGUAGES.index(language)]
    try:
        words = WORDS[Reason(code)]
    except ValueError:
        return code
    return words.zh if language == "zh" else words.en
