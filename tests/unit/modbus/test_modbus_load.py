"""The arithmetic of a bus, and the silences of RTU, against figures worked out by hand from the standard."""

import pytest

from drivers.modbus.load import character_ms, serial_load, silence_ms, tcp_load


def test_a_character_at_9600_8n1_takes_ten_bits() -> None:
    assert character_ms(9600) == pytest.approx(1.0417, abs=1e-4)
    assert character_ms(9600, "E") == pytest.approx(1.1458, abs=1e-4)


def test_the_silence_is_fixed_above_19200_baud() -> None:
    assert silence_ms(9600) == pytest.approx(3.646, abs=1e-3)
    assert silence_ms(19200, "E") == pytest.approx(2.005, abs=1e-3)
    assert silence_ms(38400) == 1.75


def test_a_bus_that_fits_is_allowed_and_one_that_does_not_is_not() -> None:
    # 8 + 5 + 18 characters of 10 bits, 10 ms turnaround and two silences of 4 ms: 50.3 ms a device at 9600.
    load = serial_load([9] * 10, 1_000, 9600)
    assert load.ms_per_cycle == pytest.approx(502.9, abs=0.2)
    assert load.allowed
    assert not serial_load([9] * 16, 1_000, 9600).allowed
    assert not serial_load([9] * 10, 1_000, 2400).allowed


def test_tcp_counts_exchanges() -> None:
    assert tcp_load([9] * 32, 1_000).allowed
    assert not tcp_load([9] * 32, 100).allowed
