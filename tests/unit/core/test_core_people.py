"""Who is inside, by passage, and the most that an area takes (capability N16)."""

from dataclasses import replace

import orjson
import pytest
from sites import SITE, Bench, commands, decided, facts, kinds, permit, ready_bench, replace_site

from edge.core import codec
from edge.core.entries import Entry, Stamp
from edge.core.facts import Side
from edge.core.fold import fold
from edge.core.headcount import headcount
from edge.core.messages import DoorFaulted, DoorInput, DoorMoved, Timer, TimerDue, Unlock
from edge.core.people import INSIDE_MOST, People, people_after
from edge.core.state import Durable

WORKERS = ("w1", "w2", "w3", "w4")
P1 = permit(workers=WORKERS)


def contact(bench: Bench, is_open: bool, door: str = "d1"):
    return bench.go(DoorMoved(door, DoorInput.CONTACT, is_open))


def site_bench(people_max: int | None = None) -> Bench:
    """A site where anybody of P1 is granted; every contact is heard and shut; the north takes so many."""
    bench = ready_bench()
    areas = SITE.areas
    replace_site(bench, areas={**areas, "north": replace(areas["north"], people_max=people_max)})
    bench.authority(P1, size=6)
    for door in SITE.doors:
        contact(bench, False, door)
    bench.record()
    return bench


def grant(bench: Bench, worker: str, door: str = "d1", told=P1):
    """A tap; the entries are not durable yet."""
    return bench.tap(facts(worker, [told], authority_size=6), door=door)


def go_in(bench: Bench, worker: str, door: str = "d1") -> None:
    assert decided(grant(bench, worker, door))["decision"] == "granted"
    bench.record()
    contact(bench, True, door)
    contact(bench, False, door)
    bench.record()


def tap_out(bench: Bench, worker: str, door: str = "d1"):
    return bench.tap(facts(worker, [P1], authority_size=6), door=door, side=Side.EXIT)


def lapse(bench: Bench, door: str = "d1"):
    return bench.wait(5_000).go(TimerDue(Timer.DOOR, door))


def counts(bench: Bench, area: str = "north") -> tuple[int, int, int]:
    found = headcount(bench.state, area)
    return found.inside, found.unknown, found.entering


def test_a_worker_is_in_when_they_passed_and_not_when_they_were_granted():
    bench = site_bench()
    grant(bench, "w1")
    assert counts(bench) == (0, 0, 1)
    bench.record()
    assert counts(bench) == (0, 0, 1), "released, the leaf still shut"
    made = contact(bench, True)
    assert counts(bench) == (1, 0, 0)
    person = bench.state.durable.people.inside["w1"]
    assert (person.area, person.door, person.permit, person.certain) == ("north", "d1", "P1", True)
    assert person.entry == made.entries[0].seq
    assert person.since_ms == made.entries[0].stamp.wall_ms


def test_a_release_that_nobody_used_leaves_nobody_in():
    bench = site_bench()
    grant(bench, "w1")
    bench.record()
    assert kinds(lapse(bench)) == ["access.not_taken"]
    assert counts(bench) == (0, 0, 0)


def test_a_grant_that_is_withdrawn_leaves_nobody_in():
    bench = site_bench()
    grant(bench, "w1")
    bench.wait(1_500).go(TimerDue(Timer.GRANT, str(next(iter(bench.state.pending)))))
    assert counts(bench) == (0, 0, 0)


def test_a_worker_is_out_when_they_passed_after_their_tap_on_the_exit_side_and_not_before():
    bench = site_bench()
    go_in(bench, "w1")
    tap_out(bench, "w1")
    assert counts(bench) == (1, 0, 0), "tapped, the leaf still shut"
    lapse(bench)
    assert counts(bench) == (1, 0, 0), "turned round at the door"
    tap_out(bench, "w1")
    contact(bench, True)
    assert counts(bench) == (0, 0, 0)


def test_a_worker_who_passed_into_another_area_is_there_and_no_longer_here():
    bench = site_bench()
    both = permit(workers=WORKERS, areas=("north", "south"))
    bench.authority(both, size=6)
    go_in(bench, "w1")
    bench.settle(gas1=30, wind1=40, gas2=20)
    # Each area has its own guardian's tap.
    bench.tap(facts("g1", [both], authority_size=6), door="d3")
    bench.tap(facts("g1", [both], authority_size=6), door="d3")
    bench.record()
    grant(bench, "w1", "d3", both)
    bench.record()
    contact(bench, True, "d3")
    assert (counts(bench), counts(bench, "south")) == ((0, 0, 0), (1, 0, 0))


def test_after_somebody_left_by_the_button_nobody_inside_is_certain_and_each_still_counts():
    bench = site_bench()
    go_in(bench, "w1")
    go_in(bench, "w2")
    bench.go(DoorMoved("d1", DoorInput.REX, True))
    assert counts(bench) == (2, 0, 0), "pressed, the leaf still shut"
    contact(bench, True)
    assert counts(bench) == (0, 2, 0)
    contact(bench, False)
    tap_out(bench, "w1")
    contact(bench, True)
    assert counts(bench) == (0, 1, 0), "who taps out is out for certain"


def test_a_doubtful_worker_at_the_outer_reader_of_that_area_is_out():
    bench = site_bench()
    go_in(bench, "w1")
    bench.go(DoorMoved("d1", DoorInput.REX, True))
    contact(bench, True)
    contact(bench, False)
    bench.record()
    assert counts(bench) == (0, 1, 0)
    grant(bench, "w1")
    assert counts(bench) == (0, 0, 1)


def test_a_badge_of_somebody_who_is_in_for_certain_at_the_outer_reader_takes_nobody_out():
    bench = site_bench()
    go_in(bench, "w1")
    grant(bench, "w1")
    assert bench.state.durable.people.inside["w1"].certain
    assert counts(bench) == (1, 0, 0), "one person, counted once"


@pytest.mark.parametrize("fire", [True, False])
def test_a_door_forced_or_opened_in_fire_leaves_nobody_certain(fire):
    bench = site_bench()
    go_in(bench, "w1")
    bench.wait(10_001)
    if fire:
        bench.go(DoorMoved("d2", DoorInput.FIRE, True))
    made = contact(bench, True)
    assert kinds(made)[0] == ("door.opened_in_fire" if fire else "door.forced")
    assert counts(bench) == (0, 1, 0)


def test_a_door_held_open_leaves_nobody_certain():
    bench = site_bench()
    go_in(bench, "w1")
    grant(bench, "w2")
    bench.record()
    contact(bench, True)
    bench.wait(20_000).go(TimerDue(Timer.DOOR, "d1"))
    assert counts(bench) == (2, 0, 0)
    bench.wait(10_000).go(TimerDue(Timer.DOOR, "d1"))
    assert counts(bench) == (0, 2, 0)


def test_of_two_grants_that_one_opening_ended_nobody_is_certain():
    bench = site_bench()
    grant(bench, "w1")
    grant(bench, "w2")
    bench.record()
    contact(bench, True)
    assert counts(bench) == (0, 2, 0)


def test_of_two_who_tapped_out_before_one_opening_nobody_is_out_until_they_are_seen_outside():
    bench = site_bench()
    go_in(bench, "w1")
    go_in(bench, "w2")
    tap_out(bench, "w1")
    tap_out(bench, "w2")
    contact(bench, True)
    assert counts(bench) == (0, 2, 0)
    tap_out(bench, "w2")
    assert counts(bench) == (0, 1, 0), "a tap while the leaf stands open is a passage of its own"
    contact(bench, False)
    bench.record()
    grant(bench, "w1")
    assert counts(bench) == (0, 0, 1), "seen at the outer reader"


def test_who_tapped_out_while_another_was_let_in_by_the_same_opening_is_unknown():
    bench = site_bench()
    go_in(bench, "w1")
    grant(bench, "w2")
    bench.record()
    tap_out(bench, "w1")
    contact(bench, True)
    assert counts(bench) == (0, 2, 0)


def test_a_worker_released_at_a_door_whose_contact_is_not_heard_is_unknown():
    bench = ready_bench()
    bench.tap(facts())
    bench.record()
    assert not bench.state.doors["d1"].heard
    assert kinds(lapse(bench)) == ["access.not_taken"]
    assert counts(bench) == (0, 1, 0)


def test_a_worker_released_at_a_door_that_faults_meanwhile_is_unknown():
    bench = site_bench()
    grant(bench, "w1")
    bench.record()
    bench.go(DoorFaulted("d1", "actuators_lost"))
    assert counts(bench) == (0, 1, 0)


def test_a_leaf_that_opens_just_after_a_release_ended_makes_who_had_it_unknown():
    bench = site_bench()
    grant(bench, "w1")
    bench.record()
    lapse(bench)
    assert counts(bench) == (0, 0, 0)
    assert kinds(contact(bench.wait(100), True)) == ["access.taken"]
    assert counts(bench) == (0, 1, 0)


def test_a_worker_who_tapped_twice_before_passing_is_in_once_and_certain():
    bench = site_bench()
    grant(bench, "w1")
    bench.record()
    grant(bench, "w1")
    assert "access.not_taken" in kinds(bench.record())
    contact(bench, True)
    assert counts(bench) == (1, 0, 0)
    assert bench.state.durable.people.releases == ()


def restarted(before: Bench, boot_id: str) -> Bench:
    """The gateway after a kill (the same boot) or a power cut: only what the journal and a saved state say is left."""
    saved = codec.decode(codec.encode(before.state.durable), Durable)
    bench = Bench(before.state.site, saved)
    bench.boot_id, bench.now_ms = boot_id, before.now_ms + 5_000
    return bench.start()


@pytest.mark.parametrize("boot_id", ["boot-1", "boot-2"])
def test_the_count_is_exact_after_a_kill_and_a_power_cut(boot_id):
    before = site_bench(people_max=2)
    go_in(before, "w1")
    go_in(before, "w2")
    bench = restarted(before, boot_id)
    assert bench.state.durable.people.inside == before.state.durable.people.inside
    assert counts(bench) == (2, 0, 0)


def test_a_release_that_a_kill_cut_off_makes_its_worker_unknown():
    before = site_bench()
    go_in(before, "w2")
    grant(before, "w1")
    before.record()
    bench = restarted(before, "boot-1")
    assert counts(bench) == (1, 1, 0)
    assert bench.state.durable.people.releases == ()


def test_an_exit_that_a_kill_cut_off_makes_whom_it_concerned_unknown():
    before = site_bench()
    go_in(before, "w1")
    go_in(before, "w2")
    tap_out(before, "w1")
    bench = restarted(before, "boot-1")
    assert counts(bench) == (1, 1, 0)
    before.go(DoorMoved("d1", DoorInput.REX, True))
    assert counts(restarted(before, "boot-1")) == (0, 2, 0)


def test_entries_of_earlier_versions_that_say_no_area_and_saved_states_without_people_still_decode():
    plain = codec.encode(Durable())
    assert b'"people":' in plain
    older = {name: value for name, value in orjson.loads(plain).items() if name != "people"}
    assert codec.decode(orjson.dumps(older), Durable) == Durable()
    body = {"door": "d1", "entry": 3, "worker": "w1", "exit": False}
    entry = Entry(0, "access.taken", body, Stamp(1, 1, "boot-1", "hq", 0), permit="P1")
    assert fold(Durable(), entry).people == People()


def test_an_area_at_its_cap_refuses_one_more_with_the_count_and_below_it_does_not():
    bench = site_bench(people_max=2)
    go_in(bench, "w1")
    assert decided(grant(bench, "w2"))["decision"] == "granted"
    bench.record()
    contact(bench, True)
    contact(bench, False)
    bench.record()
    refused = decided(grant(bench, "w3"))
    assert (refused["reason"], refused["reasons"]) == ("area_full", ["area_full"])
    assert refused["failing"] == [["area_full", "P1", "2/2"]]
    tap_out(bench, "w1")
    contact(bench, True)
    contact(bench, False)
    bench.record()
    assert decided(grant(bench, "w3"))["decision"] == "granted"


def test_somebody_inside_counts_no_second_time_when_they_tap_again():
    bench = site_bench(people_max=1)
    go_in(bench, "w1")
    assert decided(grant(bench, "w1"))["decision"] == "granted"


def test_unknown_people_count_against_the_cap():
    bench = site_bench(people_max=1)
    go_in(bench, "w1")
    bench.go(DoorMoved("d1", DoorInput.REX, True))
    contact(bench, True)
    contact(bench, False)
    bench.record()
    assert decided(grant(bench, "w2"))["reason"] == "area_full"


def test_two_taps_at_two_doors_of_one_area_never_exceed_the_cap():
    bench = site_bench(people_max=1)
    assert decided(grant(bench, "w1", "d1"))["decision"] == "granted"
    assert decided(grant(bench, "w2", "d2"))["reason"] == "area_full", "a grant that waits for its record counts"
    made = bench.record()
    assert [each.door for each in commands(made, Unlock)] == ["d1"]
    assert decided(grant(bench, "w2", "d2"))["reason"] == "area_full", "and so does one that is released"


def test_an_area_that_filled_up_while_a_grant_was_written_opens_nothing():
    bench = site_bench(people_max=2)
    grant(bench, "w1", "d1")
    grant(bench, "w2", "d2")
    areas = bench.state.site.areas
    replace_site(bench, areas={**areas, "north": replace(areas["north"], people_max=1)})
    made = bench.record()
    assert [each.door for each in commands(made, Unlock)] == ["d1"]
    (withdrawn,) = [each for each in made.entries if each.kind == "access.withdrawn"]
    assert (withdrawn.body["worker"], withdrawn.body["reason"]) == ("w2", "area_full")


def test_a_guardian_at_the_door_of_a_full_area_is_noted_and_never_counted():
    bench = site_bench(people_max=1)
    go_in(bench, "w1")
    noted = decided(bench.tap(facts("g1", [P1], authority_size=6)))
    assert (noted["decision"], noted["reason"]) == ("noted", "guardian_present")
    assert counts(bench) == (1, 0, 0)


def test_no_more_than_a_bounded_number_of_people_are_kept_and_the_least_certain_go_first():
    people = People()
    stamp = Stamp(1, 1, "boot-1", "hq", 0)
    for number in range(INSIDE_MOST + 1):
        who = {"door": "d1", "area": "north", "entry": 2 * number, "worker": f"w{number}"}
        seq = 2 * number
        people = people_after(people, Entry(seq, "access.released", {**who, "until_ms": None}, stamp, permit="P1"))
        taken = {**who, "exit": False, "shared": number == 7}
        people = people_after(people, Entry(seq + 1, "access.taken", taken, stamp, permit="P1"))
    assert len(people.inside) == INSIDE_MOST
    assert "w7" not in people.inside
    assert "w0" in people.inside
