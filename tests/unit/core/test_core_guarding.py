"""Guardians over running work (GB 30871-2022 4.10): hand-over, leaving, alarm 31. Approvers at the place (4.11)."""

from dataclasses import replace

import pytest
from sites import POLICY, Bench, begun_bench, certificate, commands, decided, facts, freeze, kinds, permit, replace_site

from edge.core.messages import OperatorAction, SetTimer, Sound, Timer, TimerDue

GUARDIAN_MS = POLICY.guardian_ms


def guarded_bench(**changes) -> tuple[Bench, object]:
    """Work runs in the north, g1's tap being all but fresh; g2 may guard it too."""
    p1 = permit(guardians=("g1", "g2"), **changes)
    bench = begun_bench()
    bench.authority(p1, size=6)
    return bench, p1


def tap(bench: Bench, name: str, p1, **changes):
    bench.record()
    return bench.tap(facts(name, [p1], authority_size=6), **changes)


def work_due(bench: Bench):
    return bench.go(TimerDue(Timer.WORK, "P1"))


def tapped_ms(bench: Bench) -> int:
    return bench.state.durable.guardians["P1"]["north"].boottime_ms


def test_running_work_whose_guardian_does_not_tap_again_is_told_once_with_alarm_31_at_that_millisecond():
    bench, p1 = guarded_bench()
    bench.wait(tapped_ms(bench) + GUARDIAN_MS - bench.now_ms)
    made = work_due(bench)
    assert "guardian.absent" not in kinds(made)
    assert bench.now_ms + 1 in {each.due_ms for each in commands(made, SetTimer) if each.timer is Timer.WORK}
    made = work_due(bench.wait(1))
    assert kinds(made) == ["guardian.absent"]
    assert made.entries[0].body["alarm"] == "31"
    assert (made.entries[0].permit, made.entries[0].body["area"], made.entries[0].body["worker"]) == (
        "P1",
        "north",
        "g1",
    )
    assert [(each.area, each.on) for each in commands(made, Sound)] == [("north", True)]
    assert kinds(work_due(bench.wait(60_000))) == []
    assert "guardian_absent" in decided(tap(bench, "w2", p1))["reasons"]


def test_a_guardian_who_comes_back_heals_it_and_a_second_absence_is_told_again():
    bench, p1 = guarded_bench()
    work_due(bench.wait(GUARDIAN_MS + 1))
    assert bench.state.durable.running["P1"].unguarded == ("north",)
    made = tap(bench, "g1", p1)
    assert kinds(made) == ["access.decided", "guardian.present"]
    assert bench.state.durable.running["P1"].unguarded == ()
    assert "guardian.absent" not in kinds(work_due(bench))
    assert "guardian.absent" in kinds(work_due(bench.wait(GUARDIAN_MS + 1)))


def test_who_takes_over_from_whom_is_recorded():
    bench, p1 = guarded_bench()
    made = tap(bench, "g2", p1)
    assert made.entries[-1].body["took_over_from"] == "g1"
    assert tap(bench, "g2", p1).entries[-1].body["took_over_from"] is None, "nobody relieves themselves"
    bench.wait(GUARDIAN_MS + 1)
    assert tap(bench, "g1", p1).entries[-1].body["took_over_from"] is None, "g2 was gone already"


def test_a_guardian_who_taps_at_another_area_has_left_and_that_is_told_in_the_same_step():
    p1, p2 = permit(), permit("P2", areas=("south",))
    bench = begun_bench()
    bench.authority(p1, p2, size=6)
    made = bench.tap(facts("g1", [p2], authority_size=6), door="d3")
    assert kinds(made) == ["access.decided", "guardian.present", "guardian.absent"]
    assert (made.entries[-1].permit, made.entries[-1].body["alarm"]) == ("P1", "31")
    assert [each.area for each in commands(made, Sound) if each.on] == ["north"]


def test_a_guardian_who_goes_in_as_a_worker_of_other_work_has_left():
    p1, p2 = permit(), permit("P2", areas=("south",), workers=("g1",), guardians=("g2",))
    bench = begun_bench()
    bench.authority(p1, p2, size=6)
    bench.settle(gas2=20, gas1=30, wind1=40)
    tap(bench, "g2", p2, door="d3")
    bench.record()
    worker = facts("g1", [p2], authority_size=6, certificates=(certificate("g1"),))
    made = bench.tap(worker, door="d3")
    assert decided(made)["decision"] == "granted"
    assert "guardian.absent" in kinds(made)


def test_a_guardian_who_is_frozen_is_none_any_more():
    bench, p1 = guarded_bench()
    bench.authority(p1, size=7, freezes=(freeze("worker:g1"),))
    assert "guardian.absent" in kinds(work_due(bench))


def test_paused_work_needs_no_guardian_until_it_is_resumed():
    bench, _ = guarded_bench()
    bench.wait(GUARDIAN_MS - 60_000).act(OperatorAction.PAUSE)
    assert kinds(work_due(bench.wait(60_000))) == []
    bench.act(OperatorAction.RESUME)
    assert kinds(work_due(bench)) == ["guardian.absent"]


@pytest.mark.parametrize(("after_boot_ms", "told"), [(GUARDIAN_MS, []), (GUARDIAN_MS + 1, ["guardian.absent"])])
def test_after_a_power_cut_the_guardian_has_the_usual_time_to_tap_and_nobody_goes_in_before(after_boot_ms, told):
    before, p1 = guarded_bench()
    bench = Bench(durable=before.state.durable)
    bench.boot_id, bench.now_ms = "boot-2", 1_000
    bench.start()
    bench.authority(p1, size=6)
    assert "guardian_absent" in decided(tap(bench, "w2", p1))["reasons"]
    bench.now_ms = after_boot_ms
    assert [each for each in kinds(work_due(bench)) if each == "guardian.absent"] == told


# ---- approvers ------------------------------------------------------------------------------------------------------


def approved_bench(**changes) -> tuple[Bench, object]:
    p1 = permit(approver="a1", status=1, **changes)
    bench = begun_bench()
    bench.authority(p1, size=6)
    return bench, p1


def test_a_permit_whose_approver_was_not_at_the_place_opens_nothing_alarm_30():
    bench, p1 = approved_bench()
    said = decided(tap(bench, "w2", p1))
    assert (said["decision"], said["reasons"], said["alarms"]) == ("denied", ["approver_absent"], ["30"])
    made = tap(bench, "a1", p1)
    assert (decided(made)["decision"], decided(made)["reason"]) == ("noted", "approver_present")
    assert kinds(made) == ["access.decided", "approver.present"]
    assert decided(tap(bench, "w2", p1))["decision"] == "granted"
    assert kinds(tap(bench, "a1", p1)) == ["access.decided"], "once is enough"


def test_an_approver_comes_before_the_permit_is_issued_and_before_its_window():
    later = begun_bench().now_ms + 1_700_000_000_000
    bench, p1 = approved_bench()
    p1 = replace(p1, status=0, not_before_ms=later + 3_600_000_000, not_after_ms=later + 7_200_000_000)
    bench.authority(p1, size=6)
    assert decided(tap(bench, "a1", p1))["decision"] == "noted"


def test_a_changed_permit_is_approved_anew():
    bench, p1 = approved_bench()
    tap(bench, "a1", p1)
    changed = replace(p1, version=p1.version + 1)
    bench.authority(changed, size=6)
    assert "approver_absent" in decided(tap(bench, "w2", changed))["reasons"]
    made = bench.tap(facts("a1", [changed], authority_size=6))
    assert made.entries[-1].body["permit_version"] == changed.version


def test_an_approver_with_an_outdated_badge_or_at_another_area_approves_nothing():
    bench, p1 = approved_bench()
    newer = replace(p1, version=p1.version + 1)
    bench.authority(newer, size=6)
    old = replace(facts("a1", [p1], authority_size=6), permits=(newer,))
    assert "badge_outdated" in decided(bench.tap(old))["reasons"]
    assert decided(tap(bench, "a1", newer, door="d3"))["decision"] == "denied"
    assert bench.state.durable.approvers == {}


@pytest.mark.parametrize(("area", "reasons"), [("north", []), ("south", ["approver_absent"])])
def test_hq_may_be_shown_where_the_approver_was_and_only_the_permits_own_area_counts(area, reasons):
    bench, p1 = approved_bench(approved_in=area)
    assert decided(tap(bench, "w2", p1))["reasons"] == reasons


@pytest.mark.parametrize(("demanded", "reasons"), [(False, []), (True, ["approver_absent"])])
def test_a_permit_without_an_approver_is_refused_where_hq_has_to_say_one(demanded, reasons):
    bench, p1 = guarded_bench()
    replace_site(bench, policy=replace(POLICY, permit_facts=demanded))
    assert decided(tap(bench, "w2", p1))["reasons"] == reasons


def test_an_approver_who_also_works_is_noted_and_judged_as_a_worker():
    bench, p1 = approved_bench()
    p1 = replace(p1, approver="w2")
    bench.authority(p1, size=6)
    first = tap(bench, "w2", p1)
    assert decided(first)["reasons"] == ["approver_absent"]
    assert kinds(first) == ["access.decided", "approver.present"]
    assert decided(tap(bench, "w2", p1))["decision"] == "granted"
