"""A permit holds no longer than its type allows: to the second, for every type of every pack, and in doubt not."""

from pathlib import Path

import orjson
import pytest
from sites import EPOCH_MS, GAS, HOUR_MS, TIMING, Bench, build_site, decided, facts, permit, ready_bench, token

from edge import rules
from edge.app.decision_words import decision_lines
from edge.app.wording import LANGUAGES
from edge.core import codec
from edge.core.asking import ask
from edge.core.clock import ClockInterval, ClockSource
from edge.core.decision import decide
from edge.core.facts import Permit, Side, Tap, TokenVerdict
from edge.core.question import Question
from edge.core.readings import MonotonicMs
from edge.core.reasons import Reason
from edge.core.rules import PermitType, RulePack
from edge.core.site import permit_type_of, plan_area
from edge.core.turn import Turn
from edge.runtime.requests import Requests

VERSIONS = rules.at_hand(rules.names())
LIMITED = [(pack, each) for pack in VERSIONS for each in pack.permit_types.values() if each.validity_ms is not None]
OPEN = [(pack, each) for pack in VERSIONS for each in pack.permit_types.values() if each.validity_ms is None]
YEARS_MS = 5 * 365 * 24 * HOUR_MS
NAMES = {"ids": lambda each: getattr(each, "code", getattr(each, "name", ""))}


def tap_at(pack: RulePack, work: PermitType, age_ms: int, length_ms: int) -> tuple[list[str], list[dict[str, object]]]:
    """The reasons that a worker gets whose permit began so long ago and was to run so long; and the freezes made."""
    bench = Bench(build_site({"north": ()}, {"d1": "north"}, packs=(pack,))).start()
    begun_ms = EPOCH_MS + bench.now_ms - age_ms
    p1 = permit(permit_type=work.code, not_before_ms=begun_ms, not_after_ms=begun_ms + length_ms)
    bench.authority(p1)
    badge = token("w1", [p1], not_before_ms=begun_ms, not_after_ms=EPOCH_MS + YEARS_MS)
    made = bench.tap(facts(permits=[p1], token=TokenVerdict(badge, None)))
    frozen = [dict(each.body) for each in made.entries if each.kind == "hold.frozen"]
    return list(decided(made)["reasons"]), frozen


@pytest.mark.parametrize(("pack", "work"), LIMITED, **NAMES)
def test_a_permit_that_HQ_made_too_long_ends_when_its_type_says(pack: RulePack, work: PermitType) -> None:
    assert work.validity_ms is not None
    over = Reason.PERMIT_LONGEST_OVER.value
    for age_ms, ended in ((0, False), (0 - 1_000, False), (1_000, True)):
        reasons, frozen = tap_at(pack, work, work.validity_ms + age_ms, YEARS_MS)
        assert (over in reasons) is ended, age_ms
        assert [each["why"] for each in frozen] == ([over] if ended else [])
        assert all(each["alarm"] == "10" for each in frozen)
        assert Reason.PERMIT_EXPIRED.value not in reasons


@pytest.mark.parametrize(("pack", "work"), LIMITED, **NAMES)
def test_a_permit_of_just_the_longest_time_ends_at_its_own_end(pack: RulePack, work: PermitType) -> None:
    """HQ writes 08:00:00 to 16:00:00, and 16:00:00 is the last second: ``not_after_ms`` is the one after it."""
    assert work.validity_ms is not None
    length_ms = work.validity_ms + 1_000
    for age_ms, expected in ((work.validity_ms + 999, False), (length_ms, True)):
        reasons, _ = tap_at(pack, work, age_ms, length_ms)
        assert (Reason.PERMIT_EXPIRED.value in reasons) is expected
        assert Reason.PERMIT_LONGEST_OVER.value not in reasons


@pytest.mark.parametrize(("pack", "work"), OPEN, **NAMES)
def test_where_the_standard_sets_no_time_HQs_end_counts(pack: RulePack, work: PermitType) -> None:
    reasons, frozen = tap_at(pack, work, YEARS_MS - 1, YEARS_MS)
    assert not {Reason.PERMIT_LONGEST_OVER.value, Reason.PERMIT_EXPIRED.value} & set(reasons)
    assert frozen == []


def test_the_times_are_those_of_the_standard() -> None:
    (chemical,) = rules.versions("gb30871")
    hours = {code: each.validity_ms and each.validity_ms // HOUR_MS for code, each in chemical.permit_types.items()}
    assert hours == {
        "01": 8,
        "02": 8,
        "03": 72,
        "10": 15 * 24,
        "21": 168,
        "22": 168,
        "23": 168,
        "24": 168,
        "70": 24,
        **dict.fromkeys(("30", "40", "50", "61", "62", "63")),
    }


@pytest.mark.parametrize(("lo_ms", "hi_ms", "ended"), [(-5, -1, False), (-1, 0, True), (-3_600_000, 0, True)])
def test_while_the_time_may_be_over_it_is_over_but_nothing_is_frozen_in_doubt(
    lo_ms: int, hi_ms: int, ended: bool
) -> None:
    bench = ready_bench()
    end_ms = EPOCH_MS + 8 * HOUR_MS + 1_000
    p1 = permit(not_after_ms=EPOCH_MS + YEARS_MS)
    bench.authority(p1, size=6)
    bench.clock = ClockInterval(end_ms + lo_ms, end_ms + hi_ms, ClockSource.NTP)  # type: ignore[arg-type]
    badge = token("w1", [p1], not_after_ms=EPOCH_MS + YEARS_MS)
    made = bench.tap(facts(permits=[p1], token=TokenVerdict(badge, None), authority_size=6))
    assert (Reason.PERMIT_LONGEST_OVER.value in decided(made)["reasons"]) is ended
    assert not [each for each in made.entries if each.kind == "hold.frozen"]


def test_of_two_packs_that_know_a_type_the_shorter_time_counts() -> None:
    packs = rules.versions("gb30871") + rules.versions("gb46768")
    for order in (packs, packs[::-1]):
        found = permit_type_of("70", plan_area("a", True, order, (GAS,), TIMING).editions)
        assert found is not None
        assert found.validity_ms == 24 * HOUR_MS


def _question() -> Question:
    bench = ready_bench()
    made = bench.tap(facts())
    (entry,) = [each for each in made.entries if each.kind == "access.decided"]
    assert entry.evidence is not None
    return codec.decode(entry.evidence, Question)


def test_a_question_written_before_types_had_a_time_is_decided_as_it_was() -> None:
    question = _question()
    plain = orjson.loads(codec.encode(question))
    for each in plain["permits"]:
        for later in ("validity_ms", "approver_zh", "approver_en"):
            del each["permit_type"][later]
        each["permit"]["not_after_ms"] = EPOCH_MS + YEARS_MS
    old = codec.decode(orjson.dumps(plain), Question)
    assert old.permits[0].ends_ms == EPOCH_MS + YEARS_MS
    assert decide(old).outcome is decide(question).outcome
    assert decide(old).failing == ()


def test_people_are_told_when_the_type_ends_a_permit_and_not_when_its_own_end_does() -> None:
    long, own = permit(not_after_ms=EPOCH_MS + YEARS_MS), permit()
    bench = ready_bench()
    said = {}
    for each in (long, own):
        bench.authority(each, size=6)
        question = ask_of(bench, each)
        said[each.not_after_ms] = ["\n".join(decision_lines(question, decide(question), word)) for word in LANGUAGES]
        shown = Requests(lambda: bench.state, lambda _: bench.now(), lambda _: True, Path(), lambda *_: None)  # type: ignore[arg-type,return-value]
        (status,) = shown.handle({"do": "status"})["permits"]
        assert status["ends_ms"] == min(each.not_after_ms, EPOCH_MS + 8 * HOUR_MS + 1_000)
    end = "2026-05-29 04:26:41.000Z"
    assert f"按其类型至 {end} 止" in said[long.not_after_ms][0]
    assert f"its type ends it at {end}" in said[long.not_after_ms][1]
    assert not any("类型至" in text or "its type ends" in text for text in said[own.not_after_ms])


def ask_of(bench: Bench, known: Permit) -> Question:
    """What a tap of w1 for that permit would ask now."""
    tap = Tap("t", "r", "d1", Side.ENTRY, "04", MonotonicMs(bench.now_ms))
    return ask(bench.state, tap, facts(permits=[known]), Turn(bench.state, bench.now()))
