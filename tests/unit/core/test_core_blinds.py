"""Blinding (N05): one permit is one blind and one operation, and never two such permits are on one pipe at once."""

from dataclasses import replace

import orjson
import pytest
from sites import FROM_MS, PACK, POLICY, UNTIL_MS, Bench, decided, facts, permit, ready_bench, replace_site

from edge.app.decision_words import decision_lines
from edge.core import codec
from edge.core.alarms import alarms_of
from edge.core.blinds import blind_failing
from edge.core.clock import ClockInterval, ClockSource
from edge.core.decision import decide
from edge.core.question import Question
from edge.core.readings import UtcMs
from edge.core.reasons import Reason
from edge.core.said import NOTHING_SAID, Said

ONE = Said(blinds=("B1",), operations=("insert",), pipe="L1")
P1 = permit(permit_type="50", said=ONE, status=1)


def other(**changes):
    """Another blinding permit on the same pipe, issued, in its window, of another gateway's area."""
    plain = permit("P2", permit_type="50", said=ONE, status=1, areas=("yard",), workers=("w2",))
    return replace(plain, **changes)


# ---- one blind, one operation


@pytest.mark.parametrize(
    ("changes", "details"),
    [
        ({}, []),
        ({"blinds": ("B1", "B2")}, ["blinds: 2"]),
        ({"blinds": ()}, ["blinds: 0"]),
        ({"operations": ("insert", "remove")}, ["operations: 2"]),
        ({"operations": ()}, ["operations: 0"]),
        ({"blinds": ("B1", "B2"), "operations": ()}, ["blinds: 2", "operations: 0"]),
    ],
)
def test_a_permit_is_for_exactly_one_blind_and_one_operation_with_alarm_20(changes, details):
    for demanded in (False, True):
        found = blind_failing(replace(ONE, **changes), demanded)
        assert found == tuple((Reason.BLIND_NOT_ONE, each) for each in details)
    assert alarms_of([Reason.BLIND_NOT_ONE]) == ["20"]


@pytest.mark.parametrize("unsaid", ["blinds", "operations", "pipe"])
def test_what_hq_leaves_out_fails_only_where_it_is_demanded(unsaid):
    said = replace(ONE, **{unsaid: None})
    assert blind_failing(said, demanded=True) == ((Reason.BLIND_UNKNOWN, unsaid),)
    assert blind_failing(said, demanded=False) == blind_failing(NOTHING_SAID, demanded=False) == ()


def test_only_blinding_permits_are_asked_for_a_blind():
    assert [code for code, each in PACK.permit_types.items() if each.one_blind] == ["50"]


# ---- one pipe


def site(*others, mine=P1, **policy) -> Bench:
    """A bench whose HQ says P1 and the others."""
    bench = ready_bench()
    replace_site(bench, policy=replace(POLICY, **policy))
    bench.authority(mine, *others, size=6)
    return bench


def asked(bench, mine=P1):
    return bench.tap(facts(permits=[mine], authority_size=bench.state.durable.authority_size))


def refused(bench, mine=P1):
    """The other permits that a tap for mine is told of."""
    return [detail for reason, _, detail in decided(asked(bench, mine))["failing"] if reason == "blind_same_pipe"]


@pytest.mark.parametrize(
    ("changes", "stands"),
    [
        ({}, True),
        ({"status": 2}, True),
        ({"status": 6}, True),
        ({"status": 0}, False),
        ({"status": 3}, False),
        ({"status": 4}, False),
        ({"status": 5}, False),
        ({"revoked": True}, False),
        ({"permit_type": "02"}, False),
        ({"said": replace(ONE, pipe="L2")}, False),
        ({"said": NOTHING_SAID}, False),
        ({"said": replace(ONE, blinds=("B9",))}, True),
        ({"areas": ("north",)}, True),
    ],
)
def test_an_open_permit_on_the_same_pipe_stands_in_the_way_whichever_gateway_it_is_of(changes, stands):
    assert refused(site(other(**changes))) == (["P2"] if stands else [])


def now_is(bench, lo_ms, hi_ms):
    bench.clock = ClockInterval(UtcMs(lo_ms), None if hi_ms is None else UtcMs(hi_ms), ClockSource.HQ)


EDGE_MS = FROM_MS + 2_000_000


@pytest.mark.parametrize(
    ("window", "now_ms", "stands"),
    [
        ((EDGE_MS, UNTIL_MS), (EDGE_MS - 1, EDGE_MS - 1), False),
        ((EDGE_MS, UNTIL_MS), (EDGE_MS, EDGE_MS), True),
        ((EDGE_MS, UNTIL_MS), (EDGE_MS - 500, EDGE_MS), True),
        ((FROM_MS, EDGE_MS), (EDGE_MS - 1, EDGE_MS - 1), True),
        ((FROM_MS, EDGE_MS), (EDGE_MS, EDGE_MS), False),
        ((FROM_MS, EDGE_MS), (EDGE_MS - 1, EDGE_MS + 500), True),
    ],
)
def test_an_issued_permit_stands_in_the_way_from_its_first_to_its_last_millisecond_and_in_doubt(window, now_ms, stands):
    bench = site(other(not_before_ms=window[0], not_after_ms=window[1]))
    now_is(bench, *now_ms)
    assert refused(bench) == (["P2"] if stands else [])


def test_work_that_hq_says_goes_on_stands_in_the_way_after_its_window_too():
    bench = site(other(status=2, not_after_ms=EDGE_MS))
    now_is(bench, EDGE_MS, EDGE_MS)
    assert refused(bench) == ["P2"]


def test_neither_of_two_that_have_not_begun_opens_until_hq_moves_one():
    mine, second = P1, other(areas=("north",))
    bench = site(second)
    assert (refused(bench), refused(bench, second)) == (["P2"], ["P1"])
    bench.authority(replace(second, status=5), size=7, complete=False)
    assert decided(asked(bench, mine))["decision"] == "granted"


def test_what_has_begun_goes_on_and_whoever_comes_second_is_refused():
    bench = site()
    assert decided(asked(bench))["decision"] == "granted"
    bench.record()
    assert "P1" in bench.state.durable.running
    second = other(areas=("north",))
    bench.authority(second, size=7, complete=False)
    assert refused(bench) == []
    assert refused(bench, second) == ["P1"]
    bench.authority(replace(second, status=2), size=8, complete=False)
    assert refused(bench) == ["P2"], "HQ says that both are worked"


def test_of_two_taps_whose_entries_are_written_at_once_only_one_opens():
    bench = site()
    second = other(areas=("north",), status=0)
    bench.authority(second, size=7, complete=False)
    asked(bench)
    bench.authority(replace(second, status=1), size=7, complete=False)
    made = bench.record()
    assert [each.body["reason"] for each in made.entries if each.kind == "access.withdrawn"] == ["blind_same_pipe"]


def test_a_word_of_hq_changes_only_what_it_speaks_of():
    bench = site(other())
    bench.authority(permit("P3", status=2), size=7, complete=False)
    assert set(bench.state.beside) == {"P1", "P2", "P3"}
    bench.authority(P1, size=8)
    assert set(bench.state.beside) == {"P1"}


# ---- evidence, words


def question_of(made) -> Question:
    (entry,) = [each for each in made.entries if each.kind == "access.decided"]
    return codec.decode(entry.evidence, Question)


def test_the_question_names_the_other_permit_so_that_it_is_decided_again_the_same():
    question = question_of(asked(site(other())))
    assert question.permits[0].same_pipe == ("P2",)
    assert Reason.BLIND_SAME_PIPE in {each.reason for each in decide(question).failing}


def test_a_question_written_before_blinds_were_said_is_decided_as_it_was():
    said = Said(confirmed=("briefing", "risk_analysis", "measures"))
    mine = permit(permit_type="50", status=1, approver="a1", approved_in="north", said=said)
    question = question_of(asked(site(mine=mine, permit_facts=True), mine))
    plain = orjson.loads(codec.encode(question))
    del plain["permits"][0]["same_pipe"], plain["permits"][0]["permit_type"]["one_blind"]
    for name in ("blinds", "operations", "pipe"):
        del plain["permits"][0]["permit"]["said"][name]
    old = codec.decode(orjson.dumps(plain), Question)
    assert {each.reason for each in decide(question).failing} == {Reason.BLIND_UNKNOWN}
    assert decide(old).failing == ()


def test_people_read_the_blind_and_the_other_permit_in_both_languages():
    mine = replace(P1, said=replace(ONE, operations=("insert", "remove")))
    question = question_of(asked(site(other(), mine=mine), mine))
    for language, words in (
        ("zh", ("盲板：B1", "管道 L1", "装（堵）盲板")),
        ("en", ("blinds: B1", "a blind comes out")),
    ):
        text = "\n".join(decision_lines(question, decide(question), language))
        assert all(each in text for each in (*words, "blind_same_pipe [P1, P2]", "blind_not_one"))
