"""Rows W04, W05: no figure that a person types, at whatever point and how often, changes any answer at a door."""

from hypothesis import given, settings
from hypothesis import strategies as st
from sites import Bench, begun_bench, decided, facts, permit, ready_bench

from edge.core.messages import OperatorAction
from edge.core.readings import Quality

POINTS = ("top", "bottom")
P1 = permit(points=POINTS)

names = st.sampled_from(["oxygen", "lel", "gas", "gas1.gas", "h2s"])
figures = st.decimals(-1000, 1000, places=1).map(str)
typed = st.dictionaries(names, figures, min_size=1, max_size=4)
acts = st.lists(st.tuples(st.sampled_from(POINTS), typed, st.integers(0, 90_000)), min_size=1, max_size=6)


def fresh(bench: Bench) -> None:
    """Never sampled."""


def one_point(bench: Bench) -> None:
    bench.act(OperatorAction.SAMPLE, point="top")


def every_point(bench: Bench) -> None:
    for point in POINTS:
        bench.act(OperatorAction.SAMPLE, point=point)
        bench.settle(gas1=30, wind1=40)


def over(bench: Bench) -> None:
    every_point(bench)
    bench.block("gas1", 500)


def silent(bench: Bench) -> None:
    every_point(bench)
    bench.block("gas1", None, Quality.COMM_FAIL)


SITUATIONS = st.sampled_from([fresh, one_point, every_point, over, silent])


def answer(bench: Bench) -> object:
    bench.record()
    return {**decided(bench.tap(facts(permits=[P1], authority_size=6), tap_id="same")), "question": None}


@settings(max_examples=150)
@given(st.sampled_from([ready_bench, begun_bench]), SITUATIONS, acts)
def test_the_door_answers_as_if_nothing_had_been_typed(prepared, situation, typing) -> None:
    bench = prepared()
    bench.authority(P1, size=6)
    situation(bench)
    plain = bench.copy()
    for point, said, wait_ms in typing:
        for each in (bench, plain):
            each.wait(wait_ms)
        made = bench.act(OperatorAction.SAMPLE, point=point, typed=said)
        assert [entry.kind for entry in made.entries] == ["permit.noted"]
    assert answer(bench) == answer(plain)
    assert bench.state.durable.samples == plain.state.durable.samples
    assert bench.state.durable.running == plain.state.durable.running
