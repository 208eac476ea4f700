"""The instrument's own word on its calibration stands above what people record, and every calibration holds it."""

from dataclasses import replace

import orjson
import pytest
from sites import EPOCH_MS, HOUR_MS, Bench, begun_bench, commands, decided, facts, kinds, ready_bench, replace_site

from edge.core import codec
from edge.core.clock import ClockInterval, ClockSource
from edge.core.decision import decide
from edge.core.entries import BlobReference
from edge.core.facts import Worker
from edge.core.fold import fold
from edge.core.instruments import Check
from edge.core.messages import Answer, InstrumentChecked, OperatorAction
from edge.core.question import Question
from edge.core.readings import CalibrationSaid, MonotonicMs, UtcMs
from edge.core.state import Durable
from edge.core.turn import Step

DAY_MS = 24 * HOUR_MS
ALLOWED_MS = 180 * DAY_MS
CHINA_MS = 8 * HOUR_MS


def now_ms(bench: Bench) -> int:
    return EPOCH_MS + bench.now_ms


def day_of(time_ms: int) -> int:
    """The day in China, in days since 1970-01-01."""
    return (time_ms + CHINA_MS) // DAY_MS


def says(bench: Bench, left_ms: int | None = None, done_day: int | None = None) -> Step:
    return bench.go(CalibrationSaid("gas1", left_ms, done_day, MonotonicMs(bench.now_ms)))


def record(bench: Bench, check: Check = Check.CALIBRATION, **changes: object) -> Step:
    """t1 records that gas1 was calibrated just now."""
    plain = InstrumentChecked(
        device="gas1",
        check=check,
        done_ms=now_ms(bench),
        passed=True,
        by="t1",
        person=Worker("t1", False),
        why="gas bottle 17",
        evidence=BlobReference("a" * 64, "image/jpeg", 1000),
        request="r1",
    )
    return bench.go(replace(plain, **changes))


def demanding(bench: Bench) -> Bench:
    """The same site, where gas1 must have been calibrated within 180 days; it was recorded just now."""
    replace_site(bench, checks={"gas1": ((Check.CALIBRATION, ALLOWED_MS),)})
    record(bench)
    bench.record()
    return bench


def reasons(bench: Bench) -> list[str]:
    return list(decided(bench.tap(facts()))["reasons"])


def test_an_instrument_that_says_that_it_is_due_opens_nothing_whatever_was_recorded():
    bench = demanding(ready_bench())
    assert reasons(bench) == []
    assert [(each.kind, each.body["left_ms"]) for each in says(bench, 0).entries] == [("instrument.said", 0)]
    assert reasons(bench) == ["calibration_overdue"]


def test_days_left_run_down_between_two_questions_to_the_last_millisecond():
    bench = demanding(ready_bench())
    says(bench, 1_000)
    assert reasons(bench.wait(999)) == []
    assert reasons(bench.wait(1)) == ["calibration_overdue"]


@pytest.mark.parametrize(
    ("age_days", "due"), [(-2, True), (-1, False), (0, False), (179, False), (180, True), (400, True)]
)
def test_the_day_of_the_last_calibration_is_judged_by_the_sites_greatest_age(age_days, due):
    """Counted from where that day began in China; one that lies ahead by more than a day is of no calendar."""
    bench = demanding(ready_bench())
    says(bench, done_day=day_of(now_ms(bench)) - age_days)
    assert reasons(bench) == (["calibration_overdue"] if due else [])


def test_the_age_of_that_day_counts_to_the_last_millisecond():
    bench = demanding(ready_bench())
    day = day_of(now_ms(bench)) - 100
    says(bench, done_day=day)
    end_ms = day * DAY_MS - CHINA_MS + ALLOWED_MS
    for at_ms, due in ((end_ms, False), (end_ms + 1, True)):
        exact = ClockInterval(UtcMs(at_ms), UtcMs(at_ms), ClockSource.HQ)
        later = bench.copy()
        later.clock = exact
        record(later)
        assert ("calibration_overdue" in reasons(later)) is due


def test_its_word_alone_vouches_for_nothing():
    bench = ready_bench()
    replace_site(bench, checks={"gas1": ((Check.CALIBRATION, ALLOWED_MS),)})
    says(bench, ALLOWED_MS)
    assert reasons(bench) == ["calibration_overdue"]


def test_where_no_calibration_is_demanded_its_word_is_recorded_and_keeps_nobody_out():
    bench = ready_bench()
    assert kinds(says(bench, -DAY_MS)) == ["instrument.said"]
    assert reasons(bench) == []


def test_it_trips_no_running_work_and_no_retest_passes():
    bench = demanding(begun_bench())
    assert kinds(says(bench, -1)) == ["instrument.said"]
    assert bench.state.durable.trips == {}
    bench.block("gas1", 900)
    bench.record()
    bench.settle(gas1=10, wind1=10)
    assert bench.act(OperatorAction.RETEST).entries[-1].body["reasons"] == ["calibration_overdue"]


def test_a_calibration_that_the_instrument_contradicts_is_refused_by_name_until_it_says_otherwise():
    bench = demanding(ready_bench())
    says(bench, -DAY_MS)
    bench.wait(1_000)
    step = record(bench)
    assert commands(step, Answer)[0].reasons == ("calibration_contradicted",)
    assert kinds(step) == ["operator.refused"]
    says(bench, ALLOWED_MS)
    step = record(bench)
    assert commands(step, Answer)[0].ok
    assert reasons(bench) == []


@pytest.mark.parametrize("changes", [{"check": Check.BUMP}, {"passed": False}])
def test_only_a_passed_calibration_can_be_contradicted(changes):
    bench = demanding(ready_bench())
    says(bench, -DAY_MS)
    assert commands(record(bench.wait(1_000), **changes), Answer)[0].ok


def test_a_recorded_calibration_holds_what_the_instrument_said():
    bench = demanding(ready_bench())
    said = says(bench, 10 * DAY_MS).entries[0]
    (entry,) = record(bench.wait(1_000)).entries
    assert entry.body["instrument_says"] == {"entry": said.seq, "left_ms": 10 * DAY_MS - 1_000}
    day = day_of(now_ms(bench))
    said = says(bench, done_day=day).entries[0]
    (entry,) = record(bench.wait(1_000)).entries
    assert entry.body["instrument_says"] == {"entry": said.seq, "done_ms": day * DAY_MS - CHINA_MS}
    (entry,) = record(bench, check=Check.BUMP).entries
    assert "instrument_says" not in entry.body


def test_an_instrument_that_says_nothing_is_not_in_the_entry():
    bench = demanding(ready_bench())
    (entry,) = record(bench.wait(1_000)).entries
    assert "instrument_says" not in entry.body


def test_the_same_word_day_after_day_is_one_entry_and_news_is_another():
    bench = demanding(ready_bench())
    says(bench, 10 * DAY_MS)
    bench.wait(DAY_MS)
    assert kinds(says(bench, 10 * DAY_MS)) == [], "the figure of whole days may be a day off"
    assert kinds(says(bench, 9 * DAY_MS)) == []
    assert kinds(says(bench, 8 * DAY_MS)) == []
    assert kinds(says(bench, 8 * DAY_MS - 1)) == ["instrument.said"]
    assert kinds(says(bench, 0)) == ["instrument.said"]
    assert kinds(says(bench, -DAY_MS)) == []
    assert kinds(says(bench, 1)) == ["instrument.said"]
    assert kinds(says(bench, done_day=20_000)) == ["instrument.said"]
    assert kinds(says(bench, done_day=20_000)) == []


@pytest.mark.parametrize("boot_id", ["boot-1", "boot-2"])
def test_its_word_outlives_a_restart_and_runs_down_meanwhile(boot_id):
    bench = demanding(ready_bench())
    says(bench, 2_000)
    again = Bench(bench.state.site, codec.decode(codec.encode(bench.state.durable), Durable))
    again.now_ms, again.boot_id = bench.now_ms, boot_id
    record(again.wait(1_999))
    assert again.state.durable.instruments["gas1"]["calibration"].done_ms == now_ms(again)
    assert commands(record(again.wait(1)), Answer)[0].reasons == ("calibration_contradicted",)


def test_after_a_restart_without_a_clock_its_word_is_in_doubt_and_counts_as_due():
    bench = demanding(ready_bench())
    says(bench, ALLOWED_MS)
    bench.boot_id = "boot-2"
    bench.clock = ClockInterval(UtcMs(now_ms(bench)), None, ClockSource.NONE)
    assert "calibration_overdue" in reasons(bench)
    assert "calibration_contradicted" in commands(record(bench), Answer)[0].reasons
    bench.clock = None
    assert kinds(says(bench, ALLOWED_MS)) == []


def test_saved_state_and_questions_of_earlier_versions_decode():
    bench = demanding(begun_bench())
    table = orjson.loads(codec.encode(bench.state.durable))
    assert table.pop("calibration_words") == {}
    assert codec.decode(orjson.dumps(table), Durable) == bench.state.durable
    (entry,) = [each for each in bench.tap(facts("w2")).entries if each.evidence is not None]
    question, table = codec.decode(entry.evidence, Question), orjson.loads(entry.evidence)
    assert [check.pop("says_due") for each in table["permits"] for check in each["checks"]] == [False]
    assert decide(codec.decode(orjson.dumps(table), Question)) == decide(question)


def test_what_instruments_said_is_the_fold_of_its_entries():
    bench = demanding(ready_bench())
    folded = bench.state.durable
    made = [*says(bench, DAY_MS).entries, *says(bench, done_day=20_000).entries]
    for entry in made:
        folded = fold(folded, replace(entry, body=orjson.loads(orjson.dumps(entry.body))))
    assert folded == bench.state.durable
    assert folded.calibration_words["gas1"].done_ms == 20_000 * DAY_MS - CHINA_MS
