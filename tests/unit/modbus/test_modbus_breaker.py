"""The breaker: a silent unit is asked ever more rarely, a healthy one always."""

from drivers.modbus.breaker import FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Breaker
from edge.ports.devices import MonotonicMs


def test_one_failure_does_not_stop_the_unit_being_asked() -> None:
    breaker = Breaker(1)
    breaker.failed(MonotonicMs(0))
    assert breaker.allows(MonotonicMs(0))


def test_two_failures_open_it_for_about_the_first_pause() -> None:
    breaker = Breaker(1)
    breaker.failed(MonotonicMs(0))
    breaker.failed(MonotonicMs(1_000))
    assert not breaker.allows(MonotonicMs(1_000 + FIRST_PAUSE_MS * 7 // 8 - 1))
    assert breaker.allows(MonotonicMs(1_000 + FIRST_PAUSE_MS))


def test_pauses_double_up_to_the_longest() -> None:
    breaker, now, pauses = Breaker(9), 0, []
    breaker.failed(MonotonicMs(now))
    for _ in range(40):
        breaker.failed(MonotonicMs(now))
        waited = next(step for step in range(LONGEST_PAUSE_MS + 1) if breaker.allows(MonotonicMs(now + step)))
        pauses.append(waited)
        now += waited
    assert all(7 / 8 * FIRST_PAUSE_MS * 2**k <= pause for k, pause in enumerate(pauses[:4]))
    assert all(LONGEST_PAUSE_MS * 7 // 8 <= pause <= LONGEST_PAUSE_MS for pause in pauses[5:])


def test_a_success_closes_it_at_once() -> None:
    breaker = Breaker(1)
    for _ in range(10):
        breaker.failed(MonotonicMs(0))
    breaker.succeeded()
    breaker.failed(MonotonicMs(1))
    assert breaker.allows(MonotonicMs(1))


def test_units_that_failed_together_are_not_probed_together() -> None:
    def first_allowed(unit: int) -> int:
        breaker = Breaker(unit)
        breaker.failed(MonotonicMs(0))
        breaker.failed(MonotonicMs(0))
        return next(step for step in range(FIRST_PAUSE_MS + 1) if breaker.allows(MonotonicMs(step)))

    assert len({first_allowed(unit) for unit in range(1, 17)}) > 10
