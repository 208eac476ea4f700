"""A card held to the reader is one tap."""

from drivers.nfc.frontend import BadgeRead
from drivers.nfc.presence import GONE_MS, Presence
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
    assert taps((10_000, CARD), (10_200, None), (gone, None), (gone + 50, CARD)) == [10_000, gone + 50]


def test_a_weak_moment_is_not_a_second_tap() -> None:
    assert taps((10_000, CARD), (10_100, None), (10_200, CARD), (10_300, UNREADABLE), (10_400, CARD)) == [10_000]
    assert taps((10_000, CARD), (10_100, None), (10_299, None), (10_300, CARD)) == [10_000], "often, but not for long"
    assert taps((10_000, CARD), (19_000, None), (19_100, CARD)) == [10_000], "one look, however late it came"


def test_another_card_or_another_content_is_another_tap() -> None:
    assert taps((10_000, CARD), (10_100, OTHER), (10_200, CARD)) == [10_000, 10_100, 10_200]
    assert taps((10_000, CARD), (10_100, REWRITTEN)) == [10_000, 10_100]


def test_a_card_that_can_be_read_at_last_is_another_tap() -> None:
    assert taps((10_000, UNREADABLE), (10_100, UNREADABLE), (10_200, CARD), (10_300, CARD)) == [10_000, 10_200]


def test_a_card_that_cannot_be_read_is_one_tap_whatever_the_cause() -> None:
    assert taps((10_000, UNREADABLE), (10_100, BadgeRead(CARD.uid, None, "deadline", 10))) == [10_000]


def test_a_reader_that_failed_for_long_tells_no_card_from_one_that_stayed() -> None:
    assert taps((10_000, CARD), (60_000, CARD)) == [10_000]


def test_a_field_is_empty_once_it_was_found_so_and_not_before() -> None:
    unknown = Presence()
    held, _ = unknown.after(CARD, MonotonicMs(10_000))
    weak, _ = held.after(None, MonotonicMs(10_100))
    gone, _ = weak.after(None, MonotonicMs(10_000 + GONE_MS))
    still, _ = gone.after(None, MonotonicMs(20_000))
    assert [each.empty for each in (unknown, held, weak, gone, still)] == [False, False, False, True, True]
    again, tapped = still.after(CARD, MonotonicMs(20_100))
    assert (again.empty, tapped) == (False, True)
    assert unknown.after(None, MonotonicMs(10_000))[0].empty
