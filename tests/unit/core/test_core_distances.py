"""Distances between works (N10): every rule at its limit, from both sides, in any direction, and in doubt."""

from dataclasses import replace
from itertools import product

import orjson
import pytest
from sites import PACK, POLICY, Bench, begun_bench, build_site, commands, decided, facts, kinds, permit, replace_site

from edge import rules
from edge.app.decision_words import decision_lines
from edge.app.entry_words import body_lines
from edge.core import codec
from edge.core.decision import decide
from edge.core.distances import Neighbour, distance_text, near_failing, too_near
from edge.core.fold import fold
from edge.core.messages import Sound
from edge.core.nearby import NEIGHBOURS_MAX, neighbours_of
from edge.core.question import Question
from edge.core.reasons import Reason
from edge.core.said import NOTHING_SAID, Said
from edge.core.state import Durable

SITE = build_site({"north": (), "south": (), "tank": ()}, {"d1": "north", "d3": "south", "d4": "tank"}, ex=True)
LIMITED = [each for each in PACK.distances if each.limit_cm is not None]
HOT = ("01", "02", "03")


def at(east_cm, north_cm, *activities):
    return Said(east_cm=east_cm, north_cm=north_cm, activities=activities or None)


def bench_of(*permits, site=SITE, **policy) -> Bench:
    """A site whose HQ says these permits; no readings are needed for what is asked here."""
    bench = Bench(site).start()
    replace_site(bench, policy=replace(POLICY, **policy))
    bench.authority(*permits)
    bench.record()
    return bench


def refused(bench, mine, door="d1"):
    """Of the reasons for a tap: what it is too near to."""
    told = facts(permits=[mine], authority_size=bench.state.durable.authority_size)
    body = decided(bench.tap(told, door))
    return [detail for reason, _, detail in body["failing"] if reason == "too_near"]


def sides(rule, first_said, second_said):
    """A permit on either side of a rule, the second at work by HQ's word."""
    first = permit("P1", permit_type=min(rule.permit_types), said=first_said, status=1)
    types = {"permit_type": min(rule.other_types)} if rule.other_types else {"permit_type": "40"}
    activities = tuple(sorted(rule.activities)) or None
    return first, permit("P2", said=replace(second_said, activities=activities), status=1, **types)


# ---- each rule


def test_the_distances_are_those_of_the_standard():
    assert {each.rule: each.limit_cm for each in PACK.distances} == {
        "venting-30": 3_000,
        "draining-15": 1_500,
        "painting-10": 1_000,
        "dust-10": 1_000,
        "painting-same-space": None,
        "blinding-30": 3_000,
    }
    assert all(each.mark == "V" for each in PACK.distances)


DIRECTIONS = {"east": (5, 0), "west": (-5, 0), "north": (0, 5), "aslant": (3, 4), "back": (-4, -3)}
"""Five long each, so that a whole multiple lies at the limit exactly."""


@pytest.mark.parametrize("rule", LIMITED, ids=lambda each: each.rule)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("mine_is_first", [True, False])
def test_at_the_limit_it_is_too_near_and_a_centimetre_further_it_is_not(rule, direction, mine_is_first):
    east, north = (part * rule.limit_cm // 5 for part in DIRECTIONS[direction])
    for further, near in ((-1, True), (0, True), (1, False)):
        away = (east + further * (east > 0) - further * (east < 0), north if east else north + further)
        first, second = sides(rule, at(-700, 300), at(away[0] - 700, away[1] + 300))
        mine, other = (first, second) if mine_is_first else (second, first)
        bench = bench_of(mine, replace(other, status=2))
        expected = [f"{other.permit}, "] if near else []
        assert [each[:4] for each in refused(bench, mine)] == expected, away


@pytest.mark.parametrize(("types", "other"), list(product(HOT, PACK.permit_types)))
def test_hot_work_of_each_grade_keeps_away_from_an_activity_of_any_type_of_permit(types, other):
    mine = permit(permit_type=types, said=at(0, 0))
    second = permit("P2", permit_type=other, said=at(0, 500, "venting"), status=2)
    found = [each for each in refused(bench_of(mine, second), mine) if "venting" in each]
    assert found == ["P2, 5 m <= 30 m, gb30871/2/venting-30"]


def test_work_without_heat_keeps_away_from_nothing_but_hot_work():
    mine = permit(permit_type="30", said=at(0, 0))
    assert refused(bench_of(mine, permit("P2", permit_type="40", said=at(0, 1, "venting", "painting"))), mine) == []


def test_blinding_and_hot_work_keep_apart_in_an_explosive_area_alone():
    mine, other = permit(said=at(0, 0)), permit("P2", permit_type="50", said=at(0, 3_000), status=2)
    assert refused(bench_of(mine, other), mine) == ["P2, 30 m <= 30 m, gb30871/2/blinding-30"]
    plain = build_site({"north": ()}, {"d1": "north"}, ex=False)
    assert refused(bench_of(mine, other, site=plain), mine) == []
    elsewhere = replace(other, areas=("yard",))
    assert len(refused(bench_of(mine, elsewhere, site=plain), mine)) == 1, "an area of another gateway may be explosive"


@pytest.mark.parametrize(
    ("changes", "inside"),
    [
        ({}, False),
        ({"permit_type": "70"}, True),
        ({"links": ("P7",)}, True),
        ({"links": ("P8",)}, False),
        ({"permit_type": "70", "areas": ("south",)}, False),
    ],
)
def test_painting_and_hot_work_are_never_in_one_confined_space_however_large(changes, inside):
    mine = permit(said=at(0, 0))
    other = permit("P2", **{"permit_type": "40", "said": at(0, 100_000, "painting"), **changes})
    linked = permit("P7", permit_type="70", status=1), permit("P8", permit_type="10", status=1)
    found = refused(bench_of(mine, other, *linked), mine)
    assert found == (["P2, 0 m, gb30871/2/painting-same-space"] if inside else [])


def test_a_rule_of_either_area_counts_so_that_both_sides_are_told_the_same():
    general = build_site({"yard": ()}, {"d9": "yard"}, packs=(rules.load("construction"),))
    both = replace(SITE, areas={**SITE.areas, **general.areas}, doors={**SITE.doors, **general.doors})
    hot = permit(said=at(0, 0), status=2)
    venting = permit("P2", permit_type="21", areas=("yard",), said=at(0, 500, "venting"), status=2)
    bench = bench_of(hot, venting, site=both)
    assert refused(bench, hot) == ["P2, 5 m <= 30 m, gb30871/2/venting-30"]
    assert refused(bench, venting, "d9") == ["P1, 5 m <= 30 m, gb30871/2/venting-30"]


# ---- who is second


@pytest.mark.parametrize(
    ("changes", "stands"),
    [
        ({"status": 1}, False),
        ({"status": 0}, False),
        ({"status": 2}, True),
        ({"status": 2, "areas": ("yard",)}, True),
        ({"status": 3}, False),
        ({"status": 5}, False),
        ({"status": 6}, False),
        ({"status": 2, "revoked": True}, False),
    ],
)
def test_only_work_that_is_going_on_stands_in_the_way_here_or_at_another_gateway(changes, stands):
    mine = permit(said=at(0, 0))
    other = permit("P2", **{"permit_type": "40", "said": at(0, 0, "venting"), **changes})
    assert bool(refused(bench_of(mine, other), mine)) is stands


def running_with(other, mine=None) -> Bench:
    """P1 runs here; then HQ says the other permit."""
    bench = begun_bench()
    bench.authority(permit(said=at(0, 0)) if mine is None else mine, other, size=6)
    return bench


VENTING = permit("P2", said=at(0, 500, "venting"), permit_type="40", status=1)


def test_whoever_comes_second_is_refused_and_whoever_was_first_goes_on():
    bench = running_with(VENTING)
    assert refused(bench, VENTING) == ["P1, 5 m <= 30 m, gb30871/2/venting-30"]
    assert refused(bench, permit(said=at(0, 0))) == []
    assert "P1" in bench.state.durable.running
    assert not bench.state.durable.trips


def test_of_two_taps_whose_entries_are_written_at_once_only_one_opens():
    mine, second = permit(said=at(0, 0), status=1), replace(VENTING, permit_type="02")
    bench = running_with(replace(second, status=0), mine)
    bench.authority(replace(mine, status=3), replace(second, status=0), size=7)
    fresh = permit("P3", said=at(0, 0), status=1)
    bench.authority(fresh, second, size=8)
    bench.tap(facts("g1", [fresh], authority_size=8))
    bench.tap(facts("g1", [second], authority_size=8))
    bench.record()
    for each in (fresh, second):
        assert decided(bench.tap(facts(permits=[each], authority_size=8)))["decision"] == "granted"
    made = bench.record()
    assert [each.body["reason"] for each in made.entries if each.kind == "access.withdrawn"] == ["too_near"]
    assert set(bench.state.durable.running) == {"P3"}


# ---- both run by HQ's word


def test_two_that_run_by_hqs_word_are_told_once_with_a_siren_and_nothing_trips():
    bench = begun_bench()
    told = bench.authority(permit(said=at(0, 0)), replace(VENTING, status=2), size=6)
    (entry,) = [each for each in told.entries if each.kind == "permit.too_near"]
    assert (entry.permit, entry.body) == (
        "P1",
        {"other": "P2", "rule": "gb30871/2/venting-30", "distance_cm": 500, "limit_cm": 3_000},
    )
    assert Sound("north", True) in commands(told, Sound)
    assert not bench.state.durable.trips
    assert refused(bench, permit(said=at(0, 0))) == ["P2, 5 m <= 30 m, gb30871/2/venting-30"]
    again = bench.authority(permit(said=at(0, 0)), replace(VENTING, status=2), size=7)
    assert "permit.too_near" not in kinds(again)
    third = bench.authority(replace(VENTING, permit="P3", status=2), size=8, complete=False)
    assert [each.body["other"] for each in third.entries if each.kind == "permit.too_near"] == ["P3"]


def test_that_it_was_told_outlives_a_restart_and_ends_with_the_work():
    bench = running_with(replace(VENTING, status=2))
    durable = Durable()
    for entry in bench.entries:
        durable = fold(durable, entry)
    assert durable == bench.state.durable
    assert durable.running["P1"].too_near == ("P2",)
    plain = orjson.loads(codec.encode(durable))
    del plain["running"]["P1"]["too_near"]
    assert codec.decode(orjson.dumps(plain), Durable).running["P1"].too_near == ()
    bench.authority(permit(status=3), size=7)
    assert bench.state.durable.running == {}


def test_people_read_what_was_told():
    bench = running_with(replace(VENTING, status=2))
    (entry,) = [each for each in bench.entries if each.kind == "permit.too_near"]
    for language, words in (("zh", "另一作业票: P2"), ("en", "other permit: P2")):
        assert any(words in line for line in body_lines({"body": entry.body}, language))


# ---- what is not said

NOWHERE = Said(activities=("venting",))


@pytest.mark.parametrize(
    ("mine_said", "other", "demanded", "near"),
    [
        (NOTHING_SAID, {"said": NOWHERE}, False, True),
        (NOTHING_SAID, {"said": at(0, 0, "venting")}, False, True),
        (at(0, 0), {"said": NOWHERE}, False, True),
        (at(0, 0), {"said": NOWHERE, "areas": ("south",)}, False, False),
        (at(0, 0), {"said": NOWHERE, "areas": ("south",)}, True, True),
        (NOTHING_SAID, {"said": at(0, 0, "venting"), "areas": ("yard",)}, True, True),
        (at(0, 0), {"said": at(0, 100_000, "venting")}, True, False),
        (NOTHING_SAID, {"permit_type": "50", "said": NOTHING_SAID}, False, False),
        (NOTHING_SAID, {"permit_type": "50", "said": NOTHING_SAID}, True, True),
        (NOTHING_SAID, {"permit_type": "40", "said": NOTHING_SAID}, True, False),
    ],
)
def test_without_a_position_an_activity_in_the_same_area_is_too_near_and_where_it_is_demanded_anything_anywhere(
    mine_said, other, demanded, near
):
    mine = permit(said=replace(mine_said, confirmed=()))
    second = permit("P2", **{"permit_type": "40", "status": 2, **other})
    found = refused(bench_of(mine, second, permit_facts=demanded), mine)
    assert bool(found) is near
    assert all("? m <= 30 m" in each for each in found)


# ---- exactness, bounds, evidence


@pytest.mark.parametrize(("north_cm", "text"), [(3_000, "30 m <= 30 m"), (3_001, "30.01 m > 30 m")])
def test_a_distance_is_judged_by_whole_squares_and_shown_cut_off(north_cm, text):
    neighbour = Neighbour("P2", "r", 3_000, 0, north_cm)
    assert distance_text(at(0, 0), neighbour) == text
    assert bool(too_near(at(0, 0), [neighbour])) is ("<=" in text)
    slant = Neighbour("P2", "r", 3_000, 2_122, 2_121)
    assert 2_122**2 + 2_121**2 > 3_000**2
    assert too_near(at(0, 0), [slant]) == ()
    assert distance_text(at(0, 0), slant) == "30 m > 30 m"


def test_a_question_holds_at_most_so_many_neighbours_and_those_that_are_too_near_first():
    mine = permit(said=at(0, 0))
    far = [permit(f"P{number}", said=at(0, 1_100 + number, "painting")) for number in range(100, 200)]
    near = permit("P2", said=at(0, 2_900, "venting"))
    bench = bench_of(mine, *far, near)
    found = neighbours_of(bench.state, mine, bench.now().clock)
    assert len(found) == NEIGHBOURS_MAX
    assert [each.permit for each in found[:2]] == ["P2", "P100"]


def question_of(bench, mine) -> Question:
    made = bench.tap(facts(permits=[mine], authority_size=bench.state.durable.authority_size))
    (entry,) = [each for each in made.entries if each.kind == "access.decided"]
    return codec.decode(entry.evidence, Question)


def test_the_question_holds_its_neighbours_so_that_it_is_decided_again_the_same_and_read():
    mine, other = permit(said=at(0, 0)), permit("P2", permit_type="40", said=at(300, 400, "dust_sweeping"))
    question = question_of(bench_of(mine, other), mine)
    assert question.permits[0].near == (Neighbour("P2", "gb30871/2/dust-10", 1_000, 300, 400),)
    assert near_failing(mine.said, question.permits[0].near)[0][0] is Reason.TOO_NEAR
    assert Reason.TOO_NEAR in {each.reason for each in decide(question).failing}
    for language, words in (("zh", "须保持距离：P2，5 m <= 10 m"), ("en", "must keep away: P2, 5 m <= 10 m")):
        assert words in "\n".join(decision_lines(question, decide(question), language))


def test_a_question_written_before_distances_were_judged_is_decided_as_it_was():
    mine, other = permit(said=at(0, 0)), permit("P2", permit_type="40", said=at(0, 0, "venting"))
    question = question_of(bench_of(mine, other), mine)
    plain = orjson.loads(codec.encode(question))
    del plain["permits"][0]["near"]
    for name in ("east_cm", "north_cm", "activities"):
        del plain["permits"][0]["permit"]["said"][name]
    old = {each.reason for each in decide(codec.decode(orjson.dumps(plain), Question)).failing}
    assert old == {each.reason for each in decide(question).failing} - {Reason.TOO_NEAR}
