"""What HQ says of the work, in words: every code has them in both languages."""

import pytest

from edge.app.said_words import _TEXT, ACTIVITIES, CONFIRMATIONS, FACTORS, OPERATIONS, said_lines
from edge.core import distances
from edge.core.confirmations import MISSING
from edge.core.reasons import Words
from sync.formats import permit_facts
from sync.formats.permit_facts import BLIND_OPERATIONS, HEIGHT_FACTORS


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (FACTORS, HEIGHT_FACTORS),
        (OPERATIONS, BLIND_OPERATIONS),
        (ACTIVITIES, permit_facts.ACTIVITIES),
        (CONFIRMATIONS, ("harness", *permit_facts.CONFIRMATIONS)),
    ],
)
def test_every_code_that_a_record_may_name_has_words_in_both_languages(
    words: dict[str, Words], codes: tuple[str, ...]
) -> None:
    assert tuple(words) == codes
    assert all(each.zh and each.en and each.zh != each.en for each in words.values())


def test_every_sentence_is_there_in_both_languages() -> None:
    assert _TEXT["zh"].keys() == _TEXT["en"].keys()


def test_what_is_not_said_has_no_line_and_an_empty_list_says_none() -> None:
    assert said_lines({}, (), "en") == said_lines({}, (), "zh") == []
    assert said_lines({"factors": []}, (), "en") == ["hazard factors: none"]
    assert said_lines({"factors": ["of_a_later_version"]}, (), "zh") == ["危险因素：of_a_later_version"]


def test_what_hq_and_what_people_on_site_confirmed_stand_apart() -> None:
    assert said_lines({"confirmed": ["briefing"]}, ("measures",), "en") == [
        "confirmed by HQ: briefing (briefing)",
        "confirmed on site: measures (safety measures)",
    ]


def test_the_core_knows_the_words_that_a_record_may_hold() -> None:
    assert (distances.ACTIVITIES, tuple(MISSING)) == (permit_facts.ACTIVITIES, permit_facts.CONFIRMATIONS)


def test_a_position_is_read_in_metres() -> None:
    assert said_lines({"east_cm": -5, "north_cm": 1_250}, (), "en") == ["position: -0.05 m east, 12.5 m north"]
