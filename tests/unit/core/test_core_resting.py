"""A reader that is attacked rests: what counts, from when to when, what is recorded, and that nobody is kept inside."""

from dataclasses import replace

import pytest
from sites import Bench, commands, decided, facts, kinds, ready_bench, refused_facts, replace_site

from edge.core.bad_badges import BAD_MOST, BAD_WITHIN_MS
from edge.core.facts import Facts, Side, Tap, TokenRefusal
from edge.core.messages import (
    DoorInput,
    DoorMoved,
    Gather,
    Indicate,
    Light,
    ReleaseExit,
    SetTimer,
    Tapped,
    Timer,
    TimerDue,
    Unlock,
)
from edge.core.readings import MonotonicMs
from edge.core.reasons import Reason
from edge.core.turn import Step

COPIED = refused_facts(TokenRefusal.UID_MISMATCH)
REST_MS = 60_000
READER = "d1-reader"


def attacked(told: Facts = COPIED, times: int = BAD_MOST, bench: Bench | None = None) -> tuple[Bench, Step]:
    """A ready site where so many bad badges came to d1, all at once; and the last step."""
    bench = ready_bench() if bench is None else bench
    made = [bench.tap(told) for _ in range(times)]
    return bench, made[-1]


def rests(bench: Bench) -> bool:
    """Whether the good badge of w1 at d1 is refused unseen."""
    made = bench.copy().tap(facts())
    (shown,) = commands(made, Indicate)
    return shown.reason is Reason.READER_RESTING


def over(bench: Bench, after_ms: int) -> Step:
    return bench.wait(after_ms).go(TimerDue(Timer.REST, READER))


# ---- what counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", [each for each in TokenRefusal if each is not TokenRefusal.UNREADABLE])
def test_the_fifth_badge_that_is_not_believed_brings_the_reader_to_rest_and_the_fourth_does_not(refusal):
    bench, fourth = attacked(refused_facts(refusal), 4)
    assert (kinds(fourth), rests(bench)) == (["access.decided"], False)
    fifth = bench.tap(refused_facts(refusal))
    assert decided(fifth)["reason"] == refusal.value, "the fifth is still answered by what it is"
    assert (kinds(fifth), rests(bench)) == (["access.decided", "reader.resting"], True)


def test_revoked_badges_count():
    assert rests(attacked(facts(token_revoked=True))[0])


@pytest.mark.parametrize(
    "told",
    [
        refused_facts(TokenRefusal.UNREADABLE),
        facts(),
        facts("w9"),
        facts(permits=()),
        replace(facts(), worker=None),
        facts(certificates=()),
    ],
    ids=["held badly", "good", "not on the permit", "no permit", "not on the roster", "no certificate"],
)
def test_a_badge_held_badly_or_refused_for_what_its_bearer_lacks_is_no_attack(told):
    assert not rests(attacked(told, 3 * BAD_MOST)[0])


@pytest.mark.parametrize(("after_ms", "resting"), [(BAD_WITHIN_MS, True), (BAD_WITHIN_MS + 1, False)])
def test_the_first_of_five_counts_for_sixty_seconds_and_not_a_millisecond_longer(after_ms, resting):
    bench, _ = attacked(times=1)
    bench.settle(after_ms - after_ms % 10_000, gas1=30, wind1=40).wait(after_ms % 10_000)
    attacked(times=4, bench=bench)
    assert rests(bench) is resting


def test_the_minute_slides():
    bench = ready_bench()
    for _ in range(8):
        bench.tap(COPIED)
        bench.wait(BAD_WITHIN_MS // 4 + 1)
    assert bench.state.attacks[READER].rests_until_ms is None
    bench.tap(COPIED)
    attacked(times=1, bench=bench)
    assert bench.state.attacks[READER].rests_until_ms is not None


def test_a_good_badge_in_between_takes_nothing_back():
    bench, _ = attacked(times=4)
    assert decided(bench.tap(facts()))["decision"] == "granted"
    attacked(times=1, bench=bench)
    assert rests(bench)


def test_bad_badges_at_several_readers_are_counted_for_each():
    bench = ready_bench()
    for door in ("d1", "d2", "d3") * 4:
        assert "reader.resting" not in kinds(bench.tap(COPIED, door))
    assert "reader.resting" in kinds(bench.tap(COPIED, "d2"))
    assert not rests(bench)


def test_bad_badges_on_the_exit_side_do_not_count():
    bench = ready_bench()
    for _ in range(2 * BAD_MOST):
        bench.tap(COPIED, side=Side.EXIT)
    assert bench.state.attacks == {}


# ---- the rest --------------------------------------------------------------------------------------------------------


def test_a_resting_reader_refuses_good_badges_in_red_and_looks_at_none():
    bench, _ = attacked()
    for told in (facts(), facts("g1"), COPIED, replace(facts(), authority_size=1)):
        made = bench.tap(told)
        assert [(each.light, each.reason) for each in commands(made, Indicate)] == [(Light.RED, Reason.READER_RESTING)]
        assert (made.entries, commands(made, Gather), commands(made, Unlock)) == ((), [], [])
    assert bench.state.pending == {}


@pytest.mark.parametrize(("after_ms", "resting"), [(REST_MS - 1, True), (REST_MS, False)])
def test_a_rest_lasts_sixty_seconds_and_ends_with_the_last(after_ms, resting):
    bench, _ = attacked()
    assert rests(bench.wait(after_ms)) is resting


def test_a_rest_is_two_entries_whatever_comes_meanwhile():
    bench, fifth = attacked()
    begun = next(each for each in fifth.entries if each.kind == "reader.resting")
    assert begun.body == {
        "reason": "reader_resting",
        "reader": READER,
        "door": "d1",
        "area": "north",
        "bad_badges": 5,
        "lasts_ms": REST_MS,
    }
    assert [each.due_ms - bench.now_ms for each in commands(fifth, SetTimer) if each.timer is Timer.REST] == [REST_MS]
    written = len(bench.entries)
    attacked(times=1_000, bench=bench)
    assert over(bench, REST_MS - 1).entries == ()
    (told,) = over(bench, 1).entries
    assert (told.kind, told.body) == ("reader.rested", {"reader": READER, "refused": 1_000})
    assert len(bench.entries) == written + 1
    assert over(bench, 1).entries == ()


def test_taps_in_a_rest_do_not_lengthen_it_and_afterwards_counting_begins_anew():
    bench, _ = attacked()
    bench.wait(REST_MS - 1)
    attacked(times=20, bench=bench)
    bench.wait(1)
    fourth = attacked(times=4, bench=bench)[1]
    assert (kinds(fourth), rests(bench)) == (["access.decided"], False)
    assert "reader.resting" in kinds(bench.tap(COPIED))


def test_a_tap_that_comes_before_the_timer_at_the_end_finds_the_rest_over():
    bench, _ = attacked()
    assert kinds(bench.wait(REST_MS).tap(facts()))[0] == "reader.rested"
    assert over(bench, 0).entries == ()


def test_other_readers_answer_meanwhile():
    bench, _ = attacked()
    assert decided(bench.tap(facts(), "d2"))["decision"] == "granted"
    other = Tap("t", "d1-second-reader", "d1", Side.ENTRY, "04a1", MonotonicMs(bench.now_ms))
    assert decided(bench.go(Tapped(other, facts("w2"))))["decision"] == "granted"


def test_whoever_leaves_by_the_same_reader_button_or_fire_is_let_out():
    bench, _ = attacked()
    assert commands(bench.tap(COPIED, side=Side.EXIT), ReleaseExit)
    for line in (DoorInput.REX, DoorInput.FIRE):
        assert commands(bench.go(DoorMoved("d1", line, True)), ReleaseExit)


def test_a_grant_that_was_decided_before_the_rest_goes_on():
    bench = ready_bench()
    bench.tap(facts())
    attacked(bench=bench)
    assert commands(bench.record(), Unlock)


def test_a_rest_is_not_kept_over_a_restart():
    bench, _ = attacked()
    again = Bench(durable=bench.state.durable).start()
    assert again.state.attacks == {}


def test_what_is_kept_of_bad_badges_is_bounded():
    bench = ready_bench()
    for _ in range(500):
        bench.tap(COPIED)
        bench.wait(1_000)
        bench.go(TimerDue(Timer.REST, READER))
        assert sum(len(each.bad_ms) for each in bench.state.attacks.values()) <= BAD_MOST


def test_how_long_a_reader_rests_is_the_sites():
    bench = ready_bench()
    replace_site(bench, policy=replace(bench.state.site.policy, reader_rest_ms=90_000))
    attacked(bench=bench)
    assert rests(bench.wait(89_999))
    assert not rests(bench.wait(1))
