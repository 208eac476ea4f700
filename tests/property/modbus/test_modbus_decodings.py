"""Decodings against a display: the right one is always among those that fit, and nothing fits that does not."""

import struct
from decimal import Decimal
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.modbus.decode import Decoder
from drivers.modbus.decodings import SCALES, Decoding, fitting
from drivers.modbus.draft import DraftFacts, draft_text
from drivers.modbus.plan import plan_of
from drivers.modbus.profile import parse_profile
from drivers.modbus.register_map import Kind, Quantity, WordOrder
from edge.ports.devices import Quality

_FORMATS = {Kind.U16: ">H", Kind.S16: ">h", Kind.U32: ">I", Kind.S32: ">i", Kind.F32: ">f"}
_LOWEST = {Kind.U16: 0, Kind.S16: -0x8000, Kind.U32: 0, Kind.S32: -0x80000000}
_HIGHEST = {Kind.U16: 0xFFFF, Kind.S16: 0x7FFF, Kind.U32: 0xFFFFFFFF, Kind.S32: 0x7FFFFFFF}
FIGURES = st.integers(-99_999, 99_999).filter(bool)


def laid_out(decoding: Decoding, raw: int | float) -> dict[int, int]:
    """The registers that hold the number, written a second time from the standard's words alone."""
    lettered = dict(zip("ABCD", struct.pack(_FORMATS[decoding.kind], raw), strict=False))
    sent = bytes(lettered[letter] for letter in (decoding.order.value if decoding.kind.words == 2 else "AB"))
    return {
        decoding.address + index: int.from_bytes(sent[2 * index : 2 * index + 2], "big")
        for index in range(len(sent) // 2)
    }


decodings = st.builds(
    Decoding,
    address=st.integers(0, 20),
    kind=st.sampled_from(Kind),
    order=st.sampled_from(WordOrder),
    scale=st.sampled_from(SCALES),
).map(lambda each: each if each.kind.words == 2 else each._replace(order=WordOrder.ABCD))


def held(decoding: Decoding, display: Decimal) -> int | float | None:
    """What the device would hold to show that; None: its register cannot."""
    raw = display / decoding.scale
    if decoding.kind is Kind.F32:
        return float(raw)
    if raw != raw.to_integral_value() or not _LOWEST[decoding.kind] <= raw <= _HIGHEST[decoding.kind]:
        return None
    return int(raw)


@given(decodings, FIGURES, st.integers(0, 3), st.dictionaries(st.integers(0, 24), st.integers(0, 0xFFFF)))
def test_the_right_decoding_is_among_those_that_fit(
    decoding: Decoding, figure: int, places: int, others: dict[int, int]
) -> None:
    display = Decimal(figure).scaleb(-places)
    raw = held(decoding, display)
    assume(raw is not None)
    assert raw is not None
    words = {**others, **laid_out(decoding, raw)}
    assert any(decoding in fit.all() for fit in fitting(words, display))


@given(st.dictionaries(st.integers(0, 12), st.integers(0, 0xFFFF)), FIGURES, st.integers(0, 3))
def test_whatever_fits_is_within_one_unit_of_the_displays_last_place(
    words: dict[int, int], figure: int, places: int
) -> None:
    display = Decimal(figure).scaleb(-places)
    for fit in fitting(words, display):
        for each in fit.all():
            data = b"".join(words[each.address + index].to_bytes(2, "big") for index in range(each.kind.words))
            lettered = dict(zip(each.order.value if each.kind.words == 2 else "AB", data, strict=False))
            ordered = bytes(lettered[letter] for letter in sorted(lettered))
            value = Fraction(struct.unpack(_FORMATS[each.kind], ordered)[0]) * Fraction(each.scale)
            step = Fraction(10) ** -places
            # A binary32 stands for the shortest decimal that it rounds to, which lies within 2**-24 of it.
            assert abs(value - Fraction(display)) <= step + abs(value) * Fraction(1, 2**23)
            assert value


@given(decodings, FIGURES, FIGURES, st.integers(0, 3))
def test_a_second_look_never_loses_the_right_decoding(decoding: Decoding, first: int, second: int, places: int) -> None:
    looks = [Decimal(each).scaleb(-places) for each in (first, second)]
    raws = [held(decoding, display) for display in looks]
    assume(None not in raws)
    among = None
    for display, raw in zip(looks, raws, strict=True):
        assert raw is not None
        fits = fitting(laid_out(decoding, raw), display, among)
        among = frozenset(each for fit in fits for each in fit.all())
    assert among is not None
    assert decoding in among


@given(decodings, st.integers(1, 2_499), st.integers(0, 2))
def test_a_draft_of_any_decoding_parses_and_reads_what_the_display_shows(
    decoding: Decoding, figure: int, places: int
) -> None:
    display = Decimal(figure).scaleb(-places)
    raw = held(decoding, display)
    assume(raw is not None)
    assert raw is not None
    facts = DraftFacts("attic", Quantity.TOXIC, "ppm", ("0", "2500"), (str(display),), 7, 3, 300, (9600, "E", 1))
    profile = parse_profile(draft_text(decoding, [decoding] * 30, [decoding], facts).encode(), "attic.toml")
    blocks = plan_of(profile)
    payload = b"".join(word.to_bytes(2, "big") for _, word in sorted(laid_out(decoding, raw).items()))
    (steps,), (quality,) = Decoder(profile, blocks).decode([payload])
    assert quality is Quality.GOOD
    assert steps is not None
    assert abs(steps * profile.channels[0].resolution - display) <= profile.channels[0].resolution
    assert not profile.has_status
    assert profile.manual.mark == "U"
