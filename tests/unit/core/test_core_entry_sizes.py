"""Whatever HQ says at its longest, each entry of it fits the journal: one that does not would stop all that follow."""

from sites import ready_bench

from edge.core.holds import Freeze
from edge.storage.leaves import leaf_bytes
from sync.formats.canonical import MAX_ENTRY_BYTES

LONGEST_WHY = "\U00020000" * 256
"""256 characters, the most that HQ's log takes, of four bytes each."""


def test_a_hundred_freezes_with_the_longest_reasons_fit_their_entries() -> None:
    bench = ready_bench()
    freezes = tuple(Freeze(f"{number:0128d}", f"worker:{number:064d}", "b" * 64, LONGEST_WHY) for number in range(100))
    made = bench.authority(*bench.state.permits.values(), size=500, freezes=freezes)
    applied = [entry for entry in made.entries if entry.kind == "authority.applied"]
    assert sum(len(entry.body["freezes"]) for entry in applied) == 100  # type: ignore[arg-type,misc]
    assert all(len(leaf_bytes(entry, bench.state.site.origin, None)) <= MAX_ENTRY_BYTES for entry in applied)


def test_a_thousand_releases_fit_their_entries() -> None:
    bench = ready_bench()
    made = bench.authority(
        *bench.state.permits.values(), size=500, releases=tuple(f"{number:0128d}" for number in range(1_000))
    )
    assert all(len(leaf_bytes(entry, bench.state.site.origin, None)) <= MAX_ENTRY_BYTES for entry in made.entries)
