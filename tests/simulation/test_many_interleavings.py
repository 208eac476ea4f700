"""100,000 random interleavings with slow and failing commits: no unlock after a hold, trip or lapse that was known.

About two milliseconds each; parts so that ``-n 2`` shares them. A failure names its seed.
"""

import pytest
from interleavings import Interleaving

PARTS = 16
EACH = 6_250
FIRST_SEED = 1_000_000
"""Others than the seeds of tests/property."""


@pytest.mark.system
@pytest.mark.parametrize("part", range(PARTS))
def test_no_interleaving_of_many_breaks_a_promise(part):
    unlocked = 0
    first = FIRST_SEED + part * EACH
    for seed in range(first, first + EACH):
        unlocked += Interleaving(seed, deep=seed % 100 == 0).run()["unlocked"]
    assert unlocked > EACH // 10
    assert PARTS * EACH >= 100_000
