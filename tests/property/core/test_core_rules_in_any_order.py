"""Whatever comes of HQ's rule packs, in whatever order: the journal alone gives the same memory, nothing is told
twice in a row, what was revoked stays so, and what refused texts leave behind is bounded."""

from hypothesis import given, settings
from hypothesis import strategies as st
from sites import Bench

from edge.core import codec
from edge.core.fold import fold
from edge.core.published import RulesChanged, RulesWord, Verdict
from edge.core.state import Durable

WORDS = st.builds(
    lambda version, digest, verdict: RulesWord("gb30871", version, digest * 64, verdict, version, "2026-12-01"),
    st.integers(3, 5),
    st.sampled_from("ab"),
    st.sampled_from(Verdict),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=3), max_size=12))
def test_the_journal_remembers_what_the_state_does_and_nothing_is_told_twice(rounds: list[list[RulesWord]]) -> None:
    bench = Bench().start()
    revoked: set[str] = set()
    for words in rounds:
        message = RulesChanged(bench.state.site.areas, tuple(words))
        bench.go(message)
        if len({each.name for each in words}) == len(words):
            assert bench.go(message).entries == ()
        rules = bench.state.durable.rules
        assert all(rules[name].verdict is Verdict.REVOKED for name in revoked)
        revoked = {name for name, each in rules.items() if each.verdict is Verdict.REVOKED}
    durable = Durable()
    for entry in bench.entries:
        durable = fold(durable, entry)
    assert durable == bench.state.durable
    assert codec.decode(codec.encode(durable), Durable) == durable
    assert len(durable.rules_refused) <= 64
    assert set(durable.rules) <= {"gb30871/3", "gb30871/4", "gb30871/5"}
