"""Which decodings of unknown registers give what the instrument's display shows. Pure: words and a figure in.

A wrong type, word order or scale gives numbers, not errors. So every one of them is tried against a figure that a
person read from the display, and what fits more than once is said, with what cannot be told apart at all.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from drivers.modbus.decode import in_all_orders
from drivers.modbus.quantise import shortest_decimal
from drivers.modbus.register_map import Kind, WordOrder

SCALES = tuple(map(Decimal, ("1", "0.1", "0.01", "0.001", "0.0001", "10", "100")))
"""Likeliest first. The powers of ten that detectors use for decimals, per mille against percent, and ppm against %."""

_HALF = Fraction(1, 2)
_WORD_END = 0x10000


class Decoding(NamedTuple):
    """One way to read a figure: the value is the ``kind`` at ``address``, in ``order``, times ``scale``."""

    address: int
    kind: Kind
    order: WordOrder
    scale: Decimal


@dataclass(frozen=True, slots=True)
class Fit:
    """``best`` gives ``value``. No second look tells the ``twins`` apart from it.

    Twins of an integer hold the same number while it stays positive and below 65536. Twins of a float share its upper
    word, which fixes it to within 1 part in 128; they differ in which neighbour holds the lower one.
    """

    best: Decoding
    value: Decimal
    twins: tuple[Decoding, ...]

    def all(self) -> frozenset[Decoding]:
        """Every decoding that this fit stands for."""
        return frozenset((self.best, *self.twins))


class _Number(NamedTuple):
    """A number that registers could hold. ``telling``: the word that fixes it alone, None if no single one does."""

    address: int
    kind: Kind
    order: WordOrder
    value: Decimal
    telling: tuple[object, ...] | None

    def likely(self) -> tuple[int, bool, int]:
        """Lower is likelier: one register before two, unsigned, and of floats the one with the fewest digits."""
        digits = len(self.value.as_tuple().digits) if self.kind is Kind.F32 else 0
        return self.kind.words, self.kind in (Kind.S16, Kind.S32), digits


def fitting(words: Mapping[int, int], display: Decimal, among: frozenset[Decoding] | None = None) -> tuple[Fit, ...]:
    """What gives the display's figure, likeliest first. ``words``: registers by offset; ``among``: what fitted before.

    A display rounds, cuts off or flickers: one unit of its last place either way is a fit. ``display`` is not zero, and
    nothing fits that it would show as zero.
    """
    exponent = display.as_tuple().exponent
    assert isinstance(exponent, int)
    assert display
    step = Fraction(10) ** exponent
    found: dict[tuple[object, ...], list[tuple[tuple[object, ...], Decoding, Decimal]]] = {}
    for number in _numbers(words):
        for rank, scale in enumerate(SCALES):
            decoding = Decoding(number.address, number.kind, number.order, scale)
            value = Fraction(number.value) * Fraction(scale) / step
            off = abs(value - Fraction(display) / step)
            if off > 1 or abs(value) < _HALF or (among is not None and decoding not in among):
                continue
            likely = (off > _HALF, rank, *number.likely(), off, number.address)
            found.setdefault(_group(number, decoding), []).append((likely, decoding, number.value * scale))
    groups = [sorted(group, key=lambda each: each[0]) for group in found.values()]
    groups.sort(key=lambda group: group[0][0])
    return tuple(Fit(group[0][1], group[0][2], tuple(each[1] for each in group[1:])) for group in groups)


def _group(number: _Number, decoding: Decoding) -> tuple[object, ...]:
    """Equal for decodings that no further look tells apart."""
    alone = (number.address, decoding.order, number.value)
    return (*(number.telling or alone), decoding.scale)


def _numbers(words: Mapping[int, int]) -> Iterator[_Number]:
    for address, word in sorted(words.items()):
        yield from _of(address, (Kind.U16, Kind.S16), word.to_bytes(2, "big"))
        if address + 1 in words:
            pair = word.to_bytes(2, "big") + words[address + 1].to_bytes(2, "big")
            yield from _of(address, (Kind.U32, Kind.S32, Kind.F32), pair)


def _of(address: int, kinds: Iterable[Kind], data: bytes) -> Iterator[_Number]:
    for kind in kinds:
        for order, value in in_all_orders(kind, data).items():
            if isinstance(value, int):
                lower = _lower_word(address, kind, order) if 0 <= value < _WORD_END else None
                yield _Number(address, kind, order, Decimal(value), lower)
            elif value - value == 0:  # neither NaN nor an infinity, which no display shows
                yield _Number(address, kind, order, shortest_decimal(value), _upper_word(address, order))


def _upper_word(address: int, order: WordOrder) -> tuple[object, ...]:
    """Where sign, exponent and first digits of a float lie, and whether their bytes are swapped."""
    first = order in (WordOrder.ABCD, WordOrder.BADC)
    return "float", address if first else address + 1, order in (WordOrder.BADC, WordOrder.DCBA)


def _lower_word(address: int, kind: Kind, order: WordOrder) -> tuple[object, ...] | None:
    """Where the word lies that alone is a small whole number; None where its bytes are swapped."""
    if kind.words == 1:
        return "whole", address
    place = {WordOrder.ABCD: address + 1, WordOrder.CDAB: address}.get(order)
    return None if place is None else ("whole", place)


def printed_address(function: int, address: int) -> str:
    """The offset as most manuals print it: 40001 for the first holding register, 30001 for the first input register."""
    first = {3: 40_001, 4: 30_001}[function]
    return str(first + address) if address < 9_999 else str(10 * (first - 1) + 1 + address)
