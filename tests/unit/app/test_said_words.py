"""What HQ says of the work, in words: every code has them in both languages."""

from edge.app.said_words import _TEXT, FACTORS, said_lines
from sync.formats.permit_facts import HEIGHT_FACTORS


def test_every_factor_that_a_record_may_name_has_words_in_both_languages() -> None:
    assert tuple(FACTORS) == HEIGHT_FACTORS
    assert all(each.zh and each.en and each.zh != each.en for each in FACTORS.values())


def test_every_sentence_is_there_in_both_languages() -> None:
    assert _TEXT["zh"].keys() == _TEXT["en"].keys()


def test_what_is_not_said_has_no_line_and_an_empty_list_says_none() -> None:
    assert said_lines({}, "en") == said_lines({}, "zh") == []
    assert said_lines({"factors": []}, "en") == ["hazard factors: none"]
    assert said_lines({"factors": ["of_a_later_version"]}, "zh") == ["危险因素：of_a_later_version"]
