"""What a display's figure tells of unknown registers, and the draft profile that says what it does not tell."""

from dataclasses import replace
from decimal import Decimal

import pytest

from drivers.modbus.decodings import Decoding, fitting, printed_address
from drivers.modbus.draft import DraftFacts, draft_text, usual_range
from drivers.modbus.profile import parse_profile
from drivers.modbus.register_map import Kind, Quantity, WordOrder

OXYGEN_F32 = {2: 0x41A7, 3: 0x3333}
FACTS = DraftFacts("attic", Quantity.OXYGEN, "%vol", None, ("20.9",), 5, 3, 300, (4800, "N", 1))
FOUND = Decoding(2, Kind.F32, WordOrder.ABCD, Decimal(1))


def test_a_float_at_its_own_size_is_likelier_than_an_integer_that_needs_a_scale() -> None:
    first, second = fitting({**OXYGEN_F32, 7: 209}, Decimal("20.9"))
    assert first.best == FOUND
    assert second.best == Decoding(7, Kind.U16, WordOrder.ABCD, Decimal("0.1"))


def test_what_positive_figures_can_never_tell_apart_is_one_fit_with_its_twins() -> None:
    (fit,) = fitting({6: 0, 7: 209, 8: 0}, Decimal("20.9"))
    assert fit.best.kind is Kind.U16
    assert {(each.kind, each.address, each.order) for each in fit.twins} == {
        (Kind.S16, 7, WordOrder.ABCD),
        (Kind.U32, 6, WordOrder.ABCD),
        (Kind.S32, 6, WordOrder.ABCD),
        (Kind.U32, 7, WordOrder.CDAB),
        (Kind.S32, 7, WordOrder.CDAB),
    }


def test_a_float_and_its_shadow_in_the_next_register_are_one_fit_and_the_rounder_figure_is_the_best() -> None:
    (fit,) = fitting({5: 4711, 6: 0x3333, 7: 0x41A7, 8: 12}, Decimal("20.9"))
    assert fit.best == Decoding(6, Kind.F32, WordOrder.CDAB, Decimal(1))
    assert fit.value == Decimal("20.9")
    assert fit.twins == (Decoding(7, Kind.F32, WordOrder.ABCD, Decimal(1)),)


def test_a_display_with_more_places_tells_a_float_from_its_shadow() -> None:
    (fit,) = fitting({6: 0x3333, 7: 0x41A7, 8: 12}, Decimal("20.900"))
    assert (fit.best.address, fit.twins) == (6, ())


def test_a_display_that_rounds_cuts_off_or_flickers_by_one_still_fits() -> None:
    for raw in (2081, 2089, 2090, 2094, 2099, 2100):
        assert fitting({0: raw}, Decimal("20.9")), raw
    for raw in (2079, 2101, 2190):
        assert not fitting({0: raw}, Decimal("20.9")), raw


def test_a_value_that_rounds_to_the_figure_is_likelier_than_one_that_is_one_off() -> None:
    fits = fitting({0: 21, 1: 209}, Decimal("20.9"))
    assert [each.best.address for each in fits] == [1, 0]


def test_a_second_figure_tells_two_registers_apart_that_fitted_the_first() -> None:
    first = fitting({0: 209, 4: 209}, Decimal("20.9"))
    assert len(first) == 2
    among = frozenset(each for fit in first for each in fit.all())
    (left,) = fitting({0: 209, 4: 173}, Decimal("17.3"), among)
    assert left.best.address == 4
    assert not fitting({9: 173}, Decimal("17.3"), among), "what did not fit before does not fit now"


def test_nan_infinity_and_what_the_display_would_show_as_zero_fit_nothing() -> None:
    assert not fitting({0: 0x7FC0, 1: 0x0000}, Decimal("0.001"))
    assert not fitting({0: 0x7F80, 1: 0x0000}, Decimal("1"))
    assert not fitting({0: 0, 1: 0}, Decimal("0.1"))
    tiny = fitting({0: 0, 1: 0x0200}, Decimal("0.1"))
    assert not [each for fit in tiny for each in fit.all() if each.kind is Kind.F32], "a float of no size at all"


@pytest.mark.parametrize(
    ("function", "address", "printed"), [(3, 0, "40001"), (4, 10, "30011"), (3, 9998, "49999"), (3, 9999, "410000")]
)
def test_offsets_are_shown_as_manuals_print_them(function: int, address: int, printed: str) -> None:
    assert printed_address(function, address) == printed


def test_a_draft_says_that_it_is_unverified_and_has_no_status() -> None:
    text = draft_text(FOUND, [], [], FACTS)
    profile = parse_profile(text.encode(), "attic.toml")
    assert profile.manual.mark == "U"
    assert not profile.has_status
    for said in ("NO STATUS", "no_status_accepted_by", "草稿", "One look only", "20.9"):
        assert said in text
    assert profile.serial is not None
    assert (profile.serial.default_baud, profile.serial.default_address) == (4800, 5)


def test_a_draft_names_everything_else_that_fitted_however_much_that_is() -> None:
    other = Decoding(7, Kind.U16, WordOrder.ABCD, Decimal("0.1"))
    twin = Decoding(7, Kind.S16, WordOrder.ABCD, Decimal("0.1"))
    text = draft_text(FOUND, [other], [twin], FACTS)
    assert "# FITTED AS WELL [U]: offset 7 (40008) u16 x 0.1" in text
    assert "[U]: offset 7 (40008) s16 x 0.1" in text
    many = draft_text(FOUND, [other._replace(address=each) for each in range(100)], [], FACTS)
    assert "... and 80 more" in many
    assert parse_profile(many.encode(), "attic.toml")


def test_after_two_looks_a_draft_no_longer_says_that_there_was_one() -> None:
    text = draft_text(FOUND, [], [], replace(FACTS, displays=("20.9", "17.35")))
    assert "One look only" not in text
    assert parse_profile(text.encode(), "attic.toml").channels[0].resolution == Decimal("0.01")


def test_found_behind_tcp_a_draft_claims_no_serial_settings() -> None:
    assert parse_profile(draft_text(FOUND, [], [], replace(FACTS, line=None)).encode(), "attic.toml").serial is None


def test_a_toxic_gas_has_no_usual_range_to_be_guessed() -> None:
    assert usual_range(Quantity.TOXIC, "ppm") is None
    with pytest.raises(ValueError, match="no usual range"):
        draft_text(FOUND, [], [], replace(FACTS, quantity=Quantity.TOXIC, unit="ppm"))


@pytest.mark.parametrize("quantity", [each for each in Quantity if each is not Quantity.TOXIC])
def test_every_other_quantity_has_a_draft_with_its_usual_unit_and_range(quantity: Quantity) -> None:
    from drivers.modbus.draft import UNIT_OF

    facts = replace(FACTS, quantity=quantity, unit=UNIT_OF[quantity])
    profile = parse_profile(draft_text(FOUND, [], [], facts).encode(), "attic.toml")
    assert profile.channels[0].quantity is quantity
