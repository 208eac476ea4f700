"""1,800 random interleavings: no unlock in spite of what was known, and the journal is the state. See interleavings.py.

The same with 100,000 is in tests/simulation. To play one again: ``Interleaving(seed, deep=True).run()``.
"""

from collections import Counter

import pytest
from interleavings import Broken, Interleaving

from edge.core.messages import Recorded

PARTS = 4
EACH = 450


@pytest.mark.parametrize("part", range(PARTS))
def test_no_interleaving_breaks_a_promise(part):
    happened = Counter()
    for seed in range(part * EACH, (part + 1) * EACH):
        happened.update(what for what, count in Interleaving(seed, deep=seed % 10 == 0).run().items() if count)
    for what in ("unlocked", "withdrawn", "tripped", "retested", "relocked", "restarted", "by_hand"):
        assert happened[what] > EACH // 100, f"interleavings hardly ever have {what}: {happened}"


def test_a_broken_promise_is_told_with_its_seed_and_what_was_told():
    """The oracle is not blind: one that has not heard of the readings calls the first unlock broken."""
    site = Interleaving.first()
    site.tell(Recorded(site.bench.state.durable.next_entry))
    site.guardian_and_worker()
    site.books.blocks.clear()
    with pytest.raises(Broken, match=r"seed 0: unlocked d1 .*gas1 not good(.|\n)*Recorded"):
        site.tell(Recorded(site.bench.state.durable.next_entry))
