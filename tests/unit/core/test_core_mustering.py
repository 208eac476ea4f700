"""The list of who is inside that the journal keeps of a fire."""

from dataclasses import replace

from sites import kinds, ready_bench
from test_core_people import contact, go_in, site_bench, tap_out

from edge.core.messages import DoorInput, DoorMoved, ReleaseExit
from edge.core.people import Inside, People
from edge.storage.leaves import leaf_bytes
from sync.formats.canonical import MAX_ENTRY_BYTES


def fire(bench, door="d2", on=True):
    return bench.go(DoorMoved(door, DoorInput.FIRE, on))


def test_fire_lists_who_is_in_and_who_is_unknown_once_and_after_the_exit_is_released():
    bench = site_bench()
    go_in(bench, "w1")
    bench.go(DoorMoved("d1", DoorInput.REX, True))
    contact(bench, True)
    contact(bench, False)
    bench.record()
    go_in(bench, "w2")
    made = fire(bench)
    assert isinstance(made.commands[0], ReleaseExit)
    assert kinds(made) == ["fire.signalled", "muster.listed"]
    listed = made.entries[1].body
    assert listed["count"] == 2
    rows = [(each["worker"], each["area"], each["state"], each["door"], each["permit"]) for each in listed["people"]]
    assert rows == [("w1", "north", "unknown", "d1", "P1"), ("w2", "north", "in", "d1", "P1")]
    assert kinds(fire(bench, "d1")) == ["fire.signalled"], "another door of the same fire"


def test_fire_with_nobody_inside_says_so():
    bench = site_bench()
    go_in(bench, "w1")
    tap_out(bench, "w1")
    contact(bench, True)
    listed = fire(bench).entries[-1]
    assert (listed.kind, listed.body["count"], listed.body["people"]) == ("muster.listed", 0, [])


def test_a_long_list_is_whole_and_each_of_its_entries_fits_the_journal():
    bench = ready_bench()
    name = "n" * 60
    inside = {
        f"{name}{number:04}": Inside(f"{name}{number:04}", name, name, name, number, 1_780_000_000_000, True, None)
        for number in range(70)
    }
    durable = bench.state.durable
    bench.state = replace(bench.state, durable=replace(durable, people=People(inside)))
    listed = [each for each in fire(bench).entries if each.kind == "muster.listed"]
    assert [len(each.body["people"]) for each in listed] == [32, 32, 6]
    assert {each["worker"] for entry in listed for each in entry.body["people"]} == set(inside)
    assert all(len(leaf_bytes(each, bench.state.site.origin, None)) <= MAX_ENTRY_BYTES for each in listed)
