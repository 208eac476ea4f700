"""Briefing, risk analysis, measures (N06): confirmed by HQ or the guardian, for this version of the permit."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import orjson
import pytest
from sites import PACK, POLICY, decided, facts, kinds, permit, ready_bench, replace_site

from edge.app.decision_words import decision_lines
from edge.core import codec
from edge.core.alarms import alarms_of
from edge.core.confirmations import MISSING, Confirmation, Confirmed, confirmed_now, unconfirmed
from edge.core.decision import decide
from edge.core.fold import fold
from edge.core.messages import Answer, OperatorAction
from edge.core.question import Question
from edge.core.rules import strictest
from edge.core.said import Said
from edge.core.state import Durable
from edge.ports.errors import RefusedError
from edge.runtime.request_checks import act_details
from edge.runtime.requests import Requests

ALL = tuple(MISSING)
SUBSETS = [tuple(what for what, held in zip(ALL, chosen, strict=True) if held) for chosen in product((0, 1), repeat=3)]
CODES = {"briefing": "70", "risk_analysis": "80", "measures": "90"}


@pytest.mark.parametrize("by_hq", [None, *SUBSETS], ids=str)
@pytest.mark.parametrize("here", SUBSETS, ids=str)
def test_each_that_is_wanted_is_missing_unless_hq_or_somebody_here_confirmed_it(by_hq, here):
    missing = [what for what in ALL if what not in here and what not in (by_hq or ())]
    for demanded in (False, True):
        found = unconfirmed(ALL, by_hq, here, demanded)
        expected = [] if by_hq is None and not demanded else missing
        assert [each.value for each in found] == [f"{what}_missing" for what in expected]
        assert alarms_of(found) == [CODES[what] for what in expected]


@pytest.mark.parametrize("wanted", SUBSETS, ids=str)
def test_only_what_the_type_wants_is_asked_for(wanted):
    assert len(unconfirmed(wanted, (), (), demanded=True)) == len(wanted)


def test_every_type_of_the_chemical_pack_wants_all_three_and_two_packs_together_what_either_wants():
    assert {each.confirm for each in PACK.permit_types.values()} == {ALL}
    known = PACK.permit_types["02"]
    together = strictest([replace(known, confirm=("measures",)), replace(known, confirm=("briefing", "measures"))])
    assert together is not None
    assert set(together.confirm) == {"briefing", "measures"}


def test_what_was_confirmed_for_another_version_counts_no_more():
    held = {what: Confirmed("g1", 7, version) for what, version in zip(ALL, (2, 3, 1), strict=True)}
    assert [confirmed_now(held, version) for version in (1, 2, 3, 4)] == [
        ("measures",),
        ("briefing",),
        ("risk_analysis",),
        (),
    ]


# ---- on site

APPROVED = permit(approver="a1", approved_in="north")


def demanding():
    """A site that demands what HQ says, and a permit that says nothing."""
    bench = ready_bench()
    replace_site(bench, policy=replace(POLICY, permit_facts=True))
    return bench


def confirm(bench, what, **changes):
    made = bench.act(OperatorAction.CONFIRM, what=Confirmation(what), **changes)
    (answer,) = [each for each in made.commands if isinstance(each, Answer)]
    return made, answer


def missing(bench, known=None):
    told = facts(permits=[permit() if known is None else known], authority_size=bench.state.durable.authority_size)
    return [reason for reason in decided(bench.tap(told))["reasons"] if reason.endswith("_missing")]


def test_the_guardian_confirms_one_after_the_other_and_then_work_begins():
    bench = demanding()
    for place, what in enumerate(ALL):
        assert missing(bench) == [f"{each}_missing" for each in ALL[place:]]
        made, answer = confirm(bench, what)
        assert (kinds(made), answer.ok) == (["permit.confirmed"], True)
        assert made.entries[0].body == {
            "by": "g1",
            "why": "checked at the spot",
            "what": what,
            "permit_version": 1,
            "review": True,
        }
    assert decided(bench.tap(facts(permits=[APPROVED])))["decision"] == "granted"


def test_nobody_else_confirms():
    bench = demanding()
    made, answer = confirm(bench, "briefing", by="w1")
    assert (kinds(made), answer.reasons) == (["operator.refused"], ("not_guardian",))
    assert "briefing_missing" in missing(bench)


def test_confirming_these_confirms_no_harness_and_the_harness_none_of_these():
    bench = demanding()
    confirm(bench, "measures")
    assert "P1" not in bench.state.durable.harness
    confirm(bench, "harness")
    assert "P1" in bench.state.durable.harness
    assert set(bench.state.durable.confirmed["P1"]) == {"measures"}


def test_a_new_version_of_the_permit_voids_what_was_confirmed():
    bench = demanding()
    for what in ALL:
        confirm(bench, what)
    second = permit(version=2)
    bench.authority(second, size=6)
    assert missing(bench, second) == [f"{what}_missing" for what in ALL]
    confirm(bench, "briefing")
    assert missing(bench, second) == ["risk_analysis_missing", "measures_missing"]


def test_it_outlives_a_restart_and_ends_with_the_permit():
    bench = demanding()
    confirm(bench, "briefing")
    durable = Durable()
    for entry in bench.entries:
        durable = fold(durable, entry)
    assert durable == bench.state.durable
    assert codec.decode(codec.encode(durable), Durable) == durable
    assert [each.kind for each in bench.authority(permit(status=3), size=6).entries][-1] == "permit.closed"
    assert bench.state.durable.confirmed == {}


def test_a_permit_of_which_only_a_confirmation_is_kept_is_closed_when_hq_closes_it():
    bench = demanding()
    second = permit("P2")
    bench.authority(permit(), second, size=6)
    confirm(bench, "briefing", name="P2")
    made = bench.authority(permit(), size=7)
    assert [each.permit for each in made.entries if each.kind == "permit.closed"] == ["P2"]


def test_an_entry_of_before_says_the_harness_and_a_saved_state_of_before_holds_no_confirmation():
    bench = demanding()
    made, _ = confirm(bench, "harness")
    entry = replace(made.entries[0], body={"by": "g1", "why": "seen", "condition": "harness", "review": True})
    before = replace(Durable(), next_entry=entry.seq)
    assert fold(before, entry).harness == bench.state.durable.harness
    plain = orjson.loads(codec.encode(before))
    del plain["confirmed"]
    assert codec.decode(orjson.dumps(plain), Durable) == before


# ---- by HQ


@pytest.mark.parametrize("by_hq", SUBSETS, ids=str)
def test_hqs_list_counts_also_where_nobody_demands_one_and_what_it_lacks_is_named(by_hq):
    bench = ready_bench()
    lacking = [what for what in ALL if what not in by_hq]
    body = decided(bench.tap(facts(permits=[permit(said=Said(confirmed=by_hq))])))
    assert body["reasons"] == [f"{what}_missing" for what in lacking]
    assert body["alarms"] == [CODES[what] for what in lacking]
    for what in lacking:
        confirm(bench, what)
    assert missing(bench, permit(said=Said(confirmed=by_hq))) == []


# ---- evidence, requests, words


def question_of(made) -> Question:
    (entry,) = [each for each in made.entries if each.kind == "access.decided"]
    return codec.decode(entry.evidence, Question)


def test_a_question_written_before_anything_was_confirmed_is_decided_as_it_was():
    question = question_of(demanding().tap(facts(permits=[APPROVED])))
    plain = orjson.loads(codec.encode(question))
    del plain["permits"][0]["confirmed"], plain["permits"][0]["permit_type"]["confirm"]
    del plain["permits"][0]["permit"]["said"]["confirmed"]
    assert len(decide(question).failing) == 3
    assert decide(codec.decode(orjson.dumps(plain), Question)).failing == ()


def test_what_was_confirmed_here_is_in_the_question_and_in_the_words():
    bench = demanding()
    confirm(bench, "briefing")
    question = question_of(bench.tap(facts(permits=[permit(said=Said(confirmed=("measures",)))])))
    assert question.permits[0].confirmed == ("briefing",)
    for language, words in (
        ("zh", ("总部已确认：measures", "现场已确认：briefing")),
        ("en", ("by HQ: measures", "on site: briefing")),
    ):
        text = "\n".join(decision_lines(question, decide(question), language))
        assert all(each in text for each in (*words, "risk_analysis_missing"))


def test_the_daemon_tells_what_was_confirmed_for_this_version():
    bench = demanding()
    confirm(bench, "briefing")
    asked = Requests(lambda: bench.state, lambda _: bench.now(), lambda _: True, Path(), lambda *_: None)
    (status,) = asked.handle({"do": "status"})["permits"]
    assert (status["confirmed"], asked.handle({"do": "explain", "permit": "P1"})["confirmed"]) == (["briefing"],) * 2
    assert asked.handle({"do": "explain", "permit": "P9"})["confirmed"] == []
    bench.authority(permit(version=2), size=6)
    (status,) = asked.handle({"do": "status"})["permits"]
    assert status["confirmed"] == []


@pytest.mark.parametrize("what", ["coffee", "", 7, ["briefing"]])
def test_a_word_that_names_nothing_to_confirm_is_refused(what):
    with pytest.raises(RefusedError, match="unknown confirmation"):
        act_details({"what": what})
    assert act_details({})["what"] is Confirmation.HARNESS
