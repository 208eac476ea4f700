"""Whatever HQ says at its longest, each entry of it fits the journal: one that does not would stop all that follow."""

from dataclasses import replace

from sites import GAS, Bench, build_site, facts, permit, ready_bench

from edge.core.holds import Freeze
from edge.core.said import Said
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


def test_sixteen_permits_with_long_names_each_too_near_to_many_others_fit_the_entry_of_a_tap() -> None:
    channels = tuple(replace(GAS, device=f"{number:032d}") for number in range(12))
    bench = Bench(build_site({"north": channels}, {"d1": "north"}, ex=True)).start()

    def named(number: int, **changes: object) -> object:
        said = Said(blinds=("b" * 64,) * 32, east_cm=-10_000_000, north_cm=0, activities=("venting",), confirmed=())
        return permit("P1", permit=f"{number:064d}", short_id=number, **{"said": said, "status": 2, **changes})

    mine = [named(number) for number in range(1, 17)]
    others = [named(number, permit_type="50") for number in range(100, 200)]
    bench.authority(*mine, *others, size=6)  # type: ignore[arg-type]
    made = bench.tap(facts(permits=mine, authority_size=6))  # type: ignore[arg-type]
    (entry,) = [each for each in made.entries if each.kind == "access.decided"]
    assert len(entry.body["failing"]) == len(entry.body["conditions"]) == 32  # type: ignore[arg-type]
    assert len(leaf_bytes(entry, bench.state.site.origin, None)) <= MAX_ENTRY_BYTES
