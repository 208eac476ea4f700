"""A draft profile from what was found on the wire: it parses, and it says itself what nobody knows yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from drivers.modbus.decodings import Decoding, printed_address
from drivers.modbus.register_map import Kind, Quantity

UNIT_OF = {
    Quantity.COMBUSTIBLE: "%LEL",
    Quantity.OXYGEN: "%vol",
    Quantity.WIND_SPEED: "m/s",
    Quantity.WIND_DIRECTION: "deg",
}
"""What is meant unless another unit is said; a toxic gas has no usual one."""

_RANGES = {
    (Quantity.COMBUSTIBLE, "%LEL"): ("0", "100"),
    (Quantity.COMBUSTIBLE, "%vol"): ("0", "100"),
    (Quantity.OXYGEN, "%vol"): ("0", "25"),
    (Quantity.WIND_SPEED, "m/s"): ("0", "60"),
    (Quantity.WIND_DIRECTION, "deg"): ("0", "360"),
}
"""Usual full scales [U]; a toxic gas has none, so its range must be said."""

_T90_S = {
    Quantity.COMBUSTIBLE: 60,
    Quantity.OXYGEN: 60,
    Quantity.TOXIC: 150,
    Quantity.WIND_SPEED: 1,
    Quantity.WIND_DIRECTION: 1,
}
"""Slow ones of their kind [U]: too long only makes people wait, too short lets them in on a reading still rising."""

_LATE_MS_MIN = 500


@dataclass(frozen=True, slots=True)
class DraftFacts:
    """What a person knows of the instrument. ``displays``: each figure that it showed while its registers were read.

    ``span``: the range as written; None: the usual one of that quantity. ``line``: baud, parity and stop bits of a
    serial bus; None on Modbus/TCP.
    """

    model: str
    quantity: Quantity
    unit: str
    span: tuple[str, str] | None
    displays: tuple[str, ...]
    unit_number: int
    function: int
    timeout_ms: int
    line: tuple[int, str, int] | None


def usual_range(quantity: Quantity, unit: str) -> tuple[str, str] | None:
    """The usual full scale of such an instrument; None: there is none, a person must say it."""
    return _RANGES.get((quantity, unit))


def draft_text(found: Decoding, others: Sequence[Decoding], twins: Sequence[Decoding], facts: DraftFacts) -> str:
    """The profile as text. ``others`` fitted as well; ``twins`` cannot be told from it by positive figures.

    Raises ValueError for a quantity without a usual range if none was said.
    """
    span = facts.span or usual_range(facts.quantity, facts.unit)
    if span is None:
        raise ValueError(f"{facts.quantity.value} in {facts.unit} has no usual range")
    parts = [
        _head(found, others, twins, facts),
        _device(found, facts),
        _serial(facts),
        _register(found, facts),
        _channel(found, facts, span),
        _no_status(),
    ]
    return "\n".join(parts)


def _in_words(decoding: Decoding, function: int) -> str:
    order = f" {decoding.order.value}" if decoding.kind.words == 2 else ""
    printed = printed_address(function, decoding.address)
    return f"offset {decoding.address} ({printed}) {decoding.kind.value}{order} x {decoding.scale}"


def _head(found: Decoding, others: Sequence[Decoding], twins: Sequence[Decoding], facts: DraftFacts) -> str:
    lines = [
        "# DRAFT, found on the wire by `permitgate devices try`; no manual stands behind it. What is marked [U] is not",
        "# verified: find the maker's register map, compare each line, and write its title and page below.",
        "# 草稿：由试读得出，没有手册依据。[U] 处均未核实，请对照厂家寄存器表逐行核对。",
        f"# The display showed {', then '.join(facts.displays)}; this fitted: {_in_words(found, facts.function)}.",
    ]
    if len(facts.displays) == 1:
        lines.append(
            "# One look only [U]: a wrong register can hold the right figure once. Look again at another figure."
        )
    lines += [f"# FITTED AS WELL [U]: {_in_words(each, facts.function)}" for each in others[:_OTHERS_MAX]]
    if len(others) > _OTHERS_MAX:
        lines.append(f"# ... and {len(others) - _OTHERS_MAX} more: this draft is a guess until a second look tells.")
    same = "Differs in its last digits only" if found.kind is Kind.F32 else "The same while positive and small"
    lines += [f"# {same} [U]: {_in_words(each, facts.function)}" for each in twins]
    return "\n".join(lines) + "\n"


_OTHERS_MAX = 20


def _device(found: Decoding, facts: DraftFacts) -> str:
    late_ms = max(_LATE_MS_MIN, facts.timeout_ms)
    return f"""model = "{facts.model}"
manufacturer = "unknown"
product = "unknown, as found at unit {facts.unit_number}"
gap = 0
max_registers = {found.kind.words}
min_poll_s = 1            # never asked more often than this [D]
longest_reply_s = {Decimal(late_ms) / 1000}     # how late an answer may still come [D]

[manual]
title = "none: found on the wire"
revision = "unknown"
page = "-"
mark = "U"
"""


def _serial(facts: DraftFacts) -> str:
    if facts.line is None:
        return (
            "# No [serial]: it was found behind Modbus/TCP. Add one, as in generic.toml, to use it on a serial bus.\n"
        )
    baud, parity, stop_bits = facts.line
    return f"""[serial]                  # as it answered; what else it can be set to is not known [U]
bauds = ["{baud}"]
parities = ["{parity}"]
stop_bits = ["{stop_bits}"]
default_baud = {baud}
default_parity = "{parity}"
default_address = {facts.unit_number}
"""


def _register(found: Decoding, facts: DraftFacts) -> str:
    order = f'order = "{found.order.value}"\n' if found.kind.words == 2 else ""
    return f"""[[register]]
name = "reading"
address = {found.address}
printed = "{printed_address(facts.function, found.address)}"         # as most manuals would print it [U]
function = {facts.function}
type = "{found.kind.value}"
{order}"""


def _channel(found: Decoding, facts: DraftFacts, span: tuple[str, str]) -> str:
    marked = "" if facts.span else "      # usual for its kind [U]"
    return f"""[[channel]]
name = "{facts.quantity.value}"
quantity = "{facts.quantity.value}"
register = "reading"
unit = "{facts.unit}"             # as a person said; the wire does not tell [U]
scale = "{found.scale}"
resolution = "{_resolution(facts.displays)}"        # the display's last place
range = ["{span[0]}", "{span[1]}"]{marked}
t90_s = {_T90_S[facts.quantity]}                # slow for its kind [U]
"""


def _resolution(displays: Sequence[str]) -> Decimal:
    """The finest step that any of the figures showed."""
    return min(Decimal(1).scaleb(int(Decimal(each).as_tuple().exponent)) for each in displays)


def _no_status() -> str:
    return """# NO STATUS WAS FOUND: warming up, inhibited or broken, its figure may look perfect, and nobody knows.
# Look for status and fault registers in the manual and add [[status]] and sentinels, as in generic.toml.
# Until then each [[device]] of this model needs no_status_accepted_by = "who accepts that, when".
# 未找到状态寄存器：预热、抑制或故障时读数可能看似正常。请按手册补上 [[status]]；
# 否则须由专人承担（no_status_accepted_by）。
"""
