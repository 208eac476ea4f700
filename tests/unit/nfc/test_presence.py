"""A card held to the reader is one tap."""

from drivers.nfc.frontend import BadgeRead
from drivers.nfc.presence import FORGET_MS, GONE_MS, Presence
from edge.ports.devices import MonotonicMs

CARD = BadgeRead(b"1234", b"one", None, 10)
REWRITTEN = BadgeRead(b"1234", b"two", None, 10)
UNREADABLE = BadgeRead(b"1234", None, "field_lost", 10)
OTHER = BadgeRead(b"5678", b"one", None, 10)


def taps(*polls: tuple[int, BadgeRead | None]) -> list[int]:
    """The times of those polls that were taps."""
    presence, found = Presence(), []
    for at_ms, read in polls:
        presence, tapped = presence.after(read, MonotonicMs(at_ms))
        if tapped:
            found.append(at_ms)
    return found


def test_a_held_card_taps_once_however_long() -> None:
    slower = BadgeRead(CARD.uid, CARD.ndef, None, 40)
    assert taps(*((10_000 + 100 * number, CARD if number % 2 else slower) for number in range(100))) == [10_000]


def test_a_card_that_left_the_field_taps_again() -> None:
    gone = 10_000 + GONE_MS
    assert taps((10_000, CARD), (gone, None), (gone + 50, CARD)) == [10_000, gone + 50]


def test_a_weak_moment_is_not_a_second_tap() -> None:
    assert taps((10_000, CARD), (10_100, None), (10_200, CARD), (10_300, UNREADABLE), (10_400, CARD)) == [10_000]


def test_another_card_or_another_content_is_another_tap() -> None:
    assert taps((10_000, CARD), (10_100, OTHER), (10_200, CARD)) == [10_000, 10_100, 10_200]
    assert taps((10_000, CARD), (10_100, REWRITTEN)) == [10_000, 10_100]


def test_a_card_that_can_be_read_at_last_is_another_tap() -> None:
    assert taps((10_000, UNREADABLE), (10_100, UNREADABLE), (10_200, CARD), (10_300, CARD)) == [10_000, 10_200]


def test_a_reader_that_was_silent_for_long_holds_no_card() -> None:
    assert taps((10_000, CARD), (10_000 + FORGET_MS - 1, CARD)) == [10_000]
    assert taps((10_000, CARD), (10_000 + FORGET_MS, CARD)) == [10_000, 10_000 + FORGET_MS]
