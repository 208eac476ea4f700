"""Freezes are an observed-remove set: no order, no repetition and no lost word makes two sides differ."""

from hypothesis import given
from hypothesis import strategies as st
from sites import facts, freeze, permit, ready_bench

from edge.core.holds import Freeze, Freezes

names = st.sampled_from(["f1", "f2", "gw1#7"])
scopes = st.sampled_from(["permit:P1", "worker:w1", "area:north"])
words = st.sampled_from(["why", "because"])
freezing = st.builds(Freeze, names, scopes, st.just("hq"), words)
operations = st.lists(freezing | names, max_size=12)
"""A freeze, or the name that a release names. Ids are given twice, and freezes told in other words."""


def _apply(freezes, operation):
    return freezes.merge([operation], ()) if isinstance(operation, Freeze) else freezes.merge((), [operation])


def _all(done):
    result = Freezes()
    for operation in done:
        result = _apply(result, operation)
    return result


@given(operations, st.randoms(use_true_random=False))
def test_merging_is_order_free_and_duplicate_free(done, random):
    shuffled = [*done, *random.choices(done, k=len(done))] if done else []
    random.shuffle(shuffled)
    assert _all(shuffled) == _all(done)


@given(operations, operations)
def test_merging_in_packages_is_merging_one_by_one(first, second):
    def package(freezes, done):
        return freezes.merge(
            [each for each in done if isinstance(each, Freeze)], [each for each in done if not isinstance(each, Freeze)]
        )

    assert package(package(Freezes(), first), second) == _all([*first, *second])


@given(operations)
def test_a_scope_is_held_exactly_while_a_freeze_of_it_is_not_released_by_name(done):
    released = {each for each in done if not isinstance(each, Freeze)}
    standing = [each for each in done if isinstance(each, Freeze) and each.freeze not in released]
    result = _all(done)
    for scope in ("permit:P1", "worker:w1", "area:north"):
        assert result.holds(scope) is any(each.scope == scope for each in standing)
        assert {each.freeze for each in result.of(scope)} == {each.freeze for each in standing if each.scope == scope}


@given(operations)
def test_what_was_told_once_is_no_news(done):
    result = _all(done)
    assert all(result.knows(each) for each in done if isinstance(each, Freeze))


def test_a_release_that_does_not_name_a_concurrent_freeze_does_not_lift_it():
    both = Freezes().merge([freeze("permit:P1", "hq-1")], ()).merge([Freeze("gw1#9", "permit:P1", "gw1", "why")], ())
    assert both.merge((), ["hq-1"]).holds("permit:P1")
    assert not both.merge((), ["hq-1", "gw1#9"]).holds("permit:P1")


def test_a_release_that_comes_before_its_freeze_counts():
    early = Freezes().merge((), ["hq-1"])
    assert not early.merge([freeze("permit:P1", "hq-1")], ()).holds("permit:P1")


def test_a_freeze_made_here_is_lifted_only_by_a_release_that_names_it():
    bench = ready_bench()
    bench.authority(permit(), size=6, releases=("gw1#1", "f1"))
    (_, frozen) = bench.tap(facts(authority_size=6), door="d3").entries
    bench.authority(permit(), size=7, freezes=(freeze("permit:P1"),), releases=("f1",))
    assert bench.state.durable.freezes.holds("permit:P1")
    bench.authority(permit(), size=8, releases=(frozen.body["freeze"],))
    assert not bench.state.durable.freezes.holds("permit:P1")
