"""An override and an instrument's own word are told in a decision's words, in either language."""

import pytest
from sites import HOUR_MS, Bench, facts, ready_bench, replace_site

from edge.app.decision_words import decision_lines
from edge.app.entry_words import entry_lines
from edge.app.wording import Language
from edge.core import codec
from edge.core.decision import decide
from edge.core.instruments import Check
from edge.core.question import Question
from edge.core.readings import CalibrationSaid, MonotonicMs


def told(bench: Bench, language: Language) -> str:
    """The decision on w1's tap now."""
    evidence = next(each.evidence for each in bench.tap(facts()).entries if each.evidence is not None)
    question = codec.decode(evidence, Question)
    return "\n".join(decision_lines(question, decide(question), language))


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "override 5 of gas1, owner g1, until 2026-05-28 21:44:30.000Z: what it measures is demanded here"),
        ("zh", "旁路 5：gas1，责任人 g1，至 2026-05-28 21:44:30.000Z：此处需要其读数，旁路期间不计"),
    ],
)
def test_an_overridden_detector_is_named_with_owner_and_end(language: Language, line: str) -> None:
    bench = ready_bench()
    bench.override()
    assert line in told(bench, language)


@pytest.mark.parametrize(
    ("language", "lives", "past"), [("en", "lives", "PAST ITS TIME, not lifted"), ("zh", "有效", "已超时，未解除")]
)
def test_another_protection_is_told_to_live_and_then_to_be_past_its_time(
    language: Language, lives: str, past: str
) -> None:
    bench = ready_bench()
    bench.override(device=None, protection="fire deluge")
    assert f"Z: {lives}" in told(bench, language) or f"Z：{lives}" in told(bench, language)
    bench.wait(HOUR_MS)
    assert past in told(bench, language)


@pytest.mark.parametrize(
    ("language", "line"), [("en", ", the instrument itself says so"), ("zh", "，检测仪自身显示到期")]
)
def test_a_calibration_that_the_instrument_calls_due_is_told_to_be_its_own_word(language: Language, line: str) -> None:
    bench = ready_bench()
    replace_site(bench, checks={"gas1": ((Check.CALIBRATION, 180 * 24 * HOUR_MS),)})
    assert line not in told(bench, language)
    bench.go(CalibrationSaid("gas1", 0, None, MonotonicMs(bench.now_ms)))
    assert line in told(bench, language)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("an override was made", "owner: g1", "lasts at most: 3600 s", "until: 2026-05-28 21:44:30.000Z")),
        ("zh", ("已做旁路", "旁路责任人: g1", "至多历时: 3600 s", "截止时间: 2026-05-28 21:44:30.000Z")),
    ],
)
def test_the_entry_of_an_override_is_told_in_words(language: Language, words: tuple[str, ...]) -> None:
    (entry,) = ready_bench().override().entries
    leaf = {
        "seq": entry.seq,
        "typ": entry.kind,
        "t": {"w": None, "m": 0, "b": "boot-1", "q": "none", "u": None},
        "body": entry.body,
    }
    text = "\n".join(entry_lines(leaf, language))
    assert all(each in text for each in words), text
