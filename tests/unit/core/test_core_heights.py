"""The grade of work at height (C03): at every boundary of the table, with and without a factor, for every type."""

from dataclasses import replace

import orjson
import pytest
from sites import PACK, POLICY, decided, facts, permit, ready_bench, replace_site

from edge.app.decision_words import decision_lines
from edge.app.wording import LANGUAGES
from edge.core import codec
from edge.core.decision import decide
from edge.core.heights import GRADES, grade_of, height_failing, metres
from edge.core.question import Question
from edge.core.reasons import Reason
from edge.core.rules import strictest
from edge.core.said import NOTHING_SAID, Said, spoken
from edge.storage.authority_reader import _permit
from sync.formats.permit_facts import HEIGHT_FACTORS

ROWS = PACK.permit_types["24"].heights

BOUNDARIES = {
    199: (None, None),
    200: ("21", "22"),
    500: ("21", "22"),
    501: ("22", "23"),
    1_500: ("22", "23"),
    1_501: ("23", "24"),
    3_000: ("23", "24"),
    3_001: ("24", "24"),
    100_000: ("24", "24"),
}
"""GB 30871-2022 8.1.1 to 8.1.3 as printed: centimetres on either side of 2, 5, 15 and 30 m, class A and class B."""


@pytest.mark.parametrize("height_cm", BOUNDARIES)
@pytest.mark.parametrize("permit_type", GRADES)
def test_a_permit_is_enough_from_the_grade_of_its_height_on(height_cm, permit_type):
    for factors, needed in zip(((), ("cold",)), BOUNDARIES[height_cm], strict=True):
        assert grade_of(ROWS, height_cm, factors) == needed
        found = height_failing(permit_type, ROWS, Said(height_cm, factors), demanded=True)
        enough = needed is None or permit_type >= needed
        assert [reason for reason, _ in found] == ([] if enough else [Reason.GRADE_TOO_LOW])


@pytest.mark.parametrize("factor", HEIGHT_FACTORS)
def test_each_of_the_nine_factors_raises_the_grade_and_several_raise_it_once(factor):
    assert grade_of(ROWS, 200, (factor,)) == grade_of(ROWS, 200, HEIGHT_FACTORS) == "22"
    assert len(HEIGHT_FACTORS) == 9


def test_eighteen_metres_with_one_factor_is_grade_four_for_whoever_asks():
    assert height_failing("23", ROWS, Said(1_800, ("live_parts",)), demanded=False) == (
        (Reason.GRADE_TOO_LOW, "18 m, live_parts: IV (24)"),
    )
    assert height_failing("24", ROWS, Said(1_800, ("live_parts",)), demanded=False) == ()


@pytest.mark.parametrize(
    ("said", "unknown"),
    [
        (NOTHING_SAID, "height_cm"),
        (Said(factors=("cold",)), "height_cm"),
        (Said(height_cm=150), "factors"),
        (Said(height_cm=150, factors=()), None),
    ],
)
def test_what_hq_leaves_out_fails_only_where_it_is_demanded(said, unknown):
    expected = () if unknown is None else ((Reason.HEIGHT_UNKNOWN, unknown),)
    assert height_failing("24", ROWS, said, demanded=True) == expected
    assert height_failing("24", ROWS, said, demanded=False) == ()


def test_a_height_is_judged_as_said_where_the_factors_are_not_said_and_not_demanded():
    assert height_failing("22", ROWS, Said(1_501), demanded=False) == ((Reason.GRADE_TOO_LOW, "15.01 m: III (23)"),)


@pytest.mark.parametrize("permit_type", ["01", "02", "03", "10", "30", "40", "50", "61", "62", "63", "70"])
def test_no_other_work_is_asked_for_its_height(permit_type):
    assert PACK.permit_types[permit_type].heights == ()


def test_of_two_tables_the_higher_grade_counts():
    lax = tuple(replace(each, class_a="21", class_b="21") for each in ROWS)
    both = strictest([replace(PACK.permit_types["23"], heights=lax), PACK.permit_types["23"]])
    assert both is not None
    assert grade_of(both.heights, 3_001, ()) == "24"


@pytest.mark.parametrize(("height_cm", "text"), [(1_800, "18 m"), (5, "0.05 m"), (1_850, "18.5 m"), (0, "0 m")])
def test_a_height_is_shown_exactly(height_cm, text):
    assert metres(height_cm) == text


# ---- at the door


def question_of(made) -> Question:
    (entry,) = [each for each in made.entries if each.kind == "access.decided"]
    return codec.decode(entry.evidence, Question)


def tapped(said, permit_type="23", *, permit_facts=False):
    bench = ready_bench()
    replace_site(bench, policy=replace(POLICY, permit_facts=permit_facts))
    return bench.tap(facts(permits=[permit(permit_type=permit_type, said=said)]))


def test_the_entry_names_height_factors_and_the_grade_that_they_give():
    body = decided(tapped(Said(1_800, ("live_parts", "cold"))))
    assert ["grade_too_low", "P1", "18 m, live_parts, cold: IV (24)"] in body["failing"]
    assert "grade_too_low" not in decided(tapped(Said(1_800, ())))["reasons"]
    assert "height_unknown" not in decided(tapped(NOTHING_SAID))["reasons"]
    assert ["height_unknown", "P1", "height_cm"] in decided(tapped(NOTHING_SAID, permit_facts=True))["failing"]


def test_the_question_holds_the_table_so_that_it_is_decided_again_the_same():
    question = question_of(tapped(Said(1_800, ("cold",))))
    assert question.permits[0].permit_type.heights == ROWS
    assert "grade_too_low" in {each.reason.value for each in decide(question).failing}


def test_a_question_written_before_heights_were_said_is_decided_as_it_was():
    question = question_of(tapped(NOTHING_SAID, permit_facts=True))
    plain = orjson.loads(codec.encode(question))
    for later in ("height_cm", "factors"):
        del plain["permits"][0]["permit"]["said"][later]
    del plain["permits"][0]["permit_type"]["heights"], plain["facts"]["permits"][0]["said"]
    old = codec.decode(orjson.dumps(plain), Question)
    assert old.facts.permits[0].said == NOTHING_SAID
    new = {each.reason for each in decide(question).failing}
    assert {each.reason for each in decide(old).failing} == new - {Reason.HEIGHT_UNKNOWN}


def test_people_read_what_hq_says_of_the_height_in_both_languages():
    question = question_of(tapped(Said(1_800, ("bad_air",))))
    for language, words in zip(LANGUAGES, (("作业高度 18 m", "氧含量低于"), ("height 18 m", "toxic gas")), strict=True):
        text = "\n".join(decision_lines(question, decide(question), language))
        assert all(each in text for each in (*words, "grade_too_low", "bad_air"))


def test_a_record_becomes_what_the_door_judges():
    record = {"short_id": 1, "type": "24", "areas": ["a"], "workers": [], "guardians": [], "start": 0, "end": 0}
    plain = _permit(("P1", orjson.dumps({**record, "status": 1}), 0))
    assert (plain.said, spoken(plain.said)) == (NOTHING_SAID, {})
    said = {"height_cm": 1_800, "factors": []}
    told = _permit(("P1", orjson.dumps({**record, "status": 1, **said}), 0)).said
    assert (told, spoken(told)) == (Said(1_800, ()), said)


def test_the_shipped_table_is_read_from_the_pack_alone():
    assert [(each.from_cm, each.up_to_cm, each.class_a, each.class_b) for each in ROWS] == [
        (200, 500, "21", "22"),
        (501, 1_500, "22", "23"),
        (1_501, 3_000, "23", "24"),
        (3_001, None, "24", "24"),
    ]
    assert all(each.mark == "V" and "8.1" in each.clause for each in ROWS)
