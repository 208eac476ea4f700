"""HQ's rule packs come while the gateway runs: from that step on they decide, and work that runs keeps its own."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import orjson
import pytest
from sites import (
    EPOCH_MS,
    FROM_MS,
    GAS,
    HOUR_MS,
    PACK,
    TIMING,
    WIND,
    Bench,
    build_site,
    decided,
    facts,
    kinds,
    permit,
    token,
)

from edge.core import codec
from edge.core.entries import BlobReference
from edge.core.facts import TokenVerdict
from edge.core.fold import fold
from edge.core.messages import SetTimer, Timer
from edge.core.published import RulesChanged, RulesWord, Verdict
from edge.core.rules import RulePack, hollow
from edge.core.site import plan_area
from edge.core.state import Durable, Running
from edge.core.turn import Step

DAY = date(2026, 5, 30)
MIDNIGHT_MS = 1_780_070_400_000
"""DAY 00:00 +08:00."""
BEFORE = date(2026, 5, 1)
TEXT = BlobReference("3" * 64, "application/toml", 23_605)


def limited(version: int, limit: str, since: date) -> RulePack:
    """A version of the shipped pack whose limit of methane is that, %vol; 0.5 is 100 steps here, 0.4 is 80."""
    changed = (
        replace(rule, limit=Decimal(limit)) if rule.rule == "combustible-lel-from-4" else rule for rule in PACK.rules
    )
    return replace(PACK, version=version, since=since, rules=tuple(changed))


NOW, LATER = limited(3, "0.4", BEFORE), limited(3, "0.4", DAY)


def word(pack: RulePack, verdict: Verdict = Verdict.APPLIED, **more: object) -> RulesWord:
    plain = RulesWord(pack.pack, pack.version, "3" * 64, verdict, 17, str(pack.since), None, TEXT)
    return replace(plain, **more)  # type: ignore[arg-type]


def bound(*packs: RulePack) -> dict:  # type: ignore[type-arg]
    return {"north": plan_area("north", False, packs, (GAS,), TIMING)}


def changed(*packs: RulePack, words: tuple[RulesWord, ...] = ()) -> RulesChanged:
    return RulesChanged(bound(PACK, *packs), words or tuple(map(word, packs)))


def bench_at(utc_ms: int = MIDNIGHT_MS - 3 * HOUR_MS, steps: int = 90, durable: Durable | None = None) -> Bench:
    """Gas at that many steps at that instant under the shipped version alone; P1 and P2 in force, their guardian in."""
    bench = Bench(build_site({"north": (GAS,)}, {"d1": "north"}), durable)
    bench.now_ms = utc_ms - EPOCH_MS - 70_000
    bench.start()
    bench.authority(*(permit(each, permit_type="03", not_after_ms=FROM_MS + 48 * HOUR_MS) for each in ("P1", "P2")))
    bench.settle(70_000, gas1=steps)
    bench.record()
    for each in ("P1", "P2"):
        tap(bench, "g1", each)
    bench.record()
    return bench


def tap(bench: Bench, worker: str, name: str = "P1") -> Step:
    named = bench.state.permits[name]
    badge = TokenVerdict(token(worker, [named], not_after_ms=named.not_after_ms), None)
    return bench.tap(facts(worker, [named], token=badge, fresh_at_ms=EPOCH_MS + bench.now_ms))


def begin_work(bench: Bench, name: str = "P1") -> None:
    assert decided(tap(bench, "w1", name))["decision"] == "granted"
    bench.record()
    bench.record()


def test_a_version_that_comes_decides_from_that_step_on_and_its_entry_says_what_it_is() -> None:
    bench = bench_at()
    assert decided(tap(bench, "w1", "P2"))["reasons"] == []
    made = bench.go(changed(NOW))
    (entry,) = made.entries
    assert (entry.kind, entry.blobs) == ("rules.applied", (TEXT,))
    assert entry.body == {
        "pack": "gb30871",
        "version": 3,
        "sha256": "3" * 64,
        "operation": 17,
        "from": "2026-05-01",
        "until": None,
    }
    body = decided(tap(bench, "w1"))
    assert (body["reasons"], body["packs"]) == (["gas_over_limit"], ["gb30871/3"])


def test_a_grant_that_waits_for_its_entry_is_judged_by_the_version_that_came_meanwhile() -> None:
    bench = bench_at()
    tap(bench, "w1")
    bench.go(changed(NOW))
    assert "access.withdrawn" in kinds(bench.record())


def test_work_that_runs_keeps_its_version_through_the_change_and_through_a_restart() -> None:
    bench = bench_at()
    begin_work(bench)
    bench.go(changed(NOW))
    bench.block("gas1", 95)
    assert not bench.state.durable.trips
    assert decided(tap(bench, "w2"))["packs"] == ["gb30871/2", "gb30871/3"]
    durable = Durable()
    for entry in bench.entries:
        durable = fold(durable, entry)
    assert durable == bench.state.durable
    assert codec.decode(codec.encode(durable), Durable) == durable
    again = Bench(replace(bench.state.site, areas=bound(PACK, NOW)), durable).start()
    again.now_ms = bench.now_ms + 1_000
    again.block("gas1", 95)
    assert not again.state.durable.trips
    again.block("gas1", 101)
    assert [each.interlock for each in again.state.durable.trips.values()] == [
        "gb30871/2/combustible-lel-from-4@gas1.gas"
    ]


@pytest.mark.parametrize(("before_ms", "version"), [(1, 2), (0, 3), (-1, 3)])
def test_a_version_for_a_later_day_waits_for_its_first_instant_on_a_clock_that_moves(
    before_ms: int, version: int
) -> None:
    bench = bench_at()
    bench.go(changed(LATER))
    assert decided(tap(bench, "w1", "P2"))["packs"] == ["gb30871/2"]
    ahead_ms = MIDNIGHT_MS - before_ms - EPOCH_MS - bench.now_ms
    bench.wait(ahead_ms - 70_000).settle(70_000, gas1=90).record()
    tap(bench, "g1")
    body = decided(tap(bench, "w1"))
    assert body["packs"] == [f"gb30871/{version}"]
    assert ("gas_over_limit" in body["reasons"]) is (version == 3)


def test_the_watch_follows_a_version_that_binds_work_to_another_device() -> None:
    """Work that keeps no version is under the rules of the day, and the new device's silence trips it in time."""
    both = {"north": (GAS, WIND)}
    windless = replace(PACK, rules=tuple(each for each in PACK.rules if each.quantity != "wind_speed"))
    durable = Durable(running={"P1": Running("P1", 0, "03", ("north",))})
    bench = Bench(build_site(both, {"d1": "north"}, ex=True, packs=(windless,)), durable).start()
    bench.block("gas1", 10)
    assert set(bench.state.watched) == {"gas1"}
    later = replace(PACK, version=3, since=BEFORE)
    plan = plan_area("north", True, (windless, later), (GAS, WIND), TIMING)
    made = bench.go(RulesChanged({"north": plan}, ()))
    assert set(bench.state.watched) == {"gas1", "wind1"}
    stale = [each.due_ms for each in made.commands if isinstance(each, SetTimer) and each.timer is Timer.STALE]
    assert stale == [bench.now_ms + 30_001]


def test_a_gust_from_before_the_change_counts_for_the_version_that_asks_about_wind() -> None:
    windless = replace(PACK, rules=tuple(each for each in PACK.rules if each.quantity != "wind_speed"))
    bench = Bench(build_site({"north": (GAS, WIND)}, {"d1": "north"}, packs=(windless,))).start()
    bench.authority(permit())
    bench.settle(gas1=10, wind1=20)
    bench.wait(5_000).block("wind1", 95)
    for _ in range(2):
        bench.wait(10_000).block("wind1", 20)
        bench.block("gas1", 10)
    bench.record()
    later = replace(PACK, version=3, since=BEFORE)
    plan = plan_area("north", False, (windless, later), (GAS, WIND), TIMING)
    bench.go(RulesChanged({"north": plan}, ()))
    assert "wind_over_limit" in decided(bench.tap(facts()))["reasons"]
    bench.wait(60_000).block("wind1", 20)
    bench.block("gas1", 10)
    assert "wind_over_limit" not in decided(bench.tap(facts()))["reasons"]


def test_the_time_at_which_running_work_is_looked_at_follows_too() -> None:
    bench = bench_at(durable=Durable(running={"P1": Running("P1", 0, "03", ("north",))}))
    recorded = {code: replace(each, record_ms=120_000) for code, each in PACK.permit_types.items()}
    made = bench.go(changed(replace(PACK, version=3, since=BEFORE, permit_types=recorded)))
    work = [each.due_ms for each in made.commands if isinstance(each, SetTimer) and each.timer is Timer.WORK]
    assert min(work) <= bench.now_ms + 10_000


def test_what_was_told_is_not_told_again_nor_is_anything_bound_anew() -> None:
    bench = bench_at()
    bench.go(changed(NOW))
    site = bench.state.site
    made = bench.go(changed(NOW))
    assert (made.entries, made.commands) == ((), ())
    assert bench.state.site is site


def test_a_version_that_is_refused_is_told_once_with_its_findings_and_the_old_one_stays() -> None:
    bench = bench_at()
    findings = tuple(f"gb30871/3:{line}: limit: laxer than the floor {'限' * 400}" for line in range(40))
    refused = RulesChanged(bench.state.site.areas, (word(NOW, Verdict.REFUSED, text=None, findings=findings),))
    (entry,) = bench.go(refused).entries
    assert entry.kind == "rules.refused"
    assert (entry.body["lost"], entry.body["count"], len(entry.body["findings"])) == (False, 40, 8)
    assert len(orjson.dumps(entry.body)) < 14_000
    assert bench.go(refused).entries == ()
    assert decided(tap(bench, "w1"))["packs"] == ["gb30871/2"]
    other = replace(refused.words[0], sha256="4" * 64)
    assert kinds(bench.go(replace(refused, words=(other,)))) == ["rules.refused"]


def test_of_refused_texts_the_latest_are_remembered_and_no_more() -> None:
    bench = bench_at()
    for number in range(70):
        refused = word(NOW, Verdict.REFUSED, sha256=f"{number:064}")
        bench.go(RulesChanged(bench.state.site.areas, (refused,)))
    assert len(bench.state.durable.rules_refused) == 64


def test_a_revoked_version_is_believed_no_more_and_its_entry_says_what_speaks_then() -> None:
    bench = bench_at(steps=70)
    bench.go(changed(NOW))
    begin_work(bench)
    assert bench.state.durable.running["P1"].packs == ("gb30871/3",)
    revoked = word(NOW, Verdict.REVOKED)
    (entry,) = bench.go(RulesChanged(bound(PACK), (revoked,))).entries
    assert (entry.kind, entry.body["speaks"]) == ("rules.revoked", ["gb30871/2"])
    assert bench.state.durable.rules["gb30871/3"].verdict is Verdict.REVOKED
    assert bench.go(RulesChanged(bound(PACK), (revoked,))).entries == ()
    # What began under it is not left without rules: every version that ever held watches over it.
    bench.block("gas1", 101)
    assert [each.interlock for each in bench.state.durable.trips.values()] == [
        "gb30871/2/combustible-lel-from-4@gas1.gas"
    ]


def test_a_revocation_of_what_was_never_applied_is_no_news() -> None:
    bench = bench_at()
    assert bench.go(RulesChanged(bound(PACK), (word(NOW, Verdict.REVOKED),))).entries == ()


def lost_bench(running: bool, steps: int = 70) -> Bench:
    """Version 3 was applied, work may have begun under it, and now its text is lost."""
    bench = bench_at(steps=steps)
    bench.go(changed(NOW))
    if running:
        begin_work(bench)
    lost = word(NOW, Verdict.LOST, text=None, findings=("gb30871/3: its text is not at hand",))
    made = bench.go(RulesChanged(bound(PACK, hollow("gb30871", 3, BEFORE)), (lost,)))
    assert [(each.kind, each.body["lost"]) for each in made.entries] == [("rules.refused", True)]
    return bench


def test_on_a_version_whose_text_is_lost_nobody_enters_and_older_rules_do_not_speak_instead() -> None:
    body = decided(tap(lost_bench(running=False), "w1"))
    assert (body["decision"], body["packs"]) == ("denied", ["gb30871/3"])
    assert "permit_type_unknown" in body["reasons"]


def test_work_that_began_under_a_lost_version_is_watched_by_all_that_ever_held() -> None:
    bench = lost_bench(running=True)
    bench.block("gas1", 101)
    assert [each.interlock for each in bench.state.durable.trips.values()] == [
        "gb30871/2/combustible-lel-from-4@gas1.gas"
    ]


def test_work_whose_version_is_gone_is_under_the_strictest_of_those_that_ever_held() -> None:
    """Version 3, stricter, ended where 4 began: it speaks for what began under the unknown 9, and 4 alone does not."""
    four = limited(4, "0.5", date(2026, 5, 10))
    bench = bench_at(steps=70, durable=Durable(running={"P1": Running("P1", 0, "03", ("north",), ("gb30871/9",))}))
    bench.go(changed(NOW, four))
    bench.block("gas1", 90)
    assert [each.interlock for each in bench.state.durable.trips.values()] == [
        "gb30871/3/combustible-lel-from-4@gas1.gas"
    ]


def test_a_lost_version_that_comes_back_is_told_again_and_speaks() -> None:
    bench = lost_bench(running=False)
    assert kinds(bench.go(changed(NOW))) == ["rules.applied"]
    assert decided(tap(bench, "w1"))["reasons"] == []
