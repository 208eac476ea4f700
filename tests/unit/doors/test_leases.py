"""Leases, debounce, read-back, indication: every path, with time as an argument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.lock.debounce import Debounce, ReadBack
from drivers.lock.indicate import Buzzer, Indication, Light
from drivers.lock.lease import EXIT_MS_MIN, LEASE_MS_MAX, DoorLease, StandingLease

MOMENTS = st.integers(0, 200_000)
ORDERS = st.one_of(
    st.tuples(st.just("unlock"), st.integers(-1_000, 100_000)),
    st.tuples(st.just("exit"), st.integers(-1_000, 100_000)),
    st.tuples(st.just("lock"), st.just(0)),
)
STORIES = st.lists(st.tuples(st.integers(0, 20_000), ORDERS), max_size=12)


@given(STORIES, MOMENTS)
def test_no_path_leaves_a_lock_open_past_the_latest_lease_that_was_asked(story, later):
    lease, now, latest = DoorLease(), 0, 0
    for step, (order, length) in story:
        now += step
        lease = lease.at(now)
        if order == "unlock":
            asked = lease.unlock(1, now + length, now)
            assert (asked is None) == (length <= 0)
            lease = asked or lease
            if length > 0:
                latest = max(latest, now + min(length, LEASE_MS_MAX))
        elif order == "exit":
            lease = lease.release_exit(now + length, now)
            latest = max(latest, now + min(max(length, EXIT_MS_MIN), LEASE_MS_MAX))
        else:
            lease = lease.lock()
    if lease.released(now + later):
        assert now + later < latest
    assert not lease.at(latest).released(latest)
    assert lease.at(latest).due() is None


@given(STORIES, st.integers(-5_000, 50_000))
def test_a_release_of_the_exit_is_never_refused_and_no_lock_ends_it(story, length):
    lease, now = DoorLease(), 0
    for step, (order, amount) in story:
        now += step
        if order == "unlock":
            lease = lease.unlock(1, now + amount, now) or lease
        elif order == "exit":
            lease = lease.release_exit(now + amount, now)
        else:
            lease = lease.lock()
    lease = lease.release_exit(now + length, now).lock().at(now)
    end = now + max(length, EXIT_MS_MIN)
    assert lease.released(now)
    assert lease.released(end - 1)


@given(st.integers(1, 50_000), st.integers(1, 50_000))
def test_of_two_overlapping_leases_the_later_end_wins_and_brings_its_entry(one, other):
    lease = DoorLease().unlock(1, one, 0).unlock(2, other, 0)
    assert lease.entry_until == max(one, other)
    assert lease.entry == (2 if other > one else 1)


def test_a_lock_ends_every_lease_for_entry():
    lease = DoorLease().unlock(1, 5_000, 0).unlock(2, 9_000, 0).lock()
    assert not lease.released(0)


def test_a_lease_holds_until_its_end_and_not_at_it():
    lease = DoorLease().unlock(7, 5_000, 0)
    assert lease.released(4_999)
    assert not lease.released(5_000)


def test_a_lease_that_is_over_when_it_comes_opens_nothing():
    assert DoorLease().unlock(1, 1_000, 1_000) is None


def test_standing_outputs_lapse_three_seconds_after_the_daemon_vouched_not_after_we_read_it():
    standing = StandingLease(0).renew(1_000, now=3_500)
    assert not standing.lapsed(3_999)
    assert standing.lapsed(4_000)
    assert standing.renew(500, now=3_000).due() == 4_000
    assert standing.renew(99_000, now=5_000).due() == 8_000


@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=40))
def test_a_contact_counts_only_when_it_stayed_for_its_time(samples):
    state, now, seen = Debounce(False), 0, [(0, False)]
    for step, raw in samples:
        now += step
        before = state.stable
        state = state.sample(raw, now)
        seen.append((now, raw))
        if state.stable != before:
            stayed_since = now
            for moment, level in reversed(seen):
                if level != raw:
                    break
                stayed_since = moment
            assert now - stayed_since >= state.settle_ms
    assert state.due() is None or state.due() > now


def test_bouncing_is_no_movement():
    state = Debounce(False)
    for now in range(0, 300, 10):
        state = state.sample(now % 20 == 0, now)
        assert not state.stable


def test_a_bolt_that_does_not_follow_within_a_second_is_a_fault_until_it_does():
    judge = ReadBack().check(False, 100)
    assert judge.due() == 1_101
    assert not judge.check(False, 1_100).faulty
    late = judge.check(False, 1_101)
    assert late.faulty
    assert late.due() is None
    assert not late.check(True, 1_200).faulty
    assert late.commanded().check(False, 1_300).faulty


@pytest.mark.parametrize(
    ("buzzer", "on", "off"),
    [
        (Buzzer.NONE, [], [0, 100, 999]),
        (Buzzer.OK, [0, 119], [120, 500]),
        (Buzzer.REFUSED, [0, 249, 400, 649], [250, 399, 650, 999]),
        (Buzzer.ALARM, [0, 299, 500, 799], [300, 499, 800, 1000]),
    ],
)
def test_each_sound_is_its_own_pattern_and_ends(buzzer, on, off):
    shown = Indication(Light.RED, buzzer, since=0, until=1_000)
    assert all(shown.sounds(now) for now in on)
    assert not any(shown.sounds(now) for now in off)
    assert not shown.sounds(1_000)


@given(st.sampled_from(Buzzer), st.integers(1, 5_000))
def test_an_indication_always_knows_its_next_change(buzzer, length):
    shown, now = Indication(Light.GREEN, buzzer, since=0, until=length), 0
    for _ in range(length):
        due = shown.due(now)
        assert now < due <= length
        assert all(shown.sounds(moment) == shown.sounds(now) for moment in range(now, due, 37))
        now = due
        if now == length:
            return
    raise AssertionError("never ends")
